"""Lock groups and which locks are in them (seed 003).

A lock is added to a group, hears of it and is an effective member from then on; it is removed, and stays a member
until it has heard of that, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from nymead_users.access.errors import (
    ActiveGrants,
    AlreadyMember,
    BadQuery,
    LockGroupNotFound,
    LockNotFound,
    LocksAssigned,
    MembershipNotFound,
    ProtocolVersionTooOld,
    TitleMissing,
    TooManyGroups,
)
from nymead_users.access.grants import dues, revoke
from nymead_users.access.model import Grant, Lock, LockGroup, Membership, Person, Sight, SyncEntity, SyncOperation
from nymead_users.access.store import granted, people, places
from nymead_users.access.store.filters import BadFilter
from nymead_users.access.store.filters import Query as Query  # noqa: PLC0414 - what lists take
from nymead_users.access.unit import Confirm, Model, Work, new_id

#: The first version of the protocol between locks and bridges that knows groups.
GROUP_PROTOCOL = 1


class States(NamedTuple):
    """How many locks are in which state of their membership."""

    join_pending: int
    joined: int
    unjoin_pending: int
    unjoined: int


class Groups:
    """Verbs on lock groups and memberships. ``limit``: in so many groups a lock can be at a time.

    Each names the owner, and raises OwnerNotFound; beyond that what is not found, and StoreError.
    """

    def __init__(self, model: Model, *, limit: int) -> None:
        self._model = model
        self._limit = limit

    # Groups

    async def listed(self, owner_id: str, sight: Sight, query: Query) -> list[LockGroup]:
        """The groups of an owner. Raises BadQuery."""
        async with self._model.read() as connection:
            await people.require_owner(connection, owner_id)
            with _bad_queries():
                return await places.list_groups(connection, owner_id, sight, query)

    async def find(self, owner_id: str, group_id: str, sight: Sight) -> LockGroup:
        """One of them, even if it was removed; of those who see some locks only, one with such a lock.

        Raises LockGroupNotFound.
        """
        async with self._model.read() as connection:
            await people.require_owner(connection, owner_id)
            group = await places.find_group(connection, group_id, owner_id=owner_id, removed=True)
            if sight is not None:
                members = await places.open_memberships(connection, group_id=group_id)
                if not any(membership.lock_id in sight for membership in members):
                    raise LockGroupNotFound
            return group

    async def statistics(self, group_ids: list[str], sight: Sight) -> dict[str, States]:
        """How many locks of each group that the caller may know of are in which state."""
        async with self._model.read() as connection:
            return {group_id: States(*await places.count_states(connection, group_id, sight)) for group_id in group_ids}

    async def create(
        self, owner_id: str, title: str | None, description: str, *, by: str, confirm: Confirm
    ) -> LockGroup:
        """Make a group. Raises TitleMissing."""
        if title is None or not title.strip():
            raise TitleMissing
        async with self._model.change(by, confirm) as work:
            await people.require_owner(work.connection, owner_id)
            group = LockGroup(new_id(), owner_id, title, description, True, 1, None)
            await enter(work, group)
        return group

    async def update(
        self, owner_id: str, group_id: str, title: str | None, description: str | None, *, by: str, confirm: Confirm
    ) -> LockGroup:
        """Change what is given. Raises TitleMissing."""
        if title is not None and not title.strip():
            raise TitleMissing
        given = {"title": title, "description": description}
        values = {name: value for name, value in given.items() if value is not None}
        async with self._model.change(by, confirm) as work:
            group = await _require_group(work, owner_id, group_id)
            if any(getattr(group, name) != value for name, value in values.items()):
                await amend(work, group_id, values)
            return await places.find_group(work.connection, group_id)

    async def remove(
        self,
        owner_id: str,
        group_id: str,
        *,
        force_revoke_grants: bool,
        force_unjoin_locks: bool,
        by: str,
        confirm: Confirm,
    ) -> None:
        """Remove a group from all lists; it stays in the store.

        Raises LocksAssigned and ActiveGrants where these must go first and are not forced to. Locks that are forced
        to leave are members until they have heard of it.
        """
        async with self._model.change(by, confirm) as work:
            await _require_group(work, owner_id, group_id)
            members = await places.open_memberships(work.connection, group_id=group_id)
            if members and not force_unjoin_locks:
                raise LocksAssigned
            grants = await granted.grants_of_group(work.connection, group_id)
            if grants and not force_revoke_grants:
                raise ActiveGrants
            await revoke(work, grants)
            for membership in members:
                await _leave(work, membership)
            await places.change_group(work.connection, group_id, {"active": False})
            removed = await places.find_group(work.connection, group_id, removed=True)
            work.group_removed(removed, [membership.lock_id for membership in members])

    async def grants(self, owner_id: str, group_id: str, sight: Sight, query: Query) -> list[Grant]:
        """A group's grants. Raises BadQuery."""
        await self.find(owner_id, group_id, sight)
        async with self._model.read() as connection:
            with _bad_queries():
                return await granted.query_group_grants(connection, group_id, query)

    async def persons(self, grants: list[Grant]) -> dict[str, Person]:
        """The persons that grants are for."""
        async with self._model.read() as connection:
            return await people.find_persons(connection, [grant.person_id for grant in grants if grant.person_id])

    # Memberships

    async def memberships(
        self, owner_id: str, group_id: str, sight: Sight, query: Query, *, unbound: bool
    ) -> list[Membership]:
        """The memberships in a group, present and past. Raises BadQuery."""
        await self.find(owner_id, group_id, sight)
        async with self._model.read() as connection:
            with _bad_queries():
                return await places.list_memberships(connection, group_id, sight, query, unbound=unbound)

    async def locks(self, memberships: list[Membership]) -> dict[str, Lock]:
        """The locks of memberships, also those that were removed."""
        async with self._model.read() as connection:
            ids = dict.fromkeys(membership.lock_id for membership in memberships)
            return {lock_id: await places.find_lock(connection, lock_id, removed=True) for lock_id in ids}

    async def join(self, owner_id: str, group_id: str, lock_id: str, *, by: str, confirm: Confirm) -> Membership:
        """Add a lock to a group.

        Raises LockNotFound, AlreadyMember, ProtocolVersionTooOld and TooManyGroups.
        """
        async with self._model.change(by, confirm) as work:
            await _require_group(work, owner_id, group_id)
            lock = await places.find_lock(work.connection, lock_id)
            if lock.owner_id != owner_id:
                raise LockNotFound
            present = await places.open_memberships(work.connection, lock_id=lock_id)
            if any(membership.group_id == group_id for membership in present):
                raise AlreadyMember
            check_joining(lock.protocol_version, len(present), self._limit)
            return await admit(work, group_id, lock_id)

    async def leave(self, owner_id: str, group_id: str, membership_id: str, *, by: str, confirm: Confirm) -> None:
        """Remove a lock from a group, of which it must hear. Again: nothing happens. Raises MembershipNotFound."""
        async with self._model.change(by, confirm) as work:
            await _require_group(work, owner_id, group_id)
            membership = await places.find_membership(work.connection, membership_id)
            if membership.group_id != group_id or membership.leave_completed is not None:
                raise MembershipNotFound
            await _leave(work, membership)


