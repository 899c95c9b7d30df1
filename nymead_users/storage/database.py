"""The database: opened and checked once, then read and written in transactions until it is closed."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from nymead_users.storage import storefile
from nymead_users.storage.engine import (
    Reading,
    Writing,
    create_engine,
    transaction,
    uninterrupted,
)
from nymead_users.storage.errors import IntegrityViolation, StoreError, StoreUnusable
from nymead_users.storage.migrations import MIGRATIONS, revisions
from nymead_users.storage.storefile import BUSY_TIMEOUT
from nymead_users.storage.tables import server

__all__ = ["Connection", "Database", "IntegrityViolation", "StoreError", "StoreUnusable"]

#: What a transaction gives: verbs of stores take it, and nobody else looks inside.
Connection = AsyncConnection

_log = logging.getLogger(__name__)

# Reads at the same time: each takes a thread, and the machines at home have about as many cores.
READERS = 4


class Database:
    """The store: one SQLite file of mode 0600, which one object in a process may have open at a time.

    `server_uuid` is the identity the server got with the store.
    """

    server_uuid: UUID

    def __init__(self, path: Path, busy_timeout: float) -> None:
        self._writer = create_engine(path, Writing, connections=1, busy_timeout=busy_timeout)
        self._reader = create_engine(path, Reading, connections=READERS, busy_timeout=busy_timeout)
        self._writing = asyncio.Lock()
        self._reading = asyncio.Semaphore(READERS)
        self._closed = False
        #: Looks at every page of a large store while it is in use already.
        self._check: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, path: Path, *, migrations: Path = MIGRATIONS, busy_timeout: float = BUSY_TIMEOUT) -> Self:
        """Open the store at `path`, made if the file is absent or empty, and bring it to the present tables.

        `busy_timeout` is the time in seconds to wait for another program's lock. Raises StoreUnusable where
        the store cannot be used; the file is then left as it is.
        """
        try:
            path = await asyncio.to_thread(path.resolve)
        except (OSError, RuntimeError) as error:
            raise StoreUnusable(f"The store {path} cannot be found: {error}. Name another file.") from error
        known = revisions(migrations)
        revision = await asyncio.to_thread(storefile.prepare, path, known, busy_timeout)
        if revision != known[-1]:
            logging.getLogger("alembic").setLevel(logging.WARNING)  # one line of ours tells it better
            from nymead_users.storage.upgrade import upgrade  # noqa: PLC0415 - slow to import, seldom needed

            await upgrade(path, migrations, known[-1], busy_timeout)
        database = cls(path, busy_timeout)
        try:
            # A write, to find out now whether that is possible.
            async with database.write() as connection:
                database.server_uuid = UUID(await connection.scalar(select(server.c.uuid)))
        except (StoreError, TypeError, ValueError) as error:
            await database.close()
            raise StoreUnusable(
                f"The store {path} cannot be used: {error}. Stop other programs that use it and check the"
                " disk, or restore a backup copy."
            ) from error
        except BaseException:
            await database.close()
            raise
        if await asyncio.to_thread(storefile.is_large, path):
            database._check = asyncio.create_task(_check(path, busy_timeout))
        return database

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """Give a connection which sees the store as it is at its first statement and waits for no write.

        Raises StoreError, also in place of the driver's errors that leave the block.
        """
        async with self._reading:
            self._check_open()
            async with transaction(self._reader) as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """Give the one connection that may write, in a transaction; other writes wait until it has ended.

        The block's normal end commits, and what is committed survives the loss of power; an exception rolls
        back. A cancellation during the commit is raised by the next thing the task awaits after the block, so
        that what must follow a commit can follow it at once.

        Raises IntegrityViolation or StoreError, also in place of the driver's errors that leave the block.
        Nothing is changed then, and the next call starts afresh.
        """
        async with self._writing:
            self._check_open()
            async with transaction(self._writer) as connection:
                yield connection

    async def close(self) -> None:
        """End all connections and their threads once no transaction is open; later ones get StoreError."""
        self._closed = True
        if self._check is not None:
            await self._check
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._writing)
            for _ in range(READERS):
                await stack.enter_async_context(self._reading)
            await uninterrupted(self._dispose())

    async def _dispose(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")


async def _check(path: Path, busy_timeout: float) -> None:
    """Log an error where a store that was too large to be checked at the start is damaged."""
    try:
        await asyncio.to_thread(storefile.check, path, busy_timeout)
    except (StoreUnusable, sqlite3.Error) as error:
        _log.error("the store is damaged: %s", error)
