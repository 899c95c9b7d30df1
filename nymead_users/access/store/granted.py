"""Grants in the database, as they are here and as locks hold them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, delete, exists, func, insert, or_, select, update

from nymead_users.access.errors import GrantNotFound
from nymead_users.access.model import CredentialType, Grant, GrantKind, GrantState, Sight
from nymead_users.access.store.filters import Query, queried
from nymead_users.access.store.reach import EFFECTIVE, reaching
from nymead_users.access.store.reading import chunks, pages
from nymead_users.storage.database import Connection
from nymead_users.storage.tables import credentials, grants, persons, sync_items

_DUE = and_(sync_items.c.entity_id == grants.c.id, sync_items.c.confirmed.is_(None))
_PENDING = exists().where(_DUE)
_FAILED = exists().where(_DUE, sync_items.c.error.is_not(None))
_OPERATION = (
    select(sync_items.c.operation_id)
    .where(_DUE, sync_items.c.error.is_(None))
    .order_by(sync_items.c.number.desc())
    .limit(1)
    .scalar_subquery()
)
_SYNC_ERROR = select(func.min(sync_items.c.error)).where(_DUE).scalar_subquery()

#: A grant's state, in SQL: the one place that says what makes it.
grant_state: ColumnElement[str] = case(
    (and_(grants.c.revoked.is_not(None), _PENDING), GrantState.REVOKING.value),
    (grants.c.revoked.is_not(None), GrantState.REVOKED.value),
    (_FAILED, GrantState.FAILED.value),
    (_PENDING, GrantState.PENDING.value),
    else_=GrantState.ACTIVE.value,
)
_KIND = case(
    (grants.c.kind.is_not(None), grants.c.kind),
    (credentials.c.type == CredentialType.CODE.value, GrantKind.KEYPAD_CODE.value),
    (credentials.c.type == CredentialType.PROXIMITY.value, GrantKind.FOB.value),
    else_=GrantKind.APP.value,
)
_GRANT = (
    grants.c.id,
    grants.c.owner_id,
    grants.c.person_id,
    grants.c.credential_id,
    grants.c.lock_id,
    grants.c.group_id,
    grants.c.valid_from,
    grants.c.valid_before,
    grants.c.schedule,
    grants.c.enabled,
    grants.c.remote_allowed,
    grants.c.revoked,
    grants.c.issuer,
    grants.c.created,
    grants.c.name,
    grants.c.updated,
    grants.c.uses,
    grants.c.last_used,
    grants.c.shared_by,
    _KIND.label("kind"),
    persons.c.id.label("holder_id"),
    persons.c.number,
    case((grants.c.shared_by.is_not(None), persons.c.phone)).label("holder_phone"),
    case((credentials.c.type == CredentialType.CODE.value, credentials.c.value)).label("code"),
    _OPERATION.label("operation_id"),
    _SYNC_ERROR.label("sync_error"),
    grant_state.label("state"),
)
_GRANTS = (
    select(*_GRANT)
    .join_from(grants, credentials, grants.c.credential_id == credentials.c.id, isouter=True)
    .join(persons, persons.c.id == func.coalesce(grants.c.person_id, credentials.c.person_id), isouter=True)
)

_BY_AGE = (grants.c.created, grants.c.id)

#: What a group's grants can be queried by, by the names on the wire (seed 003).
_GROUP_GRANT_FIELDS = {
    "id": grants.c.id,
    "boundLockId": grants.c.group_id,
    "contactId": grants.c.person_id,
    "boundCardId": grants.c.credential_id,
    "validFrom": grants.c.valid_from,
    "validBefore": grants.c.valid_before,
    "active": grants.c.revoked.is_(None),
    "state": case((grants.c.revoked.is_(None), "Ok"), else_="Revoked"),
}


async def grant_pages(
    connection: Connection,
    *,
    person_id: str | None = None,
    lock_id: str | None = None,
    group_id: str | None = None,
    state: GrantState | None = None,
    sight: Sight = None,
) -> AsyncGenerator[list[Grant]]:
    """Grants by id, of a person (their credentials' too), at a lock (its groups' too), for a group, in a state."""
    statement = _GRANTS
    if person_id is not None:
        statement = statement.where(_of_subject(person_id, None))
    if lock_id is not None:
        statement = statement.where(reaching([lock_id]))
    if group_id is not None:
        statement = statement.where(grants.c.group_id == group_id)
    if state is not None:
        statement = statement.where(grant_state == state.value)
    if sight is not None:
        statement = statement.where(reaching(sight))
    async for page in pages(connection, statement, (grants.c.id,), _grant):
        yield page


async def query_group_grants(connection: Connection, group_id: str, query: Query) -> list[Grant]:
    """A group's grants, as they are queried. Raises BadFilter."""
    columns = (column.label(name) for name, column in _GROUP_GRANT_FIELDS.items())
    statement = select(*columns).where(grants.c.group_id == group_id)
    rows = await connection.execute(queried(statement, query, fields=_GROUP_GRANT_FIELDS, order="id"))
    ids = [row.id for row in rows]
    found = {grant.id: grant for grant in await find_grants(connection, ids)}
    return [found[grant_id] for grant_id in ids]


