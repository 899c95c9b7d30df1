"""Access keys: credentials with levels, which are what they are whoever changes them, and how far locks have them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from building import BY, PIN_ATTEMPTS, Building

from nymead_users.access import errors
from nymead_users.access.changes import Added, Changed, Removed, SyncDue
from nymead_users.access.decision import AccessReason
from nymead_users.access.keys import Holder, SystemStatus, Which
from nymead_users.access.model import AccessKey, AccessKeyStatus, Credential, CredentialType, Grant, Person
from nymead_users.access.people import MAX_CREDENTIALS, keep
from nymead_users.access.unit import new_id
from nymead_users.identity.users import unconditional

PROXIMITY, CODE, PHONE = CredentialType.PROXIMITY, CredentialType.CODE, CredentialType.PHONE

SEPTEMBER = datetime(2050, 9, 1, tzinfo=UTC)
OCTOBER = datetime(2050, 10, 1, 14, tzinfo=UTC)
NOVEMBER = datetime(2050, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)

NOBODY = "00000000-0000-0000-0000-000000000000"


async def grants_of(building: Building, key: AccessKey) -> list[Grant]:
    """The grants that are a key's levels, or were."""
    pages = building.grants.pages()
    return [each async for page in pages for each in page if each.credential_id == key.id]


async def card_of(building: Building, key: AccessKey) -> Credential:
    """The credential that a key is."""
    pages = building.people.credential_pages(None, None, None, codes=True)
    return next(iter([each async for page in pages for each in page if each.id == key.id]))


async def windows(building: Building, key: AccessKey) -> list[tuple[datetime | None, datetime | None]]:
    """The windows of its standing grants."""
    return [(each.valid_from, each.valid_before) for each in await grants_of(building, key) if each.revoked is None]


def told(building: Building, *kinds: type[Any]) -> list[tuple[str, str]]:
    """What was told since last asked of things of these kinds: how, and which."""
    changes = [change for change in building.hear() if isinstance(change, Added | Changed | Removed)]
    return [(type(change).__name__, change.thing.id) for change in changes if isinstance(change.thing, kinds)]


async def change(building: Building, key: AccessKey, **given: Any) -> AccessKey:
    """Change an access key by its id."""
    return await building.keys.put(Which(id=key.id), given, Holder(), **BY)


# Which key is meant


async def test_an_identification_adds_a_key_once_and_then_names_it(building: Building) -> None:
    """A key is made of an identification that nothing has; in any spelling it is the same key from then on."""
    made = await building.key("0x00499602d2")
    assert (made.type, made.value, made.levels) == (PROXIMITY, "0001234567890", ())
    for spelling in ("0001234567890", "1234567890", "0X499602D2"):
        assert await building.key(spelling) == made
    assert (await building.key("1234567890", kind=CODE)).id != made.id
    assert await building.count("credentials") == 2


async def test_an_id_goes_before_an_identification(building: Building) -> None:
    """With an id the identification is not looked at, whatever it is; without both nothing is meant."""
    first, second = await building.key("1"), await building.key("2")
    which = Which(id=first.id, type=PROXIMITY, identification="nonsense")
    assert (await building.keys.put(which, {"valid_from": SEPTEMBER}, Holder(), **BY)).id == first.id
    await building.keys.remove(Which(id=first.id, type=PROXIMITY, identification="2"), **BY)
    assert await building.key_now(second.id) == second
    for verb in (building.keys.put(Which(), {}, Holder(), **BY), building.keys.remove(Which(), **BY)):
        with pytest.raises(errors.KeyMissing):
            await verb


