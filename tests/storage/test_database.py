import asyncio
import hashlib
import logging
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nymead_users.storage.database import (
    READERS,
    Database,
    IntegrityViolation,
    StoreError,
    StoreUnusable,
)
from nymead_users.storage.migrations import MIGRATIONS, revisions
from nymead_users.storage.storefile import APPLICATION_ID
from nymead_users.storage.tables import known_addresses, metadata, tokens, users

PATIENT = 30.0  # a busy timeout that no test reaches
IMPATIENT = 0.05


@pytest.fixture
def path(tmp_path: Path) -> Path:
    directory = tmp_path / "store"
    directory.mkdir()
    return directory / "users.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = await Database.open(path, busy_timeout=PATIENT)
    yield database
    await database.close()


@pytest.fixture
async def store(path: Path) -> Path:
    """Return the path of a closed store with some hundred users, each with a token."""
    database = await Database.open(path)
    async with database.write() as connection:
        await connection.execute(insert(users), [user(f"user{number}") for number in range(500)])
        await connection.execute(insert(tokens), [token(number + 1, number) for number in range(500)])
    await database.close()
    return path


async def add(connection: AsyncConnection, name: str, **values: Any) -> int:
    key = (await connection.execute(insert(users).values(user(name) | values))).inserted_primary_key
    assert key is not None
    return int(key[0])


def user(name: str) -> dict[str, Any]:
    return {"username": name, "display_name": "", "email": "", "scopes": 0, "allowed_thing_ids": []}


def token(user_id: int, number: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "user_id": user_id,
        "digest": hashlib.sha256(str(number).encode()).digest(),
        "creation_time": 1_700_000_000,
        "device_name": "",
    }


async def names(database: Database) -> list[str]:
    async with database.read() as connection:
        return list(await connection.scalars(select(users.c.username).order_by(users.c.id)))


async def count(database: Database, table: Any) -> int:
    async with database.read() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


def modes(directory: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()}


def contents(directory: Path) -> dict[str, str]:
    """Return the digest of each file, the shared memory apart, which is rebuilt at will."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in directory.iterdir()
        if file.is_file() and not file.name.endswith("-shm")
    }


@contextmanager
def plain(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection as another program would make it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


# --- The schema and the connections ---


async def test_fresh_schema_is_what_the_tables_say(database: Database) -> None:
    """A store made by the migrations has the declared tables and no others."""

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, metadata))

    async with database.write() as connection:
        assert await connection.run_sync(differences) == []


def test_revisions_are_told_by_file_names() -> None:
    """The names of the migration files tell the revisions that are in them, in order, in a single line."""
    script = ScriptDirectory(str(MIGRATIONS))
    line = [step.revision for step in script.walk_revisions()]
    assert revisions(MIGRATIONS) == line[::-1]
    assert script.get_heads() == [revisions(MIGRATIONS)[-1]]


async def test_constraints_have_names(database: Database) -> None:
    """Every unique constraint, foreign key and index is named, by convention."""
    async with database.read() as connection:
        schema = "".join(filter(None, await connection.scalars(text("SELECT sql FROM sqlite_master"))))
    for name in (
        "uq_users_username",
        "uq_tokens_digest",
        "fk_tokens_user_id_users",
        "ix_tokens_user_id",
        "fk_known_addresses_user_id_users",
    ):
        assert name in schema


async def test_only_the_owner_may_read_the_files(path: Path, database: Database) -> None:
    """The store, its log and its shared memory have mode 0600, whatever the umask."""
    async with database.write() as connection:
        await add(connection, "ann")
    assert modes(path.parent) == {"users.db": 0o600, "users.db-wal": 0o600, "users.db-shm": 0o600}


async def test_empty_file_is_a_new_store_and_gets_the_mode(path: Path) -> None:
    """A file of no bytes, as made by touch, becomes a store of mode 0600."""
    await asyncio.to_thread(path.touch, 0o644)
    database = await Database.open(path)
    assert await names(database) == []
    await database.close()
    assert modes(path.parent) == {"users.db": 0o600}


async def test_link_leads_to_the_store(path: Path, tmp_path: Path) -> None:
    """A symbolic link may stand for a store, also for one that is not there yet."""
    link = tmp_path / "link.db"
    await asyncio.to_thread(link.symlink_to, path)
    for _ in range(2):
        await (await Database.open(link)).close()
    assert modes(path.parent) == {"users.db": 0o600}


@pytest.mark.parametrize(("use", "query_only"), [(Database.read, 1), (Database.write, 0)])
async def test_pragmas_are_in_force(database: Database, use: Callable[[Database], Any], query_only: int) -> None:
    """Every connection checks foreign keys and syncs each commit to a write-ahead log, and reads cannot write."""
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": PATIENT * 1000,
        "trusted_schema": 0,
        "application_id": APPLICATION_ID,
        "query_only": query_only,
    }

    async def check(everyone: asyncio.Barrier) -> None:
        async with use(database) as connection:
            if use is Database.read:
                await everyone.wait()  # each on a connection of its own
            for pragma, value in expected.items():
                assert await connection.scalar(text(f"PRAGMA {pragma}")) == value, pragma

    barrier = asyncio.Barrier(READERS)
    await asyncio.gather(*(check(barrier) for _ in range(READERS)))


async def test_identity_is_kept(path: Path) -> None:
    """The server's uuid is given once and stays."""
    first = await Database.open(path)
    await first.close()
    second = await Database.open(path)
    await second.close()
    assert first.server_uuid == second.server_uuid
    assert first.server_uuid.version == 4


