"""Each operation of the seed documents, done by its method: the table of the page on other systems names these tests.

A test is named after its operation. What else there is to say of a method is in the tests of its namespace.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from conftest import PASSWORD, Server, StartServer, Transport
from doors import Desk, administrator, guest

CODE = "394857"
SHARER, RECEIVER = "+4781549300", "+523377360535"


@pytest.fixture
async def desk(home: Server, transport: Transport) -> Desk:
    """An administrator over each transport, in nymea's dialect."""
    return await administrator(home, transport)


# Seed 000: smart-lock authorizations (Nuki)


class Keypad:
    """A door with one app's authorization and one code, of which the door has heard."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def build(self) -> None:
        """Make it all."""
        self.lock = await self.desk.add("Access.AddLock", title="Front door")
        self.person = await self.desk.add("Access.AddPerson", firstName="Ann")
        await self.call("CreateAuth", smartlockId=self.lock, name="App", remoteAllowed=True, accountUserId=1)
        await self.call("CreateAuth", smartlockId=self.lock, name="Code", remoteAllowed=False, type=13, code=CODE)
        await self.sync()
        self.app, self.code = sorted(await self.auths(), key=lambda auth: auth["type"])

    async def call(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Call a method that must succeed."""
        return await self.desk.done(f"SmartlockAuths.{method}", **params)

    async def sync(self) -> None:
        """Have the door hear of everything."""
        await self.desk.done("Access.SyncLock", lockId=self.lock)

    async def auths(self) -> list[dict[str, Any]]:
        """What there is."""
        return list((await self.call("GetAuths"))["auths"])

    async def names(self) -> list[str]:
        """What there is, by name."""
        return sorted(auth["name"] for auth in await self.auths())


@pytest.fixture
async def keypad(desk: Desk) -> Keypad:
    """The door."""
    made = Keypad(desk)
    await made.build()
    return made


async def test_get_smartlock_auth(keypad: Keypad) -> None:
    """GET /smartlock/auth lists the account's authorizations, by person and by type."""
    assert await keypad.names() == ["App", "Code"]
    assert (await keypad.call("GetAuths", accountUserId=1))["auths"] == [keypad.app]
    assert (await keypad.call("GetAuths", types="2,13"))["auths"] == [keypad.code]


async def test_get_smartlock_auth_paged(keypad: Keypad) -> None:
    """GET /smartlock/auth/paged lists them a page at a time."""
    page = await keypad.call("GetAuthsPaged", page=1, size=1)
    assert page["pagination"] == {"totalItems": 2, "totalPages": 2, "currentPage": 1, "prevPage": 0, "pageSize": 1}
    assert len(page["results"]) == 1


async def test_put_smartlock_auth(keypad: Keypad) -> None:
    """PUT /smartlock/auth makes an authorization at several locks."""
    other = await keypad.desk.add("Access.AddLock", title="Back door")
    both = [keypad.lock, other]
    await keypad.call("CreateAuths", name="Fob", smartlockIds=both, remoteAllowed=False, accountUserId=1, type=2)
    assert await keypad.names() == ["App", "Code", "Fob", "Fob"]


async def test_post_smartlock_auth(keypad: Keypad) -> None:
    """POST /smartlock/auth changes several authorizations."""
    await keypad.call(
        "UpdateAuths", auths=[{"id": keypad.app["id"], "name": "A"}, {"id": keypad.code["id"], "name": "C"}]
    )
    assert await keypad.names() == ["A", "C"]


async def test_delete_smartlock_auth(keypad: Keypad) -> None:
    """DELETE /smartlock/auth removes several authorizations."""
    await keypad.call("RemoveAuths", ids=[keypad.app["id"], keypad.code["id"]])
    await keypad.sync()
    assert await keypad.names() == []


async def test_get_smartlock_id_auth(keypad: Keypad) -> None:
    """GET /smartlock/{smartlockId}/auth lists the authorizations at one lock."""
    found = await keypad.call("GetSmartlockAuths", smartlockId=keypad.lock)
    assert sorted(auth["name"] for auth in found["auths"]) == ["App", "Code"]


