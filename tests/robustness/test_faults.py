"""What the server stands on fails: disk, clock, another program. It goes on; and it stops well when told to."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, PATIENCE, Process, SpawnServer
from doors import Desk, premises
from outside import BACKEND_ERROR, OK, PROGRAM, limit_files, login, set_up, store_of, unsound

from nymead_users.client import CallError, Client, TooManyAttempts

# The disk


async def writes_fail_and_reads_go_on(admin: Client, url: str) -> None:
    """Hold a server whose store cannot be written against what it promises."""
    users = (await admin.call("Users.GetUsers"))["users"]
    tokens = (await admin.call("Users.GetUserTokens", {"username": "admin"}))["tokenInfoList"]
    for method, params in (
        ("Users.CreateUser", {"username": "eve", "password": PASSWORD}),
        ("Users.SetUserInfo", {"displayName": "changed"}),
        ("Users.SetUserScopes", {"username": "bob", "scopes": ["PermissionScopeAdmin"]}),
        ("Users.RemoveToken", {"tokenId": tokens[0]["id"]}),
        ("Users.RemoveUser", {"username": "bob"}),
        ("Users.ChangeUserPassword", {"username": "bob", "newPassword": "Changed123"}),
    ):
        assert await admin.call(method, params) == BACKEND_ERROR
        assert (await admin.call("Users.GetUsers"))["users"] == users
    async with await Client.connect(url) as visitor:
        await visitor.hello()
        # A login has no such outcome: it must store its token.
        with pytest.raises(CallError, match=r"Internal error\. Reference: [0-9a-f]+$"):
            await visitor.authenticate("bob", PASSWORD, "phone")
        assert await visitor.authenticate("bob", "Wr0ngPassword", "phone") is None
    assert (await admin.call("Users.GetUserTokens", {"username": "admin"}))["tokenInfoList"] == tokens


async def all_is_well_again(admin: Client, url: str) -> None:
    """Hold a server that has recovered against what it promises."""
    async with await Client.connect(url) as visitor:
        await visitor.hello()
        assert await visitor.authenticate("bob", PASSWORD, "phone") is not None
    assert await admin.call("Users.SetUserInfo", {"username": "bob", "displayName": "Bob again"}) == OK
    assert await admin.call("Users.CreateUser", {"username": "eve", "password": PASSWORD}) == OK
    assert await admin.call("Users.RemoveUser", {"username": "eve"}) == OK
    # Nobody heard of what was not done.
    heard = [(await anext(admin.notifications())).name for _ in range(3)]
    assert heard == ["Users.UserChanged", "Users.UserAdded", "Users.UserRemoved"]


async def with_bob(process: Process) -> Client:
    """An administrator of a server that knows bob."""
    admin = await login(f"unix://{process.data_dir}/control.sock")
    assert await admin.call("Users.CreateUser", {"username": "bob", "password": PASSWORD, "scopes": []}) == OK
    await admin.subscribe("Users")
    return admin


async def stops_soundly(process: Process) -> None:
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    assert unsound(process.data_dir) == []


async def test_writes_beyond_a_limit_fail_and_the_server_recovers(spawn_server: SpawnServer) -> None:
    """While no file may grow, changes end with the backend's error and reads go on; then all is as before."""
    process = await spawn_server("--log-level", "error")
    await set_up(process)
    async with await with_bob(process) as admin:
        for _ in range(2):
            limit_files(process, 0)
            await writes_fail_and_reads_go_on(admin, process.url())
            limit_files(process, -1)
            await all_is_well_again(admin, process.url())
    await stops_soundly(process)


