"""The JSONRPC namespace: the handshake, set-up, logging in, and what every connection can ask."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import CHEAP_ARGON2, PASSWORD, PATIENCE, Dialect, Server, StartServer, Transport

from nymead_users import __version__
from nymead_users.app import running
from nymead_users.client import CallError, Client, PermissionDenied, Unauthorized
from nymead_users.config import Settings

NO_ERROR = {"error": "UserErrorNoError"}
DENIED = {"error": "UserErrorPermissionDenied"}

ADMINISTRATOR = [
    "PermissionScopeControlThings",
    "PermissionScopeConfigureThings",
    "PermissionScopeAccessAllThings",
    "PermissionScopeExecuteRules",
    "PermissionScopeConfigureRules",
    "PermissionScopeAdmin",
]

INVALID_TOKEN = "Forbidden: Invalid token."
TOKEN_CHANGED = "Changing the user (token) requires a new handshake. Call JSONRPC.Hello."
SETUP_REQUIRED = "Initial setup required. Call JSONRPC.CreateUser first."
HANDSHAKE_REQUIRED = "Handshake required. Call JSONRPC.Hello first."

#: What Hello answers to everybody, and what it may add.
HELLO = {
    "server",
    "name",
    "version",
    "uuid",
    "language",
    "locale",
    "protocol version",
    "initialSetupRequired",
    "authenticationRequired",
    "pushButtonAuthAvailable",
}
HELLO_EXTRAS = {"experiences", "cacheHashes"}

#: An id that nothing has.
NOTHING = "11111111-2222-4333-8444-555555555555"

#: A value for every required param of the API, and for SetUserInfo's optional username.
VALUES: dict[str, Any] = {
    "username": "bob",
    "password": PASSWORD,
    "newPassword": PASSWORD,
    "deviceName": "a device",
    "sessionId": "1",
    "tokenId": NOTHING,
    "scopes": [],
    "boundLockId": NOTHING,
    "credentialId": NOTHING,
    "grantId": NOTHING,
    "id": NOTHING,
    "items": [],
    "lockGroupId": NOTHING,
    "lockId": NOTHING,
    "lockHolderId": NOTHING,
    "ownerAccountId": NOTHING,
    "personId": NOTHING,
    "userId": "+4781549300",
    "toUserId": "+4781549301",
    "canShare": True,
    "smartlockId": NOTHING,
    "smartlockIds": [NOTHING],
    "name": "A phone",
    "remoteAllowed": True,
    "accountUserId": 1,
    "auths": [{"id": NOTHING}],
    "ids": [NOTHING],
    "title": "A door",
    "type": "code",
    "value": "1234",
}


def code_of(dialect: Dialect, code: int) -> int | None:
    """The code of an error; nymea's dialect has none."""
    return code if dialect == "jsonrpc2" else None


def request(dialect: Dialect, number: int, method: str, token: str | None = None, /, **params: Any) -> dict[str, Any]:
    """A request as it goes over the wire."""
    message: dict[str, Any] = {"id": number, "method": method, "params": params}
    if dialect == "jsonrpc2":
        message["jsonrpc"] = "2.0"
    if token is not None:
        message["token"] = token
    return message


def required(method: dict[str, Any]) -> dict[str, Any]:
    """Plausible values for the required params of an introspected method."""
    return {name: VALUES[name] for name in method["params"] if ":" not in name}


async def token_of(server: Server, username: str = "admin", password: str = PASSWORD) -> str:
    """A new token of a user."""
    client = await server.client()
    login = await client.authenticate(username, password, "a device")
    assert login is not None
    await client.close()
    return str(login.token)


async def refused(client: Client, method: str, params: dict[str, Any] | None = None) -> Unauthorized:
    """The refusal of a call, after which the connection ends."""
    with pytest.raises(Unauthorized) as refusal:
        await client.call(method, params)
    async with asyncio.timeout(PATIENCE):
        await client.closed()
    return refusal.value


# Hello


async def test_hello_tells_about_the_server(server: Server, transport: Transport, dialect: Dialect) -> None:
    """Hello without a token answers who the server is and what it wants, and nothing about a user."""
    client = await server.client(transport, dialect, hello=False)
    hello = await client.hello()
    assert set(hello) - HELLO_EXTRAS == HELLO
    assert hello["server"] == "nymea"
    assert hello["name"] == "nymea"
    assert hello["version"] == __version__
    assert re.fullmatch(r"\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}", hello["uuid"])
    assert hello["language"] == hello["locale"] == "en_US"
    assert hello["protocol version"] == "9.0"
    assert hello["initialSetupRequired"] is True
    assert hello["authenticationRequired"] is True
    assert hello["pushButtonAuthAvailable"] is False
    for entry in hello.get("cacheHashes", []):
        assert set(entry) == {"hash", "method"}
    for entry in hello.get("experiences", []):
        assert set(entry) == {"name", "version"}


