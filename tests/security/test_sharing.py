"""A guest who may share one door wants to share more: as somebody else, for longer, elsewhere, or when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from conftest import Dialect, Server, Transport
from doors import NOWHERE, Desk, administrator, guest
from house import House, Phone, a_home

from nymead_users.client import CallError, PermissionDenied

DOOR = "0a1b2c3d-0000-4000-8000-00000000000a"
GATE = "0a1b2c3d-0000-4000-8000-00000000000b"
ANN, BOB, CAROL, NOBODY = "+4781549300", "+4781549301", "+4781549302", "+4781549399"

NOT_THEIRS = {
    "error": "LockRoleErrorPermissionDenied",
    "errorMessage": "userId: only administrators and the user who is this person may share, and revoke, for them",
}
NOT_SEEN = {
    "error": "LockRoleErrorPermissionDenied",
    "errorMessage": "lockId: is not among the things of the caller",
}


class Household:
    """Ann and Bob, who may share the door; Ann may share the gate, too, but her user does not see it."""

    def __init__(self, admin: Desk, ann: Desk) -> None:
        self.admin = admin
        self.ann = ann
        self.persons: dict[str, str] = {}
        self.grants: dict[tuple[str, str], str] = {}

    @classmethod
    async def of(cls, home: Server, dialect: Dialect, transport: Transport = "tcp") -> Household:
        """A new household, whose user is "ann"."""
        admin = await administrator(home, transport, dialect)
        made = cls(admin, await guest(home, "ann", DOOR, transport=transport, dialect=dialect))
        for lock_id in (DOOR, GATE):
            await admin.done("Access.AddLock", title="Door", lockId=lock_id)
        made.persons[ANN] = await admin.add("Access.AddPerson", firstName="Ann", phone=ANN, username="ann")
        made.persons[BOB] = await admin.add("Access.AddPerson", firstName="Bob", phone=BOB)
        for phone, lock_id in ((ANN, DOOR), (ANN, GATE), (BOB, DOOR)):
            grant = await admin.add("Access.AddGrant", personId=made.persons[phone], lockId=lock_id)
            made.grants[phone, lock_id] = grant
            await made.role(phone, lock_id)
        return made

    async def role(self, phone: str, lock_id: str = DOOR, *, share: bool = True) -> None:
        about = {"lockHolderId": await self.admin.owner(), "lockId": lock_id, "userId": phone}
        await self.admin.done("LockRoles.SetRole", **about, canShare=share)

    async def everything(self) -> list[Any]:
        """Whatever sharing could have changed."""
        holder = {"lockHolderId": await self.admin.owner()}
        found = [await self.admin.get(f"Access.Get{things}") for things in ("Persons", "Grants")]
        return [*found, *[await self.admin.get("LockRoles.GetLockRoles", **holder, lockId=at) for at in (DOOR, GATE)]]


def sharing(user_id: str = ANN, to: str = CAROL, lock: str = DOOR, **key: Any) -> dict[str, Any]:
    """Params of ShareKey."""
    return {"lockId": lock, "userId": user_id, "toUserId": to, **key}


async def test_a_guest_shares_as_themselves_alone(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Under another's role, or one that there is not, nothing is shared, shown or revoked; the answers are the same."""
    house = await Household.of(home, dialect, transport)
    bobs = await house.admin.get("LockRoles.ShareKey", **sharing(BOB))
    before = await house.everything()
    for user_id in (BOB, CAROL, NOBODY):
        for spelling in (user_id, int(user_id), user_id.removeprefix("+")):
            shared = {"lockId": DOOR, "userId": spelling}
            assert await house.ann.ask("LockRoles.ShareKey", **shared, toUserId=ANN) == NOT_THEIRS
            assert await house.ann.ask("LockRoles.GetSharedKeys", **shared) == NOT_THEIRS
            assert await house.ann.ask("LockRoles.RevokeSharedKeys", **shared) == NOT_THEIRS
            assert await house.ann.ask("LockRoles.RevokeSharedKeys", **shared, ids=[bobs["id"]]) == NOT_THEIRS
    # Nor is another's key revoked as one's own.
    mine = {"lockId": DOOR, "userId": ANN}
    assert await house.ann.error("LockRoles.RevokeSharedKeys", **mine, ids=[bobs["id"]]) == "KeyNotFound"
    assert await house.ann.get("LockRoles.GetSharedKeys", **mine) == []
    assert await house.everything() == before
    key = await house.ann.get("LockRoles.ShareKey", **sharing())
    assert key["sharedBy"] == house.persons[ANN]
    grants = await house.admin.get("Access.GetGrants", lockId=DOOR)
    assert {grant["id"]: grant["issuer"] for grant in grants}[key["id"]] == "ann"


