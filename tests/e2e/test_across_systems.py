"""One model under all namespaces: what is done in the words of one system shows in those of the others at once."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Dialect, Process, Server, SpawnServer, Transport
from doors import Desk, administrator

from nymead_users.client import Client

CODE = "394857"
PHONE = "+4781549300"
KEY = {"identification": "0x00499602d2", "type": "proximity"}
CARD = {"type": "proximity", "value": "1234567890"}


class Estate:
    """A front and a back door, and calls about them in the words of each system."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def build(self) -> None:
        """Make the doors, and Ann, who has a phone."""
        self.owner = await self.desk.owner()
        self.front = await self.desk.add("Access.AddLock", title="Front door")
        self.back = await self.desk.add("Access.AddLock", title="Back door")
        self.ann = await self.desk.add("Access.AddPerson", firstName="Ann", phone=PHONE)

    async def code(self, lock: str, **given: Any) -> dict[str, Any]:
        """Make a code at a keypad in Nuki's words; as it is then."""
        new = {"name": "Cleaner", "remoteAllowed": False, "type": 13, "code": CODE, **given}
        request = await self.desk.get("SmartlockAuths.CreateAuth", smartlockId=lock, **new)
        auths = await self.desk.get("SmartlockAuths.GetSmartlockAuths", smartlockId=lock)
        return dict(next(auth for auth in auths if auth.get("operationId") == request))

    async def group(self, title: str, *locks: str) -> str:
        """Make a group of locks in Tapkey's words."""
        group = await self.desk.add("LockGroups.CreateLockGroup", ownerAccountId=self.owner, title=title)
        for lock in locks:
            await self.desk.done(
                "LockGroups.AddMembership", ownerAccountId=self.owner, lockGroupId=group, boundLockId=lock
            )
        return group

    async def role(self, lock: str, **given: Any) -> dict[str, Any]:
        """Let Ann share a lock in Unloc's words."""
        params = {"lockHolderId": self.owner, "lockId": lock, "userId": PHONE, "canShare": True, **given}
        return dict(await self.desk.get("LockRoles.SetRole", **params))

    async def sync(self) -> None:
        """Have both doors hear of all that is due."""
        for lock in (self.front, self.back):
            await self.desk.done("Access.SyncLock", lockId=lock)

    async def decided(self, lock: str, **who: Any) -> dict[str, Any]:
        """What is decided about somebody."""
        return dict(await self.desk.get("Access.Evaluate", lockId=lock, **who))

    async def holders(self, lock: str) -> dict[str, str]:
        """Why anybody may open a lock or not, by person or credential."""
        found = await self.desk.get("Access.GetWhoHasAccess", lockId=lock)
        return {each.get("personId") or each["credentialId"]: each["reason"] for each in found}

    async def everything(self) -> dict[str, Any]:
        """All that there is, in the words of each system."""
        desk, owner = self.desk, self.owner
        groups = await desk.get("LockGroups.GetLockGroups", ownerAccountId=owner)
        return {
            "auths": await desk.get("SmartlockAuths.GetAuths"),
            "roles": await desk.get("LockRoles.GetRoles", lockHolderId=owner),
            "shared": await desk.get("LockRoles.GetSharedKeys", lockId=self.front, userId=PHONE),
            "keys": await desk.get("AccessKeys.GetAccessKeys"),
            "groups": groups,
            "members": [
                await desk.get("LockGroups.GetMemberships", ownerAccountId=owner, lockGroupId=group["id"])
                for group in groups
            ],
            "persons": await desk.get("Access.GetPersons"),
            "grants": await desk.get("Access.GetGrants"),
            "locks": await desk.get("Access.GetLocks"),
        }


@pytest.fixture
async def estate(home: Server, transport: Transport, dialect: Dialect) -> Estate:
    """The doors, over each transport and in each dialect."""
    made = Estate(await administrator(home, transport, dialect))
    await made.build()
    return made


