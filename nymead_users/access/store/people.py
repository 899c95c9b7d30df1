"""Owners, persons and credentials in the database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, delete, insert, literal, or_, select, union, update

from nymead_users.access.errors import CredentialNotFound, Duplicate, OwnerNotFound, PersonNotFound
from nymead_users.access.model import Credential, CredentialType, Owner, Person, Sight
from nymead_users.access.store.reach import locks_of_groups, reaching
from nymead_users.access.store.reading import chunks, pages
from nymead_users.storage.database import Connection
from nymead_users.storage.tables import credentials, grants, held_grants, lock_groups, locks, owners, persons, users

_PERSON = (
    persons.c.owner_id,
    persons.c.number,
    persons.c.id,
    persons.c.first_name,
    persons.c.last_name,
    persons.c.email,
    persons.c.phone,
    users.c.username,
    persons.c.enabled,
)
_CREDENTIAL = (
    credentials.c.id,
    credentials.c.owner_id,
    credentials.c.person_id,
    credentials.c.type,
    credentials.c.value,
    credentials.c.pin_hash.is_not(None).label("has_pin"),
    credentials.c.enabled,
    credentials.c.locked_until,
    credentials.c.lock_id,
    credentials.c.valid_from,
    credentials.c.valid_before,
)

_NAMED = select(*_CREDENTIAL).where(
    credentials.c.owner_id == bindparam("owner_id"),
    credentials.c.type == bindparam("type"),
    credentials.c.value == bindparam("value"),
)
# Made once, since every decision about a credential wants them.
_SHOWN = _NAMED.where(credentials.c.lock_id.is_(None))
_SHOWN_AT = _NAMED.where(or_(credentials.c.lock_id.is_(None), credentials.c.lock_id == bindparam("lock_id")))


# Owners


async def list_owners(connection: Connection) -> list[Owner]:
    """All owners by title."""
    rows = await connection.execute(select(owners.c.id, owners.c.title).order_by(owners.c.title, owners.c.id))
    return [Owner(*row) for row in rows]


async def add_owner(connection: Connection, owner: Owner) -> None:
    """Add an owner."""
    await connection.execute(insert(owners).values(id=owner.id, title=owner.title, next_number=1))


async def change_owner(connection: Connection, owner_id: str, title: str) -> None:
    """Change an owner's title."""
    await connection.execute(update(owners).where(owners.c.id == owner_id).values(title=title))


async def unused_owner(connection: Connection) -> str | None:
    """The only owner, if nothing is that one's, not even something that was removed."""
    found = (await connection.scalars(select(owners.c.id).limit(2))).all()
    if len(found) != 1:
        return None
    for table in (persons, locks, lock_groups, credentials, grants):
        if await connection.scalar(select(literal(1)).where(table.c.owner_id == found[0]).limit(1)):
            return None
    return str(found[0])


async def replace_owner(connection: Connection, owner_id: str, owner: Owner) -> None:
    """Have another owner in the place of one that is unused."""
    await connection.execute(update(owners).where(owners.c.id == owner_id).values(id=owner.id, title=owner.title))


async def require_owner(connection: Connection, owner_id: str | None) -> str:
    """The owner's id, the only one's where none is given. Raises OwnerNotFound."""
    if owner_id is None:
        found = (await connection.scalars(select(owners.c.id).limit(2))).all()
        if len(found) != 1:
            raise OwnerNotFound("owner account not found: there are several, so one must be named")
        return str(found[0])
    if not await connection.scalar(select(owners.c.id).where(owners.c.id == owner_id)):
        raise OwnerNotFound
    return owner_id


# Persons


def _with_grant_at(lock_ids: frozenset[str]) -> ColumnElement[bool]:
    """Whether a person has a grant at one of these locks, or one of their credentials has."""
    own = select(grants.c.person_id).where(grants.c.person_id.is_not(None), reaching(lock_ids))
    shown = (
        select(credentials.c.person_id)
        .join_from(credentials, grants, grants.c.credential_id == credentials.c.id)
        .where(credentials.c.person_id.is_not(None), reaching(lock_ids))
    )
    return or_(persons.c.id.in_(own), persons.c.id.in_(shown))


@cache
def _one_person() -> Select[Any]:
    return _persons().where(persons.c.id == bindparam("person_id"))


