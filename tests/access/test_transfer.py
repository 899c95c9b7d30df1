"""What is exported and imported again: all that people have set, and nothing twice."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from contextlib import closing
from datetime import datetime
from pathlib import Path
from sqlite3 import connect
from typing import Any
from uuid import UUID

import orjson
import pytest
import uvloop
from building import BY, GROUPS_PER_LOCK, Building, settings
from hypothesis import given
from hypothesis import strategies as st

from nymead_users.access.changes import Added, Changed, SyncDue
from nymead_users.access.decision import AccessReason
from nymead_users.access.model import CredentialType, Lock, LockGroup, Membership, Owner, Person
from nymead_users.access.people import MAX_CREDENTIALS
from nymead_users.access.transfer.rows import Fault, Kind, Note, Outcome, Report, Verdict
from nymead_users.access.transfer.transfer import Transfer
from nymead_users.identity.events import UserAdded, UserChanged
from nymead_users.namespaces.operator.rows import changed_fields, read, shown
from nymead_users.permissions import Scope

Document = dict[str, list[Any]]

THING = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
NOWHERE = "00000000-0000-4000-8000-000000000000"


def transfer_of(building: Building) -> Transfer:
    return Transfer(building.model, building.users, building.passwords, groups_limit=GROUPS_PER_LOCK)


async def export(building: Building) -> Document:
    """Everything, as it is written."""
    lists: Document = {kind.value: [] for kind in Kind}
    async for kind, things in transfer_of(building).pages(list(Kind)):
        lists[kind] += orjson.loads(orjson.dumps([shown(kind, thing) for thing in things]))
    return lists


async def take(building: Building, document: Document, *, dry_run: bool = False, by_phone: bool = False) -> Report:
    """Import a document, as the namespace does it."""
    transfer = transfer_of(building)
    upload = transfer.upload(dry_run=dry_run)
    for name, values in document.items():
        kind = Kind(name)
        first = upload.number(kind, len(values))
        rows = [read(kind, number, value, upload, by_phone=by_phone) for number, value in enumerate(values, first)]
        await upload.add(kind, [row for row in rows if row is not None])
    return await transfer.take(upload, **BY)


def outcomes(report: Report) -> dict[Outcome, int]:
    return Counter(verdict.outcome for verdict in report.verdicts)


def changes(report: Report) -> dict[str, list[str]]:
    """What changes, by id."""
    return {v.id: changed_fields(v.kind, v.fields) for v in report.verdicts if v.outcome is Outcome.CHANGED}


def contents(path: Path) -> list[str]:
    """All that is in a store."""
    with closing(connect(path)) as connection:
        return list(connection.iterdump())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the building's store is."""
    return tmp_path / "store"


# There and back

TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), max_size=8)
TITLES = st.text("abc=+-@ é", min_size=1, max_size=8).filter(str.strip)
MOMENTS = st.none() | st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - the zone is written behind it
    max_value=datetime(2030, 1, 1),  # noqa: DTZ001 - likewise
).map(lambda at: f"{at.isoformat(timespec='milliseconds')}Z")
SCHEDULES = st.none() | st.just({"weekly": [{"weekdays": ["mon", "fri"], "from": "08:00", "until": "17:30"}]})
SCOPES = st.sampled_from(
    [[], ["PermissionScopeControlThings"], ["PermissionScopeAccessAllThings", "PermissionScopeExecuteRules"]]
)


