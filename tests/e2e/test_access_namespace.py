"""The Access namespace: who may open which lock when, what locks must hear of, and what happened."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from conftest import PASSWORD, Dialect, Server, StartServer, Transport
from doors import NOWHERE, OFFICE_HOURS, Desk, administrator, premises

THING = "0a1b2c3d-0000-4000-8000-00000000000a"

#: An hour of every Friday morning in the lock's own time, from 2026-01-02 on.
FRIDAYS = "\r\n".join(
    (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//tests//EN",
        "BEGIN:VEVENT",
        "UID:fridays",
        "DTSTAMP:20260101T000000Z",
        "DTSTART:20260102T090000",
        "DTEND:20260102T100000",
        "RRULE:FREQ=WEEKLY;BYDAY=FR",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    )
)

#: A Wednesday.
NOON = "2026-03-04T12:00:00Z"


@pytest.fixture
async def desk(home: Server, transport: Transport, dialect: Dialect) -> Desk:
    """An administrator, over each transport and in each dialect."""
    return await administrator(home, transport, dialect)


async def another_owner(desk: Desk) -> str:
    """A further owner."""
    return await desk.add("Access.AddOwner", title="Works")


def numbers(persons: list[dict[str, Any]]) -> list[int]:
    return [person["number"] for person in persons]


# Owners


async def test_owners(desk: Desk) -> None:
    """There is one owner from the start; others are added, and all are listed by title."""
    (home,) = await desk.get("Access.GetOwners")
    assert set(home) == {"id", "title"}
    added = await desk.get("Access.AddOwner", title="A second home")
    assert added == {"id": added["id"], "title": "A second home"}
    assert await desk.get("Access.GetOwners") == [added, home]
    assert await desk.refused("Access.AddOwner", title=" ") == ("InvalidParameter", "title: must not be empty")
    assert len(await desk.get("Access.GetOwners")) == 2


async def test_an_owner_is_named_where_there_are_several(desk: Desk) -> None:
    """What belongs to the only owner needs no owner's id; with several owners it does."""
    first = await desk.owner()
    assert (await desk.get("Access.AddLock", title="Door"))["ownerId"] == first
    other = await another_owner(desk)
    several = ("OwnerNotFound", "owner account not found: there are several, so one must be named")
    assert await desk.refused("Access.AddLock", title="Door") == several
    assert await desk.refused("Access.AddPerson") == several
    assert await desk.refused("Access.AddCredential", type="code", value="1234") == several
    lock = await desk.add("Access.AddLock", title="Gate", ownerId=other)
    person = await desk.add("Access.AddPerson", ownerId=f"{{{other}}}")
    code = await desk.add("Access.AddCredential", type="code", value="1234", ownerId=other)
    # A person's credential is their owner's.
    key = await desk.get("Access.AddCredential", type="proximity", value="1", personId=person)
    assert key["ownerId"] == other
    assert [item["id"] for item in await desk.get("Access.GetLocks", ownerId=other)] == [lock]
    assert [item["id"] for item in await desk.get("Access.GetPersons", ownerId=other)] == [person]
    found = await desk.get("Access.GetCredentials", ownerId=other)
    assert {item["id"] for item in found} == {code, key["id"]}
    assert await desk.get("Access.GetPersons", ownerId=first) == []
    assert await desk.get("Access.GetCredentials", ownerId=first) == []
    assert len(await desk.get("Access.GetLocks")) == 2


async def test_what_is_anothers_is_not_granted(desk: Desk) -> None:
    """A grant's subject and target, and a credential and its person, belong to one owner."""
    first, other = await desk.owner(), await another_owner(desk)
    lock = await desk.add("Access.AddLock", title="Gate", ownerId=other)
    group = await desk.add("LockGroups.CreateLockGroup", ownerAccountId=other, title="Gates")
    person = await desk.add("Access.AddPerson", ownerId=first)
    text = "subject and target belong to different owners"
    assert await desk.refused("Access.AddGrant", personId=person, lockId=lock) == ("LockNotFound", text)
    assert await desk.refused("Access.AddGrant", personId=person, lockGroupId=group) == ("LockGroupNotFound", text)
    params = {"type": "code", "value": "1234", "personId": person, "ownerId": other}
    assert await desk.error("Access.AddCredential", **params) == "PersonNotFound"


# Locks


async def test_a_lock_has_defaults(desk: Desk) -> None:
    """A lock needs no more than a title; what else it has is told."""
    lock = await desk.get("Access.AddLock", title="Front door")
    assert lock == {
        "id": lock["id"],
        "ownerId": await desk.owner(),
        "title": "Front door",
        "description": "",
        "timeZone": "UTC",
        "protocolVersion": 1,
        "systemId": "",
        "virtual": True,
        "rclSerialNo": 1,
        "pendingSyncCount": 0,
    }
    assert await desk.get("Access.GetLocks") == [lock]


async def test_a_lock_with_everything(desk: Desk) -> None:
    """Everything about a lock can be given and changed, and what is not given stays as it is."""
    given = {
        "title": "Front door",
        "description": "In the hall 🚪",
        "timeZone": "Europe/Vienna",
        "systemId": "S1",
        "protocolVersion": 3,
        "virtual": False,
    }
    lock = await desk.get("Access.AddLock", lockId=f"{{{THING.upper()}}}", ownerId=await desk.owner(), **given)
    assert lock["id"] == THING
    assert {name: lock[name] for name in given} == given
    changed = await desk.get("Access.UpdateLock", lockId=f"{{{THING}}}", title="Back door", protocolVersion=0)
    assert changed == {**lock, "title": "Back door", "protocolVersion": 0}
    others = {"description": "", "timeZone": "America/New_York", "systemId": "", "virtual": True}
    assert await desk.get("Access.UpdateLock", lockId=THING, **others) == {**changed, **others}
    assert await desk.get("Access.UpdateLock", lockId=THING) == {**changed, **others}
    await desk.done("Access.AddLock", title="A door")
    assert [item["title"] for item in await desk.get("Access.GetLocks")] == ["A door", "Back door"]


async def test_what_a_lock_cannot_be(desk: Desk) -> None:
    """A lock has a title and a time zone of the IANA database, and an id of its own."""
    await desk.done("Access.AddLock", title="Door", lockId=THING)
    assert await desk.refused("Access.AddLock", title="Door", lockId=THING) == (
        "Duplicate",
        "there is a lock of that id",
    )
    for title in ("", " "):
        blank = ("InvalidParameter", "title: must not be empty")
        assert await desk.refused("Access.AddLock", title=title) == blank
        assert await desk.refused("Access.UpdateLock", lockId=THING, title=title) == blank
    for zone in ("", "Vienna", "Europe/../Europe/Vienna", "/etc/passwd", "localtime", "europe", "UTC+1", "x" * 255):
        text = "timeZone: not a name of the IANA time zone database, such as Europe/Vienna"
        assert await desk.refused("Access.AddLock", title="x", timeZone=zone) == ("InvalidParameter", text), zone
        assert await desk.refused("Access.UpdateLock", lockId=THING, timeZone=zone) == ("InvalidParameter", text), zone
    assert len(await desk.get("Access.GetLocks")) == 1


