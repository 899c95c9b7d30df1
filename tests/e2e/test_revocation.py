"""What is taken from a user is gone at once, on live connections too, and from nobody else."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from conftest import PASSWORD, PATIENCE, Dialect, Raw, Server, StartServer, Transport

from nymead_users.client import Client, Notification, PermissionDenied, Unauthorized
from nymead_users.storage.datadir import STORE

NO_ERROR = {"error": "UserErrorNoError"}
INVALID_TOKEN = "Forbidden: Invalid token."


def scopes(*names: str) -> list[str]:
    """Permissions as they go over the wire."""
    return [f"PermissionScope{name}" for name in names]


def about(notification: Notification) -> tuple[str, str]:
    """What was heard about whom."""
    return notification.name, (notification.params.get("userInfo") or notification.params)["username"]


async def heard(client: Client) -> list[tuple[str, str]]:
    """What has come unasked since the last look: the reply to a call comes behind it."""
    await client.call("JSONRPC.KeepAlive", {"sessionId": None})
    notifications: list[tuple[str, str]] = []
    while True:
        try:
            async with asyncio.timeout(0):
                notifications.append(about(await anext(client.notifications())))
        except TimeoutError:
            return notifications


async def cut_off(client: Client) -> list[tuple[str, str]]:
    """The next call is unauthorized and the connection ends; what had come unasked until then."""
    with pytest.raises(Unauthorized) as refusal:
        await client.call("Users.GetUserInfo")
    assert refusal.value.message == INVALID_TOKEN
    assert refusal.value.code == (-32001 if client.dialect == "jsonrpc2" else None)
    async with asyncio.timeout(PATIENCE):
        return [about(notification) async for notification in client.notifications()]


async def sessions_of_one_token(
    server: Server, username: str, transport: Transport, dialect: Dialect
) -> tuple[str, list[Client]]:
    """A token's id and two connections that are bound to it and want to hear of users."""
    first = await server.client(transport, dialect)
    login = await first.authenticate(username, PASSWORD, "phone")
    assert login is not None
    (token,) = (await first.call("Users.GetTokens"))["tokenInfoList"]
    second = await server.client("ws" if transport == "tcp" else "tcp", dialect, token=login.token)
    for client in (first, second):
        assert await client.subscribe("Users") == ["Users"]
    return str(token["id"]), [first, second]


async def test_all_sessions_of_what_is_removed_are_cut_off(
    home: Server, transport: Transport, dialect: Dialect
) -> None:
    """A removed token, a removed user and a password set by others silence all sessions bound to it and end them."""
    for username in ("bob", "carol", "dave"):
        await home.add_user(username, "Admin")
    token_id, bobs = await sessions_of_one_token(home, "bob", transport, dialect)
    _, carols = await sessions_of_one_token(home, "carol", transport, dialect)
    _, daves = await sessions_of_one_token(home, "dave", transport, dialect)
    admin = await home.login()
    assert await admin.call("Users.RemoveToken", {"tokenId": token_id}) == NO_ERROR
    assert await admin.call("Users.RemoveUser", {"username": "carol"}) == NO_ERROR
    password = {"username": "dave", "newPassword": "Abcdefg2"}
    assert await admin.call("Users.ChangeUserPassword", password) == NO_ERROR
    for username in ("bob", "dave", "admin"):
        assert await admin.call("Users.SetUserInfo", {"username": username, "displayName": "New"}) == NO_ERROR
    assert await asyncio.gather(*map(cut_off, bobs)) == [[], []]
    assert await asyncio.gather(*map(cut_off, carols)) == [[], []]
    assert await asyncio.gather(*map(cut_off, daves)) == [[("Users.UserRemoved", "carol")]] * 2


async def test_other_sessions_do_not_notice(home: Server, transport: Transport, dialect: Dialect) -> None:
    """The same user's other tokens and other users' sessions go on working and hearing."""
    await home.add_user("bob", "Admin")
    token_id, lost = await sessions_of_one_token(home, "bob", transport, dialect)
    others = [
        await home.login("bob", transport, dialect),
        await home.login("admin", transport, dialect),
    ]
    for client in others:
        await client.subscribe("Users")
    admin = await home.login()
    assert await admin.call("Users.RemoveToken", {"tokenId": token_id}) == NO_ERROR
    assert await admin.call("Users.SetUserInfo", {"username": "bob", "displayName": "Bob"}) == NO_ERROR
    for client in others:
        assert await heard(client) == [("Users.UserChanged", "bob")]
        assert len((await client.call("Users.GetUsers"))["users"]) == 2
    await asyncio.gather(*map(cut_off, lost))
    password = {"username": "bob", "newPassword": "Abcdefg2"}
    assert await admin.call("Users.ChangeUserPassword", password) == NO_ERROR
    await cut_off(others[0])
    assert await admin.call("Users.RemoveUser", {"username": "bob"}) == NO_ERROR
    assert await heard(others[1]) == [("Users.UserRemoved", "bob")]


