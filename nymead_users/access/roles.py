"""Sharing: who may let others in at a lock, and what they have shared (seed 001).

A role opens nothing. It lets a person issue grants for its lock, *keys*, within what they may do there themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from nymead_users.access.errors import (
    InvalidScheduleGiven,
    InvalidUserId,
    InvalidValue,
    KeyNotFound,
    KeyNotPermanent,
    LockNotFound,
    NotVisible,
    RoleNotFound,
    SharingNotAllowed,
)
from nymead_users.access.grants import NewGrant, issue, revoke
from nymead_users.access.model import Grant, Person, Role, Sight
from nymead_users.access.people import introduce
from nymead_users.access.schedule import InvalidSchedule, Schedule
from nymead_users.access.store import granted, people, places, roles
from nymead_users.access.store.reading import seen
from nymead_users.access.sync import Speaker
from nymead_users.access.unit import Confirm, Model, Work, new_id
from nymead_users.access.values import canonical_phone
from nymead_users.identity.policy import MAX_TEXT
from nymead_users.storage.database import Connection

#: So many keys that are not revoked can be shared under one role: nobody fills the store with them.
MAX_STANDING = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """What is to be shared: from when (now, if not said) until before when, and Unloc's form of a recurrence."""

    start: datetime | None = None
    end: datetime | None = None
    recurrence: Mapping[str, Any] | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """Who acts on behalf of a sharer, as they may at the moment when they are asked.

    ``speaker``: administrators may for everybody, others for the person who they are. ``sight``: where.
    """

    speaker: Speaker
    sight: Callable[[], Sight]


