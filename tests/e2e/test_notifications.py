"""Notifications: who hears what, how often, when and in which dialect."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import PASSWORD, Dialect, Raw, Server, StartServer, Transport

from nymead_users.client import CallError, Client, PermissionDenied

NO_ERROR = {"error": "UserErrorNoError"}
BOB = {"username": "bob", "password": PASSWORD, "scopes": []}


def info(username: str, *scopes: str, display_name: str = "") -> dict[str, Any]:
    """A user as notifications show them."""
    return {
        "username": username,
        "email": "",
        "displayName": display_name,
        "scopes": [f"PermissionScope{name}" for name in scopes],
        "allowedThingIds": [],
    }


async def heard(client: Client, method: str = "JSONRPC.KeepAlive") -> list[tuple[str, str]]:
    """What has come unasked since the last look, and about whom: the reply to a call comes behind it."""
    await client.call(method, {"sessionId": None} if method == "JSONRPC.KeepAlive" else {})
    notifications: list[tuple[str, str]] = []
    while True:
        try:
            async with asyncio.timeout(0):
                notification = await anext(client.notifications())
        except TimeoutError:
            return notifications
        params = notification.params
        notifications.append((notification.name, (params.get("userInfo") or params)["username"]))


class Wire:
    """A bare connection that knows its dialect and its token, and counts its messages."""

    def __init__(self, raw: Raw, dialect: Dialect) -> None:
        self.raw = raw
        self.dialect = dialect
        self.token: str | None = None
        self._number = 100

    async def send(self, method: str, dialect: Dialect | None = None, /, **params: Any) -> int:
        """Send a request; its id."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if (dialect or self.dialect) == "jsonrpc2":
            message["jsonrpc"] = "2.0"
        if self.token is not None:
            message["token"] = self.token
        await self.raw.send(message)
        return self._number

    async def call(self, method: str, dialect: Dialect | None = None, /, **params: Any) -> tuple[Any, list[Any]]:
        """Send a request; its result, and what came before it as it came."""
        number = await self.send(method, dialect, **params)
        before: list[Any] = []
        while True:
            message = await self.raw.receive()
            if message.get("id") == number and "notification" not in message:
                return message["result"] if "jsonrpc" in message else message["params"], before
            before.append(message)

    async def log_in(self, username: str = "admin") -> None:
        """Shake hands and log in."""
        await self.call("JSONRPC.Hello")
        login, _ = await self.call("JSONRPC.Authenticate", username=username, password=PASSWORD, deviceName="phone")
        self.token = login["token"]

    async def unasked(self) -> list[Any]:
        """What has come unasked so far."""
        _, before = await self.call("JSONRPC.KeepAlive", sessionId=None)
        return before


async def wire(
    server: Server, transport: Transport = "tcp", dialect: Dialect = "nymea", username: str | None = "admin"
) -> Wire:
    """A bare connection, logged in where a user is named."""
    connection = Wire(await server.raw(transport), dialect)
    if username is None:
        await connection.call("JSONRPC.Hello")
    else:
        await connection.log_in(username)
    return connection


# Who hears what