async def test_ones_own_removal_is_answered_first(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Whoever removes their own token, user or tokens by a new password gets the reply, and is cut off then."""
    for username in ("bob", "carol", "dave"):
        await home.add_user(username, "Admin")
    token_id, (bob, _) = await sessions_of_one_token(home, "bob", transport, dialect)
    _, (carol, _) = await sessions_of_one_token(home, "carol", transport, dialect)
    _, (dave, _) = await sessions_of_one_token(home, "dave", transport, dialect)
    assert await bob.call("Users.RemoveToken", {"tokenId": token_id}) == NO_ERROR
    password = {"username": "dave", "newPassword": "Abcdefg2"}
    assert await dave.call("Users.ChangeUserPassword", password) == NO_ERROR
    assert await carol.call("Users.RemoveUser", {"username": "carol"}) == NO_ERROR
    assert await asyncio.gather(*map(cut_off, (bob, carol, dave))) == [[], [], []]


async def logged_in(server: Server, transport: Transport, dialect: Dialect) -> tuple[Raw, str, str]:
    """A bare connection of the administrator, its token and that token's id."""
    raw = await server.raw(transport)
    version = {"jsonrpc": "2.0"} if dialect == "jsonrpc2" else {}
    params = {"username": "admin", "password": PASSWORD, "deviceName": "phone"}
    await raw.ask({**version, "id": 1, "method": "JSONRPC.Hello"})
    reply = await raw.ask({**version, "id": 2, "method": "JSONRPC.Authenticate", "params": params})
    token = reply["result" if version else "params"]["token"]
    reply = await raw.ask({**version, "id": 3, "method": "Users.GetTokens", "token": token})
    (info,) = reply["result" if version else "params"]["tokenInfoList"]
    return raw, token, info["id"]


async def test_calls_queued_behind_are_refused_too(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Calls sent along with the one that removes their token are unauthorized, every one, and the connection ends."""
    await home.add_user("bob")
    raw, token, token_id = await logged_in(home, transport, dialect)
    login = {"username": "admin", "password": PASSWORD, "deviceName": "phone"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("Users.RemoveToken", {"tokenId": token_id}),
        ("Users.RemoveUser", {"username": "bob"}),
        ("Users.GetUsers", {}),
        ("JSONRPC.Authenticate", login),
        ("Users.RemoveUser", {"username": "bob"}),
    ]
    messages: list[str] = []
    for number, (method, params) in enumerate(calls, 10):
        message: dict[str, Any] = {"id": number, "method": method, "params": params, "token": token}
        if dialect == "jsonrpc2":
            message["jsonrpc"] = "2.0"
        messages.append(json.dumps(message))
    if transport == "tcp":
        await raw.send("".join(messages))
    else:
        for text in messages:
            await raw.send(text)
    replies = await raw.ends()
    assert [reply["id"] for reply in replies] == [10, 11, 12, 13, 14]
    if dialect == "nymea":
        assert replies[0]["params"] == NO_ERROR
        assert all(reply["status"] == "unauthorized" for reply in replies[1:])
        assert all(reply["error"] == INVALID_TOKEN for reply in replies[1:])
    else:
        assert replies[0]["result"] == NO_ERROR
        assert all(reply["error"]["code"] == -32001 for reply in replies[1:])
    left = (await (await home.operator()).call("Users.GetUsers"))["users"]
    assert [user["username"] for user in left] == ["admin", "bob"]


async def test_the_rest_of_a_batch_is_refused_too(home: Server, transport: Transport) -> None:
    """In a batch the members behind the one that removes its token are unauthorized, notifications silently."""
    await home.add_user("bob")
    raw, _, token_id = await logged_in(home, transport, "jsonrpc2")
    remove_bob = {"jsonrpc": "2.0", "method": "Users.RemoveUser", "params": {"username": "bob"}}
    replies = await raw.ask(
        [
            {"jsonrpc": "2.0", "id": 1, "method": "Users.GetUserInfo"},
            {"jsonrpc": "2.0", "id": 2, "method": "Users.RemoveToken", "params": {"tokenId": token_id}},
            remove_bob,
            {**remove_bob, "id": 3},
            {"jsonrpc": "2.0", "id": 4, "method": "Users.GetUserInfo"},
        ]
    )
    assert [reply["id"] for reply in replies] == [1, 2, 3, 4]
    assert replies[0]["result"]["error"] == "UserErrorNoError"
    assert replies[1]["result"] == NO_ERROR
    assert [reply["error"]["code"] for reply in replies[2:]] == [-32001, -32001]
    assert await raw.ends() == []
    left = (await (await home.operator()).call("Users.GetUsers"))["users"]
    assert [user["username"] for user in left] == ["admin", "bob"]


async def test_one_may_log_in_again_at_once(home: Server, dialect: Dialect) -> None:
    """After its token is gone a connection that says Hello or logs in, rather than anything else, is served."""
    await home.add_user("bob", "Admin")
    token_id, (greeting, entering) = await sessions_of_one_token(home, "bob", "tcp", dialect)
    admin = await home.login()
    assert await admin.call("Users.RemoveToken", {"tokenId": token_id}) == NO_ERROR
    hello = await greeting.hello()
    assert hello["authenticated"] is False
    assert "username" not in hello
    for client in (greeting, entering):
        assert await client.authenticate("bob", PASSWORD, "phone") is not None
        assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == "bob"


async def test_beyond_so_many_tokens_the_oldest_gives_way(
    start_server: StartServer, transport: Transport, dialect: Dialect
) -> None:
    """A login too many removes a token: one of the same device, or else the oldest; its connections are cut off."""
    server = await start_server(limits={"tokens_per_user": 3})
    await server.set_up()
    await server.add_user("bob", "Admin")
    other = await server.login("bob", transport, dialect)
    devices = {name: await server.login("admin", transport, dialect, device=name) for name in ("tablet", "script")}

    def age(seconds: int) -> None:
        """Make all tokens older."""
        with closing(sqlite3.connect(server.data_dir / STORE)) as database, database:
            database.execute("UPDATE tokens SET creation_time = creation_time - ?", (seconds,))

    async def log_in(device: str) -> None:
        age(10)
        devices[device] = await server.login("admin", transport, dialect, device=device)

    await log_in("phone")
    # A script that logs in each time it runs harms no other device.
    for _ in range(3):
        before = devices["script"]
        await log_in("script")
        await cut_off(before)
    # A new device takes the place of the oldest.
    await log_in("watch")
    await cut_off(devices.pop("tablet"))
    for client in (*devices.values(), other):
        assert (await client.call("Users.GetUserInfo"))["error"] == "UserErrorNoError"
    tokens = (await devices["watch"].call("Users.GetTokens"))["tokenInfoList"]
    assert sorted(token["deviceName"] for token in tokens) == sorted(devices)


async def test_changed_permissions_apply_at_once(home: Server, transport: Transport, dialect: Dialect) -> None:
    """What a user is given or loses counts from their next call and for what they hear, without a new login."""
    await home.add_user("bob")
    await home.add_user("carol")
    bob = await home.login("bob", transport, dialect)
    await bob.subscribe("Users")
    admin = await home.login()

    async def grant(*names: str) -> None:
        assert await admin.call("Users.SetUserScopes", {"username": "bob", "scopes": scopes(*names)}) == NO_ERROR

    async def change_carol() -> None:
        assert await admin.call("Users.SetUserInfo", {"username": "carol", "displayName": "Carol"}) == NO_ERROR

    async def permissions() -> list[str]:
        given: list[str] = (await bob.call("Users.GetUserInfo"))["userInfo"]["scopes"]
        assert (await bob.hello())["permissionScopes"] == given
        return given

    for _ in range(2):
        await change_carol()
        assert await heard(bob) == []
        with pytest.raises(PermissionDenied):
            await bob.call("Users.GetUsers")

        await grant("Admin")
        await change_carol()
        assert await heard(bob) == [("Users.UserChanged", "bob"), ("Users.UserChanged", "carol")]
        assert len((await bob.call("Users.GetUsers"))["users"]) == 3
        assert "PermissionScopeAdmin" in await permissions()

        await grant("ControlThings")
        await change_carol()
        assert await heard(bob) == [("Users.UserChanged", "bob")]
        assert await permissions() == scopes("ControlThings")


async def test_changed_permissions_count_within_a_segment(home: Server, dialect: Dialect) -> None:
    """Calls sent along with the one that takes the caller's permissions are denied."""
    raw, token, _ = await logged_in(home, "tcp", dialect)
    version = {"jsonrpc": "2.0"} if dialect == "jsonrpc2" else {}
    demote = {"username": "admin", "scopes": []}
    calls = [("Users.SetUserScopes", demote), ("Users.GetUsers", {}), ("Users.RemoveUser", {"username": "admin"})]
    await raw.send(
        "".join(
            json.dumps({**version, "id": number, "method": method, "params": params, "token": token})
            for number, (method, params) in enumerate(calls)
        )
    )
    replies = [await raw.receive() for _ in calls]
    assert replies[0]["result" if version else "params"] == NO_ERROR
    for reply in replies[1:]:
        if dialect == "nymea":
            assert (reply["status"], reply["error"]) == ("error", "Permission denied.")
        else:
            assert reply["error"]["code"] == -32003
    reply = await raw.ask({**version, "id": 9, "method": "Users.GetUserInfo", "token": token})
    assert reply["result" if version else "params"]["userInfo"]["scopes"] == []
