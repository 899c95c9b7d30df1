"""Connections to the store's file, and transactions on them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from weakref import WeakSet

from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from nymead_users.storage.errors import IntegrityViolation, StoreError

T = TypeVar("T")


class Writing(sqlite3.Connection):
    """A connection set up to write: foreign keys hold, and what was committed is on the disk."""

    pragmas: ClassVar[tuple[str, ...]] = (
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "synchronous=FULL",
        "journal_mode=WAL",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()
        try:
            for pragma in self.pragmas:
                self.execute(f"PRAGMA {pragma}")
        except BaseException:
            self.close()
            raise

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        """Make a cursor, which lasts no longer than the connection."""
        cursor = super().cursor(factory)
        self._cursors.add(cursor)
        return cursor

    def close(self) -> None:
        """Close the cursors too: SQLite keeps a connection's locks while any statement is halfway.

        A task that was cancelled in mid-statement, or its traceback, may hold such a statement for long.
        """
        for cursor in list(self._cursors):
            cursor.close()
        super().close()


class Reading(Writing):
    """A connection which refuses every write."""

    pragmas = (*Writing.pragmas, "query_only=ON")


class Upgrading(Writing):
    """A connection on which a table can be replaced without a removal of the rows that refer to it."""

    pragmas = (*Writing.pragmas, "foreign_keys=OFF")


def create_engine(path: Path, kind: type[Writing], *, connections: int, busy_timeout: float) -> AsyncEngine:
    """Return an engine of at most so many connections, each with a thread of its own, made when first needed.

    `path` is absolute. `busy_timeout` is in seconds.
    """
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        # No isolation level: the driver begins no transactions of its own, the event below begins ours.
        connect_args={"factory": kind, "isolation_level": None, "timeout": busy_timeout},
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,  # an error's text shows no hashes
    )
    begin = "BEGIN" if kind is Reading else "BEGIN IMMEDIATE"

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a connection with a transaction: committed at the block's normal end, else rolled back.

    The begin and the end of a transaction run to completion; a cancellation that comes meanwhile is raised by
    the next thing the task awaits. So a block that ends normally was committed, and one that raises was not.

    Raises IntegrityViolation or StoreError, also in place of the driver's errors that leave the block.
    """
    with _store_errors():
        connection = await uninterrupted(_begin(engine))
        try:
            yield connection
        except BaseException:
            await uninterrupted(_end(connection, commit=False))
            raise
        await uninterrupted(_end(connection, commit=True))


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns, or raise what it raises, once it is done, even if this task is cancelled.

    The cancellation is then raised by the next thing the task awaits.
    """
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled and (this := asyncio.current_task()):
        this.uncancel()  # it is the same request, counted once
        this.cancel()
    return task.result()


async def _begin(engine: AsyncEngine) -> AsyncConnection:
    connection = await engine.connect()
    try:
        await connection.begin()
    except BaseException:
        # Opened while the file could not be written, SQLite's connection would never write, even once it can.
        await connection.invalidate()
        await connection.close()
        raise
    return connection


async def _end(connection: AsyncConnection, *, commit: bool) -> None:
    try:
        await (connection.commit() if commit else connection.rollback())
    except BaseException:
        # A commit that fails leaves its transaction open, and close() would hand that to the next user.
        await connection.invalidate()
        raise
    finally:
        await connection.close()


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise IntegrityViolation(str(error.orig)) from error
    except DBAPIError as error:
        raise StoreError(str(error.orig)) from error