async def test_hello_says_what_the_operator_chose(start_server: StartServer) -> None:
    """Hello answers the configured name and locale, and that the button can be pushed where it can."""
    server = await start_server(server_name="Casa Müller", locale="it_CH", push_button=True)
    hello = await (await server.client(hello=False)).hello()
    assert hello["name"] == "Casa Müller"
    assert hello["locale"] == "it_CH"
    assert hello["pushButtonAuthAvailable"] is True


async def test_hello_with_a_token_tells_whose_it_is(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Hello with a valid token binds it and adds the user's name and permissions."""
    await home.add_user("bob", "ControlThings")
    client = await home.client(transport, dialect, hello=False)
    hello = await client.hello(token=await token_of(home))
    assert set(hello) - HELLO_EXTRAS == HELLO | {"authenticated", "permissionScopes", "username"}
    assert hello["authenticated"] is True
    assert hello["permissionScopes"] == ADMINISTRATOR
    assert hello["username"] == "admin"
    assert hello["initialSetupRequired"] is False
    assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == "admin"
    again = await client.hello(token=await token_of(home, "bob"))
    assert again["permissionScopes"] == ["PermissionScopeControlThings"]
    assert again["username"] == "bob"
    assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == "bob"
    with pytest.raises(PermissionDenied):
        await client.call("Users.GetUsers")


async def test_hello_again_sets_the_locale(home: Server, dialect: Dialect) -> None:
    """A repeated Hello answers the locale that it asks for and keeps who is logged in."""
    client = await home.login("admin", "tcp", dialect)
    assert (await client.hello(locale="de_AT"))["locale"] == "de_AT"
    assert (await client.hello(locale="fr_FR"))["locale"] == "fr_FR"
    assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == "admin"


async def test_hello_with_a_stale_token_succeeds(home: Server, transport: Transport, dialect: Dialect) -> None:
    """A token that is no longer valid is told so at Hello, and refused at anything else."""
    client = await home.client(transport, dialect, hello=False)
    hello = await client.hello(token="gone")
    assert set(hello) - HELLO_EXTRAS == HELLO | {"authenticated"}
    assert hello["authenticated"] is False
    assert (await client.hello())["server"] == "nymea"
    refusal = await refused(client, "JSONRPC.KeepAlive", {"sessionId": None})
    assert refusal.message == INVALID_TOKEN
    assert refusal.code == code_of(dialect, -32001)


async def test_stale_tokens_cost_nothing(home: Server, dialect: Dialect) -> None:
    """However often a revoked token is tried, its owner can log in at once, on that very connection."""
    client = await home.client("ws", dialect, hello=False)
    for number in range(10):
        assert (await client.hello(token=f"gone {number}"))["authenticated"] is False
    assert await client.authenticate("admin", PASSWORD, "phone") is not None
    assert await client.call("Users.GetUsers")


async def test_hello_without_a_token_ends_the_login(home: Server, transport: Transport) -> None:
    """In nymea's dialect Hello binds the token it carries, even none."""
    token = await token_of(home)
    raw = await home.raw(transport)
    await raw.ask(request("nymea", 1, "JSONRPC.Hello", token))
    reply = await raw.ask(request("nymea", 2, "JSONRPC.Hello"))
    assert reply["status"] == "success"
    assert "username" not in reply["params"]
    reply = await raw.ask(request("nymea", 3, "Users.GetUserInfo"))
    assert reply == {"id": 3, "status": "unauthorized", "error": INVALID_TOKEN}
    assert await raw.ends() == []


async def test_a_token_may_stand_in_the_envelope_of_hello(home: Server, transport: Transport) -> None:
    """In JSON-RPC 2.0 Hello takes the token from its params and from its envelope alike."""
    token = await token_of(home)
    in_params, in_envelope = await home.raw(transport), await home.raw(transport)
    first = await in_params.ask(request("jsonrpc2", 1, "JSONRPC.Hello", token=token))
    second = await in_envelope.ask(request("jsonrpc2", 1, "JSONRPC.Hello", token))
    assert first["result"]["username"] == second["result"]["username"] == "admin"
    for raw in (in_params, in_envelope):
        reply = await raw.ask(request("jsonrpc2", 2, "Users.GetUserInfo"))
        assert reply["result"]["userInfo"]["username"] == "admin"


async def test_the_uuid_outlives_the_server(tmp_path: Path) -> None:
    """The server has the same uuid after a restart, and another store another one."""

    async def uuid(data_dir: Path) -> str:
        settings = Settings(data_dir=data_dir, listeners=["nymea://127.0.0.1:0"], argon2=CHEAP_ARGON2)
        async with running(settings) as up, await Client.connect(str(up.endpoints[0])) as client:
            answer: str = (await client.hello())["uuid"]
            return answer

    first = await uuid(tmp_path / "one")
    assert await uuid(tmp_path / "one") == first
    assert await uuid(tmp_path / "two") != first


async def test_nothing_comes_before_hello(home: Server, transport: Transport) -> None:
    """A first message of nymea's dialect that is not Hello is refused, and the connection closes."""
    token = await token_of(home)

    async def attempt(message: dict[str, Any]) -> None:
        raw = await home.raw(transport)
        assert await raw.ask(message) == {"id": 7, "status": "error", "error": HANDSHAKE_REQUIRED}
        assert await raw.ends() == []

    await asyncio.gather(
        attempt(request("nymea", 7, "JSONRPC.Version", token)),
        attempt(request("nymea", 7, "rpc.discover")),
        attempt(request("nymea", 7, "JSONRPC.Authenticate", username="admin", password=PASSWORD, deviceName="phone")),
    )


async def test_json_rpc_needs_no_hello(home: Server, transport: Transport) -> None:
    """JSON-RPC 2.0 begins with whatever it likes."""
    raw = await home.raw(transport)
    params = {"username": "admin", "password": PASSWORD, "deviceName": "phone"}
    login = await raw.ask(request("jsonrpc2", 1, "JSONRPC.Authenticate", **params))
    assert login["result"]["success"] is True
    reply = await raw.ask(request("jsonrpc2", 2, "JSONRPC.Version"))
    assert reply["result"]["protocol version"] == "9.0"


# Introspect, Version, KeepAlive


async def test_version(home: Server, dialect: Dialect) -> None:
    """Version answers the server's and the API's version, and that there is no Qt."""
    client = await home.login("admin", "tcp", dialect)
    assert await client.call("JSONRPC.Version") == {
        "version": __version__,
        "protocol version": "9.0",
        "qtVersion": "none",
        "qtBuildVersion": "none",
    }


async def test_introspect(home: Server, dialect: Dialect) -> None:
    """Introspect answers methods, notifications, types, enums and flags, to users without permissions as well."""
    await home.add_user("bob")
    client = await home.login("bob", "tcp", dialect)
    contract = await client.call("JSONRPC.Introspect")
    assert set(contract) == {"methods", "notifications", "types", "enums", "flags"}
    assert all(contract.values())
    assert contract["methods"]["Users.GetUsers"]["permissionScope"] == "PermissionScopeAdmin"


async def test_keep_alive(home: Server, dialect: Dialect) -> None:
    """KeepAlive answers the session id that came, also null, and insists on its being there and a text."""
    client = await home.login("admin", "tcp", dialect)
    for session_id in ("", "a session", None):
        reply = await client.call("JSONRPC.KeepAlive", {"sessionId": session_id})
        assert reply == {"success": True, "sessionId": session_id}
    with pytest.raises(CallError) as missing:
        await client.call("JSONRPC.KeepAlive", {})
    with pytest.raises(CallError) as wrong:
        await client.call("JSONRPC.KeepAlive", {"sessionId": 7})
    if dialect == "nymea":
        text = "Invalid params: Missing required key: sessionId in JSONRPC.KeepAlive, param sessionId"
        assert missing.value.message == text
        assert wrong.value.message.startswith("Invalid params: ")
    else:
        assert missing.value.data == {"param": "sessionId", "reason": "Missing required key: sessionId"}
        assert wrong.value.code == missing.value.code == -32602


async def test_unknown_and_wrong_params(home: Server, dialect: Dialect) -> None:
    """Params that are not declared or of another type are refused, naming the param, and do nothing."""
    client = await home.login("admin", "tcp", dialect)
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("JSONRPC.Version", {"extra": 1}, "extra"),
        ("JSONRPC.Hello", {"locale": 1}, "locale"),
        ("JSONRPC.Authenticate", {"username": 1, "password": PASSWORD, "deviceName": "phone"}, "username"),
        ("JSONRPC.Authenticate", {"username": "admin", "password": None, "deviceName": "phone"}, "password"),
        ("Users.RemoveUser", {"username": ["admin"]}, "username"),
        ("Users.RemoveUser", {"username": "admin", "really": True}, "really"),
        ("Users.SetUserInfo", {"displayName": None}, "displayName"),
    ]
    for method, params, name in cases:
        with pytest.raises(CallError) as refusal:
            await client.call(method, params)
        if dialect == "nymea":
            assert refusal.value.message.startswith("Invalid params: ")
            assert refusal.value.message.endswith(f" in {method}, param {name}")
            assert ("Invalid key: " in refusal.value.message) is (name in ("extra", "really"))
        else:
            assert refusal.value.code == -32602
            assert refusal.value.data["param"] == name
            assert refusal.value.data["reason"]
    assert [user["username"] for user in (await client.call("Users.GetUsers"))["users"]] == ["admin"]


