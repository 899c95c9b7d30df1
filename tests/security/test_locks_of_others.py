"""A guest who may control one door wants to know of the others, to open them, or to guess what opens them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from conftest import PASSWORD, Dialect, Server, Transport
from doors import NOWHERE, Desk, Premises, administrator, guest, premises
from house import Phone, a_home, collected

from nymead_users.client import CallError, PermissionDenied

#: What a guest of the front door must not come to know: texts that stand nowhere but at the back door's things.
HIDDEN = ("Back door", "Bob", "24681357", "Inside")

BOBS_NUMBER = "+4781549300"

DENIED = {"error": "AccessErrorPermissionDenied"}

#: What who is not a lock's bridge is answered where only that may speak.
SILENCED = {**DENIED, "errorMessage": "lockId: only administrators and the lock's bridge may speak for it"}

#: What who is no administrator is answered to a question about a credential.
NO_QUESTION = {**DENIED, "errorMessage": "credential: only administrators may ask about one"}

PIN, WRONG_PIN, CODE, UNKNOWN_CODE = "90817263", "90817264", "7245109836", "7245109837"


async def with_guest(server: Server, dialect: Dialect, transport: Transport = "tcp") -> tuple[Desk, Desk, Premises]:
    """An administrator, a guest of the front door, and premises where the back door is in the front door's group.

    Bob shares the back door.
    """
    admin = await administrator(server, transport, dialect)
    place = await premises(admin)
    await admin.done("Access.UpdatePerson", personId=place.bob, phone=BOBS_NUMBER)
    role = {"lockHolderId": place.owner, "lockId": place.back, "userId": BOBS_NUMBER}
    await admin.done("LockRoles.SetRole", **role, canShare=True)
    await admin.done(
        "LockGroups.AddMembership", ownerAccountId=place.owner, lockGroupId=place.group, boundLockId=place.back
    )
    return admin, await guest(server, "guest", place.front, transport=transport, dialect=dialect), place


async def methods(desk: Desk, scope: str) -> dict[str, list[str]]:
    """The params of all methods about doors that need this permission."""
    contract = await desk.client.call("JSONRPC.Introspect")
    return {
        name: [param.rpartition(":")[2] for param in declared["params"]]
        for name, declared in contract["methods"].items()
        if name.startswith(("Access.", "AccessKeys.", "LockGroups.", "LockRoles.", "SmartlockAuths."))
        and declared["permissionScope"] == f"PermissionScope{scope}"
    }


async def everything(admin: Desk, place: Premises) -> list[Any]:
    """All there is about doors, without the log."""
    about = {"ownerAccountId": place.owner}
    found = [await admin.ask(f"Access.Get{things}") for things in ("Owners", "Locks", "Persons", "Credentials")]
    found.append(await admin.ask("AccessKeys.GetAccessKeys"))
    found.append(await admin.ask("Access.GetGrants"))
    found.append(await admin.ask("LockGroups.GetLockGroups", **about))
    groups, locks = (place.group, place.other_group), (place.front, place.back)
    found += [await admin.ask("LockGroups.GetMemberships", **about, lockGroupId=group) for group in groups]
    found += [await admin.ask("Access.GetPendingSync", lockId=lock_id) for lock_id in locks]
    holder = {"lockHolderId": place.owner}
    found += [await admin.ask("LockRoles.GetLockRoles", **holder, lockId=lock_id) for lock_id in locks]
    return found


def ids(things: list[dict[str, Any]]) -> set[str]:
    return {thing["id"] for thing in things}


# What a guest sees


async def test_a_guest_sees_their_door_and_what_concerns_it(
    home: Server, transport: Transport, dialect: Dialect
) -> None:
    """Whoever may control one lock sees that lock, and of all else what concerns it."""
    admin, visitor, place = await with_guest(home, dialect, transport)
    await admin.done("Access.ReportAccess", lockId=place.back, personId=place.bob)
    await admin.done("Access.ReportAccess", lockId=place.front, personId=place.bob)
    about = {"ownerAccountId": place.owner}
    assert ids(await visitor.get("Access.GetLocks")) == {place.front}
    assert ids(await visitor.get("Access.GetPersons")) == {place.ann}
    assert ids(await visitor.get("Access.GetCredentials")) == {place.key}
    assert ids(await visitor.get("Access.GetGrants")) == {place.grant}
    assert ids(await visitor.get("LockGroups.GetLockGroups", **about)) == {place.group}
    assert (await visitor.get("LockGroups.GetLockGroup", **about, id=place.group))["id"] == place.group
    assert ids(await visitor.get("LockGroups.GetMemberships", **about, lockGroupId=place.group)) == {place.member}
    assert ids(await visitor.get("LockGroups.GetLockGroupGrants", **about, id=place.group)) == {place.grant}
    assert {event["lockId"] for event in await visitor.get("Access.GetEvents")} == {place.front}
    assert [holder["personId"] for holder in await visitor.get("Access.GetWhoHasAccess", lockId=place.front)] == [
        place.ann
    ]
    assert [item["lockId"] for item in await visitor.get("Access.GetAccessOf", personId=place.ann)] == [place.front]
    # What is not theirs is as good as not there.
    for method, name, value in (
        ("GetGrants", "personId", place.bob),
        ("GetGrants", "lockGroupId", place.other_group),
        ("GetCredentials", "personId", place.bob),
        ("GetGrants", "personId", NOWHERE),
        ("GetGrants", "lockGroupId", NOWHERE),
        ("GetCredentials", "personId", NOWHERE),
        ("GetEvents", "personId", place.other_grant),
    ):
        assert await visitor.get(f"Access.{method}", **{name: value}) == []
    for person in (place.bob, NOWHERE):
        assert await visitor.error("Access.GetAccessOf", personId=person) == "PersonNotFound"
    await admin.done("Access.UpdatePerson", personId=place.bob, enabled=False)
    asked = [await visitor.get("Access.Evaluate", lockId=place.front, personId=who) for who in (place.bob, NOWHERE)]
    assert [(answer["allowed"], answer["reason"]) for answer in asked] == [(False, "notAuthorized")] * 2
    # Not even that a grant which concerns their door reaches another one, too.
    assert await visitor.ask("Access.GetGrants", lockId=place.back) == DENIED
    for method, name in (("GetLockGroup", "id"), ("GetLockGroupGrants", "id"), ("GetMemberships", "lockGroupId")):
        refusal = await visitor.refused(f"LockGroups.{method}", **about, **{name: place.other_group})
        assert refusal == ("LockGroupNotFound", "lock group not found")


async def test_a_guest_learns_nothing_of_other_doors_from_any_method(home: Server, dialect: Dialect) -> None:
    """No method, whatever is asked of it, tells a guest of another door's things or changes them."""
    admin, visitor, place = await with_guest(home, dialect)
    values: dict[str, list[Any]] = {
        "ownerId": [place.owner],
        "ownerAccountId": [place.owner],
        "lockHolderId": [place.owner],
        "userId": [BOBS_NUMBER],
        "toUserId": ["+4781549301"],
        "canShare": [True],
        "smartlockId": [place.back],
        "smartlockIds": [[place.back]],
        "name": ["mine"],
        "remoteAllowed": [True],
        "accountUserId": [2, -1],
        "auths": [[{"id": place.other_grant, "enabled": False}]],
        "ids": [[place.other_grant]],
        "lockId": [place.back],
        "boundLockId": [place.back],
        "personId": [place.bob],
        "credentialId": [place.code],
        "grantId": [place.other_grant],
        "lockGroupId": [place.other_group, place.group],
        "id": [place.other_group, place.other_member, place.group, place.code],
        "title": ["mine"],
        "type": ["code"],
        "value": ["1234"],
        "credential": [{"type": "code", "value": "1234"}],
        "key": [{"type": "code", "identification": "24681357"}],
        "accessLevels": [[place.group]],
        "person": [{"id": place.bob}],
        "items": [[], [{"id": NOWHERE}]],
        "expand": ["statistics", "boundLock"],
        "includeUnboundLocks": [True],
        "filter": ["contains(title,'Ins')"],
    }
    calls: list[tuple[str, dict[str, Any]]] = []
    for scope in ("ControlThings", "Admin"):
        for method, names in (await methods(visitor, scope)).items():
            usual = {name: values[name][0] for name in names if name in values}
            calls += [(method, usual), (method, {})]
            for name in usual:
                calls += [(method, {**usual, name: value}) for value in values[name]]
                calls.append((method, {key: value for key, value in usual.items() if key != name}))
    assert len(calls) > 150
    before = await everything(admin, place)
    for method, params in calls:
        try:
            answer = json.dumps(await visitor.ask(method, **params))
        except CallError as refusal:
            answer = f"{refusal} {refusal.data}"
        for secret in (*HIDDEN, *([] if place.other_member in str(params) else [place.other_member])):
            assert secret not in answer, (method, params, answer)
    assert await everything(admin, place) == before


