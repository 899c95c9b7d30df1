"""Who may call what, by default and where users may look after their own accounts."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import PASSWORD, Dialect, Server, StartServer, Transport

from nymead_users.client import Client, PermissionDenied, Unauthorized

NO_ERROR = {"error": "UserErrorNoError"}
DENIED = {"error": "UserErrorPermissionDenied"}

#: What the operator may open to users for their own accounts.
OWN = {"Users.ChangePassword", "Users.GetTokens", "Users.RemoveToken", "Users.SetUserInfo"}

#: What always needs an administrator.
ADMINISTRATION = {
    "Access.AddCredential",
    "Access.AddGrant",
    "Access.AddLock",
    "Access.AddOwner",
    "Access.AddPerson",
    "Access.RemoveCredential",
    "Access.RemoveLock",
    "Access.RemovePerson",
    "Access.RevokeGrant",
    "Access.UpdateCredential",
    "Access.UpdateGrant",
    "Access.UpdateLock",
    "Access.UpdatePerson",
    "AccessKeys.AddAccessKey",
    "AccessKeys.RemoveAccessKey",
    "LockGroups.AddMembership",
    "LockGroups.CreateLockGroup",
    "LockGroups.RemoveLockGroup",
    "LockGroups.RemoveMembership",
    "LockGroups.UpdateLockGroup",
    "LockRoles.RemoveRole",
    "LockRoles.SetRole",
    "SmartlockAuths.CreateAuth",
    "SmartlockAuths.CreateAuths",
    "SmartlockAuths.GenerateSharedKey",
    "SmartlockAuths.RemoveAuth",
    "SmartlockAuths.RemoveAuths",
    "SmartlockAuths.UpdateAuth",
    "SmartlockAuths.UpdateAuths",
    "Users.CreateUser",
    "Users.ChangeUserPassword",
    "Users.GetUsers",
    "Users.GetUserTokens",
    "Users.RemoveUser",
    "Users.SetUserScopes",
}

#: What needs the permission to control things.
CONTROL = {
    "Access.ConfirmSync",
    "Access.Evaluate",
    "Access.GetAccessOf",
    "Access.GetCredentials",
    "Access.GetEvents",
    "Access.GetGrants",
    "Access.GetLocks",
    "Access.GetOwners",
    "Access.GetPendingSync",
    "Access.GetPersons",
    "Access.GetWhoHasAccess",
    "Access.ReportAccess",
    "Access.SyncLock",
    "AccessKeys.GetAccessKeyStatus",
    "AccessKeys.GetAccessKeys",
    "AccessKeys.GetAccessLevels",
    "LockGroups.GetLockGroup",
    "LockGroups.GetLockGroupGrants",
    "LockGroups.GetLockGroups",
    "LockGroups.GetMemberships",
    "LockRoles.GetLockRoles",
    "LockRoles.GetRoles",
    "LockRoles.GetSharedKeys",
    "LockRoles.RevokeSharedKeys",
    "LockRoles.ShareKey",
    "SmartlockAuths.GetAuth",
    "SmartlockAuths.GetAuths",
    "SmartlockAuths.GetAuthsPaged",
    "SmartlockAuths.GetSmartlockAuths",
}

#: What never needs a permission.
EVERYBODYS = {
    "JSONRPC.Hello",
    "JSONRPC.Introspect",
    "JSONRPC.Version",
    "JSONRPC.SetNotificationStatus",
    "JSONRPC.CreateUser",
    "JSONRPC.Authenticate",
    "JSONRPC.RequestPushButtonAuth",
    "JSONRPC.KeepAlive",
    "Users.Authenticate",
    "Users.RequestPushButtonAuth",
    "Users.GetUserInfo",
}

#: An id that nothing has.
NOTHING = "11111111-2222-4333-8444-555555555555"

#: A plausible value for each param of the API.
VALUES: dict[str, Any] = {
    "allowedThingIds": [],
    "deviceName": "a device",
    "displayName": "New",
    "email": "new@example.org",
    "enabled": False,
    "locale": "de_AT",
    "namespaces": ["Users"],
    "newPassword": "Abcdefg2",
    "password": PASSWORD,
    "scopes": [],
    "sessionId": "1",
    "tokenId": NOTHING,
    "username": "carol",
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

#: Everything that is not administration.
ALMOST_ALL = ("ControlThings", "ConfigureThings", "AccessAllThings", "ExecuteRules", "ConfigureRules")


@pytest.fixture(params=[False, True], ids=["default", "self-service"])
def self_service(request: pytest.FixtureRequest) -> bool:
    """Both settings in turn."""
    chosen: bool = request.param
    return chosen


@pytest.fixture
async def helpful(start_server: StartServer) -> Server:
    """A server with self-service; its administrator is "admin", bob and carol have no permissions."""
    server = await start_server(self_service=True)
    await server.set_up()
    await server.add_user("bob")
    await server.add_user("carol")
    return server


async def own_token_ids(client: Client) -> list[str]:
    """The ids of the caller's tokens."""
    reply = await client.call("Users.GetTokens")
    assert reply["error"] == "UserErrorNoError"
    return [token["id"] for token in reply["tokenInfoList"]]


