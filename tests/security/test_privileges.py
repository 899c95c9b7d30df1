"""A user without permissions wants to know of the others, or to be more than they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, Dialect, Raw, Server, StartServer, Transport
from house import DENIED, NO_ERROR, a_home, compact, greeted, heard, request

SECRETS = ("victim", "victim@home.example", "Victoria", "The victim's phone")

GUEST_SCOPES: tuple[list[str], ...] = (
    [],
    ["ControlThings"],
    ["ControlThings", "ConfigureThings", "AccessAllThings", "ExecuteRules", "ConfigureRules"],
)


async def with_victim(server: Server) -> str:
    """Add a user with everything one could want to know; the id of their token."""
    await server.add_user("victim", "ControlThings", email="victim@home.example", displayName="Victoria")
    await server.login("victim", device="The victim's phone")
    operator = await server.operator()
    (token,) = (await operator.call("Users.GetUserTokens", {"username": "victim"}))["tokenInfoList"]
    return str(token["id"])


def prying(contract: dict[str, Any], victims_token: str) -> list[tuple[str, dict[str, Any]]]:
    """A call of every method about the victim, and one about nobody; nothing that ends the connection."""
    values = {
        "username": "victim",
        "password": PASSWORD,
        "newPassword": "An0therOne",
        "scopes": ["PermissionScopeAdmin"],
        "tokenId": victims_token,
        "deviceName": "x",
        "sessionId": "x",
        "enabled": True,
        **dict.fromkeys(("ownerAccountId", "lockHolderId", "lockId", "personId", "lockGroupId", "id"), victims_token),
        **dict.fromkeys(("userId", "toUserId"), "+4781549300"),
        "canShare": True,
        "smartlockId": victims_token,
        "smartlockIds": [victims_token],
        "name": "x",
        "remoteAllowed": True,
        "accountUserId": 1,
        "auths": [{"id": victims_token}],
        "ids": [victims_token],
        "title": "x",
        "type": "code",
        "value": "1234",
        "items": [],
        "key": {"identification": "1234", "type": "code"},
        "expand": "statistics",
        "filter": "id ne null",
    }
    calls: list[tuple[str, dict[str, Any]]] = []
    for method, declared in contract["methods"].items():
        if method.endswith(".Authenticate"):
            continue  # a login is what it says
        names = [name.split(":")[-1] for name in declared["params"]]
        about = {name: values[name] for name in names if name in values}
        calls.append((method, about))
        calls.append((method, {**about, **({"username": "nobody"} if "username" in about else {})}))
        calls.append((method, {**about, "surplus": 1}))
        calls.append((method, {}))
    return calls


@pytest.mark.loaded
@pytest.mark.parametrize("scopes", GUEST_SCOPES, ids=len)
@pytest.mark.parametrize("self_service", [False, True])
async def test_a_guest_learns_nothing_of_others_from_any_method(
    start_server: StartServer, dialect: Dialect, scopes: list[str], self_service: bool
) -> None:
    """No method, whatever is asked of it, tells a user who is no administrator about another."""
    server = await start_server(self_service=self_service, push_button=True)
    await server.set_up()
    token = await with_victim(server)
    if "AccessAllThings" not in scopes:  # who may access all things sees all persons, and which users they are
        operator = await server.operator()
        person = {"firstName": "Victoria", "username": "victim", "email": "victim@home.example"}
        assert (await operator.call("Access.AddPerson", person))["person"]["username"] == "victim"
    await server.add_user("guest", *scopes)
    login = await (await server.client()).authenticate("guest", PASSWORD, "guest's phone")
    assert login is not None
    raw = await server.raw()
    await raw.ask(request("JSONRPC.Hello", token=login.token, dialect=dialect))
    contract = await raw.ask(request("JSONRPC.Introspect", token=login.token, dialect=dialect))
    calls = prying(contract.get("result") or contract["params"], token)
    assert len(calls) > 180
    before = await everything(server)
    for method, params in calls:
        asked = compact(request(method, params, token=login.token, dialect=dialect))
        await raw.send(asked)
        answer = await raw.receive_text()
        for secret in SECRETS:
            # What was asked for may be repeated: an unknown key, a session's id.
            assert secret not in answer, (asked, answer)
    after = await everything(server)
    assert after == before


async def everything(server: Server) -> list[Any]:
    """All users but the guest, all tokens but the guest's, and all that belongs to doors."""
    operator = await server.operator()
    users = [user for user in (await operator.call("Users.GetUsers"))["users"] if user["username"] != "guest"]
    tokens = [await operator.call("Users.GetUserTokens", {"username": user["username"]}) for user in users]
    doors = [await operator.call(f"Access.Get{things}") for things in ("Owners", "Locks", "Persons", "Grants")]
    await operator.close()
    return [users, tokens, doors]