async def test_a_lock_that_is_removed_takes_its_grants_along(home: Server, desk: Desk) -> None:
    """With a lock go its grants, its place in groups and in users' lists; its id may come back with nothing of that."""
    place = await premises(desk)
    await home.add_user("carol", "ControlThings", allowedThingIds=[place.back, place.front])
    direct = await desk.add("Access.AddGrant", personId=place.bob, lockId=place.front)
    await desk.listen("Access", "LockGroups")
    await desk.done("Access.RemoveLock", lockId=place.front)
    told = {(item.name, *[v if isinstance(v, str) else v["id"] for v in item.params.values()]) for item in desk.news()}
    assert told == {
        ("Access.LockRemoved", place.front),
        ("Access.GrantRemoved", direct),
        ("LockGroups.MembershipChanged", place.member),
    }
    users = (await desk.ask("Users.GetUsers"))["users"]
    assert [user["allowedThingIds"] for user in users if user["username"] == "carol"] == [[place.back]]
    assert [lock["id"] for lock in await desk.get("Access.GetLocks")] == [place.back]
    for method in ("RemoveLock", "GetPendingSync", "SyncLock", "GetWhoHasAccess"):
        assert await desk.error(f"Access.{method}", lockId=place.front) == "LockNotFound"
    assert {grant["id"] for grant in await desk.get("Access.GetGrants")} == {place.grant, place.other_grant}
    # The group's grant is as settled as it can be.
    assert {grant["state"] for grant in await desk.get("Access.GetGrants")} == {"active"}
    await desk.done("Access.AddLock", title="Again", lockId=place.front)
    decision = await desk.get("Access.Evaluate", personId=place.ann, lockId=place.front)
    assert (decision["reason"], decision["desired"], decision["onLock"]) == ("notAuthorized", False, False)
    assert await desk.get("Access.GetPendingSync", lockId=place.front) == []


# Persons


async def test_a_person_with_nothing_and_with_everything(home: Server, desk: Desk) -> None:
    """A person needs nothing; whatever they have can be given and changed, and what is not given stays as it is."""
    await home.add_user("ann")
    owner = await desk.owner()
    nobody = await desk.get("Access.AddPerson")
    empty = {"firstName": "", "lastName": "", "email": "", "phone": "", "enabled": True}
    assert nobody == {"id": nobody["id"], "ownerId": owner, "number": 1, **empty}
    given = {"firstName": "Ann", "lastName": "O'Hara", "email": "A@example.org", "username": "ANN", "enabled": False}
    ann = await desk.get("Access.AddPerson", phone="47 815-49 300", **given)
    shown = {**given, "phone": "+4781549300", "username": "ann"}
    assert ann == {"id": ann["id"], "ownerId": owner, "number": 2, **shown}
    changed = await desk.get("Access.UpdatePerson", personId=f"{{{ann['id']}}}", enabled=True, phone="")
    assert changed == {**ann, "enabled": True, "phone": ""}
    assert await desk.get("Access.UpdatePerson", personId=ann["id"]) == changed
    unlinked = await desk.get("Access.UpdatePerson", personId=ann["id"], username=None)
    assert "username" not in unlinked
    assert (await desk.get("Access.UpdatePerson", personId=ann["id"], username="Ann"))["username"] == "ann"
    assert await desk.get("Access.GetPersons") == [nobody, changed]


async def test_numbers_of_persons_count_up(desk: Desk) -> None:
    """Each owner's persons are numbered from 1 on, and no number comes back with the person gone."""
    first, other = await desk.owner(), await another_owner(desk)
    persons = [await desk.get("Access.AddPerson", ownerId=first) for _ in range(3)]
    assert numbers(persons) == [1, 2, 3]
    await desk.done("Access.RemovePerson", personId=persons[2]["id"])
    assert (await desk.get("Access.AddPerson", ownerId=first))["number"] == 4
    assert (await desk.get("Access.AddPerson", ownerId=other))["number"] == 1
    assert numbers(await desk.get("Access.GetPersons", ownerId=first)) == [1, 2, 4]


async def test_what_a_person_cannot_be(home: Server, desk: Desk) -> None:
    """A person's phone number is an international one, and their user is there and nobody else's."""
    await home.add_user("ann")
    ann = await desk.add("Access.AddPerson", username="ann")
    bob = await desk.add("Access.AddPerson")
    for phone in ("x", "+", "12", "0664 1234567", "+4781549300123456", "+99912345678"):
        text = "phone: not an international phone number such as +4781549300"
        for method, who in (("AddPerson", {}), ("UpdatePerson", {"personId": bob})):
            assert await desk.refused(f"Access.{method}", phone=phone, **who) == ("InvalidParameter", text), phone
    unknown, button = "username: there is no user of that name", "username: the push button's user is nobody's"
    for username, text in (("nobody", unknown), (" ann", unknown), ("", button)):
        assert await desk.refused("Access.AddPerson", username=username) == ("InvalidParameter", text)
    taken = ("Duplicate", "username: the user is another person's already")
    assert await desk.refused("Access.AddPerson", username="Ann") == taken
    assert await desk.refused("Access.UpdatePerson", personId=bob, username="ann") == taken
    await desk.done("Access.UpdatePerson", personId=ann, username="ann")
    assert len(await desk.get("Access.GetPersons")) == 2


async def test_a_person_takes_credentials_and_grants_along(desk: Desk) -> None:
    """With a person go their credentials and grants, and the locks hear of it before nobody gets in any more."""
    place = await premises(desk)
    await desk.done("Access.AddGrant", credentialId=place.key, lockId=place.back)
    await desk.done("Access.SyncLock", lockId=place.back)
    await desk.done("Access.RemovePerson", personId=place.ann)
    assert [person["id"] for person in await desk.get("Access.GetPersons")] == [place.bob]
    assert [item["id"] for item in await desk.get("Access.GetCredentials")] == [place.code]
    assert [grant["id"] for grant in await desk.get("Access.GetGrants")] == [place.other_grant]
    for lock_id in (place.front, place.back):
        (item,) = await desk.get("Access.GetPendingSync", lockId=lock_id)
        assert (item["entity"], item["op"], item["content"]) == ("grant", "remove", {})
    for method in ("UpdatePerson", "RemovePerson", "GetAccessOf"):
        assert await desk.error(f"Access.{method}", personId=place.ann) == "PersonNotFound"


async def test_a_disabled_person_opens_nothing(desk: Desk) -> None:
    """Who is disabled is let in nowhere, which locks hear of; enabled again they are as before."""
    place = await premises(desk)
    await desk.done("Access.UpdatePerson", personId=place.ann, enabled=False)
    decision = await desk.get("Access.Evaluate", personId=place.ann, lockId=place.front)
    assert (decision["reason"], decision["onLock"]) == ("disabled", True)
    (item,) = await desk.get("Access.GetPendingSync", lockId=place.front)
    assert (item["op"], item["content"]["enabled"]) == ("update", False)
    await desk.done("Access.SyncLock", lockId=place.front)
    decision = await desk.get("Access.Evaluate", personId=place.ann, lockId=place.front)
    assert (decision["reason"], decision["onLock"]) == ("disabled", False)
    await desk.done("Access.UpdatePerson", personId=place.ann, enabled=True)
    await desk.done("Access.SyncLock", lockId=place.front)
    decision = await desk.get("Access.Evaluate", personId=place.ann, lockId=place.front)
    assert (decision["reason"], decision["onLock"]) == ("granted", True)


async def test_2500_persons_are_listed_whole(start_server: StartServer, transport: Transport, dialect: Dialect) -> None:
    """A long list has each person once, by number."""
    server = await start_server(log={"level": "warning"})
    await server.set_up()
    desk = await administrator(server, transport, dialect)
    for begin in range(0, 2500, 50):
        await asyncio.gather(*(desk.done("Access.AddPerson", lastName=f"P{begin + i}") for i in range(50)))
    persons = await desk.get("Access.GetPersons")
    assert numbers(persons) == list(range(1, 2501))
    assert len({person["id"] for person in persons}) == 2500
    assert {person["lastName"] for person in persons} == {f"P{number}" for number in range(2500)}


# Credentials


async def test_credentials_have_one_spelling(desk: Desk) -> None:
    """A key's number is one in decimal and in hexadecimal, a phone's in any notation; a type and a value are unique."""
    spellings = {
        "proximity": (["0x00499602d2", "1234567890", "0001234567890", "0X499602D2"], "0001234567890"),
        "phone": (["4781549300", "+4781549300", "+47 81 54 93 00"], "+4781549300"),
        "code": (["000123"], "000123"),
    }
    for kind, (values, canonical) in spellings.items():
        added = await desk.get("Access.AddCredential", type=kind, value=values[0])
        assert added == {
            "id": added["id"],
            "ownerId": await desk.owner(),
            "type": kind,
            "value": canonical,
            "hasPin": False,
            "enabled": True,
        }
        for value in values:
            refusal = await desk.refused("Access.AddCredential", type=kind, value=value)
            assert refusal == ("Duplicate", "there is a credential of that type and value"), value
    assert len(await desk.get("Access.GetCredentials")) == 3


