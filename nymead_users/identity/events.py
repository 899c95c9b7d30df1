"""What has happened to users and tokens. Each event is published once, after what it tells of is stored."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from nymead_users.permissions import User


@dataclass(frozen=True, slots=True)
class UserAdded:
    """A user was made."""

    user: User


@dataclass(frozen=True, slots=True)
class UserChanged:
    """A user's details or permissions changed."""

    user: User


@dataclass(frozen=True, slots=True)
class UserRemoved:
    """A user is gone, and all their tokens."""

    username: str


@dataclass(frozen=True, slots=True)
class TokensRemoved:
    """Some of a user's tokens are gone."""

    username: str
    token_ids: frozenset[UUID]