def _persons() -> Select[Any]:
    return select(*_PERSON).join_from(persons, users, persons.c.user_id == users.c.id, isouter=True)


async def person_pages(connection: Connection, owner_id: str | None, sight: Sight) -> AsyncGenerator[list[Person]]:
    """Persons by number; of those who see some locks only, the persons with a grant at one of them."""
    statement = _persons()
    if owner_id is not None:
        statement = statement.where(persons.c.owner_id == owner_id)
    if sight is not None:
        statement = statement.where(_with_grant_at(sight))
    async for page in pages(connection, statement, (persons.c.owner_id, persons.c.number), _person):
        yield page


async def find_person(connection: Connection, person_id: str) -> Person:
    """A person. Raises PersonNotFound."""
    row = (await connection.execute(_one_person(), {"person_id": person_id})).first()
    if row is None:
        raise PersonNotFound
    return _person(row)


async def find_number(connection: Connection, owner_id: str, number: int) -> Person:
    """An owner's person of that number. Raises PersonNotFound."""
    statement = _persons().where(persons.c.owner_id == owner_id, persons.c.number == number)
    row = (await connection.execute(statement)).first()
    if row is None:
        raise PersonNotFound
    return _person(row)


async def persons_of_phone(connection: Connection, owner_id: str, phone: str) -> list[Person]:
    """An owner's persons with a phone number, in E.164."""
    statement = _persons().where(persons.c.owner_id == owner_id, persons.c.phone == phone)
    return [_person(row) for row in await connection.execute(statement.order_by(persons.c.number))]


async def is_seen(connection: Connection, person_id: str, lock_ids: frozenset[str]) -> bool:
    """Whether somebody who sees these locks only may know of a person."""
    statement = select(persons.c.id).where(persons.c.id == person_id, _with_grant_at(lock_ids))
    return await connection.scalar(statement) is not None


async def find_persons(connection: Connection, person_ids: Iterable[str]) -> dict[str, Person]:
    """Those of these persons that there are, by id."""
    found: dict[str, Person] = {}
    for part in chunks(sorted(set(person_ids))):
        rows = await connection.execute(_persons().where(persons.c.id.in_(part)))
        found |= {person.id: person for person in map(_person, rows)}
    return found


async def add_persons(connection: Connection, owner_id: str, rows: Mapping[str, dict[str, Any]]) -> None:
    """Add an owner's persons by id, all with the same columns, who get the owner's next numbers in this order."""
    count = len(rows)
    first = await connection.scalar(
        update(owners)
        .where(owners.c.id == owner_id)
        .values(next_number=owners.c.next_number + count)
        .returning(owners.c.next_number - count)
    )
    numbered = enumerate(rows.items(), first or 0)
    await connection.execute(
        insert(persons),
        [{"id": person_id, "owner_id": owner_id, "number": number, **row} for number, (person_id, row) in numbered],
    )


async def change_person(connection: Connection, person_id: str, values: dict[str, Any]) -> None:
    """Change what is given."""
    if values:
        await connection.execute(update(persons).where(persons.c.id == person_id).values(**values))


async def remove_person(connection: Connection, person_id: str) -> None:
    """Remove a person, whose credentials and grants go along."""
    await connection.execute(delete(persons).where(persons.c.id == person_id))


async def find_user(connection: Connection, username: str) -> int | None:
    """The key of a user."""
    found: int | None = await connection.scalar(select(users.c.id).where(users.c.username == username))
    return found


async def user_keys(connection: Connection) -> dict[str, int]:
    """The keys of all users, by name."""
    rows = await connection.execute(select(users.c.username, users.c.id))
    return {username: key for username, key in rows}  # noqa: C416 - rows are no pairs to the type checker


async def taken_user(connection: Connection, owner_id: str, user_id: int, person_id: str | None) -> bool:
    """Whether a user is another person's."""
    statement = select(persons.c.id).where(persons.c.owner_id == owner_id, persons.c.user_id == user_id)
    if person_id is not None:
        statement = statement.where(persons.c.id != person_id)
    return await connection.scalar(statement) is not None


async def unlink_user(connection: Connection, username: str) -> list[str]:
    """Unlink a user from the persons who have it; their ids."""
    user = select(users.c.id).where(users.c.username == username).scalar_subquery()
    changed = update(persons).where(persons.c.user_id == user).values(user_id=None).returning(persons.c.id)
    return list(await connection.scalars(changed))