async def test_identity_differs_between_stores(path: Path) -> None:
    """Two stores, made at the same time, have two identities."""
    pair = await asyncio.gather(Database.open(path), Database.open(path.with_name("other.db")))
    for database in pair:
        await database.close()
    assert pair[0].server_uuid != pair[1].server_uuid


async def test_user_ids_are_not_given_again(database: Database) -> None:
    """The id of a removed user goes to nobody else."""
    async with database.write() as connection:
        first = await add(connection, "ann")
    async with database.write() as connection:
        await connection.execute(delete(users))
    async with database.write() as connection:
        assert await add(connection, "bob") > first


async def test_removed_user_takes_tokens_and_addresses_along(database: Database) -> None:
    """What belongs to a user goes with the user."""
    async with database.write() as connection:
        user = await add(connection, "ann")
        await connection.execute(insert(tokens).values(token(user, 1)))
        await connection.execute(insert(known_addresses).values(user_id=user, address="::1", last_login=1_700_000_000))
    async with database.write() as connection:
        await connection.execute(delete(users))
    assert await count(database, tokens) == 0
    assert await count(database, known_addresses) == 0


async def test_values_come_back_as_they_were(database: Database) -> None:
    """Lists, bytes and late dates survive the way into the store and out of it."""
    things = ["0d1b3e3a-8f5b-4f43-9c80-6a4a0f6f8d51"]
    async with database.write() as connection:
        user = await add(connection, "ann", allowed_thing_ids=things, scopes=0xFFFF, display_name="Ännchen")
        row = token(user, 1) | {"creation_time": 2**40}
        await connection.execute(insert(tokens).values(row))
    async with database.read() as connection:
        stored = (await connection.execute(select(users))).one()
        assert (stored.allowed_thing_ids, stored.scopes, stored.display_name) == (things, 0xFFFF, "Ännchen")
        assert stored.password_hash is None
        assert dict((await connection.execute(select(tokens))).one()._mapping) == row


async def test_open_store_needs_no_alembic(store: Path) -> None:
    """A start with nothing to migrate does not import Alembic."""
    script = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom nymead_users.storage.database import Database\n"
        "async def main(): await (await Database.open(Path(sys.argv[1]))).close()\n"
        "asyncio.run(main())\nassert 'alembic' not in sys.modules\n"
    )
    await asyncio.to_thread(subprocess.check_call, [sys.executable, "-c", script, store])