async def test_what_a_credential_cannot_be(desk: Desk) -> None:
    """Values that are none of their type, and PINs that are not 4 to 8 digits, are refused by name and reason."""
    for kind, values in {
        "code": ("", "123", "1" * 17, "12a4", "-1234", "١٢٣٤", "1234 "),
        "proximity": ("", "0x", "0x12345678901", "12345678901234", "1099511627776", "g", "-1", " 1"),
        "phone": ("", "12", "nobody"),
    }.items():
        for value in values:
            outcome, text = await desk.refused("Access.AddCredential", type=kind, value=value)
            assert outcome == "InvalidParameter", value
            assert text is not None
            assert text.startswith("value: ")
    key = await desk.add("Access.AddCredential", type="code", value="1234")
    for pin in ("", "123", "123456789", "12a4", "١٢٣٤", "1234\n", "x" * 100_000):
        refusal = ("InvalidParameter", "pin: a PIN has 4 to 8 decimal digits")
        assert await desk.refused("Access.AddCredential", type="code", value="4321", pin=pin) == refusal
        assert await desk.refused("Access.UpdateCredential", credentialId=key, pin=pin) == refusal
    assert len(await desk.get("Access.GetCredentials")) == 1


async def test_a_pin_is_set_changed_and_cleared(desk: Desk) -> None:
    """A PIN is wanted from when it is set until null clears it, and is never told."""
    place = await premises(desk)
    shown = {"type": "proximity", "value": "1"}

    async def reason(**pin: str) -> str:
        decision = await desk.get("Access.Evaluate", credential=shown, lockId=place.front, **pin)
        return str(decision["reason"])

    assert await reason() == "granted"
    assert await reason(pin="1234") == "pinNotSet"
    changed = await desk.get("Access.UpdateCredential", credentialId=f"{{{place.key}}}", pin="1234")
    assert changed["hasPin"]
    assert "1234" not in str([value for name, value in changed.items() if name not in ("id", "ownerId", "personId")])
    assert [await reason(), await reason(pin="1234"), await reason(pin="1235")] == ["pinNotSet", "granted", "wrongPin"]
    await desk.done("Access.UpdateCredential", credentialId=place.key, enabled=True)
    await desk.done("Access.UpdateCredential", credentialId=place.key, pin="12345678")
    assert [await reason(pin="1234"), await reason(pin="12345678")] == ["wrongPin", "granted"]
    cleared = await desk.get("Access.UpdateCredential", credentialId=place.key, pin=None)
    assert not cleared["hasPin"]
    assert [await reason(), await reason(pin="12345678")] == ["granted", "pinNotSet"]


async def test_a_disabled_credential_opens_nothing(desk: Desk) -> None:
    """What is disabled opens nothing while its person's other means do; locks hear which of them they may take."""
    place = await premises(desk)
    phone = await desk.add("Access.AddCredential", type="phone", value="+4781549300", personId=place.ann)
    await desk.done("Access.SyncLock", lockId=place.front)
    await desk.done("Access.UpdateCredential", credentialId=place.key, enabled=False)
    (item,) = await desk.get("Access.GetPendingSync", lockId=place.front)
    assert item["content"]["credentials"] == [{"type": "phone", "value": "+4781549300", "hasPin": False}]
    for shown, reason in (
        ({"type": "proximity", "value": "1"}, "disabled"),
        ({"type": "phone", "value": "4781549300"}, "granted"),
    ):
        decision = await desk.get("Access.Evaluate", credential=shown, lockId=place.front)
        assert decision["reason"] == reason
    await desk.done("Access.RemoveCredential", credentialId=phone)
    assert await desk.error("Access.RemoveCredential", credentialId=phone) == "CredentialNotFound"
    decision = await desk.get(
        "Access.Evaluate", credential={"type": "phone", "value": "4781549300"}, lockId=place.front
    )
    assert decision["reason"] == "unknownCredential"


async def test_credentials_of_a_person_are_listed(desk: Desk) -> None:
    """Credentials are listed by owner and by person."""
    place = await premises(desk)
    loose = await desk.add("Access.AddCredential", type="code", value="9999")
    listed = await desk.get("Access.GetCredentials")
    assert [item["id"] for item in listed] == sorted([place.key, place.code, loose])
    (anns,) = await desk.get("Access.GetCredentials", personId=place.ann)
    assert (anns["id"], anns["personId"]) == (place.key, place.ann)
    assert await desk.error("Access.GetCredentials", personId=NOWHERE) == "PersonNotFound"
    assert await desk.error("Access.GetCredentials", ownerId=NOWHERE) == "OwnerNotFound"


# Grants


async def test_a_grant_has_one_subject_and_one_target(desk: Desk) -> None:
    """A grant is for a person or a credential, at a lock or a group: one of each."""
    place = await premises(desk)
    one = "exactly one of them is wanted"
    subject, target = {"personId": place.ann}, {"lockId": place.front}
    for params, text in (
        ({**target}, f"personId, credentialId: {one}"),
        ({**subject, "credentialId": place.key, **target}, f"personId, credentialId: {one}"),
        ({**subject}, f"lockId, lockGroupId: {one}"),
        ({**subject, **target, "lockGroupId": place.group}, f"lockId, lockGroupId: {one}"),
    ):
        assert await desk.refused("Access.AddGrant", **params) == ("InvalidParameter", text)
    for params, outcome in (
        ({"personId": NOWHERE, **target}, "PersonNotFound"),
        ({"credentialId": NOWHERE, **target}, "CredentialNotFound"),
        ({**subject, "lockId": NOWHERE}, "LockNotFound"),
        ({**subject, "lockGroupId": NOWHERE}, "LockGroupNotFound"),
    ):
        assert await desk.error("Access.AddGrant", **params) == outcome
    made = []
    for who in (subject, {"credentialId": place.code}):
        for what in (target, {"lockGroupId": place.group}):
            grant = await desk.get("Access.AddGrant", **who, **what)
            assert {name for name in grant if name.endswith("Id")} == {"ownerId", *who, *what}
            made.append(grant["id"])
    assert len(set(made)) == 4


async def test_a_grant_with_nothing_and_with_everything(desk: Desk) -> None:
    """A grant holds always unless something is said; times come back in UTC, and null takes a bound away."""
    place = await premises(desk)
    plain = await desk.get("Access.AddGrant", personId=f"{{{place.ann}}}", lockId=f"{{{place.back.upper()}}}")
    assert plain == {
        "id": plain["id"],
        "ownerId": place.owner,
        "personId": place.ann,
        "lockId": place.back,
        "enabled": True,
        "remoteAllowed": True,
        "state": "pending",
        "issuer": "admin",
        "created": plain["created"],
    }
    assert abs(datetime.fromisoformat(plain["created"]) - datetime.now(UTC)) < timedelta(minutes=5)
    given = {
        "validFrom": "2026-01-01T01:00:00.123456+01:00",
        "validBefore": "2027-01-01T00:00:00-05:30",
        "schedule": OFFICE_HOURS,
        "enabled": False,
        "remoteAllowed": False,
    }
    changed = await desk.get("Access.UpdateGrant", grantId=f"{{{plain['id']}}}", **given)
    shown = {**given, "validFrom": "2026-01-01T00:00:00.123Z", "validBefore": "2027-01-01T05:30:00.000Z"}
    assert changed == {**plain, **shown}
    added = await desk.get("Access.AddGrant", personId=place.ann, lockId=place.back, **given)
    assert {name: added[name] for name in shown} == shown
    assert await desk.get("Access.UpdateGrant", grantId=plain["id"]) == changed
    cleared = await desk.get("Access.UpdateGrant", grantId=plain["id"], validFrom=None)
    assert cleared == {name: value for name, value in changed.items() if name != "validFrom"}
    cleared = await desk.get("Access.UpdateGrant", grantId=plain["id"], validBefore=None, schedule=None)
    assert cleared == {**plain, "enabled": False, "remoteAllowed": False}
    assert [grant for grant in await desk.get("Access.GetGrants") if grant["id"] == plain["id"]] == [cleared]