async def test_a_guest_shares_where_they_see_alone(home: Server, dialect: Dialect) -> None:
    """At a lock that is not among their things a guest shares nothing, be there such a lock and role or not."""
    house = await Household.of(home, dialect)
    key = await house.admin.get("LockRoles.ShareKey", **sharing(lock=GATE))
    before = await house.everything()
    for lock_id in (GATE, NOWHERE):
        shared = {"lockId": lock_id, "userId": ANN}
        assert await house.ann.ask("LockRoles.ShareKey", **shared, toUserId=CAROL) == NOT_SEEN
        assert await house.ann.ask("LockRoles.GetSharedKeys", **shared) == NOT_SEEN
        assert await house.ann.ask("LockRoles.RevokeSharedKeys", **shared, ids=[key["id"]]) == NOT_SEEN
    assert await house.everything() == before


async def test_who_may_access_all_things_shares_as_themselves_alone(home: Server, dialect: Dialect) -> None:
    """Seeing every lock gives nobody another's role."""
    house = await Household.of(home, dialect)
    await home.add_user("resident", "ControlThings", "AccessAllThings")
    resident = Desk(await home.login("resident", "tcp", dialect))
    for user_id in (ANN, BOB, NOBODY):
        assert await resident.ask("LockRoles.ShareKey", **sharing(user_id)) == NOT_THEIRS
    await house.admin.done("Access.UpdatePerson", personId=house.persons[BOB], username="resident")
    await resident.done("LockRoles.ShareKey", **sharing(BOB))
    assert await resident.ask("LockRoles.ShareKey", **sharing(ANN)) == NOT_THEIRS


async def test_without_the_permission_nothing_is_shared(home: Server, dialect: Dialect) -> None:
    """Who may not control things is refused as for any call, whatever their person's role says."""
    house = await Household.of(home, dialect)
    await home.add_user("bob", allowedThingIds=[DOOR])
    await house.admin.done("Access.UpdatePerson", personId=house.persons[BOB], username="bob")
    bob = Desk(await home.login("bob", "tcp", dialect))
    for method, params in (
        ("ShareKey", sharing(BOB)),
        ("GetSharedKeys", {"lockId": DOOR, "userId": BOB}),
        ("RevokeSharedKeys", {"lockId": DOOR, "userId": BOB}),
        ("GetRoles", {"lockHolderId": await house.admin.owner()}),
    ):
        with pytest.raises(PermissionDenied):
            await bob.ask(f"LockRoles.{method}", **params)


async def test_a_guest_gives_themselves_no_right(home: Server, dialect: Dialect) -> None:
    """Roles are made and removed by administrators alone, and no param of sharing makes a key more than it may be."""
    house = await Household.of(home, dialect)
    await house.role(ANN, share=False)
    await house.admin.done("Access.UpdateGrant", grantId=house.grants[ANN, DOOR], remoteAllowed=False)
    before = await house.everything()
    about = {"lockHolderId": await house.admin.owner(), "lockId": DOOR, "userId": ANN}
    for method, params in (("SetRole", {**about, "canShare": True}), ("RemoveRole", about)):
        with pytest.raises(PermissionDenied):
            await house.ann.ask(f"LockRoles.{method}", **params)
    for more in (
        {"canShare": True},
        {"remoteAllowed": True},
        {"sharedBy": ANN},
        {"issuer": "admin"},
        {"enabled": True},
    ):
        with pytest.raises(CallError):
            await house.ann.ask("LockRoles.ShareKey", **sharing(), **more)
    assert await house.ann.error("LockRoles.ShareKey", **sharing()) == "SharingNotAllowed"
    assert await house.everything() == before
    # What only opens at the door is shared as no more than that.
    await house.role(ANN)
    key = await house.ann.get("LockRoles.ShareKey", **sharing())
    shown = {grant["id"]: grant for grant in await house.admin.get("Access.GetGrants", lockId=DOOR)}
    assert shown[key["id"]]["remoteAllowed"] is False
    attempt = {"lockId": DOOR, "personId": shown[key["id"]]["personId"]}
    assert (await house.admin.get("Access.Evaluate", **attempt))["allowed"] is True
    decision = await house.admin.get("Access.Evaluate", **attempt, remote=True)
    assert (decision["allowed"], decision["reason"]) == (False, "remoteNotAllowed")