async def test_a_guest_hears_nothing_of_others(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Whatever happens to other users, a guest who asked for every notification hears only of themselves."""
    await home.add_user("guest")
    guest = await home.login("guest", transport, dialect)
    await guest.call("JSONRPC.SetNotificationStatus", {"enabled": True})
    operator = await home.operator()
    await home.add_user("victim", "ControlThings", email="victim@home.example")
    for method, params in (
        ("Users.SetUserInfo", {"username": "victim", "displayName": "Victoria"}),
        ("Users.SetUserScopes", {"username": "victim", "scopes": []}),
        ("Users.ChangeUserPassword", {"username": "victim", "newPassword": "An0therOne"}),
        ("Users.SetUserInfo", {"username": "admin", "email": "admin@home.example"}),
        ("Users.RemoveUser", {"username": "victim"}),
        ("Users.SetUserInfo", {"username": "guest", "displayName": "Gus"}),
    ):
        assert await operator.call(method, params) == NO_ERROR
    told = await heard(guest)
    assert told.name == "Users.UserChanged"
    assert told.params["userInfo"]["username"] == "guest"
    await guest.call("JSONRPC.KeepAlive", {"sessionId": None})
    await guest.close()
    assert [item async for item in guest.notifications()] == []


async def test_an_anonymous_peer_hears_nothing(home: Server, dialect: Dialect) -> None:
    """Whoever is not logged in cannot subscribe, and a subscription from a login that is over tells nothing more."""
    await home.add_user("guest", "Admin")
    raw = await greeted(home, "ws")
    login = await (await home.client()).authenticate("guest", PASSWORD, "phone")
    assert login is not None
    await raw.ask(request("JSONRPC.Hello", token=login.token))
    subscribed = request("JSONRPC.SetNotificationStatus", {"enabled": True}, token=login.token, dialect=dialect)
    await raw.ask(subscribed)
    # The connection is nobody's from here on, but it stays open.
    assert "authenticated" not in (await raw.ask(request("JSONRPC.Hello")))["params"]
    await home.add_user("victim", email="victim@home.example")
    assert (await raw.ask(request("JSONRPC.Hello", number=9)))["id"] == 9
    anonymous = await greeted(home, "ws")
    refused = await anonymous.ask(subscribed | {"token": ""})
    assert "Forbidden: Invalid token." in str(refused)


@pytest.mark.parametrize("self_service", [False, True])
async def test_nobody_can_give_themselves_permissions(tmp_path: Path, self_service: bool, dialect: Dialect) -> None:
    """No param of any method that a guest may call raises the guest's own scopes."""
    async with a_home(tmp_path, self_service=self_service) as house:
        await house.add("guest", "ControlThings")
        guest = await house.login("guest", dialect)
        admin = ["PermissionScopeAdmin"]
        for method, params in (
            ("Users.SetUserScopes", {"username": "guest", "scopes": admin}),
            ("Users.SetUserInfo", {"displayName": "x", "scopes": admin}),
            ("Users.SetUserInfo", {"username": "GUEST", "email": "x", "permissionScopes": admin}),
            ("Users.SetUserInfo", {"email": '","scopes":65535,"x":"'}),
            ("Users.SetUserInfo", {"displayName": "x', scopes = 65535 --"}),
            ("Users.SetUserInfo", {"username": "guest", "userInfo": {"scopes": admin}}),
            ("Users.ChangePassword", {"newPassword": PASSWORD, "scopes": admin}),
            ("Users.CreateUser", {"username": "guest", "password": PASSWORD, "scopes": admin}),
            ("Users.CreateUser", {"username": "friend", "password": PASSWORD}),
            ("JSONRPC.CreateUser", {"username": "friend", "password": PASSWORD}),
            ("JSONRPC.Hello", {"permissionScopes": admin}),
            ("JSONRPC.Authenticate", {"username": "guest", "password": PASSWORD, "deviceName": "x", "scopes": admin}),
        ):
            await guest.ask(method, params)
            assert (await guest.call("JSONRPC.Hello", {"token": guest.token} if dialect == "jsonrpc2" else {}))[
                "permissionScopes"
            ] == ["PermissionScopeControlThings"]
        assert await house.usernames() == ["admin", "guest"]
        assert "Permission denied." in str(await guest.ask("Users.GetUsers"))


async def test_self_service_reaches_no_further_than_oneself(tmp_path: Path, dialect: Dialect) -> None:
    """Where users may change their own, they still cannot touch anybody else's, nor learn whether it exists."""
    async with a_home(tmp_path, self_service=True) as house:
        await house.add("guest")
        await house.add("victim")
        victim = await house.login("victim")
        guest = await house.login("guest", dialect)
        (token,) = await house.users.tokens("victim")
        assert await guest.call("Users.RemoveToken", {"tokenId": str(token.id)}) == DENIED
        for username in ("victim", "VICTIM", "nobody", "", "admin", "guest\x00", " guest"):
            for details in ({}, {"email": "x"}):
                assert await guest.call("Users.SetUserInfo", {"username": username, **details}) == DENIED
        assert await guest.call("Users.SetUserInfo", {"username": "Guest", "email": "x"}) == NO_ERROR
        assert await guest.call("Users.ChangePassword", {"newPassword": "An0therOne"}) == NO_ERROR
        assert [token.device_name for token in await house.users.tokens("guest")] == ["phone"]
        assert (await victim.call("Users.GetUserInfo"))["userInfo"]["email"] == ""
        for method, params in (
            ("Users.GetUsers", {}),
            ("Users.GetUserTokens", {"username": "guest"}),
            ("Users.ChangeUserPassword", {"username": "guest", "newPassword": PASSWORD}),
            ("Users.SetUserScopes", {"username": "guest", "scopes": []}),
            ("Users.RemoveUser", {"username": "guest"}),
        ):
            assert "Permission denied." in json.dumps(await guest.ask(method, params))


async def test_permission_is_looked_at_before_existence_and_params(home: Server, transport: Transport) -> None:
    """A guest who calls an administrator's method wrongly hears of the permission, not of the params."""
    await home.add_user("guest")
    login = await (await home.client()).authenticate("guest", PASSWORD, "phone")
    assert login is not None
    raw: Raw = await greeted(home, transport)
    await raw.ask(request("JSONRPC.Hello", token=login.token))
    for params in ({}, {"username": 5}, {"surplus": 1}, {"username": "admin", "scopes": ["Nonsense"]}):
        reply = await raw.ask(request("Users.SetUserScopes", params, token=login.token))
        assert reply["error"] == "Permission denied."


async def test_a_token_cannot_be_swapped_for_anothers_on_a_live_connection(
    home: Server, transport: Transport, dialect: Dialect
) -> None:
    """A call with another token than the connection's is refused, even if that other token is an administrator's."""
    await home.add_user("guest")
    logins = [await (await home.client()).authenticate(name, PASSWORD, "phone") for name in ("guest", "admin")]
    guest, admin = (login.token for login in logins if login is not None)
    raw = await greeted(home, transport)
    await raw.ask(request("JSONRPC.Hello", {"token": guest}, dialect="jsonrpc2"))
    reply = await raw.ask(request("Users.GetUsers", token=admin, dialect=dialect))
    assert "Changing the user (token) requires a new handshake. Call JSONRPC.Hello." in str(reply)
    assert await raw.ends() == []