async def test_a_guest_cannot_act_on_other_doors(home: Server, dialect: Dialect) -> None:
    """What a guest asks about another lock is denied, and so it is if there is no such lock."""
    _, visitor, place = await with_guest(home, dialect)
    for lock_id in (place.back, NOWHERE):
        for method, params in (
            ("Evaluate", {"personId": place.ann}),
            ("GetWhoHasAccess", {}),
            ("GetEvents", {}),
            ("GetGrants", {}),
        ):
            assert await visitor.ask(f"Access.{method}", lockId=lock_id, **params) == DENIED, method
    for method in await methods(visitor, "Admin"):
        with pytest.raises(PermissionDenied):
            await visitor.ask(method)


async def test_a_guest_cannot_speak_for_a_door(home: Server, dialect: Dialect) -> None:
    """Who is not a lock's bridge cannot say what it heard or met, not even of their own door, nor see what is due."""
    admin, visitor, place = await with_guest(home, dialect)
    await home.add_user("bridge", "ControlThings", allowedThingIds=[place.front])
    await admin.done("Access.UpdateLock", lockId=place.front, bridge="bridge")
    await admin.done("Access.RevokeGrant", grantId=place.grant)
    bridge = Desk(await home.login("bridge", "tcp", dialect))
    (item,) = await bridge.get("Access.GetPendingSync", lockId=place.front)
    for desk, locks in ((visitor, (place.front, place.back, NOWHERE)), (bridge, (place.back, NOWHERE))):
        for lock_id in locks:
            for method, params in (
                ("ReportAccess", {"personId": place.ann}),
                ("GetPendingSync", {}),
                ("ConfirmSync", {"items": [{"id": item["id"]}]}),
                ("SyncLock", {}),
            ):
                assert await desk.ask(f"Access.{method}", lockId=lock_id, **params) == SILENCED, (method, lock_id)
    assert (await visitor.get("Access.Evaluate", lockId=place.front, personId=place.ann))["onLock"] is True
    await bridge.done("Access.ConfirmSync", lockId=place.front, items=[{"id": item["id"]}])
    assert (await visitor.get("Access.Evaluate", lockId=place.front, personId=place.ann))["onLock"] is False


