"""The types of the API that several namespaces speak of."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, NotRequired
from uuid import UUID

from annotated_types import Ge
from pydantic import AfterValidator, BeforeValidator, Field
from typing_extensions import TypeAliasType, TypedDict

from nymead_users.identity.policy import MAX_TEXT, check_text
from nymead_users.identity.tokens import TokenInfo as Token
from nymead_users.permissions import SCOPE_NAMES, Scope, User, scope_names
from nymead_users.rpc.namespace import wire_type
from nymead_users.rpc.types import Flags


class UserError(StrEnum):
    """The outcome of a method of the Users namespace."""

    NO_ERROR = "UserErrorNoError"
    BACKEND_ERROR = "UserErrorBackendError"
    INVALID_USER_ID = "UserErrorInvalidUserId"
    DUPLICATE_USER_ID = "UserErrorDuplicateUserId"
    BAD_PASSWORD = "UserErrorBadPassword"  # noqa: S105 - an outcome, no secret
    TOKEN_NOT_FOUND = "UserErrorTokenNotFound"  # noqa: S105 - likewise
    PERMISSION_DENIED = "UserErrorPermissionDenied"
    INCONSISTANT_SCOPES = "UserErrorInconsistantScopes"


class PermissionScope(StrEnum):
    """What a user may do. The names and their bits are nymea's."""

    NONE = "PermissionScopeNone"
    CONTROL_THINGS = "PermissionScopeControlThings"
    CONFIGURE_THINGS = "PermissionScopeConfigureThings"
    ACCESS_ALL_THINGS = "PermissionScopeAccessAllThings"
    EXECUTE_RULES = "PermissionScopeExecuteRules"
    CONFIGURE_RULES = "PermissionScopeConfigureRules"
    ADMIN = "PermissionScopeAdmin"


def _scope_name(value: Any) -> PermissionScope:
    try:
        return PermissionScope(value)
    except ValueError:
        raise ValueError(f"Expected one of {', '.join(SCOPE_NAMES)}") from None


def read_uuid(value: Any) -> UUID:
    """A uuid as clients send it, with or without braces. Raises ValueError."""
    if isinstance(value, UUID):
        return value
    if isinstance(value, str) and value.startswith("{") == value.endswith("}"):
        bare = value[1:-1] if value.startswith("{") else value
        if len(bare) == 36:
            try:
                return UUID(bare)
            except ValueError:
                pass
    raise ValueError("Expected a uuid")


#: A uuid, taken with and without braces, sent without.
Uuid = Annotated[UUID, BeforeValidator(read_uuid)]

#: A whole number that is never negative.
Uint = Annotated[int, Ge(0)]

#: A text for people.
Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(check_text)]

#: A set of permissions as the list of their names.
PermissionScopes = TypeAliasType(
    "PermissionScopes",
    Annotated[list[Annotated[PermissionScope, BeforeValidator(_scope_name)]], Flags, Field(fail_fast=True)],
)

#: The longest list of things: far more than a home has.
MAX_THINGS = 10_000

#: A list of things, as a param.
Things = Annotated[list[Uuid], Field(max_length=MAX_THINGS, fail_fast=True)]


def scopes_of(names: Iterable[PermissionScope] | None) -> Scope:
    """The scopes of these names; an administrator's where none are given."""
    if names is None:
        return Scope.ADMIN
    scopes = Scope.NONE
    for name in names:
        scopes |= SCOPE_NAMES[name.value]
    return scopes


@wire_type
class UserInfo(TypedDict):
    """A user, without secrets."""

    username: Annotated[str, Field(description="The name to log in with, in lower case.")]
    email: Annotated[str, Field(description="The e-mail address, as it was given.")]
    displayName: Annotated[str, Field(description="The name to show to people.")]
    scopes: Annotated[PermissionScopes, Field(description="What the user may do.")]
    allowedThingIds: Annotated[
        list[Uuid], Field(description="The things the user may access without PermissionScopeAccessAllThings.")
    ]


UserInfoList = TypeAliasType("UserInfoList", list[UserInfo])


@wire_type
class TokenInfo(TypedDict):
    """A token, without its value: that is shown once, in the reply that made it."""

    id: Annotated[Uuid, Field(description="What RemoveToken takes.")]
    username: Annotated[str, Field(description="Whose token it is.")]
    creationTime: Annotated[Uint, Field(description="When it was made, in seconds since the epoch, UTC.")]
    deviceName: Annotated[str, Field(description="The device that asked for it, in its own words.")]


TokenInfoList = TypeAliasType("TokenInfoList", list[TokenInfo])


@wire_type
class ErrorReturns(TypedDict):
    """The outcome alone."""

    error: Annotated[UserError, Field(description="The outcome.")]


@wire_type
class TokenListReturns(TypedDict):
    """Tokens, where the outcome is UserErrorNoError."""

    error: Annotated[UserError, Field(description="The outcome.")]
    tokenInfoList: NotRequired[Annotated[TokenInfoList, Field(description="The tokens, oldest first.")]]


def scope_list(scopes: Scope) -> list[PermissionScope]:
    """A set of permissions as the API shows it."""
    return list(_scope_list(scopes))


@cache
def _scope_list(scopes: Scope) -> tuple[PermissionScope, ...]:
    return tuple(PermissionScope(name) for name in scope_names(scopes))


def user_info(user: User) -> UserInfo:
    """A user as the API shows them."""
    return {
        "username": user.username,
        "email": user.email,
        "displayName": user.display_name,
        "scopes": scope_list(user.scopes),
        "allowedThingIds": list(user.allowed_thing_ids),
    }


def token_info(token: Token) -> TokenInfo:
    """A token as the API shows it."""
    return {
        "id": token.id,
        "username": token.username,
        "creationTime": token.creation_time,
        "deviceName": token.device_name,
    }