# SetNotificationStatus


async def test_set_notification_status(home: Server, dialect: Dialect) -> None:
    """Each call sets the list anew; the switch goes before the list, unknown names are left out."""
    client = await home.login("admin", "tcp", dialect)
    everything = {"JSONRPC", "Users", "Access", "AccessKeys", "LockGroups", "LockRoles", "SmartlockAuths"}
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"namespaces": ["Users"]}, {"Users"}),
        ({"namespaces": ["JSONRPC"]}, {"JSONRPC"}),
        ({"namespaces": ["Users", "Users", "users", "Nowhere", "", "Operator"]}, {"Users"}),
        ({"namespaces": ["Nowhere"]}, set()),
        ({"namespaces": ["Users", "JSONRPC"]}, {"Users", "JSONRPC"}),
        (
            {"namespaces": ["SmartlockAuths", "LockGroups", "AccessKeys", "JSONRPC", "LockRoles", "Access", "Users"]},
            everything,
        ),
        ({"namespaces": ["Access"]}, {"Access"}),
        ({"namespaces": []}, set()),
        ({"enabled": True}, everything),
        ({"enabled": False}, set()),
        ({"enabled": "true"}, everything),
        ({"enabled": "false"}, set()),
        ({"enabled": True, "namespaces": []}, everything),
        ({"enabled": "true", "namespaces": ["Nowhere"]}, everything),
        ({"enabled": False, "namespaces": ["Users"]}, set()),
        ({"enabled": "false", "namespaces": ["Users"]}, set()),
        ({"namespaces": ["Users"]}, {"Users"}),
        ({}, set()),
    ]
    for params, expected in cases:
        reply = await client.call("JSONRPC.SetNotificationStatus", params)
        assert set(reply) == {"namespaces", "enabled"}
        assert sorted(reply["namespaces"]) == sorted(expected), params
        assert reply["enabled"] is bool(expected), params


