"""What all tables share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, MetaData, String
from sqlalchemy.types import TypeDecorator

from nymead_users.instants import milliseconds, moment

metadata = MetaData(
    # Constraints have names, so that a later migration can speak of them on every database.
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

#: A uuid as text, in lower case with hyphens and no braces.
Id = String(36)


class Instant(TypeDecorator[datetime]):
    """A moment: an aware datetime in Python, milliseconds since the epoch (UTC) in the database."""

    impl = BigInteger
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """What it is in Python."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else milliseconds(value)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """From the database."""
        return None if value is None else moment(value)
