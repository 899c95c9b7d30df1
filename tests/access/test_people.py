"""Persons and credentials: one spelling for one thing, and what goes along with whom."""

from __future__ import annotations

import asyncio

import pytest
from building import BY, Building

from nymead_users.access.changes import Added, Changed, Removed, SyncDue
from nymead_users.access.decision import AccessReason
from nymead_users.access.decisions import Asked
from nymead_users.access.errors import (
    CredentialNotFound,
    Duplicate,
    InvalidValue,
    OwnerNotFound,
    PersonNotFound,
)
from nymead_users.access.model import CredentialType, GrantState, SyncEntity, SyncOperation
from nymead_users.access.people import MAX_CREDENTIALS
from nymead_users.identity.errors import Busy
from nymead_users.identity.events import UserRemoved

PROXIMITY, PHONE, CODE = CredentialType.PROXIMITY, CredentialType.PHONE, CredentialType.CODE


# Persons


async def test_persons_are_numbered_within_their_owner(building: Building) -> None:
    """Numbers count up from 1 for each owner, and none is given twice."""
    other = await building.people.add_owner("Elsewhere", **BY)
    first, second = [await building.people.add(building.owner, {}, **BY) for _ in range(2)]
    elsewhere = await building.people.add(other.id, {}, **BY)
    await building.people.remove(second.id, **BY)
    third = await building.people.add(building.owner, {}, **BY)
    assert [first.number, second.number, third.number, elsewhere.number] == [1, 2, 3, 1]


