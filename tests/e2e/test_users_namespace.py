"""The Users namespace: users, their permissions, passwords and tokens."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from conftest import PASSWORD, PATIENCE, Dialect, Server, StartServer, Transport

from nymead_users.client import CallError, Client, Notification, PermissionDenied, Unauthorized
from nymead_users.identity.store import PAGE
from nymead_users.storage.datadir import STORE

NO_ERROR = {"error": "UserErrorNoError"}
INVALID_USER_ID = {"error": "UserErrorInvalidUserId"}
DUPLICATE_USER_ID = {"error": "UserErrorDuplicateUserId"}
BAD_PASSWORD = {"error": "UserErrorBadPassword"}
TOKEN_NOT_FOUND = {"error": "UserErrorTokenNotFound"}
INCONSISTANT_SCOPES = {"error": "UserErrorInconsistantScopes"}
BACKEND_ERROR = {"error": "UserErrorBackendError"}

OTHER_PASSWORD = "Abcdefg2"

ADMINISTRATOR = ["ControlThings", "ConfigureThings", "AccessAllThings", "ExecuteRules", "ConfigureRules", "Admin"]

THING, OTHER_THING = "0a1b2c3d-0000-4000-8000-00000000000a", "0a1b2c3d-0000-4000-8000-00000000000b"
NO_TOKEN = "11111111-2222-4333-8444-555555555555"


def scopes(*names: str) -> list[str]:
    """Permissions as they go over the wire."""
    return [f"PermissionScope{name}" for name in names]


async def users_of(client: Client) -> dict[str, dict[str, Any]]:
    """All users by name."""
    reply = await client.call("Users.GetUsers")
    assert set(reply) == {"users"}
    return {user["username"]: user for user in reply["users"]}


async def test_a_long_list_of_users_is_whole(start_server: StartServer, dialect: Dialect) -> None:
    """More users than are read at a time are listed once each and by name, and so are the changes made since."""
    home = await start_server(log={"level": "info"})
    await home.set_up()
    admin = await home.login(dialect=dialect)
    operator = await home.operator()
    names = [f"user{number:03}" for number in range(PAGE * 2)]
    await asyncio.gather(
        *(operator.call("Users.CreateUser", {"username": name, "password": PASSWORD}) for name in names[:-1])
    )
    for count in (len(names) - 1, len(names)):
        assert list(await users_of(admin)) == ["admin", *names[:count]]
        assert list(await users_of(admin)) == ["admin", *names[:count]]
        await operator.call("Users.CreateUser", {"username": names[-1], "password": PASSWORD})
    await operator.call("Users.SetUserInfo", {"username": names[0], "displayName": "Changed"})
    assert (await users_of(admin))[names[0]]["displayName"] == "Changed"


async def test_a_list_of_users_goes_with_an_id_of_any_size(home: Server) -> None:
    """A list is answered under an id that needs more than 64 bits, too."""
    client = await home.login(dialect="jsonrpc2")
    connection = await home.raw()
    login = {"username": "admin", "password": PASSWORD, "deviceName": ""}
    await connection.ask({"jsonrpc": "2.0", "id": 1, "method": "JSONRPC.Authenticate", "params": login})
    reply = await connection.ask({"jsonrpc": "2.0", "id": 2**70, "method": "Users.GetUsers"})
    assert reply == {"jsonrpc": "2.0", "id": 2**70, "result": await client.call("Users.GetUsers")}


async def token_ids(client: Client, username: str) -> list[str]:
    """The ids of a user's tokens."""
    reply = await client.call("Users.GetUserTokens", {"username": username})
    assert reply["error"] == "UserErrorNoError"
    return [token["id"] for token in reply["tokenInfoList"]]


async def invalid(client: Client, method: str, params: dict[str, Any], param: str) -> str:
    """Why a call's param is invalid."""
    with pytest.raises(CallError) as refusal:
        await client.call(method, params)
    if client.dialect == "jsonrpc2":
        assert refusal.value.code == -32602
        assert refusal.value.data["param"] == param
        return str(refusal.value.data["reason"])
    start, end = "Invalid params: ", f" in {method}, param {param}"
    assert refusal.value.message.startswith(start)
    assert refusal.value.message.endswith(end)
    return refusal.value.message.removeprefix(start).removesuffix(end)


async def ended(client: Client) -> None:
    """Wait for the server to close the connection."""
    async with asyncio.timeout(PATIENCE):
        await client.closed()


async def heard(client: Client) -> Notification:
    """The next notification."""
    async with asyncio.timeout(PATIENCE):
        return await anext(client.notifications())


# Users as they are shown


