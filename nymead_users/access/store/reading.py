"""What the verbs of the store share: what somebody may see, and lists read page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, Select, bindparam, tuple_

from nymead_users.storage.database import Connection

T = TypeVar("T")

#: Rows read and handed on at a time: some milliseconds of work, after which others have their turn.
PAGE = 250

#: How many values one statement takes at the most: SQLite's own bound is 32,766, PostgreSQL's 32,767.
CHUNK = 10_000


def chunks(values: Sequence[str]) -> list[Sequence[str]]:
    """The values in parts that one statement takes."""
    return [values[begin : begin + CHUNK] for begin in range(0, len(values), CHUNK)]


async def pages(
    connection: Connection,
    statement: Select[Any],
    key: Sequence[ColumnElement[Any]],
    build: Callable[[Row[*tuple[Any, ...]]], T],
) -> AsyncGenerator[list[T]]:
    """All rows in the order of the unique ``key``, which the statement selects first; at most PAGE at a time."""
    first = statement.order_by(*key).limit(PAGE)
    after = tuple_(*(bindparam(f"after_{position}", type_=column.type) for position, column in enumerate(key)))
    following = first.where(tuple_(*key) > after)
    rows = (await connection.execute(first)).all()
    while rows:
        yield [build(row) for row in rows]
        if len(rows) < PAGE:
            break
        last = {f"after_{position}": rows[-1][position] for position in range(len(key))}
        rows = (await connection.execute(following, last)).all()