async def test_calls_need_what_is_declared(start_server: StartServer, dialect: Dialect, *, self_service: bool) -> None:
    """Exactly the methods are refused to users that are declared for a permission which they do not have."""
    server = await start_server(self_service=self_service)
    await server.set_up()
    await server.add_user("carol")
    declared = (await (await server.operator()).call("JSONRPC.Introspect"))["methods"]
    users_before = await (await server.operator()).call("Users.GetUsers")
    for number, (scopes, missing) in enumerate([((), ["ControlThings", "Admin"]), (ALMOST_ALL, ["Admin"])]):
        await server.add_user(f"user{number}", *scopes)
        login = await (await server.client()).authenticate(f"user{number}", PASSWORD, "phone")
        assert login is not None
        refused = set()
        for name, method in declared.items():
            client = await server.client("tcp", dialect, token=login.token)
            params = {param: VALUES[param] for param in method["params"] if ":" not in param}
            try:
                await client.call(name, params)
            except PermissionDenied:
                refused.add(name)
            await client.close()
        needed = {f"PermissionScope{scope}" for scope in missing}
        assert refused == {name for name, method in declared.items() if method["permissionScope"] in needed}
        await (await server.operator()).call("Users.RemoveUser", {"username": f"user{number}"})
    assert await (await server.operator()).call("Users.GetUsers") == users_before


async def test_what_is_declared(start_server: StartServer, *, self_service: bool) -> None:
    """Introspect and rpc.discover say alike what needs which permission, and follow the operator's setting."""
    server = await start_server(self_service=self_service)
    operator = await server.operator()
    introspected = (await operator.call("JSONRPC.Introspect"))["methods"]
    discovered = (await operator.call("rpc.discover"))["methods"]
    expected = dict.fromkeys(EVERYBODYS, "PermissionScopeNone")
    expected |= dict.fromkeys(CONTROL, "PermissionScopeControlThings")
    expected |= dict.fromkeys(ADMINISTRATION, "PermissionScopeAdmin")
    expected |= dict.fromkeys(OWN, "PermissionScopeNone" if self_service else "PermissionScopeAdmin")
    assert {name: method["permissionScope"] for name, method in introspected.items()} == expected
    assert {method["name"]: method["x-permissionScope"] for method in discovered} == expected


async def test_by_default_ones_own_account_needs_an_administrator(home: Server, dialect: Dialect) -> None:
    """Without self-service users without permissions can do nothing about their own account, and change nothing."""
    await home.add_user("bob", *ALMOST_ALL)
    bob = await home.login("bob", "tcp", dialect)
    operator = await home.operator()
    (token,) = (await operator.call("Users.GetUserTokens", {"username": "bob"}))["tokenInfoList"]
    before = await operator.call("Users.GetUsers")
    for method, params in (
        ("ChangePassword", {"newPassword": "Abcdefg2"}),
        ("GetTokens", {}),
        ("RemoveToken", {"tokenId": token["id"]}),
        ("SetUserInfo", {"displayName": "Bob"}),
        ("SetUserInfo", {"username": "bob", "displayName": "Bob"}),
    ):
        with pytest.raises(PermissionDenied, match=r"^Permission denied\.$"):
            await bob.call(f"Users.{method}", params)
    assert await operator.call("Users.GetUsers") == before
    assert await (await home.client()).authenticate("bob", PASSWORD, "phone") is not None
    assert (await bob.call("Users.GetUserInfo"))["error"] == "UserErrorNoError"