async def test_only_keys_and_codes_known_everywhere_are_access_keys(building: Building) -> None:
    """A phone is no access key, and neither is one lock's own code, which no key can have either."""
    lock, key = await building.lock(), await building.key()
    phone = await building.credential("+4781549300", kind=PHONE)
    own = Credential(new_id(), building.owner, None, CODE, "271828", False, True, None, lock_id=lock.id)
    async with building.model.change("admin", unconditional) as work:
        await keep(work, own, None)
    for no_key in (phone.id, own.id, NOBODY, lock.id):
        with pytest.raises(errors.AccessKeyNotFound):
            await building.keys.put(Which(id=no_key), {}, Holder(), **BY)
        with pytest.raises(errors.AccessKeyNotFound):
            await building.keys.remove(Which(id=no_key), **BY)
        with pytest.raises(errors.AccessKeyNotFound):
            await building.keys.status(no_key, None, codes=True)
    with pytest.raises(errors.InvalidKey, match="key: a lock has this code"):
        await building.key("271828", kind=CODE)
    with pytest.raises(errors.AccessKeyNotFound):
        await building.keys.remove(Which(type=CODE, identification="271828"), **BY)
    assert [each async for page in building.keys.pages(None, None, codes=True) for each in page] == [key]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (PROXIMITY, ""),
        (PROXIMITY, "499602d2"),
        (PROXIMITY, "0x"),
        (PROXIMITY, "0x10000000000"),
        (PROXIMITY, "1099511627776"),
        (PROXIMITY, "00001234567890"),
        (PROXIMITY, "12 34"),
        (PROXIMITY, "-1"),
        (CODE, "123"),
        (CODE, "0x1234"),
        (CODE, "12345678901234567"),
        (CODE, "12345\n"),
    ],
)
async def test_an_identification_that_cannot_be(building: Building, kind: CredentialType, text: str) -> None:
    """A proximity key is a number of forty bits, a code decimal digits; anything else is refused and not repeated."""
    with pytest.raises(errors.InvalidKey) as refusal:
        await building.key(text, kind=kind)
    assert str(refusal.value).startswith("key: ")
    assert len(text) < 3 or text not in str(refusal.value)
    assert await building.count("persons") == 0


async def test_keys_of_several_owners(building: Building) -> None:
    """With several owners one is named, each has its keys, and an id alone says whose it is."""
    key = await building.key("7")
    other = (await building.people.add_owner("Elsewhere", **BY)).id
    seven = Which(type=PROXIMITY, identification="7")
    with pytest.raises(errors.OwnerNotFound, match="one must be named"):
        await building.keys.put(seven, {}, Holder(), **BY)
    with pytest.raises(errors.OwnerNotFound):
        await building.keys.put(replace(seven, owner_id=NOBODY), {}, Holder(), **BY)
    theirs = await building.keys.put(replace(seven, owner_id=other), {}, Holder(), **BY)
    assert theirs.owner_id == other
    assert (await change(building, key, valid_from=SEPTEMBER)).owner_id == building.owner
    with pytest.raises(errors.AccessKeyNotFound):
        await building.keys.put(Which(id=key.id, owner_id=other), {}, Holder(), **BY)
    eight = Which(type=PROXIMITY, identification="8", owner_id=other)
    with pytest.raises(errors.PersonNotFound):
        await building.keys.put(eight, {}, Holder(id=key.person_id), **BY)
    for owner, keys in ((None, {key.id, theirs.id}), (other, {theirs.id}), (building.owner, {key.id})):
        assert {each.id async for page in building.keys.pages(owner, None, codes=True) for each in page} == keys
    level = await building.group()
    with pytest.raises(errors.AccessLevelNotFound):
        await change(building, theirs, levels=[level.id])
    assert await building.keys.levels(other, None) == []
    assert await building.keys.levels(None, None) == await building.keys.levels(building.owner, None) == [level]
    for verb in (building.keys.levels(NOBODY, None), anext(building.keys.pages(NOBODY, None, codes=True))):
        with pytest.raises(errors.OwnerNotFound):
            await verb


# Whose it is


async def test_a_new_key_is_somebodys(building: Building) -> None:
    """It is given to the person that is named, or to a new one, whose names are made up where none are given."""
    ann = await building.person("Ann", last_name="Aal")
    building.hear()
    held = await building.key("1", holder=Holder(id=ann.id, first_name="x" * 33))
    assert (held.person_id, held.first_name, held.last_name) == (ann.id, "Ann", "Aal")
    assert told(building, Person) == []
    named = await building.key("2", holder=Holder(first_name="First", last_name=""))
    assert (named.first_name, named.last_name) == ("First", "")
    assert told(building, Person) == [("Added", named.person_id)]
    made_up = [await building.key(value) for value in ("3", "4")]
    names = [name for key in made_up for name in (key.first_name, key.last_name)]
    assert len(set(names)) == 4
    assert all(name.isascii() and name.isalnum() and name == name.lower() for name in names)
    numbers = [person.number async for page in building.people.pages(None, None) for person in page]
    assert numbers == [1, 2, 3, 4]