async def test_a_nuki_code_is_decided_as_everything_is(estate: Estate) -> None:
    """A code made as an authorization opens by Evaluate and shows in GetWhoHasAccess; disabled, it opens nowhere."""
    auth = await estate.code(estate.front, accountUserId=1)
    await estate.sync()
    shown = {"credential": {"type": "code", "value": CODE}}
    decided = await estate.decided(estate.front, **shown)
    assert (decided["allowed"], decided["onLock"], decided["grantIds"]) == (True, True, [auth["id"]])
    assert await estate.holders(estate.front) == {estate.ann: "granted"}
    assert [lock["lockId"] for lock in await estate.desk.get("Access.GetAccessOf", personId=estate.ann)] == [
        estate.front
    ]
    await estate.desk.done("SmartlockAuths.UpdateAuth", smartlockId=estate.front, id=auth["id"], enabled=False)
    decided = await estate.decided(estate.front, **shown)
    # The door opens until it has heard.
    assert (decided["allowed"], decided["reason"], decided["onLock"]) == (False, "disabled", True)
    assert await estate.holders(estate.front) == {estate.ann: "disabled"}
    assert (await estate.decided(estate.front, personId=estate.ann))["reason"] == "disabled"
    (lock,) = await estate.desk.get("Access.GetAccessOf", personId=estate.ann)
    assert lock["reason"] == "disabled"
    reported = await estate.desk.done("Access.ReportAccess", lockId=estate.front, **shown)
    assert reported["decision"]["reason"] == "disabled"
    await estate.sync()
    assert not (await estate.decided(estate.front, **shown))["onLock"]


async def test_a_removed_lock_takes_all_of_it_along(estate: Estate) -> None:
    """With a lock go its authorizations, roles, shared keys and memberships, and nothing of another lock."""
    desk = estate.desk
    group = await estate.group("All doors", estate.front, estate.back)
    await desk.done("Access.AddGrant", personId=estate.ann, lockId=estate.front)
    await estate.code(estate.front)
    kept = await estate.code(estate.back)
    await estate.role(estate.front)
    other = await estate.role(estate.back)
    await estate.sync()
    await desk.done("LockRoles.ShareKey", lockId=estate.front, userId=PHONE, toUserId="+523377360535")
    await desk.listen()
    await desk.done("Access.RemoveLock", lockId=estate.front)
    told = await desk.names()
    assert told["SmartlockAuths.AuthRemoved"] == 3
    assert told["LockRoles.RoleRemoved"] == told["LockRoles.KeyRemoved"] == told["Access.LockRemoved"] == 1
    assert told["LockGroups.MembershipChanged"] == 1
    assert [auth["id"] for auth in await desk.get("SmartlockAuths.GetAuths")] == [kept["id"]]
    assert await desk.get("LockRoles.GetRoles", lockHolderId=estate.owner) == [other]
    members = await desk.get("LockGroups.GetMemberships", ownerAccountId=estate.owner, lockGroupId=group)
    assert [member["boundLockId"] for member in members] == [estate.back]
    gone = {"lockHolderId": estate.owner, "lockId": estate.front}
    assert await desk.error("LockRoles.GetLockRoles", **gone) == "LockNotFound"
    assert await desk.error("SmartlockAuths.GetSmartlockAuths", smartlockId=estate.front) == "SmartlockNotFound"


