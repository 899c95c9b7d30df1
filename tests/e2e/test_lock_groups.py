"""The LockGroups namespace: groups, which locks are in them and since when, and their grants."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from conftest import PASSWORD, Dialect, Server, StartServer, Transport
from doors import NOWHERE, OFFICE_HOURS, Desk, administrator, guest, premises

THING = "0a1b2c3d-0000-4000-8000-00000000000a"


@pytest.fixture
async def desk(home: Server, transport: Transport, dialect: Dialect) -> Desk:
    """An administrator, over each transport and in each dialect."""
    return await administrator(home, transport, dialect)


class Groups:
    """Calls about the groups of one owner."""

    def __init__(self, desk: Desk, owner: str) -> None:
        self.desk = desk
        self.owner = owner

    async def get(self, method: str, /, **params: Any) -> Any:
        """Call a method that must succeed and returns one thing."""
        return await self.desk.get(f"LockGroups.{method}", ownerAccountId=self.owner, **params)

    async def done(self, method: str, /, **params: Any) -> None:
        """Call a method that must succeed and returns nothing."""
        assert await self.desk.done(f"LockGroups.{method}", ownerAccountId=self.owner, **params) == {}

    async def refused(self, method: str, /, **params: Any) -> tuple[str, str | None]:
        """Call a method that must not succeed; its outcome and its text."""
        return await self.desk.refused(f"LockGroups.{method}", ownerAccountId=self.owner, **params)

    async def create(self, title: str = "Office Building", **params: Any) -> str:
        """Make a group; its id."""
        return str((await self.get("CreateLockGroup", title=title, **params))["id"])

    async def join(self, group: str, lock: str) -> str:
        """Add a lock to a group; the membership's id."""
        return str((await self.get("AddMembership", lockGroupId=group, boundLockId=lock))["id"])

    async def titles(self, **params: Any) -> list[str]:
        """The titles of the groups that a query finds."""
        return [group["title"] for group in await self.get("GetLockGroups", **params)]


@pytest.fixture
async def groups(desk: Desk) -> Groups:
    """The groups of the one owner."""
    return Groups(desk, await desk.owner())


# Groups


async def test_a_group_is_made_changed_and_told(groups: Groups) -> None:
    """A group has what the seed says of one, by itself and in the list; what is not given stays as it is."""
    made = await groups.get("CreateLockGroup", title="Office Building", description="A description")
    assert made == {
        "active": True,
        "rclSerialNo": 1,
        "rclDate": None,
        "targetType": "Group",
        "id": made["id"],
        "physicalLockId": made["physicalLockId"],
        "title": "Office Building",
        "description": "A description",
    }
    assert len(b64decode(made["physicalLockId"], validate=True)) == 14
    braced = f"{{{made['id'].upper()}}}"
    assert await groups.get("GetLockGroup", id=braced) == made
    assert await groups.get("GetLockGroups") == [made]
    changed = await groups.get("UpdateLockGroup", id=braced, title="Office Building B")
    assert changed == {**made, "title": "Office Building B"}
    changed = await groups.get("UpdateLockGroup", id=made["id"], description="")
    assert changed == {**made, "title": "Office Building B", "description": ""}
    assert await groups.get("UpdateLockGroup", id=made["id"]) == changed
    assert await Groups(groups.desk, f"{{{groups.owner.upper()}}}").get("GetLockGroups") == [changed]
    plain = await groups.get("CreateLockGroup", title="x")
    assert plain["description"] == ""
    assert plain["physicalLockId"] != made["physicalLockId"]


async def test_a_group_must_have_a_title(groups: Groups) -> None:
    """Without a title, or with a blank one, no group is made or changed; the title is looked at before the owner."""
    missing = ("TitleMissing", "lock group must have a title")
    assert await groups.refused("CreateLockGroup") == missing
    group = await groups.create()
    for title in ("", " "):
        assert await groups.refused("CreateLockGroup", title=title) == missing
        assert await groups.refused("UpdateLockGroup", id=group, title=title) == missing
    assert await groups.titles() == ["Office Building"]


async def test_unknown_owners_groups_locks_and_memberships(groups: Groups) -> None:
    """What is not there, or is another owner's, is answered with the vendor's text."""
    desk = groups.desk
    group = await groups.create()
    lock = await desk.add("Access.AddLock", title="Door")
    member = await groups.join(group, lock)
    other = Groups(desk, await desk.add("Access.AddOwner", title="Works"))
    theirs = await other.create("Theirs")
    about: list[tuple[str, str, dict[str, Any]]] = [
        ("GetLockGroup", "id", {}),
        ("UpdateLockGroup", "id", {"title": "x"}),
        ("RemoveLockGroup", "id", {}),
        ("GetLockGroupGrants", "id", {}),
        ("GetMemberships", "lockGroupId", {}),
        ("AddMembership", "lockGroupId", {"boundLockId": lock}),
        ("RemoveMembership", "lockGroupId", {"id": member}),
    ]
    nobodys = Groups(desk, NOWHERE)
    no_owner = ("OwnerNotFound", "owner account not found")
    assert await nobodys.refused("GetLockGroups") == no_owner
    assert await nobodys.refused("CreateLockGroup", title="x") == no_owner
    for method, name, params in about:
        assert await nobodys.refused(method, **{name: group}, **params) == no_owner, method
        for unknown in (NOWHERE, theirs, lock):
            refusal = await groups.refused(method, **{name: unknown}, **params)
            assert refusal == ("LockGroupNotFound", "lock group not found"), method
    no_lock = ("LockNotFound", "bound lock not found")
    assert await groups.refused("AddMembership", lockGroupId=group, boundLockId=NOWHERE) == no_lock
    assert await other.refused("AddMembership", lockGroupId=theirs, boundLockId=lock) == no_lock
    no_member = ("MembershipNotFound", "lock group membership not found")
    second = await groups.create("Second")
    for wrong, where in ((NOWHERE, group), (lock, group), (member, second)):
        assert await groups.refused("RemoveMembership", lockGroupId=where, id=wrong) == no_member
    assert [item["id"] for item in await groups.get("GetMemberships", lockGroupId=group)] == [member]


