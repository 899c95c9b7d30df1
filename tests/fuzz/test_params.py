"""Any params for every method, made from what the server says of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import PASSWORD, Dialect, Transport
from hypothesis import given
from hypothesis import strategies as st
from target import EXAMPLES, Target, hold, settings

NAMESPACES = ("JSONRPC", "Users", "Access", "AccessKeys", "LockGroups", "LockRoles", "SmartlockAuths")

#: How many examples each method has.
EACH = 12

#: Texts that mean something somewhere, and such as are often forgotten.
TEXTS = (
    *("admin", "ADMIN", "fuzzed", "alice", "Users", "JSONRPC", "de_AT", PASSWORD, "", " ", "\x00", "a\x00b"),
    *(
        "PermissionScopeAdmin",
        "PermissionScopeNone",
        "true",
        "null",
        "{}",
        "../..",
        "%s%n",
        "'; --",
        "\u2028",
        "\ud800",
    ),
    *("\udfff\ud800", "\N{RIGHT-TO-LEFT OVERRIDE}", "\N{PILE OF POO}", "i\N{COMBINING DOT ABOVE}", "\u212a", "x" * 300),
)
NUMBERS = (0, 1, -1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**400, -(10**400), 1.5, 1e308, -0.0)

#: Phone numbers of a few, in several spellings, and what is none.
PHONES = ("+4781549300", 4781549300, "47 815 49 300", "+4781549301", "+523377360535", "12", -4781549300, True, "+47x")

texts = st.sampled_from(TEXTS) | st.text(st.characters(), max_size=20)
numbers = st.sampled_from(NUMBERS) | st.integers() | st.floats()
wild = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
CALENDAR = (
    *("BEGIN:VCALENDAR", "BEGIN:VEVENT", "DTSTART:20260102T090000", "DTEND:20260102T100000"),
    *("RRULE:FREQ=WEEKLY;BYDAY=FR;COUNT=10", "EXDATE:20260109T090000", "END:VEVENT", "END:VCALENDAR"),
)

times = st.sampled_from(
    ("2026-01-02T09:30:00Z", "2026-03-29T01:30:00.5+01:00", "1970-01-01T00:00:00Z", "2026-01-02")
) | (st.datetimes().map("{:%Y-%m-%dT%H:%M:%S}Z".format))
codes = st.from_regex(r"\A[0-9]{3,17}\Z") | st.sampled_from(("0x00499602d2", "0001234567890", "+4781549300", "1234"))
fields = st.sampled_from(("id", "title", "active", "rclSerialNo", "joinStartDate", "validBefore", "state", "nothing"))
operands = fields | st.sampled_from(
    ("null", "true", "1", "'x'", "'O''Hara'", "2026-01-01T00:00:00Z", "not", "(", "1 add 1")
)
conditions = st.tuples(operands, st.sampled_from(("eq", "ne", "lt", "le", "gt", "ge", "in", "has")), operands).map(
    " ".join
)
calendars = st.just(CALENDAR) | st.lists(st.sampled_from(CALENDAR), max_size=10) | st.permutations(CALENDAR)

#: What a param or a member of that name takes, beside anything of its type.
named: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("fromDate", "toDate", "validFrom", "validBefore", "time", "start", "end"), times),
    **dict.fromkeys(("value", "pin", "phone", "continuationKey"), codes),
    **dict.fromkeys(("limit", "skip", "top"), st.integers(0, 5)),
    **dict.fromkeys(("userId", "toUserId"), st.sampled_from(PHONES)),
    **dict.fromkeys(("startHour", "endHour"), st.integers(-1, 25)),
    **dict.fromkeys(("startMinute", "endMinute"), st.integers(-1, 60)),
    **dict.fromkeys(("from", "until"), st.from_regex(r"\A[0-2][0-9]:[0-6][0-9]\Z") | st.just("24:00")),
    "expand": st.lists(st.sampled_from(("statistics", "supportedFeatures", "boundLock", "lockGroup"))).map(",".join),
    "filter": st.lists(conditions, min_size=1, max_size=4).map(" and ".join) | conditions.map("not ({})".format),
    "ical": calendars.map("\r\n".join),
    "orderBy": st.lists(fields, min_size=1, max_size=3).map(" desc,".join),
    "timeZone": st.sampled_from(("Europe/Vienna", "UTC", "America/New_York", "Nowhere", "../UTC")),
}

scalars = {
    "String": texts,
    "Bool": st.booleans(),
    "Int": st.integers(-(2**31), 2**31),
    "Uint": st.integers(0, 2**31),
    "Uuid": st.uuids().map(str) | st.uuids().map("{{{}}}".format),
    "Object": st.dictionaries(texts, wild, max_size=3),
    "Variant": wild,
}


def fitting(kind: Any, contract: dict[str, Any], name: str = "") -> st.SearchStrategy[Any]:
    """Values of a declared type, for a param or member of that name."""
    if name in named:
        return named[name] | named[name] | fitting(kind, contract)
    if kind == "Uuid":
        return st.sampled_from(contract["ids"]) | scalars[kind]
    return of_type(kind, contract)


def of_type(kind: Any, contract: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a declared type."""
    if isinstance(kind, list):
        return st.lists(fitting(kind[0], contract), max_size=4)
    if isinstance(kind, dict):
        return params_of(kind, contract)
    name = kind.removeprefix("$ref:")
    if name in contract["enums"]:
        return st.sampled_from(contract["enums"][name])
    declared = {**contract["flags"], **contract["types"]}
    return fitting(declared[name], contract) if name in declared else scalars[name]


