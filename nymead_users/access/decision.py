"""The decision: may somebody open a lock at a moment, and why.

The page on access names the steps; the first that fails names the reason, and of several grants the one that got
furthest counts. Nothing here reads a clock or a store.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from nymead_users.access.model import CredentialType
from nymead_users.access.schedule import Schedule
from nymead_users.instants import milliseconds, moment


class AccessReason(StrEnum):
    """Why, in the order of the steps: a later one means that the attempt got further."""

    UNKNOWN_CREDENTIAL = "unknownCredential"
    REVOKED = "revoked"
    DISABLED = "disabled"
    LOCKED_OUT = "lockedOut"
    NOT_AUTHORIZED = "notAuthorized"
    NOT_YET_VALID = "notYetValid"
    EXPIRED = "expired"
    OUTSIDE_SCHEDULE = "outsideSchedule"
    REMOTE_NOT_ALLOWED = "remoteNotAllowed"
    PIN_NOT_SET = "pinNotSet"
    WRONG_PIN = "wrongPin"
    GRANTED = "granted"


#: How far an attempt got. Too early and too late are the same step; so are a missing and a wrong PIN.
_STEPS = {
    AccessReason.UNKNOWN_CREDENTIAL: 1,
    AccessReason.REVOKED: 2,
    AccessReason.DISABLED: 3,
    AccessReason.LOCKED_OUT: 4,
    AccessReason.NOT_AUTHORIZED: 5,
    AccessReason.NOT_YET_VALID: 6,
    AccessReason.EXPIRED: 6,
    AccessReason.OUTSIDE_SCHEDULE: 7,
    AccessReason.REMOTE_NOT_ALLOWED: 8,
    AccessReason.PIN_NOT_SET: 9,
    AccessReason.WRONG_PIN: 9,
    AccessReason.GRANTED: 10,
}

#: IntServ's number of the event for each refusal.
_CODES = {
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


class Pin(StrEnum):
    """What an attempt says of the PIN, held against the credential's."""

    #: The credential has none, and none was given.
    NOT_NEEDED = "notNeeded"
    #: One was given where there is none, or none where there is one.
    NOT_SET = "notSet"
    WRONG = "wrong"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Rule:
    """A grant that reaches the lock. Moments are milliseconds since the epoch, None where it has no bound."""

    grant_id: str
    revoked: bool
    enabled: bool
    valid_from: int | None
    valid_before: int | None
    schedule: Schedule | None
    remote_allowed: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision about one subject at one lock depends on, but the moment and the attempt itself.

    ``desired`` are the grants as the server has them, ``held`` those the lock has heard of. ``enabled``: the person
    and the credential are. ``locked_until`` is in milliseconds since the epoch. ``known`` is false where nobody
    knows the credential.
    """

    zone: ZoneInfo
    known: bool = True
    enabled: bool = True
    locked_until: int | None = None
    has_pin: bool = False
    desired: tuple[Rule, ...] = ()
    held: tuple[Rule, ...] = ()


class Subject(NamedTuple):
    """A person, or a credential that is nobody's."""

    person_id: str | None
    credential_id: str | None


class Decision(NamedTuple):
    """What was decided.

    ``allowed`` is ``desired``; ``on_lock`` is what the lock would do by what it has heard of. ``grant_ids`` are the
    grants that allow it, or those that got as far as ``reason``. ``until``, in milliseconds since the epoch: up to
    then all of this stays as it is if nothing is changed; None where it stays for good.
    """

    allowed: bool
    reason: AccessReason
    grant_ids: tuple[str, ...]
    until: int | None
    desired: bool
    on_lock: bool


def decide(facts: Facts, at: int, *, remote: bool = False, pin: Pin = Pin.NOT_NEEDED) -> Decision:
    """Decide about an attempt at a moment, in milliseconds since the epoch."""
    if not facts.known:
        return Decision(False, AccessReason.UNKNOWN_CREDENTIAL, (), None, False, False)
    locked_out = facts.locked_until is not None and at < facts.locked_until
    reason, grant_ids = _judge(facts.desired, facts, at, remote, pin, enabled=facts.enabled, locked_out=locked_out)
    held, _ = _judge(facts.held, facts, at, remote, pin, enabled=True, locked_out=False)
    allowed = reason is AccessReason.GRANTED
    return Decision(allowed, reason, grant_ids, _until(facts, at), allowed, held is AccessReason.GRANTED)


def event_code(decision: Decision, credential: CredentialType | None, pin: Pin) -> int:
    """IntServ's number of the event."""
    if not decision.allowed:
        return _CODES[decision.reason]
    if credential is CredentialType.CODE:
        return 101
    if credential is CredentialType.PROXIMITY:
        return 103 if pin is Pin.RIGHT else 102
    return 100


def _judge(
    rules: Iterable[Rule], facts: Facts, at: int, remote: bool, pin: Pin, *, enabled: bool, locked_out: bool
) -> tuple[AccessReason, tuple[str, ...]]:
    """How far these rules get somebody, and which of them got as far."""
    best = _without_rules(enabled=enabled, locked_out=locked_out)
    furthest: list[str] = []
    step = 0
    for rule in rules:
        reason = _reason(rule, facts.zone, at, remote, pin, enabled=enabled, locked_out=locked_out)
        if _STEPS[reason] > step:
            best, furthest, step = reason, [rule.grant_id], _STEPS[reason]
        elif reason is best:
            furthest.append(rule.grant_id)
    return best, tuple(furthest)


def _without_rules(*, enabled: bool, locked_out: bool) -> AccessReason:
    if not enabled:
        return AccessReason.DISABLED
    return AccessReason.LOCKED_OUT if locked_out else AccessReason.NOT_AUTHORIZED


def _reason(
    rule: Rule, zone: ZoneInfo, at: int, remote: bool, pin: Pin, *, enabled: bool, locked_out: bool
) -> AccessReason:
    """The first step at which this rule fails, or that it holds."""
    if rule.revoked:
        return AccessReason.REVOKED
    if not (enabled and rule.enabled):
        return AccessReason.DISABLED
    if locked_out:
        return AccessReason.LOCKED_OUT
    if rule.valid_from is not None and at < rule.valid_from:
        return AccessReason.NOT_YET_VALID
    if rule.valid_before is not None and at >= rule.valid_before:
        return AccessReason.EXPIRED
    if rule.schedule is not None and not rule.schedule.holds(moment(at), zone):
        return AccessReason.OUTSIDE_SCHEDULE
    if remote and not rule.remote_allowed:
        return AccessReason.REMOTE_NOT_ALLOWED
    if pin is Pin.NOT_SET:
        return AccessReason.PIN_NOT_SET
    return AccessReason.WRONG_PIN if pin is Pin.WRONG else AccessReason.GRANTED


def _until(facts: Facts, at: int) -> int | None:
    """The next moment at which a lock-out, a validity or a schedule begins or ends."""
    bounds = [] if facts.locked_until is None else [facts.locked_until]
    for rules in (facts.desired, facts.held):
        for rule in rules:
            if rule.revoked or not rule.enabled:
                continue
            begins, ends = rule.valid_from, rule.valid_before
            if begins is not None:
                bounds.append(begins)
            if ends is not None:
                bounds.append(ends)
            if rule.schedule is None or (begins is not None and at < begins) or (ends is not None and at >= ends):
                continue
            change = rule.schedule.next_change(moment(at), facts.zone)
            if change is not None:
                bounds.append(milliseconds(change))
    return min((bound for bound in bounds if bound > at), default=None)
