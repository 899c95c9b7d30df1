"""The server killed while clients write: what it acknowledged is there after the next start."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conftest import PATIENCE, Process, SpawnServer

from nymead_users.client import Client, ConnectionLost

#: How often the server is killed; `make soak` asks for more.
ROUNDS = int(os.environ.get("CRASHES", "6"))
WRITERS = 5

#: How much each writer has at once; small enough that everything is changed again and again.
USERS, DEVICES = 3, 8

OK = {"error": "UserErrorNoError"}

chance = random.SystemRandom()


@dataclass(frozen=True)
class Account:
    """What the server should know of a user. A device stands for the token it got."""

    password: str
    display_name: str = ""
    scopes: str = "Admin"
    devices: frozenset[str] = frozenset()


class Home:
    """What the clients know for certain, and what was under way when the server was killed."""

    def __init__(self) -> None:
        #: By name: the one state that was acknowledged, and the one that was asked for.
        self.accounts: dict[str, tuple[Account | None, ...]] = {}
        self.tokens: dict[str, str] = {}
        self.acknowledged = 0
        self.numbers = itertools.count(1)

    def certain(self, owner: str) -> Iterator[tuple[str, Account]]:
        """The users of a writer that exist."""
        for name, possible in self.accounts.items():
            if name.startswith(owner):
                (account,) = possible
                if account is not None:
                    yield name, account


async def admit(client: Client) -> None:
    """Shake hands as the administrator, who is made by the first to come."""
    if (await client.hello())["initialSetupRequired"]:
        await client.call("JSONRPC.CreateUser", {"username": "admin", "password": "Abcdefg1"})
    assert await client.authenticate("admin", "Abcdefg1", "writer") is not None


async def write(owner: str, home: Home, admin: Client, visitor: Client, acknowledged: asyncio.Event) -> None:
    """Change one thing after another until the connection is gone."""
    while True:
        users = list(home.certain(owner))
        number = next(home.numbers)
        if len(users) < USERS:
            name, before, after = f"{owner}-{number}", None, Account(f"Password{number}")
            params = {"username": name, "password": after.password}
            await change(home, name, before, after, admin, "Users.CreateUser", params)
        else:
            name, before = chance.choice(users)
            await one_change(home, name, before, admin, visitor, number)
        home.acknowledged += 1
        acknowledged.set()


async def one_change(home: Home, name: str, before: Account, admin: Client, visitor: Client, number: int) -> None:
    kind = chance.choice(["login", "login", "revoke", "info", "scopes", "password", "remove"])
    if kind == "login" and len(before.devices) < DEVICES:
        device = f"{name}-device-{number}"
        home.accounts[name] = (before, replace(before, devices=before.devices | {device}))
        login = await visitor.authenticate(name, before.password, device)
        assert login is not None
        home.tokens[device] = login.token
        home.accounts[name] = home.accounts[name][1:]
    elif kind == "revoke" and before.devices:
        device = chance.choice(sorted(before.devices))
        tokens = (await admin.call("Users.GetUserTokens", {"username": name}))["tokenInfoList"]
        (token_id,) = (token["id"] for token in tokens if token["deviceName"] == device)
        after = replace(before, devices=before.devices - {device})
        await change(home, name, before, after, admin, "Users.RemoveToken", {"tokenId": token_id})
    elif kind == "scopes":
        scope = "None" if before.scopes == "Admin" else "Admin"
        params = {"username": name, "scopes": [f"PermissionScope{scope}"]}
        await change(home, name, before, replace(before, scopes=scope), admin, "Users.SetUserScopes", params)
    elif kind == "password":
        after = replace(before, password=f"Password{number}", devices=frozenset())
        params = {"username": name, "newPassword": after.password}
        await change(home, name, before, after, admin, "Users.ChangeUserPassword", params)
    elif kind == "remove":
        await change(home, name, before, None, admin, "Users.RemoveUser", {"username": name})
    else:
        after = replace(before, display_name=f"Name {number}")
        params = {"username": name, "displayName": after.display_name}
        await change(home, name, before, after, admin, "Users.SetUserInfo", params)


async def change(
    home: Home, name: str, before: Account | None, after: Account | None, client: Client, method: str, params: Any
) -> None:
    """Ask for a change; it is certain once it is acknowledged."""
    home.accounts[name] = (before, after)
    assert await client.call(method, params) == OK
    home.accounts[name] = (after,)


async def check(home: Home, process: Process) -> None:
    """Compare the server with what the clients know; what was under way is either done or not, as a whole."""
    async with (
        await Client.connect(f"unix://{process.data_dir}/control.sock") as operator,
        await Client.connect(process.url()) as visitor,
    ):
        await operator.hello()
        await visitor.hello()
        users = {user["username"]: user for user in (await operator.call("Users.GetUsers"))["users"]}
        assert users.keys() <= {*home.accounts, "admin"}
        for name, possible in home.accounts.items():
            user = users.get(name)
            devices: frozenset[str] = frozenset()
            if user is not None:
                tokens = (await operator.call("Users.GetUserTokens", {"username": name}))["tokenInfoList"]
                devices = frozenset(token["deviceName"] for token in tokens)
            plausible = [account for account in possible if matches(account, user, devices)]
            assert plausible, f"{name} should be one of {possible}, is {user} with {devices}"
            for device in devices & home.tokens.keys():
                assert (await visitor.hello(token=home.tokens[device]))["authenticated"] is True
            home.accounts[name] = (await log_in(home, name, plausible, visitor),)
        there = {device for (account, *_) in home.accounts.values() if account for device in account.devices}
        for device in home.tokens.keys() - there:
            assert (await visitor.hello(token=home.tokens.pop(device)))["authenticated"] is False


async def log_in(home: Home, name: str, plausible: list[Account | None], visitor: Client) -> Account | None:
    """The one of these states whose password is right; the login belongs to it from then on."""
    device = f"{name}-check-{next(home.numbers)}"
    for account in plausible:
        if account is None:
            return None
        login = await visitor.authenticate(name, account.password, device)
        if login is not None:
            home.tokens[device] = login.token
            return replace(account, devices=account.devices | {device})
    raise AssertionError(f"no password of {name} is right: {plausible}")


def matches(account: Account | None, user: dict[str, Any] | None, devices: frozenset[str]) -> bool:
    """Whether the server's user is as in the account."""
    if account is None or user is None:
        return account is None and user is None
    scopes = "Admin" if "PermissionScopeAdmin" in user["scopes"] else "None"
    return (account.display_name, account.scopes, account.devices) == (user["displayName"], scopes, devices)