class Sought(NamedTuple):
    """Which grants at single locks: of a person by number, or of nobody; of these kinds; at this lock."""

    number: int | None = None
    nobody: bool = False
    kinds: frozenset[GrantKind] | None = None
    lock_id: str | None = None


def _at_locks(sought: Sought, sight: Sight) -> Select[Any]:
    """Grants at single locks, but for those of which nothing is left: revoked, and heard of."""
    statement = _GRANTS.where(grants.c.lock_id.is_not(None), or_(grants.c.revoked.is_(None), _PENDING))
    if sought.lock_id is not None:
        statement = statement.where(grants.c.lock_id == sought.lock_id)
    if sought.number is not None:
        statement = statement.where(persons.c.number == sought.number)
    if sought.nobody:
        statement = statement.where(persons.c.id.is_(None))
    if sought.kinds is not None:
        statement = statement.where(_KIND.in_(sorted(sought.kinds)))
    return statement if sight is None else statement.where(grants.c.lock_id.in_(sight))


async def direct_pages(connection: Connection, sought: Sought, sight: Sight) -> AsyncGenerator[list[Grant]]:
    """These grants, oldest first."""
    async for page in pages(connection, _at_locks(sought, sight), _BY_AGE, _grant):
        yield page


async def direct_page(
    connection: Connection, sought: Sought, sight: Sight, *, offset: int, limit: int
) -> tuple[list[Grant], int]:
    """Some of these grants, oldest first, and how many there are."""
    statement = _at_locks(sought, sight)
    total = await connection.scalar(statement.with_only_columns(func.count(), maintain_column_froms=True))
    rows = await connection.execute(statement.order_by(*_BY_AGE).offset(offset).limit(limit))
    return [_grant(row) for row in rows], total or 0


async def find_direct(connection: Connection, grant_id: str) -> Grant:
    """One of these grants. Raises GrantNotFound."""
    row = (await connection.execute(_at_locks(Sought(), None).where(grants.c.id == grant_id))).first()
    if row is None:
        raise GrantNotFound
    return _grant(row)


async def find_grant(connection: Connection, grant_id: str) -> Grant:
    """A grant. Raises GrantNotFound."""
    row = (await connection.execute(_GRANTS.where(grants.c.id == grant_id))).first()
    if row is None:
        raise GrantNotFound
    return _grant(row)


async def find_grants(connection: Connection, grant_ids: Iterable[str]) -> list[Grant]:
    """Those of these grants that there are, in this order."""
    wanted = list(dict.fromkeys(grant_ids))
    found: dict[str, Grant] = {}
    for part in chunks(wanted):
        found |= {row[0]: _grant(row) for row in await connection.execute(_GRANTS.where(grants.c.id.in_(part)))}
    return [found[grant_id] for grant_id in wanted if grant_id in found]