def uuids(prefix: int, count: int) -> list[str]:
    return [str(UUID(int=(prefix << 64) + number, version=4)) for number in range(count)]


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A document of a few things of two owners, as they are written; drawn anew, the same ids have other values."""
    owners = uuids(1, 2)
    flags = st.booleans()

    def windows() -> dict[str, str | None]:
        begin, end = draw(MOMENTS), draw(MOMENTS)
        if begin is not None and end is not None and begin >= end:
            end = None
        return {"validFrom": begin, "validBefore": end}

    users = [
        {
            "username": name,
            "displayName": draw(TEXTS),
            "email": draw(TEXTS),
            "scopes": draw(SCOPES),
            "allowedThingIds": draw(st.lists(st.just(THING), max_size=1)),
        }
        for name in ("", "anna", "bert")
    ]
    # Whose user somebody is must not depend on the order in which two of them change places.
    persons = [
        {
            "id": person_id,
            "ownerId": owners[number % 2],
            "firstName": draw(TEXTS),
            "lastName": draw(TEXTS),
            "email": draw(TEXTS),
            # Who has a role has a number, by which it is known.
            "phone": draw(st.sampled_from(["+4781549300", "+43512123456", ""][: 2 if number < 2 else 3])),
            "username": draw(st.sampled_from([None, "anna"])) if number < 2 else None,
            "enabled": draw(flags),
        }
        for number, person_id in enumerate(uuids(2, 4))
    ]
    locks = [
        {
            "id": lock_id,
            "ownerId": owners[number % 2],
            "title": draw(TITLES),
            "description": draw(TEXTS),
            "timeZone": draw(st.sampled_from(["UTC", "Europe/Vienna"])),
            "protocolVersion": draw(st.integers(1, 3)),
            "systemId": draw(TEXTS),
            "virtual": draw(flags),
            "bridge": draw(st.sampled_from([None, "bert"])),
        }
        for number, lock_id in enumerate(uuids(3, 4))
    ]
    groups = [
        {
            "id": group_id,
            "ownerId": owners[number % 2],
            "title": draw(TITLES),
            "description": draw(TEXTS),
            "lockIds": sorted(str(lock["id"]) for lock in locks if lock["ownerId"] == owners[number % 2]),
        }
        for number, group_id in enumerate(uuids(4, 2))
    ]
    keys = [
        {
            "id": key_id,
            "ownerId": owners[number % 2],
            "personId": persons[number % 2]["id"] if number < 2 else None,
            "lockId": locks[number % 2]["id"] if number > 3 else None,
            "type": ("code", "proximity", "phone")[number % 3],
            "value": ("47110", "0001234567890", "+4781549300")[number % 3],
            "hasPin": number == 1,
            "enabled": draw(flags),
            **windows(),
        }
        for number, key_id in enumerate(uuids(5, 6))
    ]
    roles = [
        {
            "id": role_id,
            "personId": persons[number]["id"],
            "lockId": locks[number]["id"],
            "userName": draw(TEXTS),
            "canShare": draw(flags),
        }
        for number, role_id in enumerate(uuids(6, 2))
    ]
    grants = [
        {
            "id": grant_id,
            "personId": persons[number % 2]["id"] if number < 4 else None,
            "credentialId": keys[number % 2]["id"] if number >= 4 else None,
            "lockId": locks[number % 2]["id"] if number % 4 < 2 else None,
            "lockGroupId": groups[number % 2]["id"] if number % 4 >= 2 else None,
            **windows(),
            "schedule": draw(SCHEDULES),
            "enabled": draw(flags),
            "remoteAllowed": draw(flags),
            "name": draw(TEXTS),
            # What opens by a code's grant is a code, and by no other.
            "kind": 13 if number >= 4 and keys[number % 2]["type"] == "code" else (0, 1, 3, 2)[number % 4],
            "sharedBy": persons[3]["id"] if number == 1 else None,
        }
        for number, grant_id in enumerate(uuids(7, 6))
    ]
    return {
        "owners": [{"id": owner_id, "title": draw(TITLES)} for owner_id in owners],
        "users": users,
        "persons": sorted(persons, key=lambda person: str(person["ownerId"])),
        "locks": locks,
        "lockGroups": groups,
        "keys": keys,
        "roles": roles,
        "grants": grants,
    }


@settings(8)
@given(documents(), documents())
def test_what_is_exported_is_what_was_imported(empty_store: Path, first: Document, second: Document) -> None:
    """An import gives what the document says, its export the same in another store, and neither anything a second time.

    A second document about the same things changes them to what it says.
    """

    async def story(folder: Path) -> None:
        for name in ("here", "there"):
            shutil.copy(empty_store, folder / name)
        async with Building.open(folder / "here") as here, Building.open(folder / "there") as there:
            report = await take(here, first)
            assert report.faults == ()
            assert outcomes(report) == {Outcome.ADDED: sum(map(len, first.values()))}
            exported = await export(here)
            assert exported == first
            for building in (there, here):
                building.hear()
                await take(building, exported)
                assert await export(building) == exported
            assert here.hear() == []
            report = await take(here, second)
            assert report.faults == ()
            assert outcomes(report)[Outcome.ADDED] == 0
            assert await export(here) == second
            expected = {
                row["id"]: [name for name in row if row[name] != before[name]]
                for kind in second
                if kind != "users"
                for row, before in zip(second[kind], first[kind], strict=True)
            }
            told = {key: fields for key, fields in changes(report).items() if key in expected}
            assert told == {key: fields for key, fields in expected.items() if fields}
            assert set(outcomes(await take(here, second))) == {Outcome.UNCHANGED}

    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(story(Path(folder)))


HOUSE: Document = {
    "owners": [{"id": str(UUID(int=1, version=4)), "title": "House"}],
    "users": [{"username": "Anna", "password": "Abcdefg1"}, {"username": "bert", "scopes": []}],
    "persons": [{"id": str(UUID(int=2, version=4)), "firstName": "Ada", "username": "anna", "phone": "+43512123456"}],
    "locks": [{"id": str(UUID(int=3, version=4)), "title": "Door", "bridge": "bert"}],
    "lockGroups": [{"id": str(UUID(int=4, version=4)), "title": "All", "lockIds": [str(UUID(int=3, version=4))]}],
    "keys": [
        {
            "id": str(UUID(int=5, version=4)),
            "personId": str(UUID(int=2, version=4)),
            "type": "code",
            "value": "4711",
            "pin": "1111",
        }
    ],
    "roles": [{"personId": str(UUID(int=2, version=4)), "lockId": str(UUID(int=3, version=4)), "canShare": True}],
    "grants": [{"personId": str(UUID(int=2, version=4)), "lockGroupId": str(UUID(int=4, version=4))}],
}
ADA, DOOR, ALL, CODE = (HOUSE[name][0]["id"] for name in ("persons", "locks", "lockGroups", "keys"))


async def test_an_import_is_told_once_and_works(building: Building) -> None:
    """Everything that is added is told once; users log in, and codes open with their PINs."""
    report = await take(building, HOUSE)
    assert report.stored
    told = building.hear()
    added = Counter(type(change.thing) for change in told if isinstance(change, Added))
    assert set(added.values()) == {1}
    assert {Owner, Person, Lock, LockGroup, Membership} < set(added)
    assert [event.user.username for event in told if isinstance(event, UserAdded)] == ["anna", "bert"]
    assert [change for change in told if isinstance(change, Changed)] == []
    assert SyncDue(DOOR) in told
    assert not building.users.required
    assert await building.users.authenticate("anna", "Abcdefg1", "phone", address="::1") is not None
    assert await building.users.authenticate("bert", "Abcdefg1", "phone", address="::2") is None
    lock = await building.lock_now((await building.locks.listed(None, None))[0])
    await building.synchronise(lock)
    pages = building.people.credential_pages(None, None, None, codes=True)
    (key,) = [each async for page in pages for each in page]
    assert (await building.reports(key, lock, pin="1111"))[0].allowed
    assert (await building.reports(key, lock, pin="2222"))[0].reason is AccessReason.WRONG_PIN


async def test_what_changes_is_told_once(building: Building) -> None:
    """A changed user, person and lock are told once each, as is what shows a name, and nothing else is."""
    await take(building, HOUSE)
    building.hear()
    change: Document = {
        "users": [{"username": "ANNA", "email": "a@x.org"}],
        "persons": [{"id": ADA, "lastName": "L.", "firstName": "Ada"}],
        "locks": [{"id": DOOR, "title": "Gate", "bridge": None}],
    }
    report = await take(building, change)
    assert changes(report) == {"anna": ["email"], ADA: ["lastName"], DOOR: ["title", "bridge"]}
    told = building.hear()
    assert [each.user.email for each in told if isinstance(each, UserChanged)] == ["a@x.org"]
    # Ada's code is an access key, which tells her name.
    assert sorted(each.thing.id for each in told if isinstance(each, Changed)) == sorted([ADA, DOOR, CODE])
    assert len(told) == 4


async def test_what_is_left_out_stays(building: Building) -> None:
    """What a row does not say, and what the document does not have, is as it was; null takes away."""
    await take(building, HOUSE)
    before = await export(building)
    await take(building, {"persons": [{"id": ADA}], "users": [{"username": "anna"}], "keys": [{"id": CODE}]})
    assert await export(building) == before
    await take(building, {"persons": [{"id": ADA, "username": None}], "keys": [{"id": CODE, "pin": None}]})
    after = await export(building)
    assert (after["persons"][0]["username"], after["keys"][0]["hasPin"]) == (None, False)


async def test_secrets_are_in_no_export(building: Building) -> None:
    """Neither passwords nor PINs nor their hashes are exported."""
    await take(building, HOUSE)
    text = str(await export(building))
    assert "4711" in text
    assert not any(secret in text for secret in ("Abcdefg1", "1111", "argon2"))


async def test_a_key_that_had_a_pin_opens_nothing_without_one(building: Building) -> None:
    """A key whose PIN no file has wants one that nobody knows, until it is set; its row says so."""
    document = {**HOUSE, "keys": [{"id": CODE, "personId": ADA, "type": "code", "value": "4711", "hasPin": True}]}
    report = await take(building, document)
    assert [verdict.notes for verdict in report.verdicts if verdict.kind is Kind.KEYS] == [(Note.PIN_UNKNOWN,)]
    lock = (await building.locks.listed(None, None))[0]
    await building.synchronise(lock)
    pages = building.people.credential_pages(None, None, None, codes=True)
    (key,) = [each async for page in pages for each in page]
    assert (await building.reports(key, lock))[0].reason is AccessReason.PIN_NOT_SET
    assert (await building.reports(key, lock, pin="1111"))[0].reason is AccessReason.WRONG_PIN
    report = await take(building, {"keys": [{"id": CODE, "pin": "2222"}]})
    assert changes(report) == {CODE: ["pin"]}
    assert (await building.reports(key, lock, pin="2222"))[0].allowed


async def test_a_password_is_only_taken_for_a_new_user(building: Building) -> None:
    """Whoever is there keeps their password, and the row says so; a new user without one is told, too."""
    report = await take(building, HOUSE)
    assert [v.notes for v in report.verdicts if v.kind is Kind.USERS] == [(), (Note.NO_PASSWORD,)]
    report = await take(building, {"users": [{"username": "anna", "password": "Changed123"}]})
    assert report.verdicts == (Verdict(Kind.USERS, 0, "anna", "anna", Outcome.UNCHANGED, (), (Note.PASSWORD_KEPT,)),)
    assert await building.users.authenticate("anna", "Abcdefg1", "phone", address="::1") is not None


async def test_the_owner_of_a_new_store_gives_way(building: Building) -> None:
    """The owner that a new store has is the document's from then on; one that has anything stays beside it."""
    await take(building, {"owners": HOUSE["owners"]})
    assert (await export(building))["owners"] == HOUSE["owners"]
    await building.people.add(None, {"first_name": "Somebody"}, **BY)
    await take(building, {"owners": [{"title": "Works"}]})
    assert [owner["title"] for owner in (await export(building))["owners"]] == ["House", "Works"]


