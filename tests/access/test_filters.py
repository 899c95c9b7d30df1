"""OData's query options over lists."""

from __future__ import annotations

import operator
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Enum,
    Integer,
    MetaData,
    Numeric,
    Select,
    String,
    Table,
    case,
    column,
    create_engine,
    func,
    insert,
    select,
    table,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator

from nymead_users.access.store.filters import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_FILTER,
    MAX_SKIP,
    MAX_TOP,
    BadFilter,
    Query,
    queried,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """Milliseconds since the epoch."""

    impl = BigInteger
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:  # noqa: ARG002
        return None if value is None else (value - EPOCH) // timedelta(milliseconds=1)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        return None if value is None else EPOCH + timedelta(milliseconds=value)


groups = Table(
    "groups",
    MetaData(),
    Column("group_id", String(36), primary_key=True),
    Column("title", String(255)),
    Column("note", String(255)),
    Column("active", Boolean),
    Column("allowed", Boolean),
    Column("members", Integer),
    Column("nullable", BigInteger),
    Column("since", Instant),
    Column("until", Instant),
    Column("pin_hash", String),
)

#: Undeclared columns are selected before, between and after the declared ones.
STATEMENT = select(
    groups.c.pin_hash.label("pinHash"),
    groups.c.group_id.label("id"),
    *(groups.c[name] for name in ("title", "note", "active", "allowed", "members", "nullable")),
    func.coalesce(groups.c.pin_hash, "").label("secret"),
    groups.c.since,
    groups.c.until,
)
FIELDS = ("id", "title", "note", "active", "allowed", "members", "nullable", "since", "until")
KINDS = {
    "text": ("id", "title", "note"),
    "boolean": ("active", "allowed"),
    "number": ("members", "nullable"),
    "time": ("since", "until"),
}
ROWS: list[dict[str, Any]] = [
    {
        "group_id": "0a0a0a0a-1111-4222-8333-444444444444",
        "title": "Cellar 100%",
        "note": "it's",
        "active": True,
        "allowed": False,
        "members": 3,
        "nullable": 2**40,
        "since": datetime(2026, 1, 31, 8, 0, tzinfo=UTC),
        "until": datetime(2026, 2, 1, tzinfo=UTC),
        "pin_hash": "secret-a",
    },
    {
        "group_id": "1",
        "title": "cellar_x",
        "note": "cellar_x",
        "active": False,
        "allowed": True,
        "members": -4,
        "nullable": None,
        "since": datetime(2026, 1, 31, 8, 0, 0, 1000, tzinfo=UTC),
        "until": None,
        "pin_hash": "secret-b",
    },
    {"group_id": "2", **dict.fromkeys(("title", "note", "active", "allowed", "members", "nullable", "since", "until"))},
]
ROWS[2]["pin_hash"] = None


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """A database with the table in it, but no rows."""
    engine = create_engine("sqlite://")
    groups.metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def asked(query: Query, statement: Select[Any] = STATEMENT) -> Select[Any]:
    return queried(statement, query, fields=FIELDS, order="id")


def found(connection: Connection, query: Query | str, rows: list[dict[str, Any]] = ROWS) -> list[str]:
    """The ids of the rows that a query wants."""
    connection.rollback()
    if rows:
        connection.execute(insert(groups), rows)
    result = connection.execute(asked(Query(filter=query) if isinstance(query, str) else query))
    return [row.id for row in result]


def refusal(query: Query | str) -> str:
    with pytest.raises(BadFilter) as caught:
        asked(Query(filter=query) if isinstance(query, str) else query)
    return str(caught.value)