class Roles:
    """Verbs on sharing roles and on the keys that are shared by them.

    A ``user_id`` is a phone number in any spelling. All raise what is not found, InvalidUserId and StoreError.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    # Roles

    async def listed(self, owner_id: str, sight: Sight, *, limit: int, after_id: str | None) -> list[Role]:
        """So many of the roles of an owner that can share, oldest first, after one of them.

        Raises OwnerNotFound, and InvalidValue where there is none to begin after.
        """
        async with self._model.read() as connection:
            await people.require_owner(connection, owner_id)
            lock_ids = await seen(connection, sight)
            return await roles.list_roles(connection, owner_id, lock_ids, sharing=True, limit=limit, after_id=after_id)

    async def at_lock(
        self, owner_id: str, lock_id: str, sight: Sight, *, limit: int, after_id: str | None
    ) -> list[Role]:
        """The same of all roles at a lock. Raises NotVisible and LockNotFound, too."""
        if sight is not None and lock_id not in sight:
            raise NotVisible
        async with self._model.read() as connection:
            await _require_lock(connection, owner_id, lock_id)
            here = frozenset({lock_id})
            return await roles.list_roles(connection, owner_id, here, sharing=False, limit=limit, after_id=after_id)

    async def set(
        self,
        owner_id: str,
        lock_id: str,
        user_id: str,
        *,
        can_share: bool,
        user_name: str | None,
        by: str,
        confirm: Confirm,
    ) -> Role:
        """Make somebody's role at a lock, or change what is given of it. Nothing happens if it is so already.

        Without a person of that number one is made. A new role without a name has the person's, and has issued what
        is still there of what the person shared at the lock before. Raises OwnerNotFound and LockNotFound.
        """
        phone = _phone(user_id, "userId")
        async with self._model.change(by, confirm) as work:
            await _require_lock(work.connection, owner_id, lock_id)
            person = await _met(work, owner_id, phone, "userId", user_name or "")
            before = await roles.find_role(work.connection, person.id, lock_id)
            if before is None:
                name = f"{person.first_name} {person.last_name}".strip()[:MAX_TEXT] if user_name is None else user_name
                issued = len(await granted.shared_grants(work.connection, person.id, lock_id))
                role = Role(new_id(), person.id, lock_id, phone, name, can_share, work.at, issued)
                await roles.add_role(work.connection, role)
                work.added(role, [lock_id])
                return role
            values = {"can_share": can_share, "user_name": before.user_name if user_name is None else user_name}
            return await _change(work, before, values)

    async def remove(self, owner_id: str, lock_id: str, user_id: str, *, by: str, confirm: Confirm) -> None:
        """Remove a role; what was shared by it stays. Raises OwnerNotFound, LockNotFound and RoleNotFound."""
        phone = _phone(user_id, "userId")
        async with self._model.change(by, confirm) as work:
            await _require_lock(work.connection, owner_id, lock_id)
            person = _only(await people.persons_of_phone(work.connection, owner_id, phone), "userId")
            role = person and await roles.find_role(work.connection, person.id, lock_id)
            if role is None:
                raise RoleNotFound
            await roles.remove_role(work.connection, role.id)
            work.removed(role, [lock_id])

    # Keys. Each raises NotVisible for who may not, even if there is no such lock or nobody of that number.

    async def share(
        self, lock_id: str, user_id: str, to_user_id: str, key: NewKey, party: Party, *, by: str, confirm: Confirm
    ) -> Grant:
        """Let somebody in, under a role: a grant within the sharer's own. Without a person of that number one is made.

        The role must be able to share, and its person to open the lock at all times, without an end; from afar the
        key opens if they can. Raises LockNotFound, RoleNotFound, SharingNotAllowed, KeyNotPermanent, InvalidValue and
        InvalidScheduleGiven.
        """
        phone, to_phone = _phone(user_id, "userId"), _phone(to_user_id, "toUserId")
        schedule = None if key.recurrence is None else _recurrence(key.recurrence)
        async with self._model.change(by, confirm) as work:
            sharer = await _sharer(work.connection, lock_id, phone, party)
            role = await roles.find_role(work.connection, sharer.id, lock_id)
            if role is None:
                raise RoleNotFound
            if not role.can_share:
                raise SharingNotAllowed("the role cannot share")
            shared = await granted.shared_grants(work.connection, sharer.id, lock_id)
            if sum(key.revoked is None for key in shared) >= MAX_STANDING:
                raise SharingNotAllowed(f"at most {MAX_STANDING} keys can be shared at a time; revoke some first")
            start = key.start or work.at
            if key.end is not None and key.end <= max(start, work.at):
                raise InvalidValue("end: must be later than start, and not over already")
            own = _within(await _permanent(work, sharer, lock_id), start)
            if to_phone == phone:
                raise InvalidUserId("toUserId: is the number of who shares")
            receiver = await _met(work, sharer.owner_id, to_phone, "toUserId", "")
            grant_id = await issue(
                work,
                NewGrant(
                    person_id=receiver.id,
                    lock_id=lock_id,
                    valid_from=start,
                    valid_before=key.end,
                    schedule=schedule,
                    remote_allowed=any(grant.remote_allowed for grant in own),
                    name=key.name,
                    shared_by=sharer.id,
                ),
            )
            await _change(work, role, {"created_keys": role.created_keys + 1})
        return cast("Grant", work.told(grant_id))

    async def shared(self, lock_id: str, user_id: str, party: Party) -> list[Grant]:
        """What somebody has shared at a lock, oldest first, with what was revoked, whatever has become of the role.

        Raises LockNotFound, and RoleNotFound where there neither is a role nor was anything shared.
        """
        phone = _phone(user_id, "userId")
        async with self._model.read() as connection:
            return await _keys(connection, lock_id, phone, party)

    async def revoke(
        self,
        lock_id: str,
        user_id: str,
        party: Party,
        *,
        to_user_id: str | None,
        key_ids: Collection[str] | None,
        by: str,
        confirm: Confirm,
    ) -> list[Grant]:
        """Take back what somebody has shared at a lock: all of it, or what is with one person, or these, or both.

        Returns the keys that are meant, without those that were revoked before unless they are named. Raises what
        ``shared`` does, and KeyNotFound, with nothing revoked, where one that is named is none of them.
        """
        phone = _phone(user_id, "userId")
        to_phone = None if to_user_id is None else _phone(to_user_id, "toUserId")
        async with self._model.change(by, confirm) as work:
            keys = await _keys(work.connection, lock_id, phone, party)
            if to_phone is not None:
                keys = [key for key in keys if key.holder_phone == to_phone]
            if key_ids is None:
                keys = [key for key in keys if key.revoked is None]
            else:
                _require(key_ids, keys)
                keys = [key for key in keys if key.id in key_ids]
            await revoke(work, keys)
        return [work.told(key.id) or key for key in keys]


def _phone(text: str, name: str) -> str:
    """A phone number in E.164. Raises InvalidUserId."""
    try:
        phone = canonical_phone(text, name)
    except InvalidValue as error:
        raise InvalidUserId(str(error)) from error
    if not phone:
        raise InvalidUserId(f"{name}: a phone number is wanted")
    return phone


def _recurrence(periods: Mapping[str, Any]) -> dict[str, Any]:
    """A recurrence as schedules are kept. Raises InvalidScheduleGiven."""
    try:
        return Schedule.from_unloc(periods).as_json()
    except InvalidSchedule as error:
        raise InvalidScheduleGiven(str(error)) from error


async def _require_lock(connection: Connection, owner_id: str, lock_id: str) -> None:
    """Raise OwnerNotFound, and LockNotFound for what is another owner's."""
    await people.require_owner(connection, owner_id)
    if (await places.find_lock(connection, lock_id)).owner_id != owner_id:
        raise LockNotFound