async def test_rows_without_ids_find_what_they_name(building: Building) -> None:
    """A key is found by its value in any spelling, a role by person and lock, a person by phone if that is wanted."""
    await take(building, HOUSE)
    keys = [{"type": "proximity", "value": "0x00499602d2", "personId": ADA}]
    assert outcomes(await take(building, {"keys": keys})) == {Outcome.ADDED: 1}
    again = await take(building, {"keys": [{**keys[0], "value": "1234567890"}], "roles": HOUSE["roles"]})
    assert outcomes(again) == {Outcome.UNCHANGED: 2}
    person = {"firstName": "Grace", "phone": "+47 81 54 93 00"}
    assert outcomes(await take(building, {"persons": [person]}, by_phone=True)) == {Outcome.ADDED: 1}
    report = await take(building, {"persons": [{**person, "phone": "4781549300", "lastName": "H."}]}, by_phone=True)
    assert list(changes(report).values()) == [["lastName"]]
    assert outcomes(await take(building, {"persons": [person]})) == {Outcome.ADDED: 1}
    (fault,) = (await take(building, {"persons": [person]}, by_phone=True)).faults
    assert fault == Fault(Kind.PERSONS, 0, "phone", "several persons have it, so the id is needed")


async def test_a_dry_run_changes_nothing_and_tells_nobody(building: Building, path: Path) -> None:
    """A dry run says what the import then does, leaves the store as it was, and is heard of by nobody."""
    await take(building, {"owners": HOUSE["owners"], "locks": [{"id": DOOR, "title": "Old"}]})
    building.hear()
    before = contents(path)
    dry = await take(building, HOUSE, dry_run=True)
    assert not dry.stored
    assert contents(path) == before
    assert building.hear() == []
    real = await take(building, HOUSE)

    def told(report: Report) -> list[Any]:
        return [(v.kind, v.number, v.label, v.outcome, v.fields, v.notes) for v in report.verdicts]

    assert real.stored
    assert told(dry) == told(real)


