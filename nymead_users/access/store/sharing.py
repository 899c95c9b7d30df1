"""Who may share locks, in the database, as far as it is carried from one server to another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select, update

from nymead_users.access.model import SharingRole
from nymead_users.storage.database import Connection
from nymead_users.storage.tables import sharing_roles

_ROLE = (
    sharing_roles.c.id,
    sharing_roles.c.person_id,
    sharing_roles.c.lock_id,
    sharing_roles.c.user_name,
    sharing_roles.c.can_share,
)


async def every_role(connection: Connection) -> list[SharingRole]:
    """All roles by id."""
    return [SharingRole(*row) for row in await connection.execute(select(*_ROLE).order_by(sharing_roles.c.id))]


async def add_roles(connection: Connection, roles: Sequence[SharingRole], at: datetime) -> None:
    """Add roles by which nothing was shared yet."""
    await connection.execute(
        insert(sharing_roles),
        [
            {
                "id": role.id,
                "person_id": role.person_id,
                "lock_id": role.lock_id,
                "user_name": role.user_name,
                "can_share": role.can_share,
                "created": at,
                "created_keys": 0,
            }
            for role in roles
        ],
    )


async def change_role(connection: Connection, role: SharingRole) -> None:
    """Have a role's name and whether it can share be as they are given."""
    await connection.execute(
        update(sharing_roles)
        .where(sharing_roles.c.id == role.id)
        .values(user_name=role.user_name, can_share=role.can_share)
    )
