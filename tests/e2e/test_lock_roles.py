"""The LockRoles namespace: who may share a lock, what they share, and for how long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import CHEAP_ARGON2, Dialect, Server, Transport
from doors import NOWHERE, Desk, administrator, guest

from nymead_users.app import running
from nymead_users.client import Client
from nymead_users.config import Settings

DOOR = "0a1b2c3d-0000-4000-8000-00000000000a"
GATE = "0a1b2c3d-0000-4000-8000-00000000000b"
ANN, BOB, CAROL, NOBODY = "+4781549300", "+4781549301", "+523377360535", "+4781549399"
MONDAYS = {"mon": {"startHour": 8, "startMinute": 0, "endHour": 12, "endMinute": 30}}


@pytest.fixture
async def desk(home: Server, transport: Transport, dialect: Dialect) -> Desk:
    """An administrator, over each transport and in each dialect."""
    return await administrator(home, transport, dialect)


class Holder:
    """Calls about the roles of one lock holder, who has a door and a gate."""

    def __init__(self, desk: Desk, owner: str) -> None:
        self.desk = desk
        self.owner = owner

    @classmethod
    async def of(cls, desk: Desk) -> Holder:
        """The one owner, with the locks."""
        holder = cls(desk, await desk.owner())
        for lock_id, title in ((DOOR, "Door"), (GATE, "Gate")):
            await desk.done("Access.AddLock", title=title, lockId=lock_id)
        return holder

    async def get(self, method: str, /, **params: Any) -> Any:
        """Call a method about the holder that must succeed and returns one thing."""
        return await self.desk.get(f"LockRoles.{method}", lockHolderId=self.owner, **params)

    async def refused(self, method: str, /, **params: Any) -> tuple[str, str | None]:
        """Call a method about the holder that must not succeed; its outcome and its text."""
        return await self.desk.refused(f"LockRoles.{method}", lockHolderId=self.owner, **params)

    async def role(self, user_id: str | int = ANN, lock: str = DOOR, *, share: bool = True, **params: Any) -> Any:
        """Make or change a role."""
        return await self.get("SetRole", lockId=lock, userId=user_id, canShare=share, **params)

    async def sharer(self, phone: str = ANN, lock: str = DOOR, **grant: Any) -> str:
        """Somebody who may open a lock and share it; the person's id."""
        person = await self.desk.add("Access.AddPerson", firstName="Ann", phone=phone)
        await self.desk.done("Access.AddGrant", personId=person, lockId=lock, **grant)
        await self.role(phone, lock)
        return person

    async def counted(self, lock: str = DOOR) -> dict[str, int]:
        """How many keys each has created at a lock."""
        return {role["userId"]: role["createdKeys"] for role in await self.get("GetLockRoles", lockId=lock)}


@pytest.fixture
async def holder(desk: Desk) -> Holder:
    """The one owner, with a door and a gate."""
    return await Holder.of(desk)


def sharing(user_id: str | int = ANN, to: str | int = BOB, lock: str = DOOR, **key: Any) -> dict[str, Any]:
    """Params of ShareKey."""
    return {"lockId": lock, "userId": user_id, "toUserId": to, **key}


def moment(**ahead: float) -> str:
    """A moment that far from now."""
    return f"{datetime.now(UTC) + timedelta(**ahead):%Y-%m-%dT%H:%M:%S}.000Z"


# The operations of the page


async def test_get_lock_holder_roles(holder: Holder) -> None:
    """A lock holder's roles are those at all locks that can share, oldest first, as the page has them."""
    assert await holder.get("GetRoles") == []
    first = await holder.role(CAROL)
    await holder.role(BOB, GATE, share=False)
    second = await holder.role(ANN, GATE)
    assert await holder.get("GetRoles") == [first, second]
    assert first == {
        "id": first["id"],
        "userId": "+523377360535",
        "lockId": DOOR,
        "canShare": True,
        "created": first["created"],
        "createdKeys": 0,
    }
    other = Holder(holder.desk, await holder.desk.add("Access.AddOwner", title="Works"))
    assert await other.get("GetRoles") == []
    assert await other.refused("GetLockRoles", lockId=DOOR) == ("LockNotFound", "lock not found")


