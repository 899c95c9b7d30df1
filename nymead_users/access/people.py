"""Owners, persons and what persons show at doors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from nymead_users.access.errors import Duplicate, InvalidValue, PersonNotFound
from nymead_users.access.grants import locks_by_grant, subject_changed, withdraw
from nymead_users.access.model import Credential, CredentialType, Grant, Owner, Person, Sight
from nymead_users.access.store import granted, people, places, roles
from nymead_users.access.store.reading import seen
from nymead_users.access.unit import Confirm, Model, Work, new_id, now
from nymead_users.access.values import canonical_credential, canonical_phone, check_pin
from nymead_users.identity.passwords import Passwords
from nymead_users.storage.database import Connection

#: A person's credentials go along with each of their grants to each lock: nobody has many.
MAX_CREDENTIALS = 50

#: Marks what a change leaves as it is, where None is a value of its own.
KEEP: Any = object()

#: What of a credential ends its lock-out.
UNLOCKED: dict[str, Any] = {"wrong_pins": 0, "locked_until": None}


class People:
    """Verbs on owners, persons and credentials.

    Verbs that change something raise InvalidValue, and what is not found; with the database, StoreError.
    """

    def __init__(self, model: Model, passwords: Passwords) -> None:
        self._model = model
        self._passwords = passwords

    # Owners

    async def owners(self) -> list[Owner]:
        """All owners by title."""
        async with self._model.read() as connection:
            return await people.list_owners(connection)

    async def add_owner(self, title: str, *, by: str, confirm: Confirm) -> Owner:
        """Add an owner."""
        if not title.strip():
            raise InvalidValue("title: must not be empty")
        owner = Owner(new_id(), title)
        async with self._model.change(by, confirm) as work:
            await people.add_owner(work.connection, owner)
            work.added(owner)
        return owner

    # Persons

    async def pages(self, owner_id: str | None, sight: Sight) -> AsyncGenerator[list[Person]]:
        """Persons by number, a page at a time, as they are at one moment. Raises OwnerNotFound."""
        async with self._model.read() as connection:
            if owner_id is not None:
                await people.require_owner(connection, owner_id)
            async with aclosing(people.person_pages(connection, owner_id, await seen(connection, sight))) as pages:
                async for page in pages:
                    yield page

    async def add(self, owner_id: str | None, given: dict[str, Any], *, by: str, confirm: Confirm) -> Person:
        """Add a person: first_name, last_name, email, phone, username, enabled, each where it is given.

        Raises OwnerNotFound, and Duplicate where the user is another person's.
        """
        values = {**given, "phone": canonical_phone(given.get("phone", ""))}
        username = values.pop("username", None)
        async with self._model.change(by, confirm) as work:
            owner = await people.require_owner(work.connection, owner_id)
            values["user_id"] = await _user(work, owner, username, None)
            return await introduce(work, owner, values)

    async def update(self, person_id: str, given: dict[str, Any], *, by: str, confirm: Confirm) -> Person:
        """Change what is given; a username of None unlinks the user. Raises PersonNotFound and Duplicate.

        Sharing roles are known by the phone number: who has one can change the number, and not be without.
        """
        values = dict(given)
        if "phone" in values:
            values["phone"] = canonical_phone(values["phone"])
        async with self._model.change(by, confirm) as work:
            return await amend(work, await people.find_person(work.connection, person_id), values)

    async def remove(self, person_id: str, *, by: str, confirm: Confirm) -> None:
        """Remove a person with their credentials and grants, of which locks hear, and their roles.

        What they have shared with others stays. Raises PersonNotFound.
        """
        async with self._model.change(by, confirm) as work:
            person = await people.find_person(work.connection, person_id)
            credentials = await people.credentials_of(work.connection, [person_id])
            grants = await granted.every_grant_of_subject(work.connection, person_id=person_id)
            locks = await _locks(work, grants)
            work.removed(person, locks)
            for credential in credentials:
                work.removed(credential, locks)
            for role in await roles.roles_of(work.connection, person_id=person_id):
                work.removed(role, [role.lock_id])
            await withdraw(work, grants)
            await people.remove_person(work.connection, person_id)

    # Credentials

    async def credential_pages(
        self, owner_id: str | None, person_id: str | None, sight: Sight, *, codes: bool
    ) -> AsyncGenerator[list[Credential]]:
        """Credentials, with codes or without, a page at a time, as they are at one moment.

        Raises OwnerNotFound and, for who sees all locks, PersonNotFound.
        """
        async with self._model.read() as connection:
            if owner_id is not None:
                await people.require_owner(connection, owner_id)
            if person_id is not None and sight is None:
                await people.find_person(connection, person_id)
            sight = await seen(connection, sight)
            async with aclosing(people.credential_pages(connection, owner_id, person_id, sight, codes=codes)) as pages:
                async for page in pages:
                    yield page

    async def add_credential(
        self,
        owner_id: str | None,
        person_id: str | None,
        kind: CredentialType,
        value: str,
        *,
        pin: str | None,
        enabled: bool,
        by: str,
        confirm: Confirm,
    ) -> Credential:
        """Add a credential, a person's or nobody's. Raises OwnerNotFound, PersonNotFound, Duplicate and Busy."""
        value = canonical_credential(kind, value)
        pin_hash = await self._hash(pin)
        async with self._model.change(by, confirm) as work:
            owner = await _owner_of(work, owner_id, person_id)
            credential = Credential(new_id(), owner, person_id, kind, value, pin is not None, enabled, None)
            await keep(work, credential, pin_hash)
        return credential

    async def update_credential(
        self,
        credential_id: str,
        *,
        enabled: bool | None = None,
        pin: str | None = KEEP,
        by: str,
        confirm: Confirm,
    ) -> Credential:
        """Enable or disable a credential, and set its PIN (None clears it); a lock-out is over then.

        Raises CredentialNotFound and Busy.
        """
        values = dict(UNLOCKED)
        if pin is not KEEP:
            values["pin_hash"] = await self._hash(pin)
        if enabled is not None:
            values["enabled"] = enabled
        async with self._model.change(by, confirm) as work:
            before = await people.find_credential(work.connection, credential_id)
            return await amend_credential(work, before, values)

    async def remove_credential(self, credential_id: str, *, by: str, confirm: Confirm) -> None:
        """Remove a credential with its grants, of which locks hear. Raises CredentialNotFound."""
        async with self._model.change(by, confirm) as work:
            await discard(work, await people.find_credential(work.connection, credential_id))

    async def user_removed(self, connection: Connection, username: str) -> Callable[[], None]:
        """Unlink a user, and the locks for which they speak, in the transaction that removes them.

        Returns what to call once that is stored.
        """
        work = Work(connection, now(), "")
        for person_id in await people.unlink_user(connection, username):
            person = await people.find_person(connection, person_id)
            grants = await granted.every_grant_of_subject(connection, person_id=person_id)
            work.changed(person, await _locks(work, grants))
        for lock_id in await places.bridged_by(connection, username):
            await places.change_lock(connection, lock_id, {"bridge_id": None})
            work.lock_changed(lock_id)
        await work.finish()
        return lambda: self._model.publish(work)

    async def _hash(self, pin: str | None) -> str | None:
        if pin is None:
            return None
        check_pin(pin)
        return await self._passwords.hash(pin)


async def introduce(work: Work, owner_id: str, values: dict[str, Any]) -> Person:
    """Add a person: first_name, last_name, email, phone, enabled and user_id, each where it is given."""
    person_id = new_id()
    defaults = {"first_name": "", "last_name": "", "email": "", "phone": "", "enabled": True}
    await people.add_persons(work.connection, owner_id, {person_id: {**defaults, **values}})
    person = await people.find_person(work.connection, person_id)
    work.added(person)
    return person


async def keep(work: Work, credential: Credential, pin_hash: str | None) -> None:
    """Add a credential, of which the locks hear that its person's grants reach. Raises InvalidValue and Duplicate."""
    if credential.person_id is not None and credential.lock_id is None:
        theirs = await people.credentials_of(work.connection, [credential.person_id])
        check_number(sum(other.lock_id is None for other in theirs))
    await people.require_free(
        work.connection, credential.owner_id, credential.type, credential.value, lock_id=credential.lock_id
    )
    await enter_credentials(work, [(credential, pin_hash)])


