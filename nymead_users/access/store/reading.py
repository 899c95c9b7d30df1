"""What the verbs of the store share: what somebody may see, and lists read page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, Select, bindparam, select, tuple_

from nymead_users.access.model import Sight
from nymead_users.storage.database import Connection
from nymead_users.storage.tables import locks

T = TypeVar("T")

#: Rows read and handed on at a time: some milliseconds of work, after which others have their turn.
PAGE = 250

#: How many values one statement takes of a list: SQLite's own bound is 32,766, PostgreSQL's 32,767.
CHUNK = 5000


def chunks(values: Sequence[str]) -> list[Sequence[str]]:
    """The values in parts that one statement takes."""
    return [values[begin : begin + CHUNK] for begin in range(0, len(values), CHUNK)]


async def seen(connection: Connection, sight: Sight) -> Sight:
    """Those of the locks that somebody may know of that there are: a list of things can be longer than a statement."""
    if sight is None:
        return None
    found: set[str] = set()
    for part in chunks(sorted(sight)):
        found.update(await connection.scalars(select(locks.c.id).where(locks.c.id.in_(part), locks.c.active)))
    return frozenset(found)


async def pages(
    connection: Connection,
    statement: Select[Any],
    key: Sequence[ColumnElement[Any]],
    build: Callable[[Row[*tuple[Any, ...]]], T],
) -> AsyncGenerator[list[T]]:
    """All rows in the order of the unique ``key``, which the statement selects; at most PAGE at a time."""
    first = statement.order_by(*key).limit(PAGE)
    after = tuple_(*(bindparam(f"after_{position}", type_=column.type) for position, column in enumerate(key)))
    following = first.where(tuple_(*key) > after)
    rows = (await connection.execute(first)).all()
    while rows:
        yield [build(row) for row in rows]
        if len(rows) < PAGE:
            break
        last = {f"after_{position}": rows[-1]._mapping[column] for position, column in enumerate(key)}  # noqa: SLF001 - public all the same
        rows = (await connection.execute(following, last)).all()