async def test_a_grant_begins_before_it_ends(desk: Desk) -> None:
    """A validity that ends at its begin or before is refused, also where only one end is changed."""
    place = await premises(desk)
    late = ("InvalidParameter", "validBefore: must be later than validFrom")
    for begin, end in (("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"), (NOON, "2026-01-01T00:00:00Z")):
        params = {"validFrom": begin, "validBefore": end}
        assert await desk.refused("Access.AddGrant", personId=place.ann, lockId=place.front, **params) == late
        assert await desk.refused("Access.UpdateGrant", grantId=place.grant, **params) == late
    await desk.done("Access.UpdateGrant", grantId=place.grant, validBefore=NOON)
    assert await desk.refused("Access.UpdateGrant", grantId=place.grant, validFrom=NOON) == late
    both = {"validFrom": NOON, "validBefore": "2026-03-05T12:00:00Z"}
    assert (await desk.get("Access.UpdateGrant", grantId=place.grant, **both))[
        "validFrom"
    ] == "2026-03-04T12:00:00.000Z"


async def test_bad_schedules_are_refused_by_place_and_reason(desk: Desk) -> None:
    """What cannot be read as a schedule is named with its place and the reason."""
    place = await premises(desk)
    bad: list[tuple[dict[str, Any], str]] = [
        ({}, "schedule: exactly one of weekly and ical is wanted"),
        ({**OFFICE_HOURS, "ical": FRIDAYS}, "schedule: exactly one of weekly and ical is wanted"),
        ({"weekly": []}, "schedule: weekly: 1 to"),
        ({"weekly": [{"weekdays": [], "from": "08:00", "until": "17:00"}]}, "schedule: weekly[0].weekdays: a list of"),
        (
            {"weekly": [{"weekdays": ["mon"], "from": "8", "until": "17:00"}]},
            'schedule: weekly[0].from: "8" is no time',
        ),
        (
            {"weekly": [{"weekdays": ["mon"], "from": "08:00", "until": "08:00"}]},
            "schedule: weekly[0]: 08:00 until 08:00 is nothing",
        ),
        ({"ical": ""}, "schedule: ical: "),
        ({"ical": FRIDAYS.replace("FREQ=WEEKLY;", "")}, "schedule: ical: RRULE: FREQ is missing"),
        ({"ical": FRIDAYS.replace("WEEKLY", "SECONDLY")}, 'schedule: ical: RRULE: FREQ: "SECONDLY" is none of'),
        ({"ical": FRIDAYS.replace("BYDAY=FR", "BYDAY=MO")}, "schedule: ical: RRULE: DTSTART is not one of its own"),
        ({"ical": FRIDAYS.replace("BYDAY=FR", "BYNOON=1")}, 'schedule: ical: RRULE: "BYNOON" is not allowed'),
    ]
    for schedule, start in bad:
        for method, params in (
            ("AddGrant", {"personId": place.ann, "lockId": place.front}),
            ("UpdateGrant", {"grantId": place.grant}),
        ):
            outcome, text = await desk.refused(f"Access.{method}", schedule=schedule, **params)
            assert outcome == "InvalidSchedule", schedule
            assert text is not None
            assert text.startswith(start), text
    assert len(await desk.get("Access.GetGrants")) == 2


async def test_schedules_hold_in_the_locks_time(desk: Desk) -> None:
    """Office hours and a calendar let in by the lock's own clock, on both sides of the change to summer time."""
    lock = await desk.add("Access.AddLock", title="Office", timeZone="Europe/Vienna")
    ann, bob = [await desk.add("Access.AddPerson") for _ in range(2)]
    await desk.done("Access.AddGrant", personId=ann, lockId=lock, schedule=OFFICE_HOURS)
    await desk.done("Access.AddGrant", personId=bob, lockId=lock, schedule={"ical": FRIDAYS})
    for person, inside, outside in (
        (
            ann,
            ["2026-03-27T07:00:00Z", "2026-03-27T15:59:59Z", "2026-03-30T06:00:00Z", "2026-10-26T07:00:00Z"],
            ["2026-03-27T06:59:59Z", "2026-03-27T16:00:00Z", "2026-03-30T05:59:59Z", "2026-10-26T06:59:59Z"],
        ),
        (
            bob,
            ["2026-03-27T08:00:00Z", "2026-04-03T09:30:00+02:00"],
            ["2026-03-26T08:30:00Z", "2026-03-27T09:00:00Z", "2026-04-03T08:30:00Z", "2025-12-26T08:30:00Z"],
        ),
    ):
        for at in inside + outside:
            decision = await desk.get("Access.Evaluate", personId=person, lockId=lock, time=at)
            assert decision["reason"] == ("granted" if at in inside else "outsideSchedule"), at
    decision = await desk.get("Access.Evaluate", personId=ann, lockId=lock, time="2026-03-27T12:00:00Z")
    assert decision["until"] == "2026-03-27T16:00:00.000Z"


async def test_a_revoked_grant_stays_as_it_is(desk: Desk) -> None:
    """A grant that is revoked lets nobody in at once, is revoked once, and can only be looked at from then on."""
    place = await premises(desk)
    revoking = await desk.get("Access.RevokeGrant", grantId=f"{{{place.other_grant}}}")
    assert revoking["state"] == "revoking"
    assert "revoked" in revoking
    assert (await desk.get("Access.GetLocks"))[0]["rclSerialNo"] == 2
    decision = await desk.get("Access.Evaluate", personId=place.bob, lockId=place.back)
    assert (decision["reason"], decision["allowed"], decision["onLock"]) == ("revoked", False, True)
    assert decision["grantIds"] == [place.other_grant]
    assert await desk.get("Access.RevokeGrant", grantId=place.other_grant) == revoking
    assert len(await desk.get("Access.GetPendingSync", lockId=place.back)) == 1
    await desk.done("Access.SyncLock", lockId=place.back)
    revoked = await desk.get("Access.RevokeGrant", grantId=place.other_grant)
    assert revoked == {**revoking, "state": "revoked"}
    assert await desk.refused("Access.UpdateGrant", grantId=place.other_grant, enabled=True) == (
        "InvalidParameter",
        "grantId: the grant was revoked; make another one",
    )
    decision = await desk.get("Access.Evaluate", personId=place.bob, lockId=place.back)
    assert (decision["reason"], decision["onLock"]) == ("revoked", False)
    for method in ("UpdateGrant", "RevokeGrant"):
        assert await desk.error(f"Access.{method}", grantId=NOWHERE) == "GrantNotFound"


async def test_grants_are_listed_by_all_that_is_given(desk: Desk) -> None:
    """Grants are found by person (their credentials' too), by lock (its groups' too), by group and by state."""
    place = await premises(desk)
    by_key = await desk.add("Access.AddGrant", credentialId=place.key, lockId=place.back)

    async def found(**params: Any) -> set[str]:
        grants = await desk.get("Access.GetGrants", **params)
        assert [grant["id"] for grant in grants] == sorted(grant["id"] for grant in grants)
        return {grant["id"] for grant in grants}

    assert await found() == {place.grant, place.other_grant, by_key}
    assert await found(personId=place.ann) == {place.grant, by_key}
    assert await found(lockId=place.front) == {place.grant}
    assert await found(lockId=place.back) == {place.other_grant, by_key}
    assert await found(lockGroupId=place.group) == {place.grant}
    assert await found(lockGroupId=place.other_group) == set()
    assert await found(state="pending") == {by_key}
    assert await found(state="active") == {place.grant, place.other_grant}
    assert await found(personId=place.ann, lockId=place.back, state="pending") == {by_key}
    assert await found(personId=place.bob, state="failed") == set()
    for params, outcome in (
        ({"personId": NOWHERE}, "PersonNotFound"),
        ({"lockId": NOWHERE}, "LockNotFound"),
        ({"lockGroupId": NOWHERE}, "LockGroupNotFound"),
    ):
        assert await desk.error("Access.GetGrants", **params) == outcome