A, B, C = (row["group_id"] for row in ROWS)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("title eq 'cellar_x'", [B]),
        ("'cellar_x' eq title", [B]),
        ("  title eq 'cellar_x'\t", [B]),
        ("(( title eq 'cellar_x' ))", [B]),
        ("title eq 'CELLAR_X'", []),
        ("title ne 'cellar_x'", [A, C]),
        ("not (title eq 'cellar_x')", [A, C]),
        ("title lt 'D'", [A]),
        ("'D' gt title", [A]),
        ("note eq 'it''s'", [A]),
        ("note eq ''", []),
        ("note ge title", [A, B, C]),
        ("note gt title", [A]),
        ("note eq title", [B, C]),
        ("note ne title", [A]),
        ("id eq 0A0A0A0A-1111-4222-8333-444444444444", [A]),
        ("0a0a0a0a-1111-4222-8333-444444444444 eq id", [A]),
        ("id eq '0a0a0a0a-1111-4222-8333-444444444444'", [A]),
        ("id eq '0A0A0A0A-1111-4222-8333-444444444444'", []),
        ("active", [A]),
        ("not active", [B]),
        ("not(active)", [B]),
        ("not not active", [A]),
        ("not allowed", [A]),
        ("allowed eq true", [B]),
        ("allowed ne true", [A, C]),
        ("FALSE EQ active", [B]),
        ("active gt false", [A]),
        ("active ne allowed", [A, B]),
        ("active eq null", [C]),
        ("null ne active", [A, B]),
        ("members ge -4", [A, B]),
        ("members gt -4 and members lt +4", [A]),
        ("nullable eq 1099511627776", [A]),
        ("nullable eq null", [B, C]),
        ("members eq -9223372036854775808 or members eq 9223372036854775807", []),
        ("since eq 2026-01-31T08:00:00Z", [A]),
        ("since eq 2026-01-31T09:30:00+01:30", [A]),
        ("since eq 2026-01-31t08:00z", [A]),
        ("since eq 2026-01-31T08:00:00.001Z", [B]),
        ("2026-01-31T08:00:00.0005Z lt since", [B]),
        ("since lt until", [A]),
        ("until eq null", [B, C]),
        ("contains(title,'ellar')", [A, B]),
        ("contains(title, 'Cellar' )", [A]),
        ("contains(title,'%')", [A]),
        ("contains(title,'_')", [B]),
        ("contains(title,'')", [A, B]),
        ("not contains(title,'')", []),
        ("not contains(title,'%')", [B]),
        ("startswith(title,'C')", [A]),
        ("startswith(title,'cellar_')", [B]),
        ("startswith(title,'ellar')", []),
        ("startswith(title,'')", [A, B]),
        ("not startswith(title,'C')", [B]),
        ("active or not active and members lt 0", [A, B]),
        ("(active or not active) and members lt 0", [B]),
    ],
)
def test_filters(connection: Connection, text: str, ids: list[str]) -> None:
    """A filter has the rows that OData says, with nulls as OData has them."""
    assert found(connection, text) == ids


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "ends too early"),
        (" ", "ends too early"),
        ("title eq", "ends too early"),
        ("active and", "ends too early"),
        ("(active", "ends too early"),
        ("active)", 'position 7: unexpected ")"'),
        ("active  active", 'position 9: unexpected "active"'),
        ("active\xa0", 'position 7: unexpected "�"'),
        ("title eq 'abc", "position 10: a text without an end"),
        ('title eq "abc"', "position 10: texts are in single quotes"),
        ("members eq ٣", 'position 12: unexpected "٣"'),
        ("title eq '\0'", "position 11: the character U+0000 is not allowed"),
        ("title eq '\ud800'", "position 11: the character U+D800 is not allowed"),
        (f"{'a' * 129} eq 1", 'position 129: unexpected "a"'),
        ("foo eq 1", f'unknown field "foo"; fields are {", ".join(sorted(FIELDS))}'),
        ("x.title eq 'a'", f'unknown field "x.title"; fields are {", ".join(sorted(FIELDS))}'),
        ("Title eq 'a'", f'unknown field "Title"; fields are {", ".join(sorted(FIELDS))}'),
        ("title eq 5", 'field "title" expects a text, got an integer'),
        ("5 lt title", 'field "title" expects a text, got an integer'),
        ("title eq true", 'field "title" expects a text, got true or false'),
        ("active eq 'x'", 'field "active" expects true or false, got a text'),
        ("members eq '5'", 'field "members" expects an integer, got a text'),
        ("since gt '2026-01-31T08:00:00Z'", 'field "since" expects a time, got a text'),
        ("since gt 5", 'field "since" expects a time, got an integer'),
        ("members lt null", 'field "members" expects an integer, got null'),
        ("null ge title", 'field "title" expects a text, got null'),
        ("title eq members", 'field "title" expects a text, got field "members", which is an integer'),
        ("members eq 9223372036854775808", "position 12: the integer is too large"),
        (f"members eq {'9' * 1900}", "position 12: the integer is too large"),
        ("since eq 2026-02-30T08:00Z", "position 10: there is no such time"),
        ("since eq 9999-12-31T23:59-01:00", "position 10: there is no such time"),
        ("since eq 2026-01-31T08:00", "position 10: a time wants Z or an offset, as in 2026-01-31T08:00:00Z"),
        ("1 eq 1", "a comparison of two values has no field"),
        ("null eq null", "a comparison of two values has no field"),
        ("true", "a value is no condition: it is compared with no field"),
        ("active and 'x'", "a value is no condition: it is compared with no field"),
        ("title", 'field "title" is no condition: it is a text, and compared with nothing'),
        ("not members", 'field "members" is no condition: it is an integer, and compared with nothing'),
        ("not title eq 'x'", '"not" binds closer than "eq": put the comparison into parentheses'),
        ("(title eq 'x') eq true", '"eq" compares a field with a value or a field, nothing else'),
        ("(1,2) eq members", '"eq" compares a field with a value or a field, nothing else'),
        ("contains(title)", "contains takes a field and a text"),
        ("contains(title,note)", "contains takes a field and a text"),
        ("contains('x',title)", "contains takes a field and a text"),
        ("startswith(title,('x',))", "startswith takes a field and a text"),
        ("contains(members,'5')", 'contains expects a text, got field "members", which is an integer'),
        ("endswith(title,'x')", 'position 1: the function "endswith" is not supported; there are contains, startswith'),
        ("active and tolower(title) eq 'x'", 'position 12: the function "tolower" is not supported; there are '),
        ("x.contains(title,'x')", 'position 1: the function "x.contains" is not supported; there are '),
        ("title in ('a','b')", 'position 7: "in" is not supported'),
        ("title has 'x'", 'position 7: "has" is not supported'),
        ("members add 5 gt 3", "position 9: arithmetic is not supported"),
        ("members eq - 5", "position 12: arithmetic is not supported"),
        ("members eq 1.5", "position 12: a decimal number is not supported"),
        ("since gt 2026-01-31", "position 10: a date without a time is not supported"),
        ("since gt 08:00:00", "position 10: a time without a date is not supported"),
        ("since gt duration'P1D'", "position 10: a duration is not supported"),
        ("title eq geography'x'", "position 10: geography is not supported"),
        ("title/length eq 5", 'position 6: navigation with "/" is not supported'),
        ("members/any(m:m eq 5)", 'position 8: navigation with "/" is not supported'),
        ("any eq 1", "position 1: a lambda is not supported"),
        ("contains(a=1,b=2,c=3)", "position 11: a named parameter is not supported"),
    ],
)
def test_bad_filters(text: str, reason: str) -> None:
    """What is wrong with a filter is said with its place."""
    assert refusal(text).startswith(f"filter: {reason}")


