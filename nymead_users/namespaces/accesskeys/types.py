"""Params, returns and types of the AccessKeys namespace, after seed 004."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from nymead_users.access.keys import SystemStatus
from nymead_users.access.model import AccessKey, AccessKeyStatus, LockGroup
from nymead_users.namespaces.answers import without_none
from nymead_users.namespaces.types import Text
from nymead_users.namespaces.values import Id, Time, shown_time, word_of
from nymead_users.rpc.namespace import Omissible, Params, wire_type

#: So many levels are given to a key at a time, at the most.
MAX_LEVELS = 100


class AccessKeyError(StrEnum):
    """The outcome of a method of the AccessKeys namespace."""

    NO_ERROR = "AccessKeyErrorNoError"
    BACKEND_ERROR = "AccessKeyErrorBackendError"
    PERMISSION_DENIED = "AccessKeyErrorPermissionDenied"
    INVALID_PARAMETER = "AccessKeyErrorInvalidParameter"
    ACCESS_KEY_NOT_FOUND = "AccessKeyErrorAccessKeyNotFound"
    KEY_MISSING = "AccessKeyErrorKeyMissing"
    INVALID_KEY = "AccessKeyErrorInvalidKey"
    INVALID_PIN = "AccessKeyErrorInvalidPin"
    INVALID_DATE = "AccessKeyErrorInvalidDate"
    ACCESS_LEVEL_NOT_FOUND = "AccessKeyErrorAccessLevelNotFound"
    PERSON_NOT_FOUND = "AccessKeyErrorPersonNotFound"
    NAME_TOO_LONG = "AccessKeyErrorNameTooLong"


class AccessKeyType(StrEnum):
    """What an access key is."""

    PROXIMITY = "proximity"
    CODE = "code"


@wire_type
class KeyIdentification(TypedDict):
    """What is shown or typed at a door."""

    identification: Annotated[
        str,
        Field(
            max_length=255,
            description="A proximity key's number, decimal or hexadecimal after 0x, told in 13 decimal digits; or a"
            " code of 4 to 16 decimal digits.",
        ),
    ]
    type: Annotated[AccessKeyType, word_of(AccessKeyType), Field(description="What it is.")]


@wire_type
class KeyHolder(TypedDict):
    """The person who has an access key."""

    id: Annotated[Id, Field(description="The person's id.")]
    firstName: Annotated[str, Field(description="The first name.")]
    lastName: Annotated[str, Field(description="The last name.")]


@wire_type
class NewKeyHolder(TypedDict):
    """To whom a new access key is given: a person who is there, or a new one."""

    id: NotRequired[Annotated[Id, Field(description="A person who is there; names are not used then.")]]
    firstName: NotRequired[
        Annotated[Text, Field(description="A new person's first name, of at most 32 characters; left out: made up.")]
    ]
    lastName: NotRequired[
        Annotated[Text, Field(description="A new person's last name, of at most 32 characters; left out: made up.")]
    ]


@wire_type
class AccessKeyInfo(TypedDict):
    """An access key. Its PIN is never told."""

    id: Annotated[Id, Field(description="The access key's id, which is its credential's.")]
    key: Annotated[KeyIdentification, Field(description="What is shown or typed at a door.")]
    validFromDate: NotRequired[Annotated[Time, Field(description="From when on it opens something.")]]
    validToDate: NotRequired[Annotated[Time, Field(description="Until before when.")]]
    accessLevels: Annotated[list[Id], Field(description="What it opens: the locks of these lock groups.")]
    person: NotRequired[Annotated[KeyHolder, Field(description="Who has it.")]]


@wire_type
class AccessLevel(TypedDict):
    """What an access key can open: the locks of a lock group."""

    id: Annotated[Id, Field(description="The access level's id, which is its lock group's.")]
    title: Annotated[str, Field(description="What people call it.")]


@wire_type
class SystemStatusInfo(TypedDict):
    """How far an access key is on its way to one system."""

    systemId: Annotated[str, Field(description="The system, as its locks name it.")]
    status: Annotated[
        AccessKeyStatus, word_of(AccessKeyStatus), Field(description="How far it is on its way to the system's locks.")
    ]
    error: NotRequired[Annotated[str, Field(description="Why one of them could not take it when it last tried.")]]


# Params


class AddAccessKeyParams(Params):
    """Params of AddAccessKey."""

    id: Omissible[Id] = Field(None, description="Which key to change; key is not looked at then.")
    key: Omissible[KeyIdentification] = Field(None, description="Which key to change or, if there is none, to add.")
    pin: str | None = Field(None, description="A PIN of 4 digits that is wanted with it, never told; null: none.")
    validFromDate: Time | None = Field(None, description="From when on it opens something; null: no bound.")
    validToDate: Time | None = Field(None, description="Until before when; null: no bound.")
    accessLevels: Annotated[list[Id], Field(max_length=MAX_LEVELS, fail_fast=True)] | None = Field(
        None, description="All that it opens, 100 lock groups at the most; null: nothing."
    )
    person: Omissible[NewKeyHolder] = Field(
        None, description="To whom a new key is given; left out: a new person. Not used for a key that is there."
    )
    ownerId: Omissible[Id] = Field(
        None, description="Whose it is; needed without an id where there are several owners."
    )


class RemoveAccessKeyParams(Params):
    """Params of RemoveAccessKey."""

    id: Omissible[Id] = Field(None, description="Which key; key is not looked at then.")
    key: Omissible[KeyIdentification] = Field(None, description="Which key.")
    ownerId: Omissible[Id] = Field(
        None, description="Whose it is; needed without an id where there are several owners."
    )


class AccessKeyIdParams(Params):
    """Params of GetAccessKeyStatus."""

    id: Id = Field(description="Which key.")


class OfOwnerParams(Params):
    """Params of GetAccessKeys and GetAccessLevels."""

    ownerId: Omissible[Id] = Field(None, description="Only this owner's.")


# Returns


@wire_type
class AccessKeyErrorReturns(TypedDict):
    """The outcome alone."""

    error: Annotated[AccessKeyError, Field(description="The outcome.")]
    errorMessage: NotRequired[Annotated[str, Field(description="What is wrong.")]]


@wire_type
class AccessKeyReturns(AccessKeyErrorReturns):
    """Returns of AddAccessKey."""

    accessKey: NotRequired[Annotated[AccessKeyInfo, Field(description="The key as it is now.")]]


@wire_type
class AccessKeysReturns(AccessKeyErrorReturns):
    """Returns of GetAccessKeys."""

    accessKeys: NotRequired[Annotated[list[AccessKeyInfo], Field(description="The keys.")]]


@wire_type
class AccessKeyStatusReturns(AccessKeyErrorReturns):
    """Returns of GetAccessKeyStatus."""

    status: NotRequired[
        Annotated[
            AccessKeyStatus, word_of(AccessKeyStatus), Field(description="How far it is on its way to all locks.")
        ]
    ]
    systems: NotRequired[Annotated[list[SystemStatusInfo], Field(description="The same for each system.")]]


@wire_type
class AccessLevelsReturns(AccessKeyErrorReturns):
    """Returns of GetAccessLevels."""

    accessLevels: NotRequired[Annotated[list[AccessLevel], Field(description="The levels.")]]


# Notifications


@wire_type
class AccessKeyNotification(TypedDict):
    """Params of AccessKeyAdded and AccessKeyChanged."""

    accessKey: Annotated[AccessKeyInfo, Field(description="The key as it is now.")]


@wire_type
class AccessKeyIdNotification(TypedDict):
    """Params of AccessKeyRemoved."""

    accessKeyId: Annotated[Id, Field(description="Which key.")]


# How the domain's things are shown


def key_info(key: AccessKey) -> dict[str, Any]:
    """An access key as the API shows it."""
    person = {"id": key.person_id, "firstName": key.first_name, "lastName": key.last_name}
    return without_none(
        {
            "id": key.id,
            "key": {"identification": key.value, "type": key.type.value},
            "validFromDate": shown_time(key.valid_from),
            "validToDate": shown_time(key.valid_before),
            "accessLevels": list(key.levels),
            "person": None if key.person_id is None else person,
        }
    )


def level_info(group: LockGroup) -> dict[str, Any]:
    """An access level as the API shows it."""
    return {"id": group.id, "title": group.title}


def system_info(system: SystemStatus) -> dict[str, Any]:
    """How far a key is on its way to a system, as the API shows it."""
    return without_none({"systemId": system.system_id, "status": system.status, "error": system.error})