async def test_set_notification_status_takes_no_other_values(home: Server, dialect: Dialect) -> None:
    """The switch is true, false or one of their names, and the list holds names."""
    client = await home.login("admin", "tcp", dialect)
    wrong: list[dict[str, Any]] = [
        {"enabled": "yes"},
        {"enabled": "True"},
        {"enabled": 1},
        {"enabled": None},
        {"namespaces": "Users"},
        {"namespaces": [1]},
        {"namespaces": None},
    ]
    for params in wrong:
        with pytest.raises(CallError) as refusal:
            await client.call("JSONRPC.SetNotificationStatus", params)
        assert "nvalid params" in refusal.value.message, params


# CreateUser and initial set-up


async def test_create_user_makes_the_first_administrator(
    server: Server, transport: Transport, dialect: Dialect
) -> None:
    """The first user is an administrator of the given details, and ends set-up; one has to log in after it."""
    client = await server.client(transport, dialect)
    params = {"username": "Alice", "password": PASSWORD, "displayName": "Alice A.", "email": "a@example.org"}
    assert await client.call("JSONRPC.CreateUser", params) == NO_ERROR
    hello = await client.hello()
    assert hello["initialSetupRequired"] is False
    assert "authenticated" not in hello
    assert await client.authenticate("alice", PASSWORD, "phone") is not None
    assert await client.call("Users.GetUserInfo") == {
        "error": "UserErrorNoError",
        "userInfo": {
            "username": "alice",
            "email": "a@example.org",
            "displayName": "Alice A.",
            "scopes": ADMINISTRATOR,
            "allowedThingIds": [],
        },
    }


async def test_create_user_keeps_the_rules(server: Server, dialect: Dialect) -> None:
    """A bad name, password or text makes no user, and set-up stays open."""
    client = await server.client("tcp", dialect)
    for params, error in (
        ({"username": "al", "password": PASSWORD}, "UserErrorInvalidUserId"),
        ({"username": "al", "password": "weak"}, "UserErrorInvalidUserId"),
        ({"username": "", "password": PASSWORD}, "UserErrorInvalidUserId"),
        ({"username": "alice", "password": "weak"}, "UserErrorBadPassword"),
    ):
        assert await client.call("JSONRPC.CreateUser", params) == {"error": error}
    for name in ("displayName", "email"):
        with pytest.raises(CallError, match="nvalid params"):
            await client.call("JSONRPC.CreateUser", {"username": "alice", "password": PASSWORD, name: "x" * 256})
    with pytest.raises(CallError, match="nvalid params"):
        await client.call("JSONRPC.CreateUser", {"username": "alice", "password": PASSWORD, "scopes": []})
    assert (await client.hello())["initialSetupRequired"] is True


