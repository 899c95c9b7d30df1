"""The contract as an OpenRPC document (https://spec.open-rpc.org)."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from nymead_users.rpc import errors
from nymead_users.rpc.introspection import scope_name
from nymead_users.rpc.namespace import Access, Method, Notification, Params
from nymead_users.rpc.registry import Registry
from nymead_users.rpc.types import Field, fields

#: The version of the OpenRPC specification.
OPENRPC = "1.3.2"

_REF = "#/components/schemas/{model}"


def openrpc(registry: Registry, version: str) -> dict[str, Any]:
    """The OpenRPC document of all methods, valid against the specification's meta-schema.

    What OpenRPC has no words for: ``x-permissionScope`` names the scope that a method needs, ``x-access``
    says who may call it at all (public, setup, token), ``x-outcomes`` what the ``error`` in its result may be
    and why; ``x-notifications`` lists what the server sends, ``x-errors`` everything that a call may be
    refused with, in both dialects' words.
    """
    methods, notifications = registry.methods(), registry.notifications()
    schemas, definitions = _schemas([*methods, *notifications])
    return {
        "openrpc": OPENRPC,
        "info": {
            "title": "nymead-users",
            "version": version,
            "description": "Who may do what in a home, and who may open which lock there, over nymea's JSON-RPC API.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "methods": [_method(method, schemas) for method in methods],
        "components": {"schemas": definitions, "errors": _ERRORS},
        "x-notifications": [
            {
                "name": notification.name,
                "description": notification.description,
                "params": _descriptors(notification.name, notification.params, schemas),
            }
            for notification in notifications
        ],
        "x-errors": [_error(error) for error in _ALL_ERRORS],
    }


def with_examples(document: Mapping[str, Any], examples: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the example pairing that ``examples`` has under a method's or notification's name."""
    return {
        **document,
        **{
            kind: [
                {**item, "examples": [examples[item["name"]]]} if item["name"] in examples else item
                for item in document[kind]
            ]
            for kind in ("methods", "x-notifications")
        },
    }


def _method(method: Method, schemas: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    returns = _descriptors(method.name, method.returns, schemas)
    return {
        "name": method.name,
        "description": method.description,
        "paramStructure": "either",
        "params": _descriptors(method.name, method.params, schemas),
        "result": {
            "name": "returns",
            "schema": {
                "type": "object",
                "properties": {
                    descriptor["name"]: _described(descriptor["schema"], descriptor.get("description"))
                    for descriptor in returns
                },
                "required": [descriptor["name"] for descriptor in returns if descriptor["required"]],
                "additionalProperties": False,
            },
        },
        "errors": [{"$ref": f"#/components/errors/{name}"} for name in _possible_errors(method)],
        "x-permissionScope": scope_name(method.scope),
        "x-access": method.access.value,
        "x-outcomes": [
            {"value": value.value, "description": description} for value, description in method.outcomes.items()
        ],
    }


def _descriptors(owner: str, declared: Any, schemas: dict[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    """Params or returns as content descriptors."""
    kind = "in" if _is_params(declared) else "out"
    descriptors = []
    for field in fields(declared):
        descriptor: dict[str, Any] = {
            "name": field.name,
            "required": not field.optional,
            "schema": schemas[owner, f"{kind}.{field.name}"],
        }
        if field.description:
            descriptor["description"] = field.description
        if field.deprecated:
            descriptor["deprecated"] = True
        descriptors.append(descriptor)
    return descriptors


def _described(schema: dict[str, Any], description: str | None) -> dict[str, Any]:
    return schema if description is None else {**schema, "description": description}


def _schemas(
    declared: Iterable[Method | Notification],
) -> tuple[dict[tuple[str, str], dict[str, Any]], dict[str, Any]]:
    """The JSON schema of every field by its owner and name, and the definitions they refer to."""
    inputs: list[tuple[tuple[str, str], JsonSchemaMode, TypeAdapter[Any]]] = []
    for item in declared:
        parts = [item.params, item.returns] if isinstance(item, Method) else [item.params]
        for part in parts:
            kind = "in" if _is_params(part) else "out"
            inputs += [((item.name, f"{kind}.{field.name}"), "validation", _adapter(field)) for field in fields(part)]
    schemas, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    return (
        {key: _untitled(schema) for (key, _), schema in schemas.items()},
        {name: _untitled(schema) for name, schema in sorted(definitions.get("$defs", {}).items())},
    )


def _adapter(field: Field) -> TypeAdapter[Any]:
    return TypeAdapter(field.type | None if field.nullable else field.type)


def _is_params(declared: Any) -> bool:
    return isinstance(declared, type) and issubclass(declared, Params)


def _untitled(schema: Any) -> Any:
    """A schema without the titles that pydantic derives from Python's names."""
    if isinstance(schema, dict):
        return {
            key: _untitled(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))
        }
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    return schema


_COMMON = (errors.InvalidParams, errors.InternalError)
_DECLARED_ERRORS: tuple[type[errors.RpcError], ...] = (
    *_COMMON,
    errors.Unauthorized,
    errors.SetupRequired,
    errors.PermissionDenied,
    errors.TooManyAttempts,
    errors.ServerBusy,
)

_ALL_ERRORS: tuple[type[errors.RpcError], ...] = (
    errors.ParseError,
    errors.InvalidRequest,
    errors.MethodNotFound,
    *_DECLARED_ERRORS,
    errors.TokenChanged,
    errors.HandshakeRequired,
)

_ERRORS: dict[str, Any] = {error.__name__: {"code": error.code, "message": error.title} for error in _DECLARED_ERRORS}


def _error(error: type[errors.RpcError]) -> dict[str, Any]:
    """An error for readers: ``status`` is nymea's, ``closes`` tells whether the connection ends with it."""
    return {
        "name": error.__name__,
        "code": error.code,
        "message": error.title,
        "description": inspect.cleandoc(error.__doc__ or "").replace("\n", " ").replace("``", "`"),
        "status": "unauthorized" if error.unauthorized else "error",
        "closes": error.closes,
    }


def _possible_errors(method: Method) -> list[str]:
    possible: list[type[errors.RpcError]] = [*_COMMON]
    if method.access is not Access.PUBLIC:
        possible.append(errors.Unauthorized)
    if not method.during_setup:
        possible.append(errors.SetupRequired)
    if method.scope or method.access is Access.SETUP:
        possible.append(errors.PermissionDenied)
    possible += method.errors
    return [error.__name__ for error in possible]