async def test_alembic_is_quiet(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Making a store logs no line of Alembic's and leaves the logging as it was."""
    caplog.set_level(logging.INFO)
    handlers = list(logging.root.handlers)
    await (await Database.open(path)).close()
    assert not [record for record in caplog.records if record.name.startswith("alembic")]
    assert logging.root.handlers == handlers
    assert logging.root.level == logging.INFO


# --- Transactions ---


async def test_write_is_committed_at_its_end(database: Database) -> None:
    """What a block wrote is there after it, and not before."""
    async with database.write() as connection:
        await add(connection, "ann")
        assert await names(database) == []
    assert await names(database) == ["ann"]


async def test_exception_rolls_back(database: Database) -> None:
    """An exception in a block undoes what it wrote and reaches the caller as it is."""

    async def fail() -> None:
        async with database.write() as connection:
            await add(connection, "ann")
            raise KeyError("mistake")

    with pytest.raises(KeyError, match="mistake"):
        await fail()
    assert await names(database) == []
    async with database.write() as connection:
        await add(connection, "bob")
    assert await names(database) == ["bob"]


async def test_read_is_a_snapshot(database: Database) -> None:
    """A read sees the same at its end as at its first statement, although a write was committed between."""
    async with database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(users)) == 0
        async with database.write() as writing:
            await add(writing, "ann")
        assert await connection.scalar(select(func.count()).select_from(users)) == 0
    assert await names(database) == ["ann"]


async def test_read_cannot_write(database: Database) -> None:
    """A write on a connection for reading is refused."""
    with pytest.raises(StoreError, match="readonly"):
        async with database.read() as connection:
            await add(connection, "ann")
    assert await names(database) == []


async def test_writes_take_turns(database: Database) -> None:
    """Writes that read first and write then lose nothing, however many run at once, nor do reads beside them."""
    async with database.write() as connection:
        await add(connection, "ann")

    async def increment() -> None:
        async with database.write() as connection:
            scopes = await connection.scalar(select(users.c.scopes))
            assert scopes is not None
            await connection.execute(update(users).values(scopes=scopes + 1))

    await asyncio.gather(*(increment() for _ in range(20)), *(names(database) for _ in range(20)))
    async with database.read() as connection:
        assert await connection.scalar(select(users.c.scopes)) == 20


async def test_duplicate_is_an_integrity_violation(database: Database) -> None:
    """A constraint's refusal is told apart, undoes the whole block and shows no values."""
    async with database.write() as connection:
        await add(connection, "ann")

    async def fail() -> None:
        async with database.write() as connection:
            await add(connection, "bob")
            await add(connection, "ann", password_hash="$argon2id$secret")

    with pytest.raises(IntegrityViolation, match=r"users\.username") as caught:
        await fail()
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__}"
    assert await names(database) == ["ann"]


async def test_reference_to_nobody_is_an_integrity_violation(database: Database) -> None:
    """A token of no user is refused."""
    with pytest.raises(IntegrityViolation):
        async with database.write() as connection:
            await connection.execute(insert(tokens).values(token(4711, 1)))


async def test_commit_that_is_refused_leaves_nothing(database: Database) -> None:
    """A violation found at the commit undoes the block, and the next write works."""

    async def fail() -> None:
        async with database.write() as connection:
            await connection.execute(text("PRAGMA defer_foreign_keys=ON"))
            await add(connection, "ann")
            await connection.execute(insert(tokens).values(token(4711, 1)))

    with pytest.raises(IntegrityViolation):
        await fail()
    async with database.write() as connection:
        await add(connection, "bob")
    assert await names(database) == ["bob"]


async def test_full_disk_fails_the_write_and_no_later_one(database: Database) -> None:
    """A commit for which the disk has no room raises, changes nothing, and the next works once there is room."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def fail() -> None:
        async with database.write() as connection:
            await add(connection, "ann", password_hash="x" * 1_000_000)
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))

    try:
        with pytest.raises(StoreError, match="disk"):
            await fail()
        assert await names(database) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    async with database.write() as connection:
        await add(connection, "bob")
    assert await names(database) == ["bob"]


async def test_lock_of_another_program_is_an_error_that_passes(path: Path) -> None:
    """While another program holds the lock writes fail, one after the other; reads work, and afterwards writes do."""
    database = await Database.open(path, busy_timeout=IMPATIENT)
    with plain(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(3):
            with pytest.raises(StoreError, match="locked"):
                async with database.write() as connection:
                    await add(connection, "ann")
        assert await names(database) == []
        other.execute("ROLLBACK")
        async with database.write() as connection:
            await add(connection, "bob")
        other.execute("BEGIN EXCLUSIVE")  # nothing of ours is left open
        other.execute("ROLLBACK")
    assert await names(database) == ["bob"]
    await database.close()


async def test_waiting_for_a_lock_stops_nobody_else(path: Path, database: Database) -> None:
    """A write that waits for another program's lock lets reads go on, and succeeds when the lock is gone."""

    async def write() -> None:
        async with database.write() as connection:
            await add(connection, "ann")

    with plain(path) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(write())
        for _ in range(20):
            assert await names(database) == []
        assert not writing.done()
        other.execute("ROLLBACK")
        await writing
    assert await names(database) == ["ann"]


