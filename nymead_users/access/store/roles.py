"""Sharing roles in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, literal, select, tuple_, update

from nymead_users.access.errors import InvalidValue
from nymead_users.access.model import Role, Sight
from nymead_users.storage.database import Connection
from nymead_users.storage.tables import persons, sharing_roles

_ROLES = select(
    sharing_roles.c.id,
    sharing_roles.c.person_id,
    sharing_roles.c.lock_id,
    persons.c.phone,
    sharing_roles.c.user_name,
    sharing_roles.c.can_share,
    sharing_roles.c.created,
    sharing_roles.c.created_keys,
).join_from(sharing_roles, persons, sharing_roles.c.person_id == persons.c.id)
_ORDER = (sharing_roles.c.created, sharing_roles.c.id)


async def list_roles(
    connection: Connection, owner_id: str, lock_ids: Sight, *, sharing: bool, limit: int, after_id: str | None
) -> list[Role]:
    """So many of an owner's roles at these locks, oldest first; ``sharing``: only those that can share.

    They begin after the role ``after_id``: InvalidValue if it is none of these. It need not share any more.
    """
    statement = _ROLES.where(persons.c.owner_id == owner_id)
    if lock_ids is not None:
        statement = statement.where(sharing_roles.c.lock_id.in_(lock_ids))
    if after_id is not None:
        last = (await connection.execute(statement.where(sharing_roles.c.id == after_id))).first()
        if last is None:
            raise InvalidValue("startAfterId: there is no such role in this list")
        place = (literal(getattr(last, column.name), column.type) for column in _ORDER)
        statement = statement.where(tuple_(*_ORDER) > tuple_(*place))
    if sharing:
        statement = statement.where(sharing_roles.c.can_share)
    return [Role(*row) for row in await connection.execute(statement.order_by(*_ORDER).limit(limit))]


async def roles_of(connection: Connection, *, person_id: str | None = None, lock_id: str | None = None) -> list[Role]:
    """All roles of a person, or at a lock; of both it is one at the most."""
    statement = _ROLES.order_by(*_ORDER)
    if person_id is not None:
        statement = statement.where(sharing_roles.c.person_id == person_id)
    if lock_id is not None:
        statement = statement.where(sharing_roles.c.lock_id == lock_id)
    return [Role(*row) for row in await connection.execute(statement)]


async def find_role(connection: Connection, person_id: str, lock_id: str) -> Role | None:
    """A person's role at a lock."""
    return next(iter(await roles_of(connection, person_id=person_id, lock_id=lock_id)), None)


async def add_role(connection: Connection, role: Role) -> None:
    """Add a role."""
    await connection.execute(
        insert(sharing_roles).values(
            id=role.id,
            person_id=role.person_id,
            lock_id=role.lock_id,
            user_name=role.user_name,
            can_share=role.can_share,
            created=role.created,
            created_keys=role.created_keys,
        )
    )


async def change_role(connection: Connection, role_id: str, values: dict[str, Any]) -> None:
    """Change what is given."""
    await connection.execute(update(sharing_roles).where(sharing_roles.c.id == role_id).values(**values))


async def remove_role(connection: Connection, role_id: str) -> None:
    """Remove a role."""
    await connection.execute(delete(sharing_roles).where(sharing_roles.c.id == role_id))