async def test_with_several_owners_one_must_be_named(building: Building) -> None:
    """The only owner need not be named; of several, one must be, and it must be there."""
    await building.person()
    await building.people.add_owner("Elsewhere", **BY)
    for owner in (None, "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(OwnerNotFound):
            await building.people.add(owner, {}, **BY)
    with pytest.raises(InvalidValue):
        await building.people.add_owner("  ", **BY)


@pytest.mark.parametrize(
    "spelling", ["4781549300", "+4781549300", "+47 81 54 93 00", " +47-815-49-300 ", "+47(81)549300", "0047 81 549300"]
)
async def test_a_persons_phone_is_kept_in_one_spelling(building: Building, spelling: str) -> None:
    """However a phone number is written, a person's is kept in E.164."""
    person = await building.person(phone=spelling)
    assert person.phone == "+4781549300"
    building.hear()
    await building.people.update(person.id, {"phone": spelling}, **BY)
    assert building.hear() == []


async def test_what_is_no_phone_number_is_refused(building: Building) -> None:
    """A text that is no phone number makes no person."""
    for nonsense in ("call me", "+47", "0" * 30, "+4781549300x12", "+47 815 HELLO"):
        with pytest.raises(InvalidValue):
            await building.person(phone=nonsense)
    assert await building.count("persons") == 0


async def test_a_user_is_one_person_of_an_owner(building: Building) -> None:
    """A user links to one person of an owner at most, and to none that is unknown."""
    await building.user("ada")
    first = await building.person(username="Ada")
    assert first.username == "ada"
    with pytest.raises(Duplicate):
        await building.person(username="ada")
    second = await building.person()
    with pytest.raises(Duplicate):
        await building.people.update(second.id, {"username": "ada"}, **BY)
    with pytest.raises(InvalidValue):
        await building.people.update(second.id, {"username": "nobody"}, **BY)
    with pytest.raises(InvalidValue, match="push button"):
        await building.people.update(second.id, {"username": ""}, **BY)
    await building.people.update(first.id, {"username": None}, **BY)
    assert (await building.people.update(second.id, {"username": "ada"}, **BY)).username == "ada"


async def test_removing_a_user_only_unlinks_the_person(building: Building) -> None:
    """A removed user's person stays with all they may do, and is told once as changed after the user's removal."""
    lock = await building.lock()
    await building.user("ada")
    person = await building.person(username="ada")
    await building.grant(person, lock)
    await building.synchronise(lock)
    building.hear()
    await building.users.remove("ada")
    removed, changed = building.hear()
    assert removed == UserRemoved("ada")
    assert isinstance(changed, Changed)
    assert (changed.thing.id, changed.locks) == (person.id, frozenset({lock.id}))
    assert (await building.asks(person, lock)).allowed
    found = [each async for page in building.people.pages(None, None) for each in page]
    assert [each.username for each in found] == [None]


async def test_removing_a_person_takes_credentials_and_grants_along(building: Building) -> None:
    """A person's credentials and grants go with them, each told once, and each lock hears that it must forget."""
    direct, member = await building.lock("Direct"), await building.lock("Member")
    group = await building.group()
    await building.join(group, member)
    person, other = await building.person(), await building.person("Bob")
    card = await building.credential(person=person)
    kept = await building.grant(other, direct)
    grants = [
        await building.grant(person, direct),
        await building.grant(person, group),
        await building.grant(card, direct),
    ]
    await building.synchronise(direct, member)
    building.hear()

    await building.people.remove(person.id, **BY)
    told = building.hear()
    removed = [change.thing.id for change in told if isinstance(change, Removed)]
    assert sorted(removed) == sorted([person.id, card.id, *(grant.id for grant in grants)])
    assert sorted(change.lock_id for change in told if isinstance(change, SyncDue)) == sorted([direct.id, member.id])
    assert await building.rows("SELECT id FROM grants") == [(kept.id,)]
    assert await building.count("credentials") == 0
    due = [(item.entity_id, item.op) for lock in (direct, member) for item in await building.pending(lock)]
    assert sorted(due) == sorted((grant.id, SyncOperation.REMOVE) for grant in grants)
    assert await building.count("held_grants") == 4
    await building.synchronise(direct, member)
    assert await building.rows("SELECT grant_id FROM held_grants") == [(kept.id,)]
    with pytest.raises(PersonNotFound):
        await building.asks(person, direct)
    assert (await building.asks(card, direct)).reason is AccessReason.UNKNOWN_CREDENTIAL


async def test_a_disabled_person_opens_nothing_and_locks_hear_of_it(building: Building) -> None:
    """Disabling a person takes effect here at once, and at the lock when it has heard."""
    lock = await building.lock()
    person = await building.person()
    card = await building.credential(person=person)
    grant = await building.grant(person, lock)
    await building.synchronise(lock)
    await building.people.update(person.id, {"enabled": False}, **BY)
    assert (await building.grant_now(grant)).state is GrantState.PENDING
    for who in (person, card):
        decision = await building.asks(who, lock)
        assert (decision.reason, decision.on_lock) == (AccessReason.DISABLED, True)
    await building.synchronise(lock)
    for who in (person, card):
        decision = await building.asks(who, lock)
        assert (decision.reason, decision.on_lock) == (AccessReason.DISABLED, False)


# Credentials

SAME = [
    (PROXIMITY, "0001234567890", "0x00499602d2"),
    (PROXIMITY, "1234567890", "0x499602D2"),
    (PROXIMITY, "0x00499602d2", "0X499602d2"),
    (PROXIMITY, "0", "0x0000000000"),
    (PHONE, "+4781549300", "47 81 54 93 00"),
    (PHONE, "+47 815 49 300", "+47-81549300"),
]


@pytest.mark.parametrize(("kind", "one", "other"), SAME)
async def test_one_thing_is_one_credential_in_any_spelling(
    building: Building, kind: CredentialType, one: str, other: str
) -> None:
    """Two spellings of one value are one credential: a second is refused, and either spelling is decided about."""
    credential = await building.credential(one, kind=kind)
    with pytest.raises(Duplicate):
        await building.credential(other, kind=kind)
    lock = await building.lock()
    await building.grant(credential, lock)
    question = building.decisions.evaluate
    for spelling in (one, other):
        assert (await question(Asked(None, kind, spelling, lock.id), None)).allowed


async def test_a_value_is_another_credential_for_another_type_or_owner(building: Building) -> None:
    """Uniqueness is per type and owner."""
    elsewhere = await building.people.add_owner("Elsewhere", **BY)
    for owner in (building.owner, elsewhere.id):
        for kind in (CODE, PROXIMITY):
            await building.people.add_credential(owner, None, kind, "4711", pin=None, enabled=True, **BY)
    assert await building.count("credentials") == 4


async def test_codes_keep_their_zeros(building: Building) -> None:
    """A code is what is typed: 0123 and 00123 are two."""
    first, second = await building.credential("0123", kind=CODE), await building.credential("00123", kind=CODE)
    assert (first.value, second.value) == ("0123", "00123")


BAD_VALUES = [
    (CODE, "123"),
    (CODE, "12a4"),
    (CODE, "1" * 17),
    (CODE, "\N{ARABIC-INDIC DIGIT ONE}234"),
    (PROXIMITY, ""),
    (PROXIMITY, "-1"),
    (PROXIMITY, "0x"),
    (PROXIMITY, "0x10000000000"),
    (PROXIMITY, "1099511627776"),
    (PROXIMITY, "12345678901234"),
    (PROXIMITY, "1e3"),
    (PROXIMITY, "1234\n"),
    (PHONE, ""),
    (PHONE, "12"),
]


@pytest.mark.parametrize(("kind", "value"), BAD_VALUES)
async def test_what_no_credential_can_have_is_refused(building: Building, kind: CredentialType, value: str) -> None:
    """A value that cannot be is refused, whether it is added or asked about."""
    with pytest.raises(InvalidValue):
        await building.credential(value, kind=kind)
    assert await building.count("credentials") == 0


async def test_a_credential_is_of_its_persons_owner(building: Building) -> None:
    """A person's credential cannot be another owner's."""
    elsewhere = await building.people.add_owner("Elsewhere", **BY)
    person = await building.people.add(building.owner, {}, **BY)
    with pytest.raises(PersonNotFound):
        await building.people.add_credential(elsewhere.id, person.id, CODE, "4711", pin=None, enabled=True, **BY)
    credential = await building.people.add_credential(None, person.id, CODE, "4711", pin=None, enabled=True, **BY)
    assert credential.owner_id == building.owner


async def test_a_removed_credential_takes_its_grants_along(building: Building) -> None:
    """A removed credential's own grants are gone with it, and its person's grants stay."""
    lock = await building.lock()
    person = await building.person()
    card = await building.credential(person=person)
    own, persons = await building.grant(card, lock), await building.grant(person, lock)
    await building.synchronise(lock)
    building.hear()
    await building.people.remove_credential(card.id, **BY)
    told = building.hear()
    assert [change.thing.id for change in told if isinstance(change, Removed)] == [card.id, own.id]
    due = [(item.entity, item.entity_id, item.op) for item in await building.pending(lock)]
    assert due == [
        (SyncEntity.GRANT, own.id, SyncOperation.REMOVE),
        (SyncEntity.GRANT, persons.id, SyncOperation.UPDATE),
    ]
    with pytest.raises(CredentialNotFound):
        await building.people.remove_credential(card.id, **BY)
    assert (await building.asks(person, lock)).grant_ids == (persons.id,)


async def test_a_disabled_credential_opens_nothing(building: Building) -> None:
    """A disabled credential is refused, and its person's others are not."""
    lock = await building.lock()
    person = await building.person()
    card, code = await building.credential(person=person), await building.credential("4711", kind=CODE, person=person)
    await building.grant(person, lock)
    await building.people.update_credential(card.id, enabled=False, **BY)
    assert (await building.asks(card, lock)).reason is AccessReason.DISABLED
    assert (await building.asks(code, lock)).allowed
    assert (await building.asks(person, lock)).allowed


async def test_a_lock_lets_only_those_credentials_in_that_it_knows(building: Building) -> None:
    """What a lock would do with a person's credential is told by whether it has heard of it, and of its end."""
    lock, person = await building.lock(), await building.person()
    await building.grant(person, lock)
    await building.synchronise(lock)
    card = await building.credential(person=person)

    async def answer() -> tuple[bool, bool]:
        decision = await building.asks(card, lock)
        assert (await building.asks(person, lock)).on_lock
        return decision.desired, decision.on_lock

    assert await answer() == (True, False)
    await building.synchronise(lock)
    assert await answer() == (True, True)
    await building.people.update_credential(card.id, enabled=False, **BY)
    assert await answer() == (False, True)
    await building.synchronise(lock)
    assert await answer() == (False, False)


async def test_a_change_that_changes_nothing_is_not_told(building: Building) -> None:
    """Setting what is set already tells nobody anything and no lock hears of it."""
    lock = await building.lock()
    person = await building.person("Ada", phone="+4781549300")
    card = await building.credential(person=person)
    grant = await building.grant(person, lock)
    group = await building.group("Doors")
    await building.synchronise(lock)
    building.hear()
    await building.people.update(person.id, {"first_name": "Ada", "enabled": True}, **BY)
    await building.people.update_credential(card.id, enabled=True, **BY)
    await building.people.update_credential(card.id, pin=None, **BY)
    await building.locks.update(lock.id, {"title": "Door", "time_zone": "UTC"}, **BY)
    await building.grants.update(grant.id, {"enabled": True, "valid_from": None}, **BY)
    await building.groups.update(building.owner, group.id, "Doors", "", **BY)
    assert building.hear() == []
    assert await building.pending(lock) == []


async def test_who_may_not_any_more_changes_nothing(building: Building) -> None:
    """A caller who is refused when it is their turn has changed nothing and told nothing."""

    class Refused(Exception):
        pass

    def refuse() -> None:
        raise Refused

    before = await building.count("events")
    for verb in (
        building.people.add(None, {}, by="x", confirm=refuse),
        building.locks.add(None, None, {"title": "Door"}, by="x", confirm=refuse),
        building.groups.create(building.owner, "Doors", "", by="x", confirm=refuse),
    ):
        with pytest.raises(Refused):
            await verb
    assert building.hear() == []
    assert [await building.count(table) for table in ("persons", "locks", "lock_groups")] == [0, 0, 0]
    assert await building.count("events") == before


# PINs are in nothing that is kept, told or logged


async def test_a_pin_is_nowhere_but_in_its_hash(building: Building, caplog: pytest.LogCaptureFixture) -> None:
    """A PIN that was set and tried is in no object, no change, no log and no table's text."""
    caplog.set_level(0)
    pin, wrong = "73519046", "73519047"
    lock = await building.lock()
    person = await building.person()
    card = await building.credential(person=person, pin=pin)
    await building.grant(card, lock)
    await building.people.update_credential(card.id, pin=pin, **BY)
    shown = [card, await building.credential_now(card), await building.pending(lock)]
    for attempt in (pin, wrong, wrong, wrong):
        shown += [await building.reports(card, lock, pin=attempt), await building.asks(card, lock, pin=attempt)]
    await building.synchronise(lock)
    with pytest.raises(InvalidValue) as refusal:
        await building.credential("99", pin=f"{pin}x")
    dump = await building.rows(
        "SELECT group_concat(c.id || c.value || ifnull(c.pin_hash, ''), ' ') FROM credentials c UNION ALL"
        " SELECT group_concat(details || reason, ' ') FROM events UNION ALL"
        " SELECT group_concat(payload, ' ') FROM sync_items"
    )
    everything = [
        repr(shown),
        repr(building.told),
        repr(dump),
        caplog.text,
        str(refusal.value),
        repr(vars(building.decisions)),
    ]
    for text in everything:
        assert pin not in text
        assert wrong not in text
    assert "pin_hash" not in repr(building.told)
    assert "argon2" not in repr(building.told) + repr(shown) + caplog.text


@pytest.mark.parametrize("pin", ["", "123", "123456789", "12a4", "12 4", "\N{ARABIC-INDIC DIGIT ONE}234", "1234\n"])
async def test_what_is_no_pin_is_refused(building: Building, pin: str) -> None:
    """A PIN has four to eight decimal digits."""
    with pytest.raises(InvalidValue):
        await building.credential(pin=pin)
    card = await building.credential()
    with pytest.raises(InvalidValue):
        await building.people.update_credential(card.id, pin=pin, **BY)
    assert (await building.credential_now(card)).has_pin is False


async def test_added_things_are_told_once(building: Building) -> None:
    """Each thing that is made is told once, as it is answered."""
    lock = await building.lock()
    person = await building.person()
    card = await building.credential(person=person)
    grant = await building.grant(card, lock)
    told = building.hear()
    key = await building.key_now(card.id)
    assert [change.thing for change in told if isinstance(change, Added)] == [lock, person, card, key, grant]
    assert [change for change in told if isinstance(change, Changed | Removed)] == []
    assert [change for change in told if isinstance(change, SyncDue)] == [SyncDue(lock.id)]


async def test_busy_passwords_change_nothing(building: Building) -> None:
    """Where too many PINs wait already, a credential with one is refused and not made."""
    wanted = [building.credential(str(1000 + number), kind=CODE, pin="1234") for number in range(200)]
    results = await asyncio.gather(*wanted, return_exceptions=True)
    refused = sum(isinstance(result, Busy) for result in results)
    assert refused > 0
    assert await building.count("credentials") == 200 - refused


async def test_a_person_has_so_many_credentials_and_no_more(building: Building) -> None:
    """With as many credentials as a person may have there is no other, until one is removed."""
    person = await building.person()
    cards = [await building.credential(str(number), person=person) for number in range(MAX_CREDENTIALS)]
    with pytest.raises(InvalidValue, match="at most 50"):
        await building.credential("1000", person=person)
    await building.credential("1000")
    await building.people.remove_credential(cards[0].id, **BY)
    await building.credential("1001", person=person)
