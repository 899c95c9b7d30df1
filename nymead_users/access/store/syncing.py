"""What locks must still hear of, and what they hold, in the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, delete, insert, select, update

from nymead_users.access.model import SyncEntity, SyncItem, SyncOperation
from nymead_users.storage.database import Connection
from nymead_users.storage.tables import grants, held_grants, sync_items

#: How long an item that was heard is remembered, so that hearing of it again does no harm.
REMEMBERED = timedelta(days=7)

#: Items put together at a time.
TURN = 250

#: Items that a lock gets at a time.
BATCH = 1000

_ITEM = (
    sync_items.c.number,
    sync_items.c.id,
    sync_items.c.lock_id,
    sync_items.c.entity,
    sync_items.c.entity_id,
    sync_items.c.op,
    sync_items.c.payload,
    sync_items.c.created,
    sync_items.c.error,
    sync_items.c.attempts,
)

#: One thing to be heard: the lock, what, its id, what has happened to it, and how the lock must know it.
Due = tuple[str, SyncEntity, str, SyncOperation, dict[str, Any]]


async def add_items(connection: Connection, due: Iterable[Due], at: datetime, operation_id: str) -> None:
    """Add what locks must hear of, in this order, all of one operation."""
    waiting = iter(due)
    # Many at a time would keep others waiting while they are put together.
    while part := list(islice(waiting, TURN)):
        await connection.execute(
            insert(sync_items),
            [
                {
                    "id": str(uuid4()),
                    "lock_id": lock_id,
                    "entity": entity.value,
                    "entity_id": entity_id,
                    "op": op.value,
                    "payload": payload,
                    "created": at,
                    "attempts": 0,
                    "operation_id": operation_id,
                }
                for lock_id, entity, entity_id, op, payload in part
            ],
        )


async def pending(connection: Connection, lock_id: str) -> list[SyncItem]:
    """What a lock must still hear of, in order; at most BATCH at a time."""
    statement = (
        select(*_ITEM)
        .where(sync_items.c.lock_id == lock_id, sync_items.c.confirmed.is_(None))
        .order_by(sync_items.c.number)
        .limit(BATCH)
    )
    return [_item(row) for row in await connection.execute(statement)]


async def awaiting(connection: Connection, lock_id: str) -> list[str]:
    """The grants of which a lock must still hear."""
    statement = (
        select(sync_items.c.entity_id)
        .where(
            sync_items.c.lock_id == lock_id,
            sync_items.c.confirmed.is_(None),
            sync_items.c.entity == SyncEntity.GRANT.value,
        )
        .distinct()
    )
    return list(await connection.scalars(statement))


async def revocations_due(connection: Connection, lock_id: str) -> bool:
    """Whether a lock must still hear that a grant was revoked."""
    due = select(sync_items.c.number).where(
        sync_items.c.lock_id == lock_id,
        sync_items.c.confirmed.is_(None),
        sync_items.c.entity == SyncEntity.GRANT.value,
        sync_items.c.op == SyncOperation.REMOVE.value,
    )
    return bool(await connection.scalar(select(due.exists())))


async def find_items(
    connection: Connection, lock_id: str, item_ids: Sequence[str]
) -> tuple[list[SyncItem], frozenset[str]]:
    """Those of a lock's items that are still to be heard, in order, and the ids of those heard already."""
    rows = await connection.execute(
        select(*_ITEM, sync_items.c.confirmed)
        .where(sync_items.c.lock_id == lock_id, sync_items.c.id.in_(item_ids))
        .order_by(sync_items.c.number)
    )
    waiting: list[SyncItem] = []
    heard: set[str] = set()
    for *row, confirmed in rows:
        if confirmed is None:
            waiting.append(_item(row))
        else:
            heard.add(row[1])
    return waiting, frozenset(heard)


async def must_wait(connection: Connection, item: SyncItem) -> bool:
    """Whether the lock must hear of something else about the same entity first."""
    statement = select(sync_items.c.number).where(
        sync_items.c.lock_id == item.lock_id,
        sync_items.c.entity_id == item.entity_id,
        sync_items.c.confirmed.is_(None),
        sync_items.c.number < item.number,
    )
    return await connection.scalar(statement.limit(1)) is not None


async def confirm(connection: Connection, item: SyncItem, at: datetime) -> None:
    """A lock has heard of an item."""
    await connection.execute(
        update(sync_items).where(sync_items.c.number == item.number).values(confirmed=at, error=None)
    )


async def fail(connection: Connection, item: SyncItem, error: str) -> None:
    """A lock could not take an item; it stays due."""
    await connection.execute(
        update(sync_items)
        .where(sync_items.c.number == item.number)
        .values(error=error, attempts=sync_items.c.attempts + 1)
    )


async def forget(connection: Connection, lock_id: str, at: datetime) -> None:
    """Forget what a lock has heard of long ago."""
    await connection.execute(
        delete(sync_items).where(sync_items.c.lock_id == lock_id, sync_items.c.confirmed < at - REMEMBERED)
    )


def _of_group(lock_id: str, group_id: str) -> ColumnElement[bool]:
    """Whether an item is about a grant of a group, and a lock must still hear of it."""
    return and_(
        sync_items.c.lock_id == lock_id,
        sync_items.c.confirmed.is_(None),
        sync_items.c.entity == SyncEntity.GRANT.value,
        sync_items.c.entity_id.in_(select(grants.c.id).where(grants.c.group_id == group_id)),
    )


async def waiting_grants(connection: Connection, lock_id: str, group_id: str) -> list[str]:
    """The grants of a group of which a lock must still hear something."""
    return list(await connection.scalars(select(sync_items.c.entity_id).where(_of_group(lock_id, group_id)).distinct()))


async def settle_group(connection: Connection, lock_id: str, group_id: str, at: datetime) -> None:
    """A lock need not hear of a group's grants any more."""
    await connection.execute(update(sync_items).where(_of_group(lock_id, group_id)).values(confirmed=at, error=None))


# What locks hold


async def hold(connection: Connection, lock_id: str, grant_id: str, values: dict[str, Any] | None) -> None:
    """A lock holds a grant as it is described, or none of that id any more."""
    await connection.execute(
        delete(held_grants).where(held_grants.c.lock_id == lock_id, held_grants.c.grant_id == grant_id)
    )
    if values is not None:
        await connection.execute(insert(held_grants).values(lock_id=lock_id, grant_id=grant_id, **values))


async def drop_group(connection: Connection, lock_id: str, group_id: str) -> None:
    """A lock holds nothing of a group any more."""
    await connection.execute(
        delete(held_grants).where(held_grants.c.lock_id == lock_id, held_grants.c.group_id == group_id)
    )


def _item(row: Sequence[Any]) -> SyncItem:
    number, item_id, lock_id, entity, entity_id, op, *rest = row
    return SyncItem(number, item_id, lock_id, SyncEntity(entity), entity_id, SyncOperation(op), *rest)
