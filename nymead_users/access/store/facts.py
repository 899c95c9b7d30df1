"""What decisions depend on, read from the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from functools import cache, lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import ColumnElement, Select, Table, bindparam, or_, select, true, union_all

from nymead_users.access.decision import Facts, Rule, Subject
from nymead_users.access.model import Credential, Lock
from nymead_users.access.schedule import Schedule
from nymead_users.access.store.reach import EFFECTIVE
from nymead_users.access.store.reading import chunks
from nymead_users.instants import milliseconds
from nymead_users.storage.database import Connection
from nymead_users.storage.tables import credentials, grants, held_grants, locks, memberships, persons

_RULE = (
    grants.c.id,
    grants.c.revoked.is_not(None).label("is_revoked"),
    grants.c.enabled,
    grants.c.valid_from,
    grants.c.valid_before,
    grants.c.schedule,
    grants.c.remote_allowed,
    grants.c.person_id,
    grants.c.credential_id,
    credentials.c.enabled.label("credential_enabled"),
    credentials.c.person_id.label("holder_id"),
)
_HELD = (
    held_grants.c.grant_id,
    held_grants.c.enabled,
    held_grants.c.valid_from,
    held_grants.c.valid_before,
    held_grants.c.schedule,
    held_grants.c.remote_allowed,
    held_grants.c.person_id,
    held_grants.c.credential_id,
    credentials.c.person_id.label("holder_id"),
    held_grants.c.lock_id,
)


async def of_credential(connection: Connection, credential: Credential, lock: Lock) -> Facts:
    """What a credential may do at a lock: by its own grants, and its person's unless it is that lock's alone."""
    person_enabled = True
    if credential.person_id is not None:
        person_enabled = bool(await connection.scalar(_PERSON_ENABLED, {"person_id": credential.person_id}))
    alone = credential.person_id is None or credential.lock_id is not None
    whose = _Whose.CREDENTIAL if alone else _Whose.SHOWN
    names = {"credential_id": credential.id, "person_id": credential.person_id, "lock_id": lock.id}
    rules, there = await _rules(connection, whose, names)
    held = [rule for _, rule in there[lock.id]]
    if held and (whose is _Whose.SHOWN or credential.lock_id is not None):
        known = await _known_by_lock(connection, credential, names)
        held = [rule for rule in held if rule.grant_id in known]
    return Facts(
        zone=ZoneInfo(lock.time_zone),
        enabled=credential.enabled and person_enabled,
        locked_until=_milliseconds(credential.locked_until),
        has_pin=credential.has_pin,
        desired=tuple(rule for _, rule in rules[lock.id]),
        held=tuple(held),
    )


async def _known_by_lock(
    connection: Connection, credential: Credential, names: dict[str, str | None]
) -> frozenset[str]:
    """The held grants by which a lock lets a credential in: those that it came with, and its own.

    The value of what is one lock's alone can change: its own came with the present one only once the lock has heard.
    """
    shown = credential.type.value, credential.value
    rows = await connection.execute(_SHOWN, names)
    return frozenset(
        grant_id
        for grant_id, own, listed in rows
        if (own == credential.id and credential.lock_id is None)
        or any((item["type"], item["value"]) == shown for item in listed or ())
    )


async def of_person(
    connection: Connection, person_id: str, *, enabled: bool, lock: Lock | None = None
) -> dict[str, Facts]:
    """What a person may do, by their own grants and their credentials': at a lock, or at all that they reach."""
    names = {"person_id": person_id, "lock_id": None if lock is None else lock.id}
    rules, held = await _rules(connection, _Whose.PERSON, names)
    zones = await _zones(connection, rules) if lock is None else {lock.id: lock.time_zone}
    return {
        lock_id: Facts(
            zone=ZoneInfo(zone),
            enabled=enabled,
            desired=tuple(rule for _, rule in rules[lock_id]),
            held=tuple(rule for _, rule in held[lock_id]),
        )
        for lock_id, zone in zones.items()
    }


async def at_lock(connection: Connection, lock: Lock) -> dict[Subject, Facts]:
    """What everybody may do at a lock who has a grant that reaches it."""
    rules, held = await _rules(connection, _Whose.ANYBODY, {"lock_id": lock.id})
    desired_of: defaultdict[Subject, list[Rule]] = defaultdict(list)
    held_of: defaultdict[Subject, list[Rule]] = defaultdict(list)
    for subject, rule in rules[lock.id]:
        desired_of[subject].append(rule)
    for subject, rule in held[lock.id]:
        held_of[subject].append(rule)
    disabled, loose = await _subjects(connection, desired_of)
    zone = ZoneInfo(lock.time_zone)
    return {
        subject: Facts(
            zone=zone,
            enabled=subject.person_id not in disabled,
            has_pin=loose[subject.credential_id].has_pin if subject.credential_id in loose else False,
            locked_until=loose[subject.credential_id].locked_until if subject.credential_id in loose else None,
            desired=tuple(found),
            held=tuple(held_of[subject]),
        )
        for subject, found in desired_of.items()
    }


class _Loose(NamedTuple):
    """What else matters of a credential that is nobody's."""

    has_pin: bool
    locked_until: int | None


