"""Tokens: 256 random bits for the client, their digest for the store."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token as its owner sees it; ``creation_time`` in whole seconds since the epoch, UTC."""

    id: UUID
    username: str
    creation_time: int
    device_name: str


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token at the only moment when its value is known."""

    id: UUID
    value: str
    creation_time: int
    device_name: str

    def __repr__(self) -> str:
        """The token without its value."""
        return f"NewToken({self.id})"


def mint(device_name: str) -> NewToken:
    """A new token for a device."""
    return NewToken(uuid.uuid4(), secrets.token_urlsafe(32), int(time.time()), device_name)


def digest(token: str) -> bytes:
    """What the store keeps of a token. Its 256 random bits can't be guessed, so one round of SHA-256 does."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