def check_number(held: int) -> None:
    """Raise InvalidValue where a person who has so many credentials can have no other, but for one lock alone."""
    if held >= MAX_CREDENTIALS:
        raise InvalidValue(f"personId: a person has at most {MAX_CREDENTIALS} credentials")


async def enter_credentials(work: Work, checked: Sequence[tuple[Credential, str | None]]) -> None:
    """Add credentials that were checked, with the hashes of their PINs, of which their persons' locks hear."""
    holders = {credential.person_id for credential, _ in checked if credential.lock_id is None} - {None}
    grants = await granted.grants_of_persons(work.connection, filter(None, holders))
    await people.add_credentials(work.connection, checked)
    await subject_changed(work, grants)
    by_grant = await locks_by_grant(work, grants)
    reached: dict[str | None, set[str]] = {}
    for grant in grants:
        reached.setdefault(grant.holder_id, set()).update(by_grant[grant.id])
    for credential, _ in checked:
        work.added(credential, {credential.lock_id} if credential.lock_id else reached.get(credential.person_id, ()))


async def amend(work: Work, before: Person, values: dict[str, Any]) -> Person:
    """Change what is given of a person as it is kept, and the username. Raises InvalidValue and Duplicate."""
    columns = dict(values)
    if "username" in columns:
        columns["user_id"] = await _user(work, before.owner_id, columns.pop("username"), before.id)
    await people.change_person(work.connection, before.id, columns)
    person = await people.find_person(work.connection, before.id)
    grants = await granted.every_grant_of_subject(work.connection, person_id=before.id)
    if person.enabled != before.enabled:
        await subject_changed(work, grants)
    if person != before:
        work.changed(person, await _locks(work, grants))
    if person.phone != before.phone:
        await _known_by_phone(work, person, grants)
    if (person.first_name, person.last_name) != (before.first_name, before.last_name):
        work.keys_changed(key.id for key in await people.credentials_of(work.connection, [before.id]))
    return person