# Decisions


async def test_every_reason_in_its_order(start_server: StartServer, transport: Transport, dialect: Dialect) -> None:
    """The first step that fails names the reason: each is reached, by Evaluate and by the door, with its number."""
    server = await start_server(access={"pin_attempts": 2})
    await server.set_up()
    desk = await administrator(server, transport, dialect)
    place = await premises(desk)
    key: dict[str, Any] = {"credential": {"type": "proximity", "value": "0x1"}, "lockId": place.back}

    async def both(reason: str, code: int, **params: Any) -> None:
        decision = await desk.get("Access.Evaluate", **{**key, **params})
        reported = await desk.done("Access.ReportAccess", **{**key, **params})
        assert decision["reason"] == reported["decision"]["reason"] == reported["event"]["reason"] == reason
        assert decision["allowed"] == decision["desired"] == reported["event"]["allowed"] == (reason == "granted")
        assert reported["event"]["code"] == code

    await both("unknownCredential", 201, credential={"type": "code", "value": "99999999"})
    await both("notAuthorized", 206)
    grant = await desk.add(
        "Access.AddGrant",
        credentialId=place.key,
        lockId=place.back,
        validFrom="2026-01-01T00:00:00Z",
        validBefore="2027-01-01T00:00:00Z",
        schedule=OFFICE_HOURS,
        remoteAllowed=False,
    )
    await both("notYetValid", 202, time="2025-12-31T23:59:59.999Z")
    await both("expired", 202, time="2027-01-01T00:00:00Z")
    await both("outsideSchedule", 207, time="2026-03-07T12:00:00Z")
    await both("remoteNotAllowed", 206, time=NOON, remote=True)
    await both("granted", 102, time=NOON, remote=False)
    await desk.done("Access.UpdateCredential", credentialId=place.key, pin="1234")
    await both("pinNotSet", 205, time=NOON)
    await both("granted", 103, time=NOON, pin="1234")
    await both("wrongPin", 200, time=NOON, pin="4321")
    # The second one locks it out.
    await both("wrongPin", 200, time=NOON, pin="4321")
    locked = await desk.get("Access.Evaluate", **key, pin="1234")
    assert locked["reason"] == "lockedOut"
    assert (await desk.done("Access.ReportAccess", **key, time=NOON, pin="1234"))["event"]["code"] == 200
    (shown,) = await desk.get("Access.GetCredentials", personId=place.ann)
    assert locked["until"] == shown["lockedUntil"]
    await desk.done("Access.UpdateCredential", credentialId=place.key)
    await both("granted", 103, time=NOON, pin="1234")
    await desk.done("Access.UpdateGrant", grantId=grant, enabled=False)
    await both("disabled", 204, time=NOON, pin="1234")
    await desk.done("Access.RevokeGrant", grantId=grant)
    await both("revoked", 203, time=NOON, pin="1234")
    # Others open by other means.
    await desk.done("Access.AddGrant", credentialId=place.code, lockId=place.back)
    await both("granted", 101, credential={"type": "code", "value": "24681357"})
    phone = await desk.add("Access.AddCredential", type="phone", value="+4781549300", personId=place.bob)
    await both("granted", 100, credential={"type": "phone", "value": "4781549300"})
    await desk.done("Access.RemoveCredential", credentialId=phone)


async def test_a_person_is_asked_for_without_credential(desk: Desk) -> None:
    """Evaluate and ReportAccess take a person or a credential, and a PIN only with a credential."""
    place = await premises(desk)
    shown = {"type": "code", "value": "24681357"}
    for method in ("Evaluate", "ReportAccess"):
        for params, text in (
            ({}, "personId, credential: exactly one of them is wanted"),
            ({"personId": place.bob, "credential": shown}, "personId, credential: exactly one of them is wanted"),
            ({"personId": place.bob, "pin": "1234"}, "pin: it comes with a credential"),
        ):
            refusal = await desk.refused(f"Access.{method}", lockId=place.back, **params)
            assert refusal == ("InvalidParameter", text)
        outcome = await desk.error(f"Access.{method}", lockId=place.back, credential={"type": "code", "value": "x"})
        assert outcome == "InvalidParameter"
        assert await desk.error(f"Access.{method}", lockId=NOWHERE, personId=place.bob) == "LockNotFound"
        assert await desk.error(f"Access.{method}", lockId=place.back, personId=NOWHERE) == "PersonNotFound"
    reported = await desk.done("Access.ReportAccess", lockId=f"{{{place.back}}}", personId=f"{{{place.bob}}}")
    assert reported["decision"] == {
        "allowed": True,
        "reason": "granted",
        "grantIds": [place.other_grant],
        "desired": True,
        "onLock": True,
    }
    event = reported["event"]
    assert (event["kind"], event["code"], event["personId"], event["lockId"]) == (
        "decision",
        100,
        place.bob,
        place.back,
    )
    assert event["details"]["by"] == "admin"


async def test_evaluate_leaves_no_trace(desk: Desk) -> None:
    """However often it is asked, with a wrong PIN, too: nothing is logged, told, counted or locked out."""
    place = await premises(desk)
    await desk.done("Access.UpdateCredential", credentialId=place.key, pin="1234")
    before = await desk.get("Access.GetEvents")
    await desk.listen("Access", "LockGroups")
    shown = {"type": "proximity", "value": "1"}
    for _ in range(10):
        decision = await desk.get("Access.Evaluate", credential=shown, lockId=place.front, pin="9999")
        assert decision["reason"] == "wrongPin"
    assert (await desk.get("Access.Evaluate", credential=shown, lockId=place.front, pin="1234"))["allowed"]
    assert await desk.heard() == []
    assert await desk.get("Access.GetEvents") == before


async def test_the_last_of_too_many_wrong_pins_locks_out(desk: Desk) -> None:
    """Five wrong PINs in a row lock a credential out, a right one between them starts the count anew."""
    place = await premises(desk)
    await desk.done("Access.UpdateCredential", credentialId=place.key, pin="1234")
    await desk.listen("Access", "LockGroups")
    attempt: dict[str, Any] = {"credential": {"type": "proximity", "value": "1"}, "lockId": place.front}

    async def report(pin: str) -> str:
        return str((await desk.done("Access.ReportAccess", **attempt, pin=pin))["decision"]["reason"])

    assert [await report("0000") for _ in range(4)] == ["wrongPin"] * 4
    assert await report("1234") == "granted"
    assert [await report("0000") for _ in range(4)] == ["wrongPin"] * 4
    assert await desk.names() == {"Access.AccessDecided": 9}
    assert await report("0000") == "wrongPin"
    (changed, decided) = sorted(desk.news(), key=lambda item: item.name, reverse=True)
    assert changed.name == "Access.CredentialChanged"
    assert "lockedUntil" in changed.params["credential"]
    assert decided.params["event"]["reason"] == "wrongPin"
    assert [await report("1234") for _ in range(3)] == ["lockedOut"] * 3
    # Setting another PIN ends it.
    assert "lockedUntil" not in await desk.get("Access.UpdateCredential", credentialId=place.key, pin="4321")
    assert await report("4321") == "granted"


async def test_a_late_report_is_judged_by_its_own_time_but_for_lock_outs(start_server: StartServer) -> None:
    """A late report is decided about as of then, but whether a key is locked out goes by the server's clock."""
    server = await start_server(access={"pin_attempts": 1, "pin_lockout": 0.001})
    await server.set_up()
    desk = await administrator(server)
    place = await premises(desk)
    await desk.done("Access.UpdateCredential", credentialId=place.key, pin="1234")
    attempt: dict[str, Any] = {"credential": {"type": "proximity", "value": "1"}, "lockId": place.front}
    assert (await desk.done("Access.ReportAccess", **attempt, pin="0000"))["decision"]["reason"] == "wrongPin"
    (shown,) = await desk.get("Access.GetCredentials", personId=place.ann)
    while datetime.now(UTC) <= datetime.fromisoformat(shown["lockedUntil"]):
        await desk.heard()
    late = await desk.done("Access.ReportAccess", **attempt, pin="1234", time="2026-01-01T00:00:00+01:00")
    assert late["decision"]["reason"] == "granted"
    assert late["event"]["time"] == "2025-12-31T23:00:00.000Z"