async def test_a_user_is_shown_with_all_details(home: Server, transport: Transport, dialect: Dialect) -> None:
    """A user is made and shown with the details given, to administrators and to the user."""
    admin = await home.login("admin", transport, dialect)
    params = {
        "username": "Bob.Builder+1@Example.ORG",
        "password": PASSWORD,
        "displayName": "Bob 🏡 the Builder",
        "email": "Bob@Example.org",
        "scopes": scopes("ControlThings"),
        "allowedThingIds": [THING, OTHER_THING],
    }
    assert await admin.call("Users.CreateUser", params) == NO_ERROR
    expected = {
        "username": "bob.builder+1@example.org",
        "email": "Bob@Example.org",
        "displayName": "Bob 🏡 the Builder",
        "scopes": scopes("ControlThings"),
        "allowedThingIds": [THING, OTHER_THING],
    }
    shown = await users_of(admin)
    assert set(shown) == {"admin", expected["username"]}
    assert shown["bob.builder+1@example.org"] == expected
    bob = await home.login("BOB.builder+1@example.org", transport, dialect)
    assert await bob.call("Users.GetUserInfo") == {"error": "UserErrorNoError", "userInfo": expected}


async def test_a_user_is_an_administrator_by_default(home: Server, dialect: Dialect) -> None:
    """With nothing but a name and a password a user may do everything."""
    admin = await home.login("admin", "tcp", dialect)
    assert await admin.call("Users.CreateUser", {"username": "bob", "password": PASSWORD}) == NO_ERROR
    bob = await home.login("bob", "tcp", dialect)
    assert (await users_of(bob))["bob"] == {
        "username": "bob",
        "email": "",
        "displayName": "",
        "scopes": scopes(*ADMINISTRATOR),
        "allowedThingIds": [],
    }


async def test_the_order_of_a_creates_checks(home: Server, dialect: Dialect) -> None:
    """Of several faults the first is answered: params, name, password, permissions, duplicate; nobody is made."""
    admin = await home.login("admin", "tcp", dialect)
    bad_scopes = scopes("ConfigureThings")
    name_password_scopes_error: list[tuple[str, str, list[str], dict[str, str]]] = [
        ("a b", "weak", bad_scopes, INVALID_USER_ID),
        ("a b", PASSWORD, bad_scopes, INVALID_USER_ID),
        ("a b", "weak", [], INVALID_USER_ID),
        ("admin", "weak", bad_scopes, BAD_PASSWORD),
        ("bob", "weak", bad_scopes, BAD_PASSWORD),
        ("admin", "weak", [], BAD_PASSWORD),
        ("admin", PASSWORD, bad_scopes, INCONSISTANT_SCOPES),
        ("bob", PASSWORD, bad_scopes, INCONSISTANT_SCOPES),
        ("admin", PASSWORD, [], DUPLICATE_USER_ID),
    ]
    for name, password, names, error in name_password_scopes_error:
        params = {"username": name, "password": password, "scopes": names}
        assert await admin.call("Users.CreateUser", params) == error, params
    await invalid(admin, "Users.CreateUser", {"username": "a b", "password": "weak", "email": "\0"}, "email")
    assert set(await users_of(admin)) == {"admin"}


# Names


async def test_usernames(home: Server, dialect: Dialect) -> None:
    """A name is 3 to 254 of the allowed characters as a whole, and is answered in lower case."""
    admin = await home.login("admin", "ws", dialect)
    for name in ("abc", "A-Z_0.9+@", "...", "x" * 254, "123"):
        assert await admin.call("Users.CreateUser", {"username": name, "password": PASSWORD}) == NO_ERROR, name
    assert set(await users_of(admin)) == {"admin", "abc", "a-z_0.9+@", "...", "x" * 254, "123"}
    for name in ("", "ab", "x" * 255, "bob ", " bob", "bob\n", "\nbob", "b/b", "bob; --", "bôb", "b\0b", "٣٤٥", "bob!"):
        reply = await admin.call("Users.CreateUser", {"username": name, "password": PASSWORD})
        assert reply == INVALID_USER_ID, name
    assert len(await users_of(admin)) == 6


async def test_names_are_unique_in_any_case(home: Server, dialect: Dialect) -> None:
    """A name that differs only in case is taken."""
    admin = await home.login("admin", "tcp", dialect)
    for name in ("admin", "Admin", "ADMIN"):
        reply = await admin.call("Users.CreateUser", {"username": name, "password": PASSWORD})
        assert reply == DUPLICATE_USER_ID


async def test_of_two_users_of_one_name_one_is_made(home: Server, dialect: Dialect) -> None:
    """Of many who make a user of one name at once, one succeeds and the others hear that it is taken."""
    admins = [await home.login("admin", "tcp", dialect) for _ in range(4)]
    names = ["bob", "BOB", "Bob", "bOb"]
    replies = await asyncio.gather(
        *(
            admin.call("Users.CreateUser", {"username": name, "password": PASSWORD})
            for admin, name in zip(admins, names, strict=True)
        )
    )
    assert replies.count(NO_ERROR) == 1
    assert replies.count(DUPLICATE_USER_ID) == 3
    assert set(await users_of(admins[0])) == {"admin", "bob"}


