"""The one way from a call to its result: the guard chain, the method, the errors."""

from __future__ import annotations

import logging
import re
import secrets
from typing import Any, Protocol

import orjson
from pydantic import TypeAdapter, ValidationError

from nymead_users.permissions import Scope
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.errors import (
    HandshakeRequired,
    InternalError,
    InvalidParams,
    MethodNotFound,
    PermissionDenied,
    RpcError,
    SetupRequired,
    Unauthorized,
)
from nymead_users.rpc.message import Call, Encoded, Result
from nymead_users.rpc.namespace import Access, Method, NoParams, Params
from nymead_users.rpc.registry import Registry
from nymead_users.storage.errors import IntegrityViolation, StoreError

log = logging.getLogger(__name__)

_NAME = re.compile(r"[^.]+\.[^.]+")


class Setup(Protocol):
    """Whether the server still waits for its first user, and who may make it."""

    @property
    def required(self) -> bool:
        """No user exists yet."""

    def allowed(self, *, local: bool) -> bool:
        """Whether a peer may make the first user; ``local`` for one on this machine."""


class Dispatcher:
    """Checks each call against the declaration of its method and runs it.

    With ``check_returns`` what methods return is held against their declaration too, for tests and
    debugging.
    """

    def __init__(self, registry: Registry, setup: Setup, *, check_returns: bool = False) -> None:
        self._registry = registry
        self._setup = setup
        self._check_returns = check_returns
        self._adapters: dict[str, TypeAdapter[Any]] = {}

    async def dispatch(self, call: Call, caller: Caller) -> Result:
        """Run a call.

        The order of the checks is the contract: the name's form, the token unchanged, set-up and
        authentication, permission, the method's existence, its params, the handshake. Whoever is not
        authenticated learns nothing of what exists.

        Raises RpcError, and nothing else: whatever else goes wrong becomes an InternalError whose
        reference stands in the log beside the cause.
        """
        name = call.method
        try:
            declared = self._find(name)
            exempt = declared is not None and declared.access is not Access.TOKEN
            if not (call.token is None or exempt or caller.holds(call.token)):
                await caller.present_token(call.token, lenient=call.lenient)
            method, params = self._admit(call, caller, declared)
            result = await method.run(caller, params)
            if self._check_returns:
                self._check(method, result)
        except RpcError:
            raise
        except Exception as error:
            raise internal_error(error, name) from error
        return result

    def _find(self, name: str) -> Method | None:
        method = self._registry.get(name)
        if method is None and not _NAME.fullmatch(name):
            raise MethodNotFound.malformed(name)
        return method

    def _admit(self, call: Call, caller: Caller, method: Method | None) -> tuple[Method, Params]:
        """All checks that come after the token's."""
        self._authenticate(caller, method)
        if method is None:
            known = call.method.partition(".")[0] in self._registry.namespaces
            raise MethodNotFound("No such method" if known else "No such namespace")
        if method.scope is not Scope.NONE and not caller.permits(method.scope):
            log.info("permission denied", extra={"method": method.name})
            raise PermissionDenied
        params = _checked(method, call.params)
        if not (call.lenient or caller.greeted or method.handshake):
            raise HandshakeRequired
        return method, params

    def _authenticate(self, caller: Caller, method: Method | None) -> None:
        """Set-up, then authentication."""
        if not caller.authentication_required:
            return
        if self._setup.required:
            if method is None or not method.during_setup:
                raise SetupRequired
            if method.access is Access.SETUP and not self._setup.allowed(local=caller.peer.local):
                log.warning("initial setup refused from here", extra={"method": method.name})
                raise PermissionDenied
        elif (method is None or method.access is not Access.PUBLIC) and caller.principal is None:
            raise Unauthorized

    def _check(self, method: Method, result: Result) -> None:
        adapter = self._adapters.get(method.name)
        if adapter is None:
            adapter = self._adapters[method.name] = TypeAdapter(method.returns)
        adapter.validate_python(
            {key: orjson.loads(value.text) if isinstance(value, Encoded) else value for key, value in result.items()}
        )


def internal_error(error: Exception, method: str) -> InternalError:
    """What a client is told of an unforeseen error: a reference, under which the log has the cause.

    Of a store that fails its reason says everything; where the code went wrong takes a traceback to find.
    """
    reference = secrets.token_hex(4)
    about = {"method": method, "reference": reference}
    if isinstance(error, StoreError) and not isinstance(error, IntegrityViolation):
        log.error("the database failed", extra={**about, "reason": str(error)})
    else:
        log.error("call failed", extra=about, exc_info=error)
    return InternalError(reference)


def _checked(method: Method, given: Any) -> Params:
    """The params as the method's model. Raises InvalidParams naming the first wrong one and the reason."""
    if isinstance(given, list):
        names = list(method.params.model_fields)
        if len(given) > len(names):
            raise InvalidParams(method.name, str(len(names)), f"At most {len(names)} params, got {len(given)}")
        given = dict(zip(names, given, strict=False))
    elif given is None:
        given = {}
    elif not isinstance(given, dict):
        raise InvalidParams(method.name, "", "Expected an object")
    if not given and method.params is NoParams:
        return _NO_PARAMS
    key = _key(method, given)
    if key is not None and (known := method.checked.get(key)) is not None:
        return known
    _bound(method, given)
    try:
        # As model_validate does, without looking at options that there are none of.
        params: Params = method.params.__pydantic_validator__.validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        param = ".".join(str(part) for part in first["loc"])
        raise InvalidParams(method.name, param, _reason(first["type"], first["msg"], param)) from None
    if key is not None:
        if len(method.checked) >= MAX_CHECKED:
            method.checked.clear()
        method.checked[key] = params
    return params


def _key(method: Method, given: dict[str, Any]) -> tuple[tuple[str, str], ...] | None:
    """By what a method keeps these params, if it does: they are texts, since 1 and true would be the same."""
    if not method.repeated or len(given) > len(method.repeated):
        return None
    for name, value in given.items():
        if name not in method.repeated or type(value) is not str:
            return None
    return tuple(given.items())


#: So many checked params of a method are kept.
MAX_CHECKED = 4096

_NO_PARAMS = NoParams()

#: No params, and no object in them, have as many members: each that is unknown would take its time to refuse.
MAX_MEMBERS = 100

_NESTED = frozenset((dict, list))


def _bound(method: Method, given: dict[str, Any]) -> None:
    """Raise InvalidParams for an object of more members than any has."""
    if len(given) > MAX_MEMBERS:
        raise InvalidParams(method.name, "", f"At most {MAX_MEMBERS} members, got {len(given)}")
    for name, value in given.items():
        if type(value) not in _NESTED:
            continue
        for member in value if isinstance(value, list) else (value,):
            if isinstance(member, dict) and len(member) > MAX_MEMBERS:
                raise InvalidParams(method.name, name, f"At most {MAX_MEMBERS} members, got {len(member)}")


def _reason(kind: str, message: str, param: str) -> str:
    if kind == "missing":
        return f"Missing required key: {param}"
    if kind == "extra_forbidden":
        return f"Invalid key: {param}"
    return message.removeprefix("Value error, ")