# --- Cancellation ---


async def test_cancelled_write_is_rolled_back(database: Database) -> None:
    """A write cancelled between two statements leaves nothing, and the next works."""
    waiting = asyncio.Event()

    async def write() -> None:
        async with database.write() as connection:
            await add(connection, "ann")
            waiting.set()
            await asyncio.Event().wait()

    writing = asyncio.create_task(write())
    await waiting.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    async with database.write() as connection:
        await add(connection, "bob")
    assert await names(database) == ["bob"]


async def test_write_cancelled_anywhere_is_all_or_nothing(database: Database) -> None:
    """Wherever a write is cancelled, its rows are there exactly if its block ended normally, and others go on."""
    ended = []

    async def write(name: str) -> None:
        async with database.write() as connection:
            await add(connection, f"{name}-1")
            await add(connection, f"{name}-2")
        ended.append(name)

    unharmed, early, turns = [], True, 0
    while early:
        writing = asyncio.create_task(write(f"a{turns}"))
        other = asyncio.create_task(write(f"b{turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        early = writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await other
        unharmed.append(f"b{turns}")
        turns += 1 + turns // 50
    assert set(unharmed) < set(ended)
    assert len(ended) < 2 * len(unharmed)
    assert sorted(await names(database)) == sorted(f"{name}-{row}" for name in ended for row in (1, 2))


async def test_read_cancelled_anywhere_harms_no_other(database: Database) -> None:
    """Wherever a read is cancelled, later ones work, on all connections."""
    async with database.write() as connection:
        await add(connection, "ann")
    early, turns = True, 0
    while early:
        reading = asyncio.create_task(names(database))
        for _ in range(turns):
            await asyncio.sleep(0)
        early = reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        turns += 1 + turns // 50
    assert await asyncio.gather(*(names(database) for _ in range(2 * READERS))) == [["ann"]] * 2 * READERS


@pytest.mark.parametrize("use", [Database.read, Database.write])
async def test_cancellation_in_mid_statement(path: Path, database: Database, use: Callable[[Database], Any]) -> None:
    """A transaction cancelled while a statement runs ends with that statement and leaves neither row nor lock."""
    loop = asyncio.get_running_loop()
    started, finish = asyncio.Event(), threading.Event()

    def linger() -> None:
        loop.call_soon_threadsafe(started.set)
        finish.wait()

    async def work() -> None:
        async with use(database) as connection:
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None
            await raw.driver_connection.create_function("linger", 0, linger)
            if use is Database.write:
                await add(connection, "ann")
            await connection.execute(text("SELECT linger(), username FROM users UNION ALL SELECT linger(), ''"))

    working = asyncio.create_task(work())
    await started.wait()
    working.cancel()
    assert await names(database) == []
    assert not working.done()
    finish.set()
    with pytest.raises(asyncio.CancelledError) as caught:
        await working
    with plain(path) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    assert caught.type is asyncio.CancelledError  # its traceback still refers to the statement
    async with database.write() as connection:
        await add(connection, "bob")
    assert await names(database) == ["bob"]


async def test_cancellation_during_commit_comes_after_it(database: Database) -> None:
    """A commit under way is finished and the block ends normally; the cancellation is raised at the next await."""
    reached = []

    async def write() -> None:
        this = asyncio.current_task()
        assert this is not None
        async with database.write() as connection:
            await add(connection, "ann")
            asyncio.get_running_loop().call_soon(this.cancel)
        reached.append("after the block")
        assert this.cancelling() == 1
        await asyncio.sleep(0)
        reached.append("after an await")

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(write())
    assert reached == ["after the block"]
    assert await names(database) == ["ann"]


async def test_cancelled_while_waiting_for_a_turn(database: Database) -> None:
    """A write cancelled while another is under way never begins and keeps nobody waiting."""
    async with database.write() as connection:
        await add(connection, "ann")
        waiting = asyncio.create_task(names_by_write(database))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await names_by_write(database) == ["ann"]


async def names_by_write(database: Database) -> list[str]:
    async with database.write() as connection:
        return list(await connection.scalars(select(users.c.username)))


# --- The end ---


async def test_close_ends_all_threads(path: Path) -> None:
    """After the close no thread of a connection is left, and the log is gone."""
    before = set(threading.enumerate())
    database = await Database.open(path)
    await asyncio.gather(*(names(database) for _ in range(3 * READERS)), names_by_write(database))
    await database.close()
    await asyncio.get_running_loop().shutdown_default_executor()  # its threads are kept for the next call
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
    assert [file.name for file in path.parent.iterdir()] == ["users.db"]


async def test_closed_store_refuses(path: Path) -> None:
    """After the close every use is a StoreError, and another close does nothing."""
    database = await Database.open(path)
    await database.close()
    for use in (database.read, database.write):
        with pytest.raises(StoreError, match="closed"):
            async with use():
                pass
    await database.close()


async def test_close_waits_for_what_is_open(path: Path) -> None:
    """A close lets the transactions end that have begun, and none begin."""
    database = await Database.open(path)
    async with database.write() as connection, database.read():
        closing_it = asyncio.create_task(database.close())
        await asyncio.sleep(0)
        await add(connection, "ann")
        late = asyncio.create_task(names(database))
    await closing_it
    with pytest.raises(StoreError, match="closed"):
        await late
    database = await Database.open(path)
    assert await names(database) == ["ann"]
    await database.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from sqlalchemy import text
from nymead_users.storage.database import Database

async def main():
    database = await Database.open(Path(sys.argv[1]))
    number = 0
    while True:
        number += 1
        name = f"{sys.argv[2]}-{number}"
        async with database.write() as connection:
            await connection.execute(
                text("INSERT INTO users (username, display_name, email, scopes, allowed_thing_ids)"
                     " VALUES (:name, '', '', 0, '[]')"), {"name": name})
        print(name, flush=True)

asyncio.run(main())
"""


def write_until_killed(path: Path, label: str, rows: int) -> list[str]:
    """Return the names a process has acknowledged, killed after so many rows."""
    with subprocess.Popen([sys.executable, "-c", WRITER, path, label], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(rows)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.read().split("\n")[:-1]
    assert process.returncode == -signal.SIGKILL
    return acknowledged


async def test_acknowledged_writes_survive_a_kill(path: Path) -> None:
    """Whatever a process said it had written is there after it was killed, also after the very first start."""
    acknowledged: list[str] = []
    identities = set()
    for label, rows in (("a", 1), ("b", 40), ("c", 200)):
        acknowledged += await asyncio.to_thread(write_until_killed, path, label, rows)
        assert path.with_name("users.db-wal").stat().st_size > 0
        database = await Database.open(path)
        identities.add(database.server_uuid)
        stored = await names(database)
        await database.close()
        assert [name for name in stored if name in set(acknowledged)] == acknowledged
        assert len(stored) <= len(acknowledged) + 1  # the last may have been killed before it was said
        acknowledged = stored
    assert len(identities) == 1


# --- Stores that cannot be used ---


def make_directory(path: Path) -> None:
    path.mkdir()


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_text(path: Path) -> None:
    path.write_text("These are the users:\n" * 1000)


def make_foreign(path: Path) -> None:
    with plain(path) as connection:
        connection.execute("CREATE TABLE songs (title)")


def make_foreign_with_log(path: Path) -> None:
    with plain(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE songs (title)")


def make_foreign_of_our_kind(path: Path) -> None:
    with plain(path) as connection:
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute("CREATE TABLE songs (title)")


def make_empty_foreign(path: Path) -> None:
    with plain(path) as connection:
        connection.execute("PRAGMA user_version=7")


def lose(path: Path) -> None:
    path.with_name(path.name + "-wal").write_bytes(b"\x37\x7f\x06\x82" * 100)


def lose_contents(path: Path) -> None:
    path.touch()
    lose(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_directory, "is a directory"),
        (make_fifo, "not a regular file"),
        (make_text, "not a SQLite database"),
        (make_foreign, "another program"),
        (make_foreign_with_log, "another program"),
        (make_foreign_of_our_kind, "another program"),
        (make_empty_foreign, "another program"),
        (lose, "has been lost"),
        (lose_contents, "has been lost"),
    ],
)
async def test_what_is_no_store_is_left_alone(path: Path, make: Callable[[Path], None], words: str) -> None:
    """A path that holds something else is refused by name, and nothing is changed or put beside it."""
    make(path)
    before = contents(path.parent)
    for _ in range(2):
        with pytest.raises(StoreUnusable, match=words) as caught:
            await Database.open(path)
        assert str(path) in str(caught.value)
    assert contents(path.parent) == before


def cut_to_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_within_header(path: Path) -> None:
    os.truncate(path, 50)


def cut_after_header(path: Path) -> None:
    os.truncate(path, 100)


def overwrite_all_pages_but_the_first(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def overwrite_schema(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xa5" * 3996)


def overwrite_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


def drop_revision(path: Path) -> None:
    with plain(path) as connection:
        connection.execute("DELETE FROM alembic_version")


def drop_identity(path: Path) -> None:
    with plain(path) as connection:
        connection.execute("DELETE FROM server")


def spoil_identity(path: Path) -> None:
    with plain(path) as connection:
        connection.execute("UPDATE server SET uuid = 'home'")


def make_newer(path: Path) -> None:
    with plain(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def protect(path: Path) -> None:
    path.chmod(0o400)


def protect_directory(path: Path) -> None:
    path.parent.chmod(0o500)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut_to_half, "damaged|malformed"),
        (cut_within_header, "damaged"),
        (cut_after_header, "backup copy"),
        (overwrite_all_pages_but_the_first, "damaged|malformed"),
        (overwrite_schema, "damaged|malformed"),
        (overwrite_header, "not a SQLite database"),
        (drop_revision, "0 revisions"),
        (drop_identity, "cannot be used"),
        (spoil_identity, "cannot be used"),
        (make_newer, "newer version.*9999.*Upgrade the program"),
        (protect, "protected.*chmod u"),
        (protect_directory, "protected.*chmod u"),
    ],
)
async def test_store_that_cannot_be_used_is_left_alone(store: Path, spoil: Callable[[Path], None], words: str) -> None:
    """A store damaged, of a newer version or protected is refused by name with advice, to the byte as it was."""
    spoil(store)
    before = contents(store.parent)
    try:
        for _ in range(2):
            with pytest.raises(StoreUnusable, match=words) as caught:
                await Database.open(store)
            assert str(store.parent) in str(caught.value)
        after = contents(store.parent)
    finally:
        store.parent.chmod(0o700)
    assert after.pop("users.db-wal", hashlib.sha256().hexdigest()) == hashlib.sha256().hexdigest()
    assert after == before


async def test_newer_store_keeps_its_log(store: Path, tmp_path: Path) -> None:
    """A newer store whose program was killed is refused with its log as it was, from which all can be had."""
    killed = tmp_path / "killed"
    with plain(store) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        shutil.copytree(store.parent, killed)
    before = contents(killed)
    assert set(before) == {"users.db", "users.db-wal"}
    with pytest.raises(StoreUnusable, match="newer version"):
        await Database.open(killed / store.name)
    assert contents(killed) == before


async def test_a_large_store_is_checked_once_it_is_open(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Damage in the depths of a large store does not hold up the start; it is told in the log."""
    database = await Database.open(path)
    async with database.write() as connection:
        details = [user(f"user{number}") | {"display_name": "x" * 4000} for number in range(5000)]
        await connection.execute(insert(users), details)
    await database.close()
    await (await Database.open(path)).close()
    assert caplog.text == ""
    sound = read(path)
    assert len(sound) > 16 * 1024 * 1024
    middle = len(sound) // 8192 * 4096
    replace(path, sound[:middle] + b"\xff" * 4096 + sound[middle + 4096 :])
    await (await Database.open(path)).close()
    assert "the store is damaged" in caplog.text
    assert str(path) in caplog.text


async def test_random_damage_is_refused_or_harmless(store: Path) -> None:
    """Whichever byte of the header or the first pages is changed, the store opens or is refused in words."""
    sound = read(store)
    refused = 0
    for offset in [*range(0, 140, 3), *range(200, 40_000, 997), *range(4096, 120_000, 4096)]:
        replace(store, sound[:offset] + bytes([sound[offset] ^ 0xFF]) + sound[offset + 1 :])
        try:
            await (await Database.open(store)).close()
        except StoreUnusable:
            refused += 1
    assert refused > 20


def read(path: Path) -> bytes:
    return path.read_bytes()


def replace(path: Path, content: bytes) -> None:
    """Put other content into a store that was closed, so that nothing of the former is left beside it."""
    path.write_bytes(content)
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)


async def test_missing_directory_is_told(tmp_path: Path) -> None:
    """A directory that is not there is for the caller to make."""
    with pytest.raises(StoreUnusable, match="No such file or directory"):
        await Database.open(tmp_path / "nowhere" / "users.db")


async def test_locked_store_does_not_open(store: Path) -> None:
    """A store that another program keeps locked is refused."""
    with plain(store) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnusable, match="locked"):
            await Database.open(store, busy_timeout=IMPATIENT)
        other.execute("ROLLBACK")
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("UPDATE server SET id = id")
        with pytest.raises(StoreUnusable, match="locked"):
            await Database.open(store, busy_timeout=IMPATIENT)
    await (await Database.open(store)).close()