async def test_lists_say_the_same_as_evaluate(desk: Desk) -> None:
    """GetWhoHasAccess and GetAccessOf tell of everybody and everything reached what Evaluate tells."""
    place = await premises(desk)
    loose = await desk.add("Access.AddCredential", type="code", value="1111")
    await desk.done("Access.AddGrant", credentialId=loose, lockId=place.front, schedule=OFFICE_HOURS)
    await desk.done("Access.AddGrant", credentialId=place.key, lockId=place.back, validBefore="2026-01-01T00:00:00Z")
    for at in ({}, {"time": NOON}, {"time": "2025-12-01T00:00:00+05:00"}):
        for lock_id in (place.front, place.back):
            holders = await desk.get("Access.GetWhoHasAccess", lockId=f"{{{lock_id}}}", **at)
            expected = {place.front: [place.ann, loose], place.back: [place.ann, place.bob]}[lock_id]
            assert [item.get("personId") or item["credentialId"] for item in holders] == sorted(
                expected, key=lambda item: (item == loose, item)
            )
            for holder in holders:
                person = holder.pop("personId", None)
                who: dict[str, Any] = {"personId": person}
                if person is None:
                    who = {"credential": {"type": "code", "value": "1111"}}
                    del holder["credentialId"]
                decision = await desk.get("Access.Evaluate", **who, lockId=lock_id, **at)
                assert {**holder, "desired": holder["allowed"]} == decision
        for person in (place.ann, place.bob):
            reached = await desk.get("Access.GetAccessOf", personId=person, **at)
            expected = {place.ann: [place.front, place.back], place.bob: [place.back]}[person]
            assert [item["lockId"] for item in reached] == sorted(expected)
            for item in reached:
                lock_id = item.pop("lockId")
                decision = await desk.get("Access.Evaluate", personId=person, lockId=lock_id, **at)
                assert {**item, "desired": item["allowed"]} == decision
    assert await desk.error("Access.GetWhoHasAccess", lockId=NOWHERE) == "LockNotFound"
    assert await desk.error("Access.GetAccessOf", personId=NOWHERE) == "PersonNotFound"


# Synchronisation


async def test_a_lock_hears_of_changes_in_order(desk: Desk) -> None:
    """What a lock must hear of is told in order with all it must know; confirmed it is gone, with an error it stays."""
    place = await premises(desk, synchronised=False)
    await desk.done("Access.UpdateGrant", grantId=place.other_grant, remoteAllowed=False, validBefore=NOON)
    items = await desk.get("Access.GetPendingSync", lockId=f"{{{place.back}}}")
    assert [(item["entity"], item["op"], item["entityId"]) for item in items] == [
        ("membership", "add", place.other_member),
        ("grant", "add", place.other_grant),
        ("grant", "update", place.other_grant),
    ]
    assert set(items[0]) == {"id", "entity", "entityId", "op", "content", "created", "attempts"}
    assert items[0]["content"] == {"lockGroupId": place.other_group}
    code = {"type": "code", "value": "24681357", "hasPin": False}
    assert items[1]["content"] == {
        "personId": place.bob,
        "enabled": True,
        "remoteAllowed": True,
        "credentials": [code],
    }
    held = items[2]["content"]
    assert (held["remoteAllowed"], datetime.fromisoformat(held["validBefore"])) == (
        False,
        datetime.fromisoformat(NOON),
    )
    # Later news about a thing does not come before earlier news about it.
    outcome, text = await desk.refused("Access.ConfirmSync", lockId=place.back, items=[{"id": items[2]["id"]}])
    assert outcome == "InvalidParameter"
    assert text == f"items: {items[2]['id']} comes after another item about the same grant"
    await desk.done(
        "Access.ConfirmSync",
        lockId=place.back,
        items=[{"id": f"{{{items[1]['id']}}}", "error": "memory full"}, {"id": items[0]["id"]}],
    )
    left = await desk.get("Access.GetPendingSync", lockId=place.back)
    assert left == [{**items[1], "attempts": 1, "error": "memory full"}, items[2]]
    (grant,) = await desk.get("Access.GetGrants", lockId=place.back)
    assert grant["state"] == "failed"
    # The order in which they are named is of no meaning.
    await desk.done("Access.ConfirmSync", lockId=place.back, items=[{"id": items[2]["id"]}, {"id": items[1]["id"]}])
    assert await desk.get("Access.GetPendingSync", lockId=place.back) == []
    (grant,) = await desk.get("Access.GetGrants", lockId=place.back)
    assert grant["state"] == "active"
    # Again: nothing happens.
    before = await desk.get("Access.GetEvents")
    await desk.done("Access.ConfirmSync", lockId=place.back, items=[{"id": item["id"]} for item in items])
    await desk.done("Access.ConfirmSync", lockId=place.back, items=[])
    assert await desk.get("Access.GetEvents") == before


async def test_what_cannot_be_confirmed(desk: Desk) -> None:
    """Items that are not this lock's, or are named twice, are refused, and nothing that came with them is stored."""
    place = await premises(desk, synchronised=False)
    (first, *_) = await desk.get("Access.GetPendingSync", lockId=place.front)
    (others, *_) = await desk.get("Access.GetPendingSync", lockId=place.back)
    for wrong in (NOWHERE, others["id"]):
        refusal = await desk.refused(
            "Access.ConfirmSync", lockId=place.front, items=[{"id": first["id"]}, {"id": wrong}]
        )
        assert refusal == ("SyncItemNotFound", f"items: {wrong} is not an item of this lock")
    refusal = await desk.refused(
        "Access.ConfirmSync", lockId=place.front, items=[{"id": first["id"]}, {"id": first["id"], "error": "x"}]
    )
    assert refusal == ("InvalidParameter", "items: an item is named twice")
    assert (await desk.get("Access.GetPendingSync", lockId=place.front))[0] == first
    for method in ("GetPendingSync", "SyncLock"):
        assert await desk.error(f"Access.{method}", lockId=NOWHERE) == "LockNotFound"
    assert await desk.error("Access.ConfirmSync", lockId=NOWHERE, items=[]) == "LockNotFound"


async def test_only_a_virtual_lock_synchronises_itself(desk: Desk) -> None:
    """SyncLock has a virtual lock hear of everything, and is refused for a lock with a bridge."""
    place = await premises(desk, synchronised=False)
    await desk.done("Access.UpdateLock", lockId=place.front, virtual=False)
    assert await desk.refused("Access.SyncLock", lockId=place.front) == (
        "InvalidParameter",
        "lockId: the lock is not virtual; its bridge speaks for it",
    )
    await desk.done("Access.SyncLock", lockId=place.back)
    counts = {lock["id"]: lock["pendingSyncCount"] for lock in await desk.get("Access.GetLocks")}
    assert counts == {place.front: 2, place.back: 0}


# Events