async def test_users_are_found_in_any_case(home: Server, dialect: Dialect) -> None:
    """Every method that takes a name takes it in any case."""
    await home.add_user("bob")
    admin = await home.login("admin", "tcp", dialect)
    assert await admin.call("Users.SetUserInfo", {"username": "BOB", "displayName": "Bob"}) == NO_ERROR
    assert await admin.call("Users.SetUserScopes", {"username": "Bob", "scopes": scopes("ControlThings")}) == NO_ERROR
    assert await admin.call("Users.ChangeUserPassword", {"username": "bOB", "newPassword": OTHER_PASSWORD}) == NO_ERROR
    assert (await users_of(admin))["bob"]["displayName"] == "Bob"
    assert (await users_of(admin))["bob"]["scopes"] == scopes("ControlThings")
    await home.login("BOB", password=OTHER_PASSWORD)
    assert len(await token_ids(admin, "bOb")) == 1
    assert await admin.call("Users.RemoveUser", {"username": "BoB"}) == NO_ERROR
    assert set(await users_of(admin)) == {"admin"}


async def test_unknown_users(home: Server, dialect: Dialect) -> None:
    """What is asked for a user who does not exist is answered so; such a user has no tokens."""
    admin = await home.login("admin", "ws", dialect)
    for name in ("nobody", "", "a b"):
        for method, params in (
            ("ChangeUserPassword", {"newPassword": PASSWORD}),
            ("RemoveUser", {}),
            ("SetUserScopes", {"scopes": []}),
            ("SetUserInfo", {"displayName": "Nobody"}),
            ("SetUserInfo", {}),
        ):
            reply = await admin.call(f"Users.{method}", {"username": name, **params})
            assert reply == INVALID_USER_ID, (method, name)
        reply = await admin.call("Users.GetUserTokens", {"username": name})
        assert reply == {"error": "UserErrorNoError", "tokenInfoList": []}
    assert set(await users_of(admin)) == {"admin"}


# Passwords


async def test_passwords(home: Server, dialect: Dialect) -> None:
    """Wherever a password is set it has 8 characters of three kinds and at most 1,024 bytes, whatever else it has."""
    await home.add_user("bob")
    admin = await home.login("admin", "tcp", dialect)
    weak = [
        "",
        "Abcdef1",
        "abcdefg1",
        "ABCDEFG1",
        "Abcdefgh",
        "Aa1" + "x" * 1022,
        "Aa1" + "é" * 511,  # 514 characters, 1,025 bytes
    ]
    for password in weak:
        reply = await admin.call("Users.CreateUser", {"username": "carol", "password": password})
        assert reply == BAD_PASSWORD, password
        assert await admin.call("Users.ChangePassword", {"newPassword": password}) == BAD_PASSWORD, password
        reply = await admin.call("Users.ChangeUserPassword", {"username": "bob", "newPassword": password})
        assert reply == BAD_PASSWORD, password
    assert set(await users_of(admin)) == {"admin", "bob"}
    for username in ("admin", "bob"):
        await home.login(username)
    strong = ["Abcdefg1", "1Äöü ß🏡aB", "Aa1\n\t\0\x7f' \"\\", "aB3 " * 256, "Aa1x" + "é" * 510]
    for number, password in enumerate(strong):
        user = {"username": f"user{number}", "password": password}
        assert await admin.call("Users.CreateUser", user) == NO_ERROR, password
        reply = await admin.call("Users.ChangeUserPassword", {"username": "bob", "newPassword": password})
        assert reply == NO_ERROR, password
        assert await admin.call("Users.ChangePassword", {"newPassword": password}) == NO_ERROR, password
        for username in (f"user{number}", "bob", "admin"):
            await home.login(username, "tcp", dialect, password=password)


async def test_longer_passwords_do_not_log_in(home: Server) -> None:
    """A password is compared as a whole: what begins with the right one is wrong."""
    await home.add_user("bob", password="aB3 " * 256)
    client = await home.client()
    assert await client.authenticate("bob", "aB3 " * 256 + "x", "phone") is None
    assert await client.authenticate("bob", "aB3 " * 256, "phone") is not None


async def test_another_users_password_logs_them_out(home: Server, transport: Transport, dialect: Dialect) -> None:
    """ChangeUserPassword removes all tokens of that user, and nobody else's; only the new password is right."""
    await home.add_user("bob")
    await home.add_user("carol")
    for username in ("bob", "bob", "carol"):
        await home.login(username)
    admin = await home.login("admin", transport, dialect)
    params = {"username": "bob", "newPassword": OTHER_PASSWORD}
    assert await admin.call("Users.ChangeUserPassword", params) == NO_ERROR
    assert await token_ids(admin, "bob") == []
    assert len(await token_ids(admin, "carol")) == 1
    assert len(await token_ids(admin, "admin")) == 1
    client = await home.client(transport, dialect)
    assert await client.authenticate("bob", PASSWORD, "phone") is None
    assert await client.authenticate("bob", OTHER_PASSWORD, "phone") is not None


