"""Connections to the store's file, and transactions on them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import aiosqlite
import orjson
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
        try:
            for pragma in self.pragmas:
                self.execute(f"PRAGMA {pragma}")
        except BaseException:
            self.close()
            raise


class Reading(Writing):
    """A connection which refuses every write."""

    pragmas = (*Writing.pragmas, "query_only=ON")


class Upgrading(Writing):
    """A connection on which a table can be replaced without a removal of the rows that refer to it."""

    pragmas = (*Writing.pragmas, "foreign_keys=OFF")


class _Threaded(aiosqlite.Connection):
    """A connection in a thread of its own, to which each statement is one trip.

    The driver's own cursors take four: made, run, read and closed. Here a statement is never halfway either when
    the task that wanted it is cancelled, which would keep SQLite's locks.
    """

    def cursor(self) -> Any:
        return _Cursor(self)

    async def trip(self, work: Callable[[sqlite3.Connection], T]) -> T:
        result: T = await self._execute(lambda: work(self._conn))  # type: ignore[no-untyped-call]
        return result


class _Cursor:
    """What SQLAlchemy's adapter asks of a cursor. After a statement it has all of its rows."""

    def __init__(self, connection: _Threaded) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Any = ()) -> None:
        await self._run(lambda cursor: cursor.execute(sql, parameters))

    async def executemany(self, sql: str, parameters: Any) -> None:
        await self._run(lambda cursor: cursor.executemany(sql, parameters))

    async def fetchall(self) -> list[Any]:
        return self._rows

    async def close(self) -> None:
        pass

    async def _run(self, statement: Callable[[sqlite3.Cursor], Any]) -> None:
        def work(connection: sqlite3.Connection) -> tuple[list[Any], Any, int, int | None]:
            with closing(connection.cursor()) as cursor:
                statement(cursor)
                return cursor.fetchall(), cursor.description, cursor.rowcount, cursor.lastrowid

        self._rows, self.description, self.rowcount, self.lastrowid = await self._connection.trip(work)


def _connect(path: str, **options: Any) -> _Threaded:
    connection = _Threaded(lambda: sqlite3.connect(path, **options), iter_chunk_size=0)
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does with those it makes itself
    return connection


def create_engine(path: Path, kind: type[Writing], *, connections: int, busy_timeout: float) -> AsyncEngine:
    """Return an engine of at most so many connections, each with a thread of its own, made when first needed.

    `path` is absolute. `busy_timeout` is in seconds.
    """
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        # No isolation level: the driver begins no transactions of its own, the event below begins ours.
        connect_args={
            "async_creator_fn": _connect,
            "factory": kind,
            "isolation_level": None,
            "timeout": busy_timeout,
        },
        pool_size=connections,
        max_overflow=0,
        pool_reset_on_return=None,  # every transaction ends below
        json_deserializer=orjson.loads,
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
