"""The user database of nymead, nymea's own server: read, never written. Everything here blocks.

It is a SQLite file, by default ``/var/lib/nymea/user-db.sqlite``, which nymead has brought through these versions:

====  =====================================================================================================
0     ``users(username, password, salt)`` and ``tokens(id, username, token, creationdate, devicename)``;
      names are e-mail addresses, everybody may do everything, and the button's tokens have no user
1     ``metadata(key, data)`` with a ``version``; users also have ``email``, ``displayName`` and ``scopes``
2     users also have ``allowedThingIds``, and PermissionScopeAccessAllThings means something
====  =====================================================================================================

What an older version lacks is made up for as nymead does when it upgrades one.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from nymead_users.identity.passwords import from_nymead
from nymead_users.identity.takeover import Account, IssuedToken
from nymead_users.identity.tokens import TokenInfo, digest
from nymead_users.permissions import SCOPE_NAMES, Scope, User
from nymead_users.storage.storefile import BUSY_TIMEOUT, connect, locked

#: The newest version that is known here.
NEWEST = 2

_USERS = ("username", "password", "salt")
_LATER = ("email", "displayName", "scopes", "allowedThingIds")
_TOKENS = ("id", "username", "token", "creationdate", "devicename")

#: The id that nymead keeps for none: an empty list of things, read and written again, has it in it.
_NO_THING = UUID(int=0)

#: The fewest characters of a token. nymead makes 44, a SHA-256 digest in base64; what has next to none can be guessed.
_TOKEN = 16


class NotReadable(Exception):
    """There is no such database, or it can't be read; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that makes no user or token, and why: the user's name, and the token's id, or else the row's number."""

    username: str
    reason: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a database: users and tokens, and the rows of each that make none."""

    accounts: tuple[Account, ...]
    tokens: tuple[IssuedToken, ...]
    unread_users: tuple[Unread, ...]
    unread_tokens: tuple[Unread, ...]


def read(path: Path) -> Content:
    """Read a database, also one that nymead is using. Raises NotReadable."""
    path = path.absolute()
    try:
        if not path.is_file():
            raise NotReadable(f"{path} is not there, or is no file.")
        with path.open("rb"):
            pass  # SQLite does not say why it can't
    except OSError as error:
        raise NotReadable(
            f"{path} cannot be read: {error.strerror}. Copy it to where this user may read it."
        ) from error
    try:
        with closing(connect(path, "ro", BUSY_TIMEOUT)) as connection:
            connection.text_factory = bytes  # a text that is none is a matter of its row
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("BEGIN")
            if connection.execute("PRAGMA quick_check(1)").fetchone() != (b"ok",):
                raise NotReadable(f"{path} is damaged: repair it, or take a copy from before.")
            return _content(connection, path)
    except sqlite3.Error as error:
        if locked(error):
            raise NotReadable(f"{path} is locked by another program. Try again.") from error
        raise NotReadable(f"{path} cannot be read: {error}. Is it nymead's user database, and whole?") from error


def _content(connection: sqlite3.Connection, path: Path) -> Content:
    columns = {table: _columns(connection, table) for table in ("users", "tokens", "metadata")}
    for table, wanted in (("users", _USERS), ("tokens", _TOKENS)):
        if missing := [column for column in wanted if column.lower() not in columns[table]]:
            lacking = f"its table {table} has no {', no '.join(missing)}" if columns[table] else f"no table {table}"
            raise NotReadable(f"{path} is not nymead's user database: {lacking}.")
    later = tuple(column for column in _LATER if column.lower() in columns["users"])
    version = _version(connection, path) if {"key", "data"} <= columns["metadata"] else None
    # An upgrade adds the column first, and adapts the permissions then.
    restricted = "allowedThingIds" in later and version in (None, NEWEST)

    accounts, unread_users = [], []
    for number, row in _rows(connection, "users", (*_USERS, *later)):
        try:
            accounts.append(_account(row, restricted=restricted))
        except ValueError as error:
            unread_users.append(Unread(_shown(row, "username").lower() or f"row {number}", str(error)))
    lost = {unread.username for unread in unread_users}
    tokens, unread_tokens = [], []
    for number, row in _rows(connection, "tokens", _TOKENS):
        username, reason = _shown(row, "username").lower(), "its user is not taken over"
        try:
            token = _token(row)
            if username not in lost:
                tokens.append(token)
                continue
        except ValueError as error:
            reason = str(error)
        unread_tokens.append(Unread(username, reason, _shown(row, "id").strip("{}") or f"row {number}"))
    if "" in {token.info.username for token in tokens} - {account.user.username for account in accounts}:
        # nymead makes an administrator for the button's tokens, at a start or at the next press.
        accounts.append(Account(User("", "", "", Scope.ADMIN, ()), None))
    return Content(tuple(accounts), tuple(tokens), tuple(unread_users), tuple(unread_tokens))


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """The columns of a table in lower case; none without such a table: a view can have rows without an end."""
    kind = connection.execute("SELECT type FROM sqlite_master WHERE lower(name) = ?", (table,)).fetchone()
    if kind != (b"table",):
        return set()
    return {row[1].decode(errors="replace").lower() for row in connection.execute(f"PRAGMA table_info({table})")}