async def test_who_hears_what(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Administrators hear all, others what changes about themselves, everybody else nothing."""
    await home.add_user("carol")
    await home.add_user("dave", "ControlThings", "ConfigureThings", "AccessAllThings", "ConfigureRules")

    async def subscriber(username: str, *namespaces: str) -> Client:
        client = await home.login(username, transport, dialect)
        await client.subscribe(*namespaces)
        return client

    boss = await subscriber("admin", "Users")
    carol, dave = await subscriber("carol", "Users"), await subscriber("dave", "Users", "JSONRPC")
    elsewhere, silent = await subscriber("admin", "JSONRPC"), await home.login("admin", transport, dialect)
    stranger = await subscriber("admin", "Users")
    assert (await stranger.hello(token="gone"))["authenticated"] is False

    actor = await home.login()
    for method, params in (
        ("CreateUser", BOB),
        ("SetUserInfo", {"username": "bob", "displayName": "Bob"}),
        ("SetUserInfo", {"username": "carol", "email": "c@example.org"}),
        ("SetUserScopes", {"username": "dave", "scopes": []}),
        ("SetUserInfo", {"displayName": "Boss"}),
        ("RemoveUser", {"username": "bob"}),
    ):
        assert await actor.call(f"Users.{method}", params) == NO_ERROR
    assert await heard(boss) == [
        ("Users.UserAdded", "bob"),
        ("Users.UserChanged", "bob"),
        ("Users.UserChanged", "carol"),
        ("Users.UserChanged", "dave"),
        ("Users.UserChanged", "admin"),
        ("Users.UserRemoved", "bob"),
    ]
    assert await heard(carol) == [("Users.UserChanged", "carol")]
    assert await heard(dave) == [("Users.UserChanged", "dave")]
    assert await heard(elsewhere) == []
    assert await heard(silent) == []
    assert await heard(stranger, "JSONRPC.Hello") == []


async def test_what_one_hears_follows_who_one_is(home: Server, dialect: Dialect) -> None:
    """A subscription outlives a new Hello or login, and what it brings is up to the new user."""
    await home.add_user("bob")
    bobs = await (await home.client()).authenticate("bob", PASSWORD, "phone")
    assert bobs is not None
    actor = await home.login()

    async def change_all() -> None:
        for username in ("admin", "bob"):
            change = {"username": username, "displayName": "New"}
            assert await actor.call("Users.SetUserInfo", change) == NO_ERROR

    client = await home.login("admin", "tcp", dialect)
    await client.subscribe("Users")
    await client.hello(token=bobs.token)
    await change_all()
    assert await heard(client) == [("Users.UserChanged", "bob")]
    await client.authenticate("admin", PASSWORD, "phone")
    await change_all()
    assert await heard(client) == [("Users.UserChanged", "admin"), ("Users.UserChanged", "bob")]


async def test_without_authentication_one_hears_all(start_server: StartServer, dialect: Dialect) -> None:
    """Where no token is needed, every subscribed session hears all, from the first user on."""
    server = await start_server(listeners=[{"url": "nymea://127.0.0.1:0", "authentication": False}])
    client = await server.client("tcp", dialect)
    await client.subscribe("Users")
    await server.set_up("alice")
    assert await heard(client) == [("Users.UserAdded", "alice")]
    await server.add_user("bob")
    assert await heard(client) == [("Users.UserAdded", "bob")]


# How often, when, and what it looks like


async def test_each_change_is_told_once_before_its_reply(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Whoever changes something hears of it once, before the reply, with what is stored; numbers count up."""
    admin = await wire(home, transport, dialect)
    await admin.call("JSONRPC.SetNotificationStatus", namespaces=["Users"])
    changes: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
        ("CreateUser", BOB, "UserAdded", {"userInfo": info("bob")}),
        (
            "SetUserInfo",
            {"username": "bob", "displayName": "Bob"},
            "UserChanged",
            {"userInfo": info("bob", display_name="Bob")},
        ),
        (
            "SetUserScopes",
            {"username": "bob", "scopes": ["PermissionScopeControlThings"]},
            "UserChanged",
            {"userInfo": info("bob", "ControlThings", display_name="Bob")},
        ),
        ("RemoveUser", {"username": "Bob"}, "UserRemoved", {"username": "bob"}),
    ]
    last = -1
    for method, params, name, told in changes:
        result, before = await admin.call(f"Users.{method}", **params)
        assert result == NO_ERROR
        (notification,) = before
        if dialect == "nymea":
            assert set(notification) == {"id", "notification", "params"}
            assert notification["notification"] == f"Users.{name}"
            assert notification["id"] > last
            last = notification["id"]
        else:
            assert set(notification) == {"jsonrpc", "method", "params"}
            assert notification["jsonrpc"] == "2.0"
            assert notification["method"] == f"Users.{name}"
        assert notification["params"] == told
        assert await admin.unasked() == []


async def test_everybody_hears_the_same_once(home: Server) -> None:
    """Subscribers on every transport and in every dialect hear each of many changes made at once exactly once."""
    listeners = [
        await home.login("admin", transport, dialect)
        for transport in ("tcp", "ws")
        for dialect in ("nymea", "jsonrpc2")
    ]
    for client in listeners:
        await client.subscribe("Users")
    names = [f"user{number}" for number in range(12)]
    made = await asyncio.gather(
        *(
            listeners[number % 4].call("Users.CreateUser", {"username": name, "password": PASSWORD})
            for number, name in enumerate(names)
        )
    )
    assert all(reply == NO_ERROR for reply in made)
    told = [await heard(client) for client in listeners]
    assert sorted(told[0]) == [("Users.UserAdded", name) for name in sorted(names)]
    assert all(each == told[0] for each in told)