async def test_a_group_with_locks_or_grants_is_kept_unless_forced(groups: Groups) -> None:
    """A group is removed without locks and grants; each may be forced to go, and locks hear of both."""
    desk = groups.desk
    place = await premises(desk)
    locks = ("LocksAssigned", "lock group has locks assigned")
    grants = ("ActiveGrants", "lock group has active grants")
    assert await groups.refused("RemoveLockGroup", id=place.group) == locks
    assert await groups.refused("RemoveLockGroup", id=place.group, forceRevokeGrants=True) == locks
    assert await groups.refused("RemoveLockGroup", id=place.group, forceUnjoinLocks=True) == grants
    no = {"forceRevokeGrants": False, "forceUnjoinLocks": False}
    assert await groups.refused("RemoveLockGroup", id=place.group, **no) == locks
    # None of that had an effect.
    assert await desk.get("Access.GetPendingSync", lockId=place.front) == []
    # A lock that is leaving is in the way until it has heard of it.
    await groups.done("RemoveMembership", lockGroupId=place.group, id=place.member)
    assert await groups.refused("RemoveLockGroup", id=place.group) == locks
    await desk.done("Access.SyncLock", lockId=place.front)
    assert await groups.refused("RemoveLockGroup", id=place.group) == grants
    await desk.done("Access.RevokeGrant", grantId=place.grant)
    await groups.done("RemoveLockGroup", id=place.group)
    assert await groups.titles() == ["Inside"]

    await desk.done("Access.AddGrant", personId=place.ann, lockGroupId=place.other_group)
    await desk.done("Access.SyncLock", lockId=place.back)
    await desk.listen()
    await groups.done("RemoveLockGroup", id=place.other_group, forceRevokeGrants=True, forceUnjoinLocks=True)
    assert sorted(item.name for item in desk.news()) == [
        "Access.GrantChanged",
        "Access.SyncPending",
        "LockGroups.LockGroupRemoved",
        "LockGroups.MembershipChanged",
    ]
    decision = await desk.get("Access.Evaluate", personId=place.ann, lockId=place.back)
    assert (decision["reason"], decision["desired"], decision["onLock"]) == ("revoked", False, True)
    items = await desk.get("Access.GetPendingSync", lockId=place.back)
    assert [(item["entity"], item["op"]) for item in items] == [("grant", "remove"), ("membership", "remove")]
    await desk.done("Access.SyncLock", lockId=place.back)
    decision = await desk.get("Access.Evaluate", personId=place.ann, lockId=place.back)
    assert (decision["desired"], decision["onLock"]) == (False, False)


async def test_a_removed_group_is_nowhere(groups: Groups) -> None:
    """A removed group is in no list and cannot be changed, joined, granted or removed again; by its id it is told."""
    desk = groups.desk
    place = await premises(desk)
    await groups.done("RemoveLockGroup", id=place.group, forceRevokeGrants=True, forceUnjoinLocks=True)
    gone = ("LockGroupNotFound", "lock group not found")
    assert await groups.titles() == ["Inside"]
    assert await groups.titles(filter="not active") == []
    for method, params in (
        ("UpdateLockGroup", {"id": place.group, "title": "x"}),
        ("RemoveLockGroup", {"id": place.group, "forceUnjoinLocks": True, "forceRevokeGrants": True}),
        ("AddMembership", {"lockGroupId": place.group, "boundLockId": place.back}),
        ("RemoveMembership", {"lockGroupId": place.group, "id": place.member}),
    ):
        assert await groups.refused(method, **params) == gone, method
    assert (await groups.get("GetLockGroup", id=place.group))["active"] is False
    assert [grant["state"] for grant in await groups.get("GetLockGroupGrants", id=place.group)] == ["Revoked"]
    (leaving,) = await groups.get("GetMemberships", lockGroupId=place.group)
    assert leaving["leaveStartDate"] is not None
    assert await desk.error("Access.AddGrant", personId=place.ann, lockGroupId=place.group) == "LockGroupNotFound"
    assert await desk.error("Access.GetGrants", lockGroupId=place.group) == "LockGroupNotFound"


# Memberships


