"""Backup and restore: what is in them, what is refused, and what a kill in the middle leaves."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path

import pytest
from command_line import Outcome, environment, invoke, run
from conftest import PASSWORD, PATIENCE, SpawnServer
from test_password import Terminal

from nymead_users.client import Client
from nymead_users.storage.copies import STEP

STORE = "nymead-users.sqlite"


async def make(data: Path, *names: str) -> None:
    """Users in a store on which no server runs."""
    for name in names:
        assert (await invoke(data, "user", "add", name, stdin=PASSWORD)).code == 0


async def names(data: Path) -> set[str]:
    """Who is in a store."""
    return {user["username"] for user in (await invoke(data, "user", "list", "--json")).json}


def contents(directory: Path) -> dict[str, str]:
    """The digest of each file, but for the lock, which holds the last holder's number."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in directory.iterdir()
        if file.is_file() and file.name != "server.lock"
    }


def enlarge(store: Path, size: int) -> None:
    """Make a store so large, without any more users."""
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("CREATE TABLE ballast (bytes BLOB)")
        connection.execute("INSERT INTO ballast VALUES (zeroblob(?))", (size,))
        connection.commit()


async def test_a_backup_beside_a_writing_client_is_whole(spawn_server: SpawnServer, tmp_path: Path) -> None:
    """Taken while clients write, backups hold all that was acknowledged before, and its tokens still log in."""
    server = await spawn_server()
    await invoke(server.data_dir, "user", "add", "admin", stdin=PASSWORD)
    acknowledged: list[str] = []
    progress = asyncio.Event()
    async with await Client.connect(server.url()) as admin, await Client.connect(server.url("ws")) as phone:
        for client in (admin, phone):
            await client.hello()
        login = await phone.authenticate("admin", PASSWORD, "phone")
        assert login is not None
        assert await admin.authenticate("admin", PASSWORD, "tablet") is not None

        async def write() -> None:
            while True:
                name = f"user{len(acknowledged)}"
                created = await admin.call("Users.CreateUser", {"username": name, "password": PASSWORD})
                assert created == {"error": "UserErrorNoError"}
                acknowledged.append(name)
                progress.set()

        writer = asyncio.create_task(write())
        before: list[set[str]] = []
        for number in range(3):
            async with asyncio.timeout(PATIENCE):
                while len(acknowledged) < 20 * (number + 1):
                    progress.clear()
                    await progress.wait()
            before.append(set(acknowledged))
            outcome = await run(server.data_dir, "backup", str(tmp_path / f"{number}.sqlite"))
            assert outcome == Outcome(0, f"Backed up the store to {tmp_path / f'{number}.sqlite'}.\n", "")
        assert len(acknowledged) > len(before[-1]), "nothing was written meanwhile"
        writer.cancel()

    for number, known in enumerate(before):
        data = tmp_path / f"restored{number}"
        restored = await invoke(data, "restore", str(tmp_path / f"{number}.sqlite"))
        assert restored.code == 0, restored.err
        assert "failure" not in (await invoke(data, "check")).out
        assert known | {"admin"} <= await names(data)
    again = await spawn_server(data_dir=tmp_path / "restored0")
    async with await Client.connect(again.url()) as client:
        assert (await client.hello(token=login.token))["authenticated"] is True
        assert await client.authenticate("user0", PASSWORD, "another") is not None


async def test_a_backup_is_one_private_file(tmp_path: Path) -> None:
    """Whatever the umask, the file is its owner's alone; nothing is left beside it, and a second needs a word."""
    data, target = tmp_path / "data", tmp_path / "backups" / "a.sqlite"
    target.parent.mkdir()
    await make(data, "alice")
    before = os.umask(0)
    try:
        assert (await run(data, "backup", str(target), "--json")).json == {"file": str(target)}
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    await make(data, "bob")
    first = contents(target.parent)
    assert first.keys() == {"a.sqlite"}
    refused = await invoke(data, "backup", str(target))
    assert refused == Outcome(
        1, "", f"Error: {target} is there already. Name another file, or use --force to overwrite it.\n"
    )
    assert contents(target.parent) == first
    assert (await invoke(data, "backup", str(target), "--force")).code == 0
    assert contents(target.parent).keys() == {"a.sqlite"}
    assert (await invoke(tmp_path / "new", "restore", str(target))).code == 0
    assert await names(tmp_path / "new") == {"alice", "bob"}


@pytest.mark.parametrize("option", [(), ("--force",)])
async def test_a_backup_overwrites_neither_store_nor_directory(tmp_path: Path, option: tuple[str, ...]) -> None:
    """The store itself, under any of its names, a directory and a place that is not there are refused in words."""
    data = tmp_path / "data"
    await make(data, "alice")
    (tmp_path / "alias").symlink_to(data / STORE)
    before = contents(data)
    for target, said in (
        (data / STORE, "store itself"),
        (tmp_path / "alias", "store itself"),
        (tmp_path, "is a directory"),
        (tmp_path / "nowhere" / "b.sqlite", "cannot be written"),
    ):
        refused = await invoke(data, "backup", str(target), *option)
        assert refused.code == 1
        assert said in refused.err
    assert contents(data) == before