async def test_put_smartlock_id_auth(keypad: Keypad) -> None:
    """PUT /smartlock/{smartlockId}/auth makes an authorization at one lock."""
    new = {"name": "Second", "remoteAllowed": False, "type": 13, "code": "777777"}
    await keypad.call("CreateAuth", smartlockId=keypad.lock, **new)
    assert await keypad.names() == ["App", "Code", "Second"]


async def test_get_smartlock_id_auth_id(keypad: Keypad) -> None:
    """GET /smartlock/{smartlockId}/auth/{id} tells about one authorization."""
    found = await keypad.call("GetAuth", smartlockId=keypad.lock, id=keypad.code["id"])
    assert found["auth"] == keypad.code


async def test_post_smartlock_id_auth_id(keypad: Keypad) -> None:
    """POST /smartlock/{smartlockId}/auth/{id} changes one authorization."""
    await keypad.call("UpdateAuth", smartlockId=keypad.lock, id=keypad.app["id"], enabled=False)
    assert [auth["enabled"] for auth in await keypad.auths() if auth["id"] == keypad.app["id"]] == [False]


async def test_delete_smartlock_id_auth_id(keypad: Keypad) -> None:
    """DELETE /smartlock/{smartlockId}/auth/{id} removes one authorization."""
    await keypad.call("RemoveAuth", smartlockId=keypad.lock, id=keypad.app["id"])
    await keypad.sync()
    assert await keypad.names() == ["Code"]


async def test_post_smartlock_id_auth_advanced_sharedkey(keypad: Keypad) -> None:
    """POST /smartlock/{smartlockId}/auth/advanced/sharedkey makes a key for a person's app."""
    shared = await keypad.call("GenerateSharedKey", smartlockId=keypad.lock, name="Visit", accountUserId=1)
    assert [auth["type"] for auth in shared["auths"]] == [0]
    assert await keypad.names() == ["App", "Code", "Visit"]


# Seed 001: roles (Unloc)


class Holder:
    """A lock holder with two locks, and who has a role at them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def build(self) -> None:
        """Make it all."""
        self.owner = await self.desk.owner()
        self.front = await self.desk.add("Access.AddLock", title="Front door")
        self.back = await self.desk.add("Access.AddLock", title="Back door")

    async def set(self, lock: str, user: str | int, **given: Any) -> dict[str, Any]:
        """Give somebody a role."""
        params = {"lockHolderId": self.owner, "lockId": lock, "userId": user, **given}
        return dict(await self.desk.get("LockRoles.SetRole", **params))


@pytest.fixture
async def holder(desk: Desk) -> Holder:
    """The lock holder."""
    made = Holder(desk)
    await made.build()
    return made


async def test_get_lock_holder_roles(holder: Holder) -> None:
    """GET lock-holders/{lockHolderId}/roles lists a holder's roles, of those who can share."""
    sharing = await holder.set(holder.front, SHARER, canShare=True)
    await holder.set(holder.back, RECEIVER, canShare=False)
    assert await holder.desk.get("LockRoles.GetRoles", lockHolderId=holder.owner) == [sharing]


async def test_get_lock_holder_lock_roles(holder: Holder) -> None:
    """GET lock-holders/{lockHolderId}/locks/{lockId}/roles lists all roles at a lock."""
    sharing = await holder.set(holder.front, SHARER, canShare=True)
    other = await holder.set(holder.front, RECEIVER, canShare=False)
    await holder.set(holder.back, RECEIVER, canShare=True)
    found = await holder.desk.get("LockRoles.GetLockRoles", lockHolderId=holder.owner, lockId=holder.front)
    assert sorted(found, key=str) == sorted([sharing, other], key=str)


async def test_put_lock_holder_lock_role(holder: Holder) -> None:
    """PUT lock-holders/{lockHolderId}/locks/{lockId}/roles/{userId} makes a role, and changes it."""
    made = await holder.set(holder.front, 4781549300, userName="Mr. Normann", canShare=False)
    assert {key: made[key] for key in ("userId", "userName", "lockId", "canShare", "createdKeys")} == {
        "userId": SHARER,
        "userName": "Mr. Normann",
        "lockId": holder.front,
        "canShare": False,
        "createdKeys": 0,
    }
    assert await holder.set(holder.front, "4781549300", canShare=True) == {**made, "canShare": True}


