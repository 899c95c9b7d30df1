"""Any params for every method, made from what the server says of itself."""

from __future__ import annotations

import json
from typing import Any

from conftest import PASSWORD, Dialect, Transport
from hypothesis import given
from hypothesis import strategies as st
from target import EXAMPLES, Target, hold, settings

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

texts = st.sampled_from(TEXTS) | st.text(st.characters(), max_size=20)
numbers = st.sampled_from(NUMBERS) | st.integers() | st.floats()
wild = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
scalars = {
    "String": texts,
    "Bool": st.booleans(),
    "Int": st.integers(-(2**31), 2**31),
    "Uint": st.integers(0, 2**31),
    "Uuid": st.uuids().map(str) | st.uuids().map("{{{}}}".format),
    "Object": st.dictionaries(texts, wild, max_size=3),
    "Variant": wild,
}


def fitting(kind: Any, contract: dict[str, Any]) -> st.SearchStrategy[Any]:
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
    bare = {key.split(":")[-1]: fitting(kind, contract) for key, kind in declared.items()}
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


def test_any_params_of_every_method(target: Target) -> None:
    """Whatever a method is given, right, slightly wrong or wild, its answer is right and nobody else is disturbed."""
    contract = target.contract()
    for method, declared in contract["methods"].items():
        fuzz(target, method, params_of(declared["params"], contract))


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