async def test_ones_own_password_keeps_the_tokens(home: Server, transport: Transport, dialect: Dialect) -> None:
    """ChangePassword removes no token: every device stays logged in, and only the new password is right."""
    other = await home.login()
    admin = await home.login("admin", transport, dialect)
    assert await admin.call("Users.ChangePassword", {"newPassword": OTHER_PASSWORD}) == NO_ERROR
    assert len(await token_ids(admin, "admin")) == 2
    assert set(await users_of(other)) == {"admin"}
    client = await home.client(transport, dialect)
    assert await client.authenticate("admin", PASSWORD, "phone") is None
    assert await client.authenticate("admin", OTHER_PASSWORD, "phone") is not None


# Texts


async def test_texts(home: Server, dialect: Dialect) -> None:
    """Display names and e-mail addresses have up to 255 characters and none for controlling a terminal."""
    await home.add_user("bob")
    admin = await home.login("admin", "ws", dialect)
    for number, text in enumerate(["", "x" * 255, "🏡" * 255, "👩\u200d🚀 <b>'\";--", "الاسم"]):
        user = {"username": f"user{number}", "password": PASSWORD, "displayName": text, "email": text}
        assert await admin.call("Users.CreateUser", user) == NO_ERROR, text
        change = {"username": "bob", "displayName": text, "email": text}
        assert await admin.call("Users.SetUserInfo", change) == NO_ERROR, text
        shown = await users_of(admin)
        for username in ("bob", f"user{number}"):
            assert shown[username]["displayName"] == shown[username]["email"] == text
    before = await users_of(admin)
    for text, reason in (
        ("x" * 256, "255"),
        ("🏡" * 256, "255"),
        ("a\nb", "control"),
        ("a\0b", "control"),
        ("\x1b[31m", "control"),
        ("a\x7fb", "control"),
        ("a\x85b", "control"),
    ):
        for param in ("displayName", "email"):
            user = {"username": "mallory", "password": PASSWORD, param: text}
            assert reason in await invalid(admin, "Users.CreateUser", user, param), text
            assert reason in await invalid(admin, "Users.SetUserInfo", {"username": "bob", param: text}, param), text
    assert await users_of(admin) == before


# Permissions

#: Names as given, and as answered: every consistent set is here at least once.
GIVEN_AND_ANSWERED: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    ((), ()),
    (("None",), ()),
    (("ControlThings",), ("ControlThings",)),
    (("None", "ControlThings", "ControlThings"), ("ControlThings",)),
    (("AccessAllThings",), ("AccessAllThings",)),
    (("AccessAllThings", "ControlThings"), ("ControlThings", "AccessAllThings")),
    (("AccessAllThings", "ConfigureThings"), ("ControlThings", "ConfigureThings", "AccessAllThings")),
    (("ExecuteRules", "AccessAllThings"), ("AccessAllThings", "ExecuteRules")),
    (("ConfigureRules", "AccessAllThings"), ("AccessAllThings", "ExecuteRules", "ConfigureRules")),
    (
        ("ControlThings", "AccessAllThings", "ExecuteRules"),
        ("ControlThings", "AccessAllThings", "ExecuteRules"),
    ),
    (
        ("ExecuteRules", "ControlThings", "AccessAllThings", "ConfigureRules"),
        ("ControlThings", "AccessAllThings", "ExecuteRules", "ConfigureRules"),
    ),
    (
        ("ConfigureThings", "ExecuteRules", "AccessAllThings"),
        ("ControlThings", "ConfigureThings", "AccessAllThings", "ExecuteRules"),
    ),
    (
        ("ConfigureThings", "ConfigureRules", "AccessAllThings"),
        ("ControlThings", "ConfigureThings", "AccessAllThings", "ExecuteRules", "ConfigureRules"),
    ),
    (("Admin",), tuple(ADMINISTRATOR)),
    (("ExecuteRules", "Admin"), tuple(ADMINISTRATOR)),
]

INCONSISTENT: list[tuple[str, ...]] = [
    ("ConfigureThings",),
    ("ControlThings", "ConfigureThings"),
    ("ExecuteRules",),
    ("ConfigureRules",),
    ("ExecuteRules", "ConfigureRules"),
    ("ControlThings", "ExecuteRules"),
    ("ConfigureThings", "ExecuteRules", "ConfigureRules"),
    ("None", "ExecuteRules"),
]


async def test_consistent_permissions(home: Server, dialect: Dialect) -> None:
    """Each consistent set is taken, and answered as the names whose bits are all in it, in the order of their bits."""
    await home.add_user("bob")
    admin = await home.login("admin", "tcp", dialect)
    assert len({answered for _, answered in GIVEN_AND_ANSWERED}) == 12
    for number, (given, answered) in enumerate(GIVEN_AND_ANSWERED):
        user = {"username": f"user{number}", "password": PASSWORD, "scopes": scopes(*given)}
        assert await admin.call("Users.CreateUser", user) == NO_ERROR, given
        change = {"username": "bob", "scopes": scopes(*given)}
        assert await admin.call("Users.SetUserScopes", change) == NO_ERROR, given
        shown = await users_of(admin)
        assert shown[f"user{number}"]["scopes"] == shown["bob"]["scopes"] == scopes(*answered), given
    for number in (0, 6):
        bob = await home.client("tcp", dialect)
        login = await bob.authenticate(f"user{number}", PASSWORD, "phone")
        assert login is not None
        assert list(login.scopes) == scopes(*GIVEN_AND_ANSWERED[number][1])
        assert (await bob.hello())["permissionScopes"] == list(login.scopes)