# Credentials


def _usable_at(lock_ids: frozenset[str]) -> ColumnElement[bool]:
    """Whether a credential has a grant at one of these locks, its own or its person's."""
    return or_(
        credentials.c.id.in_(select(grants.c.credential_id).where(reaching(lock_ids))),
        credentials.c.person_id.in_(select(grants.c.person_id).where(reaching(lock_ids))),
    )


async def credential_pages(
    connection: Connection, owner_id: str | None, person_id: str | None, sight: Sight, *, codes: bool
) -> AsyncGenerator[list[Credential]]:
    """Credentials by id; of those who see some locks only, those with a grant at one of them, own or their person's.

    ``codes``: with those that open a door to whoever has read them.
    """
    statement = select(*_CREDENTIAL)
    if not codes:
        statement = statement.where(credentials.c.type != CredentialType.CODE.value)
    if owner_id is not None:
        statement = statement.where(credentials.c.owner_id == owner_id)
    if person_id is not None:
        statement = statement.where(credentials.c.person_id == person_id)
    if sight is not None:
        statement = statement.where(_usable_at(sight))
    async for page in pages(connection, statement, (credentials.c.id,), _credential):
        yield page


async def is_shown(connection: Connection, credential_id: str, lock_ids: frozenset[str]) -> bool:
    """Whether somebody who sees these locks only may know of a credential."""
    statement = select(credentials.c.id).where(credentials.c.id == credential_id, _usable_at(lock_ids))
    return await connection.scalar(statement) is not None


async def locks_of_credentials(connection: Connection, credential_ids: Iterable[str]) -> dict[str, set[str]]:
    """The locks that each credential concerns: its own grants and its person's reach them, as far as not revoked.

    What is one lock's alone is used by its own grants.
    """
    columns = (credentials.c.id, grants.c.lock_id, grants.c.group_id)
    own = select(*columns).join_from(credentials, grants, grants.c.credential_id == credentials.c.id)
    theirs = (
        select(*columns)
        .join_from(credentials, grants, grants.c.person_id == credentials.c.person_id)
        .where(credentials.c.lock_id.is_(None))
    )
    found: list[Row[*tuple[Any, ...]]] = []
    for part in chunks(sorted(set(credential_ids))):
        chosen = (credentials.c.id.in_(part), grants.c.revoked.is_(None))
        found += (await connection.execute(union(own.where(*chosen), theirs.where(*chosen)))).all()
    by_group = await locks_of_groups(connection, {group_id for _, _, group_id in found if group_id})
    locks: dict[str, set[str]] = {}
    for credential_id, lock_id, group_id in found:
        locks.setdefault(credential_id, set()).update([lock_id] if lock_id else by_group.get(group_id, []))
    return locks


async def find_credential(connection: Connection, credential_id: str) -> Credential:
    """A credential. Raises CredentialNotFound."""
    row = (await connection.execute(select(*_CREDENTIAL).where(credentials.c.id == credential_id))).first()
    if row is None:
        raise CredentialNotFound
    return _credential(row)


async def find_credentials(connection: Connection, credential_ids: Iterable[str]) -> dict[str, Credential]:
    """Those of these credentials that there are, by id."""
    found: dict[str, Credential] = {}
    for part in chunks(sorted(set(credential_ids))):
        rows = await connection.execute(select(*_CREDENTIAL).where(credentials.c.id.in_(part)))
        found |= {credential.id: credential for credential in map(_credential, rows)}
    return found


async def credential_of(
    connection: Connection, owner_id: str, kind: CredentialType, value: str, *, lock_id: str | None = None
) -> Credential | None:
    """The credential of that canonical value that is known everywhere or, with ``lock_id``, at that lock."""
    names = {"owner_id": owner_id, "type": kind.value, "value": value}
    if lock_id is None:
        row = (await connection.execute(_SHOWN, names)).first()
    else:
        row = (await connection.execute(_SHOWN_AT, {**names, "lock_id": lock_id})).first()
    return None if row is None else _credential(row)


