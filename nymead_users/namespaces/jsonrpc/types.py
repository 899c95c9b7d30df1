"""Params and returns of the JSONRPC namespace."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import BeforeValidator, Field
from typing_extensions import TypedDict

from nymead_users.namespaces.types import PermissionScopes, Text
from nymead_users.rpc.namespace import Omissible, Params, wire_type
from nymead_users.rpc.types import DEPRECATED


class HelloParams(Params):
    """Params of Hello."""

    locale: Omissible[Text] = Field(None, description="The locale for this connection, such as en_US.")
    token: str | None = Field(
        None,
        description="The token for this connection, where the message does not carry it itself (JSON-RPC 2.0)."
        " Null or empty: none.",
    )


@wire_type
class Experience(TypedDict):
    """An extension of the API."""

    name: str
    version: str


@wire_type
class CacheHash(TypedDict):
    """A method whose answer can be kept for as long as this hash stays."""

    hash: Annotated[str, Field(description="Changes with the answer.")]
    method: Annotated[str, Field(description="The method's whole name.")]


#: Returns of Hello. One key has a space in it, and so can't be declared as a class.
HelloReturns = TypedDict(
    "HelloReturns",
    {
        "server": Annotated[str, Field(description='Always "nymea".')],
        "name": Annotated[str, Field(description="The server's name, for people.")],
        "version": Annotated[str, Field(description="The server's version.")],
        "uuid": Annotated[str, Field(description="The server's uuid, in braces. It never changes.")],
        "language": Annotated[str, Field(description="As locale; for older clients.")],
        "locale": Annotated[str, Field(description="The locale of this connection.")],
        "protocol version": Annotated[str, Field(description="The version of nymea's API.")],
        "initialSetupRequired": Annotated[bool, Field(description="Whether there is no user yet.")],
        "authenticationRequired": Annotated[bool, Field(description="Whether calls need a token on this listener.")],
        "pushButtonAuthAvailable": Annotated[
            bool, Field(description="Whether one can log in by pressing a button on the device.")
        ],
        "experiences": NotRequired[Annotated[list[Experience], Field(description="Extensions of the API.")]],
        "cacheHashes": NotRequired[
            Annotated[list[CacheHash], Field(description="Answers that need not be asked for again.")]
        ],
        "authenticated": NotRequired[
            Annotated[bool, Field(description="Whether the token that came with the call is valid.")]
        ],
        "permissionScopes": NotRequired[
            Annotated[PermissionScopes, Field(description="What the token's user may do.")]
        ],
        "username": NotRequired[Annotated[str, Field(description="The token's user.")]],
    },
)
wire_type(HelloReturns)


@wire_type
class IntrospectReturns(TypedDict):
    """Returns of Introspect."""

    methods: Annotated[dict[str, Any], Field(description="By name: description, params, returns and scope.")]
    notifications: Annotated[dict[str, Any], Field(description="By name: description and params.")]
    types: Annotated[dict[str, Any], Field(description="Object and list types by name.")]
    enums: Annotated[dict[str, Any], Field(description="The values of each enum.")]
    flags: Annotated[dict[str, Any], Field(description="Sets of enum values, by name.")]


#: Returns of Version; see HelloReturns.
VersionReturns = TypedDict(
    "VersionReturns",
    {
        "version": Annotated[str, Field(description="The server's version.")],
        "protocol version": Annotated[str, Field(description="The version of nymea's API.")],
        "qtVersion": Annotated[str, Field(description='Always "none": there is no Qt in this server.')],
        "qtBuildVersion": Annotated[str, Field(description='Always "none".')],
    },
)
wire_type(VersionReturns)


def _switch(value: Any) -> Any:
    """Existing clients send the switch as a text, too."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


class SetNotificationStatusParams(Params):
    """Params of SetNotificationStatus."""

    namespaces: Omissible[Annotated[list[str], Field(fail_fast=True)]] = Field(
        None, description="The namespaces whose notifications to send; unknown ones are ignored."
    )
    enabled: Annotated[Omissible[bool], BeforeValidator(_switch)] = Field(
        None, description="All notifications or none; goes before namespaces.", json_schema_extra=DEPRECATED
    )


@wire_type
class SetNotificationStatusReturns(TypedDict):
    """Returns of SetNotificationStatus."""

    namespaces: Annotated[list[str], Field(description="The namespaces whose notifications are sent from now on.")]
    enabled: Annotated[bool, Field(description="Whether there is any.", json_schema_extra=DEPRECATED)]


class CreateUserParams(Params):
    """Params of CreateUser."""

    username: str = Field(description="The administrator's name: 3 to 254 characters of A-Z a-z 0-9 _ . + @ -")
    password: str = Field(
        description="At least 8 characters with a lower-case letter, an upper-case letter and a digit."
    )
    displayName: Omissible[Text] = Field(None, description="The name to show to people.")
    email: Omissible[Text] = Field(None, description="The e-mail address.")


class KeepAliveParams(Params):
    """Params of KeepAlive."""

    sessionId: str | None = Field(description="Any text, or null.")


@wire_type
class KeepAliveReturns(TypedDict):
    """Returns of KeepAlive."""

    success: Annotated[bool, Field(description="Always true.")]
    sessionId: Annotated[str | None, Field(description="As it came.")]