async def test_inconsistent_permissions(home: Server, dialect: Dialect) -> None:
    """A set that contradicts itself is refused, and the user keeps the earlier one."""
    await home.add_user("bob", "ControlThings")
    admin = await home.login("admin", "ws", dialect)
    for names in INCONSISTENT:
        user = {"username": "carol", "password": PASSWORD, "scopes": scopes(*names)}
        assert await admin.call("Users.CreateUser", user) == INCONSISTANT_SCOPES, names
        change = {"username": "bob", "scopes": scopes(*names), "allowedThingIds": [THING]}
        assert await admin.call("Users.SetUserScopes", change) == INCONSISTANT_SCOPES, names
    shown = await users_of(admin)
    assert set(shown) == {"admin", "bob"}
    assert shown["bob"]["scopes"] == scopes("ControlThings")
    assert shown["bob"]["allowedThingIds"] == []


async def test_unknown_permissions(home: Server, dialect: Dialect) -> None:
    """Permissions are a list of their names; anything else is an invalid param."""
    admin = await home.login("admin", "tcp", dialect)
    user = {"username": "carol", "password": PASSWORD}
    wrong: list[tuple[str, list[Any]]] = [
        ("scopes.0", [["Admin"], ["permissionscopeadmin"], [""], [1], [None]]),
        ("scopes", ["PermissionScopeAdmin", 65535, None, {}]),
    ]
    for param, values in wrong:
        for value in values:
            await invalid(admin, "Users.CreateUser", {**user, "scopes": value}, param)
            await invalid(admin, "Users.SetUserScopes", {"username": "admin", "scopes": value}, param)
    await invalid(admin, "Users.SetUserScopes", {"username": "admin"}, "scopes")
    assert (await users_of(admin))["admin"]["scopes"] == scopes(*ADMINISTRATOR)


async def test_things_are_kept_unless_given(home: Server, dialect: Dialect) -> None:
    """SetUserScopes replaces the list of things where one is given, and keeps it otherwise."""
    await home.add_user("bob", "ControlThings", allowedThingIds=[THING])
    admin = await home.login("admin", "tcp", dialect)

    async def things(**params: Any) -> list[str]:
        assert await admin.call("Users.SetUserScopes", {"username": "bob", **params}) == NO_ERROR
        user = (await users_of(admin))["bob"]
        assert user["scopes"] == params["scopes"]
        listed: list[str] = user["allowedThingIds"]
        return listed

    assert await things(scopes=[]) == [THING]
    assert await things(scopes=scopes(*ADMINISTRATOR)) == [THING]
    assert await things(scopes=scopes("ControlThings"), allowedThingIds=[OTHER_THING]) == [OTHER_THING]
    assert await things(scopes=scopes("ControlThings"), allowedThingIds=[THING, OTHER_THING]) == [THING, OTHER_THING]
    assert await things(scopes=scopes("ControlThings"), allowedThingIds=[]) == []


async def test_uuids_with_and_without_braces(home: Server, dialect: Dialect) -> None:
    """Uuids are taken with and without braces, in any case, and answered plainly."""
    admin = await home.login("admin", "ws", dialect)
    given = [f"{{{THING}}}", OTHER_THING.upper()]
    user = {"username": "bob", "password": PASSWORD, "scopes": [], "allowedThingIds": given}
    assert await admin.call("Users.CreateUser", user) == NO_ERROR
    assert (await users_of(admin))["bob"]["allowedThingIds"] == [THING, OTHER_THING]
    change = {"username": "bob", "scopes": [], "allowedThingIds": [OTHER_THING, f"{{{THING.upper()}}}"]}
    assert await admin.call("Users.SetUserScopes", change) == NO_ERROR
    assert (await users_of(admin))["bob"]["allowedThingIds"] == [OTHER_THING, THING]
    for bad in (f"{{{THING}", f"{THING}}}", THING[:-1], "", "things", 1, None):
        await invalid(admin, "Users.CreateUser", {**user, "allowedThingIds": [THING, bad]}, "allowedThingIds.1")
        await invalid(admin, "Users.SetUserScopes", {**change, "allowedThingIds": [bad]}, "allowedThingIds.0")
        await invalid(admin, "Users.RemoveToken", {"tokenId": bad}, "tokenId")
    assert (await users_of(admin))["bob"]["allowedThingIds"] == [OTHER_THING, THING]


# SetUserInfo