async def test_a_person_is_only_for_a_new_key(building: Building) -> None:
    """A key that there is stays its person's, and no person is made or looked for."""
    key = await building.key("1", holder=Holder(first_name="First", last_name="Last"))
    for holder in (Holder(id=NOBODY), Holder(first_name="x" * 33), Holder(last_name="Other")):
        assert await building.key("1", holder=holder) == key
    loose = await building.credential("2")
    assert (await building.key("2")).person_id is None
    assert (await building.key_now(loose.id)).first_name == ""
    assert await building.count("persons") == 1


async def test_a_person_that_cannot_be(building: Building) -> None:
    """Nothing is stored for a person that is not there, a name that is too long, or a person with too many keys."""
    with pytest.raises(errors.PersonNotFound):
        await building.key(holder=Holder(id=NOBODY))
    for names in ({"first_name": "x" * 33}, {"last_name": "ü" * 33}):
        with pytest.raises(errors.NameTooLong, match="32 characters"):
            await building.key(holder=Holder(**names))
    assert await building.count("persons") == await building.count("credentials") == 0
    longest = await building.key(holder=Holder(first_name="x" * 32, last_name="ü" * 32))
    ann = Holder(id=longest.person_id)
    for number in range(1, MAX_CREDENTIALS):
        await building.key(str(number), holder=ann)
    with pytest.raises(errors.InvalidValue, match="at most 50"):
        await building.key("999", holder=ann)


# What it opens, and when


async def test_levels_are_set_as_they_are_given(building: Building) -> None:
    """Given levels are all that a key has, each once; left out they stay, and null takes them away."""
    first, second = sorted([await building.group("A"), await building.group("B")], key=lambda group: group.id)
    key = await building.key(levels=[second.id, first.id, second.id])
    assert key.levels == (first.id, second.id)
    assert len(await grants_of(building, key)) == 2
    assert (await change(building, key)).levels == (first.id, second.id)
    building.hear()
    assert (await change(building, key, levels=[second.id, first.id])).levels == (first.id, second.id)
    assert building.hear() == []
    assert (await change(building, key, levels=[first.id])).levels == (first.id,)
    assert (await change(building, key, levels=None)).levels == ()
    await change(building, key, levels=[first.id])
    assert (await change(building, key, levels=[])).levels == ()


async def test_unknown_levels(building: Building) -> None:
    """A level that is not there, or was removed, is refused, and nothing else of the call is done."""
    level, gone = await building.group(), await building.group()
    await building.remove_group(gone)
    lock, key = await building.lock(), await building.key(levels=[level.id])
    for unknown in (gone.id, NOBODY, lock.id):
        with pytest.raises(errors.AccessLevelNotFound, match=unknown):
            await change(building, key, levels=[unknown], valid_from=SEPTEMBER, pin="1234")
        with pytest.raises(errors.AccessLevelNotFound):
            await building.key("77", levels=[level.id, unknown])
    assert await building.key_now(key.id) == key
    assert await building.count("credentials") == await building.count("persons") == 1


async def test_the_window_is_put_on_all_levels(building: Building) -> None:
    """A key's window is its grants'; each bound stays where it is left out, and goes by null."""
    first, second = await building.group(), await building.group()
    key = await building.key(levels=[first.id], valid_from=SEPTEMBER, valid_before=OCTOBER)
    assert await windows(building, key) == [(SEPTEMBER, OCTOBER)]
    key = await change(building, key, levels=[first.id, second.id], valid_before=NOVEMBER)
    assert (key.valid_from, key.valid_before) == (SEPTEMBER, NOVEMBER)
    assert await windows(building, key) == [(SEPTEMBER, NOVEMBER)] * 2
    key = await change(building, key, valid_from=None)
    assert (key.valid_from, key.valid_before) == (None, NOVEMBER)
    assert await windows(building, key) == [(None, NOVEMBER)] * 2
    await change(building, key, valid_before=None)
    assert await windows(building, key) == [(None, None)] * 2


