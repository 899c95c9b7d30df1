"""The migrations, run. Apart from the rest because Alembic takes long to import and is seldom needed."""

import asyncio
import logging
from pathlib import Path
from weakref import WeakKeyDictionary

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from nymead_users.storage.engine import Upgrading, create_engine, transaction, uninterrupted
from nymead_users.storage.errors import StoreUnusable
from nymead_users.storage.storefile import keep_copy

_log = logging.getLogger(__name__)

# Alembic keeps what it works on in globals, so one upgrade runs at a time.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


async def upgrade(path: Path, migrations: Path, target: str, busy_timeout: float) -> None:
    """Bring the store to revision `target`, the last in the directory `migrations`, in one transaction.

    A store with tables is first copied to a file beside it. Raises StoreUnusable where this fails; the store
    then is as it was.
    """
    engine = create_engine(path, Upgrading, connections=1, busy_timeout=busy_timeout)
    copy = None
    try:
        turn = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with turn, transaction(engine) as connection:
            revision = await connection.run_sync(_revision)
            if revision == target:
                return  # another process did it in the meantime
            if revision is not None:
                copy = await asyncio.to_thread(keep_copy, path, target, busy_timeout)
            await connection.run_sync(_run, migrations)
    except Exception as error:
        kept = f" A copy of it is {copy}." if copy else ""
        raise StoreUnusable(
            f"The store {path} could not be brought to revision {target}: {error}. It is as it was.{kept}"
            " Check that no other program uses the store and that the disk has room, and start again; if this"
            " does not help, go back to the version of the program used so far, and report it."
        ) from error
    finally:
        await uninterrupted(engine.dispose())
    if copy:
        _log.info("brought the store %s from revision %s to %s, keeping the copy %s", path, revision, target, copy)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _run(connection: Connection, migrations: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise ValueError("rows would refer to nothing")