def works(*command: str) -> bool:
    """Whether a command is there and succeeds."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False).returncode == 0


#: Runs a program on a file system of one and a half megabytes at the path that comes first.
_SMALL_DISK = 'mount -t tmpfs -o size=1536k,mode=700 none "$0" && exec "$@"'


def fill(file: Path) -> None:
    """Write a file until nothing more goes onto the disk."""
    with file.open("wb", buffering=0) as writing, suppress(OSError):
        while writing.write(b"\0" * 4096):
            pass


async def test_a_full_disk_is_told_and_survived(spawn_server: SpawnServer, tmp_path: Path) -> None:
    """While the disk is full, changes end with the backend's error and reads go on; with room all is as before."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _SMALL_DISK, str(disk))
    if not works(*mount, "true"):
        pytest.skip("no file system of one's own here")
    process = await spawn_server("--log-level", "error", data_dir=disk, program=(*mount, *PROGRAM))
    await set_up(process)
    seen_from_here = Path(f"/proc/{process.pid}/root{disk}")
    process.data_dir = seen_from_here
    async with await with_bob(process) as admin:
        for _ in range(2):
            filler = seen_from_here / "filler"
            fill(filler)
            # What has its place in the log already may still be written; that comes to an end.
            for number in itertools.count():
                result = await admin.call("Users.SetUserInfo", {"displayName": str(number)})
                if result != OK:
                    break
                await anext(admin.notifications())
            assert result == BACKEND_ERROR
            await writes_fail_and_reads_go_on(admin, process.url())
            filler.unlink()
            await all_is_well_again(admin, process.url())
        (copy := tmp_path / "copy").mkdir()
        process.signal(signal.SIGSTOP)
        for file_name in store_of(disk).name, f"{store_of(disk).name}-wal":
            shutil.copy(seen_from_here / file_name, copy)
        assert unsound(copy) == []
        process.signal(signal.SIGCONT)
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0


async def test_a_store_that_may_not_be_written_is_survived(spawn_server: SpawnServer) -> None:
    """While the store's files are made immutable, changes end with the backend's error; then all is as before."""
    process = await spawn_server("--log-level", "error")
    await set_up(process)
    files = [str(store_of(process.data_dir)), f"{store_of(process.data_dir)}-wal"]

    def immutable(sign: str) -> bool:
        return works("chattr", f"{sign}i", *files)

    if not immutable("+"):
        pytest.skip("no file can be made immutable here")
    immutable("-")
    async with await with_bob(process) as admin:
        try:
            immutable("+")
            await writes_fail_and_reads_go_on(admin, process.url())
        finally:
            immutable("-")
        await all_is_well_again(admin, process.url())
    await stops_soundly(process)