async def test_a_grant_that_is_changed_by_itself_keeps_its_window(building: Building) -> None:
    """What Access gives a single grant stays until the key is given a bound again."""
    first, second = await building.group(), await building.group()
    key = await building.key(levels=[first.id], valid_before=OCTOBER)
    (grant,) = await grants_of(building, key)
    await building.grants.update(grant.id, {"valid_from": OCTOBER, "valid_before": NOVEMBER}, **BY)
    assert await building.key_now(key.id) == key
    await change(building, key, levels=[first.id, second.id], pin="1234")
    assert set(await windows(building, key)) == {(OCTOBER, NOVEMBER), (None, OCTOBER)}
    await change(building, key, valid_from=SEPTEMBER)
    assert set(await windows(building, key)) == {(SEPTEMBER, OCTOBER)}


async def test_a_window_ends_after_it_begins(building: Building) -> None:
    """An end that is not later than the beginning is refused, also where one of them was given before."""
    for begin, end in ((SEPTEMBER, SEPTEMBER), (OCTOBER, SEPTEMBER)):
        with pytest.raises(errors.InvalidDate, match="validToDate: must be later"):
            await building.key(valid_from=begin, valid_before=end)
    key = await building.key(valid_from=SEPTEMBER, valid_before=OCTOBER)
    for given in ({"valid_from": OCTOBER}, {"valid_before": SEPTEMBER}):
        with pytest.raises(errors.InvalidDate):
            await change(building, key, **given)
    assert await building.key_now(key.id) == key
    await change(building, key, valid_from=OCTOBER, valid_before=None)


async def test_a_key_opens_the_locks_of_its_levels(building: Building) -> None:
    """A key opens each lock in one of its levels within its window, and after it was removed none."""
    lock, level = await building.lock(), await building.group()
    await building.join(level, lock)
    key = await building.key(levels=[level.id], valid_from=SEPTEMBER, valid_before=OCTOBER)
    await building.synchronise(lock)
    card = await card_of(building, key)
    for at, reason in (
        (SEPTEMBER - DAY, AccessReason.NOT_YET_VALID),
        (SEPTEMBER, AccessReason.GRANTED),
        (OCTOBER, AccessReason.EXPIRED),
    ):
        decision = await building.asks(card, lock, at=at)
        assert (decision.reason, decision.on_lock) == (reason, reason is AccessReason.GRANTED)
    await building.keys.remove(Which(type=PROXIMITY, identification="0x499602d2"), **BY)
    decision = await building.asks(card, lock, at=SEPTEMBER)
    assert decision.reason is AccessReason.UNKNOWN_CREDENTIAL
    assert await building.count("persons") == 1
    (item,) = await building.pending(lock)
    assert item.op == "remove"


# Its PIN


async def test_a_pin_is_set_kept_and_cleared(building: Building) -> None:
    """A PIN is wanted once it is set, stays where it is left out, and is not wanted any more after null."""
    lock, level = await building.lock(), await building.group()
    await building.join(level, lock)
    key = await building.key(levels=[level.id], pin="0123")
    await building.synchronise(lock)
    card = await card_of(building, key)
    assert card.has_pin
    await change(building, key, valid_from=None)
    for pin, reason in (
        (None, AccessReason.PIN_NOT_SET),
        ("1230", AccessReason.WRONG_PIN),
        ("0123", AccessReason.GRANTED),
    ):
        assert (await building.asks(card, lock, pin=pin)).reason is reason
    await change(building, key, pin="9876")
    assert (await building.asks(card, lock, pin="9876")).allowed
    await change(building, key, pin=None)
    assert (await building.asks(card, lock)).allowed
    assert await building.rows("SELECT pin_hash FROM credentials") == [(None,)]


@pytest.mark.parametrize("pin", ["", "123", "12345", "12a4", "١٢٣٤", "1234\n", " 123"])
async def test_a_pin_that_cannot_be(building: Building, pin: str) -> None:
    """A PIN of a key is exactly four decimal digits; the refusal does not repeat what was given."""
    with pytest.raises(errors.InvalidPin) as refusal:
        await building.key(pin=pin)
    assert str(refusal.value) == "pin: a PIN has 4 decimal digits"
    assert await building.count("credentials") == 0


