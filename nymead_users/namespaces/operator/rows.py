"""Rows of the lists that are exported and imported, as they are written: by the API's names.

One table says of each list which fields it has, and what the model calls them. A row is read strictly, as params are.
What was there may be left out, and stays as it is; null takes it away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from nymead_users.access.model import CredentialType, GrantKind
from nymead_users.access.transfer.rows import Kind, Row
from nymead_users.access.transfer.transfer import Upload
from nymead_users.instants import as_text
from nymead_users.namespaces.answers import given
from nymead_users.namespaces.types import PermissionScopes, Text, Things, Uint, scope_list, scopes_of
from nymead_users.namespaces.values import Id, Schedule, Time, word_of
from nymead_users.permissions import User
from nymead_users.rpc.namespace import Omissible, Params

#: The greatest whole number that the store takes everywhere.
MAX_INT = 2**31 - 1

#: The longest list of locks of a group.
MAX_LOCKS = 10_000

#: By list, the fields by the API's names, and what the model calls them.
FIELDS: dict[Kind, dict[str, str]] = {
    Kind.OWNERS: {"id": "id", "title": "title"},
    Kind.USERS: {
        "username": "username",
        "displayName": "display_name",
        "email": "email",
        "scopes": "scopes",
        "allowedThingIds": "allowed_thing_ids",
    },
    Kind.PERSONS: {
        "id": "id",
        "ownerId": "owner_id",
        "firstName": "first_name",
        "lastName": "last_name",
        "email": "email",
        "phone": "phone",
        "username": "username",
        "enabled": "enabled",
    },
    Kind.LOCKS: {
        "id": "id",
        "ownerId": "owner_id",
        "title": "title",
        "description": "description",
        "timeZone": "time_zone",
        "protocolVersion": "protocol_version",
        "systemId": "system_id",
        "virtual": "virtual",
        "bridge": "bridge",
    },
    Kind.GROUPS: {
        "id": "id",
        "ownerId": "owner_id",
        "title": "title",
        "description": "description",
        "lockIds": "lock_ids",
    },
    Kind.KEYS: {
        "id": "id",
        "ownerId": "owner_id",
        "personId": "person_id",
        "lockId": "lock_id",
        "type": "type",
        "value": "value",
        "hasPin": "has_pin",
        "enabled": "enabled",
        "validFrom": "valid_from",
        "validBefore": "valid_before",
    },
    Kind.ROLES: {
        "id": "id",
        "personId": "person_id",
        "lockId": "lock_id",
        "userName": "user_name",
        "canShare": "can_share",
    },
    Kind.GRANTS: {
        "id": "id",
        "personId": "person_id",
        "credentialId": "credential_id",
        "lockId": "lock_id",
        "lockGroupId": "group_id",
        "validFrom": "valid_from",
        "validBefore": "valid_before",
        "schedule": "schedule",
        "enabled": "enabled",
        "remoteAllowed": "remote_allowed",
        "name": "name",
        "kind": "kind",
        "sharedBy": "shared_by",
    },
}


def changed_fields(kind: Kind, fields: tuple[str, ...]) -> list[str]:
    """What has changed, by the API's names and in their order."""
    return [name for name, attribute in (*FIELDS[kind].items(), ("pin", "secret")) if attribute in fields]


# Written


def shown(kind: Kind, thing: Any) -> dict[str, Any]:
    """A thing as its row is written, with all of its fields."""
    if isinstance(thing, User):
        return {
            "username": thing.username,
            "displayName": thing.display_name,
            "email": thing.email,
            "scopes": scope_list(thing.scopes),
            "allowedThingIds": [str(thing_id) for thing_id in thing.allowed_thing_ids],
        }
    if kind is Kind.GROUPS:
        group, lock_ids = thing
        return {**_shown(kind, group, but="lockIds"), "lockIds": lock_ids}
    row = _shown(kind, thing)
    for name in ("validFrom", "validBefore"):
        if row.get(name) is not None:
            row[name] = as_text(row[name])
    return row


def _shown(kind: Kind, thing: Any, *, but: str = "") -> dict[str, Any]:
    return {name: getattr(thing, attribute) for name, attribute in FIELDS[kind].items() if name != but}


# Read


def _grant_kind(value: Any) -> GrantKind:
    if type(value) is int and value in set(GrantKind):
        return GrantKind(value)
    raise ValueError(f"Expected one of {', '.join(str(kind.value) for kind in GrantKind)}")


class _OwnerRow(Params):
    id: Omissible[Id] = None
    title: Omissible[Text] = None


class _UserRow(Params):
    username: Text
    password: Omissible[str] = None
    displayName: Omissible[Text] = None
    email: Omissible[Text] = None
    scopes: Omissible[PermissionScopes] = None
    allowedThingIds: Omissible[Things] = None


