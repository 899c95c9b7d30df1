"""Grants in the database, as they are here and as locks hold them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, delete, exists, insert, or_, select, update

from nymead_users.access.errors import GrantNotFound
from nymead_users.access.model import Grant, GrantState, Sight
from nymead_users.access.store.filters import Query, queried
from nymead_users.access.store.reach import reaching
from nymead_users.access.store.reading import chunks, pages
from nymead_users.storage.database import Connection
from nymead_users.storage.tables import credentials, grants, sync_items

_PENDING = exists().where(sync_items.c.entity_id == grants.c.id, sync_items.c.confirmed.is_(None))
_FAILED = exists().where(
    sync_items.c.entity_id == grants.c.id, sync_items.c.confirmed.is_(None), sync_items.c.error.is_not(None)
)

#: A grant's state, in SQL: the one place that says what makes it.
grant_state: ColumnElement[str] = case(
    (and_(grants.c.revoked.is_not(None), _PENDING), GrantState.REVOKING.value),
    (grants.c.revoked.is_not(None), GrantState.REVOKED.value),
    (_FAILED, GrantState.FAILED.value),
    (_PENDING, GrantState.PENDING.value),
    else_=GrantState.ACTIVE.value,
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
    grant_state.label("state"),
)

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
    statement = select(*_GRANT)
    if person_id is not None:
        theirs = select(credentials.c.id).where(credentials.c.person_id == person_id)
        statement = statement.where(or_(grants.c.person_id == person_id, grants.c.credential_id.in_(theirs)))
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


async def find_grant(connection: Connection, grant_id: str) -> Grant:
    """A grant. Raises GrantNotFound."""
    row = (await connection.execute(select(*_GRANT).where(grants.c.id == grant_id))).first()
    if row is None:
        raise GrantNotFound
    return _grant(row)


async def find_grants(connection: Connection, grant_ids: Iterable[str]) -> list[Grant]:
    """Those of these grants that there are."""
    found: list[Grant] = []
    for part in chunks(sorted(set(grant_ids))):
        rows = await connection.execute(select(*_GRANT).where(grants.c.id.in_(part)).order_by(grants.c.id))
        found += [_grant(row) for row in rows]
    return found


async def grants_of_group(connection: Connection, group_id: str) -> list[Grant]:
    """A group's grants that are not revoked."""
    return await _all(connection, _standing().where(grants.c.group_id == group_id))


async def grants_of_subject(
    connection: Connection, *, person_id: str | None = None, credential_id: str | None = None
) -> list[Grant]:
    """The grants of a person and their credentials, or those of a credential, which are not revoked."""
    if person_id is not None:
        theirs = select(credentials.c.id).where(credentials.c.person_id == person_id)
        subject = or_(grants.c.person_id == person_id, grants.c.credential_id.in_(theirs))
    else:
        subject = grants.c.credential_id == credential_id
    return await _all(connection, _standing().where(subject))


async def grants_of_lock(connection: Connection, lock_id: str) -> list[Grant]:
    """The grants at this very lock, revoked ones too."""
    return await _all(connection, select(*_GRANT).where(grants.c.lock_id == lock_id))


async def every_grant_of_subject(
    connection: Connection, *, person_id: str | None = None, credential_id: str | None = None
) -> list[Grant]:
    """The same as ``grants_of_subject``, with those that are revoked."""
    if person_id is not None:
        theirs = select(credentials.c.id).where(credentials.c.person_id == person_id)
        subject = or_(grants.c.person_id == person_id, grants.c.credential_id.in_(theirs))
    else:
        subject = grants.c.credential_id == credential_id
    return await _all(connection, select(*_GRANT).where(subject))


async def add_grant(connection: Connection, grant: Grant) -> None:
    """Add a grant."""
    await connection.execute(
        insert(grants).values(
            id=grant.id,
            owner_id=grant.owner_id,
            person_id=grant.person_id,
            credential_id=grant.credential_id,
            lock_id=grant.lock_id,
            group_id=grant.group_id,
            valid_from=grant.valid_from,
            valid_before=grant.valid_before,
            schedule=grant.schedule,
            enabled=grant.enabled,
            remote_allowed=grant.remote_allowed,
            issuer=grant.issuer,
            created=grant.created,
        )
    )


async def change_grant(connection: Connection, grant_id: str, values: dict[str, Any]) -> None:
    """Change what is given."""
    if values:
        await connection.execute(update(grants).where(grants.c.id == grant_id).values(**values))


async def remove_grants(connection: Connection, grant_ids: Iterable[str]) -> None:
    """Remove grants."""
    for part in chunks(sorted(set(grant_ids))):
        await connection.execute(delete(grants).where(grants.c.id.in_(part)))


async def states(connection: Connection, grant_ids: Iterable[str]) -> dict[str, str]:
    """The states of those of these grants that there are."""
    found: dict[str, str] = {}
    for part in chunks(sorted(set(grant_ids))):
        rows = await connection.execute(select(grants.c.id, grant_state).where(grants.c.id.in_(part)))
        found.update({row[0]: row[1] for row in rows})
    return found


def _standing() -> Select[Any]:
    return select(*_GRANT).where(grants.c.revoked.is_(None))


async def _all(connection: Connection, statement: Select[Any]) -> list[Grant]:
    return [_grant(row) for row in await connection.execute(statement.order_by(grants.c.id))]


def _grant(row: Sequence[Any]) -> Grant:
    return Grant(*(*row[:-1], GrantState(row[-1])))
