"""PINs: right ones, wrong ones, and what too many wrong ones do."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from building import BY, PIN_ATTEMPTS, PIN_LOCKOUT, Building, anybody, asked, nobody
from sqlalchemy import update

from nymead_users.access.changes import Changed, Decided, Touched
from nymead_users.access.decision import AccessReason
from nymead_users.access.decisions import Decisions, PinRules
from nymead_users.access.errors import LockNotFound, NotVisible
from nymead_users.access.model import AccessEventKind, Credential, CredentialType, Lock
from nymead_users.access.unit import now
from nymead_users.instants import milliseconds
from nymead_users.storage.tables import credentials

PIN, WRONG = "4711", "1174"
DAY = timedelta(days=1)


async def door(building: Building) -> tuple[Credential, Lock]:
    """A card with a PIN that opens a lock."""
    lock, card = await building.lock(), await building.credential(pin=PIN)
    await building.grant(card, lock)
    await building.synchronise(lock)
    return card, lock


async def lock_out(building: Building, card: Credential, lock: Lock) -> None:
    for _ in range(PIN_ATTEMPTS):
        decision, _ = await building.reports(card, lock, pin=WRONG)
        assert decision.reason is AccessReason.WRONG_PIN


async def let_pass(building: Building, card: Credential) -> None:
    """A lock-out is over, as it is after its time."""
    async with building.database.write() as connection:
        await connection.execute(
            update(credentials)
            .where(credentials.c.id == card.id)
            .values(locked_until=now() - timedelta(milliseconds=1))
        )
    building.model.generation += 1


async def test_a_pin_must_be_there_and_right_where_one_is_set(building: Building) -> None:
    """Where a PIN is set, none, a wrong one and the right one are told apart, for Evaluate and a report alike."""
    card, lock = await door(building)
    answers = {
        None: AccessReason.PIN_NOT_SET,
        WRONG: AccessReason.WRONG_PIN,
        PIN: AccessReason.GRANTED,
        "": AccessReason.WRONG_PIN,
    }
    for pin, reason in answers.items():
        decision = await building.asks(card, lock, pin=pin)
        assert (decision.reason, decision.on_lock) == (reason, reason is AccessReason.GRANTED)
        reported, entry = await building.reports(card, lock, pin=pin)
        assert reported.reason is reason
        assert (
            entry.code
            == {AccessReason.PIN_NOT_SET: 205, AccessReason.WRONG_PIN: 200, AccessReason.GRANTED: 103}[reason]
        )


async def test_a_pin_where_none_is_set_opens_nothing(building: Building) -> None:
    """A PIN with a credential that has none is no right one."""
    lock, card = await building.lock(), await building.credential()
    await building.grant(card, lock)
    assert (await building.asks(card, lock)).allowed
    assert (await building.asks(card, lock, pin=PIN)).reason is AccessReason.PIN_NOT_SET
    assert (await building.reports(card, lock, pin=PIN))[0].reason is AccessReason.PIN_NOT_SET


async def test_a_lock_hears_whether_a_pin_is_wanted(building: Building) -> None:
    """A PIN that is set or cleared is due at the locks that its credential opens; another one is not."""
    card, lock = await door(building)
    for pin, heard in ((WRONG, []), (None, [False]), (PIN, [True])):
        await building.people.update_credential(card.id, pin=pin, **BY)
        items = await building.pending(lock)
        assert [shown["hasPin"] for item in items for shown in item.payload["credentials"]] == heard
        await building.synchronise(lock)


async def test_a_lock_that_has_not_heard_opens_to_the_right_pin(building: Building) -> None:
    """What was taken back still opens at the lock, to the right PIN and to no other, until the lock has heard."""
    card, lock = await door(building)
    (grant,) = [grant async for page in building.grants.pages() for grant in page]
    await building.grants.revoke(grant.id, **BY)
    for pin, on_lock in ((PIN, True), (WRONG, False), (None, False)):
        decision = await building.asks(card, lock, pin=pin)
        assert (decision.allowed, decision.reason, decision.on_lock) == (False, AccessReason.REVOKED, on_lock)
    await building.synchronise(lock)
    assert not (await building.asks(card, lock, pin=PIN)).on_lock


async def test_too_many_wrong_pins_lock_a_credential_out(building: Building) -> None:
    """After so many wrong PINs in a row even the right one is refused until the time is over, which is told once."""
    card, lock = await door(building)
    building.hear()
    at = now()
    await lock_out(building, card, lock)
    locked = await building.credential_now(card)
    assert locked.locked_until is not None
    assert at + timedelta(seconds=PIN_LOCKOUT) <= locked.locked_until <= now() + timedelta(seconds=PIN_LOCKOUT)
    concerned = frozenset({lock.id})
    assert [change for change in building.hear() if isinstance(change, Changed)] == [
        Changed(locked, concerned),
        Changed(await building.key_now(card.id), concerned),
    ]
    for pin in (PIN, WRONG, None):
        decision, entry = await building.reports(card, lock, pin=pin)
        assert (decision.reason, entry.code) == (AccessReason.LOCKED_OUT, 200)
        assert decision.until == milliseconds(locked.locked_until)
        assert (await building.asks(card, lock, pin=pin)).reason is AccessReason.LOCKED_OUT
    assert await building.credential_now(card) == locked
    await let_pass(building, card)
    assert (await building.reports(card, lock, pin=PIN))[0].allowed


async def test_the_right_pin_begins_the_count_anew(building: Building) -> None:
    """Wrong PINs with a right one between them lock nobody out."""
    card, lock = await door(building)
    for _ in range(3):
        for _ in range(PIN_ATTEMPTS - 1):
            await building.reports(card, lock, pin=WRONG)
        assert (await building.reports(card, lock, pin=PIN))[0].allowed
    assert (await building.credential_now(card)).locked_until is None


async def test_parallel_guesses_count_each(building: Building) -> None:
    """Guesses made at once are counted one by one: no more are looked at than are allowed in a row."""
    card, lock = await door(building)
    guesses = [*(f"{number:04}" for number in range(20)), PIN]
    answers = await asyncio.gather(*(building.reports(card, lock, pin=pin) for pin in guesses))
    reasons = [decision.reason for decision, _ in answers]
    allowed = reasons.count(AccessReason.GRANTED)
    assert reasons.count(AccessReason.WRONG_PIN) <= PIN_ATTEMPTS * (1 + allowed)
    assert reasons.count(AccessReason.LOCKED_OUT) >= len(guesses) - PIN_ATTEMPTS * (1 + allowed) - allowed
    assert (await building.credential_now(card)).locked_until is not None
    assert (await building.reports(card, lock, pin=PIN))[0].reason is AccessReason.LOCKED_OUT


@pytest.mark.parametrize("shift", [-400 * DAY, -DAY, DAY, 400 * DAY])
async def test_a_reported_time_evades_no_lock_out(building: Building, shift: timedelta) -> None:
    """Whatever time a lock reports, wrong PINs count, and a lock-out lasts until it is over here."""
    card, lock = await door(building)
    for _ in range(PIN_ATTEMPTS):
        assert (await building.reports(card, lock, pin=WRONG, at=now() + shift))[0].reason is AccessReason.WRONG_PIN
    decision, entry = await building.reports(card, lock, pin=PIN, at=now() + shift)
    assert decision.reason is AccessReason.LOCKED_OUT
    assert abs(entry.time - now() - shift) < timedelta(seconds=PIN_LOCKOUT)
    assert (await building.reports(card, lock, pin=PIN))[0].reason is AccessReason.LOCKED_OUT


async def test_a_late_report_after_a_lock_out_is_decided_as_any_other(building: Building) -> None:
    """Once a lock-out is over, the right PIN of an attempt made during it is right."""
    card, lock = await door(building)
    await lock_out(building, card, lock)
    await let_pass(building, card)
    assert (await building.reports(card, lock, pin=PIN, at=now() - DAY))[0].reason is AccessReason.GRANTED


async def test_evaluate_counts_nothing(building: Building) -> None:
    """Questions with wrong PINs leave no trace: no count, no entry, nothing told."""
    card, lock = await door(building)
    entries = await building.count("events")
    building.hear()
    for _ in range(3 * PIN_ATTEMPTS):
        assert (await building.asks(card, lock, pin=WRONG)).reason is AccessReason.WRONG_PIN
    assert building.hear() == []
    assert await building.count("events") == entries
    assert await building.rows("SELECT wrong_pins, locked_until FROM credentials") == [(0, None)]
    assert (await building.reports(card, lock, pin=PIN))[0].allowed


async def test_a_wrong_pin_counts_only_where_it_is_looked_at(building: Building) -> None:
    """Where another step fails first, a PIN is neither looked at nor counted."""
    card, _ = await door(building)
    other = await building.lock("Other")
    for _ in range(2 * PIN_ATTEMPTS):
        assert (await building.reports(card, other, pin=WRONG))[0].reason is AccessReason.NOT_AUTHORIZED
    assert await building.rows("SELECT wrong_pins, locked_until FROM credentials") == [(0, None)]


async def test_changing_a_credential_ends_its_lock_out(building: Building) -> None:
    """A new PIN, or any change of a credential, ends its lock-out, and the old PIN opens nothing."""
    card, lock = await door(building)
    await lock_out(building, card, lock)
    changed = await building.people.update_credential(card.id, pin="99999999", **BY)
    assert changed.locked_until is None
    assert (await building.reports(card, lock, pin=PIN))[0].reason is AccessReason.WRONG_PIN
    assert (await building.reports(card, lock, pin="99999999"))[0].allowed
    await building.people.update_credential(card.id, pin=None, **BY)
    assert (await building.reports(card, lock))[0].allowed


async def test_a_lock_out_is_one_credentials(building: Building) -> None:
    """A locked-out credential keeps neither another one out nor its person."""
    lock, person = await building.lock(), await building.person()
    card, code = (
        await building.credential(person=person, pin=PIN),
        await building.credential("4711", kind=CredentialType.CODE, person=person),
    )
    await building.grant(person, lock)
    await lock_out(building, card, lock)
    assert (await building.reports(code, lock))[0].allowed
    assert (await building.asks(person, lock)).allowed


@pytest.mark.parametrize("meanwhile", ["set", "cleared", "changed"])
@pytest.mark.parametrize("shown", [None, PIN])
async def test_a_pin_changed_while_an_attempt_is_looked_at_counts_as_it_is_then(
    building: Building, meanwhile: str, shown: str | None
) -> None:
    """An attempt is decided by the PIN that is set when it is logged, not by one of a moment before."""
    lock, card = await building.lock(), await building.credential(pin=None if meanwhile == "set" else PIN)
    await building.grant(card, lock)
    later = {"set": "2222", "cleared": None, "changed": "2222"}[meanwhile]
    password_hash = None if later is None else await building.passwords.hash(later)
    writing = building.database.write()
    connection = await writing.__aenter__()
    attempt = asyncio.create_task(building.reports(card, lock, pin=shown))
    # The attempt has learned what there is once it waits for its turn to write.
    while not building.database._writing._waiters:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)
    await connection.execute(update(credentials).where(credentials.c.id == card.id).values(pin_hash=password_hash))
    await writing.__aexit__(None, None, None)
    decision, _ = await attempt
    expected = {
        ("set", None): AccessReason.PIN_NOT_SET,
        ("set", PIN): AccessReason.WRONG_PIN,
        ("cleared", None): AccessReason.GRANTED,
        ("cleared", PIN): AccessReason.PIN_NOT_SET,
        ("changed", None): AccessReason.PIN_NOT_SET,
        ("changed", PIN): AccessReason.WRONG_PIN,
    }
    assert decision.reason is expected[meanwhile, shown]


# What is asked and reported


async def test_a_report_is_logged_and_told_once(building: Building) -> None:
    """A report is one entry of the log, with its time, what was decided, and whose it was; it and the use are told."""
    lock, person = await building.lock(), await building.person()
    card = await building.credential(person=person)
    grant = await building.grant(person, lock)
    building.hear()
    at = now() - DAY
    decision, entry = await building.reports(card, lock, at=at)
    used = await building.grant_now(grant)
    assert building.hear() == [Decided(entry), Touched(used, frozenset({lock.id}))]
    assert (used.uses, used.last_used) == (1, at)
    assert (entry.kind, entry.time, entry.allowed) == (AccessEventKind.DECISION, at, True)
    assert (entry.reason, entry.code) == ("granted", 102)
    assert (entry.lock_id, entry.person_id, entry.credential_id) == (lock.id, person.id, card.id)
    # What comes late says when.
    received = datetime.fromisoformat(entry.details.pop("received"))
    assert timedelta(0) <= now() - received < DAY
    assert entry.details == {"remote": False, "grantIds": [grant.id], "onLock": False, "by": "admin"}
    assert decision.grant_ids == (grant.id,)


async def test_an_unknown_credential_is_refused_and_logged(building: Building) -> None:
    """What nobody knows is refused as 201, without its value being kept."""
    lock, card = await building.lock(), await building.credential("987654321")
    await building.people.remove_credential(card.id, **BY)
    decision, entry = await building.reports(card, lock, pin=PIN)
    assert (decision.reason, entry.code, entry.credential_id) == (AccessReason.UNKNOWN_CREDENTIAL, 201, None)
    assert "987654321" not in repr(entry)
    assert (await building.asks(card, lock)).reason is AccessReason.UNKNOWN_CREDENTIAL


async def test_who_may_not_see_a_lock_learns_nothing_of_it(building: Building) -> None:
    """Questions and reports about a lock that a caller may not see are refused, known or not, asked before or not."""
    card, lock = await door(building)
    for _ in range(2):
        await building.asks(card, lock)
        with pytest.raises(NotVisible):
            await building.decisions.evaluate(asked(card, lock), frozenset())
    with pytest.raises(NotVisible):
        await building.decisions.report(asked(card, lock), nobody, at=None, remote=False, pin=None, **BY)
    await building.locks.remove(lock.id, **BY)
    with pytest.raises(LockNotFound):
        await building.asks(card, lock)


async def test_the_last_answer_is_kept_only_until_something_changes(building: Building) -> None:
    """An answer given again is as new: a change, a removal and an expiry are seen at once."""
    lock, person = await building.lock(), await building.person()
    grant = await building.grant(person, lock)
    assert (await building.asks(person, lock)).allowed
    end = now() + timedelta(milliseconds=30)
    await building.grants.update(grant.id, {"valid_before": end}, **BY)
    decision = await building.asks(person, lock)
    assert decision.reason is (AccessReason.GRANTED if decision.allowed else AccessReason.EXPIRED)
    while now() < end:  # noqa: ASYNC110 - likewise
        await asyncio.sleep(0)
    assert (await building.asks(person, lock)).reason is AccessReason.EXPIRED
    await building.grants.update(grant.id, {"valid_before": None, "remote_allowed": False}, **BY)
    assert (await building.asks(person, lock)).allowed
    assert (await building.asks(person, lock, remote=True)).reason is AccessReason.REMOTE_NOT_ALLOWED
    await building.people.update(person.id, {"enabled": False}, **BY)
    assert (await building.asks(person, lock)).reason is AccessReason.DISABLED


async def test_with_one_attempt_allowed_the_first_wrong_pin_locks_out(building: Building) -> None:
    """The number of attempts is the setting's."""
    card, lock = await door(building)
    strict = Decisions(building.model, building.passwords, PinRules(1, PIN_LOCKOUT))
    for reason in (AccessReason.WRONG_PIN, AccessReason.LOCKED_OUT):
        decision, _ = await strict.report(asked(card, lock), anybody, at=None, remote=False, pin=WRONG, **BY)
        assert decision.reason is reason