async def test_get_lock_holder_lock_roles(holder: Holder) -> None:
    """A lock's roles are all of them, whether they can share or not, and none of another lock."""
    first, second = await holder.role(CAROL), await holder.role(BOB, share=False)
    elsewhere = await holder.role(ANN, GATE)
    assert await holder.get("GetLockRoles", lockId=DOOR) == [first, second]
    assert await holder.get("GetLockRoles", lockId=f"{{{GATE.upper()}}}") == [elsewhere]


async def test_put_lock_holder_lock_role(holder: Holder) -> None:
    """One method makes a role and changes it; created stays, and so does a name that is left out."""
    desk = holder.desk
    await desk.listen()
    made = await holder.role(4781549300, share=False, userName="Mr. Normann")
    assert (made["userId"], made["userName"], made["canShare"]) == (ANN, "Mr. Normann", False)
    changed = await holder.role("+47 815 49 300", userName="Mr. N.")
    assert changed == {**made, "userName": "Mr. N.", "canShare": True}
    assert await holder.role("4781549300") == changed
    assert await holder.role(4781549300) == changed
    told = [(item.name, item.params) for item in desk.news()]
    assert [name for name, _ in told] == ["Access.PersonAdded", "LockRoles.RoleAdded", "LockRoles.RoleChanged"]
    assert [params["role"] for _, params in told[1:]] == [made, changed]
    assert await holder.get("GetLockRoles", lockId=DOOR) == [changed]


# Roles


async def test_a_phone_number_is_one_person_for_all_namespaces(holder: Holder) -> None:
    """A person of Access is who a role of their number is for, and a person whom a role made is one of Access."""
    desk = holder.desk
    ann = await desk.add("Access.AddPerson", firstName="Ann", lastName="Jones", phone="47 81 54 93 00")
    assert (await holder.role(4781549300))["userName"] == "Ann Jones"
    await holder.role(BOB, userName="Bob")
    persons = await desk.get("Access.GetPersons")
    assert [(person["number"], person["firstName"], person["phone"]) for person in persons] == [
        (1, "Ann", ANN),
        (2, "Bob", BOB),
    ]
    grant = await desk.add("Access.AddGrant", personId=ann, lockId=DOOR)
    key = await desk.get("LockRoles.ShareKey", **sharing(ANN, 4781549301))
    assert {each["id"] for each in await desk.get("Access.GetGrants", lockId=DOOR)} == {grant, key["id"]}
    (bobs,) = await desk.get("Access.GetGrants", personId=persons[1]["id"])
    assert (bobs["id"], bobs["personId"]) == (key["id"], persons[1]["id"])
    assert (await desk.get("Access.Evaluate", personId=persons[1]["id"], lockId=DOOR))["allowed"]
    assert len(await desk.get("Access.GetPersons")) == 2


@pytest.mark.parametrize("number", ["", "12", "Ann", "+47 815 49 300 ext 1", 0, 12])
async def test_what_is_no_phone_number(holder: Holder, number: str | int) -> None:
    """A userId that is no phone number is refused by its name, whichever method it is for."""
    desk = holder.desk
    await holder.sharer()
    await desk.listen()
    at_lock = {"lockId": DOOR, "userId": number}
    for method, params, name in (
        ("SetRole", {"lockHolderId": holder.owner, **at_lock, "canShare": True}, "userId"),
        ("RemoveRole", {"lockHolderId": holder.owner, **at_lock}, "userId"),
        ("ShareKey", sharing(number), "userId"),
        ("ShareKey", sharing(ANN, number), "toUserId"),
        ("GetSharedKeys", at_lock, "userId"),
        ("RevokeSharedKeys", at_lock, "userId"),
        ("RevokeSharedKeys", {"lockId": DOOR, "userId": ANN, "toUserId": number}, "toUserId"),
    ):
        outcome, text = await desk.refused(f"LockRoles.{method}", **params)
        assert outcome == "InvalidUserId", method
        assert text is not None
        assert text.startswith(f"{name}: ")
    assert await desk.heard() == []


@pytest.mark.parametrize("number", [True, -4781549300, 4781549300.5, None, [ANN], {"userId": ANN}])
async def test_what_is_neither_a_text_nor_a_whole_number(holder: Holder, number: Any) -> None:
    """A userId of another type is refused as a param."""
    reason = await holder.desk.invalid(
        "LockRoles.SetRole", "userId", lockHolderId=holder.owner, lockId=DOOR, userId=number, canShare=True
    )
    assert reason == "Expected a phone number, as a text or a whole number"


