"""Params and returns of the Users namespace."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from nymead_users.namespaces.types import PermissionScopes, Text, Things, UserError, UserInfo, UserInfoList, Uuid
from nymead_users.rpc.namespace import Omissible, Params, wire_type

#: What a list of things is for.
_THINGS = "The things the user may access without PermissionScopeAccessAllThings."


class CreateUserParams(Params):
    """Params of CreateUser."""

    username: str = Field(description="The new user's name: 3 to 254 characters of A-Z a-z 0-9 _ . + @ -")
    password: str = Field(
        description="At least 8 characters with a lower-case letter, an upper-case letter and a digit."
    )
    displayName: Omissible[Text] = Field(None, description="The name to show to people.")
    email: Omissible[Text] = Field(None, description="The e-mail address.")
    scopes: Omissible[PermissionScopes] = Field(
        None, description="What the user may do. Left out: an administrator; empty: nothing."
    )
    allowedThingIds: Omissible[Things] = Field(None, description=_THINGS)


class ChangePasswordParams(Params):
    """Params of ChangePassword."""

    newPassword: str = Field(description="The new password.")


class ChangeUserPasswordParams(Params):
    """Params of ChangeUserPassword."""

    username: str = Field(description="Whose password.")
    newPassword: str = Field(description="The new password.")


class UsernameParams(Params):
    """Params of the methods about one user."""

    username: str = Field(description="The user's name, in any case.")


class RemoveTokenParams(Params):
    """Params of RemoveToken."""

    tokenId: Uuid = Field(description="The token's id.")


class SetUserInfoParams(Params):
    """Params of SetUserInfo."""

    username: Omissible[str] = Field(None, description="Whose info; left out: the caller's own.")
    displayName: Omissible[Text] = Field(None, description="The name to show to people.")
    email: Omissible[Text] = Field(None, description="The e-mail address.")


class SetUserScopesParams(Params):
    """Params of SetUserScopes."""

    username: str = Field(description="Whose permissions.")
    scopes: PermissionScopes = Field(description="What the user may do from here on.")
    allowedThingIds: Omissible[Things] = Field(None, description=f"{_THINGS} Left out: as before.")


@wire_type
class GetUserInfoReturns(TypedDict):
    """Returns of GetUserInfo."""

    error: Annotated[UserError, Field(description="The outcome.")]
    userInfo: NotRequired[Annotated[UserInfo, Field(description="The caller's own user.")]]


@wire_type
class GetUsersReturns(TypedDict):
    """Returns of GetUsers."""

    users: Annotated[UserInfoList, Field(description="All users, by name.")]


@wire_type
class UserNotification(TypedDict):
    """Params of UserAdded and UserChanged."""

    userInfo: Annotated[UserInfo, Field(description="The user as they are now.")]


@wire_type
class UserRemovedNotification(TypedDict):
    """Params of UserRemoved."""

    username: Annotated[str, Field(description="The name of the user who is gone.")]