def nested(depth: int, wrap: Callable[[str, int], str]) -> str:
    text = "active"
    for level in range(depth):
        text = wrap(text, level)
    return text


@pytest.mark.parametrize(
    ("depth", "wrap"),
    [
        (MAX_DEPTH, lambda text, _: f"({text})"),
        (MAX_DEPTH, lambda text, _: f"not {text}"),
        (MAX_DEPTH, lambda text, level: f"allowed {('and', 'or')[level % 2]} ({text})"),
        (MAX_DEPTH, lambda text, level: f"({text}) {('and', 'or')[level % 2]} members le 0"),
        (MAX_DEPTH // 2, lambda text, level: f"allowed {('and', 'or')[level % 2]} not (note lt title and {text})"),
    ],
)
def test_depth(connection: Connection, depth: int, wrap: Callable[[str, int], str]) -> None:
    """As deep a filter as is allowed is understood by the database, and a deeper one refused."""
    found(connection, nested(depth, wrap))
    assert f"parentheses and not are more than {MAX_DEPTH} deep" in refusal(nested(depth + 1, wrap))


def test_size(connection: Connection) -> None:
    """As long a filter as is allowed is understood by the database, and a longer one refused."""
    conditions = ["active"] * MAX_CONDITIONS
    assert found(connection, " and ".join(conditions)) == [A]
    assert refusal(" or ".join([*conditions, "active"])) == "filter: at most 100 comparisons, got 101"
    # Both are equally deep: what stands beside one another is in nothing.
    assert found(connection, " or ".join(["not (active)"] * MAX_CONDITIONS)) == [B]
    frame = "title eq ''"
    assert found(connection, f"title eq '{'x' * (MAX_FILTER - len(frame))}'") == []
    assert refusal(" " * (MAX_FILTER + 1)) == "filter: at most 2000 characters, got 2001"


@pytest.mark.parametrize(
    "text",
    [
        "'" * MAX_FILTER,
        "'" * (MAX_FILTER - 1),
        "(" * MAX_FILTER,
        "not " * 500,
        "- " * 1000,
        "()" * 1000,
        "a/" * 1000,
        "1" * MAX_FILTER,
        f"active{' ' * 1990}x",
        f"contains({'title,' * 300}title)",
        f"({'1,' * 900}1) eq members",
        " eq ".join(["members"] * 180),
        f"duration'P{'1' * 1900}'",
    ],
    ids=lambda text: text[:12],
)
def test_hostile_filters(text: str) -> None:
    """A filter made to be hard to read is refused like any other."""
    assert refusal(text)


@pytest.mark.parametrize(
    ("order_by", "ids"),
    [
        (None, [A, B, C]),
        ("id desc", [C, B, A]),
        ("title", [C, A, B]),
        ("title asc", [C, A, B]),
        ("title desc", [B, A, C]),
        (" active DESC , members", [A, B, C]),
        ("nullable,members desc", [B, C, A]),
        ("nullable,members", [C, B, A]),
        ("until", [B, C, A]),
        ("active,allowed,members,since,until", [C, B, A]),
    ],
)
def test_order(connection: Connection, order_by: str | None, ids: list[str]) -> None:
    """Rows come in the order that is asked for, those without a value lowest, and ties by the unique field."""
    assert found(connection, Query(order_by=order_by)) == ids


@pytest.mark.parametrize(
    ("order_by", "reason"),
    [
        ("", 'expected a field, then asc or desc or nothing, got ""'),
        ("title,", 'expected a field, then asc or desc or nothing, got ""'),
        ("title up", 'expected a field, then asc or desc or nothing, got "title up"'),
        ("title desc asc", 'expected a field, then asc or desc or nothing, got "title desc asc"'),
        ("foo", f'unknown field "foo"; fields are {", ".join(sorted(FIELDS))}'),
        ("\ud800\n\0'", 'expected a field, then asc or desc or nothing, got "���\'"'),
        ("title,id,title desc", 'field "title" is there twice'),
        ("id,title,note,active,allowed,members", "at most 5 fields"),
        pytest.param("," * 10**6, "at most 5 fields", id="commas"),
    ],
)
def test_bad_orders(order_by: str, reason: str) -> None:
    """What is wrong with an order is said."""
    assert refusal(Query(order_by=order_by)) == f"orderBy: {reason}"


def test_pages(connection: Connection) -> None:
    """A page is of the rows that a filter leaves, in their order."""
    assert found(connection, Query(top=2)) == [A, B]
    assert found(connection, Query(skip=1)) == [B, C]
    assert found(connection, Query(filter="title ne null", order_by="title desc", top=1, skip=1)) == [A]
    assert found(connection, Query(top=0)) == []
    assert found(connection, Query(top=MAX_TOP, skip=0)) == [A, B, C]
    assert found(connection, Query(skip=MAX_SKIP)) == []


@pytest.mark.parametrize("number", [-1, -(10**30), 10**7, pytest.param(10**5000, id="huge")])
def test_bad_pages(number: int) -> None:
    """A page out of bounds is refused with the bound."""
    assert refusal(Query(top=number)) == "top: must be between 0 and 1000"
    assert refusal(Query(skip=number)) == "skip: must be between 0 and 1000000"
    assert refusal(Query(top=MAX_TOP + 1)) == "top: must be between 0 and 1000"


def test_columns(connection: Connection) -> None:
    """A row has the columns of the statement, in their order, undeclared ones as well."""
    found(connection, Query())
    whole = connection.execute(STATEMENT.order_by("id"))
    wanted = connection.execute(asked(Query(filter="id ne ''", order_by="id", top=10)))
    assert list(wanted.keys()) == list(whole.keys())
    assert wanted.all() == whole.all()


def test_made_columns(connection: Connection) -> None:
    """What a statement makes of its columns can be queried by its label."""
    found(connection, Query())
    statement = select(
        groups.c.active, func.count().label("how_many"), case((groups.c.active, "on"), else_="off").label("state")
    ).group_by(groups.c.active)
    wanted = queried(statement, Query("how_many eq 1 and state eq 'off'"), fields=("how_many", "state"), order="active")
    assert [tuple(row) for row in connection.execute(wanted)] == [(None, 1, "off"), (False, 1, "off")]


@pytest.mark.parametrize("name", ["pinHash", "pin_hash", "secret", "group_id", "groups.pin_hash"])
def test_undeclared_columns(name: str) -> None:
    """A column that is not declared can be neither found out by a filter nor by an order."""
    for text in (
        f"{name} eq 'secret-a'",
        f"'secret-a' eq {name}",
        f"title eq {name}",
        f"startswith({name},'s')",
        f"contains({name},'s')",
        f"not {name}",
        f"{name} eq null",
    ):
        assert f'unknown field "{name}"' in refusal(text)
    assert f'unknown field "{name}"' in refusal(Query(order_by=name))
    assert f'unknown field "{name}"' in refusal(Query(order_by=f"title,{name} desc"))


@pytest.mark.parametrize(
    "text",
    [
        "' or 1 eq 1",
        "'; drop table groups; --",
        "') or ('1'='1",
        "x\\' or 1=1 --",
        ":param_1 %(x)s %s ? $1 {0}",
        '"; drop table groups',
        "/* */",
    ],
)
def test_injections(connection: Connection, text: str) -> None:
    """A text is compared as it is, and the statement is the same whatever it says."""
    quoted = "'" + text.replace("'", "''") + "'"
    for pattern in ("title eq {}", "title lt {}", "contains(title,{})", "{} ne title"):
        statement = asked(Query(pattern.format(quoted)))
        assert str(statement) == str(asked(Query(pattern.format("'harmless'"))))
        assert text in statement.compile().params.values()
    rows = [*ROWS, {**ROWS[0], "group_id": "named", "title": text}]
    assert found(connection, f"title eq {quoted}", rows) == ["named"]
    assert found(connection, f"contains(title,{quoted})", rows) == ["named"]
    assert found(connection, f"startswith(title,{quoted})", rows) == ["named"]
    assert found(connection, f"not contains(title,{quoted})", rows) == [A, B]
    # Taken for part of the filter, a text is refused or finds what it says; the rows are there afterwards.
    for query in (Query(f"title eq '{text}"), Query(text), Query(order_by=text), Query(order_by=f"title {text}")):
        refusal(query)
    assert found(connection, Query()) == [A, B, C]


@pytest.mark.parametrize(
    "query",
    [
        "title eq 'x' and members lt 5 or not active",
        "since ge 2026-01-31T08:00:00Z and until ne null",
        "contains(title,'x') or startswith(note,'y')",
        "since le until",
    ],
)
def test_postgresql(query: str) -> None:
    """Statements have nothing in them that only SQLite knows."""
    compiled = str(
        asked(Query(query, "title desc", 5, 5)).compile(
            dialect=postgresql.dialect()  # type: ignore[no-untyped-call]
        )
    )
    assert not any(word in compiled.lower() for word in ("instr", "glob", " is ?", "like", " is %"))


@pytest.mark.parametrize("unknown", [Numeric(), Enum("a", "b")])
def test_fields_of_other_types(unknown: Any) -> None:
    """A field that can't be compared is a mistake of the one who declares it."""
    statement = select(column("id", String), column("x", unknown)).select_from(table("things"))
    with pytest.raises(TypeError, match="field x can't be queried"):
        queried(statement, Query(), fields=("id", "x"), order="id")


def test_import() -> None:
    """The grammar is loaded with the first filter, and neither warns nor prints."""
    program = """
import sys
from sqlalchemy import Boolean, column, select
from nymead_users.access.store.filters import Query, queried
assert not {"odata_query", "sly"} & set(sys.modules)
queried(select(column("a", Boolean)), Query("a"), fields=("a",), order="a")
assert {"odata_query", "sly"} < set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# Filters made at random, each with what it means.

Row = dict[str, Any]


@dataclass(frozen=True)
class Filter:
    """``holds`` is None where OData says null."""

    text: str
    holds: Callable[[Row], bool | None]


ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
texts = st.text("aAbB%_'\\é\N{PILE OF POO} -", max_size=4)
integers = st.integers(-3, 3) | st.sampled_from((2**31, -(2**63), 2**63 - 1))
moments = st.integers(-3, 3).map(lambda ms: EPOCH + timedelta(days=20_000, milliseconds=ms))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "boolean": st.booleans(),
    "number": integers,
    "time": moments,
}


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """A value as a literal."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case datetime():
            offset = draw(st.integers(-14 * 60, 14 * 60))
            local = value.astimezone(timezone(timedelta(minutes=offset))).isoformat(timespec="milliseconds")
            return local.removesuffix("+00:00") + "Z" if offset == 0 else local
    return "'" + str(value).replace("'", "''") + "'"


def compared(comparator: str, left: Any, right: Any) -> bool:
    if comparator in ("eq", "ne"):
        return bool((left == right) is (comparator == "eq"))
    if left is None or right is None:
        return left is right and comparator in ("le", "ge")
    return ORDERINGS[comparator](left, right)


@st.composite
def comparisons(draw: st.DrawFn) -> Filter:
    kind = draw(st.sampled_from(sorted(KINDS)))
    name = draw(st.sampled_from(KINDS[kind]))
    comparator = draw(st.sampled_from(("eq", "ne", *ORDERINGS)))
    if draw(st.booleans()):
        other = draw(st.sampled_from(KINDS[kind]))
        return Filter(f"{name} {comparator} {other}", lambda row: compared(comparator, row[name], row[other]))
    value = draw(VALUES[kind] | st.none() if comparator in ("eq", "ne") else VALUES[kind])
    literal = draw(written(value))
    if draw(st.booleans()):
        return Filter(f"{literal} {comparator} {name}", lambda row: compared(comparator, value, row[name]))
    return Filter(f"{name} {comparator} {literal}", lambda row: compared(comparator, row[name], value))


@st.composite
def searches(draw: st.DrawFn) -> Filter:
    name = draw(st.sampled_from(KINDS["text"]))
    value = draw(texts)
    literal = draw(written(value))
    if draw(st.booleans()):
        return Filter(f"contains({name},{literal})", lambda row: None if row[name] is None else value in row[name])
    return Filter(
        f"startswith({name}, {literal})", lambda row: None if row[name] is None else row[name].startswith(value)
    )


def both(left: Filter, right: Filter) -> Filter:
    def holds(row: Row) -> bool | None:
        sides = (left.holds(row), right.holds(row))
        return False if False in sides else None if None in sides else True

    return Filter(f"({left.text}) and ({right.text})", holds)


def either(left: Filter, right: Filter) -> Filter:
    def holds(row: Row) -> bool | None:
        sides = (left.holds(row), right.holds(row))
        return True if True in sides else None if None in sides else False

    return Filter(f"({left.text}) or ({right.text})", holds)


def neither(inner: Filter) -> Filter:
    def holds(row: Row) -> bool | None:
        held = inner.holds(row)
        return None if held is None else not held

    return Filter(f"not ({inner.text})", holds)


def bare(name: str) -> Filter:
    return Filter(name, lambda row: row[name])


conditions = comparisons() | searches() | st.sampled_from(KINDS["boolean"]).map(bare)
filters = st.recursive(
    conditions,
    lambda inner: st.builds(both, inner, inner) | st.builds(either, inner, inner) | inner.map(neither),
    max_leaves=8,
).filter(lambda made: len(made.text) <= MAX_FILTER)
row_lists = st.lists(
    st.fixed_dictionaries(
        {name: VALUES[kind] | st.none() for kind, names in KINDS.items() for name in names if name != "id"}
    ),
    max_size=6,
).map(lambda rows: [{"id": f"{'aAb'[index % 3]}{index}", **row} for index, row in enumerate(rows)])


def stored(rows: list[Row]) -> list[Row]:
    return [{("group_id" if name == "id" else name): value for name, value in row.items()} for row in rows]


def ranked(name: str) -> Callable[[Row], tuple[bool, Any]]:
    return lambda row: (row[name] is not None, row[name])


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(made=filters, rows=row_lists)
def test_any_filter(connection: Connection, made: Filter, rows: list[Row]) -> None:
    """A filter has the rows for which it holds, whatever it is made of."""
    expected = sorted(row["id"] for row in rows if made.holds(row) is True)
    assert found(connection, made.text, stored(rows)) == expected


@st.composite
def chains(draw: st.DrawFn) -> Filter:
    """Conditions without parentheses: ``not`` binds closest, then ``and``, then ``or``."""
    whole = None
    for _ in range(draw(st.integers(1, 4))):
        joined = None
        for _ in range(draw(st.integers(1, 4))):
            one = draw(searches() | st.sampled_from(KINDS["boolean"]).map(bare))
            if draw(st.booleans()):
                one = Filter(f"not {one.text}", neither(one).holds)
            joined = one if joined is None else Filter(f"{joined.text} and {one.text}", both(joined, one).holds)
        assert joined is not None
        whole = joined if whole is None else Filter(f"{whole.text} or {joined.text}", either(whole, joined).holds)
    assert whole is not None
    return whole


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(made=chains(), rows=row_lists)
def test_any_chain(connection: Connection, made: Filter, rows: list[Row]) -> None:
    """Without parentheses, not comes before and, and before or."""
    expected = sorted(row["id"] for row in rows if made.holds(row) is True)
    assert found(connection, made.text, stored(rows)) == expected


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=row_lists,
    order=st.lists(st.tuples(st.sampled_from(FIELDS), st.booleans()), max_size=5, unique_by=lambda item: item[0]),
    top=st.none() | st.integers(0, 6),
    skip=st.none() | st.integers(0, 6),
)
def test_any_order(
    connection: Connection, rows: list[Row], order: list[tuple[str, bool]], top: int | None, skip: int | None
) -> None:
    """A page is a part of all rows in the order that is asked for."""
    expected = sorted(rows, key=lambda row: row["id"])
    for name, descending in reversed(order):
        # Python's sort keeps the order of equals in reverse as well.
        expected.sort(key=ranked(name), reverse=descending)
    order_by = ", ".join(f"{name} desc" if descending else name for name, descending in order) or None
    last = None if top is None else (skip or 0) + top
    wanted = [row["id"] for row in expected[skip or 0 : last]]
    assert found(connection, Query(None, order_by, top, skip), stored(rows)) == wanted