async def test_a_damaged_store_gives_no_backup(tmp_path: Path) -> None:
    """A store that is damaged is not backed up: a former backup under that name stays."""
    data, target = tmp_path / "data", tmp_path / "b.sqlite"
    await make(data, "alice")
    assert (await invoke(data, "backup", str(target))).code == 0
    corrupt(data / STORE)
    before = target.read_bytes()
    refused = await invoke(data, "backup", str(target), "--force")
    assert refused.code == 1
    assert f"The store {data / STORE} is damaged" in refused.err
    assert target.read_bytes() == before
    assert contents(tmp_path).keys() == {"b.sqlite"}


async def test_nothing_to_back_up(tmp_path: Path) -> None:
    """Without a store there is no backup, and no file that looks like one."""
    refused = await invoke(tmp_path / "data", "backup", str(tmp_path / "b.sqlite"))
    assert refused.code == 1
    assert "holds no store" in refused.err
    assert not (tmp_path / "b.sqlite").exists()


async def test_long_work_tells_how_far_it_is(tmp_path: Path) -> None:
    """Copies of a large store tell of their progress on stderr, up to the end."""
    data, target = tmp_path / "data", tmp_path / "b.sqlite"
    await make(data, "alice")
    enlarge(data / STORE, 3 * STEP * 4096)
    made = await invoke(data, "backup", str(target))
    assert made.code == 0
    assert made.err.splitlines() == [
        "Copied: 30 %",
        "Copied: 60 %",
        "Copied: 90 %",
        "Copied: 100 %; reading it through",
    ]
    assert (await invoke(tmp_path / "new", "restore", str(target))).err == made.err


async def test_a_restore_is_refused_while_a_server_runs(spawn_server: SpawnServer, tmp_path: Path) -> None:
    """A running server keeps its store; stopped, it gives way, and what was there is kept beside it."""
    server = await spawn_server()
    data, target = server.data_dir, tmp_path / "b.sqlite"
    await invoke(data, "user", "add", "alice", stdin=PASSWORD)
    assert (await invoke(data, "backup", str(target))).code == 0
    await invoke(data, "user", "add", "bob", stdin=PASSWORD)
    refused = await run(data, "restore", str(target), "--yes")
    assert refused.code == 1
    assert f"in use by another nymead-users (process {server.pid})" in refused.err
    assert await names(data) == {"alice", "bob"}

    await server.kill()  # bob may be in the log alone now: he must be in what is kept
    restored = await run(data, "restore", str(target), "--yes", "--json")
    kept = Path(restored.json["kept"])
    assert kept.name.startswith(f"{STORE}.replaced-20")
    assert await names(data) == {"alice"}
    assert (await invoke(data, "restore", str(kept), "--yes")).code == 0
    assert await names(data) == {"alice", "bob"}


async def test_a_restore_asks_first(tmp_path: Path) -> None:
    """Without a terminal to ask at, and without --yes, a store is not replaced."""
    data, target = tmp_path / "data", tmp_path / "b.sqlite"
    await make(data, "alice")
    assert (await invoke(data, "backup", str(target))).code == 0
    before = contents(data)
    refused = await run(data, "restore", str(target), stdin="y\n")
    assert refused.code == 1
    assert "--yes" in refused.err
    assert contents(data) == before


@pytest.mark.parametrize(("answer", "left"), [("y", {"alice"}), ("n", {"alice", "bob"}), ("", {"alice", "bob"})])
async def test_a_person_is_asked(tmp_path: Path, answer: str, left: set[str]) -> None:
    """At a terminal a restore asks, and does nothing unless the answer is yes."""
    data, target = tmp_path / "data", tmp_path / "b.sqlite"
    await make(data, "alice")
    assert (await invoke(data, "backup", str(target))).code == 0
    await make(data, "bob")
    with Terminal(data, "restore", str(target)) as terminal:
        terminal.reads("[y/N]: ")
        terminal.answers(answer)
        assert terminal.ends() == (0 if answer == "y" else 1)
    assert await names(data) == left


