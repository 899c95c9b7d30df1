"""What the server stands on fails: disk, clock, another program. It goes on; and it stops well when told to."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, PATIENCE, Process, SpawnServer, Transport
from doors import Desk, premises
from outside import (
    BACKEND_ERROR,
    OK,
    PROGRAM,
    THINGS,
    ended,
    limit_files,
    login,
    set_up,
    small_socket,
    store_of,
    unsound,
)
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from nymead_users.client import CallError, Client, ConnectionFailed, ConnectionLost, TooManyAttempts
from nymead_users.client.transport import StreamTransport
from nymead_users.endpoint import Endpoint

#: What a client is told of a call that failed and has no word for it.
INTERNAL_ERROR = r"Internal error\. Reference: [0-9a-f]+"

# The disk


@dataclass
class Household:
    """A server's process, its administrator on the control socket, and the token of the administrator's phone."""

    process: Process
    admin: Client
    token: str

    async def call(self, method: str, **params: Any) -> Any:
        return await self.admin.call(method, params)

    @asynccontextmanager
    async def visitor(self) -> AsyncIterator[Client]:
        """Somebody who is not logged in."""
        async with await Client.connect(self.process.url(), timeout=3 * PATIENCE) as client:
            await client.hello()
            yield client

    async def pressed(self, visitor: Client) -> tuple[dict[str, Any], Any]:
        """Press the button for somebody: what they are told, and what whoever presses is answered."""
        waiting = await visitor.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
        assert waiting["success"] is True
        try:
            answer = await self.call("Operator.PressButton")
        except CallError as refusal:
            answer = refusal.message
        told = await anext(visitor.notifications())
        assert told.name == "JSONRPC.PushButtonAuthFinished"
        assert told.params.pop("transactionId") == waiting["transactionId"]
        return dict(told.params), answer

    async def writes_fail_and_reads_go_on(self) -> None:
        """Hold a server whose store cannot be written against what it promises."""
        users = (await self.call("Users.GetUsers"))["users"]
        tokens = (await self.call("Users.GetUserTokens", username="admin"))["tokenInfoList"]
        for method, params in (
            ("Users.CreateUser", {"username": "eve", "password": PASSWORD}),
            ("Users.SetUserInfo", {"displayName": "changed"}),
            ("Users.SetUserScopes", {"username": "bob", "scopes": ["PermissionScopeAdmin"]}),
            ("Users.RemoveToken", {"tokenId": tokens[0]["id"]}),
            ("Users.RemoveUser", {"username": "bob"}),
            ("Users.ChangeUserPassword", {"username": "bob", "newPassword": "Changed123"}),
            ("Users.ChangePassword", {"newPassword": "Changed123"}),
        ):
            assert await self.admin.call(method, params) == BACKEND_ERROR
            assert (await self.call("Users.GetUsers"))["users"] == users
        async with self.visitor() as visitor:
            # A login has no such outcome: it must store its token. Nor has the button.
            with pytest.raises(CallError, match=INTERNAL_ERROR):
                await visitor.authenticate("bob", PASSWORD, "phone")
            assert await visitor.authenticate("bob", "Wr0ngPassword", "phone") is None
            told, answer = await self.pressed(visitor)
            assert told == {"success": False}
            assert re.fullmatch(INTERNAL_ERROR, answer)
        async with self.visitor() as phone:
            # Who has a token needs no write.
            assert (await phone.hello(token=self.token))["authenticated"] is True
            assert (await phone.call("Users.GetUserInfo"))["userInfo"]["username"] == "admin"
        assert (await self.call("Users.GetUserTokens", username="admin"))["tokenInfoList"] == tokens

    async def all_is_well_again(self) -> None:
        """Hold a server that has recovered against what it promises."""
        async with self.visitor() as visitor:
            assert await visitor.authenticate("bob", PASSWORD, "phone") is not None
            told, answer = await self.pressed(visitor)
            assert (told["success"], answer) == (True, {"success": True})
        assert await self.call("Users.SetUserInfo", username="bob", displayName="Bob again") == OK
        assert await self.call("Users.CreateUser", username="eve", password=PASSWORD) == OK
        assert await self.call("Users.RemoveUser", username="eve") == OK
        # Nobody heard of what was not done.
        heard = [(await anext(self.admin.notifications())).name for _ in range(3)]
        assert heard == ["Users.UserChanged", "Users.UserAdded", "Users.UserRemoved"]

    async def stops_soundly(self) -> None:
        self.process.signal(signal.SIGTERM)
        assert await self.process.ended() == 0
        # Of a store that fails there is a line for each call that it failed, and no traceback.
        assert "Traceback" not in await self.process.log()
        assert unsound(self.process.data_dir) == []


@asynccontextmanager
async def household(process: Process) -> AsyncIterator[Household]:
    """The household of a new server: admin, bob, and whoever came by the button."""
    await set_up(process)
    async with await login(f"unix://{process.data_dir}/control.sock") as admin:
        phone = await admin.authenticate("admin", PASSWORD, "phone")
        assert phone is not None
        home = Household(process, admin, phone.token)
        assert await home.call("Users.CreateUser", username="bob", password=PASSWORD, scopes=[]) == OK
        async with home.visitor() as visitor:
            await home.pressed(visitor)
        await admin.subscribe("Users")
        yield home


async def test_writes_beyond_a_limit_fail_and_the_server_recovers(spawn_server: SpawnServer) -> None:
    """While no file may grow, changes end with the backend's error and reads go on; then all is as before."""
    process = await spawn_server("--log-level", "error", "--push-button")
    async with household(process) as home:
        for _ in range(2):
            limit_files(process, 0)
            await home.writes_fail_and_reads_go_on()
            limit_files(process, -1)
            await home.all_is_well_again()
    await home.stops_soundly()


