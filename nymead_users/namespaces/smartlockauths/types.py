"""Params, returns and types of the SmartlockAuths namespace; names are those of seed 000 and Nuki's web API."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from nymead_users.access.model import Grant
from nymead_users.access.schedule import Schedule as Windows
from nymead_users.namespaces.answers import without_none
from nymead_users.namespaces.types import Text, Uint
from nymead_users.namespaces.values import Id, Int, Number, Schedule, Time, shown_time
from nymead_users.rpc.namespace import Omissible, Params, wire_type

#: So many locks or authorizations one call changes, at the most.
MAX_AT_ONCE = 100

#: The longest page, and how long one is unless told.
MAX_PAGE, PAGE = 1000, 100

_Code = Annotated[str, Field(max_length=16)]


class SmartlockAuthError(StrEnum):
    """The outcome of a method of the SmartlockAuths namespace."""

    NO_ERROR = "SmartlockAuthErrorNoError"
    BACKEND_ERROR = "SmartlockAuthErrorBackendError"
    PERMISSION_DENIED = "SmartlockAuthErrorPermissionDenied"
    INVALID_PARAMETER = "SmartlockAuthErrorInvalidParameter"
    SMARTLOCK_NOT_FOUND = "SmartlockAuthErrorSmartlockNotFound"
    AUTH_NOT_FOUND = "SmartlockAuthErrorAuthNotFound"
    ACCOUNT_USER_NOT_FOUND = "SmartlockAuthErrorAccountUserNotFound"
    CONFLICT = "SmartlockAuthErrorConflict"
    NAME_TOO_LONG = "SmartlockAuthErrorNameTooLong"
    LOCKED = "SmartlockAuthErrorLocked"


@wire_type
class SmartlockAuth(TypedDict):
    """Somebody may open a smart lock: a grant at this lock."""

    id: Annotated[Id, Field(description="The authorization's id, which is its grant's.")]
    smartlockId: Annotated[Id, Field(description="The lock.")]
    accountUserId: NotRequired[Annotated[Uint, Field(description="Whose it is: a person, by number.")]]
    type: Annotated[
        Uint, Field(description="What opens by it: 0 app, 1 bridge, 2 fob, 3 keypad, 13 a code at the keypad.")
    ]
    name: Annotated[str, Field(description="What people call it.")]
    enabled: Annotated[bool, Field(description="Whether it counts; one that was removed does not.")]
    remoteAllowed: Annotated[bool, Field(description="Whether it opens from afar, too.")]
    lockCount: Annotated[Uint, Field(description="How often the lock has reported to have opened by it.")]
    code: NotRequired[
        Annotated[
            str,
            Field(
                description="Of type 13: the code. Only administrators read it; AuthAdded and AuthChanged are without."
            ),
        ]
    ]
    allowedFromDate: NotRequired[Annotated[Time, Field(description="From when on.")]]
    allowedUntilDate: NotRequired[Annotated[Time, Field(description="Until before when.")]]
    allowedWeekDays: NotRequired[
        Annotated[Uint, Field(description="On which days: Monday 64, Tuesday 32, and so on until Sunday 1, added up.")]
    ]
    allowedFromTime: NotRequired[
        Annotated[Uint, Field(description="From when on each day, in minutes from the lock's midnight.")]
    ]
    allowedUntilTime: NotRequired[
        Annotated[
            Uint, Field(description="Until when, likewise; not later than it begins: on the next day. 0, 0: all day.")
        ]
    ]
    schedule: NotRequired[
        Annotated[Schedule, Field(description="When within that, where the members before cannot express it.")]
    ]
    lastActiveDate: NotRequired[Annotated[Time, Field(description="When the lock last opened by it.")]]
    creationDate: Annotated[Time, Field(description="When it was made.")]
    updateDate: Annotated[Time, Field(description="When it last changed.")]
    operationId: NotRequired[
        Annotated[Id, Field(description="The last change that is under way: the lock has not heard of it yet.")]
    ]
    error: NotRequired[Annotated[str, Field(description="Why the lock could not take the change when it last tried.")]]


@wire_type
class Pagination(TypedDict):
    """Which page it is, and how many there are."""

    totalItems: Annotated[Uint, Field(description="How many authorizations there are on all pages.")]
    totalPages: Annotated[Uint, Field(description="How many pages.")]
    currentPage: Annotated[Uint, Field(description="This page; the first is 0.")]
    nextPage: NotRequired[Annotated[Uint, Field(description="The page behind it, where there is one.")]]
    prevPage: NotRequired[Annotated[Uint, Field(description="The page before it, where there is one.")]]
    pageSize: Annotated[Uint, Field(description="How many a page has at the most.")]


# Params

_LOCK = "Which lock."
_AUTH = "Which authorization."
_TYPES = "Only these types, separated by commas, such as 0,2,3."
_USER = "Only this person's, by number; a negative number: only those that are nobody's."


class _Filter(Params):
    """Which authorizations a list has."""

    accountUserId: Omissible[Int] = Field(None, description=_USER)
    types: Omissible[Text] = Field(None, description=_TYPES)


class GetAuthsParams(_Filter):
    """Params of GetAuths."""


class GetAuthsPagedParams(_Filter):
    """Params of GetAuthsPaged."""

    page: Omissible[Annotated[Uint, Field(le=10_000_000)]] = Field(
        None, description="Which page; the first is 0. Left out: the first."
    )
    size: Omissible[Annotated[int, Field(ge=1, le=MAX_PAGE)]] = Field(
        None, description=f"How many on a page, at most {MAX_PAGE}. Left out: {PAGE}."
    )


class GetSmartlockAuthsParams(Params):
    """Params of GetSmartlockAuths."""

    smartlockId: Id = Field(description=_LOCK)
    types: Omissible[Text] = Field(None, description=_TYPES)


class AuthIdParams(Params):
    """Params of methods about one authorization."""

    smartlockId: Id = Field(description=_LOCK)
    id: Id = Field(description=_AUTH)


class _Windows(Params):
    """When somebody may open."""

    allowedFromDate: Omissible[Time] = Field(None, description="From when on; left out: from now on.")
    allowedUntilDate: Omissible[Time] = Field(None, description="Until before when; left out: for good.")
    allowedWeekDays: Omissible[Int] = Field(
        None, description="On which days: Monday 64 to Sunday 1, added up. Left out or 0: every day."
    )
    allowedFromTime: Omissible[Int] = Field(
        None, description="From when on each day, in minutes from the lock's midnight, 0 to 1440. Left out: 0."
    )
    allowedUntilTime: Omissible[Int] = Field(
        None,
        description="Until when, likewise; not later than it begins: on the next day. Left out: 0; 0 to 0 is all day.",
    )


class _Rest(Params):
    """What else an authorization is made of."""

    accountUserId: Omissible[Number] = Field(
        None, description="Whose it is: a person, by number. Needed for all types but 13."
    )
    smartActionsEnabled: Omissible[bool] = Field(None, description="There are no smart actions here: no, if given.")
    type: Omissible[Int] = Field(
        None, description="What opens by it: 0 app, 1 bridge, 2 fob, 3 keypad, 13 a code at the keypad. Left out: 0."
    )
    code: Omissible[_Code] = Field(
        None, description="The code, with type 13: 6 digits from 1 to 9, not beginning with 12."
    )


class _ManyLocks(Params):
    """What is made where."""

    name: Text = Field(description="What people call it: at most 32 characters, a code 20.")
    smartlockIds: Annotated[list[Id], Field(max_length=MAX_AT_ONCE, fail_fast=True)] = Field(
        description=f"The locks, at most {MAX_AT_ONCE}; each gets an authorization."
    )
    remoteAllowed: bool = Field(description="Whether it opens from afar, too.")


class _OneLock(Params):
    """What is made where."""

    smartlockId: Id = Field(description=_LOCK)
    name: Text = Field(description="What people call it: at most 32 characters, a code 20.")
    remoteAllowed: bool = Field(description="Whether it opens from afar, too.")


class CreateAuthsParams(_Rest, _Windows, _ManyLocks):
    """Params of CreateAuths."""


class CreateAuthParams(_Rest, _Windows, _OneLock):
    """Params of CreateAuth."""


class _Shared(Params):
    """For whom a key is shared."""

    smartlockId: Id = Field(description=_LOCK)
    name: Text = Field(description="What people call it: at most 32 characters.")
    accountUserId: Number = Field(description="For whom: a person, by number.")


class GenerateSharedKeyParams(_Windows, _Shared):
    """Params of GenerateSharedKey."""


#: What an update may have beside the id, by the domain's names for it.
UPDATED = {
    "name": "name",
    "allowedFromDate": "valid_from",
    "allowedUntilDate": "valid_before",
    "allowedWeekDays": "weekdays",
    "allowedFromTime": "from_minute",
    "allowedUntilTime": "until_minute",
    "accountUserId": "account_user",
    "enabled": "enabled",
    "remoteAllowed": "remote_allowed",
    "code": "code",
}


class UpdateAuthParams(Params):
    """Params of UpdateAuth."""

    smartlockId: Id = Field(description=_LOCK)
    id: Id = Field(description=_AUTH)
    name: Omissible[Text] = Field(None, description="What people call it: at most 32 characters, a code 20.")
    allowedFromDate: Time | None = Field(None, description="From when on; null: no bound.")
    allowedUntilDate: Time | None = Field(None, description="Until before when; null: no bound.")
    allowedWeekDays: Int | None = Field(None, description="On which days; null: every day.")
    allowedFromTime: Int | None = Field(None, description="From when on each day; null: from its beginning.")
    allowedUntilTime: Int | None = Field(None, description="Until when each day; null: until its end.")
    accountUserId: Number | None = Field(
        None, description="Whose it is: a person, by number; null, of type 13 alone: nobody's."
    )
    enabled: Omissible[bool] = Field(None, description="Whether it counts.")
    remoteAllowed: Omissible[bool] = Field(None, description="Whether it opens from afar, too.")
    code: Omissible[_Code] = Field(None, description="Of type 13: another code.")


@wire_type
class AuthUpdate(TypedDict):
    """What is to change of one authorization; what is left out stays."""

    id: Annotated[Id, Field(description=_AUTH)]
    name: NotRequired[Annotated[Text, Field(description="What people call it.")]]
    allowedFromDate: NotRequired[Annotated[Time | None, Field(description="From when on; null: no bound.")]]
    allowedUntilDate: NotRequired[Annotated[Time | None, Field(description="Until before when; null: no bound.")]]
    allowedWeekDays: NotRequired[Annotated[Int | None, Field(description="On which days; null: every day.")]]
    allowedFromTime: NotRequired[
        Annotated[Int | None, Field(description="From when on each day; null: from its beginning.")]
    ]
    allowedUntilTime: NotRequired[Annotated[Int | None, Field(description="Until when each day; null: until its end.")]]
    accountUserId: NotRequired[
        Annotated[Number | None, Field(description="Whose it is, by number; null, of type 13 alone: nobody's.")]
    ]
    enabled: NotRequired[Annotated[bool, Field(description="Whether it counts.")]]
    remoteAllowed: NotRequired[Annotated[bool, Field(description="Whether it opens from afar, too.")]]
    code: NotRequired[Annotated[_Code, Field(description="Of type 13: another code.")]]


class UpdateAuthsParams(Params):
    """Params of UpdateAuths."""

    auths: Annotated[list[AuthUpdate], Field(max_length=MAX_AT_ONCE, fail_fast=True)] = Field(
        description=f"What is to change, at most {MAX_AT_ONCE} authorizations: all of it or nothing."
    )


class RemoveAuthsParams(Params):
    """Params of RemoveAuths."""

    ids: Annotated[list[Id], Field(max_length=MAX_AT_ONCE, fail_fast=True)] = Field(
        description=f"Which authorizations, at most {MAX_AT_ONCE}: all of them or none."
    )


# Returns


@wire_type
class SmartlockAuthErrorReturns(TypedDict):
    """The outcome alone."""

    error: Annotated[SmartlockAuthError, Field(description="The outcome.")]
    errorMessage: NotRequired[Annotated[str, Field(description="What is wrong.")]]


@wire_type
class AuthsReturns(SmartlockAuthErrorReturns):
    """Returns of GetAuths, GetSmartlockAuths and GenerateSharedKey."""

    auths: NotRequired[Annotated[list[SmartlockAuth], Field(description="The authorizations.")]]


@wire_type
class AuthsPagedReturns(SmartlockAuthErrorReturns):
    """Returns of GetAuthsPaged."""

    results: NotRequired[Annotated[list[SmartlockAuth], Field(description="The authorizations of the page.")]]
    pagination: NotRequired[Annotated[Pagination, Field(description="Which page it is.")]]


@wire_type
class AuthReturns(SmartlockAuthErrorReturns):
    """Returns of GetAuth."""

    auth: NotRequired[Annotated[SmartlockAuth, Field(description="The authorization.")]]


@wire_type
class RequestReturns(SmartlockAuthErrorReturns):
    """Returns of changes: locks hear of them in their own time."""

    requestId: NotRequired[
        Annotated[
            Id,
            Field(
                description="The change: the operationId of the authorizations until their locks heard. Without it"
                " nothing was different."
            ),
        ]
    ]


# Notifications


@wire_type
class AuthNotification(TypedDict):
    """Params of AuthAdded and AuthChanged."""

    auth: Annotated[SmartlockAuth, Field(description="The authorization as it is now, without its code.")]


@wire_type
class AuthIdNotification(TypedDict):
    """Params of AuthRemoved."""

    smartlockId: Annotated[Id, Field(description="The lock.")]
    id: Annotated[Id, Field(description="The authorization that is gone.")]


# How the domain's things are shown


def auth_info(grant: Grant, *, code: bool) -> dict[str, Any]:
    """A grant at a lock as the API shows it, with its code or without."""
    window = None if grant.schedule is None else Windows.parse(grant.schedule).as_nuki()
    weekdays, begin, until = window or (None, None, None)
    return without_none(
        {
            "id": grant.id,
            "smartlockId": grant.lock_id,
            "accountUserId": grant.holder_number,
            "type": grant.kind.value,
            "name": grant.name,
            "enabled": grant.enabled and grant.revoked is None,
            "remoteAllowed": grant.remote_allowed,
            "lockCount": grant.uses,
            "code": grant.code if code else None,
            "allowedFromDate": shown_time(grant.valid_from),
            "allowedUntilDate": shown_time(grant.valid_before),
            "allowedWeekDays": weekdays,
            "allowedFromTime": begin,
            "allowedUntilTime": until,
            "schedule": grant.schedule if window is None else None,
            "lastActiveDate": shown_time(grant.last_used),
            "creationDate": shown_time(grant.created),
            "updateDate": shown_time(grant.updated),
            "operationId": grant.operation_id,
            "error": grant.sync_error,
        }
    )