async def test_created_keys_cannot_be_set(holder: Holder) -> None:
    """The count of keys is no param of any method, and whoever tries sets nothing."""
    desk = holder.desk
    await holder.sharer()
    about = {"lockHolderId": holder.owner, "lockId": DOOR, "userId": ANN, "canShare": True}
    for name in ("createdKeys", "created", "id"):
        await desk.invalid("LockRoles.SetRole", name, **about, **{name: 7})
    contract = await desk.client.call("JSONRPC.Introspect")
    taken = [param for method in contract["methods"].values() for param in method["params"]]
    assert [param for param in taken if "createdKeys" in param] == []
    assert contract["types"]["LockRole"]["r:createdKeys"] == "Uint"
    assert await holder.counted() == {ANN: 0}


async def test_unknown_holders_locks_and_roles(holder: Holder) -> None:
    """What is not there, or another holder's, has its error; nothing is made for it."""
    desk = holder.desk
    await desk.listen()
    nobodys = Holder(desk, NOWHERE)
    about: list[tuple[str, dict[str, Any]]] = [
        ("GetLockRoles", {}),
        ("SetRole", {"userId": ANN, "canShare": True}),
        ("RemoveRole", {"userId": ANN}),
    ]
    assert (await nobodys.refused("GetRoles"))[0] == "LockHolderNotFound"
    for method, params in about:
        assert (await nobodys.refused(method, lockId=DOOR, **params))[0] == "LockHolderNotFound"
        assert (await holder.refused(method, lockId=NOWHERE, **params))[0] == "LockNotFound"
    for method, params in (
        ("ShareKey", sharing(lock=NOWHERE)),
        ("GetSharedKeys", {"lockId": NOWHERE, "userId": ANN}),
        ("RevokeSharedKeys", {"lockId": NOWHERE, "userId": ANN}),
    ):
        assert await desk.error(f"LockRoles.{method}", **params) == "LockNotFound"
        params["lockId"] = DOOR
        assert await desk.error(f"LockRoles.{method}", **params) == "RoleNotFound"
    assert await holder.refused("RemoveRole", lockId=DOOR, userId=ANN) == ("RoleNotFound", "role not found")
    assert await desk.heard() == []
    assert await desk.get("Access.GetPersons") == []


async def test_a_number_of_several_persons(holder: Holder) -> None:
    """A number that several persons have names none of them."""
    desk = holder.desk
    await holder.sharer()
    for name in ("Bob", "Bert"):
        await desk.done("Access.AddPerson", firstName=name, phone=BOB)
    several = ("InvalidUserId", "userId: several persons have this number")
    assert await holder.refused("SetRole", lockId=DOOR, userId=BOB, canShare=True) == several
    refusal = await desk.refused("LockRoles.ShareKey", **sharing())
    assert refusal == ("InvalidUserId", "toUserId: several persons have this number")
    assert await holder.counted() == {ANN: 0}


async def test_pages_of_roles(holder: Holder) -> None:
    """A page has as many as are asked for, and goes on after the last id of the one before."""
    desk = holder.desk
    made = [await holder.role(f"+47815493{number}", share=number != 12) for number in range(10, 15)]
    sharing_ones = [role for role in made if role["canShare"]]
    pages: list[list[Any]] = [await holder.get("GetRoles", limit=3)]
    while pages[-1]:
        pages.append(await holder.get("GetRoles", limit=3, startAfterId=pages[-1][-1]["id"]))
    assert [len(page) for page in pages] == [3, 1, 0]
    assert {role["id"] for page in pages for role in page} == {role["id"] for role in sharing_ones}
    whole = await holder.get("GetLockRoles", lockId=DOOR)
    assert len(whole) == 5
    assert await holder.get("GetLockRoles", lockId=DOOR, limit=2) == whole[:2]
    after = f"{{{whole[1]['id'].upper()}}}"
    assert await holder.get("GetLockRoles", lockId=DOOR, startAfterId=after, limit=1000) == whole[2:]
    elsewhere = (await holder.role(ANN, GATE))["id"]
    unknown = ("InvalidParameter", "startAfterId: there is no such role in this list")
    assert await holder.refused("GetRoles", startAfterId=NOWHERE) == unknown
    assert await holder.refused("GetLockRoles", lockId=DOOR, startAfterId=elsewhere) == unknown
    for limit in (0, -1, 1001, 1.5, "3", None):
        await desk.invalid("LockRoles.GetRoles", "limit", lockHolderId=holder.owner, limit=limit)