async def test_who_cannot_join(start_server: StartServer, transport: Transport, dialect: Dialect) -> None:
    """A lock joins a group once at a time, knows groups by its protocol, and is in so many at once and no more."""
    server = await start_server(access={"groups_per_lock": 2})
    await server.set_up()
    desk = await administrator(server, transport, dialect)
    groups = Groups(desk, await desk.owner())
    first, second, third = [await groups.create(title) for title in ("A", "B", "C")]
    lock = await desk.add("Access.AddLock", title="Door")
    old = await desk.add("Access.AddLock", title="Old door", protocolVersion=0)
    assert await groups.refused("AddMembership", lockGroupId=first, boundLockId=old) == (
        "ProtocolVersionTooOld",
        "the lock's protocol version is too old",
    )
    member = await groups.join(first, lock)
    already = ("AlreadyMember", "lock is already member of this group")
    assert await groups.refused("AddMembership", lockGroupId=first, boundLockId=lock) == already
    await groups.join(second, lock)
    full = "this lock is already member of 2 groups and therefore cannot join another group"
    assert await groups.refused("AddMembership", lockGroupId=third, boundLockId=lock) == ("TooManyGroups", full)
    # It is a member until it has heard that it is not.
    await desk.done("Access.SyncLock", lockId=lock)
    await groups.done("RemoveMembership", lockGroupId=first, id=member)
    await groups.done("RemoveMembership", lockGroupId=first, id=member)
    assert await groups.refused("AddMembership", lockGroupId=first, boundLockId=lock) == already
    assert await groups.refused("AddMembership", lockGroupId=third, boundLockId=lock) == ("TooManyGroups", full)
    await desk.done("Access.SyncLock", lockId=lock)
    gone = ("MembershipNotFound", "lock group membership not found")
    assert await groups.refused("RemoveMembership", lockGroupId=first, id=member) == gone
    await groups.join(third, lock)
    again = await groups.refused("AddMembership", lockGroupId=first, boundLockId=lock)
    assert again == ("TooManyGroups", full)


async def test_what_can_be_expanded(groups: Groups) -> None:
    """Expanding adds features and statistics to groups, and lock and group to memberships; anything else is refused."""
    desk = groups.desk
    place = await premises(desk)
    (plain,) = await groups.get("GetLockGroups", filter=f"id eq {place.group}")
    features = {"supportedFeatures": {"timeRestrictionIcalSupport": "Supported"}}
    statistics = {"statistics": {"ByState": [{"State": "Joined", "Count": 1}]}}
    for expand, more in (
        ("", {}),
        ("supportedFeatures", features),
        ("statistics", statistics),
        ("statistics, supportedFeatures", {**features, **statistics}),
        ("statistics,statistics", statistics),
    ):
        assert await groups.get("GetLockGroup", id=place.group, expand=expand) == {**plain, **more}
        assert {**plain, **more} in await groups.get("GetLockGroups", expand=expand)
    (member,) = await groups.get("GetMemberships", lockGroupId=place.group)
    assert (member["boundLock"], member["lockGroup"]) == (None, None)
    (expanded,) = await groups.get("GetMemberships", lockGroupId=place.group, expand="boundLock,lockGroup")
    assert expanded["lockGroup"] == plain
    lock = expanded["boundLock"]
    assert lock == {
        "active": True,
        "rclSerialNo": 1,
        "rclDate": None,
        "targetType": "Lock",
        "id": place.front,
        "physicalLockId": lock["physicalLockId"],
        "title": "Front door",
        "description": "",
    }
    assert {**expanded, "boundLock": None, "lockGroup": None} == member
    for method, params, expand, text in (
        ("GetLockGroups", {}, "locks", '"locks"; it can be supportedFeatures, statistics'),
        ("GetLockGroup", {"id": place.group}, "statistics,", '""; it can be supportedFeatures, statistics'),
        ("GetMemberships", {"lockGroupId": place.group}, "Lock", '"Lock"; it can be boundLock, lockGroup'),
    ):
        refusal = await groups.refused(method, **params, expand=expand)
        assert refusal == ("InvalidParameter", f"expand: there is no {text}")


async def test_locks_that_were_removed_are_left_out_unless_asked_for(groups: Groups) -> None:
    """The membership of a lock that is gone has ended, and is shown where unbound locks are asked for."""
    place = await premises(groups.desk)
    await groups.desk.done("Access.RemoveLock", lockId=place.front)
    assert await groups.get("GetMemberships", lockGroupId=place.group) == []
    assert await groups.get("GetMemberships", lockGroupId=place.group, includeUnboundLocks=False) == []
    params = {"lockGroupId": place.group, "includeUnboundLocks": True, "expand": "boundLock"}
    (member,) = await groups.get("GetMemberships", **params)
    assert (member["id"], member["boundLock"]["active"]) == (place.member, False)
    assert member["leaveStartDate"] == member["leaveCompletedDate"] is not None
    group = await groups.get("GetLockGroup", id=place.group, expand="statistics")
    assert group["statistics"] == {"ByState": [{"State": "Unjoined", "Count": 1}]}


# Grants


