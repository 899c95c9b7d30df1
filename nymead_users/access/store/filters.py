"""Lists as their callers want them: OData's $filter, $orderby, $top and $skip over declared fields."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Boolean, Enum, Integer, Select, String, and_, func, literal, not_, or_, select
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.types import TypeDecorator, TypeEngine

if TYPE_CHECKING:
    from odata_query.grammar import ODataLexer, ODataParser

#: The longest filter, in characters.
MAX_FILTER = 2_000

#: How deep parentheses and ``not`` may be in one another. SQLite's parser has a stack of 100 entries, of which a level
#: takes up to three.
MAX_DEPTH = 20

#: How many comparisons, functions and bare fields a filter may have.
MAX_CONDITIONS = 100

#: How many fields may order a list.
MAX_ORDER = 5

MAX_TOP = 1_000
MAX_SKIP = 1_000_000

#: What a BIGINT holds.
_INTEGERS = range(-(2**63), 2**63)

#: How much of a caller's text an error repeats.
_SHOWN = 40

_FUNCTIONS = ("contains", "startswith")

#: What the grammar knows and this module does not, by token.
_UNSUPPORTED: Final = {
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "MOD", "UMINUS"), "arithmetic"),
    **dict.fromkeys(("ANY", "ALL", ":"), "a lambda"),
    "DATE": "a date without a time",
    "DECIMAL": "a decimal number",
    "DURATION": "a duration",
    "GEOGRAPHY": "geography",
    "IN": '"in"',
    "TIME": "a time without a date",
    "/": 'navigation with "/"',
    "=": "a named parameter",
}

_ORDERINGS: Final[dict[str, Callable[[Any, Any], ColumnElement[bool]]]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}

_MIRRORED: Final = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}

#: What drivers or databases refuse in a text.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

#: What the lexer takes for whitespace.
_WHITESPACE: Final = " \t\n\r\f\v"

#: What is said of what nobody expected, if more than that.
_REASONS: Final = {'"has"': '"has" is not supported', '"""': "texts are in single quotes"}

#: What an error shows of the text that it points at.
_WORD = re.compile(r"'[^']*'|\w+|.", re.DOTALL)


class BadFilter(Exception):
    """What is wrong with a query, and where: ``filter: position 12: …``, ``orderBy: …``, ``top: …``, ``skip: …``.

    The text is for people: one line, printable. Positions count characters from 1.
    """


@dataclass(frozen=True, slots=True)
class Query:
    """What a caller wants of a list; None: no restriction.

    ``filter``: at most MAX_FILTER characters. ``order_by``: ``field [asc|desc]``, separated by commas, at most
    MAX_ORDER fields. ``top``: 0 to MAX_TOP. ``skip``: 0 to MAX_SKIP.
    """

    filter: str | None = None
    order_by: str | None = None
    top: int | None = None
    skip: int | None = None


def queried(statement: Select[Any], query: Query, *, fields: Collection[str], order: str) -> Select[Any]:
    """The rows of a statement that a query wants; the columns and their order stay as they are.

    ``statement`` selects columns whose labels include ``fields``, the names that may be queried, and ``order``, which
    is unique: it orders ties, and a list without an order. Fields are a String, a Boolean, an Integer, or a
    TypeDecorator whose ``python_type`` is datetime; anything else is a TypeError. What callers write is bound to
    parameters, never part of the statement.

    A filter has ``eq ne lt le gt ge``, ``and or not``, parentheses, ``contains(field,'text')``,
    ``startswith(field,'text')``, bare boolean fields, and as values texts, integers, booleans, null, UUIDs (texts in
    lower case) and times with Z or an offset. A field compares with a value or a field of its kind. Texts are
    case-sensitive.

    Null is as in OData 4.01: it equals itself and nothing else, so ``ne 'x'`` has the rows without a value; orderings
    with null are false, except ``le`` and ``ge`` of two; functions of null and a null boolean are neither true nor
    false, so the row is in neither ``contains(…)`` nor ``not contains(…)``. Null is first in ascending order.

    Raises BadFilter.
    """
    rows = statement.subquery()
    known = {name: _Field.of(name, rows.c[name]) for name in sorted(fields)}
    wanted = select(*rows.c)
    if query.filter is not None:
        wanted = wanted.where(_condition(_parsed(query.filter), known))
    if query.order_by is not None:
        wanted = wanted.order_by(*_order(query.order_by, known))
    wanted = wanted.order_by(rows.c[order])
    if query.top is not None:
        wanted = wanted.limit(_within("top", query.top, MAX_TOP))
    if query.skip is not None:
        wanted = wanted.offset(_within("skip", query.skip, MAX_SKIP))
    return wanted