# Seed 002: users and tokens (nymea)


async def tell_of_users(desk: Desk) -> None:
    """Ask for notifications about users."""
    await desk.client.subscribe("Users")


async def test_users_change_password(desk: Desk, home: Server) -> None:
    """Users.ChangePassword changes the caller's password."""
    await desk.done("Users.ChangePassword", newPassword="Looking-Glass-7")
    await home.login("admin", password="Looking-Glass-7")


async def test_users_change_user_password(desk: Desk, home: Server) -> None:
    """Users.ChangeUserPassword changes another's password and logs all their devices out."""
    await home.add_user("bob", "ControlThings")
    await home.login("bob")
    await desk.done("Users.ChangeUserPassword", username="bob", newPassword="Looking-Glass-7")
    assert await desk.get("Users.GetUserTokens", username="bob") == []
    await home.login("bob", password="Looking-Glass-7")


async def test_users_create_user(desk: Desk, home: Server) -> None:
    """Users.CreateUser makes a user, an administrator unless told."""
    await desk.done("Users.CreateUser", username="carol", password=PASSWORD)
    info = await (await home.login("carol")).call("Users.GetUserInfo")
    assert "PermissionScopeAdmin" in info["userInfo"]["scopes"]


async def test_users_get_tokens(desk: Desk) -> None:
    """Users.GetTokens lists the caller's tokens."""
    assert [token["username"] for token in await desk.get("Users.GetTokens")] == ["admin"]


async def test_users_get_user_info(desk: Desk) -> None:
    """Users.GetUserInfo tells who the caller is."""
    assert (await desk.get("Users.GetUserInfo"))["username"] == "admin"


async def test_users_get_user_tokens(desk: Desk, home: Server) -> None:
    """Users.GetUserTokens lists another's tokens."""
    await home.add_user("bob", "ControlThings")
    await home.login("bob")
    assert [token["username"] for token in await desk.get("Users.GetUserTokens", username="bob")] == ["bob"]


async def test_users_get_users(desk: Desk, home: Server) -> None:
    """Users.GetUsers lists all users."""
    await home.add_user("bob", "ControlThings")
    assert [user["username"] for user in (await desk.ask("Users.GetUsers"))["users"]] == ["admin", "bob"]


async def test_users_remove_token(desk: Desk, home: Server) -> None:
    """Users.RemoveToken logs a device out."""
    await home.add_user("bob", "ControlThings")
    await home.login("bob")
    (token,) = await desk.get("Users.GetUserTokens", username="bob")
    await desk.done("Users.RemoveToken", tokenId=token["id"])
    assert await desk.get("Users.GetUserTokens", username="bob") == []


async def test_users_remove_user(desk: Desk, home: Server) -> None:
    """Users.RemoveUser removes a user, of which Users.UserRemoved tells."""
    await home.add_user("bob", "ControlThings")
    await tell_of_users(desk)
    await desk.done("Users.RemoveUser", username="bob")
    assert await desk.names() == {"Users.UserRemoved": 1}


async def test_users_set_user_info(desk: Desk, home: Server) -> None:
    """Users.SetUserInfo changes a user's details, of which Users.UserChanged tells."""
    await home.add_user("bob", "ControlThings")
    await tell_of_users(desk)
    await desk.done("Users.SetUserInfo", username="bob", displayName="Bob Baker", email="bob@example.org")
    (told,) = await desk.heard()
    assert (told.name, told.params["userInfo"]["displayName"]) == ("Users.UserChanged", "Bob Baker")


async def test_users_set_user_scopes(desk: Desk, home: Server) -> None:
    """Users.SetUserScopes changes what a user may do."""
    await home.add_user("bob", "ControlThings")
    await desk.done("Users.SetUserScopes", username="bob", scopes=[])
    assert (await (await home.login("bob")).call("Users.GetUserInfo"))["userInfo"]["scopes"] == []