async def test_events_tell_what_happened(desk: Desk) -> None:
    """Changes, what locks heard of and decisions are logged with what they are about, the newest first."""
    place = await premises(desk)
    await desk.done("Access.ReportAccess", personId=place.ann, lockId=place.front)
    await desk.done("Access.ReportAccess", personId=place.bob, lockId=place.front)
    events = await desk.get("Access.GetEvents")
    assert [event["kind"] for event in events[:3]] == ["decision", "decision", "change"]
    assert {event["kind"] for event in events} == {"decision", "sync", "change"}
    assert {event["reason"] for event in events} >= {
        "lockAdded",
        "personAdded",
        "credentialAdded",
        "grantAdded",
        "lockGroupAdded",
        "membershipAdded",
        "membershipChanged",
        "synced",
        "granted",
        "notAuthorized",
    }
    assert len({event["id"] for event in events}) == len(events)
    assert {event["details"]["by"] for event in events} == {"admin"}

    async def found(**params: Any) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = await desk.get("Access.GetEvents", **params)
        assert [event for event in events if event in listed] == listed
        return listed

    assert {event["lockId"] for event in await found(lockId=f"{{{place.front}}}")} == {place.front}
    assert {event["personId"] for event in await found(personId=place.ann)} == {place.ann}
    assert [event["allowed"] for event in events if event["kind"] == "decision"] == [False, True]
    assert [e["reason"] for e in await found(includeAccessGranted=False) if "allowed" in e] == ["notAuthorized"]
    assert [e["reason"] for e in await found(includeAccessDenied=False) if "allowed" in e] == ["granted"]
    neither = await found(includeAccessDenied=False, includeAccessGranted=False)
    assert neither == [event for event in events if event["kind"] != "decision"]
    assert await found(lockId=NOWHERE) == []
    assert await found(personId=NOWHERE) == []


async def test_events_of_a_time(desk: Desk) -> None:
    """Events are found from a moment on and before another, whatever the offset in which these are given."""
    place = await premises(desk)
    times = [f"2026-03-04T12:00:00.{n:03}Z" for n in (0, 1, 999)]
    for at in times:
        await desk.done("Access.ReportAccess", personId=place.ann, lockId=place.front, time=at)

    async def found(**params: Any) -> list[str]:
        return [event["time"] for event in await desk.get("Access.GetEvents", toDate="2026-06-01T00:00:00Z", **params)]

    assert await found() == times[::-1]
    assert await found(fromDate="2026-03-04T13:00:00.001+01:00") == [times[2], times[1]]
    before = await desk.get("Access.GetEvents", toDate="2026-03-04T07:00:00.999-05:00")
    assert [event["time"] for event in before] == [times[1], times[0]]
    same = await desk.get("Access.GetEvents", fromDate=times[1], toDate=times[1])
    assert same == []


async def test_pages_of_events_while_new_ones_arrive(desk: Desk) -> None:
    """Page by page every event comes once, although others are logged between the pages."""
    place = await premises(desk)

    async def report() -> None:
        await desk.done("Access.ReportAccess", personId=place.ann, lockId=place.front)

    for _ in range(10):
        await report()
    all_of_them = [event["id"] for event in await desk.get("Access.GetEvents")]
    paged: list[str] = []
    key: dict[str, str] = {}
    while True:
        page = await desk.done("Access.GetEvents", limit=7, **key)
        paged += [event["id"] for event in page["events"]]
        await report()
        if "continuationKey" not in page:
            break
        assert len(page["events"]) == 7
        key = {"continuationKey": page["continuationKey"]}
    assert paged == all_of_them
    # The last page may be full, too.
    page = await desk.done("Access.GetEvents", limit=3, fromDate="2026-01-01T00:00:00Z", lockId=place.back)
    rest = await desk.done("Access.GetEvents", limit=1000, lockId=place.back)
    assert len(rest["events"]) > 3
    exact = await desk.done("Access.GetEvents", limit=len(rest["events"]), lockId=place.back)
    assert exact == rest
    assert "continuationKey" not in exact
    for bad in ("", "x", "-1", "1.5", "9" * 19):
        assert await desk.refused("Access.GetEvents", continuationKey=bad) == (
            "InvalidParameter",
            "continuationKey: not one that a page has told",
        )


# Params


async def test_params_are_strict(desk: Desk) -> None:
    """An unknown key, a missing one, a wrong type, a bad uuid, time or word: each is refused by the param's name."""
    good_id = str(uuid4())
    stories: list[tuple[str, str, dict[str, Any]]] = [
        ("GetOwners", "surplus", {"surplus": 1}),
        ("AddOwner", "title", {}),
        ("AddOwner", "title", {"title": "x" * 256}),
        ("AddOwner", "title", {"title": "a\nb"}),
        ("AddOwner", "title", {"title": None}),
        ("GetLocks", "ownerId", {"ownerId": "home"}),
        ("GetLocks", "ownerId", {"ownerId": None}),
        ("AddLock", "title", {"title": 1}),
        ("AddLock", "lockId", {"title": "x", "lockId": f"{{{good_id}"}),
        ("AddLock", "lockId", {"title": "x", "lockId": 1}),
        ("AddLock", "protocolVersion", {"title": "x", "protocolVersion": -1}),
        ("AddLock", "protocolVersion", {"title": "x", "protocolVersion": 2**31}),
        ("AddLock", "protocolVersion", {"title": "x", "protocolVersion": True}),
        ("AddLock", "protocolVersion", {"title": "x", "protocolVersion": "1"}),
        ("AddLock", "virtual", {"title": "x", "virtual": 1}),
        ("AddLock", "timeZone", {"title": "x", "timeZone": None}),
        ("UpdateLock", "lockId", {}),
        ("UpdateLock", "title", {"lockId": good_id, "title": None}),
        ("UpdateLock", "ownerId", {"lockId": good_id, "ownerId": good_id}),
        ("RemoveLock", "lockId", {"lockId": ""}),
        ("GetPersons", "ownerId", {"ownerId": []}),
        ("AddPerson", "phone", {"phone": 4781549300}),
        ("AddPerson", "username", {"username": None}),
        ("AddPerson", "number", {"number": 5}),
        ("UpdatePerson", "personId", {"personId": "ann"}),
        ("UpdatePerson", "email", {"personId": good_id, "email": None}),
        ("UpdatePerson", "enabled", {"personId": good_id, "enabled": "true"}),
        ("RemovePerson", "personId", {}),
        ("GetCredentials", "personId", {"personId": {}}),
        ("AddCredential", "type", {"type": "face", "value": "1234"}),
        ("AddCredential", "type", {"type": 1, "value": "1234"}),
        ("AddCredential", "value", {"type": "code", "value": 1234}),
        ("AddCredential", "pin", {"type": "code", "value": "1234", "pin": 1234}),
        ("AddCredential", "pin", {"type": "code", "value": "1234", "pin": None}),
        ("UpdateCredential", "credentialId", {"pin": "1234"}),
        ("UpdateCredential", "pin", {"credentialId": good_id, "pin": 1234}),
        ("UpdateCredential", "value", {"credentialId": good_id, "value": "1234"}),
        ("UpdateCredential", "enabled", {"credentialId": good_id, "enabled": None}),
        ("RemoveCredential", "credentialId", {"credentialId": f"{good_id} "}),
        ("GetGrants", "state", {"state": "Ok"}),
        ("GetGrants", "lockId", {"lockId": "front"}),
        ("AddGrant", "validFrom", {"validFrom": "2026-01-01"}),
        ("AddGrant", "validFrom", {"validFrom": "2026-01-01T00:00:00"}),
        ("AddGrant", "validFrom", {"validFrom": 1767225600}),
        ("AddGrant", "validBefore", {"validBefore": "2026-02-30T00:00:00Z"}),
        ("AddGrant", "validBefore", {"validBefore": "9001-01-01T00:00:00Z"}),
        ("AddGrant", "validBefore", {"validBefore": "1969-12-31T23:59:59Z"}),
        ("AddGrant", "validBefore", {"validBefore": "0001-01-01T00:00:00+23:59"}),
        ("AddGrant", "validBefore", {"validBefore": None}),
        ("AddGrant", "schedule", {"schedule": None}),
        ("AddGrant", "schedule", {"schedule": "always"}),
        ("AddGrant", "grantId", {"grantId": good_id}),
        ("UpdateGrant", "enabled", {"grantId": good_id, "enabled": None}),
        ("UpdateGrant", "validFrom", {"grantId": good_id, "validFrom": ""}),
        ("RevokeGrant", "grantId", {"grantId": None}),
        ("Evaluate", "lockId", {"personId": good_id}),
        ("Evaluate", "time", {"lockId": good_id, "time": "now"}),
        ("Evaluate", "remote", {"lockId": good_id, "remote": 0}),
        ("Evaluate", "pin", {"lockId": good_id, "pin": 1234}),
        ("Evaluate", "pin", {"lockId": good_id, "pin": "1" * 65}),
        ("ReportAccess", "personId", {"lockId": good_id, "personId": None}),
        ("GetWhoHasAccess", "time", {"lockId": good_id, "time": None}),
        ("GetAccessOf", "lockId", {"personId": good_id, "lockId": good_id}),
        ("GetPendingSync", "lockId", {"lockId": 0}),
        ("ConfirmSync", "items", {"lockId": good_id}),
        ("ConfirmSync", "items", {"lockId": good_id, "items": [{"id": good_id}] * 1001}),
        ("SyncLock", "items", {"lockId": good_id, "items": []}),
        ("GetEvents", "limit", {"limit": 0}),
        ("GetEvents", "limit", {"limit": 1001}),
        ("GetEvents", "limit", {"limit": 1.5}),
        ("GetEvents", "fromDate", {"fromDate": "yesterday"}),
        ("GetEvents", "toDate", {"toDate": "2026-01-01T25:00:00Z"}),
        ("GetEvents", "includeAccessGranted", {"includeAccessGranted": None}),
        ("GetEvents", "continuationKey", {"continuationKey": 7}),
    ]
    for method, param, params in stories:
        assert await desk.invalid(f"Access.{method}", param, **params), (method, params)