def _only(found: Sequence[Person], name: str) -> Person | None:
    """The person whose number it is. Raises InvalidUserId where several have it."""
    if len(found) > 1:
        raise InvalidUserId(f"{name}: several persons have this number")
    return found[0] if found else None


async def _met(work: Work, owner_id: str, phone: str, param: str, name: str) -> Person:
    """The person of a number, who is made if there is none. Raises InvalidUserId."""
    found = _only(await people.persons_of_phone(work.connection, owner_id, phone), param)
    return found or await introduce(work, owner_id, {"phone": phone, "first_name": name})


async def _change(work: Work, role: Role, values: dict[str, Any]) -> Role:
    """Change a role, if it is not so already."""
    changed = replace(role, **values)
    if changed != role:
        await roles.change_role(work.connection, role.id, values)
        work.changed(changed, [role.lock_id])
    return changed


async def _sharer(connection: Connection, lock_id: str, phone: str, party: Party) -> Person:
    """The person on whose behalf somebody acts at a lock. Raises NotVisible, LockNotFound and RoleNotFound."""
    username, sight = party.speaker(), party.sight()
    if sight is not None and lock_id not in sight:
        raise NotVisible("lockId: is not among the things of the caller")
    lock = await places.find_lock(connection, lock_id)
    found = await people.persons_of_phone(connection, lock.owner_id, phone)
    if username is not None and not any(username and person.username == username for person in found):
        raise NotVisible("userId: only administrators and the user who is this person may share, and revoke, for them")
    sharer = _only(found, "userId")
    if sharer is None:
        raise RoleNotFound
    return sharer


async def _keys(connection: Connection, lock_id: str, phone: str, party: Party) -> list[Grant]:
    """What the person of a number has shared at a lock. Raises RoleNotFound who never could."""
    sharer = await _sharer(connection, lock_id, phone, party)
    keys = await granted.shared_grants(connection, sharer.id, lock_id)
    if not keys and await roles.find_role(connection, sharer.id, lock_id) is None:
        raise RoleNotFound
    return keys


async def _permanent(work: Work, sharer: Person, lock_id: str) -> list[Grant]:
    """The grants by which somebody may open a lock at all times. Raises SharingNotAllowed and KeyNotPermanent."""
    own = await granted.own_grants_at(work.connection, sharer.id, lock_id)
    effective = [
        grant
        for grant in own
        if sharer.enabled
        and grant.enabled
        and (grant.valid_from is None or grant.valid_from <= work.at)
        and (grant.valid_before is None or work.at < grant.valid_before)
    ]
    if not effective:
        raise SharingNotAllowed("who shares may not open the lock at present")
    permanent = [grant for grant in effective if grant.valid_before is None and grant.schedule is None]
    if not permanent:
        raise KeyNotPermanent
    return permanent


def _within(own: Sequence[Grant], start: datetime) -> list[Grant]:
    """Those of somebody's permanent grants that have begun when a key begins. Raises InvalidValue for none."""
    begun = [grant for grant in own if grant.valid_from is None or grant.valid_from <= start]
    if not begun:
        raise InvalidValue("start: is before who shares could open the lock")
    return begun


def _require(key_ids: Collection[str], keys: Sequence[Grant]) -> None:
    """Raise KeyNotFound for what is none of these keys."""
    for key_id in sorted(set(key_ids) - {key.id for key in keys}):
        raise KeyNotFound(f"ids: {key_id} is none of the keys that were shared so")
