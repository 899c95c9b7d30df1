"""Reading the API's types from their Python declarations, and writing them in nymea's notation."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, NotRequired, Required, Union, get_args, get_origin
from uuid import UUID

from annotated_types import Ge
from pydantic import JsonValue
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType, get_type_hints, is_typeddict

from nymead_users.rpc.namespace import NEVER_NULL, Params


class Flags:
    """Marks a named list of enum values as a set of flags."""


class UuidText:
    """Marks a text that is a uuid."""


#: Marks a field that is kept for older clients, as ``json_schema_extra``: pydantic's own mark warns at each use.
DEPRECATED: dict[str, JsonValue] = {"deprecated": True}


@dataclass(frozen=True, slots=True)
class Field:
    """One member of params, of returns or of an object type. ``nullable``: null is a value of its own."""

    name: str
    type: Any
    optional: bool
    nullable: bool
    deprecated: bool
    description: str


@cache
def fields(declared: Any) -> tuple[Field, ...]:
    """The fields of a Params model or a TypedDict, in the order of their declaration."""
    return tuple(_fields(declared))


def _fields(declared: Any) -> Iterator[Field]:
    if isinstance(declared, type) and issubclass(declared, Params):
        for name, info in declared.model_fields.items():
            yield _field(name, info.annotation, list(info.metadata), info, optional=not info.is_required())
        return
    for name, annotation in get_type_hints(declared, include_extras=True).items():
        inner: Any = annotation
        optional = False
        while (origin := _origin(inner)) in (NotRequired, Required):
            optional = origin is NotRequired
            (inner,) = get_args(inner)
        base, *metadata = get_args(inner) if _origin(inner) is Annotated else (inner,)
        info = next((item for item in metadata if isinstance(item, FieldInfo)), FieldInfo())
        yield _field(name, base, metadata, info, optional=optional)


def _origin(annotation: Any) -> Any:
    return get_origin(annotation)


def _field(name: str, base: Any, metadata: list[Any], info: FieldInfo, *, optional: bool) -> Field:
    constraints = tuple(item for item in metadata if not isinstance(item, FieldInfo))
    inner = _without_none(base)
    return Field(
        name=name,
        type=Annotated[(inner, *constraints)] if constraints else inner,
        optional=optional,
        nullable=inner is not base and NEVER_NULL not in metadata,
        deprecated=info.json_schema_extra == DEPRECATED,
        description=info.description or "",
    )


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        remaining = [arm for arm in get_args(annotation) if arm is not type(None)]
        if len(remaining) == 1:
            return remaining[0]
    return annotation


#: nymea's names of the basic types.
_BASIC: dict[Any, str] = {
    str: "String",
    bool: "Bool",
    int: "Int",
    float: "Double",
    UUID: "Uuid",
    datetime: "String",  # in ISO 8601
}


def notation(annotation: Any, named: dict[str, Any]) -> Any:
    """A type in nymea's notation; types that have a name of their own are added to ``named``.

    Raises TypeError for a type that the notation has no word for.
    """
    if isinstance(annotation, TypeAliasType):
        named[annotation.__name__] = annotation
        notation(annotation.__value__, named)
        return f"$ref:{annotation.__name__}"
    origin = _origin(annotation)
    if origin is Annotated:
        base, *constraints = get_args(annotation)
        if UuidText in constraints:
            return "Uuid"
        return "Uint" if base is int and Ge(0) in constraints else notation(base, named)
    if origin is list:
        return [notation(get_args(annotation)[0], named)]
    if annotation in _BASIC:
        return _BASIC[annotation]
    if annotation is Any or origin in (Union, types.UnionType):
        return "Variant"
    if origin is dict or annotation is dict:
        return "Object"
    if is_typeddict(annotation) or (isinstance(annotation, type) and issubclass(annotation, StrEnum)):
        if annotation.__name__ not in named:
            named[annotation.__name__] = annotation
            if is_typeddict(annotation):
                members(annotation, named)
        return f"$ref:{annotation.__name__}"
    raise TypeError(f"no notation for {annotation!r}")


def members(declared: Any, named: dict[str, Any]) -> dict[str, Any]:
    """The members of params, returns or an object in nymea's notation: ``d:`` deprecated, ``o:`` optional."""
    return {
        f"{'d:' if field.deprecated else ''}{'o:' if field.optional else ''}{field.name}": notation(field.type, named)
        for field in fields(declared)
    }