def unsound(store: Path, copy: Path) -> list[str]:
    """What SQLite finds wrong with a store; it looks at a copy, so that the server recovers its own."""
    copy.mkdir()
    for part in (store, store.with_name(f"{store.name}-wal")):
        shutil.copy(part, copy)
    with closing(sqlite3.connect(copy / store.name)) as connection:
        return [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]


async def test_what_was_acknowledged_survives_kill_9(spawn_server: SpawnServer, tmp_path: Path) -> None:
    """Killed again and again while clients write, the store is sound, and the server knows all it acknowledged."""
    home = Home()
    for number in range(ROUNDS):
        process = await spawn_server("--log-level", "error")
        await check(home, process)
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(await Client.connect(process.url(scheme)))
                for scheme in ("nymea", "ws")
                for _ in range(WRITERS)
            ]
            await asyncio.gather(*(admit(client) for client in clients))
            acknowledged = asyncio.Event()
            writers = [
                asyncio.create_task(write(f"writer{writer}", home, admin, visitor, acknowledged))
                for writer, (admin, visitor) in enumerate(zip(clients[:WRITERS], clients[WRITERS:], strict=True))
            ]
            enough = home.acknowledged + chance.randint(20, 150)
            async with asyncio.timeout(PATIENCE):
                while home.acknowledged < enough and not any(writer.done() for writer in writers):
                    await acknowledged.wait()
                    acknowledged.clear()
                await asyncio.sleep(chance.uniform(0, 0.02))  # so that the blow falls at any moment of a write
            process.signal(signal.SIGKILL)
            outcomes = await asyncio.gather(*writers, return_exceptions=True)
            assert await process.log() == ""
            assert unsound(process.data_dir / "nymead-users.sqlite", tmp_path / f"copy{number}") == []
            assert [type(outcome) for outcome in outcomes] == [ConnectionLost] * WRITERS, outcomes
    await check(home, await spawn_server("--log-level", "error"))


async def test_a_first_start_that_was_killed_is_made_up_for(tmp_path: Path, spawn_server: SpawnServer) -> None:
    """A server killed while it makes its store starts the next time."""
    store = tmp_path / "data/nymead-users.sqlite"

    def there() -> None:
        give_up = time.monotonic() + PATIENCE
        while not store.exists():
            assert time.monotonic() < give_up
            os.sched_yield()

    process = await spawn_server(up=False)
    await asyncio.to_thread(there)
    await process.kill()
    assert store.exists()
    await spawn_server()
