"""Access keys in the database: credentials with their levels and persons, and how far locks have heard of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from sqlalchemy import and_, func, or_, select

from nymead_users.access.model import AccessKey, Credential, Sight
from nymead_users.access.store import people
from nymead_users.access.store.reach import OPEN
from nymead_users.access.store.reading import chunks
from nymead_users.storage.database import Connection
from nymead_users.storage.tables import grants, locks, memberships, sync_items


class Delivery(NamedTuple):
    """What a lock must still hear of an access key's levels, and why it could not take some of it."""

    lock_id: str
    system_id: str
    pending: int
    error: str | None


async def key_pages(
    connection: Connection, owner_id: str | None, sight: Sight, *, codes: bool
) -> AsyncGenerator[list[AccessKey]]:
    """Access keys by id; of those who see some locks only, those that ``credential_pages`` has."""
    async with aclosing(people.credential_pages(connection, owner_id, None, sight, codes=codes)) as pages:
        async for page in pages:
            if keys := await _keys(connection, page):
                yield keys


async def find_keys(connection: Connection, key_ids: Iterable[str]) -> dict[str, AccessKey]:
    """Those of these access keys that there are, by id."""
    found = await people.find_credentials(connection, key_ids)
    return {key.id: key for key in await _keys(connection, list(found.values()))}


async def deliveries(connection: Connection, key_id: str) -> list[Delivery]:
    """The locks that an access key's levels reach or that must still hear of one, by system."""
    levels = grants.c.credential_id == key_id, grants.c.group_id.is_not(None)
    due = and_(sync_items.c.entity_id.in_(select(grants.c.id).where(*levels)), sync_items.c.confirmed.is_(None))
    reached = (
        select(memberships.c.lock_id)
        .join_from(memberships, grants, grants.c.group_id == memberships.c.group_id)
        .where(*levels, grants.c.revoked.is_(None), OPEN)
    )
    statement = (
        select(locks.c.id, locks.c.system_id, func.count(sync_items.c.number), func.min(sync_items.c.error))
        .join_from(locks, sync_items, and_(sync_items.c.lock_id == locks.c.id, due), isouter=True)
        .where(or_(locks.c.id.in_(reached), locks.c.id.in_(select(sync_items.c.lock_id).where(due))))
        .group_by(locks.c.id, locks.c.system_id)
        .order_by(locks.c.system_id, locks.c.id)
    )
    return [Delivery(*row) for row in await connection.execute(statement)]


async def _keys(connection: Connection, credentials: Sequence[Credential]) -> list[AccessKey]:
    """Those of these credentials that are access keys, as such."""
    shown = [credential for credential in credentials if credential.is_access_key]
    persons = await people.find_persons(connection, [each.person_id for each in shown if each.person_id])
    levels = await _levels(connection, [each.id for each in shown])
    keys = []
    for each in shown:
        person = persons.get(each.person_id or "")
        keys.append(
            AccessKey(
                each.id,
                each.owner_id,
                each.type,
                each.value,
                each.valid_from,
                each.valid_before,
                tuple(levels.get(each.id, ())),
                each.person_id,
                person.first_name if person else "",
                person.last_name if person else "",
            )
        )
    return keys


async def _levels(connection: Connection, key_ids: list[str]) -> dict[str, list[str]]:
    """The groups for which credentials have a grant that is not revoked, sorted."""
    found: dict[str, list[str]] = {}
    for part in chunks(key_ids):
        statement = (
            select(grants.c.credential_id, grants.c.group_id)
            .where(grants.c.credential_id.in_(part), grants.c.group_id.is_not(None), grants.c.revoked.is_(None))
            .distinct()
            .order_by(grants.c.group_id)
        )
        for key_id, level in await connection.execute(statement):
            found.setdefault(key_id, []).append(level)
    return found