async def test_a_groups_grants_are_told_as_the_vendor_does(home: Server, groups: Groups) -> None:
    """Each grant of a group is told with its contact, its card and the group; revoked ones stay in the list."""
    await home.add_user("ann")
    desk = groups.desk
    place = await premises(desk)
    details = {"firstName": "User", "lastName": "One", "email": "user1@example.org", "username": "ann"}
    await desk.done("Access.UpdatePerson", personId=place.ann, **details)
    by_card = await desk.add("Access.AddGrant", credentialId=place.code, lockGroupId=place.group)
    bounds = {"validFrom": "2026-01-01T00:00:00+01:00", "validBefore": "2027-01-01T00:00:00Z"}
    await desk.done("Access.UpdateGrant", grantId=place.grant, **bounds, schedule=OFFICE_HOURS)
    await desk.done("Access.RevokeGrant", grantId=by_card)
    group = await groups.get("GetLockGroup", id=place.group)
    assert group["rclSerialNo"] == 2
    common = {
        "boundCard": None,
        "boundLock": group,
        "owner": None,
        "boundLockId": place.group,
        "timeRestrictionIcal": None,
        "customPayload": None,
    }
    expected = [
        {
            **common,
            "contact": {
                "id": place.ann,
                "ownerId": groups.owner,
                "comment": None,
                "ipId": None,
                "ipUserId": None,
                "email": "user1@example.org",
                "ipUserName": "ann",
                "isActive": True,
                "title": "User One",
            },
            "id": place.grant,
            "contactId": place.ann,
            "validFrom": "2025-12-31T23:00:00.000Z",
            "validBefore": "2027-01-01T00:00:00.000Z",
            "state": "Ok",
            "active": True,
            "boundCardId": None,
        },
        {
            **common,
            "contact": None,
            "id": by_card,
            "contactId": None,
            "validFrom": None,
            "validBefore": None,
            "state": "Revoked",
            "active": False,
            "boundCardId": place.code,
        },
    ]
    shown = await groups.get("GetLockGroupGrants", id=place.group)
    assert shown == sorted(expected, key=lambda grant: str(grant["id"]))
    assert await groups.get("GetLockGroupGrants", id=place.group, filter="active") == expected[:1]
    assert await groups.get("GetLockGroupGrants", id=place.other_group) == []


async def test_a_grant_through_a_group_is_the_same_everywhere(groups: Groups) -> None:
    """Evaluate, GetWhoHasAccess, GetAccessOf and both lists of grants tell of a group's grant alike."""
    desk = groups.desk
    place = await premises(desk)
    for validity, allowed in (
        ({}, True),
        ({"validBefore": "2026-01-01T00:00:00Z"}, False),
        ({"validBefore": "2300-01-01T00:00:00Z"}, True),
    ):
        await desk.done("Access.UpdateGrant", grantId=place.grant, **validity)
        await desk.done("Access.SyncLock", lockId=place.front)
        decision = await desk.get("Access.Evaluate", personId=place.ann, lockId=place.front)
        assert decision["allowed"] is decision["onLock"] is allowed
        (holder,) = await desk.get("Access.GetWhoHasAccess", lockId=place.front)
        (reached,) = await desk.get("Access.GetAccessOf", personId=place.ann)
        assert (holder.pop("personId"), reached.pop("lockId")) == (place.ann, place.front)
        assert holder == reached == {name: value for name, value in decision.items() if name != "desired"}
        (grant,) = await groups.get("GetLockGroupGrants", id=place.group)
        (same,) = await desk.get("Access.GetGrants", lockId=place.front)
        assert [grant["id"]] == [same["id"]] == decision["grantIds"] == [place.grant]
        assert (grant["contactId"], same["personId"], same["state"]) == (place.ann, place.ann, "active")


async def test_what_is_granted_while_a_lock_leaves_is_not_held_when_it_has_left(groups: Groups) -> None:
    """A lock that hears in one go that it is out of a group and of the group's last grants holds none of them."""
    desk = groups.desk
    place = await premises(desk)
    await groups.done("RemoveMembership", lockGroupId=place.group, id=place.member)
    late = await desk.add("Access.AddGrant", personId=place.bob, lockGroupId=place.group)
    await desk.done("Access.UpdateGrant", grantId=place.grant, remoteAllowed=False)
    await desk.done("Access.SyncLock", lockId=place.front)
    for person in (place.ann, place.bob):
        decision = await desk.get("Access.Evaluate", personId=person, lockId=place.front)
        assert (decision["reason"], decision["desired"], decision["onLock"]) == ("notAuthorized", False, False)
    states = {grant["id"]: grant["state"] for grant in await desk.get("Access.GetGrants")}
    assert (states[place.grant], states[late]) == ("active", "active")