FAULTY: list[tuple[Document, str, str]] = [
    ({"owners": [{"title": " "}]}, "owners[0].title", "must not be empty"),
    ({"users": [{"username": "a"}]}, "users[0].username", "3 to 254 characters"),
    ({"users": [{}]}, "users[0].username", "is missing"),
    ({"users": [{"username": "carl", "password": "short"}]}, "users[0].password", "at least 8 characters"),
    ({"users": [{"username": "", "password": "Abcdefg1"}]}, "users[0].password", "push button"),
    ({"users": [{"username": "carl", "scopes": ["PermissionScopeExecuteRules"]}]}, "users[0].scopes", "contradict"),
    ({"users": [{"username": "carl", "scopes": ["All"]}]}, "users[0].scopes[0]", "Expected one of"),
    ({"users": [{"username": "carl", "allowedThingIds": ["x"]}]}, "users[0].allowedThingIds[0]", "Expected a uuid"),
    ({"users": [{"username": "carl"}, {"username": "CARL"}]}, "users[1].username", "another row"),
    ({"persons": [3]}, "persons[0].", "Expected an object"),
    ({"persons": [{"id": "x"}]}, "persons[0].id", "Expected a uuid"),
    ({"persons": [{"state": "x"}]}, "persons[0].state", "there is no such field"),
    ({"persons": [{"enabled": "yes"}]}, "persons[0].enabled", "valid boolean"),
    ({"persons": [{"firstName": None}]}, "persons[0].firstName", "must not be null"),
    ({"persons": [{"firstName": "a\x07"}]}, "persons[0].firstName", "control characters"),
    ({"persons": [{"phone": "12"}]}, "persons[0].phone", "not an international phone number"),
    ({"persons": [{"ownerId": NOWHERE}]}, "persons[0].ownerId", "there is no such owner"),
    ({"persons": [{"username": "nobody"}]}, "persons[0].username", "there is no such user"),
    ({"persons": [{"username": ""}]}, "persons[0].username", "push button"),
    ({"persons": [{"username": "anna"}]}, "persons[0].username", "another person's"),
    ({"persons": [{"id": ADA}, {"id": ADA.upper()}]}, "persons[1].id", "another row"),
    ({"locks": [{"id": NOWHERE}]}, "locks[0].title", "must not be empty"),
    ({"locks": [{"title": "A", "timeZone": "Mars"}]}, "locks[0].timeZone", "IANA"),
    ({"locks": [{"title": "A", "bridge": "nobody"}]}, "locks[0].bridge", "there is no such user"),
    ({"locks": [{"title": "A", "protocolVersion": -1}]}, "locks[0].protocolVersion", "greater than or equal to 0"),
    ({"lockGroups": [{"title": ""}]}, "lockGroups[0].title", "must have a title"),
    ({"lockGroups": [{"title": "A", "lockIds": [NOWHERE]}]}, "lockGroups[0].lockIds[0]", "there is no such lock"),
    (
        {
            "locks": [{"id": NOWHERE, "title": "Old", "protocolVersion": 0}],
            "lockGroups": [{"id": ALL, "lockIds": [NOWHERE]}],
        },
        "lockGroups[0].lockIds[0]",
        "too old",
    ),
    (
        {"lockGroups": [{"title": "B", "lockIds": [DOOR]}, {"title": "C", "lockIds": [DOOR]}]},
        "lockGroups[1].lockIds[0]",
        "cannot join another group",
    ),
    ({"keys": [{"value": "4712"}]}, "keys[0].type", "is missing"),
    ({"keys": [{"type": "code"}]}, "keys[0].value", "is missing"),
    ({"keys": [{"type": "code", "value": "12"}]}, "keys[0].value", "4 to 16"),
    ({"keys": [{"type": "key", "value": "4712"}]}, "keys[0].type", "Expected one of"),
    ({"keys": [{"type": "code", "value": "4712", "pin": "x"}]}, "keys[0].pin", "4 to 8"),
    ({"keys": [{"type": "code", "value": "4712", "personId": NOWHERE}]}, "keys[0].personId", "there is no such person"),
    ({"keys": [{"id": NOWHERE, "type": "code", "value": "4711"}]}, "keys[0].value", "there is a key"),
    ({"keys": [{"id": CODE, "value": "4712"}]}, "keys[0].value", "cannot be changed"),
    ({"keys": [{"id": CODE, "personId": None}]}, "keys[0].personId", "cannot be changed"),
    (
        {"keys": [{"type": "code", "value": str(10000 + n), "personId": ADA} for n in range(MAX_CREDENTIALS)]},
        f"keys[{MAX_CREDENTIALS - 1}].personId",
        "at most 50",
    ),
    (
        {"keys": [{"id": CODE, "validFrom": "2026-01-02T00:00:00Z", "validBefore": "2026-01-01T00:00:00Z"}]},
        "keys[0].validBefore",
        "later",
    ),
    ({"roles": [{"personId": ADA}]}, "roles[0].lockId", "is missing"),
    ({"roles": [{"id": NOWHERE, "personId": ADA, "lockId": DOOR}]}, "roles[0].id", "already"),
    ({"grants": [{"personId": ADA}]}, "grants[0].lockId, lockGroupId", "exactly one"),
    ({"grants": [{"lockId": DOOR}]}, "grants[0].personId, credentialId", "exactly one"),
    ({"grants": [{"personId": NOWHERE, "lockId": DOOR}]}, "grants[0].personId", "there is no such person"),
    ({"grants": [{"credentialId": NOWHERE, "lockId": DOOR}]}, "grants[0].credentialId", "there is no such key"),
    ({"grants": [{"personId": ADA, "lockGroupId": NOWHERE}]}, "grants[0].lockGroupId", "there is no such lock group"),
    ({"grants": [{"personId": ADA, "lockGroupId": ALL, "sharedBy": ADA}]}, "grants[0].sharedBy", "at a lock"),
    ({"grants": [{"credentialId": CODE, "lockId": DOOR, "sharedBy": ADA}]}, "grants[0].sharedBy", "a person's grant"),
    ({"grants": [{"personId": ADA, "lockId": DOOR, "kind": 7}]}, "grants[0].kind", "Expected one of"),
    ({"grants": [{"personId": ADA, "lockId": DOOR, "kind": 13}]}, "grants[0].kind", "13 is for a code"),
    ({"grants": [{"personId": ADA, "lockId": DOOR, "schedule": {"ical": "x"}}]}, "grants[0].schedule", "ical"),
    ({"grants": [{"personId": ADA, "lockId": DOOR, "validFrom": "now"}]}, "grants[0].validFrom", "ISO 8601"),
]