async def _subjects(connection: Connection, subjects: Iterable[Subject]) -> tuple[frozenset[str], dict[str, _Loose]]:
    """The persons among the subjects who are disabled, and what matters of the credentials."""
    disabled: set[str] = set()
    loose: dict[str, _Loose] = {}
    keys = list(subjects)
    for part in chunks([key.person_id for key in keys if key.person_id is not None]):
        disabled.update(
            await connection.scalars(select(persons.c.id).where(persons.c.id.in_(part), persons.c.enabled.is_(False)))
        )
    for part in chunks([key.credential_id for key in keys if key.credential_id is not None]):
        rows = await connection.execute(
            select(credentials.c.id, credentials.c.pin_hash.is_not(None), credentials.c.locked_until).where(
                credentials.c.id.in_(part)
            )
        )
        loose.update({row[0]: _Loose(row[1], _milliseconds(row[2])) for row in rows})
    return frozenset(disabled), loose


_Rules = defaultdict[str, list[tuple[Subject, Rule]]]


async def _rules(connection: Connection, whose: _Whose, names: dict[str, str | None]) -> tuple[_Rules, _Rules]:
    """The rules of somebody's grants by lock, as they are here and as locks hold them; without a lock_id at all."""
    at_one = names.get("lock_id") is not None
    here: _Rules = defaultdict(list)
    for row in await connection.execute(_desired(whose, at_one=at_one), names):
        grant_id, revoked, enabled, begins, ends, schedule, remote, person_id, credential_id, shown, holder, at = row
        subject = Subject(person_id or holder, None if person_id or holder else credential_id)
        rule = Rule(
            grant_id,
            bool(revoked),
            bool(enabled and shown is not False),
            _milliseconds(begins),
            _milliseconds(ends),
            _schedule(schedule),
            remote,
        )
        here[at].append((subject, rule))
    there: _Rules = defaultdict(list)
    for row in await connection.execute(_held(whose, at_one=at_one), names):
        grant_id, enabled, begins, ends, schedule, remote, person_id, credential_id, holder, at = row
        subject = Subject(person_id or holder, None if person_id or holder else credential_id)
        rule = Rule(grant_id, False, enabled, _milliseconds(begins), _milliseconds(ends), _schedule(schedule), remote)
        there[at].append((subject, rule))
    return here, there


# The statements. Putting one together takes longer than running it, so each is made once.


class _Whose(Enum):
    """Whose grants a statement is about."""

    PERSON = "person"  # a person's, and their credentials'
    CREDENTIAL = "credential"  # a credential's that is nobody's
    SHOWN = "shown"  # a credential's, and its person's
    ANYBODY = "anybody"


def _whose(table: Table, whose: _Whose) -> ColumnElement[bool]:
    own = table.c.credential_id == bindparam("credential_id")
    theirs = table.c.person_id == bindparam("person_id")
    if whose is _Whose.PERSON:
        shown = select(credentials.c.id).where(credentials.c.person_id == bindparam("person_id"))
        return or_(theirs, table.c.credential_id.in_(shown))
    if whose is _Whose.CREDENTIAL:
        return own
    return or_(own, theirs) if whose is _Whose.SHOWN else true()


@cache
def _desired(whose: _Whose, *, at_one: bool) -> Select[Any]:
    """These grants with each lock that they reach."""
    base = select(*_RULE).join_from(grants, credentials, grants.c.credential_id == credentials.c.id, isouter=True)
    base = base.where(_whose(grants, whose))
    direct = base.add_columns(grants.c.lock_id.label("at"))
    direct = direct.where(grants.c.lock_id == bindparam("lock_id") if at_one else grants.c.lock_id.is_not(None))
    by_group = (
        base.add_columns(memberships.c.lock_id.label("at"))
        .join(memberships, memberships.c.group_id == grants.c.group_id)
        .where(EFFECTIVE)
    )
    if at_one:
        by_group = by_group.where(memberships.c.lock_id == bindparam("lock_id"))
    both = union_all(direct, by_group).subquery()
    return select(both).order_by(both.c.id)


@cache
def _held(whose: _Whose, *, at_one: bool) -> Select[Any]:
    """These grants as locks hold them."""
    statement = (
        select(*_HELD)
        .join_from(held_grants, credentials, held_grants.c.credential_id == credentials.c.id, isouter=True)
        .where(_whose(held_grants, whose))
        .order_by(held_grants.c.grant_id)
    )
    return statement.where(held_grants.c.lock_id == bindparam("lock_id")) if at_one else statement


#: What may be shown for the grants of a credential and its person, as a lock knows it.
_SHOWN = select(held_grants.c.grant_id, held_grants.c.credential_id, held_grants.c.credentials).where(
    _whose(held_grants, _Whose.SHOWN), held_grants.c.lock_id == bindparam("lock_id")
)
_PERSON_ENABLED = select(persons.c.enabled).where(persons.c.id == bindparam("person_id"))


async def _zones(connection: Connection, lock_ids: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in chunks(sorted(lock_ids)):
        rows = await connection.execute(select(locks.c.id, locks.c.time_zone).where(locks.c.id.in_(part)))
        found.update({row[0]: row[1] for row in rows})
    return found


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else milliseconds(at)


def _schedule(form: dict[str, Any] | None) -> Schedule | None:
    return None if form is None else _parsed(orjson.dumps(form))


@lru_cache(maxsize=4096)
def _parsed(form: bytes) -> Schedule:
    """Many grants have the same schedule, and reading one takes its time."""
    return Schedule.parse(orjson.loads(form))
