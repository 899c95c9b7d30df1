"""A building whose doors are guarded by the domain of access alone: its services on a real store."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import hypothesis
from conftest import CHEAP_ARGON2, PASSWORD
from hypothesis import HealthCheck
from sqlalchemy import text

from nymead_users.access.authorizations import Authorizations
from nymead_users.access.changes import Added, Changed, Decided, Removed, SyncDue, Touched
from nymead_users.access.decision import Decision
from nymead_users.access.decisions import Asked, Decisions, PinRules
from nymead_users.access.grants import Grants, NewGrant
from nymead_users.access.groups import Groups
from nymead_users.access.keys import AccessKeys, Holder, Which
from nymead_users.access.locks import Locks
from nymead_users.access.model import (
    AccessKey,
    Confirmation,
    Credential,
    CredentialType,
    Grant,
    Lock,
    LockGroup,
    LogEntry,
    Membership,
    Person,
    Role,
    SyncItem,
)
from nymead_users.access.people import People
from nymead_users.access.roles import NewKey, Party, Roles
from nymead_users.access.sync import Synchronisation
from nymead_users.access.unit import Model
from nymead_users.events import EventBus
from nymead_users.identity.events import UserAdded, UserChanged, UserRemoved
from nymead_users.identity.passwords import Passwords
from nymead_users.identity.store import UserStore
from nymead_users.identity.throttling import Throttle
from nymead_users.identity.users import Users, unconditional
from nymead_users.permissions import Scope
from nymead_users.storage.database import Database

#: With FUZZ set, that many examples of each kind, and others each time; without, a few, and always the same.
EXAMPLES = int(os.environ.get("FUZZ", "0"))

#: So many wrong PINs lock a credential out, for so many seconds; and a lock is in so many groups at the most.
PIN_ATTEMPTS, PIN_LOCKOUT = 3, 60.0
GROUPS_PER_LOCK = 2

#: In whose name everything is done, and that nobody objects.
BY: dict[str, Any] = {"by": "admin", "confirm": unconditional}

MILLISECOND = timedelta(milliseconds=1)


def settings(examples: int) -> hypothesis.settings:
    """How often a test is run with other data."""
    return hypothesis.settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )


@dataclass
class Building:
    """The services, what they have told so far, and shorter ways to say what tests say often."""

    database: Database
    passwords: Passwords
    model: Model
    users: Users
    people: People
    locks: Locks
    grants: Grants
    groups: Groups
    roles: Roles
    sync: Synchronisation
    decisions: Decisions
    authorizations: Authorizations
    keys: AccessKeys
    told: list[Any] = field(default_factory=list)
    owner: str = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[Self]:
        """The building of a store, which is made if it is not there."""
        database = await Database.open(path)
        passwords = Passwords(**CHEAP_ARGON2)
        events = EventBus()
        store = UserStore(database, tokens_per_user=10)
        throttle = Throttle(free_attempts=3, first_delay=1, max_delay=60, forget_after=60)
        users = Users(store, passwords, throttle, events)
        model = Model(database, events)
        people = People(model, passwords)
        store.companions.append(people.user_removed)
        building = cls(
            database,
            passwords,
            model,
            users,
            people,
            Locks(model, users),
            Grants(model),
            Groups(model, limit=GROUPS_PER_LOCK),
            Roles(model),
            Synchronisation(model),
            Decisions(model, passwords, PinRules(PIN_ATTEMPTS, PIN_LOCKOUT)),
            Authorizations(model),
            AccessKeys(model, passwords),
        )
        for kind in (Added, Changed, Removed, Decided, SyncDue, Touched, UserAdded, UserChanged, UserRemoved):
            events.subscribe(kind, building.told.append)
        try:
            building.owner = (await people.owners())[0].id
            yield building
        finally:
            passwords.close()
            await database.close()

    def hear(self) -> list[Any]:
        """What was told since this was last asked."""
        told = self.told[:]
        self.told.clear()
        return told

    def fresh(self) -> Decisions:
        """Decisions that know nothing yet."""
        return Decisions(self.model, self.passwords, PinRules(PIN_ATTEMPTS, PIN_LOCKOUT))

    async def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """What the store itself answers."""
        async with self.database.read() as connection:
            return [tuple(row) for row in await connection.execute(text(statement), values)]

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        return int((await self.rows(f"SELECT count(*) FROM {table}"))[0][0])  # noqa: S608 - names of ours

    async def user(self, name: str, *things: str) -> None:
        """A user who may control these things."""
        await self.users.create(
            name, PASSWORD, scopes=Scope.CONTROL_THINGS, allowed_thing_ids=tuple(UUID(thing) for thing in things)
        )

    async def person(self, name: str = "Ada", **given: Any) -> Person:
        return await self.people.add(None, {"first_name": name, **given}, **BY)

    async def credential(
        self,
        value: str = "1234567890",
        *,
        kind: CredentialType = CredentialType.PROXIMITY,
        person: Person | None = None,
        pin: str | None = None,
        enabled: bool = True,
    ) -> Credential:
        return await self.people.add_credential(
            None, None if person is None else person.id, kind, value, pin=pin, enabled=enabled, **BY
        )

    async def lock(
        self, title: str = "Door", lock_id: str | None = None, *, owner_id: str | None = None, **given: Any
    ) -> Lock:
        defaults = {"description": "", "time_zone": "UTC", "system_id": "", "protocol_version": 1, "virtual": True}
        return await self.locks.add(lock_id, owner_id, {"title": title, **defaults, **given}, **BY)

    async def group(self, title: str = "Doors") -> LockGroup:
        return await self.groups.create(self.owner, title, "", **BY)

    async def join(self, group: LockGroup, lock: Lock) -> Membership:
        return await self.groups.join(self.owner, group.id, lock.id, **BY)

    async def leave(self, membership: Membership) -> None:
        await self.groups.leave(self.owner, membership.group_id, membership.id, **BY)

    async def remove_group(self, group: LockGroup, *, revoke: bool = False, unjoin: bool = False) -> None:
        await self.groups.remove(self.owner, group.id, force_revoke_grants=revoke, force_unjoin_locks=unjoin, **BY)

    async def grant(self, subject: Person | Credential, target: Lock | LockGroup, **given: Any) -> Grant:
        """A grant to a person or a credential at a lock or a group."""
        ids = {
            "person_id": subject.id if isinstance(subject, Person) else None,
            "credential_id": subject.id if isinstance(subject, Credential) else None,
            "lock_id": target.id if isinstance(target, Lock) else None,
            "group_id": target.id if isinstance(target, LockGroup) else None,
        }
        return await self.grants.add(NewGrant(**{**ids, **given}), **BY)

    async def role(self, user_id: str, lock: Lock, *, can_share: bool = True, name: str | None = None) -> Role:
        """The role of who has this number, at a lock."""
        return await self.roles.set(self.owner, lock.id, user_id, can_share=can_share, user_name=name, **BY)

    async def share(self, user_id: str, lock: Lock, to_user_id: str, **key: Any) -> Grant:
        """A key that is shared under a role."""
        return await self.roles.share(lock.id, user_id, to_user_id, NewKey(**key), ADMINISTRATOR, **BY)

    async def key(
        self,
        identification: str = "1234567890",
        *,
        kind: CredentialType = CredentialType.PROXIMITY,
        holder: Holder | None = None,
        **given: Any,
    ) -> AccessKey:
        """An access key of that identification, added or changed."""
        which = Which(type=kind, identification=identification)
        return await self.keys.put(which, given, holder or Holder(), **BY)

    async def key_now(self, key_id: str) -> AccessKey:
        """An access key as it is now."""
        pages = self.keys.pages(None, None, codes=True)
        return next(iter([each async for page in pages for each in page if each.id == key_id]))

    async def grant_now(self, grant: Grant) -> Grant:
        """A grant as it is now."""
        found = [each async for page in self.grants.pages() for each in page if each.id == grant.id]
        return found[0]

    async def lock_now(self, lock: Lock) -> Lock:
        """A lock as it is now."""
        return next(each for each in await self.locks.listed(None, None) if each.id == lock.id)

    async def credential_now(self, credential: Credential) -> Credential:
        """A credential as it is now."""
        pages = self.people.credential_pages(None, None, None, codes=True)
        found = [each async for page in pages for each in page if each.id == credential.id]
        return found[0]

    async def pending(self, lock: Lock) -> list[SyncItem]:
        return await self.sync.pending(lock.id, anybody)

    async def hears(self, lock: Lock, *items: SyncItem, error: str | None = None) -> None:
        """A lock's bridge says that it has heard of these items, or why it could not."""
        await self.sync.confirm(lock.id, [Confirmation(item.id, error) for item in items], anybody, **BY)

    async def synchronise(self, *locks: Lock) -> None:
        """These locks hear of everything."""
        for lock in locks:
            await self.sync.synchronise(lock.id, anybody, **BY)

    async def asks(self, who: Person | Credential, lock: Lock, **attempt: Any) -> Decision:
        """What Evaluate says."""
        return await self.decisions.evaluate(asked(who, lock), None, **attempt)

    async def reports(
        self, who: Person | Credential, lock: Lock, *, pin: str | None = None, at: datetime | None = None
    ) -> tuple[Decision, LogEntry]:
        """What a lock is told when it reports an attempt."""
        return await self.decisions.report(asked(who, lock), anybody, at=at, remote=False, pin=pin, **BY)


def anybody() -> None:
    """Whoever speaks for a lock may."""


#: Who shares for everybody, everywhere.
ADMINISTRATOR = Party(anybody, lambda: None)


def nobody() -> str:
    """Whoever speaks for a lock may not: they are no lock's bridge."""
    return "somebody"


def asked(who: Person | Credential, lock: Lock) -> Asked:
    """Whose attempt it is, and where."""
    if isinstance(who, Person):
        return Asked(who.id, None, None, lock.id)
    return Asked(None, who.type, who.value, lock.id)