@pytest.mark.parametrize(("document", "place", "reason"), FAULTY, ids=[f"{p}: {r}" for _, p, r in FAULTY])
async def test_a_wrong_row_is_named_and_nothing_is_stored(
    building: Building, path: Path, document: Document, place: str, reason: str
) -> None:
    """What is wrong is told by row and field with the reason, and all else in the document is not stored either."""
    await take(building, HOUSE)
    building.hear()
    before = contents(path)
    report = await take(building, {"users": [{"username": "good", "password": "Abcdefg1"}], **document})
    assert not report.stored
    (fault,) = report.faults
    assert f"{fault.kind}[{fault.number}].{fault.field}" == place
    assert reason in fault.reason
    assert contents(path) == before
    assert building.hear() == []


async def test_all_that_is_wrong_is_told_at_once(building: Building) -> None:
    """Each wrong row is told, with each wrong field of it, but not what only refers to one."""
    report = await take(
        building,
        {
            "users": [{"username": "carl", "scopes": ["PermissionScopeExecuteRules"]}],
            "persons": [
                {"id": ADA, "phone": 3, "email": None},
                {"firstName": "Fine"},
                {"phone": "12", "username": "carl"},
                {"phone": "12"},
            ],
            "keys": [{"type": "code", "value": "4711", "personId": ADA}],
        },
    )
    told = [f"{fault.kind}[{fault.number}].{fault.field}" for fault in report.faults]
    assert sorted(told) == [
        "persons[0].email",
        "persons[0].phone",
        "persons[2].phone",
        "persons[3].phone",
        "users[0].scopes",
    ]