async def test_failures_are_not_told(home: Server, dialect: Dialect) -> None:
    """Nobody is notified of a call that failed or was refused, nor of one that only asked."""
    await home.add_user("bob")
    admin = await home.login("admin", "tcp", dialect)
    bob = await home.login("bob", "tcp", dialect)
    await admin.subscribe("Users", "JSONRPC")
    await bob.subscribe("Users", "JSONRPC")
    failing: list[tuple[str, dict[str, Any], str]] = [
        ("Users.CreateUser", {"username": "bob", "password": PASSWORD}, "DuplicateUserId"),
        ("Users.CreateUser", {"username": "b", "password": PASSWORD}, "InvalidUserId"),
        ("Users.CreateUser", {"username": "carol", "password": "weak"}, "BadPassword"),
        ("JSONRPC.CreateUser", {"username": "carol", "password": PASSWORD}, "PermissionDenied"),
        ("Users.SetUserInfo", {"username": "nobody", "displayName": "X"}, "InvalidUserId"),
        (
            "Users.SetUserScopes",
            {"username": "bob", "scopes": ["PermissionScopeConfigureRules"]},
            "InconsistantScopes",
        ),
        ("Users.SetUserScopes", {"username": "nobody", "scopes": []}, "InvalidUserId"),
        ("Users.RemoveUser", {"username": "nobody"}, "InvalidUserId"),
        ("Users.RemoveToken", {"tokenId": "11111111-2222-4333-8444-555555555555"}, "TokenNotFound"),
        ("Users.ChangeUserPassword", {"username": "bob", "newPassword": "weak"}, "BadPassword"),
    ]
    for method, params, error in failing:
        assert await admin.call(method, params) == {"error": f"UserError{error}"}
    for params in ({"username": "bob", "email": "\n"}, {"username": "bob", "unknown": 1}):
        with pytest.raises(CallError, match="nvalid params"):
            await admin.call("Users.SetUserInfo", params)
    for method, params in (
        ("Users.CreateUser", BOB),
        ("Users.SetUserInfo", {"displayName": "X"}),
        ("Users.SetUserScopes", {"username": "bob", "scopes": ["PermissionScopeAdmin"]}),
        ("Users.RemoveUser", {"username": "admin"}),
    ):
        with pytest.raises(PermissionDenied):
            await bob.call(method, params)
    for method in ("Users.GetUsers", "Users.GetTokens", "Users.GetUserInfo", "JSONRPC.Version"):
        await admin.call(method)
    assert await heard(admin) == []
    assert await heard(bob) == []


async def test_the_list_is_set_anew(home: Server, dialect: Dialect) -> None:
    """Each SetNotificationStatus alone says what is heard from then on; one that is refused changes nothing."""
    client = await home.login("admin", "tcp", dialect)
    actor = await home.login()
    added = [("Users.UserChanged", "admin")]
    asked: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
        ({"namespaces": ["Users"]}, added),
        ({"namespaces": ["JSONRPC"]}, []),
        ({"enabled": True}, added),
        ({"namespaces": []}, []),
        ({"enabled": "true"}, added),
        ({"enabled": "false", "namespaces": ["Users"]}, []),
        ({"namespaces": ["Users", "Nowhere"]}, added),
        ({}, []),
        ({"enabled": True, "namespaces": []}, added),
    ]
    for number, (params, expected) in enumerate(asked):
        await client.call("JSONRPC.SetNotificationStatus", params)
        assert await actor.call("Users.SetUserInfo", {"displayName": f"Boss {number}"}) == NO_ERROR
        assert await heard(client) == expected, params
    with pytest.raises(CallError):
        await client.call("JSONRPC.SetNotificationStatus", {"namespaces": [], "enabled": "maybe"})
    assert await actor.call("Users.SetUserInfo", {"displayName": "Boss"}) == NO_ERROR
    assert await heard(client) == added