async def test_a_set_up_that_cannot_be_stored_may_be_tried_again(spawn_server: SpawnServer) -> None:
    """The first administrator, made while no file may grow, is an error of the backend's; later the same succeeds."""
    process = await spawn_server("--log-level", "error")
    async with await Client.connect(process.url()) as client:
        limit_files(process, 0)
        assert (await client.hello())["initialSetupRequired"] is True
        for username in ("admin", "admin2"):
            assert (
                await client.call("JSONRPC.CreateUser", {"username": username, "password": PASSWORD}) == BACKEND_ERROR
            )
        assert (await client.hello())["initialSetupRequired"] is True
        limit_files(process, -1)
    await set_up(process)
    async with await login(process.url()) as admin:
        assert [user["username"] for user in (await admin.call("Users.GetUsers"))["users"]] == ["admin"]


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
    process = await spawn_server("--log-level", "error", "--push-button", data_dir=disk, program=(*mount, *PROGRAM))
    seen_from_here = Path(f"/proc/{process.pid}/root{disk}")
    process.data_dir = seen_from_here
    async with household(process) as home:
        for _ in range(2):
            filler = seen_from_here / "filler"
            fill(filler)
            # What has its place in the log already may still be written; that comes to an end.
            for number in itertools.count():
                result = await home.call("Users.SetUserInfo", displayName=str(number))
                if result != OK:
                    break
                await anext(home.admin.notifications())
            assert result == BACKEND_ERROR
            await home.writes_fail_and_reads_go_on()
            filler.unlink()
            await home.all_is_well_again()
        (copy := tmp_path / "copy").mkdir()
        process.signal(signal.SIGSTOP)
        for file_name in store_of(disk).name, f"{store_of(disk).name}-wal":
            shutil.copy(seen_from_here / file_name, copy)
        assert unsound(copy) == []
        process.signal(signal.SIGCONT)
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    assert "Traceback" not in await process.log()


async def test_a_store_that_may_not_be_written_is_survived(spawn_server: SpawnServer) -> None:
    """While the store's files are made immutable, changes end with the backend's error; then all is as before."""
    process = await spawn_server("--log-level", "error", "--push-button")
    files = [str(store_of(process.data_dir)), f"{store_of(process.data_dir)}-wal"]

    def immutable(sign: str) -> bool:
        return works("chattr", f"{sign}i", *files)

    if not immutable("+"):
        pytest.skip("no file can be made immutable here")
    immutable("-")
    async with household(process) as home:
        try:
            immutable("+")
            await home.writes_fail_and_reads_go_on()
        finally:
            immutable("-")
        await home.all_is_well_again()
    await home.stops_soundly()