async def enter(work: Work, group: LockGroup) -> None:
    """Add a group that was checked."""
    await places.add_group(work.connection, group)
    work.group_added(group.id)


async def amend(work: Work, group_id: str, values: dict[str, Any]) -> None:
    """Change what is given of a group as it was checked: title and description."""
    await places.change_group(work.connection, group_id, values)
    work.group_changed(group_id)


def check_joining(protocol_version: int, groups: int, limit: int) -> None:
    """Refuse that a lock joins one more group. Raises ProtocolVersionTooOld and TooManyGroups."""
    if protocol_version < GROUP_PROTOCOL:
        raise ProtocolVersionTooOld
    if groups >= limit:
        raise TooManyGroups(groups)


async def admit(work: Work, group_id: str, lock_id: str) -> Membership:
    """Add a lock to a group, of which it must hear, and of the group's grants."""
    membership = Membership(new_id(), lock_id, group_id, work.at, None, None, None, None, None)
    await places.add_membership(work.connection, membership)
    work.added(membership, [lock_id])
    await work.tell([_due(membership, SyncOperation.ADD)])
    grants = await granted.grants_of_group(work.connection, group_id)
    await work.watch(grant.id for grant in grants)
    only_here = {grant.id: [lock_id] for grant in grants}
    await work.tell(await dues(work, grants, SyncOperation.ADD, only_here))
    return membership


async def _leave(work: Work, membership: Membership) -> None:
    if membership.leave_start is not None:
        return
    await places.change_membership(work.connection, membership.id, {"leave_start": work.at})
    await work.tell([_due(membership, SyncOperation.REMOVE)])
    work.changed(await places.find_membership(work.connection, membership.id), [membership.lock_id])


def _due(membership: Membership, op: SyncOperation) -> tuple[str, SyncEntity, str, SyncOperation, dict[str, str]]:
    return membership.lock_id, SyncEntity.MEMBERSHIP, membership.id, op, {"lockGroupId": membership.group_id}


async def _require_group(work: Work, owner_id: str, group_id: str) -> LockGroup:
    await people.require_owner(work.connection, owner_id)
    return await places.find_group(work.connection, group_id, owner_id=owner_id)


@contextmanager
def _bad_queries() -> Iterator[None]:
    try:
        yield
    except BadFilter as error:
        raise BadQuery(str(error)) from error
