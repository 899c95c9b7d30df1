"""The decision as a table, and how long it holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from building import settings
from hypothesis import given
from hypothesis import strategies as st

from nymead_users.access.decision import AccessReason, Decision, Facts, Pin, Rule, decide, event_code
from nymead_users.access.model import CredentialType
from nymead_users.access.schedule import Schedule
from nymead_users.instants import milliseconds

VIENNA = ZoneInfo("Europe/Vienna")

#: A Friday, 10:00 in Vienna.
FRIDAY = milliseconds(datetime(2026, 3, 27, 9, tzinfo=UTC))
HOUR = 3_600_000
DAY = 24 * HOUR

OFFICE = Schedule.parse(
    {"weekly": [{"weekdays": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "until": "17:00"}]}
)
WEEKEND = Schedule.parse({"weekly": [{"weekdays": ["sat", "sun"], "from": "00:00", "until": "24:00"}]})

#: A grant without any bound.
FREE = Rule("grant", False, True, None, None, None, True)


def facts(*rules: Rule, **others: Any) -> Facts:
    """What is known at a lock in Vienna that holds what is desired."""
    held = tuple(rule for rule in rules if not rule.revoked)
    return Facts(**{"zone": VIENNA, "desired": rules, "held": held, **others})


# Each reason, by the smallest facts that reach it

REASONS: list[tuple[AccessReason, Facts, dict[str, Any]]] = [
    (AccessReason.UNKNOWN_CREDENTIAL, facts(known=False), {}),
    (AccessReason.REVOKED, facts(replace(FREE, revoked=True)), {}),
    (AccessReason.DISABLED, facts(FREE, enabled=False), {}),
    (AccessReason.DISABLED, facts(replace(FREE, enabled=False)), {}),
    (AccessReason.DISABLED, facts(enabled=False), {}),
    (AccessReason.LOCKED_OUT, facts(FREE, locked_until=FRIDAY + 1), {}),
    (AccessReason.LOCKED_OUT, facts(locked_until=FRIDAY + 1), {}),
    (AccessReason.NOT_AUTHORIZED, facts(), {}),
    (AccessReason.NOT_YET_VALID, facts(replace(FREE, valid_from=FRIDAY + 1)), {}),
    (AccessReason.EXPIRED, facts(replace(FREE, valid_before=FRIDAY)), {}),
    (AccessReason.OUTSIDE_SCHEDULE, facts(replace(FREE, schedule=WEEKEND)), {}),
    (AccessReason.REMOTE_NOT_ALLOWED, facts(replace(FREE, remote_allowed=False)), {"remote": True}),
    (AccessReason.PIN_NOT_SET, facts(FREE), {"pin": Pin.NOT_SET}),
    (AccessReason.WRONG_PIN, facts(FREE), {"pin": Pin.WRONG}),
    (AccessReason.GRANTED, facts(FREE), {}),
    (AccessReason.GRANTED, facts(FREE), {"pin": Pin.RIGHT}),
    (AccessReason.GRANTED, facts(FREE, locked_until=FRIDAY), {}),
    (AccessReason.GRANTED, facts(replace(FREE, valid_from=FRIDAY)), {}),
    (AccessReason.GRANTED, facts(replace(FREE, valid_before=FRIDAY + 1)), {}),
    (AccessReason.GRANTED, facts(replace(FREE, schedule=OFFICE)), {}),
    (AccessReason.GRANTED, facts(replace(FREE, remote_allowed=False)), {}),
    (AccessReason.GRANTED, facts(FREE), {"remote": True}),
]


@pytest.mark.parametrize(("reason", "what", "attempt"), REASONS)
def test_each_reason_is_reached_by_the_smallest_facts(
    reason: AccessReason, what: Facts, attempt: dict[str, Any]
) -> None:
    """A step that fails by itself names the reason, at the exact bound of each period."""
    decision = decide(what, FRIDAY, **attempt)
    assert decision.reason is reason
    assert decision.allowed is decision.desired is (reason is AccessReason.GRANTED)
    assert decision.grant_ids == (("grant",) if what.desired else ())


def test_the_table_has_every_reason() -> None:
    """No reason is left out of the table of smallest facts."""
    assert {reason for reason, _, _ in REASONS} == set(AccessReason)


# Each earlier step beats each later one

#: What makes each step fail, in order: changes of the facts, of the grant, and of the attempt.
STEPS: list[tuple[AccessReason, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (AccessReason.UNKNOWN_CREDENTIAL, {"known": False}, {}, {}),
    (AccessReason.REVOKED, {}, {"revoked": True}, {}),
    (AccessReason.DISABLED, {"enabled": False}, {}, {}),
    (AccessReason.LOCKED_OUT, {"locked_until": FRIDAY + HOUR}, {}, {}),
    (AccessReason.NOT_YET_VALID, {}, {"valid_from": FRIDAY + HOUR}, {}),
    (AccessReason.OUTSIDE_SCHEDULE, {}, {"schedule": WEEKEND}, {}),
    (AccessReason.REMOTE_NOT_ALLOWED, {}, {"remote_allowed": False}, {"remote": True}),
    (AccessReason.WRONG_PIN, {}, {}, {"pin": Pin.WRONG}),
]


@pytest.mark.parametrize(("first", "second"), list(combinations(STEPS, 2)))
def test_the_first_step_that_fails_names_the_reason(first: Any, second: Any) -> None:
    """Of two steps that fail for one grant, the earlier one is told."""
    changed = {**first[2], **second[2]}
    what = facts(replace(FREE, **changed), **{**first[1], **second[1]})
    assert decide(what, FRIDAY, **{**first[3], **second[3]}).reason is first[0]


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"enabled": False, "locked_until": FRIDAY + HOUR}, AccessReason.DISABLED),
        ({"enabled": False}, AccessReason.DISABLED),
        ({"locked_until": FRIDAY + HOUR}, AccessReason.LOCKED_OUT),
        ({}, AccessReason.NOT_AUTHORIZED),
    ],
)
def test_without_a_grant_what_comes_before_it_is_told(others: dict[str, Any], reason: AccessReason) -> None:
    """Somebody without any grant is told the earlier step where one fails, and notAuthorized otherwise."""
    assert decide(facts(**others), FRIDAY, pin=Pin.WRONG, remote=True).reason is reason


# Of several grants the one that got furthest counts

FAILING = [
    (AccessReason.REVOKED, replace(FREE, revoked=True)),
    (AccessReason.DISABLED, replace(FREE, enabled=False)),
    (AccessReason.NOT_YET_VALID, replace(FREE, valid_from=FRIDAY + HOUR)),
    (AccessReason.OUTSIDE_SCHEDULE, replace(FREE, schedule=WEEKEND)),
    (AccessReason.REMOTE_NOT_ALLOWED, replace(FREE, remote_allowed=False)),
    (AccessReason.GRANTED, FREE),
]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(("less", "more"), list(combinations(FAILING, 2)))
def test_of_two_grants_the_one_that_got_further_counts(
    less: tuple[AccessReason, Rule], more: tuple[AccessReason, Rule], swapped: bool
) -> None:
    """Whichever comes first, the grant that got further names the reason and is told alone."""
    rules = [replace(less[1], grant_id="less"), replace(more[1], grant_id="more")]
    decision = decide(facts(*(reversed(rules) if swapped else rules)), FRIDAY, remote=True)
    assert (decision.reason, decision.grant_ids) == (more[0], ("more",))


def test_all_grants_that_allow_it_are_told() -> None:
    """Of several grants that allow an attempt, each is told, and no other."""
    late = replace(FREE, grant_id="late", valid_from=FRIDAY + HOUR)
    decision = decide(facts(replace(FREE, grant_id="a"), late, replace(FREE, grant_id="b")), FRIDAY)
    assert (decision.reason, decision.grant_ids) == (AccessReason.GRANTED, ("a", "b"))


def test_a_revoked_grant_does_not_stand_in_anothers_way() -> None:
    """Who has another grant is let in, whatever was revoked."""
    other = replace(FREE, grant_id="other")
    assert decide(facts(replace(FREE, revoked=True), other), FRIDAY).grant_ids == ("other",)


# Desired, and what the lock would do

ON_LOCK: list[tuple[str, Facts, dict[str, Any], bool, bool]] = [
    ("both", facts(FREE), {}, True, True),
    ("the lock has not heard of the grant", facts(FREE, held=()), {}, True, False),
    ("the lock has not heard of the revocation", facts(replace(FREE, revoked=True), held=(FREE,)), {}, False, True),
    ("the lock holds a grant that is gone", facts(held=(FREE,)), {}, False, True),
    ("the lock has not heard that the person is disabled", facts(FREE, enabled=False), {}, False, True),
    ("the lock has heard that", facts(FREE, enabled=False, held=(replace(FREE, enabled=False),)), {}, False, False),
    ("a lock-out is the server's alone", facts(FREE, locked_until=FRIDAY + 1), {}, False, True),
    ("the lock's copy is over", facts(FREE, held=(replace(FREE, valid_before=FRIDAY),)), {}, True, False),
    ("the lock's copy has other hours", facts(FREE, held=(replace(FREE, schedule=WEEKEND),)), {}, True, False),
    (
        "the lock's copy is not for afar",
        facts(FREE, held=(replace(FREE, remote_allowed=False),)),
        {"remote": True},
        True,
        False,
    ),
    ("the lock asks for the PIN, too", facts(FREE), {"pin": Pin.WRONG}, False, False),
]


@pytest.mark.parametrize(
    ("what", "attempt", "desired", "on_lock"), [row[1:] for row in ON_LOCK], ids=[row[0] for row in ON_LOCK]
)
def test_what_the_lock_would_do_is_told_beside_what_is_desired(
    what: Facts, attempt: dict[str, Any], desired: bool, on_lock: bool
) -> None:
    """The lock judges by what it holds, the server by what it has decided, and allowed is the latter."""
    decision = decide(what, FRIDAY, **attempt)
    assert (decision.allowed, decision.desired, decision.on_lock) == (desired, desired, on_lock)


# Event codes

CODES = {
    AccessReason.UNKNOWN_CREDENTIAL: 201,
    AccessReason.REVOKED: 203,
    AccessReason.DISABLED: 204,
    AccessReason.LOCKED_OUT: 200,
    AccessReason.NOT_AUTHORIZED: 206,
    AccessReason.NOT_YET_VALID: 202,
    AccessReason.EXPIRED: 202,
    AccessReason.OUTSIDE_SCHEDULE: 207,
    AccessReason.REMOTE_NOT_ALLOWED: 206,
    AccessReason.PIN_NOT_SET: 205,
    AccessReason.WRONG_PIN: 200,
}


@pytest.mark.parametrize(("reason", "code"), list(CODES.items()))
@pytest.mark.parametrize("kind", [None, *CredentialType])
def test_each_refusal_has_its_number(reason: AccessReason, code: int, kind: CredentialType | None) -> None:
    """A refusal's number is the page's, whatever was shown."""
    assert event_code(Decision(False, reason, (), None, False, False), kind, Pin.NOT_NEEDED) == code


@pytest.mark.parametrize(
    ("kind", "pin", "code"),
    [
        (CredentialType.CODE, Pin.NOT_NEEDED, 101),
        (CredentialType.CODE, Pin.RIGHT, 101),
        (CredentialType.PROXIMITY, Pin.NOT_NEEDED, 102),
        (CredentialType.PROXIMITY, Pin.RIGHT, 103),
        (CredentialType.PHONE, Pin.NOT_NEEDED, 100),
        (CredentialType.PHONE, Pin.RIGHT, 100),
        (None, Pin.NOT_NEEDED, 100),
    ],
)
def test_what_was_granted_has_the_number_of_what_was_shown(kind: CredentialType | None, pin: Pin, code: int) -> None:
    """101 is a code, 102 a proximity key, 103 one with its PIN, 100 anything else."""
    assert event_code(decide(facts(FREE), FRIDAY, pin=pin), kind, pin) == code


# How long it stays so

UNTIL: list[tuple[str, Facts, int | None]] = [
    ("nothing has an end", facts(FREE), None),
    ("nobody knows the credential", facts(FREE, known=False), None),
    ("it begins", facts(replace(FREE, valid_from=FRIDAY + 5)), FRIDAY + 5),
    ("it begins now and ends", facts(replace(FREE, valid_from=FRIDAY, valid_before=FRIDAY + 7)), FRIDAY + 7),
    ("it is over", facts(replace(FREE, valid_before=FRIDAY)), None),
    ("a lock-out ends", facts(FREE, locked_until=FRIDAY + 9), FRIDAY + 9),
    ("a lock-out has ended", facts(FREE, locked_until=FRIDAY), None),
    ("closing time", facts(replace(FREE, schedule=OFFICE)), FRIDAY + 7 * HOUR),
    ("the lock's copy ends first", facts(FREE, held=(replace(FREE, valid_before=FRIDAY + 3),)), FRIDAY + 3),
    ("a revoked grant has no future", facts(replace(FREE, revoked=True, valid_before=FRIDAY + 3)), None),
    (
        "a schedule begins only with its validity",
        facts(replace(FREE, schedule=OFFICE, valid_from=FRIDAY + DAY)),
        FRIDAY + DAY,
    ),
]


@pytest.mark.parametrize(("what", "until"), [row[1:] for row in UNTIL], ids=[row[0] for row in UNTIL])
def test_until_is_the_next_bound(what: Facts, until: int | None) -> None:
    """The next moment at which something begins or ends is told, and nothing where nothing does."""
    assert decide(what, FRIDAY).until == until


#: Both changes of the clocks of Europe lie within, and those of America and Australia near.
BEGINNING = milliseconds(datetime(2026, 3, 20, tzinfo=UTC))
SPAN = 240 * DAY

PASSING = Schedule.parse(
    {
        "ical": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260301T000000Z\r\n"
        "DTSTART:20260401T080000\r\nDTEND:20260401T170000\r\nRRULE:FREQ=DAILY;COUNT=5\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    }
)

#: One passes at night, one never changes, one ends.
SCHEDULES = [
    OFFICE,
    WEEKEND,
    PASSING,
    Schedule.parse({"weekly": [{"weekdays": ["sat", "sun"], "from": "22:00", "until": "06:00"}]}),
    Schedule.parse({"weekly": [{"weekdays": ["sun"], "from": "02:30", "until": "03:00"}]}),
    Schedule.parse(
        {"weekly": [{"weekdays": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "until": "24:00"}]}
    ),
]
moments = st.integers(BEGINNING, BEGINNING + SPAN)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """A grant, whose bounds are near one another now and then."""
    begins = draw(st.none() | moments)
    ends = draw(st.none() | st.sampled_from([1, HOUR, DAY, 30 * DAY]))
    after = None if ends is None else (BEGINNING if begins is None else begins) + ends
    return Rule(
        draw(st.sampled_from("abc")),
        draw(st.booleans()),
        draw(st.booleans()),
        begins,
        after,
        draw(st.none() | st.sampled_from(SCHEDULES)),
        draw(st.booleans()),
    )


anything = st.builds(
    Facts,
    zone=st.sampled_from(["Europe/Vienna", "UTC", "America/New_York", "Australia/Lord_Howe"]).map(ZoneInfo),
    enabled=st.sampled_from([True, True, True, False]),
    locked_until=st.none() | moments,
    desired=st.lists(rules(), max_size=3).map(tuple),
    held=st.lists(rules(), max_size=3).map(tuple),
)


@settings(300)
@given(what=anything, at=moments, remote=st.booleans(), pin=st.sampled_from(Pin), data=st.data())
def test_nothing_changes_before_until(what: Facts, at: int, remote: bool, pin: Pin, data: st.DataObject) -> None:
    """At every moment before until, and for good where there is none, the answer is the same."""
    decision = decide(what, at, remote=remote, pin=pin)
    end = at + 3 * 365 * DAY if decision.until is None else decision.until
    assert end > at
    for later in [end - 1, *data.draw(st.lists(st.integers(at, end - 1), min_size=2, max_size=2))]:
        assert decide(what, later, remote=remote, pin=pin)._replace(until=decision.until) == decision


def test_a_weekly_schedule_is_held_in_both_nights_of_the_clocks() -> None:
    """From 22:00 to 06:00 somebody is let in for seven hours in the spring's night and nine in autumn's."""
    night = Schedule.parse({"weekly": [{"weekdays": ["sat"], "from": "22:00", "until": "06:00"}]})
    for saturday, hours in ((datetime(2026, 3, 28, 21, tzinfo=UTC), 7), (datetime(2026, 10, 24, 20, tzinfo=UTC), 9)):
        begin = milliseconds(saturday)
        what = facts(replace(FREE, schedule=night))
        assert not decide(what, begin - 1).allowed
        decision = decide(what, begin)
        assert decision.allowed
        assert decision.until == begin + milliseconds(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hours))