class _PersonRow(Params):
    id: Omissible[Id] = None
    ownerId: Omissible[Id] = None
    firstName: Omissible[Text] = None
    lastName: Omissible[Text] = None
    email: Omissible[Text] = None
    phone: Omissible[Text] = None
    username: Text | None = None
    enabled: Omissible[bool] = None


class _LockRow(Params):
    id: Omissible[Id] = None
    ownerId: Omissible[Id] = None
    title: Omissible[Text] = None
    description: Omissible[Text] = None
    timeZone: Omissible[Text] = None
    protocolVersion: Omissible[Annotated[Uint, Field(le=MAX_INT)]] = None
    systemId: Omissible[Text] = None
    virtual: Omissible[bool] = None
    bridge: Text | None = None


class _GroupRow(Params):
    id: Omissible[Id] = None
    ownerId: Omissible[Id] = None
    title: Omissible[Text] = None
    description: Omissible[Text] = None
    lockIds: Omissible[Annotated[list[Id], Field(max_length=MAX_LOCKS, fail_fast=True)]] = None


class _KeyRow(Params):
    id: Omissible[Id] = None
    ownerId: Omissible[Id] = None
    personId: Id | None = None
    lockId: Id | None = None
    type: Omissible[Annotated[CredentialType, word_of(CredentialType)]] = None
    value: Omissible[Text] = None
    pin: str | None = None
    hasPin: Omissible[bool] = None
    enabled: Omissible[bool] = None
    validFrom: Time | None = None
    validBefore: Time | None = None


class _RoleRow(Params):
    id: Omissible[Id] = None
    personId: Omissible[Id] = None
    lockId: Omissible[Id] = None
    userName: Omissible[Text] = None
    canShare: Omissible[bool] = None


class _GrantRow(Params):
    id: Omissible[Id] = None
    personId: Id | None = None
    credentialId: Id | None = None
    lockId: Id | None = None
    lockGroupId: Id | None = None
    validFrom: Time | None = None
    validBefore: Time | None = None
    schedule: Schedule | None = None
    enabled: Omissible[bool] = None
    remoteAllowed: Omissible[bool] = None
    name: Omissible[Text] = None
    kind: Annotated[GrantKind, BeforeValidator(_grant_kind)] | None = None
    sharedBy: Id | None = None


_ROWS: Mapping[Kind, type[Params]] = {
    Kind.OWNERS: _OwnerRow,
    Kind.USERS: _UserRow,
    Kind.PERSONS: _PersonRow,
    Kind.LOCKS: _LockRow,
    Kind.GROUPS: _GroupRow,
    Kind.KEYS: _KeyRow,
    Kind.ROLES: _RoleRow,
    Kind.GRANTS: _GrantRow,
}


def read(kind: Kind, number: int, value: Any, upload: Upload, *, by_phone: bool) -> Row | None:
    """The row of a list in a value; where it cannot be read, the upload is told why."""
    key = "username" if kind is Kind.USERS else "id"
    if not isinstance(value, dict):
        upload.refuse(kind, number, None, [("", "Expected an object")])
        return None
    try:
        params: Any = _ROWS[kind].model_validate(value)
    except ValidationError as error:
        upload.refuse(kind, number, _key(kind, value.get(key)), map(_fault, _errors(error)))
        return None
    values = given(params, FIELDS[kind])
    row = Row(number, values.pop(FIELDS[kind][key], None), values, by_phone=by_phone)
    if kind is Kind.USERS:
        if row.id is not None:
            row.id = row.id.lower()
        if "scopes" in values:
            values["scopes"] = scopes_of(values["scopes"])
        if "allowed_thing_ids" in values:
            values["allowed_thing_ids"] = tuple(values["allowed_thing_ids"])
    for name in ("password", "pin"):
        if name in params.model_fields_set:
            row.secret = getattr(params, name)
    row.wants_pin = bool(values.pop("has_pin", False))
    return row


def _key(kind: Kind, value: Any) -> str | None:
    """The id of a row that cannot be read, if that can."""
    if not isinstance(value, str):
        return None
    if kind is Kind.USERS:
        return value.lower()
    try:
        return str(_ID.validate_python(value))
    except ValidationError:
        return None


_ID: TypeAdapter[str] = TypeAdapter(Id)


def _errors(error: ValidationError) -> list[Any]:
    return list(error.errors(include_url=False, include_context=False, include_input=False))


def _fault(error: Mapping[str, Any]) -> tuple[str, str]:
    """A field, with its place in what it holds, and what is wrong with it."""
    first, *inner = error["loc"] or ("",)
    name = str(first) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in inner)
    if error["type"] == "extra_forbidden":
        return name, "there is no such field"
    if error["type"] == "missing":
        return name, "is missing"
    return name, error["msg"].removeprefix("Value error, ")