async def test_a_chain_is_no_stronger_than_its_links(home: Server, dialect: Dialect) -> None:
    """Who got a key shares it on with a role of their own, for as long as theirs holds, and never one with an end."""
    house = await Household.of(home, dialect)
    end = "2099-01-01T00:00:00Z"
    await house.ann.done("LockRoles.ShareKey", **sharing(end=end))
    (carol,) = [each["id"] for each in await house.admin.get("Access.GetPersons") if each["phone"] == CAROL]
    carols = await guest(home, "carol", DOOR, dialect=dialect)
    await house.admin.done("Access.UpdatePerson", personId=carol, username="carol")
    on = sharing(CAROL, NOBODY)
    assert await carols.error("LockRoles.ShareKey", **on) == "RoleNotFound"
    await house.role(CAROL)
    for key in ({}, {"end": "2098-01-01T00:00:00Z"}, {"end": "2100-01-01T00:00:00Z"}):
        assert await carols.error("LockRoles.ShareKey", **on, **key) == "KeyNotPermanent"
    begin = "2098-01-01T00:00:00Z"
    await house.ann.done("LockRoles.ShareKey", **sharing(start=begin))
    assert await carols.error("LockRoles.ShareKey", **on, start="2098-06-01T00:00:00Z") == "KeyNotPermanent"
    lasting = await house.ann.get("LockRoles.ShareKey", **sharing())
    assert await carols.error("LockRoles.ShareKey", **on, start="2020-01-01T00:00:00Z") == "InvalidParameter"
    theirs = await carols.get("LockRoles.ShareKey", **on)
    # Ann revokes what she shared, and nothing that others did.
    mine = {"lockId": DOOR, "userId": ANN}
    assert await house.ann.error("LockRoles.RevokeSharedKeys", **mine, ids=[theirs["id"]]) == "KeyNotFound"
    await house.ann.done("LockRoles.RevokeSharedKeys", **mine, ids=[lasting["id"]])
    assert await carols.error("LockRoles.ShareKey", **on) == "KeyNotPermanent"
    (still,) = await carols.get("LockRoles.GetSharedKeys", lockId=DOOR, userId=CAROL)
    assert (still["id"], still["state"]) == (theirs["id"], "pending")


async def test_a_number_at_another_holder_is_another_person(home: Server, dialect: Dialect) -> None:
    """Whoever is the person of a number at one lock holder is nobody at another, even if both have that number."""
    house = await Household.of(home, dialect)
    works = await house.admin.add("Access.AddOwner", title="Works")
    shed = await house.admin.add("Access.AddLock", title="Shed", ownerId=works)
    other = await house.admin.add("Access.AddPerson", ownerId=works, phone=ANN)
    await house.admin.done("Access.AddGrant", personId=other, lockId=shed)
    await house.admin.done("LockRoles.SetRole", lockHolderId=works, lockId=shed, userId=ANN, canShare=True)
    things = {"username": "ann", "scopes": ["PermissionScopeControlThings"], "allowedThingIds": [DOOR, shed]}
    assert await house.admin.ask("Users.SetUserScopes", **things) == {"error": "UserErrorNoError"}
    assert await house.ann.ask("LockRoles.ShareKey", **sharing(lock=shed)) == NOT_THEIRS
    await house.ann.done("LockRoles.ShareKey", **sharing())


async def test_a_namesake_has_no_role(home: Server, dialect: Dialect) -> None:
    """Who gets the name of a user that was removed does not get their person's role."""
    house = await Household.of(home, dialect)
    assert await house.admin.ask("Users.RemoveUser", username="ann") == {"error": "UserErrorNoError"}
    namesake = await guest(home, "ann", DOOR, dialect=dialect)
    assert await namesake.ask("LockRoles.ShareKey", **sharing()) == NOT_THEIRS


# What is taken away while a call waits


async def made(operator: Phone, method: str, **params: Any) -> str:
    """Call a method that makes something; its id."""
    result = await operator.call(method, params)
    assert result.pop("error").endswith("NoError"), result
    (thing,) = result.values()
    return str(thing["id"])