async def test_what_a_lock_has_not_heard_of_is_settled_when_it_has_left(groups: Groups) -> None:
    """Of a group's grants that a lock could not take nothing is due any more once it has heard that it is out."""
    desk = groups.desk
    place = await premises(desk)
    late = await desk.add("Access.AddGrant", personId=place.bob, lockGroupId=place.group)
    await groups.done("RemoveMembership", lockGroupId=place.group, id=place.member)
    stuck, leaving = await desk.get("Access.GetPendingSync", lockId=place.front)
    assert (stuck["entityId"], leaving["entityId"]) == (late, place.member)
    await desk.listen()
    items = [{"id": stuck["id"], "error": "memory full"}, {"id": leaving["id"]}]
    await desk.done("Access.ConfirmSync", lockId=place.front, items=items)
    assert sorted(item.name for item in desk.news()) == [
        "Access.GrantChanged",
        "Access.LockChanged",
        "LockGroups.MembershipChanged",
    ]
    assert await desk.get("Access.GetPendingSync", lockId=place.front) == []
    assert {grant["state"] for grant in await desk.get("Access.GetGrants")} == {"active"}
    # A bridge that confirms it after all does no harm.
    await desk.done("Access.ConfirmSync", lockId=place.front, items=[{"id": stuck["id"]}])
    decision = await desk.get("Access.Evaluate", personId=place.bob, lockId=place.front)
    assert (decision["reason"], decision["onLock"]) == ("notAuthorized", False)


async def test_a_revocation_that_a_removed_lock_has_not_heard_of_is_settled(groups: Groups) -> None:
    """With the last lock that has not heard of a revocation gone, the grant is revoked, and that is told."""
    desk = groups.desk
    place = await premises(desk)
    assert (await desk.get("Access.RevokeGrant", grantId=place.grant))["state"] == "revoking"
    await desk.listen()
    await desk.done("Access.RemoveLock", lockId=place.front)
    (changed,) = [item.params["grant"] for item in desk.news() if item.name == "Access.GrantChanged"]
    assert (changed["id"], changed["state"]) == (place.grant, "revoked")


# Queries


async def test_groups_are_queried(groups: Groups) -> None:
    """Groups are filtered, ordered and cut as OData says."""
    for title, description in (("Alpha", "north"), ("Beta", "south"), ("Gamma", "north side"), ("alpha", "")):
        await groups.create(title, description=description)
    group = (await groups.get("GetLockGroups", filter="title eq 'Beta'"))[0]
    for query, titles in (
        ({"filter": "title eq 'Alpha'"}, ["Alpha"]),
        ({"filter": "title ne 'Alpha'", "orderBy": "title"}, ["Beta", "Gamma", "alpha"]),
        ({"filter": "contains(description,'north') and not startswith(title,'A')"}, ["Gamma"]),
        ({"filter": "active and (title lt 'B' or description eq '')", "orderBy": "title"}, ["Alpha", "alpha"]),
        (
            {"filter": "rclDate eq null and rclSerialNo le 1", "orderBy": "title desc"},
            ["alpha", "Gamma", "Beta", "Alpha"],
        ),
        ({"filter": f"id eq {group['id']}"}, ["Beta"]),
        ({"filter": "title eq '''; DROP TABLE lock_groups; --'"}, []),
        ({"orderBy": "active, title desc", "top": 2}, ["alpha", "Gamma"]),
        ({"orderBy": "title asc", "top": 2, "skip": 1}, ["Beta", "Gamma"]),
        ({"orderBy": "title", "skip": 4}, []),
        ({"top": 0}, []),
    ):
        assert await groups.titles(**query) == titles, query
    pages = [(await groups.titles(top=1, skip=number))[0] for number in range(4)]
    assert pages == await groups.titles()


async def test_memberships_and_grants_are_queried(groups: Groups) -> None:
    """Memberships and a group's grants are queried by the fields that they have."""
    desk = groups.desk
    place = await premises(desk)
    await groups.join(place.group, place.back)
    bounded = await desk.add(
        "Access.AddGrant", personId=place.bob, lockGroupId=place.group, validBefore="2027-01-01T00:00:00Z"
    )

    async def members(**query: Any) -> list[str]:
        return [item["boundLockId"] for item in await groups.get("GetMemberships", lockGroupId=place.group, **query)]

    async def grants(**query: Any) -> list[str]:
        return [item["id"] for item in await groups.get("GetLockGroupGrants", id=place.group, **query)]

    assert await members(filter="joinCompletedDate eq null") == [place.back]
    assert await members(filter="joinCompletedDate ge joinStartDate") == [place.front]
    assert await members(orderBy="joinStartDate desc") == [place.back, place.front]
    assert await members(filter=f"boundLockId eq '{place.front}'", top=5) == [place.front]
    assert await members(filter="joinStartDate lt 2020-01-01T00:00:00Z") == []
    assert await grants(filter="validBefore eq null") == [place.grant]
    assert await grants(filter="validBefore gt 2026-12-31T23:00:00-00:30") == [bounded]
    assert await grants(filter=f"contactId eq {place.bob} and active") == [bounded]
    assert await grants(orderBy="validBefore desc") == [bounded, place.grant]
    assert await grants(orderBy="validBefore desc", skip=1) == [place.grant]
    assert await grants(filter="state eq 'Ok'") == sorted([place.grant, bounded])
    await desk.done("Access.RevokeGrant", grantId=bounded)
    assert await grants(filter="state eq 'Revoked'") == [bounded]


