"""Who may open which lock: asked, reported by locks, and listed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import time
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from nymead_users.access.decision import AccessReason, Decision, Facts, Pin, Subject, decide, event_code
from nymead_users.access.errors import InvalidValue, NotVisible, PersonNotFound
from nymead_users.access.model import Credential, CredentialType, Lock, LogEntry, Sight
from nymead_users.access.store import facts, log, people, places
from nymead_users.access.store.reading import seen
from nymead_users.access.sync import Speaker, spoken_for
from nymead_users.access.unit import Confirm, Model, Work, now
from nymead_users.access.values import canonical_credential
from nymead_users.identity.passwords import Passwords
from nymead_users.instants import as_text, milliseconds
from nymead_users.storage.database import Connection

#: How many grants and pairs of somebody and a lock are kept in memory: some 50 MB at the most.
KEPT = 100_000

#: Decisions after which others have their turn: some milliseconds.
TURN = 50

#: How far the time that a lock reports may be from the present without being told of.
LATE = timedelta(minutes=1)

K = TypeVar("K")


class Asked(NamedTuple):
    """Whose attempt it is: a person's, or that of whoever shows a credential; at which lock."""

    person_id: str | None
    kind: CredentialType | None
    value: str | None
    lock_id: str

    def __repr__(self) -> str:
        """Without the value: it may be a code."""
        return f"Asked({self.person_id!r}, {self.kind!r}, …, {self.lock_id!r})"


