"""Params, returns and types of the LockRoles namespace; names are those of seed 001."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, NotRequired

from pydantic import BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from nymead_users.access.model import Grant, GrantState, Role
from nymead_users.access.schedule import Schedule
from nymead_users.namespaces.answers import without_none
from nymead_users.namespaces.types import Text, Uint
from nymead_users.namespaces.values import Id, Time, shown_time, word_of
from nymead_users.rpc.namespace import Omissible, Params, wire_type

#: The longest page of a list, and how long one is if nothing is said.
MAX_ROLES, USUAL_ROLES = 1000, 100

#: The most keys that a call can name.
MAX_KEYS = 1000


class LockRoleError(StrEnum):
    """The outcome of a method of the LockRoles namespace."""

    NO_ERROR = "LockRoleErrorNoError"
    BACKEND_ERROR = "LockRoleErrorBackendError"
    PERMISSION_DENIED = "LockRoleErrorPermissionDenied"
    INVALID_PARAMETER = "LockRoleErrorInvalidParameter"
    LOCK_HOLDER_NOT_FOUND = "LockRoleErrorLockHolderNotFound"
    LOCK_NOT_FOUND = "LockRoleErrorLockNotFound"
    INVALID_USER_ID = "LockRoleErrorInvalidUserId"
    ROLE_NOT_FOUND = "LockRoleErrorRoleNotFound"
    SHARING_NOT_ALLOWED = "LockRoleErrorSharingNotAllowed"
    KEY_NOT_PERMANENT = "LockRoleErrorKeyNotPermanent"
    KEY_NOT_FOUND = "LockRoleErrorKeyNotFound"


def _user_id(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    raise ValueError("Expected a phone number, as a text or a whole number")


#: A phone number in any spelling, as a text or, as seed 001 has it, too, as a whole number.
UserId = Annotated[
    str, BeforeValidator(_user_id), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]})
]


@wire_type
class LockRole(TypedDict):
    """What somebody may do with a lock beside opening it."""

    id: Annotated[Id, Field(description="The role's id, after which a list can go on.")]
    userId: Annotated[str, Field(description="Whose: a person's phone number, in E.164.")]
    userName: NotRequired[Annotated[str, Field(description="What the person is called at this lock.")]]
    lockId: Annotated[Id, Field(description="At which lock.")]
    canShare: Annotated[bool, Field(description="Whether the person can share keys for it.")]
    created: Annotated[Time, Field(description="When the role was made.")]
    createdKeys: Annotated[Uint, Field(description="How many keys it ever shared.")]


@wire_type
class KeyPeriod(TypedDict):
    """A time of a day, in the lock's local time. One that does not end after its begin ends on the next day."""

    startHour: Annotated[int, Field(description="When it begins: 0 to 23.")]
    startMinute: Annotated[int, Field(description="0 to 59.")]
    endHour: Annotated[int, Field(description="When it ends: 0 to 24.")]
    endMinute: Annotated[int, Field(description="0 to 59.")]


@wire_type
class KeyRecurrence(TypedDict):
    """When a key opens in a week: on these days, at these times."""

    mon: NotRequired[Annotated[KeyPeriod, Field(description="On Mondays.")]]
    tue: NotRequired[Annotated[KeyPeriod, Field(description="On Tuesdays.")]]
    wed: NotRequired[Annotated[KeyPeriod, Field(description="On Wednesdays.")]]
    thu: NotRequired[Annotated[KeyPeriod, Field(description="On Thursdays.")]]
    fri: NotRequired[Annotated[KeyPeriod, Field(description="On Fridays.")]]
    sat: NotRequired[Annotated[KeyPeriod, Field(description="On Saturdays.")]]
    sun: NotRequired[Annotated[KeyPeriod, Field(description="On Sundays.")]]


@wire_type
class SharedKey(TypedDict):
    """A grant that somebody has shared."""

    id: Annotated[Id, Field(description="The grant's id.")]
    lockId: Annotated[Id, Field(description="What it opens.")]
    userId: Annotated[
        str, Field(description="Whom it lets in: a person's phone number, in E.164; empty if they have none any more.")
    ]
    sharedBy: Annotated[Id, Field(description="The id of the person who shared it, who may be gone.")]
    name: NotRequired[Annotated[str, Field(description="What it is called.")]]
    start: NotRequired[Annotated[Time, Field(description="From when on.")]]
    end: NotRequired[Annotated[Time, Field(description="Until before when; without it, for good.")]]
    recurrence: NotRequired[
        Annotated[
            KeyRecurrence,
            Field(description="When, within that; without it at all times, or by a schedule of another form."),
        ]
    ]
    state: Annotated[GrantState, word_of(GrantState), Field(description="How far it is on its way to the lock.")]
    created: Annotated[Time, Field(description="When it was shared.")]


# Params

_HOLDER = "Whose locks: the id of an owner."
_USER = "Whose role: a phone number with its country code, as a text or a whole number."
_SHARER = "Who shares: a phone number with its country code, as a text or a whole number."


class GetRolesParams(Params):
    """Params of GetRoles."""

    lockHolderId: Id = Field(description=_HOLDER)
    limit: Omissible[Annotated[int, Field(ge=1, le=MAX_ROLES)]] = Field(
        None, description="How many at the most; left out: 100."
    )
    startAfterId: Omissible[Id] = Field(None, description="The id of the last role that came before.")