def _version(connection: sqlite3.Connection, path: Path) -> int | None:
    """The version that the database says it has; None where it says nothing. Raises NotReadable for an unknown one."""
    row = connection.execute("SELECT data FROM metadata WHERE key = 'version'").fetchone()
    if row is None:
        return None
    stated = row[0].decode(errors="replace") if isinstance(row[0], bytes) else str(row[0])
    if stated not in map(str, range(NEWEST + 1)):
        raise NotReadable(f"{path} is nymead's user database of version {stated!r}: only 0 to {NEWEST} are known here.")
    return int(stated)


def _rows(connection: sqlite3.Connection, table: str, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    statement = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - both are named above
    for number, row in enumerate(connection.execute(statement), 1):
        yield number, dict(zip(columns, row, strict=True))


def _account(row: dict[str, Any], *, restricted: bool) -> Account:
    """The user in a row; ``restricted``: whether access to all things is a permission of its own already."""
    username = _name(row)
    scopes = read_scopes(_text(row, "scopes")) if "scopes" in row else Scope.ADMIN
    if not restricted:
        scopes |= Scope.ACCESS_ALL_THINGS
    user = User(
        username,
        _text(row, "email") if "email" in row else username,
        _text(row, "displayName"),
        scopes,
        read_things(_text(row, "allowedThingIds")),
    )
    # Nobody logs in by password as the push button's user.
    return Account(user, from_nymead(_text(row, "salt"), _text(row, "password")) if username else None)


def _token(row: dict[str, Any]) -> IssuedToken:
    info = TokenInfo(
        read_uuid(_text(row, "id")),
        _name(row),
        read_moment(_text(row, "creationdate")),
        _text(row, "devicename"),
    )
    value = _text(row, "token")
    if len(value) < _TOKEN:
        raise ValueError(f"token is shorter than {_TOKEN} characters")
    return IssuedToken(info, digest(value))


def read_scopes(text: str) -> Scope:
    """Permissions as nymead writes them: names, separated by commas. Raises ValueError naming an unknown one."""
    scopes = Scope.NONE
    for name in filter(None, text.split(",")):
        if name not in SCOPE_NAMES:
            raise ValueError(f"scopes has an unknown permission, {name!r}")
        scopes |= SCOPE_NAMES[name]
    return scopes


def read_things(text: str) -> tuple[UUID, ...]:
    """Things as nymead writes them: uuids, separated by commas. Raises ValueError."""
    try:
        things = dict.fromkeys(map(read_uuid, filter(None, text.split(","))))
    except ValueError as error:
        raise ValueError(f"allowedThingIds: {error}") from None
    things.pop(_NO_THING, None)
    return tuple(things)


_UUID = re.compile(r"[{]?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})[}]?", re.ASCII | re.IGNORECASE)


def read_uuid(text: str) -> UUID:
    """A uuid as nymead writes it, in braces or without. Raises ValueError."""
    found = _UUID.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:50]!r} is no uuid")
    return UUID(found[1])


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", re.ASCII)


def read_moment(text: str) -> int:
    """A time as nymead writes it, in this machine's zone, as seconds since the epoch. Raises ValueError.

    What a clock said that had never been set is the epoch itself at the earliest.
    """
    try:
        if _MOMENT.fullmatch(text):
            return max(0, int(datetime.fromisoformat(text).timestamp()))
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError(f"creationdate: {text[:50]!r} is no time such as 2024-01-31 18:30:00")


def _name(row: dict[str, Any]) -> str:
    """A row's username, in lower case as nymead has it; the empty one, the push button's, is another than none."""
    if row["username"] is None:
        raise ValueError("username is missing")
    return _text(row, "username").lower()


def _text(row: dict[str, Any], column: str) -> str:
    """A column's text; nymead has nothing in the place of an empty one. Raises ValueError."""
    value = row.get(column)
    if value is None:
        return ""
    try:
        if isinstance(value, bytes):
            return value.decode()
    except UnicodeDecodeError:
        pass
    raise ValueError(f"{column} is no text")


def _shown(row: dict[str, Any], column: str) -> str:
    """What names a row, where that is a text."""
    try:
        return _text(row, column)
    except ValueError:
        return ""
