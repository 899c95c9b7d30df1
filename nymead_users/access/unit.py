"""The unit of work: a transaction on the model of access, what it changes, and who hears of it once it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from nymead_users.access.changes import Added, Change, Changed, Decided, Removed, SyncDue, Thing, Touched
from nymead_users.access.errors import Duplicate
from nymead_users.access.model import (
    AccessEventKind,
    Credential,
    Grant,
    Lock,
    LockGroup,
    LogEntry,
    Membership,
    Person,
    Role,
)
from nymead_users.access.store import granted, keys, log, people, places, reach, syncing
from nymead_users.access.store.syncing import Due
from nymead_users.events import EventBus
from nymead_users.storage.database import Connection, Database
from nymead_users.storage.errors import IntegrityViolation

#: Changes looked at before others have their turn: an import can make tens of thousands.
TURN = 250

#: Raises if the caller may not make a change any more.
Confirm = Callable[[], None]


def now() -> datetime:
    """The present moment, to the millisecond."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def new_id() -> str:
    """An id that nothing has."""
    return str(uuid4())


class Model:
    """The model of access in the store. ``generation`` changes whenever anything does that decisions depend on."""

    def __init__(self, database: Database, events: EventBus) -> None:
        self._database = database
        self._events = events
        self.generation = 0

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """A connection that reads. Raises StoreError."""
        return self._database.read()

    @asynccontextmanager
    async def change(self, by: str, confirm: Confirm) -> AsyncIterator[Work]:
        """A unit of work on behalf of a user ("" for the operator): all of it is stored, or nothing.

        ``confirm`` is called when it is this change's turn to write. What changed is published once it is stored.
        Raises StoreError, and Duplicate where a constraint refuses what no check has found.
        """
        try:
            async with self._database.write() as connection:
                confirm()
                work = Work(connection, now(), by)
                yield work
                await work.finish()
        except IntegrityViolation as violation:
            raise Duplicate(str(violation)) from violation
        self.publish(work)

    def publish(self, work: Work) -> None:
        """Tell of what was stored."""
        self.generation += any(not isinstance(change, Decided | Touched) for change in work.changes)
        for change in work.changes:
            self._events.publish(change)
        for callback in work.callbacks:
            callback()