async def test_bad_queries_are_refused_by_place_and_reason(groups: Groups) -> None:
    """A query that cannot be read is named with its place and the reason, in each list."""
    group = await groups.create()
    lists: list[tuple[str, dict[str, Any]]] = [
        ("GetLockGroups", {}),
        ("GetLockGroupGrants", {"id": group}),
        ("GetMemberships", {"lockGroupId": group}),
    ]
    for method, params in lists:
        for query, start in (
            ({"filter": ""}, "filter: ends too early"),
            ({"filter": "id eq"}, "filter: ends too early"),
            ({"filter": "id eq 'x"}, "filter: position 7: a text without an end"),
            ({"filter": "secret eq 1"}, 'filter: unknown field "secret"; fields are '),
            ({"filter": "id add 1 eq 2"}, "filter: position 4: arithmetic is not supported"),
            ({"filter": "endswith(id,'x')"}, 'filter: position 1: the function "endswith" is not supported'),
            ({"filter": "id eq 1"}, 'filter: field "id" expects a text, got an integer'),
            ({"filter": "(" * 25 + "id eq null" + ")" * 25}, "filter: position 21: parentheses and not are more than"),
            ({"filter": "x" * 2001}, "filter: at most 2000 characters, got 2001"),
            ({"filter": "id eq 'a\x00'"}, "filter: position 9: the character U+0000 is not allowed"),
            ({"orderBy": "secret"}, 'orderBy: unknown field "secret"; fields are '),
            ({"orderBy": "id up"}, "orderBy: expected a field, then asc or desc or nothing"),
            ({"orderBy": "id, id"}, 'orderBy: field "id" is there twice'),
            ({"top": -1}, "top: must be between 0 and 1000"),
            ({"top": 1001}, "top: must be between 0 and 1000"),
            ({"skip": -1}, "skip: must be between 0 and 1000000"),
            ({"skip": 10**15}, "skip: must be between 0 and 1000000"),
        ):
            outcome, text = await groups.refused(method, **params, **query)
            assert outcome == "BadFilter", (method, query)
            assert text is not None
            assert text.startswith(start), text


# Params


async def test_params_are_strict(groups: Groups) -> None:
    """An unknown key, a missing one, a wrong type, null and a bad uuid are refused by the param's name."""
    desk, good = groups.desk, str(uuid4())
    owner = {"ownerAccountId": groups.owner}
    stories: list[tuple[str, str, dict[str, Any]]] = [
        ("GetLockGroups", "ownerAccountId", {}),
        ("GetLockGroups", "ownerAccountId", {"ownerAccountId": "1"}),
        ("GetLockGroups", "ownerAccountId", {"ownerAccountId": None}),
        ("GetLockGroups", "expand", {**owner, "expand": None}),
        ("GetLockGroups", "expand", {**owner, "expand": ["statistics"]}),
        ("GetLockGroups", "filter", {**owner, "filter": 1}),
        ("GetLockGroups", "$filter", {**owner, "$filter": "active"}),
        ("GetLockGroups", "top", {**owner, "top": "1"}),
        ("GetLockGroups", "skip", {**owner, "skip": True}),
        ("GetLockGroup", "id", owner),
        ("GetLockGroup", "id", {**owner, "id": 1}),
        ("CreateLockGroup", "title", {**owner, "title": None}),
        ("CreateLockGroup", "title", {**owner, "title": "x" * 256}),
        ("CreateLockGroup", "description", {**owner, "title": "x", "description": "\x07"}),
        ("CreateLockGroup", "id", {**owner, "title": "x", "id": good}),
        ("UpdateLockGroup", "title", {**owner, "id": good, "title": None}),
        ("UpdateLockGroup", "active", {**owner, "id": good, "active": False}),
        ("RemoveLockGroup", "forceUnjoinLocks", {**owner, "id": good, "forceUnjoinLocks": 1}),
        ("RemoveLockGroup", "forceRevokeGrants", {**owner, "id": good, "forceRevokeGrants": None}),
        ("GetLockGroupGrants", "expand", {**owner, "id": good, "expand": ""}),
        ("GetLockGroupGrants", "orderBy", {**owner, "id": good, "orderBy": ["id"]}),
        ("GetMemberships", "lockGroupId", {**owner, "id": good}),
        ("GetMemberships", "includeUnboundLocks", {**owner, "lockGroupId": good, "includeUnboundLocks": "true"}),
        ("AddMembership", "boundLockId", {**owner, "lockGroupId": good}),
        ("AddMembership", "boundLockId", {**owner, "lockGroupId": good, "boundLockId": f"{good}}}"}),
        ("RemoveMembership", "id", {**owner, "lockGroupId": good, "id": None}),
    ]
    for method, param, params in stories:
        assert await desk.invalid(f"LockGroups.{method}", param, **params), (method, params)


