"""Locks, lock groups and memberships in the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, func, insert, literal, select, update

from nymead_users.access.errors import Duplicate, LockGroupNotFound, LockNotFound, MembershipNotFound
from nymead_users.access.model import Lock, LockGroup, Membership, Sight
from nymead_users.access.store.filters import Query, queried
from nymead_users.access.store.reach import OPEN
from nymead_users.storage.database import Connection
from nymead_users.storage.tables import (
    credentials,
    grants,
    held_grants,
    lock_groups,
    locks,
    memberships,
    sharing_roles,
    sync_items,
    users,
)

_PENDING = (
    select(func.count())
    .select_from(sync_items)
    .where(sync_items.c.lock_id == locks.c.id, sync_items.c.confirmed.is_(None))
    .scalar_subquery()
)
_LOCK = (
    locks.c.id,
    locks.c.owner_id,
    locks.c.title,
    locks.c.description,
    locks.c.time_zone,
    locks.c.protocol_version,
    locks.c.system_id,
    locks.c.virtual,
    locks.c.active,
    locks.c.rcl_serial_no,
    locks.c.rcl_date,
    locks.c.last_seen_rcl_serial_no,
    _PENDING.label("pending"),
    users.c.username.label("bridge"),
)
_LOCKS = select(*_LOCK).join_from(locks, users, locks.c.bridge_id == users.c.id, isouter=True)

# Made once, since every decision wants it.
_ONE_LOCK = _LOCKS.where(locks.c.id == bindparam("lock_id"))

#: What lists of groups can be queried by, by the names on the wire.
GROUP_FIELDS = {
    "active": lock_groups.c.active,
    "rclSerialNo": lock_groups.c.rcl_serial_no,
    "rclDate": lock_groups.c.rcl_date,
    "id": lock_groups.c.id,
    "title": lock_groups.c.title,
    "description": lock_groups.c.description,
}
#: The same of memberships.
MEMBERSHIP_FIELDS = {
    "id": memberships.c.id,
    "lockGroupId": memberships.c.group_id,
    "boundLockId": memberships.c.lock_id,
    "joinStartDate": memberships.c.join_start,
    "joinCompletedDate": memberships.c.join_completed,
    "leaveStartDate": memberships.c.leave_start,
    "leaveCompletedDate": memberships.c.leave_completed,
    "lastSeenRclSerialNo": memberships.c.last_seen_rcl_serial_no,
    "lastSeenRclUpdateDate": memberships.c.last_seen_rcl_update_date,
}


# Locks


async def list_locks(connection: Connection, owner_id: str | None, sight: Sight) -> list[Lock]:
    """The locks that there are, by title."""
    statement = _LOCKS.where(locks.c.active).order_by(locks.c.title, locks.c.id)
    if owner_id is not None:
        statement = statement.where(locks.c.owner_id == owner_id)
    if sight is not None:
        statement = statement.where(locks.c.id.in_(sight))
    return [_lock(row) for row in await connection.execute(statement)]


async def find_lock(connection: Connection, lock_id: str, *, removed: bool = False) -> Lock:
    """A lock; with ``removed`` also one that was removed. Raises LockNotFound."""
    row = (await connection.execute(_ONE_LOCK, {"lock_id": lock_id})).first()
    if row is None or not (row.active or removed):
        raise LockNotFound
    return _lock(row)


async def bridged_by(connection: Connection, username: str) -> list[str]:
    """The locks for which a user speaks."""
    statement = _LOCKS.with_only_columns(locks.c.id).where(users.c.username == username, locks.c.active)
    return list(await connection.scalars(statement))


async def add_lock(connection: Connection, lock_id: str, owner_id: str, values: dict[str, Any]) -> None:
    """Add a lock, or have one again that was removed. Raises Duplicate."""
    active = await connection.scalar(select(locks.c.active).where(locks.c.id == lock_id))
    if active:
        raise Duplicate("there is a lock of that id")
    values = {**values, "owner_id": owner_id, "active": True}
    if active is None:
        await connection.execute(insert(locks).values(id=lock_id, rcl_serial_no=1, **values))
    else:
        await connection.execute(update(locks).where(locks.c.id == lock_id).values(**values))


async def change_lock(connection: Connection, lock_id: str, values: dict[str, Any]) -> None:
    """Change what is given."""
    if values:
        await connection.execute(update(locks).where(locks.c.id == lock_id).values(**values))


async def remove_lock(connection: Connection, lock_id: str, at: datetime) -> None:
    """Remove a lock: all that is its alone and all that it should hear of goes along, its memberships end."""
    left = func.coalesce(memberships.c.leave_start, literal(at, memberships.c.leave_start.type))
    await connection.execute(
        update(memberships).where(memberships.c.lock_id == lock_id, OPEN).values(leave_start=left, leave_completed=at)
    )
    for table in (grants, credentials, sharing_roles, sync_items, held_grants):
        await connection.execute(delete(table).where(table.c.lock_id == lock_id))
    await connection.execute(
        update(locks).where(locks.c.id == lock_id).values(active=False, last_seen_rcl_serial_no=None)
    )


# Groups


def _groups() -> Select[Any]:
    return select(*(column.label(name) for name, column in GROUP_FIELDS.items()), lock_groups.c.owner_id)


async def list_groups(connection: Connection, owner_id: str | None, sight: Sight, query: Query) -> list[LockGroup]:
    """The groups that are active, of an owner where one is given; of those who see some locks only, those with one.

    Raises BadFilter.
    """
    statement = _groups().where(lock_groups.c.active)
    if owner_id is not None:
        statement = statement.where(lock_groups.c.owner_id == owner_id)
    if sight is not None:
        statement = statement.where(
            lock_groups.c.id.in_(select(memberships.c.group_id).where(memberships.c.lock_id.in_(sight), OPEN))
        )
    statement = queried(statement, query, fields=GROUP_FIELDS, order="id")
    return [_group(row) for row in await connection.execute(statement)]


async def every_group(connection: Connection) -> list[LockGroup]:
    """The groups of all owners, and those that were removed, by id."""
    return [_group(row) for row in await connection.execute(_groups().order_by(lock_groups.c.id))]


async def find_group(
    connection: Connection, group_id: str, *, owner_id: str | None = None, removed: bool = False
) -> LockGroup:
    """A group, of that owner where one is given; with ``removed`` also one that was removed.

    Raises LockGroupNotFound.
    """
    row = (await connection.execute(_groups().where(lock_groups.c.id == group_id))).first()
    if row is None or not (row.active or removed) or owner_id not in (None, row.owner_id):
        raise LockGroupNotFound
    return _group(row)


async def add_group(connection: Connection, group: LockGroup) -> None:
    """Add a group."""
    await connection.execute(
        insert(lock_groups).values(
            id=group.id,
            owner_id=group.owner_id,
            title=group.title,
            description=group.description,
            active=True,
            rcl_serial_no=group.rcl_serial_no,
        )
    )


async def change_group(connection: Connection, group_id: str, values: dict[str, Any]) -> None:
    """Change what is given."""
    if values:
        await connection.execute(update(lock_groups).where(lock_groups.c.id == group_id).values(**values))


# Memberships


def _memberships() -> Select[Any]:
    return select(*(column.label(name) for name, column in MEMBERSHIP_FIELDS.items()))


async def list_memberships(
    connection: Connection, group_id: str, sight: Sight, query: Query, *, unbound: bool
) -> list[Membership]:
    """The memberships in a group, present and past; ``unbound``: also of locks that were removed. Raises BadFilter."""
    statement = (
        _memberships().join(locks, locks.c.id == memberships.c.lock_id).where(memberships.c.group_id == group_id)
    )
    if not unbound:
        statement = statement.where(locks.c.active)
    if sight is not None:
        statement = statement.where(memberships.c.lock_id.in_(sight))
    statement = queried(statement, query, fields=MEMBERSHIP_FIELDS, order="id")
    return [_membership(row) for row in await connection.execute(statement)]


async def open_memberships(
    connection: Connection, *, lock_id: str | None = None, group_id: str | None = None
) -> list[Membership]:
    """The memberships of a lock, or in a group, that have not ended."""
    statement = _memberships().where(OPEN).order_by(memberships.c.join_start, memberships.c.id)
    if lock_id is not None:
        statement = statement.where(memberships.c.lock_id == lock_id)
    if group_id is not None:
        statement = statement.where(memberships.c.group_id == group_id)
    return [_membership(row) for row in await connection.execute(statement)]


async def find_membership(connection: Connection, membership_id: str) -> Membership:
    """A membership, ended or not. Raises MembershipNotFound."""
    row = (await connection.execute(_memberships().where(memberships.c.id == membership_id))).first()
    if row is None:
        raise MembershipNotFound
    return _membership(row)


async def add_membership(connection: Connection, membership: Membership) -> None:
    """Add a membership."""
    await connection.execute(
        insert(memberships).values(
            id=membership.id,
            lock_id=membership.lock_id,
            group_id=membership.group_id,
            join_start=membership.join_start,
        )
    )


async def change_membership(connection: Connection, membership_id: str, values: dict[str, Any]) -> None:
    """Change what is given."""
    await connection.execute(update(memberships).where(memberships.c.id == membership_id).values(**values))


async def count_states(connection: Connection, group_id: str, sight: Sight) -> tuple[int, int, int, int]:
    """How many memberships in a group, of these locks, are joining, joined, leaving and left."""
    joining = memberships.c.join_completed.is_(None) & memberships.c.leave_start.is_(None)
    joined = memberships.c.join_completed.is_not(None) & memberships.c.leave_start.is_(None)
    leaving = memberships.c.leave_start.is_not(None) & OPEN
    statement = select(
        *(func.count().filter(state) for state in (joining, joined, leaving, ~OPEN)),
    ).where(memberships.c.group_id == group_id)
    if sight is not None:
        statement = statement.where(memberships.c.lock_id.in_(sight))
    row = (await connection.execute(statement)).one()
    return row[0], row[1], row[2], row[3]


def _lock(row: Row[*tuple[Any, ...]]) -> Lock:
    values: tuple[Any, ...] = tuple(row)
    return Lock(*values)


def _group(row: Row[*tuple[Any, ...]]) -> LockGroup:
    active, serial, date, group_id, title, description, owner_id = row
    return LockGroup(group_id, owner_id, title, description, active, serial, date)


def _membership(row: Row[*tuple[Any, ...]]) -> Membership:
    membership_id, group_id, lock_id, *rest = row
    join_start, join_completed, leave_start, leave_completed, serial, date = rest
    return Membership(
        membership_id, lock_id, group_id, join_start, join_completed, leave_start, leave_completed, serial, date
    )