async def amend_credential(work: Work, before: Credential, values: dict[str, Any]) -> Credential:
    """Change what is given of a credential's columns; locks hear whether it is enabled, and wants a PIN."""
    await people.change_credential(work.connection, before.id, values)
    credential = await people.find_credential(work.connection, before.id)
    grants = await _usable(work, credential)
    if (credential.enabled, credential.has_pin) != (before.enabled, before.has_pin):
        await subject_changed(work, grants)
    # A PIN in place of another one looks the same, and is a change nevertheless.
    if credential != before or values.get("pin_hash") is not None:
        work.changed(credential, await _locks(work, grants))
    return credential


async def _known_by_phone(work: Work, person: Person, grants: list[Grant]) -> None:
    """Roles, and what was shared, look different with another number. Raises InvalidValue for none."""
    theirs = await roles.roles_of(work.connection, person_id=person.id)
    if theirs and not person.phone:
        raise InvalidValue("phone: the person has sharing roles, which are known by it; remove these first")
    for role in theirs:
        work.changed(role, [role.lock_id])
    for grant in grants:
        if grant.shared_by is not None:
            work.grant_changed(grant.id)


async def discard(work: Work, credential: Credential) -> None:
    """Remove a credential with its grants, of which locks hear."""
    own = await granted.every_grant_of_subject(work.connection, credential_id=credential.id)
    usable = await _usable(work, credential)
    work.removed(credential, await _locks(work, [*own, *usable]))
    await withdraw(work, own)
    await people.remove_credential(work.connection, credential.id)
    gone = {grant.id for grant in own}
    await subject_changed(work, [grant for grant in usable if grant.id not in gone])


async def _user(work: Work, owner_id: str, username: str | None, person_id: str | None) -> int | None:
    """The key of the user to link. Raises InvalidValue and Duplicate."""
    if username is None:
        return None
    if not username:
        raise InvalidValue("username: the push button's user is nobody's")
    user_id = await people.find_user(work.connection, username.lower())
    if user_id is None:
        raise InvalidValue("username: there is no user of that name")
    if await people.taken_user(work.connection, owner_id, user_id, person_id):
        raise Duplicate("username: the user is another person's already")
    return user_id


async def _owner_of(work: Work, owner_id: str | None, person_id: str | None) -> str:
    """The owner of what is to be somebody's. Raises OwnerNotFound and PersonNotFound."""
    if person_id is None:
        return await people.require_owner(work.connection, owner_id)
    person = await people.find_person(work.connection, person_id)
    if owner_id not in (None, person.owner_id):
        raise PersonNotFound("the person is another owner's")
    return person.owner_id


async def _usable(work: Work, credential: Credential) -> list[Grant]:
    """The grants that are not revoked and that a credential can be used by: its own, and its person's.

    What is one lock's alone is used by its own.
    """
    found = {grant.id: grant for grant in await granted.grants_of_subject(work.connection, credential_id=credential.id)}
    if credential.person_id is not None and credential.lock_id is None:
        grants = await granted.grants_of_subject(work.connection, person_id=credential.person_id)
        found |= {grant.id: grant for grant in grants if grant.person_id is not None}
    return list(found.values())


async def _locks(work: Work, grants: list[Grant]) -> set[str]:
    """The locks that grants reach."""
    return {lock_id for locks in (await locks_by_grant(work, grants)).values() for lock_id in locks}