@dataclass(slots=True)
class _Known:
    """What is known of a subject at a lock, and the last decisions, by whether they were about a remote attempt."""

    generation: int
    facts: Facts
    credential: Credential | None
    pin_hash: str | None = field(repr=False)
    decisions: dict[bool, tuple[int, Decision]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PinRules:
    """So many wrong PINs in a row lock a credential out for so many seconds."""

    attempts: int
    lockout: float


class Decisions:
    """Verbs that decide. They raise NotVisible, what is not found, and InvalidValue; with the database, StoreError.

    What a decision depends on is kept until anything in the model changes: so the same question asked again costs no
    look at the store.
    """

    def __init__(self, model: Model, passwords: Passwords, rules: PinRules) -> None:
        self._model = model
        self._passwords = passwords
        self._rules = rules
        self._known: dict[Asked, _Known] = {}
        self._kept_as_of = 0
        self._weight = 0

    def recall(self, asked: Asked, sight: Sight, *, remote: bool) -> Decision | None:
        """What ``evaluate`` would decide about the present moment, if that is known without a look at the store."""
        known = self._known.get(asked)
        if known is None or known.generation != self._model.generation or sight is not None:
            return None
        begin, decision = known.decisions.get(remote, _NEVER)
        moment = int(time() * 1000)
        return decision if begin <= moment and (decision.until is None or moment < decision.until) else None

    async def evaluate(
        self, asked: Asked, sight: Sight, *, at: datetime | None = None, remote: bool = False, pin: str | None = None
    ) -> Decision:
        """Decide, and leave no trace. Raises Busy where too many PINs wait."""
        known = self._known.get(asked)
        if sight is not None and asked.lock_id not in sight:
            raise NotVisible
        if known is None or known.generation != self._model.generation:
            try:
                known = await self._learn(asked)
            except PersonNotFound:
                if sight is None:
                    raise
                return _STRANGER
        if sight is not None and not (known.facts.desired or known.facts.held):
            return _STRANGER
        if pin is not None:
            return await self._with_pin(known, milliseconds(at or now()), remote, pin)
        if at is not None:
            return decide(known.facts, milliseconds(at), remote=remote, pin=_without_pin(known))
        moment = int(time() * 1000)
        decision = decide(known.facts, moment, remote=remote, pin=_without_pin(known))
        known.decisions[remote] = moment, decision
        return decision

    async def report(
        self,
        asked: Asked,
        speaker: Speaker,
        *,
        at: datetime | None,
        remote: bool,
        pin: str | None,
        by: str,
        confirm: Confirm,
    ) -> tuple[Decision, LogEntry]:
        """A lock reports an attempt: it is decided, counted and logged. Raises Busy where too many PINs wait."""
        async with self._model.read() as connection:
            await spoken_for(connection, asked.lock_id, speaker)
        known = await self._learn(asked)
        moment = at or now()
        judged = Pin.NOT_SET
        if pin is not None:
            present = _locked_out_now(known.facts, milliseconds(moment), milliseconds(now()))
            judged = await self._judge_pin(present, known.pin_hash, milliseconds(moment), remote, pin, by)
        async with self._model.change(by, confirm) as work:
            # Everything may have changed while the PIN was looked at.
            await spoken_for(work.connection, asked.lock_id, speaker)
            fresh = await _read(work.connection, asked)
            shown = _held_against(pin, known, fresh, judged)
            present = _locked_out_now(fresh.facts, milliseconds(moment), milliseconds(work.at))
            decision = decide(present, milliseconds(moment), remote=remote, pin=shown)
            if fresh.credential is not None:
                await self._count(work, fresh.credential, decision, shown)
            if decision.allowed:
                await work.used(decision.grant_ids, moment)
            details = {"remote": remote, "grantIds": list(decision.grant_ids), "onLock": decision.on_lock}
            if abs(moment - work.at) > LATE:
                details["received"] = as_text(work.at)
            entry = await work.decided(
                decision.reason.value,
                details,
                time=moment,
                lock_id=asked.lock_id,
                person_id=asked.person_id or (fresh.credential.person_id if fresh.credential else None),
                credential_id=fresh.credential.id if fresh.credential else None,
                allowed=decision.allowed,
                code=event_code(decision, fresh.credential.type if fresh.credential else None, shown),
            )
        return decision, entry

    async def who(self, lock_id: str, sight: Sight, *, at: datetime | None) -> list[tuple[Subject, Decision]]:
        """Everybody with a grant that reaches a lock, and what Evaluate says of each; persons come first."""
        if sight is not None and lock_id not in sight:
            raise NotVisible
        moment = milliseconds(at or now())
        async with self._model.read() as connection:
            lock = await places.find_lock(connection, lock_id)
            found = await facts.at_lock(connection, lock)
        ordered = sorted(found.items(), key=lambda item: (item[0].person_id is None, *map(str, item[0])))
        return await _decided(ordered, moment)

    async def whereto(self, person_id: str, sight: Sight, *, at: datetime | None) -> list[tuple[str, Decision]]:
        """All locks that a person's grants reach, and what Evaluate says of each.

        Who sees some locks only gets PersonNotFound for who has no grant at them, as for who is not there.
        """
        moment = milliseconds(at or now())
        async with self._model.read() as connection:
            person = await people.find_person(connection, person_id)
            mine = await seen(connection, sight)
            if mine is not None and not await people.is_seen(connection, person_id, mine):
                raise PersonNotFound
            found = await facts.of_person(connection, person_id, enabled=person.enabled)
        locks = sorted(found if sight is None else sight.intersection(found))
        return await _decided([(lock_id, found[lock_id]) for lock_id in locks], moment)

    async def entries(
        self,
        sight: Sight,
        *,
        limit: int,
        before: int | None,
        begin: datetime | None,
        end: datetime | None,
        lock_id: str | None,
        person_id: str | None,
        granted: bool,
        denied: bool,
    ) -> list[LogEntry]:
        """Entries of the log, the newest first (``store.log.read``)."""
        if lock_id is not None and sight is not None and lock_id not in sight:
            raise NotVisible
        async with self._model.read() as connection:
            return await log.read(
                connection,
                sight=sight,
                limit=limit,
                before=before,
                begin=begin,
                end=end,
                lock_id=lock_id,
                person_id=person_id,
                granted=granted,
                denied=denied,
            )

    async def _learn(self, asked: Asked) -> _Known:
        """Read what is known of a subject at a lock, and keep it."""
        generation = self._model.generation
        async with self._model.read() as connection:
            known = await _read(connection, asked)
        known.generation = generation
        # What is outdated is of no use, and an unknown credential can be spelled in any number of ways.
        weight = 1 + len(known.facts.desired) + len(known.facts.held)
        if self._kept_as_of != generation or self._weight + weight > KEPT:
            self._known.clear()
            self._kept_as_of, self._weight = generation, 0
        if known.facts.known:
            self._known[asked] = known
            self._weight += weight
        return known

    async def _with_pin(self, known: _Known, at: int, remote: bool, pin: str) -> Decision:
        shown = await self._judge_pin(known.facts, known.pin_hash, at, remote, pin, "")
        return decide(known.facts, at, remote=remote, pin=shown)

    async def _judge_pin(self, what: Facts, pin_hash: str | None, at: int, remote: bool, pin: str, by: str) -> Pin:
        """What a given PIN is; it is only looked at where nothing else stands in the way."""
        if pin_hash is None:
            return Pin.NOT_SET
        with_it = decide(what, at, remote=remote, pin=Pin.RIGHT)
        # A lock that has not heard may open to it; while it is locked out nobody learns whether it is right.
        if not with_it.allowed and (not with_it.on_lock or with_it.reason is AccessReason.LOCKED_OUT):
            return Pin.WRONG
        return Pin.RIGHT if await self._passwords.verify_pin(pin, pin_hash, by=by) else Pin.WRONG

    async def _count(self, work: Work, credential: Credential, decision: Decision, shown: Pin) -> None:
        """Count wrong PINs in a row; the last of too many locks the credential out."""
        if decision.reason is AccessReason.WRONG_PIN:
            until = work.at + timedelta(seconds=self._rules.lockout)
            if await people.count_wrong_pin(work.connection, credential.id, self._rules.attempts, until):
                locked = await people.find_credential(work.connection, credential.id)
                locks = await people.locks_of_credentials(work.connection, [locked.id])
                work.changed(locked, locks.get(locked.id, ()))
        elif decision.allowed and shown is Pin.RIGHT:
            await people.change_credential(work.connection, credential.id, {"wrong_pins": 0})


async def _decided(found: Sequence[tuple[K, Facts]], moment: int) -> list[tuple[K, Decision]]:
    """What is decided about each of many; others have their turn meanwhile."""
    decided = []
    for number, (key, what) in enumerate(found, 1):
        decided.append((key, decide(what, moment, pin=Pin.NOT_SET if what.has_pin else Pin.NOT_NEEDED)))
        if number % TURN == 0:
            await asyncio.sleep(0)
    return decided


#: What who sees some locks only is told of anybody without a grant there, be they known or not.
_STRANGER = Decision(False, AccessReason.NOT_AUTHORIZED, (), None, False, False)

_NEVER = (1 << 62, Decision(False, AccessReason.UNKNOWN_CREDENTIAL, (), None, False, False))


async def _read(connection: Connection, asked: Asked) -> _Known:
    """Read what is known of a subject at a lock. Raises LockNotFound and PersonNotFound."""
    lock = await places.find_lock(connection, asked.lock_id)
    if asked.person_id is not None:
        person = await people.find_person(connection, asked.person_id)
        found = await facts.of_person(connection, asked.person_id, enabled=person.enabled, lock=lock)
        return _Known(0, found[lock.id], None, None)
    return await _read_credential(connection, lock, asked)


async def _read_credential(connection: Connection, lock: Lock, asked: Asked) -> _Known:
    if asked.kind is None or asked.value is None:
        raise InvalidValue("personId, credential: exactly one of them is wanted")
    value = canonical_credential(asked.kind, asked.value)
    credential = await people.credential_of(connection, lock.owner_id, asked.kind, value, lock_id=lock.id)
    if credential is None:
        return _Known(0, Facts(zone=ZoneInfo(lock.time_zone), known=False), None, None)
    pin_hash = await people.pin_hash(connection, credential.id) if credential.has_pin else None
    return _Known(0, await facts.of_credential(connection, credential, lock), credential, pin_hash)


def _without_pin(known: _Known) -> Pin:
    return Pin.NOT_SET if known.facts.has_pin else Pin.NOT_NEEDED


def _held_against(pin: str | None, known: _Known, fresh: _Known, judged: Pin) -> Pin:
    """What an attempt says of the PIN that is set now, ``judged`` by the one that was known before."""
    if pin is None:
        return _without_pin(fresh)
    if fresh.pin_hash is None:
        return Pin.NOT_SET
    return judged if fresh.pin_hash == known.pin_hash else Pin.WRONG


def _locked_out_now(what: Facts, at: int, present: int) -> Facts:
    """A lock-out is over when it is over here, whatever moment a lock reports."""
    if what.locked_until is None:
        return what
    return replace(what, locked_until=max(at + 1, what.locked_until) if present < what.locked_until else None)