PRINTABLE = """
    eq ne lt le gt ge and or not in has add mod any all null true contains startswith endswith(title,'x') geo.length
    ( ) , / : = - + ' " ; $ % \\ . x.y a=1 'x' '' 5 -5 1.5 1e5 999999999999999999999999 geography'x' duration'P1D'
    2026-01-31 08:00:00 2026-01-31T08:00:00Z 2026-01-31T08:00::05Z 9999-12-31T23:59-23:59 pinHash
    0a0a0a0a-1111-4222-8333-444444444444 \N{ARABIC-INDIC DIGIT THREE} \N{LATIN SMALL LETTER LONG S}
"""
WORDS = (*PRINTABLE.split(), *FIELDS, "\0", "\n", " ", "\xa0", "\u2028", "\ud800")


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A filter with some characters lost, doubled or replaced."""
    text = draw(filters).text
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 3, len(text))))
        text = text[:start] + draw(st.sampled_from(("", "'", "(", ")", *WORDS))) + text[end:]
    return text


anything = st.text(st.characters(codec=None), max_size=60)
words = st.lists(st.sampled_from(WORDS), max_size=25)


@settings(deadline=None, max_examples=600, suppress_health_check=list(HealthCheck))
@given(text=anything | words.map(" ".join) | words.map("".join) | mutated())
def test_any_text(connection: Connection, capfd: pytest.CaptureFixture[str], text: str) -> None:
    """Any text is a filter or is refused with a readable reason, and nothing is printed."""
    try:
        found(connection, text)
    except BadFilter as error:
        reason = str(error)
        assert reason.startswith("filter: ")
        assert reason.isprintable()
    assert capfd.readouterr() == ("", "")


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(text=anything | words.map(",".join) | words.map(" ".join))
def test_any_order_text(connection: Connection, text: str) -> None:
    """Any text is an order or is refused with a readable reason."""
    try:
        found(connection, Query(order_by=text))
    except BadFilter as error:
        reason = str(error)
        assert reason.startswith("orderBy: ")
        assert reason.isprintable()
