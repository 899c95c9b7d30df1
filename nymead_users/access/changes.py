"""What has happened to the model of access. Each is published once, after what it tells of is stored.

``locks`` are the locks that it concerns: who may see one of them may hear of it, and who may see all locks.

An access key is a credential with its levels and its person's names: it is added or changed beside what it is made of,
and gone with its credential, of which alone is told then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nymead_users.access.model import (
    AccessKey,
    Credential,
    Grant,
    Lock,
    LockGroup,
    LogEntry,
    Membership,
    Owner,
    Person,
    Role,
)

Thing = Owner | Person | Lock | LockGroup | Membership | Credential | Grant | Role | AccessKey


@dataclass(frozen=True, slots=True)
class Added:
    """Something was made."""

    thing: Thing
    locks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Changed:
    """Something is different."""

    thing: Thing
    locks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Removed:
    """Something is gone; it is as it was last."""

    thing: Thing
    locks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decided:
    """A lock reported an attempt, which was decided."""

    entry: LogEntry


@dataclass(frozen=True, slots=True)
class Touched:
    """A grant is as it was, but has other uses, or another operation is under way or has failed."""

    thing: Grant
    locks: frozenset[str]


@dataclass(frozen=True, slots=True)
class SyncDue:
    """There is something that a lock must hear of."""

    lock_id: str


Change = Added | Changed | Removed | Touched | Decided | SyncDue


@dataclass(frozen=True, slots=True)
class Moment:
    """When a change happens and on whose behalf: the same for all that one call does."""

    at: datetime
    by: str