async def test_a_lock_of_another_program_is_told_and_survived(spawn_server: SpawnServer) -> None:
    """While another program holds the store, reads go on, a change ends with the backend's error; then all is well."""
    process = await spawn_server("--log-level", "error", "--push-button")
    async with household(process) as home, await login(process.url("ws")) as reader:
        tokens = len((await reader.call("Users.GetUserTokens", {"username": "admin"}))["tokenInfoList"])
        with closing(sqlite3.connect(store_of(process.data_dir), isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            begin = time.monotonic()
            change = asyncio.create_task(home.call("Users.SetUserInfo", username="bob", displayName="late"))
            answered = 0
            while not change.done():
                assert len((await reader.call("Users.GetUsers"))["users"]) == 3
                # This one is kept nowhere and is read from the store each time.
                read = await reader.call("Users.GetUserTokens", {"username": "admin"})
                assert len(read["tokenInfoList"]) == tokens
                answered += 1
            assert await change == BACKEND_ERROR
            assert answered > 10
            assert time.monotonic() - begin > 4.5
            # A lock that goes in time is waited for.
            change = asyncio.create_task(home.call("Users.SetUserInfo", username="bob", displayName="waited"))
            assert await reader.call("Users.GetUserTokens", {"username": "admin"}) == read
            assert not change.done()
            other.execute("ROLLBACK")
            assert await change == OK
        assert (await anext(home.admin.notifications())).params["userInfo"]["displayName"] == "waited"
        await home.all_is_well_again()
    await home.stops_soundly()


#: Runs the server with less patience with other programs.
_IMPATIENT = """
import sys
from nymead_users.storage import storefile
storefile.BUSY_TIMEOUT = 0.2
from nymead_users.cli import main
sys.argv[0] = "nymead-users"
main()
"""


async def test_a_lock_fails_whatever_must_be_written(spawn_server: SpawnServer) -> None:
    """While another program holds the store, whatever writes ends with an error, and reads go on; then all is well."""
    process = await spawn_server("--log-level", "error", "--push-button", program=(sys.executable, "-c", _IMPATIENT))
    async with household(process) as home:
        with closing(sqlite3.connect(store_of(process.data_dir), isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await home.writes_fail_and_reads_go_on()
            other.execute("ROLLBACK")
        await home.all_is_well_again()
    await home.stops_soundly()


async def test_doors_say_so_when_the_store_fails(spawn_server: SpawnServer) -> None:
    """While nothing can be stored, changes about doors end with the backend's error and decisions go on."""
    process = await spawn_server("--log-level", "error", "--push-button")
    async with household(process) as home:
        desk = Desk(home.admin)
        place = await premises(desk)
        about = {"ownerAccountId": place.owner}
        holder, role = {"lockHolderId": place.owner}, {"lockId": place.back, "userId": "+4781549300"}
        await desk.done("Access.UpdatePerson", personId=place.bob, phone=role["userId"])
        await desk.done("LockRoles.SetRole", **holder, **role, canShare=True)
        key = await desk.add("LockRoles.ShareKey", **role, toUserId="+4781549301")
        auth = {"smartlockId": place.back, "id": place.other_grant}
        app = {"name": "App", "remoteAllowed": True, "accountUserId": 1}
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
            ("LockRoles.GetRoles", holder),
            ("LockRoles.GetLockRoles", {**holder, "lockId": place.back}),
            ("LockRoles.GetSharedKeys", role),
            ("AccessKeys.GetAccessKeys", {}),
            ("AccessKeys.GetAccessLevels", {}),
            ("AccessKeys.GetAccessKeyStatus", {"id": place.key}),
            ("SmartlockAuths.GetAuths", {}),
            ("SmartlockAuths.GetAuthsPaged", {}),
            ("SmartlockAuths.GetSmartlockAuths", {"smartlockId": place.back}),
            ("SmartlockAuths.GetAuth", auth),
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
            ("LockRoles.SetRole", {**holder, **role, "userId": "+4781549302", "canShare": True}),
            ("LockRoles.ShareKey", {**role, "toUserId": "+4781549302"}),
            ("LockRoles.RevokeSharedKeys", {**role, "ids": [key]}),
            ("LockRoles.RemoveRole", {**holder, **role}),
            ("AccessKeys.AddAccessKey", {"id": place.key, "pin": "1234", "accessLevels": [place.group]}),
            ("AccessKeys.AddAccessKey", {"key": {"identification": "2", "type": "proximity"}}),
            ("AccessKeys.RemoveAccessKey", {"id": place.key}),
            ("SmartlockAuths.CreateAuths", {"smartlockIds": [place.back, place.front], **app}),
            ("SmartlockAuths.CreateAuth", {"smartlockId": place.back, **app}),
            ("SmartlockAuths.GenerateSharedKey", {"smartlockId": place.back, "name": "App", "accountUserId": 1}),
            ("SmartlockAuths.UpdateAuths", {"auths": [{"id": place.other_grant, "name": "App"}]}),
            ("SmartlockAuths.UpdateAuth", {**auth, "name": "App"}),
            ("SmartlockAuths.RemoveAuths", {"ids": [place.other_grant]}),
            ("SmartlockAuths.RemoveAuth", auth),
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
    await home.stops_soundly()


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


def turn(error: Path, seconds: int) -> None:
    """Set the clock wrong; it may be read at any moment."""
    new = error.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(error)


async def logs_in(url: str, address: str, *, token: str | None = None) -> str | None:
    """Log bob in from an address of loopback, or greet with his token; the token, if that was right."""
    endpoint = Endpoint.parse(url)
    channel = StreamTransport(*await asyncio.open_connection(endpoint.host, endpoint.port, local_addr=(address, 0)))
    async with Client(channel, "nymea", token=token, timeout=3 * PATIENCE) as client:
        hello = await client.hello(token=token)
        if token is not None:
            return token if hello["authenticated"] else None
        granted = await client.authenticate("bob", PASSWORD, "phone")
        return None if granted is None else granted.token


async def test_a_clock_that_jumps_changes_no_delay_and_no_login(spawn_server: SpawnServer, tmp_path: Path) -> None:
    """Years forth and back on the wall clock neither lift a delay nor prolong one, cut nobody, and end no login."""
    error = tmp_path / "error"
    turn(error, 0)
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
    tokens: list[str] = []
    async with await login(process.url()) as admin, await Client.connect(process.url()) as guesser:
        silent = await asyncio.open_connection("127.0.0.1", int(process.url().rpartition(":")[2]))
        await guesser.hello()
        waits = [601]
        assert await admin.call("Users.CreateUser", {"username": "bob", "password": PASSWORD}) == OK
        for _ in range(2):
            assert await guesser.authenticate("admin", "Wr0ngPassword", "phone") is None
        for seconds in (0, 5 * year, -5 * year, 0):
            turn(error, seconds)
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
            # Whoever guessed nothing logs in, and every token made in any year is still one.
            granted = await logs_in(process.url(), "127.0.0.2")
            assert granted is not None
            tokens.append(granted)
            assert [await logs_in(process.url(), "127.0.0.2", token=token) for token in tokens] == tokens
        # They only fall, and by no more than what has really passed.
        assert waits == sorted(waits, reverse=True)
        assert waits[-1] > 300
        silent[1].write(b'{"id":0,"method":"JSONRPC.Hello"}\n')
        async with asyncio.timeout(PATIENCE):
            assert json.loads(await silent[0].readline())["status"] == "success"
        silent[1].close()
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0


@pytest.mark.parametrize("years", [5, -5])
async def test_a_clock_that_jumps_moves_no_deadline(spawn_server: SpawnServer, tmp_path: Path, years: int) -> None:
    """A silent connection is closed in its time though the wall clock jumps, and not before it."""
    error = tmp_path / "error"
    turn(error, 0)
    process = await spawn_server(
        *("--log-level", "error"),
        program=(sys.executable, "-c", _WRONG_CLOCK, str(error)),
        environ={"NYMEAD_USERS_LIMITS__HANDSHAKE_TIME": "2"},
    )
    endpoint = Endpoint.parse(process.url())
    begin = time.monotonic()
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    turn(error, years * 365 * 86_400)
    assert await ended(reader)
    # The event loop counts in whole milliseconds.
    assert time.monotonic() - begin > 1.9
    writer.close()


# The end

#: How many connections write, each with so many calls under way, until the server is stopped.
WRITERS, UNDER_WAY = 10, 8

#: What a password costs while the server is stopped: about a second, so that logins wait.
DEAR = {
    "NYMEAD_USERS_ARGON2__MEMORY_COST": "65536",
    "NYMEAD_USERS_ARGON2__TIME_COST": "16",
    "NYMEAD_USERS_ARGON2__WORKERS": "1",
}


class Kept(asyncio.Protocol):
    """Everything that comes over a connection, also where it ends in a reset."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.over = False
        self._change = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._change.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a reset is an end like any other
        self.over = True
        self._change.set()

    async def change(self) -> None:
        """Wait for more, or for the end."""
        async with asyncio.timeout(3 * PATIENCE):
            await self._change.wait()
        self._change.clear()


class Writer:
    """A connection that changes a user again and again, with calls under way all the time, until it ends."""

    def __init__(self, url: str, number: int, token: str) -> None:
        self._url = url
        self._token = token
        self.username = f"user{number}"
        self._sent = 0
        self.acknowledged = 0
        self.acknowledges = asyncio.Event()

    def calls(self) -> Iterator[str]:
        """What is to be sent next."""
        while self._sent < self.acknowledged + UNDER_WAY:
            self._sent += 1
            params = {"username": self.username, "displayName": str(self._sent)}
            call = {"jsonrpc": "2.0", "id": self._sent, "method": "Users.SetUserInfo", "params": params}
            yield json.dumps({**call, "token": self._token}) + "\n"

    def take(self, reply: str | bytes | bytearray) -> None:
        """Each reply is whole, says that it is done, and comes in its turn."""
        assert json.loads(reply) == {"jsonrpc": "2.0", "id": self.acknowledged + 1, "result": OK}
        self.acknowledged += 1
        self.acknowledges.set()

    async def write(self) -> None:
        await (self._over_websocket() if self._url.startswith("ws:") else self._over_tcp())

    async def _over_tcp(self) -> None:
        endpoint = Endpoint.parse(self._url)
        connection, kept = await asyncio.get_running_loop().create_connection(Kept, endpoint.host, endpoint.port)
        rest = bytearray()
        while not kept.over:
            connection.write("".join(self.calls()).encode())
            await kept.change()
            *lines, rest = kept.received.split(b"\n")
            kept.received[:] = rest
            for line in lines:
                self.take(line)
        assert rest == b""

    async def _over_websocket(self) -> None:
        async with connect(self._url, proxy=None) as client:
            with suppress(ConnectionClosed):
                while True:
                    for call in self.calls():
                        await client.send(call)
                    self.take(await client.recv())
            async for reply in client:  # what came before the end, and was not read when it came
                self.take(reply)
            assert client.close_code == 1001


async def answered(url: str) -> bool:
    """Whether a login for which the server computes for long is answered; if not, the connection has ended."""
    try:
        async with await Client.connect(url, timeout=3 * PATIENCE) as client:
            await client.hello()
            assert await client.authenticate("nobody", PASSWORD, "phone") is None
    except (ConnectionFailed, ConnectionLost):
        return False
    return True


async def test_a_stop_under_load_keeps_what_was_acknowledged(spawn_server: SpawnServer, transport: Transport) -> None:
    """Stopped amid calls and logins, the server ends with 0: replies are whole, and what they said is in the store."""
    before = await spawn_server("--log-level", "error")
    await set_up(before)
    async with await login(f"unix://{before.data_dir}/control.sock") as admin:
        for number in range(WRITERS):
            assert await admin.call("Users.CreateUser", {"username": f"user{number}", "password": PASSWORD}) == OK
        granted = await admin.authenticate("admin", PASSWORD, "writers")
        assert granted is not None
    before.signal(signal.SIGTERM)
    assert await before.ended() == 0

    process = await spawn_server("--log-level", "error", environ=DEAR)
    url = process.url("nymea" if transport == "tcp" else "ws")
    logins = [asyncio.create_task(answered(url)) for _ in range(8)]
    writers = [Writer(url, number, granted.token) for number in range(WRITERS)]
    writing = [asyncio.create_task(writer.write()) for writer in writers]
    async with asyncio.timeout(PATIENCE):
        for writer in writers:
            await writer.acknowledges.wait()
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*writing)
        assert not all(await asyncio.gather(*logins))
    assert await process.log() == ""
    assert unsound(process.data_dir) == []

    again = await spawn_server("--log-level", "error")
    async with await login(again.url()) as admin:
        users = {user["username"]: user["displayName"] for user in (await admin.call("Users.GetUsers"))["users"]}
    for writer in writers:
        # What was done last may not have been told any more; nothing that was told is missing.
        assert writer.acknowledged <= int(users[writer.username]) <= writer.acknowledged + UNDER_WAY


async def test_a_reply_on_its_way_at_the_stop_arrives(spawn_server: SpawnServer) -> None:
    """A reply of megabytes of which the client has read little when the server is stopped comes as a whole."""
    process = await spawn_server("--log-level", "error")
    await set_up(process)
    async with await login(process.url()) as admin:
        for number in range(15):
            params = {"username": f"user{number}", "password": PASSWORD, "allowedThingIds": THINGS}
            assert await admin.call("Users.CreateUser", params) == OK
        granted = await admin.authenticate("admin", PASSWORD, "reader")
        assert granted is not None
    reader, writer = await asyncio.open_connection(sock=small_socket(process.url()), limit=1024)
    call = {"jsonrpc": "2.0", "id": 1, "method": "Users.GetUsers", "token": granted.token}
    writer.write(json.dumps(call).encode())
    async with asyncio.timeout(PATIENCE):
        reply = await reader.readexactly(1)
        process.signal(signal.SIGTERM)
        reply += await reader.read()
    assert [len(user["allowedThingIds"]) for user in json.loads(reply)["result"]["users"][1:]] == [len(THINGS)] * 15
    assert await process.ended() == 0
    writer.close()