async def test_the_dialect_in_which_one_last_asked(home: Server, transport: Transport) -> None:
    """Notifications come in the dialect of the last SetNotificationStatus, whatever is spoken meanwhile."""
    listener = await wire(home, transport)
    actor = await home.login()

    async def told() -> Any:
        assert await actor.call("Users.SetUserInfo", {"displayName": "Boss"}) == NO_ERROR
        (notification,) = await listener.unasked()
        return notification

    await listener.call("JSONRPC.SetNotificationStatus", "nymea", namespaces=["Users"])
    assert (await told())["notification"] == "Users.UserChanged"
    await listener.call("JSONRPC.Version", "jsonrpc2")
    assert (await told())["notification"] == "Users.UserChanged"
    await listener.call("JSONRPC.SetNotificationStatus", "jsonrpc2", namespaces=["Users"])
    assert (await told())["method"] == "Users.UserChanged"
    await listener.call("JSONRPC.Version", "nymea")
    assert (await told())["method"] == "Users.UserChanged"
    await listener.call("JSONRPC.SetNotificationStatus", "nymea", enabled=True)
    assert (await told())["notification"] == "Users.UserChanged"


# The push button


@pytest.fixture
async def button(start_server: StartServer) -> Server:
    """A server with a push button, which has been set up."""
    server = await start_server(push_button=True)
    await server.set_up()
    return server


async def pressed(server: Server) -> bool:
    """Press the button; whether somebody got a token."""
    operator = await server.operator()
    reply = await operator.call("Operator.PressButton")
    await operator.close()
    return bool(reply["success"])


def finished(dialect: Dialect, message: Any, name: str = "JSONRPC") -> dict[str, Any]:
    """The params of a push button's result, which has the form of its dialect and this name."""
    if dialect == "nymea":
        assert set(message) == {"id", "notification", "params"}
        assert message["notification"] == f"{name}.PushButtonAuthFinished"
    else:
        assert set(message) == {"jsonrpc", "method", "params"}
        assert message["method"] == f"{name}.PushButtonAuthFinished"
    params: dict[str, Any] = message["params"]
    return params


async def test_the_result_goes_to_the_requester_only(button: Server, transport: Transport, dialect: Dialect) -> None:
    """A press is told once, by the name of the request, to whoever asked; subscribers hear of the new user only."""
    admins = [await wire(button, transport, dialect), await wire(button)]
    for admin in admins:
        await admin.call("JSONRPC.SetNotificationStatus", enabled=True)
    for number, name in enumerate(("Users", "JSONRPC")):
        requester = await wire(button, transport, dialect, None)
        bystander = await wire(button, transport, dialect, None)
        reply, before = await requester.call(f"{name}.RequestPushButtonAuth", deviceName="phone")
        assert before == []
        assert reply["success"] is True
        assert await pressed(button)
        params = finished(dialect, await requester.raw.receive(), name)
        assert set(params) == {"success", "transactionId", "token"}
        assert params["success"] is True
        assert params["transactionId"] == reply["transactionId"]
        requester.token = params["token"]
        assert await requester.unasked() == []
        assert (await bystander.call("JSONRPC.Hello"))[1] == []
        for admin in admins:
            told = await admin.unasked()
            assert [(message["params"]["userInfo"]["username"]) for message in told] == [""] * (number == 0)
            assert params["token"] not in str(told)


async def test_the_newest_request_wins(button: Server, transport: Transport, dialect: Dialect) -> None:
    """A new request ends the one that waits without success, by its own name, before the new one is answered."""
    first = await wire(button, transport, dialect, None)
    second = await wire(button, "ws" if transport == "tcp" else "tcp", dialect, None)
    one, _ = await first.call("JSONRPC.RequestPushButtonAuth", deviceName="phone")
    two, before = await first.call("Users.RequestPushButtonAuth", deviceName="phone")
    assert one["transactionId"] != two["transactionId"]
    (displaced,) = before
    assert finished(dialect, displaced) == {"success": False, "transactionId": one["transactionId"]}
    three, before = await second.call("JSONRPC.RequestPushButtonAuth", deviceName="tablet")
    assert three["success"] is True
    assert before == []
    (displaced,) = (await first.call("JSONRPC.Hello"))[1]
    assert finished(dialect, displaced, "Users") == {"success": False, "transactionId": two["transactionId"]}
    assert await pressed(button)
    assert finished(dialect, await second.raw.receive())["transactionId"] == three["transactionId"]
    assert (await first.call("JSONRPC.Hello"))[1] == []