async def test_params_within_params_are_strict(desk: Desk) -> None:
    """What is wrong inside of a credential, a schedule or an item is named with its place."""
    good_id = str(uuid4())
    window = {"weekdays": ["mon"], "from": "08:00", "until": "17:00"}
    for method, params, place in (
        ("Evaluate", {"lockId": good_id, "credential": {"type": "code"}}, "credential.value"),
        ("Evaluate", {"lockId": good_id, "credential": {"type": "face", "value": "1"}}, "credential.type"),
        (
            "ReportAccess",
            {"lockId": good_id, "credential": {"type": "code", "value": "1", "pin": "1"}},
            "credential.pin",
        ),
        ("ConfirmSync", {"lockId": good_id, "items": [{"id": good_id}, {"id": "x"}]}, "items.1.id"),
        ("ConfirmSync", {"lockId": good_id, "items": [{"id": good_id, "error": None}]}, "items.0.error"),
        ("ConfirmSync", {"lockId": good_id, "items": [{"id": good_id, "ok": True}]}, "items.0.ok"),
        (
            "AddGrant",
            {"schedule": {"weekly": [window, {**window, "weekdays": ["day"]}]}},
            "schedule.weekly.1.weekdays.0",
        ),
        ("AddGrant", {"schedule": {"weekly": [{"weekdays": ["mon"], "until": "17:00"}]}}, "schedule.weekly.0.from"),
        ("AddGrant", {"schedule": {"ical": "x" * 20_001}}, "schedule.ical"),
        ("UpdateGrant", {"grantId": good_id, "schedule": {"daily": []}}, "schedule.daily"),
    ):
        await desk.invalid(f"Access.{method}", place, **params)


async def test_params_go_by_position(home: Server, transport: Transport) -> None:
    """In JSON-RPC 2.0 params go by position, in the declared order, with those left out at the end."""
    token = await (await home.client()).authenticate("admin", PASSWORD, "phone")
    assert token is not None
    raw = await home.raw(transport)

    async def call(method: str, *params: Any) -> Any:
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": f"Access.{method}",
            "params": list(params),
            "token": token.token,
        }
        reply = await raw.ask(message)
        assert "result" in reply, reply
        assert reply["result"]["error"] == "AccessErrorNoError"
        return reply["result"]

    lock = (await call("AddLock", "Door", THING, (await call("GetOwners"))["owners"][0]["id"], "", "Europe/Vienna"))[
        "lock"
    ]
    assert (lock["id"], lock["timeZone"]) == (THING, "Europe/Vienna")
    person = (await call("AddPerson", lock["ownerId"], "Ann", "Smith"))["person"]
    assert (person["firstName"], person["lastName"]) == ("Ann", "Smith")
    key = (await call("AddCredential", "code", "1234", person["id"]))["credential"]
    assert key["personId"] == person["id"]
    refused = await raw.ask(
        {"jsonrpc": "2.0", "id": 2, "method": "Access.AddOwner", "params": ["Works", 1], "token": token.token}
    )
    assert refused["error"]["code"] == -32602
    decision = (await call("Evaluate", THING, person["id"]))["decision"]
    assert decision["reason"] == "notAuthorized"
    assert [
        event["lockId"] for event in (await call("GetEvents", "2026-01-01T00:00:00Z"))["events"] if "lockId" in event
    ]


# Notifications


async def test_every_change_is_told_once_and_before_the_reply(home: Server, desk: Desk) -> None:
    """What a call changes is told once, to the caller before the reply; what changes nothing is not told."""
    listener = await administrator(home)
    await listener.listen("Access", "LockGroups")
    await desk.listen("Access", "LockGroups")

    async def told(method: str, *names: str, **params: Any) -> dict[str, Any]:
        result = await desk.done(f"Access.{method}", **params)
        assert [notification.name for notification in desk.news()] == [f"Access.{name}" for name in names], method
        return result

    await told("AddOwner", "OwnerAdded", title="Works")
    owner = (await desk.get("Access.GetOwners"))[0]["id"]
    await told("AddLock", "LockAdded", title="Door", lockId=THING, ownerId=owner)
    await told("UpdateLock", "LockChanged", lockId=THING, title="Front door")
    await told("UpdateLock", lockId=THING, title="Front door")
    person = (await told("AddPerson", "PersonAdded", ownerId=owner))["person"]["id"]
    await told("UpdatePerson", "PersonChanged", personId=person, firstName="Ann")
    await told("UpdatePerson", personId=person, firstName="Ann")
    made = await told("AddCredential", "CredentialAdded", type="code", value="1234", personId=person)
    key = made["credential"]["id"]
    await told("UpdateCredential", "CredentialChanged", credentialId=key, enabled=False)
    await told("UpdateCredential", credentialId=key, enabled=False)
    await told("UpdateCredential", "CredentialChanged", credentialId=key, pin="1234", enabled=True)
    grant = (await told("AddGrant", "GrantAdded", "SyncPending", personId=person, lockId=THING))["grant"]["id"]
    await told("UpdateGrant", "GrantChanged", "SyncPending", grantId=grant, remoteAllowed=False)
    await told("UpdateGrant", grantId=grant, remoteAllowed=False)
    (first, second) = await desk.get("Access.GetPendingSync", lockId=THING)
    # A lock that could not take something looks as before; only the grant's state is another one.
    failed = [{"id": first["id"], "error": "full"}]
    await told("ConfirmSync", "GrantChanged", lockId=THING, items=failed)
    await told("ConfirmSync", lockId=THING, items=failed)
    done = [{"id": first["id"]}, {"id": second["id"]}]
    await told("ConfirmSync", "GrantChanged", "LockChanged", lockId=THING, items=done)
    await told("ConfirmSync", lockId=THING, items=done)
    await told("Evaluate", personId=person, lockId=THING)
    await told("ReportAccess", "AccessDecided", personId=person, lockId=THING)
    await told("UpdatePerson", "PersonChanged", "GrantChanged", "SyncPending", personId=person, enabled=False)
    await told("SyncLock", "GrantChanged", "LockChanged", lockId=THING)
    await told("SyncLock", lockId=THING)
    await told("RevokeGrant", "GrantChanged", "LockChanged", "SyncPending", grantId=grant)
    await told("RevokeGrant", grantId=grant)
    await told("SyncLock", "GrantChanged", "LockChanged", lockId=THING)
    await told("RemoveCredential", "CredentialRemoved", credentialId=key)
    await told("RemovePerson", "PersonRemoved", "GrantRemoved", personId=person)
    await told("RemoveLock", "LockRemoved", lockId=THING)
    await listener.heard()
    assert [(item.name, item.params) for item in listener.told] == [(item.name, item.params) for item in desk.told]
    assert desk.told[3].params == {"person": desk.told[3].params["person"]}
    assert desk.told[-1].params == {"lockId": THING}