async def test_self_service_is_for_ones_own_account(helpful: Server, transport: Transport, dialect: Dialect) -> None:
    """Users without permissions change their own password and details, and see and remove their own tokens."""
    bob = await helpful.login("bob", transport, dialect, device="this one")
    other = await helpful.login("bob", device="lost phone")
    tokens = (await bob.call("Users.GetTokens"))["tokenInfoList"]
    assert {token["username"] for token in tokens} == {"bob"}
    (lost,) = [token["id"] for token in tokens if token["deviceName"] == "lost phone"]
    assert await bob.call("Users.RemoveToken", {"tokenId": lost}) == NO_ERROR
    with pytest.raises(Unauthorized):
        await other.call("Users.GetUserInfo")
    assert await own_token_ids(bob) != [lost]
    assert len(await own_token_ids(bob)) == 1
    assert await bob.call("Users.SetUserInfo", {"displayName": "Bob"}) == NO_ERROR
    assert await bob.call("Users.SetUserInfo", {"username": "BOB", "email": "b@example.org"}) == NO_ERROR
    user = (await bob.call("Users.GetUserInfo"))["userInfo"]
    assert (user["displayName"], user["email"], user["scopes"]) == ("Bob", "b@example.org", [])
    assert await bob.call("Users.ChangePassword", {"newPassword": "weak"}) == {"error": "UserErrorBadPassword"}
    assert await bob.call("Users.ChangePassword", {"newPassword": "Abcdefg2"}) == NO_ERROR
    assert len(await own_token_ids(bob)) == 1
    client = await helpful.client(transport, dialect)
    assert await client.authenticate("bob", PASSWORD, "phone") is None
    assert await client.authenticate("bob", "Abcdefg2", "phone") is not None


async def test_self_service_is_not_for_others_accounts(helpful: Server, dialect: Dialect) -> None:
    """Another's token or details are denied to users without permissions, as is whatever administrates."""
    carol = await helpful.login("carol")
    (carols,) = await own_token_ids(carol)
    operator = await helpful.operator()
    before = await operator.call("Users.GetUsers")
    bob = await helpful.login("bob", "ws", dialect)
    assert await bob.call("Users.RemoveToken", {"tokenId": carols}) == DENIED
    for change in ({"displayName": "Carol"}, {"email": "c@example.org"}, {}):
        assert await bob.call("Users.SetUserInfo", {"username": "carol", **change}) == DENIED
        assert await bob.call("Users.SetUserInfo", {"username": "Admin", **change}) == DENIED
    unknown = {"tokenId": "11111111-2222-4333-8444-555555555555"}
    assert await bob.call("Users.RemoveToken", unknown) == {"error": "UserErrorTokenNotFound"}
    for method, params in (
        ("ChangeUserPassword", {"username": "bob", "newPassword": "Abcdefg2"}),
        ("GetUserTokens", {"username": "bob"}),
        ("GetUsers", {}),
        ("RemoveUser", {"username": "bob"}),
        ("SetUserScopes", {"username": "bob", "scopes": ["PermissionScopeAdmin"]}),
    ):
        with pytest.raises(PermissionDenied):
            await bob.call(f"Users.{method}", params)
    assert await operator.call("Users.GetUsers") == before
    assert await own_token_ids(carol) == [carols]


async def test_self_service_takes_nothing_from_administrators(helpful: Server, dialect: Dialect) -> None:
    """With self-service administrators still change anybody's details and remove anybody's tokens."""
    bob = await helpful.login("bob")
    (bobs,) = await own_token_ids(bob)
    admin = await helpful.login("admin", "ws", dialect)
    assert await admin.call("Users.SetUserInfo", {"username": "bob", "displayName": "Bob"}) == NO_ERROR
    assert (await bob.call("Users.GetUserInfo"))["userInfo"]["displayName"] == "Bob"
    assert await admin.call("Users.RemoveToken", {"tokenId": bobs}) == NO_ERROR
    with pytest.raises(Unauthorized):
        await bob.call("Users.GetUserInfo")
    assert len(await own_token_ids(admin)) == 1


async def test_self_service_tells_the_user_and_administrators(helpful: Server, dialect: Dialect) -> None:
    """A user's own change is told to that user before the reply and to administrators, and to nobody else."""
    heard: dict[str, list[str]] = {}
    clients = {name: await helpful.login(name, "tcp", dialect) for name in ("admin", "bob", "carol")}
    for client in clients.values():
        await client.subscribe("Users")
    assert await clients["bob"].call("Users.SetUserInfo", {"displayName": "Bob"}) == NO_ERROR
    for name, client in clients.items():
        await client.call("JSONRPC.KeepAlive", {"sessionId": None})
        await client.close()
        heard[name] = [notification.params["userInfo"]["username"] async for notification in client.notifications()]
    assert heard == {"admin": ["bob"], "bob": ["bob"], "carol": []}