async def test_first_start_that_was_killed_is_gone_on_with(path: Path) -> None:
    """A file that got no further than its header becomes a store."""
    with plain(path) as connection:
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    database = await Database.open(path)
    assert await names(database) == []
    await database.close()
    assert [file.name for file in path.parent.iterdir()] == ["users.db"]


# --- Migrations ---

HEAD = """
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

def upgrade():
"""
NICKNAMES = """
    with op.batch_alter_table("users", recreate="always") as users:
        users.add_column(sa.Column("nickname", sa.String(20), server_default="none", nullable=False))
"""
ORPHANS = """
    op.execute("DELETE FROM users WHERE username = 'user7'")
"""
HALFWAY = """
    op.create_table("rooms", sa.Column("id", sa.Integer(), primary_key=True))
    op.execute("DELETE FROM tokens")
    raise LookupError("no room")
"""


@pytest.fixture
def step(tmp_path: Path) -> Callable[[str], Path]:
    """Return what makes a directory of migrations with one more step than ours, given that step's body."""

    def make(body: str) -> Path:
        migrations = tmp_path / "later 100%"
        shutil.rmtree(migrations, ignore_errors=True)
        shutil.copytree(MIGRATIONS, migrations, ignore=shutil.ignore_patterns("__pycache__"))
        (migrations / "versions" / "0004_later.py").write_text(HEAD + body)
        return migrations

    return make