# Keys


async def test_a_key_is_shared_told_and_counted(holder: Holder) -> None:
    """A key has what was asked for, is told once to who may know of the lock, and the role counts it."""
    desk = holder.desk
    ann = await holder.sharer()
    await desk.listen()
    end = moment(days=30)
    key = await desk.get(
        "LockRoles.ShareKey", **sharing(4781549300, 4781549301, end=end, recurrence=MONDAYS, name="Cleaning")
    )
    assert key == {
        "id": key["id"],
        "lockId": DOOR,
        "userId": BOB,
        "sharedBy": ann,
        "name": "Cleaning",
        "start": key["created"],
        "end": end,
        "recurrence": MONDAYS,
        "state": "pending",
        "created": key["created"],
    }
    (role,) = await holder.get("GetLockRoles", lockId=DOOR)
    assert role["createdKeys"] == 1
    told = {item.name: item.params for item in desk.news() if not item.name.startswith("SmartlockAuths.")}
    names = ["Access.GrantAdded", "Access.PersonAdded", "Access.SyncPending"]
    assert sorted(told) == [*names, "LockRoles.KeyAdded", "LockRoles.RoleChanged"]
    assert told["LockRoles.KeyAdded"] == {"key": key}
    assert told["LockRoles.RoleChanged"] == {"role": role}
    assert told["Access.GrantAdded"]["grant"]["schedule"] == {
        "weekly": [{"weekdays": ["mon"], "from": "08:00", "until": "12:30"}]
    }
    await desk.done("Access.SyncLock", lockId=DOOR)
    (changed,) = [item for item in await desk.heard() if item.name.startswith("LockRoles.")]
    assert (changed.name, changed.params) == ("LockRoles.KeyChanged", {"key": {**key, "state": "active"}})
    assert await desk.get("LockRoles.GetSharedKeys", lockId=DOOR, userId=ANN) == [{**key, "state": "active"}]
    plain = await desk.get("LockRoles.ShareKey", **sharing(to=CAROL))
    assert set(plain) == {"id", "lockId", "userId", "sharedBy", "start", "state", "created"}


async def test_a_key_lies_within_its_sharers(holder: Holder) -> None:
    """A key that would reach beyond its sharer's grant, or be none, is refused with the name of what is wrong."""
    desk = holder.desk
    began, later = moment(days=-1), moment(days=1)
    await holder.sharer(validFrom=began)
    await desk.listen()
    for key, name in (
        ({"start": moment(days=-2)}, "start"),
        ({"start": moment(days=-2), "end": later}, "start"),
        ({"end": began}, "end"),
        ({"start": later, "end": later}, "end"),
        ({"start": moment(days=2), "end": later}, "end"),
        ({"start": began, "end": moment(hours=-1)}, "end"),
        ({"recurrence": {}}, "recurrence"),
        ({"recurrence": {"mon": {**MONDAYS["mon"], "endHour": 25}}}, "recurrence.mon.endHour"),
    ):
        outcome, text = await desk.refused("LockRoles.ShareKey", **sharing(**key))
        assert outcome == "InvalidParameter", key
        assert text is not None
        assert text.startswith(f"{name}: "), text
    for wrong, param in (
        ({"start": "tomorrow"}, "start"),
        ({"end": 17}, "end"),
        ({"start": None}, "start"),
        ({"recurrence": {"monday": MONDAYS["mon"]}}, "recurrence.monday"),
        ({"recurrence": {"mon": {"startHour": 8}}}, "recurrence.mon.startMinute"),
        ({"remoteAllowed": True}, "remoteAllowed"),
    ):
        await desk.invalid("LockRoles.ShareKey", param, **sharing(**wrong))
    assert await desk.heard() == []
    assert await holder.counted() == {ANN: 0}
    assert len(await desk.get("Access.GetPersons")) == 1
    key = await desk.get("LockRoles.ShareKey", **sharing(start=began, end=later))
    assert (key["start"], key["end"]) == (began, later)