class _Kind(StrEnum):
    """What a field holds, in the words of errors."""

    TEXT = "a text"
    BOOLEAN = "true or false"
    NUMBER = "an integer"
    TIME = "a time"


@dataclass(frozen=True, slots=True)
class _Field:
    """``bound``: the type that values have which are compared with it."""

    name: str
    column: ColumnElement[Any]
    kind: _Kind
    bound: TypeEngine[Any]

    @classmethod
    def of(cls, name: str, column: ColumnElement[Any]) -> _Field:
        match column.type:
            case Enum():  # is a String, too
                pass
            case String():
                return cls(name, column, _Kind.TEXT, String())
            case Boolean():
                return cls(name, column, _Kind.BOOLEAN, Boolean())
            case Integer():
                return cls(name, column, _Kind.NUMBER, BigInteger())
            case TypeDecorator() as decorator if decorator.python_type is datetime:
                return cls(name, column, _Kind.TIME, decorator)
        raise TypeError(f"field {name} can't be queried: it is of type {column.type!r}")

    def __str__(self) -> str:
        return f"field {_quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class _Value:
    """``kind`` is None for null."""

    kind: _Kind | None
    value: str | bool | int | datetime | None

    def __str__(self) -> str:
        return "null" if self.kind is None else self.kind


def _condition(node: Any, known: Mapping[str, _Field]) -> ColumnElement[bool]:
    """Recurses as deep as parentheses and ``not`` do."""
    from odata_query import ast  # noqa: PLC0415 - slow to import, seldom needed

    match node:
        case ast.BoolOp(op=op):
            operands = [_condition(operand, known) for operand in _chain(node)]
            return and_(*operands) if op == ast.And() else or_(*operands)
        case ast.UnaryOp(operand=operand):
            return not_(_condition(operand, known))
        case ast.Compare():
            return _comparison(node, known)
        case ast.Call(func=function, args=[ast.Identifier() as name, _Value(kind=_Kind.TEXT, value=str(text))]):
            return _search(function.name, _named("filter", name, known), text)
        case ast.Call(func=function):
            raise BadFilter(f"filter: {function.name} takes a field and a text")
        case ast.Identifier():
            field = _named("filter", node, known)
            if field.kind is not _Kind.BOOLEAN:
                raise BadFilter(f"filter: {field} is no condition: it is {field.kind}, and compared with nothing")
            return field.column
    raise BadFilter("filter: a value is no condition: it is compared with no field")


def _chain(node: Any) -> list[Any]:
    """What one operator joins, ``a and b and c``; the tree of it is as deep as it is long."""
    op, operands = node.op, []
    while getattr(node, "op", None) == op:
        operands.append(node.right)
        node = node.left
    return [node, *reversed(operands)]


def _operand(comparator: str, node: Any, known: Mapping[str, _Field]) -> _Field | _Value:
    from odata_query import ast  # noqa: PLC0415 - as above

    match node:
        case _Value():
            return node
        case ast.Identifier():
            return _named("filter", node, known)
        case ast.UnaryOp():
            raise BadFilter(f'filter: "not" binds closer than "{comparator}": put the comparison into parentheses')
    raise BadFilter(f'filter: "{comparator}" compares a field with a value or a field, nothing else')


