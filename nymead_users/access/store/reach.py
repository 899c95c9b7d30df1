"""Which locks a grant reaches, in SQL: the one place that says so."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, or_, select

from nymead_users.access.store.reading import chunks
from nymead_users.storage.database import Connection
from nymead_users.storage.tables import grants, memberships

#: A lock concerns itself with its group's grants from when it is added until it has heard that it is not any more.
OPEN = memberships.c.leave_completed.is_(None)

#: A lock opens by its group's grants once it has heard that it is in the group.
EFFECTIVE = memberships.c.join_completed.is_not(None) & OPEN


def groups_of(lock_ids: Iterable[str], when: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a grant is for a group of one of these locks."""
    return grants.c.group_id.in_(select(memberships.c.group_id).where(memberships.c.lock_id.in_(lock_ids), when))


def reaching(lock_ids: Iterable[str], when: ColumnElement[bool] = OPEN) -> ColumnElement[bool]:
    """Whether a grant is for one of these locks, or for a group in which one of them is."""
    return or_(grants.c.lock_id.in_(lock_ids), groups_of(lock_ids, when))


async def locks_of_groups(connection: Connection, group_ids: Iterable[str]) -> dict[str, list[str]]:
    """The locks that are in these groups, by group, whether they have heard of it or not."""
    found: dict[str, list[str]] = {}
    for part in chunks(sorted(set(group_ids))):
        rows = await connection.execute(
            select(memberships.c.group_id, memberships.c.lock_id).where(memberships.c.group_id.in_(part), OPEN)
        )
        for group_id, lock_id in rows:
            found.setdefault(group_id, []).append(lock_id)
    return found