class Work:
    """One unit of work. ``at`` is its moment and ``by`` whose it is."""

    def __init__(self, connection: Connection, at: datetime, by: str) -> None:
        self.connection = connection
        self.at = at
        self.by = by
        #: The same for all that this makes due.
        self.operation_id = new_id()
        #: What has happened, in order; complete after ``finish``.
        self.changes: list[Change] = []
        self._entries: list[dict[str, Any]] = []
        #: Grants and locks to be read at the end, when all that they show is settled.
        self._grants: dict[str, type[Added | Changed]] = {}
        self._locks: dict[str, type[Added | Changed]] = {}
        self._groups: dict[str, type[Added | Changed]] = {}
        self._memberships: dict[str, None] = {}
        self._keys: dict[str, None] = {}
        #: Grants as they were, that only look different if their state or operation is another one at the end.
        self._watched: dict[str, Grant] = {}
        self._used: frozenset[str] = frozenset()
        self._due: dict[str, None] = {}
        #: What is to be done once all is stored.
        self.callbacks: list[Callable[[], None]] = []

    def added(self, thing: Thing, locks: Iterable[str] = ()) -> None:
        """Something was made, which concerns these locks."""
        self.changes.append(Added(thing, frozenset(locks)))

    def changed(self, thing: Thing, locks: Iterable[str] = ()) -> None:
        """Something is different."""
        self.changes.append(Changed(thing, frozenset(locks)))

    def removed(self, thing: Thing, locks: Iterable[str] = ()) -> None:
        """Something is gone."""
        self.changes.append(Removed(thing, frozenset(locks)))

    def grant_added(self, grant_id: str) -> None:
        """A grant was made; it is told as it is at the end."""
        self._grants[grant_id] = Added

    def grant_changed(self, grant_id: str) -> None:
        """A grant is different; it is told as it is at the end."""
        self._grants.setdefault(grant_id, Changed)

    def lock_added(self, lock_id: str) -> None:
        """A lock was made; it is told as it is at the end."""
        self._locks[lock_id] = Added

    def lock_changed(self, lock_id: str) -> None:
        """A lock is different; it is told as it is at the end."""
        self._locks.setdefault(lock_id, Changed)

    def group_added(self, group_id: str) -> None:
        """A group was made; it is told as it is at the end."""
        self._groups[group_id] = Added

    def group_changed(self, group_id: str) -> None:
        """A group is different; it is told as it is at the end, unless it is gone by then."""
        self._groups.setdefault(group_id, Changed)

    def group_removed(self, group: LockGroup, locks: Iterable[str]) -> None:
        """A group is gone."""
        self._groups.pop(group.id, None)
        self.removed(group, locks)

    def membership_changed(self, membership_id: str) -> None:
        """A membership is different; it is told as it is at the end."""
        self._memberships[membership_id] = None

    def keys_changed(self, credential_ids: Iterable[str]) -> None:
        """What is shown of these credentials as access keys is different, beside themselves and their levels."""
        self._keys |= dict.fromkeys(credential_ids)

    def afterwards(self, callback: Callable[[], None]) -> None:
        """Call back once all is stored and told."""
        self.callbacks.append(callback)

    def told(self, thing_id: str) -> Any:
        """What is told of a thing that was made or changed, once all is settled; None if nothing is."""
        told = (change.thing for change in self.changes if isinstance(change, Added | Changed))
        return next((thing for thing in told if thing.id == thing_id), None)

    async def watch(self, grant_ids: Iterable[str]) -> None:
        """What follows may give these grants another state or operation, of which is told then."""
        missing = [grant_id for grant_id in grant_ids if grant_id not in self._watched]
        self._watched |= {grant.id: grant for grant in await granted.find_grants(self.connection, missing)}

    def as_told(self, grant: Grant) -> Grant:
        """A grant as others know it, if it was watched: as it was before."""
        return self._watched.get(grant.id, grant)

    async def tell(self, due: Iterable[Due]) -> None:
        """Have locks hear of something."""
        listed = list(due)
        await syncing.add_items(self.connection, listed, self.at, self.operation_id)
        self._due |= dict.fromkeys(item[0] for item in listed)

    async def used(self, grant_ids: Iterable[str], at: datetime) -> None:
        """A lock opened by these grants at a moment, which is counted and told."""
        self._used |= frozenset(grant_ids)
        await granted.count_uses(self.connection, grant_ids, at)

    def log(self, kind: AccessEventKind, reason: str, details: dict[str, Any], **about: Any) -> None:
        """Add an entry to the log."""
        self._entries.append(self._entry(kind, reason, details, **about))

    async def decided(self, reason: str, details: dict[str, Any], **about: Any) -> LogEntry:
        """Log a decision, and tell of it."""
        entry = await log.write_one(self.connection, self._entry(AccessEventKind.DECISION, reason, details, **about))
        self.changes.append(Decided(entry))
        return entry

    async def finish(self) -> None:
        """Settle what is told, and log it."""
        grants = await granted.find_grants(self.connection, [*self._grants, *self._watched, *sorted(self._used)])
        by_group = await reach.locks_of_groups(self.connection, [grant.group_id for grant in grants if grant.group_id])
        for grant in grants:
            locks = [grant.lock_id] if grant.lock_id else by_group.get(grant.group_id or "", [])
            told = self._grants.get(grant.id) or self._differs(grant)
            if told is not None:
                self.changes.append(told(grant, frozenset(locks)))
        for lock_id, kind in self._locks.items():
            self.changes.append(kind(await places.find_lock(self.connection, lock_id), frozenset({lock_id})))
        for membership_id in self._memberships:
            membership = await places.find_membership(self.connection, membership_id)
            self.changes.append(Changed(membership, frozenset({membership.lock_id})))
        members = await reach.locks_of_groups(self.connection, self._groups)
        for group_id, kind in self._groups.items():
            group = await places.find_group(self.connection, group_id, removed=True)
            self.changes.append(kind(group, frozenset(members.get(group_id, []))))
        for number, change in enumerate(self.changes, 1):
            if isinstance(change, Added | Changed | Removed):
                self._log_change(change)
            if not number % TURN:
                await asyncio.sleep(0)
        await log.write(self.connection, self._entries)
        await self._settle_keys()
        self.changes += map(SyncDue, self._due)

    async def _settle_keys(self) -> None:
        """Tell of the access keys whose credential, levels or person's names are others than before."""
        locks: dict[str, frozenset[str]] = dict.fromkeys(self._keys, frozenset())
        made: set[str] = set()
        for change in self.changes:
            if isinstance(change, Added | Changed | Removed) and (key_id := self._key_of(change)) is not None:
                locks[key_id] = locks.get(key_id, frozenset()) | change.locks
                if isinstance(change, Added) and change.thing.id == key_id:
                    made.add(key_id)
        if locks:
            concerned = await people.locks_of_credentials(self.connection, locks)
            for key in (await keys.find_keys(self.connection, locks)).values():
                told = Added if key.id in made else Changed
                self.changes.append(told(key, locks[key.id].union(concerned.get(key.id, ()))))

    def _key_of(self, change: Added | Changed | Removed) -> str | None:
        """The credential that was changed, or for which a grant of a group stands now or does not any more."""
        thing = change.thing
        if isinstance(thing, Credential):
            return thing.id
        if not isinstance(thing, Grant) or thing.group_id is None:
            return None
        # What was revoked before is never changed by itself again.
        revoked = isinstance(change, Changed) and thing.revoked is not None and thing.id in self._grants
        withdrawn = isinstance(change, Removed) and thing.revoked is None
        return thing.credential_id if isinstance(change, Added) or revoked or withdrawn else None

    def _differs(self, grant: Grant) -> type[Changed | Touched] | None:
        """What has become of a grant that was not changed itself."""
        before = self._watched.get(grant.id)
        if before is not None and before.state != grant.state:
            return Changed
        under_way = None if before is None else (before.operation_id, before.sync_error)
        if grant.id in self._used or under_way not in (None, (grant.operation_id, grant.sync_error)):
            return Touched
        return None

    def _log_change(self, change: Added | Changed | Removed) -> None:
        thing = change.thing
        self.log(
            AccessEventKind.CHANGE,
            f"{type(thing).__name__[0].lower()}{type(thing).__name__[1:]}{type(change).__name__}",
            {"id": thing.id},
            lock_id=_lock_of(thing),
            person_id=thing.id if isinstance(thing, Person) else getattr(thing, "person_id", None),
            credential_id=thing.id if isinstance(thing, Credential) else getattr(thing, "credential_id", None),
        )

    def _entry(self, kind: AccessEventKind, reason: str, details: dict[str, Any], **about: Any) -> dict[str, Any]:
        entry = {
            "id": new_id(),
            "time": self.at,
            "kind": kind.value,
            "lock_id": None,
            "person_id": None,
            "credential_id": None,
            "allowed": None,
            "reason": reason,
            "code": None,
            "details": {**details, "by": self.by},
        }
        return {**entry, **about}


def _lock_of(thing: Thing) -> str | None:
    if isinstance(thing, Lock):
        return thing.id
    return thing.lock_id if isinstance(thing, Grant | Membership | Role) else None