async def test_create_user_is_for_the_first_user_only(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Once there is a user, whoever is not logged in is turned away and whoever is makes none."""
    params = {"username": "mallory", "password": PASSWORD}
    anonymous = await home.client(transport, dialect)
    refusal = await refused(anonymous, "JSONRPC.CreateUser", params)
    assert refusal.message == INVALID_TOKEN
    assert refusal.code == code_of(dialect, -32001)
    admin = await home.login("admin", transport, dialect)
    assert await admin.call("JSONRPC.CreateUser", params) == DENIED
    assert [user["username"] for user in (await admin.call("Users.GetUsers"))["users"]] == ["admin"]


async def test_of_two_first_users_one_wins(server: Server) -> None:
    """Of many who make the first user at once one succeeds, and only that user exists."""
    names = [f"user{number}" for number in range(6)]
    clients = [
        await server.client("ws" if number % 2 else "tcp", "jsonrpc2" if number % 3 else "nymea")
        for number in range(len(names))
    ]
    results = await asyncio.gather(
        *(
            client.call("JSONRPC.CreateUser", {"username": name, "password": PASSWORD})
            for client, name in zip(clients, names, strict=True)
        ),
        return_exceptions=True,
    )
    winners = [name for name, result in zip(names, results, strict=True) if result == NO_ERROR]
    assert len(winners) == 1
    assert all(result == DENIED or isinstance(result, Unauthorized) for result in results if result != NO_ERROR)
    operator = await server.operator()
    assert [user["username"] for user in (await operator.call("Users.GetUsers"))["users"]] == winners
    assert await token_of(server, winners[0])


async def test_create_user_takes_whatever_token(server: Server, transport: Transport) -> None:
    """The stale token of an earlier installation does not keep a client from setting up."""
    raw = await server.raw(transport)
    await raw.ask(request("nymea", 1, "JSONRPC.Hello", "one"))
    reply = await raw.ask(request("nymea", 2, "JSONRPC.CreateUser", "two", username="alice", password=PASSWORD))
    assert reply == {"id": 2, "status": "success", "params": NO_ERROR}


async def test_only_set_up_is_answered_first(server: Server, transport: Transport, dialect: Dialect) -> None:
    """While there is no user, everything but set-up is refused and closed, whether it exists or not."""
    operator = await server.operator()
    methods = (await operator.call("JSONRPC.Introspect"))["methods"]
    answered = {
        "JSONRPC.Hello",
        "JSONRPC.CreateUser",
        "JSONRPC.RequestPushButtonAuth",
        "Users.RequestPushButtonAuth",
    }
    assert answered < set(methods)
    params = {name: required(method) for name, method in methods.items() if name not in answered}
    params |= {"Users.NoSuchMethod": {}, "Nowhere.NoSuchMethod": {}, "Operator.PressButton": {}, "rpc.nothing": {}}

    async def attempt(method: str) -> Unauthorized:
        return await refused(await server.client(transport, dialect), method, params[method])

    for refusal in await asyncio.gather(*map(attempt, params)):
        assert refusal.message == SETUP_REQUIRED
        assert refusal.code == code_of(dialect, -32002)

    client = await server.client(transport, dialect)
    for name in ("JSONRPC", "Users"):
        assert (await client.call(f"{name}.RequestPushButtonAuth", {"deviceName": "phone"}))["success"] is False
    assert (await client.call("rpc.discover"))["openrpc"]
    assert (await client.hello())["initialSetupRequired"] is True
    assert await client.call("JSONRPC.CreateUser", {"username": "alice", "password": PASSWORD}) == NO_ERROR
    assert await client.authenticate("alice", PASSWORD, "phone") is not None


# Authenticate


async def test_authenticate(home: Server, transport: Transport, dialect: Dialect) -> None:
    """The right password in any case of the name answers a token, which is bound at once and works elsewhere."""
    await home.add_user("bob", "ControlThings", "AccessAllThings")
    client = await home.client(transport, dialect)
    params = {"username": "BoB", "password": PASSWORD, "deviceName": "phone"}
    raw = await home.raw(transport)
    await raw.ask(request(dialect, 1, "JSONRPC.Hello"))
    reply = await raw.ask(request(dialect, 2, "JSONRPC.Authenticate", **params))
    login = reply["params"] if dialect == "nymea" else reply["result"]
    assert set(login) == {"success", "token", "username", "scopes"}
    assert login["success"] is True
    assert login["username"] == "bob"
    assert login["scopes"] == ["PermissionScopeControlThings", "PermissionScopeAccessAllThings"]
    envelope = login["token"] if dialect == "nymea" else None
    reply = await raw.ask(request(dialect, 3, "Users.GetUserInfo", envelope))
    assert (reply["params"] if dialect == "nymea" else reply["result"])["userInfo"]["username"] == "bob"
    assert (await client.hello(token=login["token"]))["username"] == "bob"


async def test_wrong_passwords(home: Server, dialect: Dialect) -> None:
    """A wrong password and an unknown name are told apart by nothing, and the connection goes on."""
    client = await home.client("tcp", dialect)
    for username, password in (("admin", "Abcdefg2"), ("nobody", PASSWORD)):
        params = {"username": username, "password": password, "deviceName": "phone"}
        assert await client.call("JSONRPC.Authenticate", params) == {"success": False}
    assert await client.authenticate("admin", PASSWORD, "phone") is not None


async def test_a_failed_login_keeps_the_earlier_one(home: Server, dialect: Dialect) -> None:
    """Whoever fails to log in stays who they were."""
    client = await home.login("admin", "tcp", dialect)
    params = {"username": "admin", "password": "Abcdefg2", "deviceName": "phone"}
    assert await client.call("JSONRPC.Authenticate", params) == {"success": False}
    assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == "admin"


async def test_authenticate_checks_its_params(home: Server, dialect: Dialect) -> None:
    """A device name that is too long or holds control characters is refused with the reason."""
    client = await home.client("tcp", dialect)
    for name, reason in (("x" * 256, "255"), ("a\nb", "control")):
        with pytest.raises(CallError) as refusal:
            await client.authenticate("admin", PASSWORD, name)
        assert "nvalid params" in refusal.value.message
        assert reason in (refusal.value.message if dialect == "nymea" else refusal.value.data["reason"])
    assert await client.authenticate("admin", PASSWORD, "x" * 255) is not None


async def test_users_authenticate_is_the_same(home: Server, dialect: Dialect) -> None:
    """Logging in works under the Users name as well, whatever token the call carries."""
    raw = await home.raw("ws")
    await raw.ask(request(dialect, 1, "JSONRPC.Hello", "stale"))
    params = {"username": "Admin", "password": PASSWORD, "deviceName": "phone"}
    reply = await raw.ask(request(dialect, 2, "Users.Authenticate", "another", **params))
    login = reply["params"] if dialect == "nymea" else reply["result"]
    assert set(login) == {"success", "token", "username", "scopes"}
    assert login["username"] == "admin"
    assert login["scopes"] == ADMINISTRATOR
    reply = await raw.ask(request(dialect, 3, "Users.GetUserInfo", login["token"]))
    assert (reply["params"] if dialect == "nymea" else reply["result"])["userInfo"]["username"] == "admin"


async def test_logging_in_replaces_the_bound_token(home: Server, transport: Transport) -> None:
    """After Authenticate messages carry the new token; the earlier one, still valid, needs a new Hello."""
    await home.add_user("bob")
    old = await token_of(home)
    raw = await home.raw(transport)
    await raw.ask(request("nymea", 1, "JSONRPC.Hello", old))
    params = {"username": "bob", "password": PASSWORD, "deviceName": "phone"}
    login = await raw.ask(request("nymea", 2, "JSONRPC.Authenticate", **params))
    new = login["params"]["token"]
    reply = await raw.ask(request("nymea", 3, "Users.GetUserInfo", new))
    assert reply["params"]["userInfo"]["username"] == "bob"
    reply = await raw.ask(request("nymea", 4, "Users.GetUserInfo", old))
    assert reply == {"id": 4, "status": "unauthorized", "error": TOKEN_CHANGED}
    assert await raw.ends() == []


async def test_another_token_needs_a_new_hello(home: Server, transport: Transport, dialect: Dialect) -> None:
    """A message with another token than the connection's is refused and closed, even if that token is valid."""
    first, second = await token_of(home), await token_of(home)

    async def attempt(other: str) -> None:
        raw = await home.raw(transport)
        await raw.ask(request(dialect, 1, "JSONRPC.Hello", first))
        reply = await raw.ask(request(dialect, 2, "Users.GetUserInfo", other))
        if dialect == "nymea":
            assert reply == {"id": 2, "status": "unauthorized", "error": TOKEN_CHANGED}
        else:
            assert reply["error"]["code"] == -32001
            assert reply["error"]["message"] == TOKEN_CHANGED
        assert await raw.ends() == []

    await asyncio.gather(attempt(second), attempt("unknown"))


async def test_every_message_carries_the_token(home: Server, transport: Transport) -> None:
    """In nymea's dialect a message without the bound token is refused; Users.CreateUser is no exception."""
    token = await token_of(home)

    async def attempt(message: dict[str, Any]) -> None:
        raw = await home.raw(transport)
        await raw.ask(request("nymea", 1, "JSONRPC.Hello", token))
        assert await raw.ask(message) == {"id": 2, "status": "unauthorized", "error": TOKEN_CHANGED}
        assert await raw.ends() == []

    await asyncio.gather(
        attempt(request("nymea", 2, "JSONRPC.Version")),
        attempt(request("nymea", 2, "JSONRPC.Version", "")),
        attempt(request("nymea", 2, "Users.CreateUser", username="mallory", password=PASSWORD)),
    )


async def test_absent_null_and_empty_tokens_are_none(home: Server, transport: Transport) -> None:
    """In nymea's dialect a token that is absent, null or empty is no token."""
    params = {"username": "admin", "password": PASSWORD, "deviceName": "phone"}
    raw = await home.raw(transport)
    nones: list[dict[str, Any]] = [{}, {"token": None}, {"token": ""}]
    for number, token in enumerate(nones):
        reply = await raw.ask({"id": number, "method": "JSONRPC.Hello", **token})
        assert "authenticated" not in reply["params"]
        reply = await raw.ask({"id": 9, "method": "rpc.discover", **token})
        assert reply["status"] == "success"
    login = await raw.ask({"id": 10, "method": "JSONRPC.Authenticate", "params": params, "token": None})
    assert login["params"]["success"] is True


# RequestPushButtonAuth


async def test_without_a_button_nobody_waits_for_it(home: Server, dialect: Dialect) -> None:
    """Where the operator did not switch the button on, asking for it fails and pressing it does nothing."""
    client = await home.client("ws", dialect)
    for name in ("JSONRPC", "Users"):
        reply = await client.call(f"{name}.RequestPushButtonAuth", {"deviceName": "phone"})
        assert set(reply) == {"success", "transactionId"}
        assert reply["success"] is False
        assert type(reply["transactionId"]) is int
    operator = await home.operator()
    assert await operator.call("Operator.PressButton") == {"success": False}
    assert [user["username"] for user in (await operator.call("Users.GetUsers"))["users"]] == ["admin"]


async def test_a_button_takes_whatever_token(start_server: StartServer) -> None:
    """A client may ask for the button with any token or none, and is bound to what it wins."""
    server = await start_server(push_button=True)
    await server.set_up()
    operator = await server.operator()
    raw = await server.raw()
    await raw.ask(request("nymea", 1, "JSONRPC.Hello", "stale"))
    reply = await raw.ask(request("nymea", 2, "JSONRPC.RequestPushButtonAuth", "another", deviceName="phone"))
    assert reply["params"]["success"] is True
    assert await operator.call("Operator.PressButton") == {"success": True}
    token = (await raw.receive())["params"]["token"]
    reply = await raw.ask(request("nymea", 3, "Users.GetUserInfo", token))
    assert reply["params"]["userInfo"]["scopes"] == ADMINISTRATOR


# Who learns what


async def test_strangers_cannot_probe_names(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Whoever is not logged in is told the same of methods that exist and of those that don't."""
    names = ["Users.GetUsers", "Users.Nothing", "Nowhere.Nothing", "Operator.PressButton", "rpc.nothing"]

    async def attempt(name: str, token: str | None) -> None:
        client = await home.client(transport, dialect, token=token)
        refusal = await refused(client, name, {"bad": "params"})
        assert refusal.message == INVALID_TOKEN
        assert refusal.code == code_of(dialect, -32001)
        assert refusal.data is None

    await asyncio.gather(*(attempt(name, token) for name in names for token in (None, "stale")))


async def test_strangers_cannot_probe_names_with_a_token(home: Server) -> None:
    """A token that comes without Hello is refused as such, whether the method exists or not."""

    async def attempt(name: str) -> None:
        raw = await home.raw()
        await raw.ask(request("nymea", 1, "JSONRPC.Hello"))
        reply = await raw.ask(request("nymea", 2, name, "token"))
        assert reply == {"id": 2, "status": "unauthorized", "error": TOKEN_CHANGED}

    await asyncio.gather(*map(attempt, ["Users.GetUsers", "Users.Nothing", "Nowhere.Nothing", "rpc.nothing"]))


async def test_users_learn_what_does_not_exist(home: Server, dialect: Dialect) -> None:
    """Whoever is logged in is told that a namespace or a method is missing, the operator's included."""
    client = await home.login("admin", "tcp", dialect)
    for name, text in (
        ("Users.Nothing", "No such method"),
        ("users.GetUsers", "No such namespace"),
        ("Nowhere.GetUsers", "No such namespace"),
        ("Operator.PressButton", "No such namespace"),
        ("GetUsers", "Error parsing method. Got: 'GetUsers'', Expected: 'Namespace.method'"),
    ):
        with pytest.raises(CallError) as refusal:
            await client.call(name)
        if dialect == "nymea":
            assert refusal.value.message == text
        else:
            assert refusal.value.code == -32601
    assert await client.call("Users.GetUsers")


async def test_permission_is_checked_before_params(home: Server, dialect: Dialect) -> None:
    """Whoever may not call a method learns nothing of its params."""
    await home.add_user("bob")
    client = await home.login("bob", "tcp", dialect)
    with pytest.raises(PermissionDenied, match=r"^Permission denied\.$") as refusal:
        await client.call("Users.RemoveUser", {"bad": "params"})
    assert refusal.value.code == code_of(dialect, -32003)


# Listeners without authentication


@pytest.fixture
async def trusting(start_server: StartServer) -> Server:
    """A server that has been set up; its first TCP and WebSocket listeners need no token, its third does."""
    server = await start_server(
        listeners=[
            {"url": "nymea://127.0.0.1:0", "authentication": False},
            {"url": "ws://127.0.0.1:0", "authentication": False},
            "nymea://127.0.0.1:0",
        ]
    )
    operator = await server.operator()
    assert await operator.call("Users.CreateUser", {"username": "admin", "password": PASSWORD}) == NO_ERROR
    return server


async def test_without_authentication_hello_says_so(trusting: Server, transport: Transport) -> None:
    """Hello tells which listener asks for tokens."""
    open_hello = await (await trusting.client(transport, hello=False)).hello()
    assert open_hello["authenticationRequired"] is False
    assert open_hello["initialSetupRequired"] is False
    strict_hello = await (await trusting.client(url=trusting.urls[2], hello=False)).hello()
    assert strict_hello["authenticationRequired"] is True
    assert strict_hello["uuid"] == open_hello["uuid"]


async def test_without_authentication_every_method_is_allowed(trusting: Server, dialect: Dialect) -> None:
    """No method is refused for want of a token; those about the current user say that there is none."""
    names = (await (await trusting.operator()).call("JSONRPC.Introspect"))["methods"]
    outcomes: dict[str, str] = {}
    for name, method in names.items():
        client = await trusting.client("tcp", dialect)
        reply = await client.call(name, required(method))
        outcomes[name] = reply.get("error", "")
        await client.close()
    of_nobody = {name for name, error in outcomes.items() if error == "UserErrorPermissionDenied"}
    # There is a user already, so that nobody can make the first one.
    assert of_nobody == {
        "JSONRPC.CreateUser",
        "Users.ChangePassword",
        "Users.GetTokens",
        "Users.GetUserInfo",
        "Users.SetUserInfo",
    }
    denied = {name for name, error in outcomes.items() if error.endswith("PermissionDenied")}
    assert denied == of_nobody
    assert outcomes["Access.AddLock"] == "AccessErrorNoError"
    assert outcomes["LockGroups.CreateLockGroup"] == "LockGroupErrorTitleMissing"
    assert outcomes["AccessKeys.AddAccessKey"] == "AccessKeyErrorKeyMissing"
    assert outcomes["Users.CreateUser"] == "UserErrorNoError"
    assert outcomes["Users.RemoveUser"] == "UserErrorNoError"


async def test_without_authentication_others_can_be_changed(trusting: Server, dialect: Dialect) -> None:
    """Without a token one may change whomever one names, and remove any token."""
    token_id = (await (await trusting.login()).call("Users.GetTokens"))["tokenInfoList"][0]["id"]
    client = await trusting.client("tcp", dialect)
    assert await client.call("Users.SetUserInfo", {"username": "admin", "displayName": "Boss"}) == NO_ERROR
    (user,) = (await client.call("Users.GetUsers"))["users"]
    assert user["displayName"] == "Boss"
    assert await client.call("Users.RemoveToken", {"tokenId": token_id}) == NO_ERROR
    assert (await client.call("Users.GetUserTokens", {"username": "admin"}))["tokenInfoList"] == []


async def test_without_authentication_a_token_still_says_who_one_is(trusting: Server, dialect: Dialect) -> None:
    """With a token the methods about the current user work; with a stale one they say that there is none."""
    token = await token_of(trusting)
    client = await trusting.client("tcp", dialect, token=token)
    assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == "admin"
    assert len((await client.call("Users.GetTokens"))["tokenInfoList"]) == 1
    assert await client.call("Users.SetUserInfo", {"displayName": "Boss"}) == NO_ERROR
    assert await client.call("Users.ChangePassword", {"newPassword": "Abcdefg2"}) == NO_ERROR
    stale = await trusting.client("tcp", dialect, token="gone")
    for method, params in (
        ("Users.GetUserInfo", {}),
        ("Users.GetTokens", {}),
        ("Users.SetUserInfo", {"displayName": "Mallory"}),
        ("Users.ChangePassword", {"newPassword": "Abcdefg3"}),
    ):
        assert await stale.call(method, params) == DENIED
    assert len((await stale.call("Users.GetUsers"))["users"]) == 1


async def test_without_authentication_set_up_is_not_needed_first(start_server: StartServer) -> None:
    """Where no token is needed, every method is allowed before there is a user as well."""
    server = await start_server(listeners=[{"url": "nymea://127.0.0.1:0", "authentication": False}])
    client = await server.client(hello=False)
    assert (await client.hello())["initialSetupRequired"] is False
    assert await client.call("Users.GetUsers") == {"users": []}
    assert await client.call("Users.CreateUser", {"username": "alice", "password": PASSWORD}) == NO_ERROR
    assert await client.authenticate("alice", PASSWORD, "phone") is not None