async def test_setting_a_pin_ends_a_lock_out(building: Building) -> None:
    """A key that wrong PINs have locked out opens again once its PIN is set; other changes leave it locked out."""
    lock, level = await building.lock(), await building.group()
    await building.join(level, lock)
    key = await building.key(levels=[level.id], pin="0123")
    await building.synchronise(lock)
    card = await card_of(building, key)
    for _ in range(PIN_ATTEMPTS):
        await building.reports(card, lock, pin="1111")
    await change(building, key, valid_before=OCTOBER)
    assert (await building.asks(card, lock, pin="0123")).reason is AccessReason.LOCKED_OUT
    await change(building, key, pin="0123")
    assert (await building.asks(card, lock, pin="0123")).allowed


async def test_what_opens_doors_is_in_no_repr(building: Building) -> None:
    """An identification is in no repr of what holds it, and of a PIN there is only a hash."""
    key = await building.key("24681357", kind=CODE, pin="0987")
    which = Which(type=CODE, identification="24681357")
    assert "24681357" not in repr((key, which, building.hear()))
    ((stored,),) = await building.rows("SELECT pin_hash FROM credentials")
    assert stored.startswith("$argon2id$")
    assert await building.passwords.verify_pin("0987", stored, by="")


# How far locks have it


async def test_a_status_follows_what_locks_have_heard(building: Building) -> None:
    """A key is not applied, pending, failed, partly and wholly applied, in each system by what its locks have heard."""
    level = await building.group()
    locks = [await building.lock(title, system_id=system) for title, system in (("A", "s1"), ("B", "s1"), ("C", "s2"))]
    for lock in locks:
        await building.join(level, lock)
    await building.synchronise(*locks)
    key = await building.key()

    async def status() -> tuple[str, list[tuple[str, str, str | None]]]:
        overall, systems = await building.keys.status(key.id, None, codes=False)
        return overall.value, [(system.system_id, system.status.value, system.error) for system in systems]

    assert await status() == ("NotApplied", [])
    await change(building, key, levels=[level.id])
    assert await status() == ("Pending", [("s1", "Pending", None), ("s2", "Pending", None)])
    await building.hears(locks[1], *await building.pending(locks[1]), error="memory full")
    assert await status() == ("Failed", [("s1", "Failed", "memory full"), ("s2", "Pending", None)])
    await building.synchronise(locks[0])
    error = ("s1", "PartiallyApplied", "memory full")
    assert await status() == ("PartiallyApplied", [error, ("s2", "Pending", None)])
    await building.synchronise(locks[1])
    assert await status() == ("PartiallyApplied", [("s1", "Applied", None), ("s2", "Pending", None)])
    await building.synchronise(locks[2])
    assert await status() == ("Applied", [("s1", "Applied", None), ("s2", "Applied", None)])
    # A level that is taken away is on its way until all locks have heard of that.
    await change(building, key, levels=None)
    assert await status() == ("Pending", [("s1", "Pending", None), ("s2", "Pending", None)])
    await building.hears(locks[2], *await building.pending(locks[2]), error="no answer")
    assert (await status())[1][1] == ("s2", "Failed", "no answer")
    await building.synchronise(*locks[1:])
    assert await status() == ("Pending", [("s1", "Pending", None)])
    await building.synchronise(locks[0])
    assert await status() == ("NotApplied", [])


async def test_a_level_without_locks_is_not_applied(building: Building) -> None:
    """A key with a level in which no lock is, or no lock any more, is not applied."""
    lock, level = await building.lock(), await building.group()
    key = await building.key(levels=[level.id])
    not_applied: tuple[AccessKeyStatus, list[SystemStatus]] = (AccessKeyStatus.NOT_APPLIED, [])
    assert await building.keys.status(key.id, None, codes=False) == not_applied
    await building.join(level, lock)
    pending = AccessKeyStatus.PENDING
    assert await building.keys.status(key.id, None, codes=False) == (pending, [SystemStatus("", pending, None)])
    await building.locks.remove(lock.id, **BY)
    assert await building.keys.status(key.id, None, codes=False) == not_applied


