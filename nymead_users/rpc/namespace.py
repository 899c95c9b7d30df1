"""How a namespace declares its methods and notifications.

One declaration carries everything: the method's name and scope are given to ``@method``, its description
is the docstring, its params and returns are the annotations. Checks, introspection and OpenRPC all read it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar, Protocol, TypeVar, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, with_config

from nymead_users.permissions import Scope, User
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.errors import RpcError
from nymead_users.rpc.message import Result

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Awaitable[Result]])


class Access(Enum):
    """Who may call a method at all; scopes come on top."""

    #: Anyone, with or without a token, whatever token they carry.
    PUBLIC = "public"
    #: Anyone while the server has no user; afterwards whoever has a token.
    SETUP = "setup"
    #: Whoever has a valid token.
    TOKEN = "token"  # noqa: S105 - the name of a kind of access, no secret


class Params(BaseModel):
    """A method's params: strict types, nothing unknown, declared in the order of positional params."""

    # Built when first used: a start need not wait for what most connections never call.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    def __repr__(self) -> str:
        """Which params, without their values: some are secrets."""
        return f"{type(self).__name__}(…)"

    __str__ = __repr__


class NoParams(Params):
    """The params of a method that takes none."""


def _refuse_null(value: Any) -> Any:
    if value is None:
        raise ValueError("must not be null; leave it out instead")
    return value


#: Marks what may be None inside, but never null on the wire.
NEVER_NULL = BeforeValidator(_refuse_null)

#: A param that may be left out (it is None then), but is never null on the wire.
Omissible = Annotated[T | None, NEVER_NULL]

#: Marks a TypedDict as a type of the API: exact types, no unknown keys.
wire_type = with_config(ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True))


@dataclass(frozen=True, slots=True)
class Method:
    """A method as declared; ``run`` takes the caller and the checked params.

    ``name`` is the whole name, ``Namespace.Method``. ``during_setup``: answered while the server has no
    user. ``handshake``: may be the first call of a connection in nymea's dialect. ``errors``: what it may be
    refused with beyond what its access and scope say. ``outcomes``: the values other than success that the
    ``error`` of its returns may have, and what causes each. ``repeated`` are params with
    which the method is called again and again: ``checked`` keeps calls of these alone, by what was given.
    """

    name: str
    description: str
    access: Access
    scope: Scope
    during_setup: bool
    handshake: bool
    params: type[Params]
    returns: Any
    errors: tuple[type[RpcError], ...]
    outcomes: Mapping[Any, str]
    run: Callable[[Caller, Any], Awaitable[Result]]
    repeated: frozenset[str]
    checked: dict[tuple[tuple[str, str], ...], Params]


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification as declared: its whole name, what it tells, and its params (a TypedDict)."""

    name: str
    description: str
    params: Any


@dataclass(frozen=True, slots=True)
class _Declaration:
    name: str
    access: Access
    scope: Scope
    own: bool
    during_setup: bool
    handshake: bool
    errors: tuple[type[RpcError], ...]
    outcomes: Mapping[Any, str]
    repeated: frozenset[str]


def method(
    name: str,
    *,
    access: Access = Access.TOKEN,
    scope: Scope = Scope.ADMIN,
    own: bool = False,
    during_setup: bool = False,
    handshake: bool = False,
    errors: tuple[type[RpcError], ...] = (),
    outcomes: Mapping[Any, str] | None = None,
    repeated: frozenset[str] = frozenset(),
) -> Callable[[F], F]:
    """Declare a coroutine method of a Namespace as a method of the API.

    It takes the caller and its params (a subclass of Params) and returns a TypedDict. Administrator is
    the default; ``own`` marks what concerns the caller's own account and needs no scope where the
    operator allows self-service. ``repeated`` names the params with which it is called again and again, of which none
    may be a secret, for they are kept.
    """

    def declare(function: F) -> F:
        function.__dict__["declaration"] = _Declaration(
            name, access, scope, own, during_setup, handshake, errors, outcomes or {}, repeated
        )
        return function

    return declare


class Notify(Protocol):
    """Sends a notification to the subscribed sessions that may know."""

    def __call__(self, name: str, params: Mapping[str, Any], *, audience: Callable[[User], bool]) -> None:
        """Send; ``audience`` says who may know, and is not asked where a listener needs no token."""


class Namespace:
    """Methods and notifications under one name. Subclasses declare them; construction reads them.

    ``hidden`` namespaces are served, but left out of JSONRPC.Introspect.
    """

    name: ClassVar[str]
    notifications: ClassVar[tuple[Notification, ...]] = ()
    hidden: ClassVar[bool] = False
    self_service: bool = False

    def methods(self) -> list[Method]:
        """The declared methods, in the order of their names."""
        declared = [
            self._read(getattr(self, name))
            for name, function in inspect.getmembers(type(self), inspect.isfunction)
            if hasattr(function, "declaration")
        ]
        return sorted(declared, key=lambda declared: declared.name)

    def _read(self, function: Any) -> Method:
        declaration: _Declaration = function.declaration
        hints = get_type_hints(function, include_extras=True)
        return Method(
            name=f"{self.name}.{declaration.name}",
            description=inspect.cleandoc(function.__doc__ or "").replace("\n", " "),
            access=declaration.access,
            scope=(
                Scope.NONE
                if declaration.access is not Access.TOKEN or (declaration.own and self.self_service)
                else declaration.scope
            ),
            during_setup=declaration.during_setup,
            handshake=declaration.handshake,
            params=hints["params"],
            returns=hints["return"],
            errors=declaration.errors,
            outcomes=declaration.outcomes,
            run=function,
            repeated=declaration.repeated,
            checked={},
        )