async def test_what_it_takes_to_share(holder: Holder) -> None:
    """Sharing needs a role that can share, and its person's own grant that holds for good."""
    desk = holder.desk
    ann = await desk.add("Access.AddPerson", phone=ANN)

    async def refused(**key: Any) -> str:
        return await desk.error("LockRoles.ShareKey", **sharing(**key))

    assert await refused() == "RoleNotFound"
    await holder.role(share=False)
    assert await refused() == "SharingNotAllowed"
    await holder.role()
    refusal = ("SharingNotAllowed", "who shares may not open the lock at present")
    assert await desk.refused("LockRoles.ShareKey", **sharing()) == refusal
    grant = await desk.add("Access.AddGrant", personId=ann, lockId=DOOR, validBefore=moment(days=1))
    assert await refused() == "KeyNotPermanent"
    weekly = {"weekly": [{"weekdays": ["mon"], "from": "08:00", "until": "17:00"}]}
    await desk.done("Access.UpdateGrant", grantId=grant, validBefore=None, schedule=weekly)
    assert await refused() == "KeyNotPermanent"
    await desk.done("Access.UpdateGrant", grantId=grant, schedule=None, validFrom=moment(days=1))
    assert await refused() == "SharingNotAllowed"
    await desk.done("Access.UpdateGrant", grantId=grant, validFrom=None, enabled=False)
    assert await refused() == "SharingNotAllowed"
    await desk.done("Access.UpdateGrant", grantId=grant, enabled=True)
    assert await refused(to=4781549300) == "InvalidUserId"
    await desk.done("Access.UpdatePerson", personId=ann, enabled=False)
    assert await refused() == "SharingNotAllowed"
    await desk.done("Access.UpdatePerson", personId=ann, enabled=True)
    await desk.done("LockRoles.ShareKey", **sharing())
    await desk.done("Access.RevokeGrant", grantId=grant)
    assert await refused() == "SharingNotAllowed"
    assert await holder.counted() == {ANN: 1}


async def test_shared_keys_are_revoked(holder: Holder) -> None:
    """Keys are revoked all at once, by receiver, or by their ids, all of these or none; each is told once."""
    desk = holder.desk
    await holder.sharer()
    first, second, third = [await desk.get("LockRoles.ShareKey", **sharing(to=to)) for to in (BOB, BOB, CAROL)]
    shared = {"lockId": DOOR, "userId": 4781549300}
    await desk.listen()
    missing = await desk.refused("LockRoles.RevokeSharedKeys", **shared, ids=[first["id"], NOWHERE])
    assert missing == ("KeyNotFound", f"ids: {NOWHERE} is none of the keys that were shared so")
    wrong = {"toUserId": CAROL, "ids": [first["id"]]}
    assert await desk.error("LockRoles.RevokeSharedKeys", **shared, **wrong) == "KeyNotFound"
    assert await desk.heard() == []
    (revoked,) = await desk.get("LockRoles.RevokeSharedKeys", **shared, ids=[f"{{{first['id'].upper()}}}"])
    assert revoked == {**first, "state": "revoking"}
    (told,) = [item for item in desk.news() if item.name.startswith("LockRoles.")]
    assert (told.name, told.params) == ("LockRoles.KeyChanged", {"key": revoked})
    (revoked,) = await desk.get("LockRoles.RevokeSharedKeys", **shared, toUserId="47 815 49 301")
    assert revoked["id"] == second["id"]
    assert [key["id"] for key in await desk.get("LockRoles.RevokeSharedKeys", **shared)] == [third["id"]]
    assert (await desk.names())["LockRoles.KeyChanged"] == 2
    assert await desk.get("LockRoles.RevokeSharedKeys", **shared) == []
    assert [key["id"] for key in await desk.get("LockRoles.RevokeSharedKeys", **shared, ids=[first["id"]])] == [
        first["id"]
    ]
    assert await desk.heard() == []
    await desk.done("Access.SyncLock", lockId=DOOR)
    states = [key["state"] for key in await desk.get("LockRoles.GetSharedKeys", **shared)]
    assert states == ["revoked"] * 3
    assert await holder.counted() == {ANN: 3}