class Taken:
    """Ann, who may share the door, and what can be taken from her."""

    def __init__(self, house: House, operator: Phone) -> None:
        self.house = house
        self.operator = operator
        self.role: dict[str, Any] = {"lockId": DOOR, "userId": ANN}

    async def begin(self) -> None:
        (owner,) = (await self.operator.call("Access.GetOwners"))["owners"]
        self.holder = {"lockHolderId": owner["id"]}
        await self.house.add("ann", "ControlThings")
        assert await self.scopes("PermissionScopeControlThings") == {"error": "UserErrorNoError"}
        await made(self.operator, "Access.AddLock", title="Door", lockId=DOOR)
        self.ann = await made(self.operator, "Access.AddPerson", phone=ANN, username="ann")
        self.grant = await made(self.operator, "Access.AddGrant", personId=self.ann, lockId=DOOR)
        await made(self.operator, "LockRoles.SetRole", **self.holder, **self.role, canShare=True)

    async def scopes(self, *scopes: str, things: tuple[str, ...] = (DOOR,)) -> dict[str, Any]:
        params = {"username": "ann", "scopes": list(scopes), "allowedThingIds": list(things)}
        return await self.operator.call("Users.SetUserScopes", params)

    async def right(self) -> dict[str, Any]:
        return await self.operator.call("LockRoles.SetRole", {**self.holder, **self.role, "canShare": False})

    async def whole_role(self) -> dict[str, Any]:
        return await self.operator.call("LockRoles.RemoveRole", {**self.holder, **self.role})

    async def own_grant(self) -> dict[str, Any]:
        return await self.operator.call("Access.RevokeGrant", {"grantId": self.grant})

    async def person(self) -> dict[str, Any]:
        return await self.operator.call("Access.UpdatePerson", {"personId": self.ann, "username": None})

    async def number(self) -> dict[str, Any]:
        return await self.operator.call("Access.UpdatePerson", {"personId": self.ann, "phone": NOBODY})

    async def permission(self) -> dict[str, Any]:
        return await self.scopes()

    async def sight(self) -> dict[str, Any]:
        return await self.scopes("PermissionScopeControlThings", things=(GATE,))

    async def user(self) -> dict[str, Any]:
        return await self.operator.call("Users.RemoveUser", {"username": "ann"})


TAKEN: list[tuple[Callable[[Taken], Coroutine[Any, Any, dict[str, Any]]], str]] = [
    (Taken.right, "LockRoleErrorSharingNotAllowed"),
    (Taken.whole_role, "LockRoleErrorRoleNotFound"),
    (Taken.own_grant, "LockRoleErrorSharingNotAllowed"),
    (Taken.person, "LockRoleErrorPermissionDenied"),
    (Taken.number, "LockRoleErrorPermissionDenied"),
    (Taken.permission, "Permission denied."),
    (Taken.sight, "LockRoleErrorPermissionDenied"),
    (Taken.user, "Forbidden: Invalid token."),
]


@pytest.mark.parametrize(("take", "refusal"), TAKEN, ids=[take.__name__ for take, _ in TAKEN])
async def test_what_waits_is_shared_by_what_holds_then(
    tmp_path: Path, dialect: Dialect, take: Callable[[Taken], Coroutine[Any, Any, dict[str, Any]]], refusal: str
) -> None:
    """A key whose turn to be stored comes after its sharer has lost what it takes is not shared, and nobody is made."""
    async with a_home(tmp_path) as house:
        taken = Taken(house, house.operator())
        await taken.begin()
        ann = await house.login("ann", dialect)
        reader = house.operator()
        async with house.database.write():
            taking = asyncio.create_task(take(taken))
            await reader.call("Access.GetPersons")  # by then the other has taken its place
            waiting = asyncio.create_task(ann.ask("LockRoles.ShareKey", sharing()))
            before = await reader.call("Access.GetPersons")
        assert (await taking)["error"].endswith("NoError")
        assert refusal in str(await waiting)
        (person,) = (await reader.call("Access.GetPersons"))["persons"]
        assert len(before["persons"]) == 1
        assert person["id"] == taken.ann
        (grant,) = (await reader.call("Access.GetGrants"))["grants"]
        assert grant["id"] == taken.grant
        roles = (await reader.call("LockRoles.GetLockRoles", {**taken.holder, "lockId": DOOR}))["roles"]
        assert all(role["createdKeys"] == 0 for role in roles)


async def test_what_waits_is_shared_where_nothing_was_taken(tmp_path: Path, dialect: Dialect) -> None:
    """A key that waits for its turn is shared if all it takes is still there then."""
    async with a_home(tmp_path) as house:
        taken = Taken(house, house.operator())
        await taken.begin()
        ann = await house.login("ann", dialect)
        async with house.database.write():
            waiting = asyncio.create_task(ann.call("LockRoles.ShareKey", sharing()))
            await taken.operator.call("Access.GetPersons")
        assert (await waiting)["error"] == "LockRoleErrorNoError"
