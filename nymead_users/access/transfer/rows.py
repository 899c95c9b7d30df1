"""Rows of lists that are carried from one server to another, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from nymead_users.access.people import KEEP

T = TypeVar("T")

#: Rows written at a time: some milliseconds of work, after which others have their turn.
PART = 250

#: Seconds of work after which others have their turn.
TURN = 0.005


class Kind(StrEnum):
    """The lists, each after those that it refers to."""

    OWNERS = "owners"
    USERS = "users"
    PERSONS = "persons"
    LOCKS = "locks"
    GROUPS = "lockGroups"
    KEYS = "keys"
    ROLES = "roles"
    GRANTS = "grants"


class Outcome(StrEnum):
    """What becomes of a row."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class Note(StrEnum):
    """What is to be known about a row beyond its outcome."""

    NO_PASSWORD = "noPassword"  # noqa: S105 - a user who has none, and cannot log in
    PASSWORD_KEPT = "passwordKept"  # noqa: S105 - one was given for a user who is there already
    PIN_UNKNOWN = "pinUnknown"  # the key wants a PIN that nobody knows


@dataclass(slots=True)
class Row:
    """One row of a list, the ``number``-th from 0.

    ``id``: a username for users; None where the row has none. ``values``: what is given, by the names of the model's
    fields; of users ``scopes`` and ``allowed_thing_ids``, of groups ``lock_ids``. ``secret``: a new password or PIN,
    None for no PIN, KEEP where nothing is said of it. ``wants_pin``: whether a new key without a PIN wants one
    nevertheless. ``by_phone``: a person without id may be the one who has the phone number.
    """

    number: int
    id: str | None
    values: dict[str, Any] = field(repr=False)
    secret: Any = field(default=KEEP, repr=False)
    wants_pin: bool = False
    notes: tuple[Note, ...] = ()
    by_phone: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a row. ``fields``: what changes, by the model's names; ``secret`` for a PIN."""

    kind: Kind
    number: int
    id: str
    label: str
    outcome: Outcome
    fields: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row cannot be taken. ``field`` is the API's name of what is wrong, "" for all of it."""

    kind: Kind
    number: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What becomes of all rows, or would; ``stored``: it has."""

    stored: bool
    verdicts: tuple[Verdict, ...]
    faults: tuple[Fault, ...]


def told(refusal: Exception) -> tuple[str, str]:
    """What a refusal is about, by the API's name of it ("" where it does not say), and the reason."""
    name, colon, reason = str(refusal).partition(": ")
    if colon and all(part.partition("[")[0].isidentifier() for part in name.split(", ")):
        return name, reason
    return "", str(refusal)


class Turns:
    """Gives others their turn in between."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()

    async def __call__(self) -> None:
        """Let others have their turn, if it is time."""
        if self._loop.time() - self._since > TURN:
            await asyncio.sleep(0)
            self._since = self._loop.time()


def parts(items: Sequence[T]) -> list[Sequence[T]]:
    """The items, PART at a time."""
    return [items[begin : begin + PART] for begin in range(0, len(items), PART)]