def _comparison(node: Any, known: Mapping[str, _Field]) -> ColumnElement[bool]:
    comparator: str = node.comparator
    left, right = (_operand(comparator, side, known) for side in (node.left, node.right))
    if isinstance(left, _Value):
        left, right, comparator = right, left, _MIRRORED.get(comparator, comparator)
    if isinstance(left, _Value):
        raise BadFilter("filter: a comparison of two values has no field")
    equality = comparator in ("eq", "ne")
    if right.kind is not left.kind and not (right.kind is None and equality):
        raise BadFilter(f"filter: {left} expects {left.kind}, got {right}{_what(right)}")
    column = left.column
    if right.kind is None:
        return column.is_(None) if comparator == "eq" else column.is_not(None)
    other = right.column if isinstance(right, _Field) else literal(right.value, left.bound)
    if equality:
        return column.is_not_distinct_from(other) if comparator == "eq" else column.is_distinct_from(other)
    compared = _ORDERINGS[comparator](column, other)
    if not isinstance(right, _Field):
        return and_(column.is_not(None), compared)
    both = and_(column.is_not(None), other.is_not(None), compared)
    return or_(both, and_(column.is_(None), other.is_(None))) if comparator in ("le", "ge") else both


def _what(operand: _Field | _Value) -> str:
    return f", which is {operand.kind}" if isinstance(operand, _Field) else ""


def _search(function: str, field: _Field, text: str) -> ColumnElement[bool]:
    """Without LIKE, whose wildcards would want escapes, and whose case counts in one database and not in another."""
    if field.kind is not _Kind.TEXT:
        raise BadFilter(f"filter: {function} expects a text, got {field}, which is {field.kind}")
    if function == "startswith":
        return func.substr(field.column, 1, len(text), type_=String()) == literal(text, String())
    if not text:
        return field.column == field.column
    return func.replace(field.column, literal(text, String()), "", type_=String()) != field.column


def _order(text: str, known: Mapping[str, _Field]) -> Iterator[ColumnElement[Any]]:
    items = text.split(",", MAX_ORDER)
    if len(items) > MAX_ORDER:
        raise BadFilter(f"orderBy: at most {MAX_ORDER} fields")
    seen = set()
    for item in items:
        match item.split():
            case [name]:
                descending = False
            case [name, direction] if direction.lower() in ("asc", "desc"):
                descending = direction.lower() == "desc"
            case _:
                raise BadFilter(f"orderBy: expected a field, then asc or desc or nothing, got {_quoted(item)}")
        field = _named("orderBy", name, known)
        if field.name in seen:
            raise BadFilter(f"orderBy: {field} is there twice")
        seen.add(field.name)
        yield field.column.desc().nulls_last() if descending else field.column.asc().nulls_first()


def _within(place: str, number: int, limit: int) -> int:
    if not 0 <= number <= limit:
        raise BadFilter(f"{place}: must be between 0 and {limit}")
    return number


def _named(place: str, name: Any, known: Mapping[str, _Field]) -> _Field:
    """``name``: a text, or an Identifier in the tree."""
    if not isinstance(name, str):
        name = name.full_name()
    if (field := known.get(name)) is None:
        raise BadFilter(f"{place}: unknown field {_quoted(name)}; fields are {', '.join(known)}")
    return field


def _quoted(text: str) -> str:
    shown = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:_SHOWN]
    )
    return f'"{shown}…"' if len(text) > _SHOWN else f'"{shown}"'


def _at(index: int, reason: str) -> BadFilter:
    return BadFilter(f"filter: position {index + 1}: {reason}")


def _unexpected(text: str, index: int) -> BadFilter:
    index = _beginning(text, index)
    word = _WORD.match(text, index)
    shown = _quoted(word[0] if word else "")
    return _at(index, _REASONS.get(shown.lower(), f"unexpected {shown}"))


def _beginning(text: str, index: int) -> int:
    """Where a token begins; operators have whitespace before them."""
    return len(text) - len(text[index:].lstrip(_WHITESPACE))


@cache
def _grammar() -> tuple[type[ODataLexer], type[ODataParser]]:
    from odata_query.grammar import ODataLexer, ODataParser  # noqa: PLC0415 - makes its tables: 0.1 s, seldom needed

    class Lexer(ODataLexer):
        """odata-query's, but fields may begin with all, any, null, true or false, and digits are ASCII's."""

        tokens = ODataLexer.tokens
        reflags = re.IGNORECASE | re.ASCII
        NOT: Any = r"not(?:\s+|(?=\())"
        BOOLEAN: Any = r"(?:true|false)\b"
        NULL: Any = r"null\b"
        ANY: Any = r"any\b"
        ALL: Any = r"all\b"

    return Lexer, ODataParser