async def test_set_user_info_changes_what_is_given(home: Server, dialect: Dialect) -> None:
    """Details that are not given stay, and given ones are set, even to nothing; permissions are not touched."""
    await home.add_user("bob", "ControlThings", displayName="Bob", email="b@example.org", allowedThingIds=[THING])
    admin = await home.login("admin", "tcp", dialect)
    expected = (await users_of(admin))["bob"]
    changes: list[dict[str, str]] = [
        {"displayName": "Bobby"},
        {"email": "bobby@example.org"},
        {"displayName": "Robert", "email": "r@example.org"},
        {},
        {"displayName": ""},
        {"email": ""},
    ]
    for change in changes:
        assert await admin.call("Users.SetUserInfo", {"username": "bob", **change}) == NO_ERROR
        expected |= change
        assert (await users_of(admin))["bob"] == expected


async def test_set_user_info_without_a_name_is_about_oneself(home: Server, dialect: Dialect) -> None:
    """Without a name the caller's own details are changed, and nobody else's."""
    await home.add_user("bob")
    admin = await home.login("admin", "tcp", dialect)
    assert await admin.call("Users.SetUserInfo", {"displayName": "Boss"}) == NO_ERROR
    assert await admin.call("Users.SetUserInfo", {"username": "ADMIN", "email": "a@example.org"}) == NO_ERROR
    shown = await users_of(admin)
    assert (shown["admin"]["displayName"], shown["admin"]["email"]) == ("Boss", "a@example.org")
    assert (shown["bob"]["displayName"], shown["bob"]["email"]) == ("", "")
    info = (await admin.call("Users.GetUserInfo"))["userInfo"]
    assert info == shown["admin"]


# Tokens


async def test_tokens_are_shown_without_their_value(home: Server, dialect: Dialect) -> None:
    """A token is listed with its id, owner, time and device, for its owner and administrators; never its value."""
    await home.add_user("bob")
    before = int(time.time())
    admin = await home.client("ws", dialect)
    first = await admin.authenticate("Admin", PASSWORD, "Pixel 🏡")
    second = await admin.authenticate("admin", PASSWORD, "")
    assert first is not None
    assert second is not None
    await home.login("bob", device="bob's")
    after = int(time.time())
    own = await admin.call("Users.GetTokens")
    assert await admin.call("Users.GetUserTokens", {"username": "admin"}) == own
    assert own["error"] == "UserErrorNoError"
    assert sorted(token["deviceName"] for token in own["tokenInfoList"]) == ["", "Pixel 🏡"]
    (others,) = (await admin.call("Users.GetUserTokens", {"username": "bob"}))["tokenInfoList"]
    assert others["username"] == "bob"
    assert others["deviceName"] == "bob's"
    for token in own["tokenInfoList"]:
        assert set(token) == {"id", "username", "creationTime", "deviceName"}
        assert str(UUID(token["id"])) == token["id"]
        assert token["username"] == "admin"
        assert type(token["creationTime"]) is int
        assert before <= token["creationTime"] <= after
    assert first.token != second.token
    assert first.token not in str(own)
    assert second.token not in str(own)