async def grants_of_group(connection: Connection, group_id: str) -> list[Grant]:
    """A group's grants that are not revoked."""
    return await _all(connection, _standing().where(grants.c.group_id == group_id))


async def grants_of_subject(
    connection: Connection, *, person_id: str | None = None, credential_id: str | None = None
) -> list[Grant]:
    """The grants of a person and their credentials, or those of a credential, which are not revoked."""
    return await _all(connection, _standing().where(_of_subject(person_id, credential_id)))


async def grants_of_persons(connection: Connection, person_ids: Iterable[str]) -> list[Grant]:
    """The grants of these persons and their credentials, which are not revoked."""
    found: list[Grant] = []
    for part in chunks(sorted(set(person_ids))):
        theirs = select(credentials.c.id).where(credentials.c.person_id.in_(part))
        of_persons = or_(grants.c.person_id.in_(part), grants.c.credential_id.in_(theirs))
        found += await _all(connection, _standing().where(of_persons))
    return found


async def grants_of_lock(connection: Connection, lock_id: str) -> list[Grant]:
    """The grants at this very lock, revoked ones too."""
    return await _all(connection, _GRANTS.where(grants.c.lock_id == lock_id))


async def every_grant_of_subject(
    connection: Connection, *, person_id: str | None = None, credential_id: str | None = None
) -> list[Grant]:
    """The same as ``grants_of_subject``, with those that are revoked."""
    return await _all(connection, _GRANTS.where(_of_subject(person_id, credential_id)))


async def own_grants_at(connection: Connection, person_id: str, lock_id: str) -> list[Grant]:
    """A person's own grants that are not revoked and reach a lock, by a group once it is an effective member."""
    own = grants.c.person_id == person_id
    return await _all(connection, _standing().where(own, reaching([lock_id], EFFECTIVE)))


async def shared_grants(connection: Connection, person_id: str, lock_id: str) -> list[Grant]:
    """The grants that a person has shared at a lock, oldest first, with those that are revoked."""
    shared = _GRANTS.where(grants.c.shared_by == person_id, grants.c.lock_id == lock_id)
    return await _all(connection, shared)


async def add_grants(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add grants, all with the same columns."""
    await connection.execute(insert(grants), list(rows))


async def change_grant(connection: Connection, grant_id: str, values: dict[str, Any]) -> None:
    """Change what is given."""
    if values:
        await connection.execute(update(grants).where(grants.c.id == grant_id).values(**values))


async def remove_grants(connection: Connection, grant_ids: Iterable[str]) -> None:
    """Remove grants."""
    for part in chunks(sorted(set(grant_ids))):
        await connection.execute(delete(grants).where(grants.c.id.in_(part)))


async def count_uses(connection: Connection, grant_ids: Iterable[str], at: datetime) -> None:
    """Count that a lock opened by these grants."""
    await connection.execute(
        update(grants).where(grants.c.id.in_(sorted(grant_ids))).values(uses=grants.c.uses + 1, last_used=at)
    )


def _of_subject(person_id: str | None, credential_id: str | None) -> ColumnElement[bool]:
    """Whether a grant is a person's or one of their credentials', or a credential's."""
    if person_id is None:
        return grants.c.credential_id == credential_id
    theirs = select(credentials.c.id).where(credentials.c.person_id == person_id)
    return or_(grants.c.person_id == person_id, grants.c.credential_id.in_(theirs))


def _standing() -> Select[Any]:
    return _GRANTS.where(grants.c.revoked.is_(None))


async def _all(connection: Connection, statement: Select[Any]) -> list[Grant]:
    return [_grant(row) for row in await connection.execute(statement.order_by(*_BY_AGE))]


def _grant(row: Sequence[Any]) -> Grant:
    *values, kind, holder_id, number, phone, code, operation_id, error, state = row
    return Grant(*(*values, GrantKind(kind), holder_id, number, phone, code, operation_id, error, GrantState(state)))
