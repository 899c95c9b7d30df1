"""Whether a store is sound, beyond what every start looks at. Everything here blocks, and changes nothing."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from nymead_users.permissions import Scope
from nymead_users.storage.errors import StoreUnusable
from nymead_users.storage.migrations import revisions
from nymead_users.storage.storefile import BUSY_TIMEOUT, RESTORE, connect, examine

#: How the hashes begin that came from nymead (identity.passwords).
_NYMEAD = "$nymead-sha512$"


@dataclass(frozen=True, slots=True)
class Health:
    """What is in a store, and what is wrong with it, each in words. An ``outdated`` one is upgraded at a start."""

    users: int
    tokens: int
    outdated: bool
    faults: tuple[str, ...]
    warnings: tuple[str, ...]


def check(store: Path) -> Health:
    """Look through the store as it is now, also while a server writes to it.

    Raises StoreUnusable where it can't be read or is damaged. A store without tables is sound.
    """
    store = store.resolve()
    known = revisions()
    revision = examine(store, known, BUSY_TIMEOUT, name=f"The store {store}", advice=RESTORE)
    if revision != known[-1]:
        return Health(0, 0, outdated=True, faults=(), warnings=())
    try:
        with closing(connect(store, "ro", BUSY_TIMEOUT)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            faults = [*_server(connection), *_users(connection), *_tokens(connection)]
            users = _count(connection, "SELECT count(*) FROM users")
            tokens = _count(connection, "SELECT count(*) FROM tokens")
            warnings = tuple(_warnings(connection, users))
    except sqlite3.Error as error:
        raise StoreUnusable(f"The store {store} cannot be read: {error}. {RESTORE}") from error
    return Health(users, tokens, outdated=False, faults=tuple(faults), warnings=warnings)


def _warnings(connection: sqlite3.Connection, users: int) -> Iterator[str]:
    if users and not _count(connection, "SELECT count(*) FROM users WHERE scopes = ?", int(Scope.ADMIN)):
        yield "no user is an administrator: nymead-users user scopes NAME admin"
    if hashes := _count(connection, "SELECT count(*) FROM users WHERE password_hash LIKE ?", f"{_NYMEAD}%"):
        yield (
            f"passwords still hashed as nymead does it, which is quick to guess at if the store is stolen: {hashes:,}."
            " Each is hashed anew at its user's next login"
        )


def _count(connection: sqlite3.Connection, statement: str, *values: int | str) -> int:
    return int(connection.execute(statement, values).fetchone()[0])


def _server(connection: sqlite3.Connection) -> Iterator[str]:
    rows = connection.execute("SELECT uuid FROM server").fetchall()
    if len(rows) != 1 or not _is_uuid(rows[0]["uuid"]):
        yield "the server's identity is not one uuid"


def _users(connection: sqlite3.Connection) -> Iterator[str]:
    for row in connection.execute("SELECT username, password_hash, scopes, allowed_thing_ids FROM users"):
        name = f"user {row['username']!r}"
        if row["username"] != row["username"].lower():
            yield f"{name}: the name is not in lower case, so nobody can log in by it"
        if not _consistent(row["scopes"]):
            yield f"{name}: the permissions {row['scopes']} contradict one another"
        if not _are_uuids(row["allowed_thing_ids"]):
            yield f"{name}: the allowed things are not a list of uuids"
        if row["password_hash"] is not None and not row["password_hash"].startswith(("$argon2id$", _NYMEAD)):
            yield f"{name}: the password's hash is none of Argon2id"


def _tokens(connection: sqlite3.Connection) -> Iterator[str]:
    for row in connection.execute("SELECT id, length(digest) AS length FROM tokens"):
        if not _is_uuid(row["id"]):
            yield f"token {row['id']!r}: the id is no uuid"
        if row["length"] != 32:
            yield f"token {row['id']!r}: the digest has {row['length']} bytes, not 32"


def _consistent(scopes: object) -> bool:
    return isinstance(scopes, int) and 0 <= scopes <= Scope.ADMIN and Scope(scopes).consistent


def _are_uuids(text: Any) -> bool:
    try:
        listed = json.loads(text)
    except (TypeError, ValueError):
        return False
    return isinstance(listed, list) and all(map(_is_uuid, listed))


def _is_uuid(text: Any) -> bool:
    try:
        return isinstance(text, str) and str(UUID(text)) == text
    except (AttributeError, TypeError, ValueError):
        return False