async def test_a_lock_of_another_program_is_told_and_survived(spawn_server: SpawnServer) -> None:
    """While another program holds the store, reads go on, a change ends with the backend's error; then all is well."""
    process = await spawn_server("--log-level", "error")
    await set_up(process)
    async with await with_bob(process) as admin, await login(process.url("ws")) as reader:
        with closing(sqlite3.connect(store_of(process.data_dir), isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            change = asyncio.create_task(admin.call("Users.SetUserInfo", {"username": "bob", "displayName": "late"}))
            answered = 0
            while not change.done():
                assert len((await reader.call("Users.GetUsers"))["users"]) == 2
                answered += 1
            assert await change == BACKEND_ERROR
            assert answered > 10
            # A lock that goes in time is waited for.
            change = asyncio.create_task(admin.call("Users.SetUserInfo", {"username": "bob", "displayName": "waited"}))
            assert (await reader.call("Users.GetUsers"))["users"][1]["displayName"] == ""
            assert not change.done()
            other.execute("ROLLBACK")
            assert await change == OK
        assert (await anext(admin.notifications())).params["userInfo"]["displayName"] == "waited"
        await all_is_well_again(admin, process.url())
    await stops_soundly(process)


async def test_doors_say_so_when_the_store_fails(spawn_server: SpawnServer) -> None:
    """While nothing can be stored, changes about doors end with the backend's error and decisions go on."""
    process = await spawn_server("--log-level", "error")
    await set_up(process)
    async with await with_bob(process) as client:
        desk = Desk(client)
        place = await premises(desk)
        about = {"ownerAccountId": place.owner}
        await desk.listen()
        reads: list[tuple[str, dict[str, Any]]] = [
            *((f"Access.Get{things}", {}) for things in ("Owners", "Locks", "Persons", "Credentials", "Grants")),
            ("Access.GetPendingSync", {"lockId": place.front}),
            ("Access.GetEvents", {}),
            ("Access.GetWhoHasAccess", {"lockId": place.front}),
            ("Access.GetAccessOf", {"personId": place.ann}),
            ("Access.Evaluate", {"lockId": place.back, "personId": place.ann}),
            ("LockGroups.GetLockGroups", about),
            ("LockGroups.GetLockGroup", {**about, "id": place.group}),
            ("LockGroups.GetLockGroupGrants", {**about, "id": place.group}),
            ("LockGroups.GetMemberships", {**about, "lockGroupId": place.group}),
        ]
        changes: list[tuple[str, dict[str, Any]]] = [
            ("Access.AddOwner", {"title": "Works"}),
            ("Access.AddLock", {"title": "Gate"}),
            ("Access.UpdateLock", {"lockId": place.front, "title": "Gate"}),
            ("Access.RemoveLock", {"lockId": place.front}),
            ("Access.AddPerson", {}),
            ("Access.UpdatePerson", {"personId": place.ann, "enabled": False}),
            ("Access.RemovePerson", {"personId": place.ann}),
            ("Access.AddCredential", {"type": "code", "value": "1234", "pin": "1234"}),
            ("Access.UpdateCredential", {"credentialId": place.key, "pin": "1234"}),
            ("Access.RemoveCredential", {"credentialId": place.key}),
            ("Access.AddGrant", {"personId": place.ann, "lockId": place.back}),
            ("Access.UpdateGrant", {"grantId": place.grant, "enabled": False}),
            ("Access.RevokeGrant", {"grantId": place.grant}),
            ("Access.ReportAccess", {"lockId": place.front, "personId": place.ann}),
            ("LockGroups.CreateLockGroup", {**about, "title": "Gates"}),
            ("LockGroups.UpdateLockGroup", {**about, "id": place.group, "title": "Gates"}),
            ("LockGroups.AddMembership", {**about, "lockGroupId": place.group, "boundLockId": place.back}),
            ("LockGroups.RemoveMembership", {**about, "lockGroupId": place.group, "id": place.member}),
            ("LockGroups.RemoveLockGroup", {**about, "id": place.other_group, "forceUnjoinLocks": True}),
        ]
        before = [await desk.done(method, **params) for method, params in reads]
        limit_files(process, 0)
        for method, params in changes:
            assert await desk.refused(method, **params) == ("BackendError", None), method
        assert [await desk.done(method, **params) for method, params in reads] == before
        limit_files(process, -1)
        assert await desk.heard() == []
        # What failed once is done the second time.
        await desk.done("Access.UpdatePerson", personId=place.ann, enabled=False)
        assert (await desk.get("Access.Evaluate", lockId=place.front, personId=place.ann))["reason"] == "disabled"
        # A store that is not as it was fails reads, too.
        tables = ("owners", "persons", "locks", "lock_groups", "memberships", "credentials", "grants", "events")
        with closing(sqlite3.connect(store_of(process.data_dir), isolation_level=None)) as other:
            for table in tables:
                other.execute(f"ALTER TABLE {table} RENAME TO {table}_elsewhere")
            for method, params in [*reads, *changes]:
                assert await desk.refused(method, **params) == ("BackendError", None), method
            for table in tables:
                other.execute(f"ALTER TABLE {table}_elsewhere RENAME TO {table}")
        assert await desk.heard() != []
        assert len(await desk.get("Access.GetLocks")) == 2
    await stops_soundly(process)


# The clock

#: Runs the server with a wall clock that is as many seconds wrong as a file says.
_WRONG_CLOCK = """
import sys, time
from pathlib import Path
error, right = Path(sys.argv.pop(1)), time.time
time.time = lambda: right() + float(error.read_text())
from nymead_users.cli import main
sys.argv[0] = "nymead-users"
main()
"""


async def test_a_clock_that_jumps_changes_no_delay_and_no_login(spawn_server: SpawnServer, tmp_path: Path) -> None:
    """Years forth and back on the wall clock neither lift a delay nor prolong one, cut nobody, and end no login."""
    error = tmp_path / "error"
    error.write_text("0")
    process = await spawn_server(
        *("--log-level", "error"),
        program=(sys.executable, "-c", _WRONG_CLOCK, str(error)),
        environ={
            "NYMEAD_USERS_THROTTLING__FREE_ATTEMPTS": "1",
            "NYMEAD_USERS_THROTTLING__FIRST_DELAY": "600",
            "NYMEAD_USERS_THROTTLING__MAX_DELAY": "600",
            "NYMEAD_USERS_LIMITS__HANDSHAKE_TIME": "3600",
        },
    )
    await set_up(process)
    year = 365 * 86_400
    async with await login(process.url()) as admin, await Client.connect(process.url()) as guesser:
        silent = await asyncio.open_connection("127.0.0.1", int(process.url().rpartition(":")[2]))
        await guesser.hello()
        waits = [601]
        for _ in range(2):
            assert await guesser.authenticate("admin", "Wr0ngPassword", "phone") is None
        for seconds in (0, 5 * year, -5 * year, 0):
            error.write_text(str(seconds))
            with pytest.raises(TooManyAttempts) as refusal:
                await guesser.authenticate("admin", "Wr0ngPassword", "phone")
            waits.append(refusal.value.retry_after)
            assert (await admin.call("Users.GetUserInfo"))["userInfo"]["username"] == "admin"
            name = f"user{seconds}".replace("-", "b")
            assert (await admin.call("Users.CreateUser", {"username": name, "password": PASSWORD}))["error"] in (
                *OK.values(),
                "UserErrorDuplicateUserId",
            )
            made = (await admin.call("Users.GetUserTokens", {"username": "admin"}))["tokenInfoList"]
            assert len(made) == 1
        # They only fall, and by no more than what has really passed.
        assert waits == sorted(waits, reverse=True)
        assert waits[-1] > 300
        silent[1].write(b'{"id":0,"method":"JSONRPC.Hello"}\n')
        async with asyncio.timeout(PATIENCE):
            assert json.loads(await silent[0].readline())["status"] == "success"
        silent[1].close()
    await stops_soundly(process)


# The end


async def test_a_stop_under_load_keeps_what_was_acknowledged(spawn_server: SpawnServer) -> None:
    """Stopped amid calls, the server ends with 0: each reply is whole, and what was acknowledged is in the store."""
    process = await spawn_server("--log-level", "error")
    await set_up(process)
    async with await with_bob(process) as admin:
        for number in range(10):
            params = {"username": f"user{number}", "password": PASSWORD}
            assert await admin.call("Users.CreateUser", params) == OK
        token = await admin.authenticate("admin", PASSWORD, "writers")
        assert token is not None
    acknowledged = [0] * 10
    under_load = asyncio.Event()

    async def write(number: int) -> bytes:
        """Have many calls under way at once until the connection ends; what came last, which is no whole line."""
        reader, writer = await asyncio.open_connection("127.0.0.1", int(process.url().rpartition(":")[2]))
        for step in range(1, 3001):
            params = {"username": f"user{number}", "displayName": str(step)}
            call = {"jsonrpc": "2.0", "id": step, "method": "Users.SetUserInfo", "params": params}
            writer.write(json.dumps({**call, "token": token.token}).encode() + b"\n")
        line = b""
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                reply = json.loads(line)
                assert reply["result"] == OK
                assert reply["id"] == acknowledged[number] + 1
                acknowledged[number] = reply["id"]
                if all(acknowledged):
                    under_load.set()
        except ConnectionError:
            line = b""  # sent to a server that read no more
        writer.transport.abort()
        return line

    writing = [asyncio.create_task(write(number)) for number in range(len(acknowledged))]
    async with asyncio.timeout(PATIENCE):
        await under_load.wait()
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*writing) == [b""] * len(writing)
    assert await process.log() == ""
    assert 0 < sum(acknowledged) < 3000 * len(writing)
    assert unsound(process.data_dir) == []
    again = await spawn_server("--log-level", "error")
    async with await login(again.url()) as admin:
        users = {user["username"]: user["displayName"] for user in (await admin.call("Users.GetUsers"))["users"]}
    for number, done in enumerate(acknowledged):
        # Replies may have been lost on their way, nothing that came in one.
        assert done <= int(users[f"user{number}"]) < 3000
