"""User databases as nymead's versions write them."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from conftest import PASSWORD

VERSIONS = (0, 1, 2)

_VERSION_1 = (
    "username VARCHAR(40) UNIQUE PRIMARY KEY, email VARCHAR(40), displayName VARCHAR(40), password VARCHAR(100),"
    " salt VARCHAR(100), scopes TEXT"
)
#: The columns of users, by version.
USERS = (
    "username VARCHAR(40) UNIQUE, password VARCHAR(100), salt VARCHAR(100)",
    _VERSION_1,
    f"{_VERSION_1}, allowedThingIds TEXT",
)
TOKENS = (
    "id VARCHAR(40) UNIQUE, username VARCHAR(40), token VARCHAR(100) UNIQUE, creationdate DATETIME,"
    " devicename VARCHAR(40)"
)

LAMP, DOOR = "11111111-aaaa-4bbb-8ccc-000000000001", "22222222-aaaa-4bbb-8ccc-000000000002"


@dataclass(frozen=True)
class Token:
    """A token as its client and its row have it."""

    value: str
    id: str


class NymeadDatabase:
    """A database of one version, into which rows are written as nymead does."""

    def __init__(self, path: Path, version: int = 2) -> None:
        self.path = path
        self.version = version
        self.execute(f"CREATE TABLE users ({USERS[version]})")
        self.execute(f"CREATE TABLE tokens ({TOKENS})")
        if version:
            self.execute("CREATE TABLE metadata (key VARCHAR(10), data VARCHAR(40))")
            self.execute("INSERT INTO metadata (key, data) VALUES ('version', ?)", version)

    def execute(self, statement: str, *values: object) -> list[Any]:
        """Run one statement of any kind."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def insert(self, table: str, row: Mapping[str, object]) -> None:
        marks = ", ".join("?" * len(row))
        self.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values())  # noqa: S608

    def add_user(
        self,
        username: str,
        scopes: str = "PermissionScopeAdmin",
        things: Sequence[str] = (),
        password: str = PASSWORD,
        **columns: object,
    ) -> None:
        """A user; ``scopes`` and ``things`` where the version has them, other columns as they are given."""
        salt = str(uuid4())
        digest = hashlib.sha512((password + salt).encode()).digest()
        row: dict[str, object] = {
            "username": username,
            "password": base64.b64encode(digest).decode(),
            "salt": salt,
        }
        if self.version >= 1:
            row |= {"email": None, "displayName": None, "scopes": scopes}
        if self.version >= 2:
            row["allowedThingIds"] = ",".join(f"{{{thing}}}" for thing in things) or None
        self.insert("users", {**row, **columns})

    def add_button_user(self) -> None:
        """The user that the push button makes."""
        self.insert("users", {"username": "", "password": "", "salt": "", "scopes": "PermissionScopeAdmin"})

    def add_token(self, username: str, device: object = "phone", **columns: object) -> Token:
        """A token of a user."""
        value = base64.b64encode(hashlib.sha256(uuid4().bytes).digest()).decode()
        token = Token(value, str(uuid4()))
        row = {
            "id": f"{{{token.id}}}",
            "username": username,
            "token": value,
            "creationdate": "2024-05-06 07:08:09",
            "devicename": device,
        }
        self.insert("tokens", {**row, **columns})
        return token


def a_family(path: Path, version: int = 2) -> tuple[NymeadDatabase, dict[str, Token]]:
    """Two users and the push button's, each with a device; the tokens by the names.

    Alice is an administrator, and a guest may control a lamp and a door where the version knows of such things.
    """
    database = NymeadDatabase(path, version)
    alice, guest = ("alice", "guest") if version else ("alice@home.org", "guest@home.org")
    database.add_user(alice)
    database.add_user(guest, "PermissionScopeControlThings", [LAMP, DOOR])
    if version:
        database.add_button_user()
    devices = {alice: "alice's phone", guest: "guest's phone", "": "wall panel"}
    return database, {name: database.add_token(name, device) for name, device in devices.items()}