def params_of(declared: dict[str, Any], contract: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Params as they should be."""
    bare = {key.split(":")[-1]: fitting(kind, contract, key.split(":")[-1]) for key, kind in declared.items()}
    optional = {key.split(":")[-1] for key in declared if "o:" in key}
    return st.fixed_dictionaries(
        {key: values for key, values in bare.items() if key not in optional},
        optional={key: values for key, values in bare.items() if key in optional},
    )


@st.composite
def broken(draw: st.DrawFn, right: st.SearchStrategy[dict[str, Any]]) -> Any:
    """Params of which one thing is wrong, or their order is all that is left."""
    params = draw(right)
    match draw(st.integers(0, 3)):
        case 0 if params:
            params[draw(st.sampled_from(sorted(params)))] = draw(wild)
        case 1 if params:
            del params[draw(st.sampled_from(sorted(params)))]
        case 2:
            params[draw(texts)] = draw(wild)
        case _:
            return [*params.values(), *draw(st.lists(wild, max_size=2))]
    return params


def message(method: Any, params: Any, dialect: Dialect, number: Any, token: Any) -> bytes:
    """A request as text, with whatever JSON has no word for."""
    request = {"id": number, "method": method, "params": params}
    if dialect == "jsonrpc2":
        request["jsonrpc"] = "2.0"
    if token is not None:
        request["token"] = token
    return json.dumps(request).encode() + b"\n"


def answered(target: Target, transport: Transport, dialect: Dialect, requests: list[bytes], token: str | None) -> None:
    """Send a handshake and these requests, to the listener that wants a token if there is one, and look at answers."""
    hello = message("JSONRPC.Hello", {}, dialect, 0, token)
    with target.line(transport, free=token is None) as line:
        told = hold(line, [hello, *requests], dialect)
    assert told[:1] or line.reset
    target.unharmed()


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_any_params_of_every_method(target: Target, namespace: str) -> None:
    """Whatever a method is given, right, slightly wrong or wild, its answer is right and nobody else is disturbed."""
    contract = target.contract()
    assert {method.partition(".")[0] for method in contract["methods"]} == set(NAMESPACES)
    for method, declared in contract["methods"].items():
        if not method.startswith(f"{namespace}."):
            continue
        # Some things are gone by now.
        known = {**contract, "ids": target.ids()}
        fuzz(target, method, params_of(declared["params"], known))


def fuzz(target: Target, method: str, right: st.SearchStrategy[dict[str, Any]]) -> None:
    """Call a method with all kinds of params."""

    @given(
        st.lists(right | broken(right) | broken(right) | wild, min_size=1, max_size=3),
        st.sampled_from(["tcp", "ws"]),
        st.sampled_from(["nymea", "jsonrpc2"]),
        st.booleans(),
    )
    @settings(EACH)
    def call(many: list[Any], transport: Transport, dialect: Dialect, logged_in: bool) -> None:
        token = target.token() if logged_in else None
        requests = [message(method, params, dialect, number, token) for number, params in enumerate(many, 1)]
        answered(target, transport, dialect, requests, token)

    call()


ids = numbers | texts | wild


@given(
    st.lists(
        st.tuples(texts | st.sampled_from(["JSONRPC.Hello", "Users.GetUsers"]) | wild, wild, ids, wild), max_size=4
    ),
    st.sampled_from(["tcp", "ws"]),
    st.sampled_from(["nymea", "jsonrpc2"]),
)
@settings(80)
def test_any_envelope(
    target: Target, requests: list[tuple[Any, Any, Any, Any]], transport: Transport, dialect: Dialect
) -> None:
    """Whatever stands for method, params, id and token, each request is answered once, in order, and rightly."""
    with target.line(transport, free=True) as line:
        hold(
            line,
            [message(method, params, dialect, number, token) for method, params, number, token in requests],
            dialect,
        )
    target.unharmed()


def test_more_examples_can_be_asked_for() -> None:
    """Without FUZZ in the environment the examples are the same each time, with it as many as it says."""
    assert settings(EACH).max_examples == (EXAMPLES or EACH)
    assert settings(EACH).derandomize is (EXAMPLES == 0)
