"""The methods of the JSONRPC namespace."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

import orjson

from nymead_users.identity.pushbutton import PushButton
from nymead_users.identity.users import Users
from nymead_users.namespaces.jsonrpc.types import (
    CreateUserParams,
    HelloParams,
    HelloReturns,
    IntrospectReturns,
    KeepAliveParams,
    KeepAliveReturns,
    SetNotificationStatusParams,
    SetNotificationStatusReturns,
    VersionReturns,
)
from nymead_users.namespaces.outcomes import BAD_NAME, BAD_PASSWORD, STORE_FAILED, outcome
from nymead_users.namespaces.signin import SignIn, push_button_auth_finished
from nymead_users.namespaces.types import ErrorReturns, UserError, scope_list
from nymead_users.permissions import Scope
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.errors import ServerBusy
from nymead_users.rpc.introspection import introspect
from nymead_users.rpc.namespace import Access, NoParams, method
from nymead_users.rpc.registry import Registry

#: The version of nymea's API that is spoken here. nymea-app accepts 5.0 to 10.x and asks it what to expect.
PROTOCOL_VERSION = "9.0"

_LOCALE = re.compile(r"([A-Za-z]{2,3})(?:[_-]([A-Za-z]{2}|[0-9]{3}))?(?:[_.@-].*)?")


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What Hello tells of the server: name, version, uuid, default locale."""

    name: str
    version: str
    uuid: UUID
    locale: str


class JsonRpcNamespace(SignIn):
    """The connection itself, set-up and logging in."""

    name = "JSONRPC"
    notifications = (push_button_auth_finished("JSONRPC"),)

    def __init__(self, users: Users, push_button: PushButton, server: ServerIdentity, registry: Registry) -> None:
        super().__init__(users, push_button)
        self._server = server
        self._registry = registry

    @method("Hello", access=Access.PUBLIC, during_setup=True, handshake=True)
    async def hello(self, caller: Caller, params: HelloParams) -> HelloReturns:
        """Begin a connection: the first call in nymea's dialect. It tells about the server and binds the token
        that comes with it. It may be repeated, as a ping, with another locale or another token.
        """
        token = (params.token or "") if "token" in params.model_fields_set else caller.presented_token
        if token is not None:
            await caller.bind(token)
        locale = _locale(params.locale) or self._server.locale
        caller.greet(locale)
        returns: HelloReturns = {
            "server": "nymea",
            "name": self._server.name,
            "version": self._server.version,
            "uuid": f"{{{self._server.uuid}}}",
            "language": locale,
            "locale": locale,
            "protocol version": PROTOCOL_VERSION,
            "initialSetupRequired": caller.authentication_required and self._users.required,
            "authenticationRequired": caller.authentication_required,
            "pushButtonAuthAvailable": self._push_button.available,
            "experiences": [],
            "cacheHashes": [{"hash": self._contract_hash, "method": "JSONRPC.Introspect"}],
        }
        if caller.token_bound:
            returns["authenticated"] = caller.principal is not None
        if caller.principal is not None:
            returns["permissionScopes"] = scope_list(caller.principal.scopes)
            returns["username"] = caller.principal.username
        return returns

    @method("Introspect", scope=Scope.NONE)
    async def introspect(self, caller: Caller, params: NoParams) -> IntrospectReturns:  # noqa: ARG002
        """Describe the API: its methods, notifications, types, enums and flags."""
        return self._contract

    @method("Version", scope=Scope.NONE)
    async def version(self, caller: Caller, params: NoParams) -> VersionReturns:  # noqa: ARG002
        """Tell the versions of the server and of the API."""
        return {
            "version": self._server.version,
            "protocol version": PROTOCOL_VERSION,
            "qtVersion": "none",
            "qtBuildVersion": "none",
        }

    @method("SetNotificationStatus", scope=Scope.NONE)
    async def set_notification_status(
        self, caller: Caller, params: SetNotificationStatusParams
    ) -> SetNotificationStatusReturns:
        """Choose the namespaces whose notifications this connection gets, in the dialect of this call. Each
        call sets the list anew.
        """
        known = self._registry.names()
        if params.enabled is None:
            wanted = known.intersection(params.namespaces or ())
        else:
            wanted = known if params.enabled else frozenset()
        caller.subscribe(wanted)
        return {"namespaces": sorted(wanted), "enabled": bool(wanted)}

    @method(
        "CreateUser",
        access=Access.SETUP,
        during_setup=True,
        errors=(ServerBusy,),
        outcomes={
            UserError.PERMISSION_DENIED: "There is a user already.",
            **BAD_NAME,
            **BAD_PASSWORD,
            **STORE_FAILED,
        },
    )
    async def create_user(self, caller: Caller, params: CreateUserParams) -> ErrorReturns:  # noqa: ARG002
        """Create the first administrator, while there is no user. Call Authenticate after this."""
        return await outcome(
            self._users.create_first(params.username, params.password, params.displayName or "", params.email or "")
        )

    @method("KeepAlive", scope=Scope.NONE)
    async def keep_alive(self, caller: Caller, params: KeepAliveParams) -> KeepAliveReturns:  # noqa: ARG002
        """Do nothing, successfully: clients use it to see whether the connection lives."""
        return {"success": True, "sessionId": params.sessionId}

    @cached_property
    def _contract(self) -> IntrospectReturns:
        return introspect(self._registry)  # type: ignore[return-value]

    @cached_property
    def _contract_hash(self) -> str:
        return hashlib.sha256(orjson.dumps(self._contract)).hexdigest()


def _locale(asked: str | None) -> str | None:
    """A locale as language and territory, such as de_AT; None where it can't be read as one."""
    match = _LOCALE.fullmatch(asked or "")
    if match is None:
        return None
    language, territory = match.groups()
    return language.lower() if territory is None else f"{language.lower()}_{territory.upper()}"