async def test_what_who_sees_some_locks_only_sees_of_keys(building: Building) -> None:
    """They see the keys that concern one of their locks, how far these have them, and no codes."""
    mine, other = await building.lock("Mine", system_id="s1"), await building.lock("Other", system_id="s2")
    here, there = await building.group("Here"), await building.group("There")
    await building.join(here, mine)
    await building.join(there, other)
    both = await building.key("1", levels=[here.id, there.id])
    elsewhere = await building.key("2", levels=[there.id])
    code = await building.key("24681357", kind=CODE, levels=[here.id])
    await building.synchronise(mine)
    sight = frozenset({mine.id})
    assert [each async for page in building.keys.pages(None, sight, codes=False) for each in page] == [both]
    assert await building.keys.levels(None, sight) == [here]
    applied = AccessKeyStatus.APPLIED
    assert await building.keys.status(both.id, sight, codes=False) == (applied, [SystemStatus("s1", applied, None)])
    hidden = await building.key("13572468", kind=CODE, levels=[there.id])
    for unknown in (elsewhere.id, hidden.id, NOBODY):
        with pytest.raises(errors.AccessKeyNotFound):
            await building.keys.status(unknown, sight, codes=False)
    await building.keys.status(code.id, None, codes=True)
    for seen in (sight, None):
        with pytest.raises(errors.NotVisible, match="only administrators"):
            await building.keys.status(code.id, seen, codes=False)


# What is told


async def test_a_key_is_told_once_for_each_change(building: Building) -> None:
    """However much of a key one call changes, it is told once, as it is then; without a change nothing is."""
    lock, level, other = await building.lock(), await building.group(), await building.group()
    await building.join(level, lock)
    await building.synchronise(lock)
    building.hear()
    key = await building.key(levels=[level.id, other.id], pin="1234", valid_from=SEPTEMBER)
    heard = building.hear()
    (added,) = [each for each in heard if isinstance(each, Added) and isinstance(each.thing, AccessKey)]
    assert (added.thing, added.locks) == (key, frozenset({lock.id}))
    assert [each for each in heard if isinstance(each, Changed) and isinstance(each.thing, AccessKey)] == []
    assert [each for each in heard if isinstance(each, SyncDue)] == [SyncDue(lock.id)]
    changed = await change(building, key, levels=[other.id], pin="4321", valid_before=OCTOBER)
    (told_once,) = [each for each in building.hear() if isinstance(getattr(each, "thing", None), AccessKey)]
    # Who sees the lock that it opens no more hears that it does not.
    assert told_once == Changed(changed, frozenset({lock.id}))
    await change(building, key, levels=[other.id], valid_before=OCTOBER)
    assert building.hear() == []
    await change(building, key, pin="4321")
    assert told(building, AccessKey, Credential) == [("Changed", key.id)] * 2
    await building.keys.remove(Which(id=key.id), **BY)
    assert told(building, AccessKey, Credential) == [("Removed", key.id)]


async def test_a_key_is_told_whoever_changes_it(building: Building) -> None:
    """What is done to a credential, its grants for groups or its person's names is a change of the key, told once."""
    level, lock = await building.group(), await building.lock()
    card = await building.credential(person=await building.person("Ann"))
    assert card.person_id is not None
    assert told(building, AccessKey) == [("Added", card.id)]
    grant = await building.grant(card, level)
    assert told(building, AccessKey) == [("Changed", card.id)]
    assert (await building.key_now(card.id)).levels == (level.id,)
    await building.people.update(card.person_id, {"first_name": "Anna"}, **BY)
    assert told(building, AccessKey) == [("Changed", card.id)]
    assert (await building.key_now(card.id)).first_name == "Anna"
    await building.people.update_credential(card.id, enabled=False, **BY)
    assert told(building, AccessKey) == [("Changed", card.id)]
    await building.grants.revoke(grant.id, **BY)
    assert told(building, AccessKey) == [("Changed", card.id)]
    assert (await building.key_now(card.id)).levels == ()
    await building.grant(card, level)
    await building.remove_group(level, revoke=True)
    assert told(building, AccessKey) == [("Changed", card.id)] * 2
    # What is no part of a key is no change of it.
    await building.people.update(card.person_id, {"email": "ann@example.org"}, **BY)
    await building.grants.revoke((await building.grant(card, lock)).id, **BY)
    await building.synchronise(lock)
    await building.credential("+4781549300", kind=PHONE, person=await building.person("Bob"))
    assert told(building, AccessKey) == []
    await building.people.remove(card.person_id, **BY)
    assert told(building, AccessKey, Credential) == [("Removed", card.id)]