async def test_upgrade_keeps_the_data_and_a_copy(store: Path, step: Callable[[str], Path]) -> None:
    """An upgrade that replaces a table keeps all rows, and a copy of the store as it was, which is a store."""
    database = await Database.open(store, migrations=step(NICKNAMES))
    assert await count(database, users) == await count(database, tokens) == 500
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT min(nickname) FROM users")) == "none"
        assert await connection.scalar(text("PRAGMA foreign_keys")) == 1
    await database.close()
    copy = store.with_name("users.db.before-0004.bak")
    assert {file.name for file in store.parent.iterdir()} == {store.name, copy.name}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    older = await Database.open(copy)
    assert older.server_uuid == database.server_uuid
    assert await count(older, tokens) == 500
    await older.close()


async def test_copy_holds_what_was_only_in_the_log(store: Path, tmp_path: Path, step: Callable[[str], Path]) -> None:
    """The copy kept before an upgrade has the last commit of a process that was killed."""
    killed = tmp_path / "killed"
    with plain(store) as connection:
        connection.execute("UPDATE users SET username = 'last' WHERE id = 1")
        shutil.copytree(store.parent, killed)
    await (await Database.open(killed / store.name, migrations=step(NICKNAMES))).close()
    older = await Database.open(killed / "users.db.before-0004.bak")
    assert (await names(older))[0] == "last"
    await older.close()


