"""What the model of access is made of, as the domain speaks of it.

All ids are uuids as text, in lower case with hyphens. Moments are aware datetimes in UTC, to the millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

#: The locks that somebody may know of; None for all.
Sight = frozenset[str] | None


class GrantState(StrEnum):
    """How far a grant is on its way to the locks that it concerns."""

    PENDING = "pending"  # not all of them have heard of it as it is
    ACTIVE = "active"
    REVOKING = "revoking"  # revoked, but not all of them have heard
    REVOKED = "revoked"
    FAILED = "failed"  # a lock could not take it when it last tried


class SyncEntity(StrEnum):
    """What a lock hears of."""

    GRANT = "grant"
    MEMBERSHIP = "membership"


class SyncOperation(StrEnum):
    """What has happened to it."""

    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"


class AccessEventKind(StrEnum):
    """What an entry of the log tells of."""

    DECISION = "decision"
    CHANGE = "change"
    SYNC = "sync"


class CredentialType(StrEnum):
    """What a credential is; its value is canonical by this."""

    CODE = "code"  # decimal digits
    PROXIMITY = "proximity"  # a number of 13 decimal digits
    PHONE = "phone"  # a number in E.164


class AccessKeyStatus(StrEnum):
    """How far an access key is on its way to the locks of its levels, in IntServ's words."""

    NOT_APPLIED = "NotApplied"  # no lock has it, and none is to
    PENDING = "Pending"
    APPLIED = "Applied"
    PARTIALLY_APPLIED = "PartiallyApplied"  # some locks have it as it is, others do not yet
    FAILED = "Failed"  # none has it as it is, and one could not take it


class GrantKind(IntEnum):
    """What somebody opens with by a grant, in Nuki's numbers."""

    APP = 0
    BRIDGE = 1
    FOB = 2
    KEYPAD = 3
    KEYPAD_CODE = 13


@dataclass(frozen=True, slots=True)
class Owner:
    """A site: what belongs together."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who walks in. ``number`` counts up within the owner; ``username`` is the linked user's, if there is one."""

    id: str
    owner_id: str
    number: int
    first_name: str
    last_name: str
    email: str
    phone: str
    username: str | None
    enabled: bool


@dataclass(frozen=True, slots=True)
class Lock:
    """A door's lock. ``pending``: how much it must still hear of. ``virtual``: nobody but the server speaks for it.

    ``bridge``: the name of the user who speaks for it, who is at its bridge, if there is one.
    """

    id: str
    owner_id: str
    title: str
    description: str
    time_zone: str
    protocol_version: int
    system_id: str
    virtual: bool
    active: bool
    rcl_serial_no: int
    rcl_date: datetime | None
    last_seen_rcl_serial_no: int | None
    pending: int = 0
    bridge: str | None = None


@dataclass(frozen=True, slots=True)
class LockGroup:
    """Locks that are granted together."""

    id: str
    owner_id: str
    title: str
    description: str
    active: bool
    rcl_serial_no: int
    rcl_date: datetime | None


@dataclass(frozen=True, slots=True)
class Membership:
    """A lock's time in a group. It is an effective member from ``join_completed`` to ``leave_completed``."""

    id: str
    lock_id: str
    group_id: str
    join_start: datetime
    join_completed: datetime | None
    leave_start: datetime | None
    leave_completed: datetime | None
    last_seen_rcl_serial_no: int | None
    last_seen_rcl_update_date: datetime | None


@dataclass(frozen=True, slots=True)
class Credential:
    """What somebody shows at a door. The PIN is never in here, only whether there is one.

    ``lock_id``: the only lock that knows it; it opens that one by its own grants alone, never by its person's. None for
    what is known everywhere. ``valid_from`` and ``valid_before``: the window that an access key was given.
    """

    id: str
    owner_id: str
    person_id: str | None
    type: CredentialType
    value: str = field(repr=False)
    has_pin: bool
    enabled: bool
    locked_until: datetime | None
    lock_id: str | None = None
    valid_from: datetime | None = None
    valid_before: datetime | None = None

    @property
    def is_access_key(self) -> bool:
        """Whether it is an access key: a key or code that is known everywhere."""
        return self.lock_id is None and self.type in (CredentialType.PROXIMITY, CredentialType.CODE)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A credential as IntServ speaks of it, and by the same id.

    ``levels``: the lock groups for which the credential itself has a grant that is not revoked, sorted by their ids.
    ``valid_from`` and ``valid_before``: the window it was given; a grant that was changed by itself may have another
    one. ``first_name`` and ``last_name`` are the person's, "" where nobody has the key.
    """

    id: str
    owner_id: str
    type: CredentialType
    value: str = field(repr=False)
    valid_from: datetime | None
    valid_before: datetime | None
    levels: tuple[str, ...]
    person_id: str | None
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class Role:
    """A person may share a lock, if ``can_share``: issue grants for it. There is one of a person at a lock.

    ``user_id`` is the person's phone number, by which the role is known. ``user_name``: what the person is called at
    this lock. ``created_keys`` counts the grants that it ever issued.
    """

    id: str
    person_id: str
    lock_id: str
    user_id: str
    user_name: str
    can_share: bool
    created: datetime
    created_keys: int


@dataclass(frozen=True, slots=True)
class Grant:
    """One subject may open one target. ``schedule`` is in the API's form; ``issuer`` is "" for the operator.

    ``shared_by``: the person who shared it, who may be gone. ``uses`` counts the times that a lock reported to have
    opened by it. From its subject: ``holder_id`` and ``holder_number``, the person in the end, ``holder_phone`` if it
    was shared with them, and ``code``, if it is one. From what is due: ``operation_id``, the last change that is under
    way to its locks, and ``sync_error``, why one of them could not take a change when it last tried.
    """

    id: str
    owner_id: str
    person_id: str | None
    credential_id: str | None
    lock_id: str | None
    group_id: str | None
    valid_from: datetime | None
    valid_before: datetime | None
    schedule: dict[str, Any] | None
    enabled: bool
    remote_allowed: bool
    revoked: datetime | None
    issuer: str
    created: datetime
    name: str
    updated: datetime
    uses: int
    last_used: datetime | None
    shared_by: str | None
    kind: GrantKind
    holder_id: str | None
    holder_number: int | None
    holder_phone: str | None
    code: str | None = field(repr=False)
    operation_id: str | None
    sync_error: str | None
    state: GrantState


@dataclass(frozen=True, slots=True)
class SyncItem:
    """One thing that a lock must hear of; items are heard in the order of their numbers."""

    number: int
    id: str
    lock_id: str
    entity: SyncEntity
    entity_id: str
    op: SyncOperation
    payload: dict[str, Any]
    created: datetime
    error: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of the log. ``number`` counts up; ``code`` is IntServ's number of the event, for decisions."""

    number: int
    id: str
    time: datetime
    kind: AccessEventKind
    lock_id: str | None
    person_id: str | None
    credential_id: str | None
    allowed: bool | None
    reason: str
    code: int | None
    details: dict[str, Any]


class Confirmation(NamedTuple):
    """What a lock says of an item: that it has taken it, or why it could not."""

    item_id: str
    error: str | None