def corrupt(file: Path) -> None:
    """Overwrite the root page of the table of users."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'users'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as opened:
        opened.seek((page - 1) * size)
        opened.write(b"\xa5" * size)


def shorten(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 4096 * 3)


def no_database(file: Path) -> None:
    file.write_text("users: alice\n")


def empty(file: Path) -> None:
    file.write_bytes(b"")


def execute(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def newer(file: Path) -> None:
    execute(file, "UPDATE alembic_version SET version_num = '9999'")


def foreign(file: Path) -> None:
    execute(file, "PRAGMA application_id=1")


def dangling(file: Path) -> None:
    execute(file, "INSERT INTO tokens VALUES ('x', 77, x'00', 0, '')")


def missing(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (corrupt, "is damaged"),
        (shorten, "malformed"),
        (no_database, "not a database"),
        (empty, "is empty"),
        (newer, "is of a newer version of this program: its revision is 9999"),
        (foreign, "is a SQLite database of another program"),
        (dangling, "rows of tokens refer to users that are not there"),
        (missing, "is not there"),
    ],
)
async def test_what_is_no_sound_backup_is_refused(tmp_path: Path, spoil: object, said: str) -> None:
    """A file that is damaged, newer or no backup at all is refused by its name, and nothing is changed."""
    assert callable(spoil)
    data, target = tmp_path / "data", tmp_path / "b.sqlite"
    await make(data, "alice")
    assert (await invoke(data, "backup", str(target))).code == 0
    spoil(target)
    before = contents(data)
    refused = await run(data, "restore", str(target), "--yes")
    assert refused.code == 1
    assert f"The backup {target} " in refused.err
    assert said in refused.err
    assert contents(data) == before
    assert await names(data) == {"alice"}


async def test_a_damaged_store_gives_way(tmp_path: Path) -> None:
    """A store that no longer opens is replaced all the same, and kept as it is with its log."""
    data, target = tmp_path / "data", tmp_path / "b.sqlite"
    await make(data, "alice")
    assert (await invoke(data, "backup", str(target))).code == 0
    (data / STORE).write_bytes(b"\xa5" * 8192)
    (data / f"{STORE}-wal").write_bytes(b"\x5a" * 5000)
    kept = Path((await run(data, "restore", str(target), "--yes", "--json")).json["kept"]).name
    assert (data / kept).read_bytes() == b"\xa5" * 8192
    assert (data / f"{kept}-wal").read_bytes() == b"\x5a" * 5000
    assert not (data / f"{STORE}-wal").exists()
    assert await names(data) == {"alice"}


async def test_a_copy_with_its_log_is_restored_with_it(tmp_path: Path, spawn_server: SpawnServer) -> None:
    """A plain copy of a killed server's store and log is a backup too: nothing in the log is lost."""
    server = await spawn_server()
    await invoke(server.data_dir, "user", "add", "alice", stdin=PASSWORD)
    await server.kill()
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in (STORE, f"{STORE}-wal"):
        (copied / name).write_bytes((server.data_dir / name).read_bytes())
    assert (copied / f"{STORE}-wal").stat().st_size > 0
    assert (await invoke(tmp_path / "new", "restore", str(copied / STORE))).code == 0
    assert await names(tmp_path / "new") == {"alice"}


def look(store: Path) -> set[str]:
    """Who is in a store that is sound, as another program sees it."""
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=rw", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {name for (name,) in connection.execute("SELECT username FROM users")}


#: Restores a backup into copies of a data directory, again and again, each time in a process that is killed one step
#: later: before the N-th event that changes files. Ends once one comes through; prints how many did not.
KILLED = """
import os, shutil, signal, sys
from nymead_users.cli import main
old, backup, folder = sys.argv[1:]
steps = {"os.link", "os.rename", "os.remove", "sqlite3.connect", "shutil.copyfile"}
for number in range(1, 100):
    data = f"{folder}/data{number}"
    shutil.copytree(old, data)
    child = os.fork()
    if not child:
        left = number
        def hook(event, arguments):
            global left
            left -= event in steps
            if event in steps and not left:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        sys.argv = ["nymead-users", "restore", backup, "--yes", "--data-dir", data]
        sys.stdout = open(os.devnull, "w")
        try:
            main()
        except SystemExit as ended:
            os._exit(ended.code or 0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != -signal.SIGKILL:
        break
print(number - 1)
sys.exit(status)
"""


@pytest.mark.parametrize("logged", [False, True], ids=["stopped", "killed"])
async def test_a_restore_killed_at_any_step_leaves_a_store(
    tmp_path: Path, logged: bool, spawn_server: SpawnServer
) -> None:
    """Killed before any of its steps, a restore leaves the old store or the new one, each whole; then it succeeds."""
    old, target = tmp_path / "old", tmp_path / "b.sqlite"
    await make(tmp_path / "other", "newcomer")
    assert (await invoke(tmp_path / "other", "backup", str(target))).code == 0
    server = await spawn_server(data_dir=old)
    await invoke(old, "user", "add", "alice", stdin=PASSWORD)
    if not logged:
        server.signal(15)
        await server.ended()
    await server.kill()
    assert (old / f"{STORE}-wal").exists() == logged

    (old / "control.sock").unlink(missing_ok=True)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, str(old), str(target), str(tmp_path)),
        env=environment(None),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        out, _ = await child.communicate()
    assert child.returncode == 0
    killed = int(out)
    found = [look(tmp_path / f"data{step}" / STORE) for step in range(1, killed + 2)]
    # The old store up to one step, the new one from there on.
    old_ones = found.count({"alice"})
    assert found == [{"alice"}] * old_ones + [{"newcomer"}] * (killed + 1 - old_ones)
    assert old_ones > 5
    for step in range(1, killed + 1):
        data = tmp_path / f"data{step}"
        assert (await invoke(data, "restore", str(target), "--yes")).code == 0
        assert look(data / STORE) == {"newcomer"}
    assert await names(data) == {"newcomer"}