async def test_new_store_needs_no_copy(path: Path, step: Callable[[str], Path]) -> None:
    """A new store goes through all steps and leaves no copy."""
    database = await Database.open(path, migrations=step(NICKNAMES))
    await database.close()
    assert [file.name for file in path.parent.iterdir()] == ["users.db"]


@pytest.mark.parametrize(("body", "words"), [(HALFWAY, "no room"), (ORPHANS, "refer to nothing")])
async def test_failed_upgrade_leaves_the_store_as_it_was(
    store: Path, step: Callable[[str], Path], body: str, words: str
) -> None:
    """A step that fails, or leaves rows that refer to nothing, is undone to the byte; the error names the copy."""
    before = contents(store.parent)
    copy = store.with_name("users.db.before-0004.bak")
    for _ in range(2):
        with pytest.raises(StoreUnusable, match=words) as caught:
            await Database.open(store, migrations=step(body))
        assert str(copy) in str(caught.value)
        after = contents(store.parent)
        assert set(after) - set(before) == {copy.name}
        assert before.items() <= after.items()
    database = await Database.open(store)
    assert await count(database, tokens) == 500
    await database.close()


async def test_older_copies_are_never_overwritten(store: Path, step: Callable[[str], Path]) -> None:
    """A second copy of a store that has changed meanwhile gets a number."""
    store.with_name("users.db.before-0004.bak").write_text("precious")
    await (await Database.open(store, migrations=step(NICKNAMES))).close()
    assert store.with_name("users.db.before-0004.bak").read_text() == "precious"
    assert store.with_name("users.db.before-0004-2.bak").stat().st_size > 100_000