async def test_what_was_shared_outlives_the_right(holder: Holder) -> None:
    """Taking the right or the role away stops sharing and leaves keys and their count; they can still be revoked."""
    desk = holder.desk
    await holder.sharer()
    key = await desk.get("LockRoles.ShareKey", **sharing())
    shared = {"lockId": DOOR, "userId": ANN}
    taken = await holder.role(share=False)
    assert (taken["canShare"], taken["createdKeys"]) == (False, 1)
    assert await desk.error("LockRoles.ShareKey", **sharing()) == "SharingNotAllowed"
    assert await holder.get("GetRoles") == []
    assert await desk.get("LockRoles.GetSharedKeys", **shared) == [key]
    await desk.listen()
    assert await desk.done("LockRoles.RemoveRole", lockHolderId=holder.owner, **shared) == {}
    (told,) = await desk.heard()
    assert (told.name, told.params) == ("LockRoles.RoleRemoved", {"id": taken["id"], **shared})
    assert await holder.get("GetLockRoles", lockId=DOOR) == []
    assert await desk.error("LockRoles.ShareKey", **sharing()) == "RoleNotFound"
    assert await desk.get("LockRoles.GetSharedKeys", **shared) == [key]
    assert (await desk.get("Access.GetGrants", lockId=DOOR))[0]["state"] == "pending"
    anew = await holder.role()
    assert (anew["createdKeys"], anew["id"] != taken["id"]) == (1, True)
    (revoked,) = await desk.get("LockRoles.RevokeSharedKeys", **shared)
    assert revoked["state"] == "revoking"


async def test_another_number_is_told_once_each(holder: Holder) -> None:
    """With a person's number their roles and the keys for them change; whoever has a role keeps a number."""
    desk = holder.desk
    ann = await holder.sharer()
    await holder.role(ANN, GATE)
    key = await desk.get("LockRoles.ShareKey", **sharing())
    (bob,) = [each["id"] for each in await desk.get("Access.GetPersons") if each["phone"] == BOB]
    await desk.listen()
    await desk.done("Access.UpdatePerson", personId=ann, phone=NOBODY)
    assert await desk.names() == {"Access.PersonChanged": 1, "LockRoles.RoleChanged": 2}
    assert {role["userId"] for role in await holder.get("GetRoles")} == {NOBODY}
    await desk.done("Access.UpdatePerson", personId=bob, phone=CAROL)
    (told,) = [item for item in await desk.heard() if item.name.startswith("LockRoles.")]
    assert (told.name, told.params) == ("LockRoles.KeyChanged", {"key": {**key, "userId": CAROL}})
    refusal = await desk.refused("Access.UpdatePerson", personId=ann, phone="")
    text = "phone: the person has sharing roles, which are known by it; remove these first"
    assert refusal == ("InvalidParameter", text)
    await desk.done("Access.UpdatePerson", personId=bob, phone="")
    (key,) = await desk.get("LockRoles.GetSharedKeys", lockId=DOOR, userId=NOBODY)
    assert key["userId"] == ""


async def test_a_lock_takes_its_roles_and_keys_along(holder: Holder) -> None:
    """With a lock its roles, keys, memberships and authorizations go, each told once; others stay."""
    desk = holder.desk
    await holder.sharer()
    kept = await holder.role(ANN, GATE)
    key = await desk.get("LockRoles.ShareKey", **sharing())
    (role,) = await holder.get("GetLockRoles", lockId=DOOR)
    about = {"ownerAccountId": holder.owner}
    group = await desk.add("LockGroups.CreateLockGroup", **about, title="Doors")
    await desk.done("LockGroups.AddMembership", **about, lockGroupId=group, boundLockId=DOOR)
    await desk.listen()
    await desk.done("Access.RemoveLock", lockId=DOOR)
    told = [item for item in await desk.heard() if not item.name.startswith("SmartlockAuths.")]
    assert sorted(item.name for item in told) == [
        *("Access.GrantRemoved", "Access.GrantRemoved", "Access.LockRemoved", "LockGroups.MembershipChanged"),
        *("LockRoles.KeyRemoved", "LockRoles.RoleRemoved"),
    ]
    gone = {item.name: item.params for item in told}
    assert gone["LockRoles.KeyRemoved"] == {"id": key["id"], "lockId": DOOR, "userId": BOB}
    assert gone["LockRoles.RoleRemoved"] == {"id": role["id"], "lockId": DOOR, "userId": ANN}
    assert await holder.get("GetRoles") == [kept]
    assert await desk.error("LockRoles.GetSharedKeys", lockId=DOOR, userId=ANN) == "LockNotFound"