def _parsed(text: str) -> Any:
    """The tree of a filter: of ``odata_query.ast``, but values are a _Value, and comparators their names."""
    if len(text) > MAX_FILTER:
        raise BadFilter(f"filter: at most {MAX_FILTER} characters, got {len(text)}")
    if unstorable := _UNSTORABLE.search(text):
        raise _at(unstorable.start(), f"the character U+{ord(unstorable[0]):04X} is not allowed")
    tokens = _tokens(text)
    parser = _grammar()[1]()
    from odata_query.exceptions import ArgumentCountException, ParsingException  # noqa: PLC0415 - as above

    try:
        return parser.parse(iter(tokens))
    except ArgumentCountException as error:
        raise BadFilter(f"filter: {error.function_name} takes a field and a text") from None
    except ParsingException as error:
        if error.token is None:
            raise BadFilter("filter: ends too early") from None
        raise _unexpected(text, error.token.index) from None


def _tokens(text: str) -> list[Any]:
    """The tokens that the parser is to see, without whitespace; what it could choke on is refused here."""
    from odata_query.exceptions import TokenizingException  # noqa: PLC0415 - as above

    tokens: list[Any] = []
    try:
        # Operators end with whitespace: what ends with one ends too early.
        for token in _grammar()[0]().tokenize(text + " "):
            if what := _UNSUPPORTED.get(token.type):
                raise _at(_beginning(text, token.index), f"{what} is not supported")
            if token.type == "(" and tokens and tokens[-1].type == "ODATA_IDENTIFIER":
                _check_function(tokens[-1])
            if token.type != "WS":
                token.value = _valued(token)
                tokens.append(token)
    except TokenizingException as error:
        if text[error.token.index] == "'":
            raise _at(error.token.index, "a text without an end") from None
        raise _unexpected(text, error.token.index) from None
    _check_size(tokens)
    return tokens


def _check_function(token: Any) -> None:
    name = token.value.full_name()
    if name not in _FUNCTIONS:
        raise _at(token.index, f"the function {_quoted(name)} is not supported; there are {', '.join(_FUNCTIONS)}")


def _check_size(tokens: list[Any]) -> None:
    """Raise BadFilter where a filter has too many conditions, or is too deep."""
    conditions = 1
    #: How many ``not`` wait for their operand, outside and in each pair of parentheses.
    levels = [0]
    for token in tokens:
        match token.type:
            case "AND" | "OR":
                conditions += 1
                levels[-1] = 0
            case "NOT":
                levels[-1] += 1
            case "(":
                levels.append(0)
            case ")" if len(levels) > 1:
                levels.pop()
        if len(levels) - 1 + sum(levels) > MAX_DEPTH:
            raise _at(token.index, f"parentheses and not are more than {MAX_DEPTH} deep")
    if conditions > MAX_CONDITIONS:
        raise BadFilter(f"filter: at most {MAX_CONDITIONS} comparisons, got {conditions}")


def _valued(token: Any) -> Any:
    """What stands for a token in the tree. Raises BadFilter where that is a value which can't be."""
    match token.type:
        case "STRING":
            return _Value(_Kind.TEXT, token.value.py_val)
        case "GUID":
            return _Value(_Kind.TEXT, token.value.val.lower())
        case "BOOLEAN":
            return _Value(_Kind.BOOLEAN, token.value.py_val)
        case "NULL":
            return _Value(None, None)
        case "INTEGER":
            if token.value.py_val not in _INTEGERS:
                raise _at(token.index, "the integer is too large")
            return _Value(_Kind.NUMBER, token.value.py_val)
        case "DATETIME":
            return _Value(_Kind.TIME, _time(token))
        case "EQ" | "NE" | "LT" | "LE" | "GT" | "GE":
            return token.type.lower()
    return token.value


def _time(token: Any) -> datetime:
    """A time in UTC."""
    try:
        time: datetime = token.value.py_val
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _at(token.index, "there is no such time") from None
    raise _at(token.index, "a time wants Z or an offset, as in 2026-01-31T08:00:00Z")