async def test_upgrade_happens_once(store: Path, step: Callable[[str], Path]) -> None:
    """Of two that start at once on an older store, one upgrades it and the other finds it done."""
    migrations = step(NICKNAMES)
    pair = await asyncio.gather(*(Database.open(store, migrations=migrations) for _ in range(2)))
    for database in pair:
        assert await count(database, users) == 500
        await database.close()
    assert not store.with_name("users.db.before-0004-2.bak").exists()


EARLIER = """
PRAGMA foreign_keys=ON;
INSERT INTO persons VALUES ('p', (SELECT id FROM owners), 1, 'Ann', '', '', '', NULL, 1);
INSERT INTO locks VALUES ('l', (SELECT id FROM owners), 'Door', '', 'UTC', 1, '', 1, NULL, 1, 1, NULL, NULL);
INSERT INTO credentials VALUES ('c', (SELECT id FROM owners), 'p', 'code', '4711', NULL, 1, 2, 99);
INSERT INTO grants VALUES
  ('g', (SELECT id FROM owners), NULL, 'c', 'l', NULL, 5, 6, NULL, 1, 1, NULL, 'alice', 1000),
  ('h', (SELECT id FROM owners), 'p', NULL, 'l', NULL, NULL, NULL, NULL, 1, 1, 2000, '', 1000);
INSERT INTO sync_items VALUES (7, 'i', 'l', 'grant', 'g', 'add', '{}', 1000, NULL, NULL, 0);
"""


async def test_access_of_before_is_kept(tmp_path: Path) -> None:
    """Credentials, grants and what is due come along from before authorizations, with what these add to them."""
    migrations, store = tmp_path / "earlier", tmp_path / "data" / "users.db"
    shutil.copytree(MIGRATIONS, migrations, ignore=shutil.ignore_patterns("__pycache__", "0003_*"))
    store.parent.mkdir()
    await (await Database.open(store, migrations=migrations)).close()
    with plain(store) as earlier:
        earlier.executescript(EARLIER)
    database = await Database.open(store)
    async with database.read() as connection:

        async def rows(statement: str) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.execute(text(statement))]

        assert await rows("SELECT id, person_id, value, wrong_pins, locked_until, lock_id FROM credentials") == [
            ("c", "p", "4711", 2, 99, None)
        ]
        assert await rows("SELECT id, credential_id, person_id, name, uses, updated, issuer FROM grants") == [
            ("g", "c", None, "", 0, 1000, "alice"),
            ("h", None, "p", "", 0, 2000, ""),
        ]
        assert await rows("SELECT number, operation_id FROM sync_items") == [(7, "i")]
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM credentials"))
        assert await connection.scalar(text("SELECT count(*) FROM grants")) == 1  # what hung on it is gone
    await database.close()