async def test_users_push_button_auth_finished(start_server: StartServer, transport: Transport) -> None:
    """Users.PushButtonAuthFinished tells whoever waits for the button that it was pressed, with their token."""
    server = await start_server(push_button=True)
    waiting = await server.client(transport)
    asked = await waiting.call("Users.RequestPushButtonAuth", {"deviceName": "a phone"})
    assert (await (await server.operator()).call("Operator.PressButton"))["success"]
    told = await Desk(waiting).next()
    assert told.name == "Users.PushButtonAuthFinished"
    assert (told.params["transactionId"], told.params["success"]) == (asked["transactionId"], True)
    assert told.params["token"]


async def test_users_user_added(desk: Desk, home: Server) -> None:
    """Users.UserAdded tells of a new user, once."""
    await tell_of_users(desk)
    await home.add_user("bob", "ControlThings")
    (told,) = await desk.heard()
    assert (told.name, told.params["userInfo"]["username"]) == ("Users.UserAdded", "bob")


async def test_users_user_changed(desk: Desk, home: Server) -> None:
    """Users.UserChanged tells what a user is like now, once."""
    await home.add_user("bob", "ControlThings")
    await tell_of_users(desk)
    await desk.done("Users.SetUserScopes", username="bob", scopes=[])
    (told,) = await desk.heard()
    assert (told.name, told.params["userInfo"]["scopes"]) == ("Users.UserChanged", [])


async def test_users_user_removed(desk: Desk, home: Server) -> None:
    """Users.UserRemoved tells that a user is gone, once."""
    await home.add_user("bob", "ControlThings")
    await tell_of_users(desk)
    await desk.done("Users.RemoveUser", username="bob")
    (told,) = await desk.heard()
    assert (told.name, told.params) == ("Users.UserRemoved", {"username": "bob"})


# Seed 003: lock groups (Tapkey)


class Group:
    """A lock group with one lock and one grant."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def build(self) -> None:
        """Make it all."""
        self.owner = await self.desk.owner()
        self.lock = await self.desk.add("Access.AddLock", title="Front door")
        self.person = await self.desk.add("Access.AddPerson", firstName="Ann")
        self.id = (await self.call("CreateLockGroup", title="Office Building"))["lockGroup"]["id"]
        self.membership = (await self.call("AddMembership", lockGroupId=self.id, boundLockId=self.lock))["membership"]
        self.grant = await self.desk.add("Access.AddGrant", personId=self.person, lockGroupId=self.id)

    async def call(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Call a method that must succeed."""
        return await self.desk.done(f"LockGroups.{method}", ownerAccountId=self.owner, **params)

    async def members(self) -> list[dict[str, Any]]:
        """Its memberships."""
        return list((await self.call("GetMemberships", lockGroupId=self.id))["memberships"])


@pytest.fixture
async def group(desk: Desk) -> Group:
    """The group."""
    made = Group(desk)
    await made.build()
    return made


async def test_get_lock_groups(group: Group) -> None:
    """GET /Owners/{ownerAccountId}/LockGroups lists an owner's groups."""
    found = await group.call("GetLockGroups", filter="active", orderBy="title")
    assert [each["title"] for each in found["lockGroups"]] == ["Office Building"]


async def test_get_lock_group(group: Group) -> None:
    """GET /Owners/{ownerAccountId}/LockGroups/{id} tells about one group."""
    found = (await group.call("GetLockGroup", id=group.id, expand="statistics"))["lockGroup"]
    assert found["statistics"] == {"ByState": [{"State": "JoinPending", "Count": 1}]}


async def test_put_lock_group(group: Group) -> None:
    """PUT /Owners/{ownerAccountId}/LockGroups makes a group."""
    made = (await group.call("CreateLockGroup", title="Annex", description="A description"))["lockGroup"]
    assert (made["title"], made["targetType"], made["active"]) == ("Annex", "Group", True)