async def test_params_go_by_position(home: Server, transport: Transport) -> None:
    """In JSON-RPC 2.0 params go by position, in the declared order, with those left out at the end."""
    login = await (await home.client()).authenticate("admin", PASSWORD, "phone")
    assert login is not None
    raw = await home.raw(transport)

    async def call(method: str, *params: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params), "token": login.token}
        reply = await raw.ask(request)
        assert reply["result"].pop("error").endswith("NoError"), reply
        return next(iter(reply["result"].values()), None)

    owner = (await call("Access.GetOwners"))[0]["id"]
    lock = (await call("Access.AddLock", "Door"))["id"]
    group = (await call("LockGroups.CreateLockGroup", owner, "Office", "Upstairs"))["id"]
    member = (await call("LockGroups.AddMembership", owner, group, lock))["id"]
    (shown,) = await call("LockGroups.GetMemberships", owner, group, "boundLock", True, "leaveStartDate eq null")
    assert (shown["id"], shown["boundLock"]["title"]) == (member, "Door")
    (found,) = await call("LockGroups.GetLockGroups", owner, "statistics", "active", "title", 1, 0)
    assert (found["description"], found["statistics"]["ByState"][0]["Count"]) == ("Upstairs", 1)
    assert await call("LockGroups.RemoveLockGroup", owner, group, True, True) is None


# The life of a group, as seen by an administrator and by a bridge


def dates(membership: dict[str, Any]) -> list[datetime]:
    """The dates that are set, which must be the first ones, in their order, and to the millisecond in UTC."""
    names = ("joinStartDate", "joinCompletedDate", "leaveStartDate", "leaveCompletedDate")
    shown = [membership[name] for name in names]
    there = [value for value in shown if value is not None]
    assert shown[: len(there)] == there
    assert all(len(value) == 24 and value.endswith("Z") for value in there)
    found = [datetime.fromisoformat(value) for value in there]
    assert found == sorted(found)
    return found


class Life:
    """A lock, its bridge, its administrator, a group and a person who is granted it."""

    def __init__(self, admin: Desk, bridge: Desk, groups: Groups) -> None:
        self.admin, self.bridge, self.groups = admin, bridge, groups

    async def begin(self) -> None:
        """Add all but the membership."""
        await self.admin.done("Access.AddLock", title="Entrance", lockId=THING, virtual=False, bridge="bridge")
        await self.admin.done("Access.AddLock", title="Elsewhere")
        self.person = await self.admin.add("Access.AddPerson", firstName="Ann")
        self.group = await self.groups.create()
        self.grant = await self.admin.add("Access.AddGrant", personId=self.person, lockGroupId=self.group)
        await self.admin.listen()
        await self.bridge.listen()

    async def decided(self, desired: bool, on_lock: bool, reason: str) -> None:
        """Look at what is decided, as both of them and by every method."""
        for desk in (self.admin, self.bridge):
            decision = await desk.get("Access.Evaluate", personId=self.person, lockId=THING)
            assert (decision["desired"], decision["onLock"]) == (desired, on_lock)
            assert (decision["allowed"], decision["reason"]) == (desired, reason)
            for holder in await desk.get("Access.GetWhoHasAccess", lockId=THING):
                assert (holder["allowed"], holder["onLock"], holder["grantIds"]) == (desired, on_lock, [self.grant])
                assert desired
            told = await desk.ask("Access.GetAccessOf", personId=self.person)
            # A bridge does not know of a person without a grant at its lock.
            unknown = told["error"] == "AccessErrorPersonNotFound"
            assert told["error"] == "AccessErrorNoError" or (unknown and desk is self.bridge and not desired)
            reached = told.get("locks", [])
            # Where the server says no, a lock that only holds on to something may be left out.
            assert [item["onLock"] for item in reached if item["allowed"]] == ([on_lock] if desired else [])

    async def membership(self, number: int, state: str, set_dates: int) -> dict[str, Any]:
        """The one membership that there has been so many times, and how far it got."""
        listed = await self.groups.get("GetMemberships", lockGroupId=self.group, orderBy="joinStartDate")
        assert len(listed) == number
        assert len(dates(listed[-1])) == set_dates
        group = await self.groups.get("GetLockGroup", id=self.group, expand="statistics")
        past = [{"State": "Unjoined", "Count": number - 1}] if number > 1 else []
        counted = [{"State": state, "Count": number}] if state == "Unjoined" else [{"State": state, "Count": 1}, *past]
        assert group["statistics"]["ByState"] == counted
        member: dict[str, Any] = listed[-1]
        return member

    async def told(self, caller: Desk, *names: str, unheard: str | None = None) -> list[Any]:
        """What a call has led to: by then told to the caller, told once to each of them, the same to both.

        ``unheard`` is what the bridge does not hear.
        """
        mine = caller.news()
        assert sorted(item.name for item in mine) == sorted(
            name for name in names if caller is self.admin or name != unheard
        )
        other = self.bridge if caller is self.admin else self.admin
        theirs = await other.heard()
        everything, some = (mine, theirs) if caller is self.admin else (theirs, mine)
        assert sorted(item.name for item in everything) == sorted(names)
        assert some == [item for item in everything if item.name != unheard]
        assert await self.admin.heard() == await self.bridge.heard() == []
        return everything

    async def due(self, *expected: tuple[str, str, int, str | None]) -> list[str]:
        """What the bridge is to hand on: entity, operation, attempts, error; the items' ids."""
        items = await self.bridge.get("Access.GetPendingSync", lockId=THING)
        found = [(item["entity"], item["op"], item["attempts"], item.get("error")) for item in items]
        assert found == list(expected)
        return [item["id"] for item in items]

    async def confirm(self, *items: str, error: str | None = None) -> None:
        """The lock has heard of items, or could not take them."""
        why = {} if error is None else {"error": error}
        said = [{"id": item, **why} for item in items]
        assert await self.bridge.done("Access.ConfirmSync", lockId=THING, items=said) == {}

    async def state(self) -> str:
        """How far the grant is."""
        (grant,) = await self.admin.get("Access.GetGrants")
        return str(grant["state"])