async def require_free(
    connection: Connection,
    owner_id: str,
    kind: CredentialType,
    value: str,
    *,
    lock_id: str | None,
    but: str | None = None,
) -> None:
    """Raise Duplicate where a value would name two credentials at one lock; the credential ``but`` does not count.

    What is to be ``lock_id``'s alone must also be none that this lock still opens to, if only until it has heard.
    """
    names = {"owner_id": owner_id, "type": kind.value, "value": value}
    if lock_id is None:
        rows = await connection.execute(_NAMED, names)
    else:
        rows = await connection.execute(_SHOWN_AT, {**names, "lock_id": lock_id})
    if any(row.id != but for row in rows) or (
        lock_id is not None and await _held_at(connection, lock_id, kind, value, but)
    ):
        raise Duplicate("there is a credential of that type and value")


async def _held_at(connection: Connection, lock_id: str, kind: CredentialType, value: str, but: str | None) -> bool:
    """Whether a lock still opens to a value by what it has heard of, for another credential that is its alone."""
    statement = (
        select(held_grants.c.credentials)
        .join_from(held_grants, credentials, held_grants.c.credential_id == credentials.c.id, isouter=True)
        .where(held_grants.c.lock_id == lock_id, held_grants.c.credential_id.is_not(None))
        .where(or_(credentials.c.id.is_(None), credentials.c.lock_id == lock_id))
    )
    if but is not None:
        statement = statement.where(held_grants.c.credential_id != but)
    shown = (kind.value, value)
    return any(
        (item["type"], item["value"]) == shown
        for listed in await connection.scalars(statement)
        for item in listed or ()
    )


async def credentials_of_lock(connection: Connection, lock_id: str) -> list[Credential]:
    """The credentials that are this lock's alone."""
    statement = select(*_CREDENTIAL).where(credentials.c.lock_id == lock_id).order_by(credentials.c.id)
    return [_credential(row) for row in await connection.execute(statement)]


async def credentials_of(connection: Connection, person_ids: list[str]) -> list[Credential]:
    """The credentials of these persons, with those that are one lock's alone."""
    found: list[Credential] = []
    for part in chunks(sorted(set(person_ids))):
        statement = select(*_CREDENTIAL).where(credentials.c.person_id.in_(part)).order_by(credentials.c.id)
        found += map(_credential, await connection.execute(statement))
    return found


async def pin_hash(connection: Connection, credential_id: str) -> str | None:
    """The hash of a credential's PIN."""
    found: str | None = await connection.scalar(select(credentials.c.pin_hash).where(credentials.c.id == credential_id))
    return found


async def add_credentials(connection: Connection, added: Iterable[tuple[Credential, str | None]]) -> None:
    """Add credentials with the hashes of their PINs."""
    await connection.execute(
        insert(credentials),
        [
            {
                "id": credential.id,
                "owner_id": credential.owner_id,
                "person_id": credential.person_id,
                "type": credential.type.value,
                "value": credential.value,
                "pin_hash": pin_hash,
                "enabled": credential.enabled,
                "wrong_pins": 0,
                "lock_id": credential.lock_id,
                "valid_from": credential.valid_from,
                "valid_before": credential.valid_before,
            }
            for credential, pin_hash in added
        ],
    )


async def change_credential(connection: Connection, credential_id: str, values: dict[str, Any]) -> None:
    """Change what is given."""
    if values:
        await connection.execute(update(credentials).where(credentials.c.id == credential_id).values(**values))


async def remove_credential(connection: Connection, credential_id: str) -> None:
    """Remove a credential, whose grants go along."""
    await connection.execute(delete(credentials).where(credentials.c.id == credential_id))


async def count_wrong_pin(connection: Connection, credential_id: str, limit: int, locked_until: datetime) -> bool:
    """Count one more wrong PIN; whether the credential is locked out by it, until then."""
    count = await connection.scalar(
        update(credentials)
        .where(credentials.c.id == credential_id)
        .values(wrong_pins=credentials.c.wrong_pins + 1)
        .returning(credentials.c.wrong_pins)
    )
    if count is None or count < limit:
        return False
    await change_credential(connection, credential_id, {"wrong_pins": 0, "locked_until": locked_until})
    return True


def _person(row: Row[*tuple[Any, ...]]) -> Person:
    owner_id, number, person_id, *rest = row
    return Person(person_id, owner_id, number, *rest)


def _credential(row: Row[*tuple[Any, ...]]) -> Credential:
    credential_id, owner_id, person_id, kind, *rest = row
    return Credential(credential_id, owner_id, person_id, CredentialType(kind), *rest)
