"""Locks: added, changed, removed."""

from __future__ import annotations

from typing import Any, cast

from nymead_users.access.errors import InvalidValue
from nymead_users.access.model import Lock, Sight
from nymead_users.access.store import granted, people, places, roles, syncing
from nymead_users.access.unit import Confirm, Model, Work, new_id
from nymead_users.access.values import check_zone
from nymead_users.identity.users import Users


class Locks:
    """Verbs on locks. They raise what is not found, InvalidValue and Duplicate; and StoreError."""

    def __init__(self, model: Model, users: Users) -> None:
        self._model = model
        self._users = users

    async def listed(self, owner_id: str | None, sight: Sight) -> list[Lock]:
        """The locks by title. Raises OwnerNotFound."""
        async with self._model.read() as connection:
            if owner_id is not None:
                await people.require_owner(connection, owner_id)
            return await places.list_locks(connection, owner_id, sight)

    async def add(
        self, lock_id: str | None, owner_id: str | None, given: dict[str, Any], *, by: str, confirm: Confirm
    ) -> Lock:
        """Add a lock; a given id is its thing's, and one that was removed may come back.

        ``given``: title, description, time_zone, system_id, protocol_version, virtual, and the username of the bridge.
        """
        given = checked(given)
        lock_id = lock_id or new_id()
        async with self._model.change(by, confirm) as work:
            owner = await people.require_owner(work.connection, owner_id)
            await enter(work, lock_id, owner, given)
        return cast("Lock", work.told(lock_id))

    async def update(self, lock_id: str, given: dict[str, Any], *, by: str, confirm: Confirm) -> Lock:
        """Change what is given of what ``add`` takes."""
        given = checked(given)
        async with self._model.change(by, confirm) as work:
            before = await places.find_lock(work.connection, lock_id)
            if any(getattr(before, name) != value for name, value in given.items()):
                await amend(work, lock_id, given)
        return work.told(lock_id) or before

    async def remove(self, lock_id: str, *, by: str, confirm: Confirm) -> None:
        """Remove a lock: its memberships end, its grants and roles go, and no user's list of things names it."""
        async with self._model.change(by, confirm) as work:
            lock = await places.find_lock(work.connection, lock_id)
            grants = await granted.grants_of_lock(work.connection, lock_id)
            memberships = await places.open_memberships(work.connection, lock_id=lock_id)
            # What this lock has not heard of is not due any more: grants of its groups may be settled by that.
            await work.watch(await syncing.awaiting(work.connection, lock_id))
            codes = await people.credentials_of_lock(work.connection, lock_id)
            shares = await roles.roles_of(work.connection, lock_id=lock_id)
            await places.remove_lock(work.connection, lock_id, work.at)
            work.removed(lock, [lock_id])
            for membership in memberships:
                work.changed(await places.find_membership(work.connection, membership.id), [lock_id])
            for credential in codes:
                work.removed(credential, [lock_id])
            for grant in grants:
                work.removed(grant, [lock_id])
            for role in shares:
                work.removed(role, [lock_id])
            users = await self._users.forget_thing(work.connection, lock_id)
            work.afterwards(lambda: self._users.told_changed(users))


async def enter(work: Work, lock_id: str, owner_id: str, given: dict[str, Any]) -> None:
    """Add a lock as it was ``checked``, or have one again that was removed. Raises InvalidValue and Duplicate."""
    await places.add_lock(work.connection, lock_id, owner_id, await _columns(work, given))
    work.lock_added(lock_id)


async def amend(work: Work, lock_id: str, given: dict[str, Any]) -> None:
    """Change what is given of a lock as it was ``checked``. Raises InvalidValue."""
    await places.change_lock(work.connection, lock_id, await _columns(work, given))
    work.lock_changed(lock_id)


def checked(given: dict[str, Any]) -> dict[str, Any]:
    """What is given as it is kept. Raises InvalidValue."""
    if "title" in given and not given["title"].strip():
        raise InvalidValue("title: must not be empty")
    if "time_zone" in given:
        check_zone(given["time_zone"])
    if given.get("bridge") is not None:
        return {**given, "bridge": given["bridge"].lower()}
    return given


async def _columns(work: Work, given: dict[str, Any]) -> dict[str, Any]:
    """What is given as the columns that keep it. Raises InvalidValue for a bridge who is no user."""
    values = dict(given)
    if "bridge" in values:
        username = values.pop("bridge")
        values["bridge_id"] = None if username is None else await people.find_user(work.connection, username)
        if username is not None and (not username or values["bridge_id"] is None):
            raise InvalidValue("bridge: there is no user of that name")
    return values