async def test_what_was_revoked_or_removed_does_not_come_back(building: Building) -> None:
    """A revoked grant and a removed group are not exported, and not taken under their old ids; a removed lock is."""
    person, lock, group = await building.person(), await building.lock(virtual=True), await building.group()
    grant = await building.grant(person, lock)
    before = await export(building)
    await building.grants.revoke(grant.id, **BY)
    await building.remove_group(group)
    after = await export(building)
    assert (after["grants"], after["lockGroups"]) == ([], [])
    report = await take(building, before)
    assert [(fault.kind, fault.field) for fault in report.faults] == [(Kind.GROUPS, "id"), (Kind.GRANTS, "id")]
    await building.locks.remove(lock.id, **BY)
    assert outcomes(await take(building, {"locks": before["locks"]})) == {Outcome.ADDED: 1}


async def test_a_lock_that_leaves_a_group_is_in_no_export(building: Building) -> None:
    """A lock that is to leave its group is left out, and can't join again before it has left."""
    lock, group = await building.lock(virtual=True), await building.group()
    membership = await building.join(group, lock)
    assert (await export(building))["lockGroups"][0]["lockIds"] == [lock.id]
    await building.leave(membership)
    assert (await export(building))["lockGroups"][0]["lockIds"] == []
    rejoin: Document = {"lockGroups": [{"id": group.id, "lockIds": [lock.id]}]}
    assert [fault.field for fault in (await take(building, rejoin)).faults] == ["lockIds[0]"]
    await building.synchronise(lock)
    assert changes(await take(building, rejoin)) == {group.id: ["lockIds"]}


async def test_keys_of_persons_with_grants_reach_their_locks(building: Building) -> None:
    """A lock hears of the key that an import gives to somebody who has a grant there."""
    person, lock = await building.person(), await building.lock(virtual=True)
    await building.grant(person, lock)
    await building.synchronise(lock)
    assert await building.pending(lock) == []
    key = {"personId": person.id, "type": CredentialType.CODE.value, "value": "4711"}
    await take(building, {"keys": [key]})
    (item,) = await building.pending(lock)
    assert item.payload["credentials"] == [{"type": "code", "value": "4711", "hasPin": False}]


async def test_the_push_buttons_user_keeps_what_they_may(building: Building) -> None:
    """The push button's user is carried over with their permissions, so that a press gives no more elsewhere."""
    report = await take(building, {"users": [{"username": "", "scopes": ["PermissionScopeControlThings"]}]})
    assert report.verdicts[0].notes == ()
    token = await building.users.log_in_by_button("panel")
    principal = await building.users.resolve(token.value)
    assert principal is not None
    assert principal.scopes == Scope.CONTROL_THINGS