async def test_an_administrator_removes_any_token(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Own and other tokens are removed by their id, with and without braces, and are not found again."""
    await home.add_user("bob")
    for username in ("bob", "bob", "admin"):
        await home.login(username)
    admin = await home.login("admin", transport, dialect, device="this one")
    mine, bobs = await token_ids(admin, "admin"), await token_ids(admin, "bob")
    tokens = (await admin.call("Users.GetTokens"))["tokenInfoList"]
    (present,) = [token["id"] for token in tokens if token["deviceName"] == "this one"]
    mine.remove(present)
    assert await admin.call("Users.RemoveToken", {"tokenId": bobs[0]}) == NO_ERROR
    assert await admin.call("Users.RemoveToken", {"tokenId": f"{{{mine[0]}}}"}) == NO_ERROR
    assert await token_ids(admin, "bob") == [bobs[1]]
    assert await token_ids(admin, "admin") == [present]
    for token_id in (bobs[0], mine[0], NO_TOKEN):
        assert await admin.call("Users.RemoveToken", {"tokenId": token_id}) == TOKEN_NOT_FOUND


# Removing users


async def test_a_removed_user_leaves_nothing(home: Server, dialect: Dialect) -> None:
    """A user goes with all tokens: a later user of that name has none, and the old token stays worthless."""
    await home.add_user("bob", "ControlThings", displayName="Bob", allowedThingIds=[THING])
    phone = await home.client()
    login = await phone.authenticate("bob", PASSWORD, "phone")
    assert login is not None
    admin = await home.login("admin", "ws", dialect)
    assert await admin.call("Users.RemoveUser", {"username": "bob"}) == NO_ERROR
    assert set(await users_of(admin)) == {"admin"}
    assert await admin.call("Users.RemoveUser", {"username": "bob"}) == INVALID_USER_ID
    assert await (await home.client()).authenticate("bob", PASSWORD, "phone") is None
    user = {"username": "bob", "password": PASSWORD, "scopes": []}
    assert await admin.call("Users.CreateUser", user) == NO_ERROR
    shown = (await users_of(admin))["bob"]
    assert (shown["displayName"], shown["scopes"], shown["allowedThingIds"]) == ("", [], [])
    assert await token_ids(admin, "bob") == []
    client = await home.client("ws", dialect, hello=False)
    assert (await client.hello(token=login.token))["authenticated"] is False


async def test_the_last_administrator_may_be_demoted(home: Server, dialect: Dialect) -> None:
    """Administrators may take their own permissions; set-up does not begin again, and the operator can help."""
    admin = await home.login("admin", "tcp", dialect)
    assert await admin.call("Users.SetUserScopes", {"username": "admin", "scopes": []}) == NO_ERROR
    with pytest.raises(PermissionDenied):
        await admin.call("Users.GetUsers")
    hello = await admin.hello()
    assert hello["initialSetupRequired"] is False
    assert hello["permissionScopes"] == []
    await home.add_user("carol", "Admin")
    assert set(await users_of(await home.login("carol"))) == {"admin", "carol"}


async def test_the_last_administrator_may_be_removed(home: Server, dialect: Dialect) -> None:
    """While other users are left, the last administrator's removal does not begin set-up again."""
    await home.add_user("bob")
    admin = await home.login("admin", "ws", dialect)
    assert await admin.call("Users.RemoveUser", {"username": "Admin"}) == NO_ERROR
    with pytest.raises(Unauthorized, match=r"^Forbidden: Invalid token\.$"):
        await admin.call("Users.GetUsers")
    await ended(admin)
    client = await home.client("ws", dialect, hello=False)
    assert (await client.hello())["initialSetupRequired"] is False
    assert await client.authenticate("bob", PASSWORD, "phone") is not None


async def test_after_the_last_user_set_up_begins_again(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Once no user is left, only set-up is answered, also on connections that were logged in, until it is done."""
    other = await home.login()
    admin = await home.login("admin", transport, dialect)
    assert await admin.call("Users.RemoveUser", {"username": "admin"}) == NO_ERROR
    for client in (admin, other):
        with pytest.raises(Unauthorized, match=r"^Initial setup required\. Call JSONRPC\.CreateUser first\.$"):
            await client.call("Users.GetUserInfo")
    fresh = await home.client(transport, dialect, hello=False)
    assert (await fresh.hello())["initialSetupRequired"] is True
    assert await fresh.call("JSONRPC.CreateUser", {"username": "admin", "password": OTHER_PASSWORD}) == NO_ERROR
    assert (await fresh.hello())["initialSetupRequired"] is False
    assert await fresh.authenticate("admin", OTHER_PASSWORD, "phone") is not None
    assert await token_ids(fresh, "admin") != []
    await asyncio.gather(ended(admin), ended(other))


# The push button's user


@pytest.fixture
async def button(start_server: StartServer) -> Server:
    """A server with a push button, which has been set up."""
    server = await start_server(push_button=True)
    await server.set_up()
    return server


async def press(server: Server, client: Client) -> str:
    """Log a client in by the push button; its token."""
    reply = await client.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "kitchen tablet"})
    assert reply["success"] is True
    operator = await server.operator()
    assert await operator.call("Operator.PressButton") == {"success": True}
    finished = await heard(client)
    assert finished.name == "JSONRPC.PushButtonAuthFinished"
    assert finished.params["success"] is True
    assert finished.params["transactionId"] == reply["transactionId"]
    await operator.close()
    return str(finished.params["token"])


async def test_the_button_makes_a_nameless_administrator(
    button: Server, transport: Transport, dialect: Dialect
) -> None:
    """The first press makes a user of the empty name who may do everything; later ones add tokens only."""
    admin = await button.login()
    assert "" not in await users_of(admin)
    client = await button.client(transport, dialect)
    token = await press(button, client)
    nameless = {
        "username": "",
        "email": "",
        "displayName": "",
        "scopes": scopes(*ADMINISTRATOR),
        "allowedThingIds": [],
    }
    assert await client.call("Users.GetUserInfo") == {"error": "UserErrorNoError", "userInfo": nameless}
    assert await users_of(client) == {"": nameless, "admin": (await users_of(admin))["admin"]}
    (listed,) = (await client.call("Users.GetTokens"))["tokenInfoList"]
    assert (listed["username"], listed["deviceName"]) == ("", "kitchen tablet")
    other = await button.client(transport, dialect)
    assert await press(button, other) != token
    assert len(await users_of(admin)) == 2
    assert len(await token_ids(admin, "")) == 2
    hello = await (await button.client(transport, dialect, hello=False)).hello(token=token)
    assert (hello["authenticated"], hello["username"]) == (True, "")
    assert hello["permissionScopes"] == scopes(*ADMINISTRATOR)


async def test_the_button_sets_up(start_server: StartServer, dialect: Dialect) -> None:
    """A press ends initial set-up: the first user can no longer be made by whoever comes."""
    server = await start_server(push_button=True)
    client = await server.client("tcp", dialect)
    await press(server, client)
    assert set(await users_of(client)) == {""}
    stranger = await server.client("tcp", dialect, hello=False)
    assert (await stranger.hello())["initialSetupRequired"] is False
    with pytest.raises(Unauthorized):
        await stranger.call("JSONRPC.CreateUser", {"username": "mallory", "password": PASSWORD})
    reply = await client.call("JSONRPC.CreateUser", {"username": "alice", "password": PASSWORD})
    assert reply == {"error": "UserErrorPermissionDenied"}
    assert await client.call("Users.CreateUser", {"username": "alice", "password": PASSWORD}) == NO_ERROR


async def test_the_nameless_user_has_no_password(button: Server, dialect: Dialect) -> None:
    """The push button's user can neither be given a password nor be made by name, nor log in with one."""
    admin = await button.login("admin", "ws", dialect)
    client = await button.client("ws", dialect)
    await press(button, client)
    params = {"username": "", "newPassword": PASSWORD}
    assert await admin.call("Users.ChangeUserPassword", params) == INVALID_USER_ID
    assert await admin.call("Users.CreateUser", {"username": "", "password": PASSWORD}) == INVALID_USER_ID
    assert await client.call("Users.ChangePassword", {"newPassword": PASSWORD}) != NO_ERROR
    assert len(await token_ids(admin, "")) == 1
    stranger = await button.client("ws", dialect)
    for password in (PASSWORD, ""):
        params = {"username": "", "password": password, "deviceName": "phone"}
        assert await stranger.call("JSONRPC.Authenticate", params) == {"success": False}


async def test_the_nameless_user_can_be_changed(button: Server, dialect: Dialect) -> None:
    """SetUserInfo, SetUserScopes and RemoveUser take the empty name for the push button's user."""
    admin = await button.login("admin", "tcp", dialect)
    client = await button.client("tcp", dialect)
    await press(button, client)
    assert await admin.call("Users.SetUserInfo", {"username": "", "displayName": "Kitchen"}) == NO_ERROR
    shown = await users_of(admin)
    assert (shown[""]["displayName"], shown["admin"]["displayName"]) == ("Kitchen", "")
    change = {"username": "", "scopes": scopes("ControlThings"), "allowedThingIds": [THING]}
    assert await admin.call("Users.SetUserScopes", change) == NO_ERROR
    shown = await users_of(admin)
    assert (shown[""]["scopes"], shown[""]["allowedThingIds"]) == (scopes("ControlThings"), [THING])
    assert shown["admin"]["scopes"] == scopes(*ADMINISTRATOR)
    with pytest.raises(PermissionDenied):
        await client.call("Users.GetUsers")
    assert await admin.call("Users.RemoveUser", {"username": ""}) == NO_ERROR
    assert set(await users_of(admin)) == {"admin"}
    assert await token_ids(admin, "") == []
    with pytest.raises(Unauthorized, match=r"^Forbidden: Invalid token\.$"):
        await client.call("Users.GetUserInfo")


# The database


async def test_a_failing_database_is_a_backend_error(home: Server, dialect: Dialect) -> None:
    """Where the store can't be read or written, methods say so and nothing of its reasons, and nobody is notified."""
    admin = await home.login("admin", "ws", dialect)
    await admin.subscribe("Users")
    with closing(sqlite3.connect(home.data_dir / STORE)) as store:
        store.execute("ALTER TABLE users RENAME TO vanished")
        store.commit()
    for method, params in (
        ("CreateUser", {"username": "bob", "password": PASSWORD}),
        ("ChangePassword", {"newPassword": OTHER_PASSWORD}),
        ("ChangeUserPassword", {"username": "admin", "newPassword": OTHER_PASSWORD}),
        ("GetTokens", {}),
        ("GetUserTokens", {"username": "admin"}),
        ("RemoveToken", {"tokenId": NO_TOKEN}),
        ("RemoveUser", {"username": "admin"}),
        ("SetUserInfo", {"displayName": "Boss"}),
        ("SetUserScopes", {"username": "admin", "scopes": []}),
    ):
        assert await admin.call(f"Users.{method}", params) == BACKEND_ERROR, method
    with pytest.raises(CallError) as failure:
        await admin.call("Users.GetUsers")
    assert "vanished" not in str(failure.value.data) + failure.value.message
    assert "users" not in str(failure.value.data) + failure.value.message
    with closing(sqlite3.connect(home.data_dir / STORE)) as store:
        store.execute("ALTER TABLE vanished RENAME TO users")
        store.commit()
    assert set(await users_of(admin)) == {"admin"}
    assert (await users_of(admin))["admin"]["scopes"] == scopes(*ADMINISTRATOR)
    assert await admin.call("Users.SetUserInfo", {"displayName": "Boss again"}) == NO_ERROR
    assert (await heard(admin)).params["userInfo"]["displayName"] == "Boss again"
