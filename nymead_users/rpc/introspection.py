"""The contract in nymea's notation, as JSONRPC.Introspect answers it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, get_args, get_origin

from typing_extensions import TypeAliasType, is_typeddict

from nymead_users.permissions import SCOPE_NAMES, Scope
from nymead_users.rpc.registry import Registry
from nymead_users.rpc.types import Flags, members, notation

_NAME_OF_SCOPE = {scope: name for name, scope in SCOPE_NAMES.items()}


def scope_name(scope: Scope) -> str:
    """The name of the scope that a method asks for."""
    return _NAME_OF_SCOPE[scope]


def introspect(registry: Registry) -> dict[str, Any]:
    """Methods, notifications, types, enums and flags in nymea's notation.

    Keys are marked ``o:`` optional, ``r:`` read-only, ``d:`` deprecated; ``$ref:`` is a named type. The members of a
    type are read-only where no method takes it: the server tells it, nobody sets it.
    """
    named: dict[str, Any] = {}
    for method in registry.methods():
        members(method.params, named)
    settable = frozenset(named)
    methods = {
        method.name: {
            "description": method.description,
            "params": members(method.params, named),
            "permissionScope": scope_name(method.scope),
            "returns": members(method.returns, named),
        }
        for method in registry.methods()
    }
    notifications = {
        notification.name: {
            "description": notification.description,
            "params": members(notification.params, named),
        }
        for notification in registry.notifications()
    }
    contract: dict[str, dict[str, Any]] = {
        "methods": methods,
        "notifications": notifications,
        "types": {},
        "enums": {},
        "flags": {},
    }
    for name, declared in sorted(named.items()):
        contract[_kind(declared)][name] = _definition(declared, read_only=name not in settable)
    return contract


def _kind(declared: Any) -> str:
    if isinstance(declared, TypeAliasType):
        value = declared.__value__
        origin: Any = get_origin(value)
        return "flags" if origin is Annotated and Flags in get_args(value)[1:] else "types"
    return "types" if is_typeddict(declared) else "enums"


def _definition(declared: Any, *, read_only: bool) -> Any:
    if isinstance(declared, TypeAliasType):
        return notation(declared.__value__, {})
    if is_typeddict(declared):
        return {f"r:{name}" if read_only else name: kind for name, kind in members(declared, {}).items()}
    enum: type[StrEnum] = declared
    return [value.value for value in enum]