async def test_the_result_has_the_dialect_of_its_request(button: Server, transport: Transport) -> None:
    """A result comes in the dialect of its request, other notifications in that of the subscription."""
    admin = await wire(button, transport)
    await admin.call("JSONRPC.SetNotificationStatus", "jsonrpc2", namespaces=["Users"])
    await admin.call("JSONRPC.RequestPushButtonAuth", "nymea", deviceName="phone")
    assert await pressed(button)
    added = await admin.raw.receive()
    assert (added["method"], added["params"]["userInfo"]["username"]) == ("Users.UserAdded", "")
    admin.token = finished("nymea", await admin.raw.receive())["token"]
    await admin.call("JSONRPC.SetNotificationStatus", "nymea", namespaces=["Users"])
    await admin.call("Users.RequestPushButtonAuth", "jsonrpc2", deviceName="phone")
    assert await pressed(button)
    admin.token = finished("jsonrpc2", await admin.raw.receive(), "Users")["token"]
    _, before = await admin.call("Users.SetUserInfo", "jsonrpc2", displayName="Kitchen")
    assert [message["notification"] for message in before] == ["Users.UserChanged"]


async def test_numbers_count_up_over_all_notifications(button: Server, transport: Transport) -> None:
    """In nymea's dialect each notification of a connection, of whatever kind, has a greater id than the one before."""
    admin = await wire(button, transport)
    await admin.call("JSONRPC.SetNotificationStatus", enabled=True)
    numbers: list[int] = []
    for round_ in range(3):
        _, before = await admin.call("Users.SetUserInfo", username="admin", displayName=f"Boss {round_}")
        await admin.call("JSONRPC.RequestPushButtonAuth", deviceName="phone")
        _, displaced = await admin.call("JSONRPC.RequestPushButtonAuth", deviceName="phone")
        numbers += [message["id"] for message in [*before, *displaced]]
        assert await pressed(button)
        while (message := await admin.raw.receive())["notification"] != "JSONRPC.PushButtonAuthFinished":
            numbers.append(message["id"])
        numbers.append(message["id"])
        admin.token = message["params"]["token"]
    assert len(numbers) == 3 * 3 + 1  # the button's user is added once
    assert numbers == sorted(set(numbers))


async def test_a_press_without_a_request_does_nothing(button: Server) -> None:
    """Nobody gets a token from a press that nobody waits for, nor from a second press."""
    admin = await wire(button)
    await admin.call("JSONRPC.SetNotificationStatus", enabled=True)
    assert not await pressed(button)
    assert await admin.unasked() == []
    requester = await wire(button, username=None)
    await requester.call("JSONRPC.RequestPushButtonAuth", deviceName="phone")
    assert await pressed(button)
    assert not await pressed(button)
    requester.token = finished("nymea", await requester.raw.receive())["token"]
    assert await requester.unasked() == []
    assert len((await admin.call("Users.GetUserTokens", username=""))[0]["tokenInfoList"]) == 1


async def test_a_requester_that_leaves_waits_no_more(button: Server) -> None:
    """A press after the requester has gone does nothing; a request displaced before does not end the newer one."""
    gone = await Raw.open(button.url())
    leaving = Wire(gone, "jsonrpc2")
    await leaving.call("JSONRPC.RequestPushButtonAuth", deviceName="phone")
    gone._writer.write_eof()
    assert await gone.ends() == []
    await gone.close()
    assert not await pressed(button)
    operator = await button.operator()
    assert len((await operator.call("Users.GetUsers"))["users"]) == 1

    gone = await Raw.open(button.url())
    leaving = Wire(gone, "jsonrpc2")
    await leaving.call("JSONRPC.RequestPushButtonAuth", deviceName="phone")
    staying = await wire(button, username=None)
    await staying.call("JSONRPC.RequestPushButtonAuth", deviceName="tablet")
    gone._writer.write_eof()
    (displaced,) = await gone.ends()
    assert finished("jsonrpc2", displaced)["success"] is False
    await gone.close()
    assert await pressed(button)
    assert finished("nymea", await staying.raw.receive())["success"] is True