async def test_patch_lock_group(group: Group) -> None:
    """PATCH /Owners/{ownerAccountId}/LockGroups/{id} changes a group."""
    changed = (await group.call("UpdateLockGroup", id=group.id, description="All doors"))["lockGroup"]
    assert (changed["title"], changed["description"]) == ("Office Building", "All doors")


async def test_delete_lock_group(group: Group) -> None:
    """DELETE /Owners/{ownerAccountId}/LockGroups/{id} removes a group, with its locks and grants where forced to."""
    await group.call("RemoveLockGroup", id=group.id, forceRevokeGrants=True, forceUnjoinLocks=True)
    assert (await group.call("GetLockGroups"))["lockGroups"] == []


async def test_get_lock_group_grants(group: Group) -> None:
    """GET /Owners/{ownerAccountId}/LockGroups/{id}/Grants lists a group's grants."""
    found = (await group.call("GetLockGroupGrants", id=group.id))["grants"]
    assert [(grant["id"], grant["contactId"], grant["state"]) for grant in found] == [(group.grant, group.person, "Ok")]


async def test_get_lock_group_memberships(group: Group) -> None:
    """GET /Owners/{ownerAccountId}/LockGroups/{lockGroupId}/Memberships lists the locks of a group."""
    assert await group.members() == [group.membership]


async def test_put_lock_group_membership(group: Group) -> None:
    """PUT /Owners/{ownerAccountId}/LockGroups/{lockGroupId}/Memberships adds a lock, a member once it has heard."""
    assert group.membership["boundLockId"] == group.lock
    assert group.membership["joinCompletedDate"] is None
    await group.desk.done("Access.SyncLock", lockId=group.lock)
    (member,) = await group.members()
    assert datetime.fromisoformat(member["joinCompletedDate"]) >= datetime.fromisoformat(member["joinStartDate"])


async def test_delete_lock_group_membership(group: Group) -> None:
    """DELETE /Owners/…/LockGroups/{lockGroupId}/Memberships/{id} removes a lock, no member once it has heard."""
    await group.desk.done("Access.SyncLock", lockId=group.lock)
    await group.call("RemoveMembership", lockGroupId=group.id, id=group.membership["id"])
    (member,) = await group.members()
    assert (member["leaveStartDate"] is None, member["leaveCompletedDate"]) == (False, None)
    await group.desk.done("Access.SyncLock", lockId=group.lock)
    (member,) = await group.members()
    assert member["leaveCompletedDate"] is not None


# Seed 004: access keys (IntServ)


async def test_accesskeys_add(desk: Desk, home: Server) -> None:
    """/accesskeys/add makes an access key, and changes it by its id or by its key, however that is spelled."""
    owner = await desk.owner()
    level = await desk.add("LockGroups.CreateLockGroup", ownerAccountId=owner, title="Office")
    made = await desk.get(
        "AccessKeys.AddAccessKey",
        key={"identification": "0x00499602d2", "type": "proximity"},
        pin="1234",
        validFromDate="2020-09-01T00:00:00Z",
        validToDate="2020-10-01T14:00:00Z",
        accessLevels=[level],
        person={"firstName": "firstname", "lastName": "lastname"},
    )
    assert made == {
        "id": made["id"],
        "key": {"identification": "0001234567890", "type": "proximity"},
        "validFromDate": "2020-09-01T00:00:00.000Z",
        "validToDate": "2020-10-01T14:00:00.000Z",
        "accessLevels": [level],
        "person": {"id": made["person"]["id"], "firstName": "firstname", "lastName": "lastname"},
    }
    changed = await desk.get("AccessKeys.AddAccessKey", id=made["id"], pin=None, accessLevels=[])
    assert changed == {**made, "accessLevels": []}
    again = {"identification": "0001234567890", "type": "proximity"}
    changed = await desk.get("AccessKeys.AddAccessKey", key=again, validToDate=None)
    assert changed["id"] == made["id"]
    assert "validToDate" not in changed
    # Whoever may not administer adds none.
    visitor = await guest(home, "visitor")
    assert (await visitor.client.call("JSONRPC.Hello", {}))["authenticationRequired"]