async def test_the_life_of_a_lock_group(home: Server, transport: Transport, dialect: Dialect) -> None:
    """A lock joins a group and leaves it, its bridge stumbles twice, and at each date both sides know what holds."""
    admin = await administrator(home, transport, dialect)
    bridge = await guest(home, "bridge", THING, transport=transport, dialect=dialect)
    life = Life(admin, bridge, Groups(admin, await admin.owner()))
    await life.begin()
    await life.decided(False, False, "notAuthorized")
    assert await life.state() == "active"  # there is no lock that would have to hear of it

    # It is added: it has to hear of the group, and of its grants.
    member = await life.groups.join(life.group, THING)
    told = await life.told(admin, "LockGroups.MembershipAdded", "Access.GrantChanged", "Access.SyncPending")
    assert [item.params for item in told if item.name == "Access.SyncPending"] == [{"lockId": THING}]
    shown = await life.membership(1, "JoinPending", 1)
    assert [item.params for item in told if item.name == "LockGroups.MembershipAdded"] == [{"membership": shown}]
    await life.decided(False, False, "notAuthorized")
    assert await life.state() == "pending"

    # The lock cannot take it, twice.
    joining, granting = await life.due(("membership", "add", 0, None), ("grant", "add", 0, None))
    await life.confirm(joining, granting, error="out of reach")
    await life.told(bridge, "Access.GrantChanged")
    assert await life.state() == "failed"
    await life.due(("membership", "add", 1, "out of reach"), ("grant", "add", 1, "out of reach"))
    await life.confirm(joining, error="battery empty")
    await life.told(bridge)
    await life.due(("membership", "add", 2, "battery empty"), ("grant", "add", 1, "out of reach"))
    await life.membership(1, "JoinPending", 1)
    await life.decided(False, False, "notAuthorized")

    # Then it can: a member from now on, which holds the grant a moment later.
    await life.confirm(joining)
    await life.told(bridge, "LockGroups.MembershipChanged", "Access.LockChanged")
    shown = await life.membership(1, "Joined", 2)
    assert (shown["lastSeenRclSerialNo"], shown["lastSeenRclUpdateDate"]) == (1, shown["joinCompletedDate"])
    await life.decided(True, False, "granted")
    await life.confirm(granting)
    await life.told(bridge, "Access.GrantChanged", "Access.LockChanged")
    await life.decided(True, True, "granted")
    assert await life.state() == "active"
    await life.due()
    # Said twice, it is as it was.
    await life.confirm(joining, granting)
    await life.told(bridge)

    # It is removed, and stays a member until it has heard of that.
    await life.groups.done("RemoveMembership", lockGroupId=life.group, id=member)
    await life.told(admin, "LockGroups.MembershipChanged", "Access.SyncPending")
    await life.membership(1, "UnjoinPending", 3)
    await life.decided(True, True, "granted")
    (leaving,) = await life.due(("membership", "remove", 0, None))
    await life.confirm(leaving, error="out of reach")
    await life.told(bridge)
    await life.membership(1, "UnjoinPending", 3)
    await life.decided(True, True, "granted")
    await life.confirm(leaving)
    (changed,) = [
        item
        for item in await life.told(bridge, "LockGroups.MembershipChanged", "Access.LockChanged")
        if item.name == "LockGroups.MembershipChanged"
    ]
    shown = await life.membership(1, "Unjoined", 4)
    assert changed.params == {"membership": shown}
    await life.decided(False, False, "notAuthorized")
    assert await life.state() == "active"

    # It comes back, with a history. A revocation reaches it by the group's list.
    await life.groups.join(life.group, THING)
    await life.told(admin, "LockGroups.MembershipAdded", "Access.GrantChanged", "Access.SyncPending")
    await life.confirm(*await life.due(("membership", "add", 0, None), ("grant", "add", 0, None)))
    await life.told(bridge, "LockGroups.MembershipChanged", "Access.GrantChanged", "Access.LockChanged")
    await life.membership(2, "Joined", 2)
    await life.decided(True, True, "granted")
    await admin.done("Access.RevokeGrant", grantId=life.grant)
    await life.told(admin, "Access.GrantChanged", "LockGroups.LockGroupChanged", "Access.SyncPending")
    decision = await admin.get("Access.Evaluate", personId=life.person, lockId=THING)
    assert (decision["reason"], decision["onLock"]) == ("revoked", True)
    await life.confirm(*await life.due(("grant", "remove", 0, None)))
    await life.told(bridge, "LockGroups.MembershipChanged", "Access.GrantChanged", "Access.LockChanged")
    shown = await life.membership(2, "Joined", 2)
    assert shown["lastSeenRclSerialNo"] == 2
    decision = await admin.get("Access.Evaluate", personId=life.person, lockId=THING)
    assert (decision["reason"], decision["onLock"]) == ("revoked", False)
    assert UUID(shown["id"]) != UUID(member)