async def test_an_access_level_is_a_lock_group(estate: Estate) -> None:
    """A group of Tapkey's is a level of IntServ's: a key with it opens the group's locks, and its grant is listed."""
    desk = estate.desk
    group = await estate.group("Office", estate.front)
    assert await desk.get("AccessKeys.GetAccessLevels") == [{"id": group, "title": "Office"}]
    key = await desk.get("AccessKeys.AddAccessKey", key=KEY, accessLevels=[group], person={"id": estate.ann})
    (grant,) = await desk.get("LockGroups.GetLockGroupGrants", ownerAccountId=estate.owner, id=group)
    assert (grant["boundCardId"], grant["active"]) == (key["id"], True)
    await estate.sync()
    assert (await estate.decided(estate.front, credential=CARD))["allowed"]
    assert (await estate.decided(estate.back, credential=CARD))["reason"] == "notAuthorized"
    # No authorization at a lock of its own: the grant is the group's.
    assert await desk.get("SmartlockAuths.GetAuths") == []
    await desk.done("LockGroups.UpdateLockGroup", ownerAccountId=estate.owner, id=group, title="Office, ground floor")
    assert await desk.get("AccessKeys.GetAccessLevels") == [{"id": group, "title": "Office, ground floor"}]
    await desk.done("Access.RevokeGrant", grantId=grant["id"])
    (shown,) = await desk.get("AccessKeys.GetAccessKeys")
    assert shown["accessLevels"] == []


async def test_a_person_known_to_several_systems_is_one(estate: Estate) -> None:
    """A phone number, an account user's number and an id name one person; a decision about them sees all they have."""
    desk = estate.desk
    await estate.role(estate.front, userId="47 815 49 300", userName="Ann from next door")
    group = await estate.group("Office", estate.back)
    await desk.done("AccessKeys.AddAccessKey", key=KEY, accessLevels=[group], person={"id": estate.ann})
    await estate.code(estate.front, accountUserId=1)
    (person,) = await desk.get("Access.GetPersons")
    assert (person["id"], person["number"], person["phone"]) == (estate.ann, 1, PHONE)
    await estate.sync()
    reached = {lock["lockId"]: lock["reason"] for lock in await desk.get("Access.GetAccessOf", personId=estate.ann)}
    assert reached == {estate.front: "granted", estate.back: "granted"}
    await desk.done("Access.UpdatePerson", personId=estate.ann, enabled=False)
    for who in ({"personId": estate.ann}, {"credential": {"type": "code", "value": CODE}}):
        assert (await estate.decided(estate.front, **who))["reason"] == "disabled"
    assert (await estate.decided(estate.back, credential=CARD))["reason"] == "disabled"
    await desk.done("Access.RemovePerson", personId=estate.ann)
    assert await desk.get("AccessKeys.GetAccessKeys") == []
    assert await desk.get("LockRoles.GetRoles", lockHolderId=estate.owner) == []
    assert await desk.get("SmartlockAuths.GetAuths") == []


async def test_a_restart_keeps_all_of_it(spawn_server: SpawnServer) -> None:
    """After kill -9 and a new start everything is there as it was, in the words of each system."""

    async def sign_in(process: Process, *, first: bool = False) -> Estate:
        client = await Client.connect(process.url())
        await client.hello()
        if first:
            await client.call("JSONRPC.CreateUser", {"username": "admin", "password": "Wonderland1"})
        assert await client.authenticate("admin", "Wonderland1", "a device") is not None
        return Estate(Desk(client))

    process = await spawn_server()
    estate = await sign_in(process, first=True)
    await estate.build()
    desk = estate.desk
    group = await estate.group("Office", estate.front, estate.back)
    await desk.done("AccessKeys.AddAccessKey", key=KEY, pin="1234", accessLevels=[group], person={"firstName": "Bob"})
    await desk.done("Access.AddGrant", personId=estate.ann, lockId=estate.front)
    await estate.code(estate.front, accountUserId=1, allowedWeekDays=124, allowedFromTime=480, allowedUntilTime=1020)
    await estate.role(estate.front, userName="Ann")
    await estate.sync()
    await desk.done("LockRoles.ShareKey", lockId=estate.front, userId=PHONE, toUserId="+523377360535")
    before = await estate.everything()
    assert all(before.values())
    await desk.client.close()
    await process.kill()
    again = await sign_in(await spawn_server(data_dir=process.data_dir))
    again.owner, again.front = estate.owner, estate.front
    assert await again.everything() == before
    await again.desk.client.close()