async def test_a_person_takes_their_roles_and_keys_along(holder: Holder) -> None:
    """With a person their roles and the keys for them go, each told once; what they shared stays."""
    desk = holder.desk
    ann = await holder.sharer()
    key = await desk.get("LockRoles.ShareKey", **sharing())
    await holder.role(BOB, GATE)
    await desk.listen()
    await desk.done("Access.RemovePerson", personId=ann)
    assert {name: n for name, n in (await desk.names()).items() if name.startswith("LockRoles.")} == {
        "LockRoles.RoleRemoved": 1
    }
    grants = {grant["id"]: grant["personId"] for grant in await desk.get("Access.GetGrants")}
    assert list(grants) == [key["id"]]
    await desk.done("Access.RemovePerson", personId=grants[key["id"]])
    assert {name: n for name, n in (await desk.names()).items() if name.startswith("LockRoles.")} == {
        "LockRoles.RoleRemoved": 1,
        "LockRoles.KeyRemoved": 1,
    }
    assert await holder.get("GetRoles") == []


async def test_who_hears_of_roles_and_keys(
    home: Server, holder: Holder, transport: Transport, dialect: Dialect
) -> None:
    """Who may control a lock sees its roles and hears of them and of its keys, and of no other lock's."""
    desk = holder.desk
    visitor = await guest(home, "visitor", GATE, transport=transport, dialect=dialect)
    await holder.sharer()
    await visitor.listen()
    await desk.done("LockRoles.ShareKey", **sharing())
    assert await visitor.heard() == []
    theirs = await holder.role(ANN, GATE)
    (told,) = await visitor.heard()
    assert (told.name, told.params) == ("LockRoles.RoleAdded", {"role": theirs})
    assert await visitor.get("LockRoles.GetRoles", lockHolderId=holder.owner) == [theirs]
    about = {"lockHolderId": holder.owner}
    assert await visitor.get("LockRoles.GetLockRoles", **about, lockId=GATE) == [theirs]
    for unseen in (DOOR, NOWHERE):
        assert await visitor.error("LockRoles.GetLockRoles", **about, lockId=unseen) == "PermissionDenied"
    role = {"lockId": GATE, "userId": ANN}
    await desk.done("LockRoles.RemoveRole", **about, **role)
    (told,) = await visitor.heard()
    assert (told.name, told.params) == ("LockRoles.RoleRemoved", {"id": theirs["id"], **role})


async def test_a_restart_keeps_all_of_it(tmp_path: Path, transport: Transport, dialect: Dialect) -> None:
    """After a restart roles, counts and keys are as they were, and what was shared can be revoked."""
    scheme = {"tcp": "nymea", "ws": "ws"}[transport]
    listener = {"url": f"{scheme}://127.0.0.1:0", "authentication": False}
    settings = Settings(data_dir=tmp_path / "data", listeners=[listener], argon2=CHEAP_ARGON2)

    @asynccontextmanager
    async def up() -> AsyncIterator[Desk]:
        async with (
            running(settings) as server,
            await Client.connect(str(server.endpoints[0]), dialect=dialect) as client,
        ):
            await client.hello()
            yield Desk(client)

    shared = {"lockId": DOOR, "userId": ANN}
    async with up() as desk:
        holder = await Holder.of(desk)
        await holder.sharer()
        terms = sharing(end=moment(days=1), recurrence=MONDAYS, name="Cleaning")
        key = await desk.get("LockRoles.ShareKey", **terms)
        roles = await holder.get("GetRoles")
        assert [role["createdKeys"] for role in roles] == [1]
    async with up() as desk:
        assert await Holder(desk, holder.owner).get("GetRoles") == roles
        assert await desk.get("LockRoles.GetSharedKeys", **shared) == [key]
        assert await desk.get("LockRoles.RevokeSharedKeys", **shared) == [{**key, "state": "revoking"}]