async def test_a_guest_reads_no_code(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Codes are shown and told to administrators alone, not even to those who may access all things; other keys are."""
    admin, visitor, place = await with_guest(home, dialect, transport)
    await home.add_user("resident", "ControlThings", "AccessAllThings")
    resident = Desk(await home.login("resident", transport, dialect))
    for desk in (admin, visitor, resident):
        await desk.listen()
    code = await admin.add("Access.AddCredential", type="code", value=CODE, personId=place.ann)
    await admin.done("Access.UpdateCredential", credentialId=code, enabled=False)
    await admin.done("Access.RemoveCredential", credentialId=code)
    key = await admin.add("Access.AddCredential", type="proximity", value="77", personId=place.ann)
    for desk, about in ((admin, [code] * 3 + [key]), (visitor, [key]), (resident, [key])):
        heard = [item for item in await desk.heard() if "Credential" in item.name]
        assert [item.params.get("credentialId") or item.params["credential"]["id"] for item in heard] == about
    assert {each["id"] for each in await admin.get("Access.GetCredentials")} == {place.key, place.code, key}
    for desk in (visitor, resident):
        assert {each["id"] for each in await desk.get("Access.GetCredentials")} == {place.key, key}


async def test_a_guest_learns_of_no_access_key_of_other_doors(
    home: Server, transport: Transport, dialect: Dialect
) -> None:
    """Keys of another door are not listed or told to a guest, nor that they are there; none can be made or changed."""
    admin, visitor, place = await with_guest(home, dialect, transport)
    for desk in (admin, visitor):
        await desk.client.subscribe("AccessKeys")
    key = {"identification": "77", "type": "proximity"}
    made = await admin.get("AccessKeys.AddAccessKey", key=key, accessLevels=[place.other_group])
    changed = await admin.get("AccessKeys.AddAccessKey", id=made["id"], pin="1234")
    for unknown in (made["id"], NOWHERE):
        refusal = await visitor.refused("AccessKeys.GetAccessKeyStatus", id=unknown)
        assert refusal == ("AccessKeyNotFound", "access key not found")
        for method in ("AddAccessKey", "RemoveAccessKey"):
            with pytest.raises(PermissionDenied):
                await visitor.ask(f"AccessKeys.{method}", id=unknown)
    assert ids(await visitor.get("AccessKeys.GetAccessKeys")) == {place.key}
    assert ids(await visitor.get("AccessKeys.GetAccessLevels")) == {place.group}
    # Once it opens the guest's door it is theirs to see, until it does not.
    shown = await admin.get("AccessKeys.AddAccessKey", id=made["id"], accessLevels=[place.group])
    assert ids(await visitor.get("AccessKeys.GetAccessKeys")) == {place.key, made["id"]}
    await admin.done("AccessKeys.RemoveAccessKey", id=made["id"])
    assert [item.params for item in await admin.heard()] == [
        {"accessKey": made},
        {"accessKey": changed},
        {"accessKey": shown},
        {"accessKeyId": made["id"]},
    ]
    assert [item.params for item in await visitor.heard()] == [{"accessKey": shown}, {"accessKeyId": made["id"]}]


async def test_a_guest_hears_of_their_door_alone(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Whatever happens at other doors and to those who open them, a guest hears of what concerns their own."""
    admin, visitor, place = await with_guest(home, dialect, transport)
    everywhere = await guest(home, "neighbour", place.front, place.back)
    for desk in (admin, visitor, everywhere):
        await desk.listen()
    about = {"ownerAccountId": place.owner}
    for method, params in (
        ("Access.UpdateLock", {"lockId": place.back, "description": "oak"}),
        ("Access.UpdatePerson", {"personId": place.bob, "lastName": "B"}),
        ("Access.UpdateCredential", {"credentialId": place.code, "enabled": False}),
        ("Access.UpdateGrant", {"grantId": place.other_grant, "remoteAllowed": False}),
        ("LockGroups.UpdateLockGroup", {**about, "id": place.other_group, "description": "x"}),
        ("Access.ReportAccess", {"lockId": place.back, "personId": place.ann}),
        ("Access.SyncLock", {"lockId": place.back}),
        ("LockGroups.RemoveMembership", {**about, "lockGroupId": place.other_group, "id": place.other_member}),
        ("Access.RevokeGrant", {"grantId": place.other_grant}),
        ("Access.RemovePerson", {"personId": place.bob}),
        ("Access.AddPerson", {"firstName": "Carol"}),
        ("LockGroups.CreateLockGroup", {**about, "title": "New"}),
        ("Access.RemoveLock", {"lockId": place.back}),
    ):
        await admin.done(method, **params)
    assert await visitor.names() == {
        # Ann's grant for the group concerns both doors: it is active once the back door has heard of it, too.
        "Access.GrantChanged": 1
    }
    assert visitor.told[0].params["grant"]["id"] == place.grant
    assert len(await everywhere.heard()) > 15
    del visitor.told[:], admin.told[:]
    await admin.heard()
    del admin.told[:]
    await admin.done("Access.UpdatePerson", personId=place.ann, firstName="Anna", enabled=False)
    await admin.done("Access.UpdateCredential", credentialId=place.key, enabled=False)
    await admin.done("Access.UpdateGrant", grantId=place.grant, remoteAllowed=False)
    await admin.done("Access.SyncLock", lockId=place.front)
    await admin.done("Access.ReportAccess", lockId=place.front, personId=place.ann)
    await admin.done("LockGroups.UpdateLockGroup", **about, id=place.group, title="Outdoors")
    await admin.done("LockGroups.RemoveMembership", **about, lockGroupId=place.group, id=place.member)
    await admin.done("Access.UpdateLock", lockId=place.front, title="Door")
    await admin.done("Access.RemoveLock", lockId=place.front)
    await admin.heard()
    assert await visitor.heard() == admin.told
    assert Counter(item.name for item in visitor.told) >= Counter(
        {
            "Access.PersonChanged": 1,
            "Access.CredentialChanged": 1,
            "Access.AccessDecided": 1,
            "LockGroups.LockGroupChanged": 1,
            "LockGroups.MembershipChanged": 2,
            "Access.LockRemoved": 1,
        }
    )


async def test_things_that_are_not_there_yet_are_kept(home: Server, dialect: Dialect) -> None:
    """A list of things may name what nobody knows; once there is a lock of that id, its guest sees and hears of it."""
    thing, other = str(uuid4()), str(uuid4())
    visitor = await guest(home, "guest", other, thing, dialect=dialect)
    await visitor.listen()
    admin = await administrator(home)
    users = (await admin.ask("Users.GetUsers"))["users"]
    assert [user["allowedThingIds"] for user in users if user["username"] == "guest"] == [[other, thing]]
    assert await visitor.get("Access.GetLocks") == []
    assert await visitor.ask("Access.GetWhoHasAccess", lockId=other) == {"error": "AccessErrorLockNotFound"} | {
        "errorMessage": "bound lock not found"
    }
    await admin.done("Access.AddLock", title="Door", lockId=thing)
    await admin.done("Access.AddLock", title="Another door")
    (told,) = await visitor.heard()
    assert (told.name, told.params["lock"]["id"]) == ("Access.LockAdded", thing)
    assert ids(await visitor.get("Access.GetLocks")) == {thing}


@pytest.mark.parametrize("scopes", [(), ("AccessAllThings",), ("AccessAllThings", "ExecuteRules", "ConfigureRules")])
async def test_who_controls_nothing_gets_nothing(home: Server, dialect: Dialect, scopes: tuple[str, ...]) -> None:
    """Without the permission to control things every method about doors is denied, and nothing is heard of them."""
    admin = await administrator(home)
    place = await premises(admin)
    await home.add_user("carol", *scopes, allowedThingIds=[place.front, place.back])
    carol = Desk(await home.login("carol", "tcp", dialect))
    await carol.client.call("JSONRPC.SetNotificationStatus", {"enabled": True})
    listed = {**await methods(carol, "ControlThings"), **await methods(carol, "Admin")}
    assert len(listed) >= 35
    for method in listed:
        with pytest.raises(PermissionDenied):
            await carol.ask(method)
    await admin.done("Access.ReportAccess", lockId=place.front, personId=place.ann)
    await admin.done("Access.AddOwner", title="Works")
    await admin.done("Access.RemoveLock", lockId=place.front)
    # Whom the removal took the thing from hears of that, as a user.
    assert {item.name for item in await carol.heard()} == {"Users.UserChanged"}


# What is taken away is gone at once


async def test_a_thing_taken_away_is_out_of_sight_at_once(home: Server, transport: Transport, dialect: Dialect) -> None:
    """With a thing off their list, or a scope, a guest's live connection sees and hears nothing more of it."""
    admin, visitor, place = await with_guest(home, dialect, transport)
    await visitor.listen()
    control = ["PermissionScopeControlThings"]

    async def allow(scopes: list[str], *things: str) -> None:
        params = {"username": "guest", "scopes": scopes, "allowedThingIds": list(things)}
        assert await admin.ask("Users.SetUserScopes", **params) == {"error": "UserErrorNoError"}

    async def report() -> None:
        await admin.done("Access.ReportAccess", lockId=place.front, personId=place.ann)

    await report()
    assert await visitor.names() == {"Access.AccessDecided": 1}
    await allow(control, place.back)
    await report()
    assert await visitor.heard() == []
    assert ids(await visitor.get("Access.GetLocks")) == {place.back}
    assert await visitor.ask("Access.Evaluate", lockId=place.front, personId=place.ann) == DENIED
    await allow(control)
    assert await visitor.get("Access.GetLocks") == []
    assert await visitor.get("Access.GetEvents") == []
    await allow(control, place.front)
    await report()
    assert await visitor.names() == {"Access.AccessDecided": 1}
    await allow([], place.front)
    await report()
    assert await visitor.heard() == []
    with pytest.raises(PermissionDenied):
        await visitor.ask("Access.GetLocks")
    await allow(["PermissionScopeControlThings", "PermissionScopeAccessAllThings"])
    await report()
    assert await visitor.names() == {"Access.AccessDecided": 1}
    assert ids(await visitor.get("Access.GetLocks")) == {place.front, place.back}


async def test_what_waits_dies_with_the_permission(tmp_path: Path, dialect: Dialect) -> None:
    """A report whose PIN is still being looked at has no effect if its bridge does not speak for the lock any more."""
    async with a_home(tmp_path) as house:
        operator = house.operator()
        lock, key = await with_pin(operator)
        await house.add("bridge", "ControlThings")
        params = {"username": "bridge", "scopes": ["PermissionScopeControlThings"], "allowedThingIds": [lock]}
        assert (await operator.call("Users.SetUserScopes", params))["error"] == "UserErrorNoError"
        named = await operator.call("Access.UpdateLock", {"lockId": lock, "bridge": "bridge"})
        assert named["error"] == "AccessErrorNoError"
        bridge = await house.login("bridge", dialect)
        house.passwords.verified.hold()
        attempt = {"lockId": lock, "credential": {"type": "proximity", "value": "1"}, "pin": PIN}
        waiting = asyncio.create_task(bridge.call("Access.ReportAccess", attempt))
        await house.passwords.verified.arrival()
        taken = await operator.call("Access.UpdateLock", {"lockId": lock, "bridge": None})
        assert taken["error"] == "AccessErrorNoError"
        before = await operator.call("Access.GetEvents")
        house.passwords.verified.release()
        assert await waiting == SILENCED
        assert await operator.call("Access.GetEvents") == before
        assert key


async def with_pin(operator: Phone) -> tuple[str, str]:
    """A lock, and a key with a PIN that opens it."""

    async def make(method: str, **params: Any) -> str:
        result = await operator.call(f"Access.{method}", params)
        assert result.pop("error") == "AccessErrorNoError", result
        (made,) = result.values()
        return str(made["id"])

    lock, person = await make("AddLock", title="Door"), await make("AddPerson")
    key = await make("AddCredential", type="proximity", value="1", pin=PIN, personId=person)
    await make("AddGrant", personId=person, lockId=lock)
    return lock, key


# Guessing


async def test_a_pin_cannot_be_guessed_by_asking(home: Server, dialect: Dialect) -> None:
    """Who is no administrator gets no answer to a question about a credential, with a PIN or without, known or not."""
    admin, visitor, place = await with_guest(home, dialect)
    await admin.done("Access.UpdateCredential", credentialId=place.key, pin=PIN)
    question = {"lockId": place.front, "credential": {"type": "proximity", "value": "1"}}
    for pin in (PIN, WRONG_PIN, ""):
        assert await visitor.ask("Access.Evaluate", **question, pin=pin) == NO_QUESTION
    for value in ("1", "2"):
        about = {"lockId": place.front, "credential": {"type": "proximity", "value": value}}
        assert await visitor.ask("Access.Evaluate", **about) == NO_QUESTION
    assert (await admin.get("Access.Evaluate", **question))["reason"] == "pinNotSet"
    assert (await admin.get("Access.Evaluate", **question, pin=PIN))["allowed"]


async def test_guesses_at_the_door_lock_out(home: Server, dialect: Dialect) -> None:
    """However many guess at once, five wrong PINs are looked at, and then the right one opens nothing either."""
    admin, visitor, place = await with_guest(home, dialect)
    await admin.done("Access.UpdateCredential", credentialId=place.key, pin=PIN)
    await admin.done("Access.UpdateLock", lockId=place.front, bridge="guest")
    await visitor.listen()
    guessers = [visitor, *[Desk(await home.login("guest", "tcp", dialect)) for _ in range(3)]]
    attempt = {"lockId": place.front, "credential": {"type": "proximity", "value": "1"}}
    reports = [
        guesser.done("Access.ReportAccess", **attempt, pin=f"{number:04}")
        for number in range(5)
        for guesser in guessers
    ]
    reasons = [report["decision"]["reason"] for report in await asyncio.gather(*reports)]
    assert Counter(reasons) == {"wrongPin": 5, "lockedOut": 15}
    for at in ({}, {"time": "2026-01-01T00:00:00Z"}, {"time": "2300-01-01T00:00:00Z"}):
        decided = await visitor.done("Access.ReportAccess", **attempt, **at, pin=PIN)
        assert (decided["decision"]["reason"], decided["decision"]["allowed"]) == ("lockedOut", False)
    # Who sees the key hears of it.
    (changed,) = [item for item in await visitor.heard() if item.name == "Access.CredentialChanged"]
    assert "lockedUntil" in changed.params["credential"]
    # Other keys open as before.
    assert (await visitor.get("Access.Evaluate", lockId=place.front, personId=place.ann))["allowed"]


async def test_no_pin_and_no_code_turns_up(home: Server, dialect: Dialect) -> None:
    """PINs are in no log, notification, event, answer or file; codes only where their credential itself is told."""
    with collected() as lines:
        admin, visitor, place = await with_guest(home, dialect)
        for desk in (admin, visitor):
            await desk.client.subscribe("Access", "AccessKeys")
        told: list[str] = []
        answers: list[str] = []

        async def ask(desk: Desk, method: str, **params: Any) -> dict[str, Any]:
            try:
                result = await desk.ask(method if "." in method else f"Access.{method}", **params)
            except CallError as refusal:
                result = {"refused": f"{refusal} {refusal.data}"}
            answers.append(json.dumps(result))
            return result

        await ask(admin, "UpdateLock", lockId=place.front, bridge="guest")
        await ask(admin, "UpdateCredential", credentialId=place.key, pin=PIN)
        made = await ask(admin, "AddCredential", type="code", value=CODE, pin=PIN, personId=place.ann)
        code_id = made["credential"]["id"]
        answers.clear()
        for params in (
            {"type": "code", "value": CODE},
            {"type": "code", "value": UNKNOWN_CODE, "pin": int(PIN)},
            {"type": "code", "value": int(UNKNOWN_CODE), "pin": PIN},
            {"type": "code", "value": f"{UNKNOWN_CODE}\n"},
            {"type": "code", "value": UNKNOWN_CODE * 30},
            {"type": "code", "value": UNKNOWN_CODE, "pin": f"{WRONG_PIN}{WRONG_PIN}"},
            {"type": UNKNOWN_CODE, "value": PIN},
            {"type": "phone", "value": f"+{PIN}{PIN}"},
            {"type": "proximity", "value": f"x{CODE}"},
        ):
            await ask(admin, "AddCredential", **params)
        spellings: tuple[tuple[Any, Any], ...] = (
            (CODE, PIN),
            (CODE, [PIN]),
            (UNKNOWN_CODE, WRONG_PIN),
            (f"x{CODE}", None),
            (int(UNKNOWN_CODE), None),
            (UNKNOWN_CODE * 30, None),
        )
        for identification, key_pin in spellings:
            named = {"identification": identification, "type": "code"}
            await ask(admin, "AccessKeys.AddAccessKey", key=named, pin=key_pin)
            await ask(visitor, "AccessKeys.AddAccessKey", key=named, pin=key_pin)
        await ask(admin, "AccessKeys.RemoveAccessKey", key={"identification": UNKNOWN_CODE, "type": "code"})
        await ask(admin, "AccessKeys.GetAccessKeyStatus", id=code_id)
        await ask(visitor, "AccessKeys.GetAccessKeys")
        await ask(admin, "UpdateCredential", credentialId=code_id, pin=[PIN])
        await ask(admin, "UpdateCredential", credentialId=code_id, pin=f"{WRONG_PIN}x")
        for value in (CODE, UNKNOWN_CODE, f"{UNKNOWN_CODE}x", [UNKNOWN_CODE]):
            for pin in (PIN, WRONG_PIN, int(PIN), f"{WRONG_PIN}x", PIN * 9):
                attempt = {"lockId": place.front, "credential": {"type": "code", "value": value}, "pin": pin}
                await ask(admin, "Evaluate", **attempt)
                await ask(visitor, "Evaluate", **attempt)
                for _ in range(2):
                    await ask(visitor, "ReportAccess", **attempt)
        await ask(visitor, "ReportAccess", lockId=place.front, personId=place.ann, pin=PIN)
        await ask(admin, "GetEvents")
        await ask(admin, "GetPersons")
        await ask(admin, "GetGrants")
        for desk in (admin, visitor):
            await desk.heard()
            assert {"Access.AccessDecided", "Access.CredentialChanged"} <= {item.name for item in desk.told}
            of_codes = ("Access.Credential", "AccessKeys.AccessKey")
            told += [json.dumps(item.params) for item in desk.told if not item.name.startswith(of_codes)]
            credentials = json.dumps([item.params for item in desk.told if item.name.startswith(of_codes)])
            assert (CODE in credentials) is (desk is admin)
            assert PIN not in credentials
    said = [*lines.text, *lines.json, *told, *answers]
    assert len(said) > 120
    for secret in (PIN, WRONG_PIN, CODE, UNKNOWN_CODE):
        assert [line for line in said if secret in line] == []
    assert PIN not in json.dumps(await admin.ask("Access.GetCredentials"))
    store = b"".join(file.read_bytes() for file in home.data_dir.iterdir() if file.is_file())
    assert PIN.encode() not in store
    assert WRONG_PIN.encode() not in store


# Doors and the API are two things


async def test_an_administrator_opens_no_door(home: Server, dialect: Dialect) -> None:
    """Who may do everything in the API is let in nowhere without a grant, not even the one who made the lock."""
    admin, _, place = await with_guest(home, dialect)
    person = await admin.add("Access.AddPerson", username="admin")
    for desk in (admin, Desk(await home.operator())):
        decision = await desk.get("Access.Evaluate", lockId=place.front, personId=person)
        assert (decision["allowed"], decision["reason"]) == (False, "notAuthorized")
    reported = await admin.done("Access.ReportAccess", lockId=place.front, personId=person)
    assert reported["decision"]["allowed"] is False
    assert await admin.get("Access.GetAccessOf", personId=person) == []


async def test_a_grant_gives_no_permission(home: Server, dialect: Dialect) -> None:
    """Who may open every door may not do more in the API for that."""
    await home.add_user("dave")
    admin = await administrator(home)
    place = await premises(admin)
    person = await admin.add("Access.AddPerson", username="dave")
    for lock_id in (place.front, place.back):
        await admin.done("Access.AddGrant", personId=person, lockId=lock_id)
    dave = Desk(await home.login("dave", "tcp", dialect))
    assert (await dave.ask("Users.GetUserInfo"))["userInfo"]["scopes"] == []
    for method in ("GetLocks", "GetOwners", "GetPersons"):
        with pytest.raises(PermissionDenied):
            await dave.ask(f"Access.{method}")
    with pytest.raises(PermissionDenied):
        await dave.ask("Access.ReportAccess", lockId=place.front, personId=person)


async def test_a_removed_user_stays_a_person(home: Server, dialect: Dialect) -> None:
    """With a user their person is unlinked, which is told once, and keeps what opens doors; a namesake is nobody."""
    await home.add_user("dave", "ControlThings")
    admin, visitor, place = await with_guest(home, dialect)
    before = await admin.get("Access.UpdatePerson", personId=place.ann, username="dave")
    for desk in (admin, visitor):
        await desk.client.subscribe("Access", "LockGroups", "Users")
    assert await admin.ask("Users.RemoveUser", username="Dave") == {"error": "UserErrorNoError"}
    after = {name: value for name, value in before.items() if name != "username"}
    assert [(item.name, item.params) for item in admin.news()] == [
        ("Users.UserRemoved", {"username": "dave"}),
        ("Access.PersonChanged", {"person": after}),
    ]
    (told,) = await visitor.heard()
    assert (told.name, told.params) == ("Access.PersonChanged", {"person": after})
    assert after in await admin.get("Access.GetPersons")
    assert (await admin.get("Access.Evaluate", lockId=place.front, personId=place.ann))["allowed"]
    (event, *_) = await admin.get("Access.GetEvents", personId=place.ann)
    assert event["reason"] == "personChanged"
    await home.add_user("dave", "ControlThings", password=PASSWORD)
    assert after in await admin.get("Access.GetPersons")
