"""The log of what happened, in the database: added to, and read a page at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Row, insert, or_, select

from nymead_users.access.model import AccessEventKind, LogEntry, Sight
from nymead_users.storage.database import Connection
from nymead_users.storage.tables import events

#: Entries put together at a time.
TURN = 250

_ENTRY = (
    events.c.number,
    events.c.id,
    events.c.time,
    events.c.kind,
    events.c.lock_id,
    events.c.person_id,
    events.c.credential_id,
    events.c.allowed,
    events.c.reason,
    events.c.code,
    events.c.details,
)


async def write(connection: Connection, entries: Iterable[dict[str, Any]]) -> None:
    """Add entries, in this order."""
    waiting = iter(entries)
    # Many at a time would keep others waiting while they are put together.
    while part := list(islice(waiting, TURN)):
        await connection.execute(insert(events), part)


async def write_one(connection: Connection, entry: dict[str, Any]) -> LogEntry:
    """Add an entry and return it."""
    return _entry((await connection.execute(insert(events).values(**entry).returning(*_ENTRY))).one())


async def read(
    connection: Connection,
    *,
    sight: Sight,
    limit: int,
    before: int | None = None,
    begin: datetime | None = None,
    end: datetime | None = None,
    lock_id: str | None = None,
    person_id: str | None = None,
    granted: bool = True,
    denied: bool = True,
) -> list[LogEntry]:
    """At most ``limit`` entries, the newest first, numbered below ``before``, in [begin, end)."""
    statement = select(*_ENTRY).order_by(events.c.number.desc()).limit(limit)
    if before is not None:
        statement = statement.where(events.c.number < before)
    if begin is not None:
        statement = statement.where(events.c.time >= begin)
    if end is not None:
        statement = statement.where(events.c.time < end)
    if lock_id is not None:
        statement = statement.where(events.c.lock_id == lock_id)
    if person_id is not None:
        statement = statement.where(events.c.person_id == person_id)
    if not granted:
        statement = statement.where(or_(events.c.allowed.is_(None), events.c.allowed.is_(False)))
    if not denied:
        statement = statement.where(or_(events.c.allowed.is_(None), events.c.allowed.is_(True)))
    if sight is not None:
        statement = statement.where(events.c.lock_id.in_(sight))
    return [_entry(row) for row in await connection.execute(statement)]


def _entry(row: Row[*tuple[Any, ...]]) -> LogEntry:
    number, entry_id, time, kind, *rest = row
    return LogEntry(number, entry_id, time, AccessEventKind(kind), *rest)