class GetLockRolesParams(Params):
    """Params of GetLockRoles."""

    lockHolderId: Id = Field(description=_HOLDER)
    lockId: Id = Field(description="Which lock.")
    limit: Omissible[Annotated[int, Field(ge=1, le=MAX_ROLES)]] = Field(
        None, description="How many at the most; left out: 100."
    )
    startAfterId: Omissible[Id] = Field(None, description="The id of the last role that came before.")


class SetRoleParams(Params):
    """Params of SetRole."""

    lockHolderId: Id = Field(description=_HOLDER)
    lockId: Id = Field(description="At which lock.")
    userId: UserId = Field(description=_USER)
    canShare: bool = Field(description="Whether the person can share keys for it.")
    userName: Omissible[Text] = Field(None, description="What the person is called at this lock.")


class RemoveRoleParams(Params):
    """Params of RemoveRole."""

    lockHolderId: Id = Field(description=_HOLDER)
    lockId: Id = Field(description="At which lock.")
    userId: UserId = Field(description=_USER)


class ShareKeyParams(Params):
    """Params of ShareKey."""

    lockId: Id = Field(description="What it opens.")
    userId: UserId = Field(description=_SHARER)
    toUserId: UserId = Field(description="Whom it lets in: a phone number likewise.")
    start: Omissible[Time] = Field(None, description="From when on; left out: now.")
    end: Omissible[Time] = Field(None, description="Until before when; left out: for good.")
    recurrence: Omissible[KeyRecurrence] = Field(None, description="When, within that; left out: at all times.")
    name: Omissible[Text] = Field(None, description="What it is called.")


class GetSharedKeysParams(Params):
    """Params of GetSharedKeys."""

    lockId: Id = Field(description="At which lock.")
    userId: UserId = Field(description=_SHARER)


class RevokeSharedKeysParams(Params):
    """Params of RevokeSharedKeys."""

    lockId: Id = Field(description="At which lock.")
    userId: UserId = Field(description=_SHARER)
    toUserId: Omissible[UserId] = Field(None, description="Only keys that let this person in: a phone number likewise.")
    ids: Omissible[Annotated[list[Id], Field(max_length=MAX_KEYS, fail_fast=True)]] = Field(
        None, description="Only these keys."
    )


# Returns


@wire_type
class LockRoleErrorReturns(TypedDict):
    """The outcome alone."""

    error: Annotated[LockRoleError, Field(description="The outcome.")]
    errorMessage: NotRequired[Annotated[str, Field(description="What is wrong, in words.")]]


@wire_type
class RolesReturns(LockRoleErrorReturns):
    """Returns of GetRoles and GetLockRoles."""

    roles: NotRequired[Annotated[list[LockRole], Field(description="The roles, oldest first.")]]


@wire_type
class RoleReturns(LockRoleErrorReturns):
    """Returns of SetRole."""

    role: NotRequired[Annotated[LockRole, Field(description="The role as it is now.")]]


@wire_type
class KeyReturns(LockRoleErrorReturns):
    """Returns of ShareKey."""

    key: NotRequired[Annotated[SharedKey, Field(description="The key.")]]


@wire_type
class KeysReturns(LockRoleErrorReturns):
    """Returns of GetSharedKeys and RevokeSharedKeys."""

    keys: NotRequired[Annotated[list[SharedKey], Field(description="The keys as they are now, oldest first.")]]


# Notifications


@wire_type
class RoleNotification(TypedDict):
    """Params of RoleAdded and RoleChanged."""

    role: Annotated[LockRole, Field(description="The role as it is now.")]


@wire_type
class KeyNotification(TypedDict):
    """Params of KeyAdded and KeyChanged."""

    key: Annotated[SharedKey, Field(description="The key as it is now.")]


@wire_type
class GoneNotification(TypedDict):
    """Params of RoleRemoved and KeyRemoved."""

    id: Annotated[Id, Field(description="Which one.")]
    lockId: Annotated[Id, Field(description="At which lock it was.")]
    userId: Annotated[str, Field(description="Whose it was: the phone number, as it was told before.")]


# How the domain's things are shown


def role_info(role: Role) -> dict[str, Any]:
    """A role as the API shows it."""
    return without_none(
        {
            "id": role.id,
            "userId": role.user_id,
            "userName": role.user_name or None,
            "lockId": role.lock_id,
            "canShare": role.can_share,
            "created": shown_time(role.created),
            "createdKeys": role.created_keys,
        }
    )


def key_info(grant: Grant) -> dict[str, Any]:
    """A shared grant as the API shows it."""
    return without_none(
        {
            "id": grant.id,
            "lockId": grant.lock_id,
            "userId": grant.holder_phone or "",
            "sharedBy": grant.shared_by,
            "name": grant.name or None,
            "start": shown_time(grant.valid_from),
            "end": shown_time(grant.valid_before),
            "recurrence": None if grant.schedule is None else Schedule.parse(grant.schedule).as_unloc(),
            "state": grant.state,
            "created": shown_time(grant.created),
        }
    )
