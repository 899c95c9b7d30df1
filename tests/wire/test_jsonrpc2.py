"""JSON-RPC 2.0 as its specification prints it, read and written without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nymead_users.rpc import errors
from nymead_users.rpc.message import Call, Dispatch
from nymead_users.wire.framing import BrokenText, JsonValue, parse
from nymead_users.wire.jsonrpc2 import JsonRpc2Dialect

DIALECT = JsonRpc2Dialect()

METHODS: dict[str, Callable[..., Any]] = {
    "subtract": lambda minuend, subtrahend: minuend - subtrahend,
    "sum": lambda *numbers: sum(numbers),
    "get_data": lambda: ["hello", 5],
    "update": lambda *_numbers: None,
    "notify_hello": lambda _greeting: None,
    "notify_sum": lambda *_numbers: None,
    "echo": lambda **params: params,
}


async def run(call: Call) -> Any:
    """Run one of the methods above."""
    method = METHODS.get(call.method)
    if method is None:
        raise errors.MethodNotFound("No such method")
    params: Any = call.params or []
    return method(*params) if isinstance(params, list) else method(**params)


async def replies_to(text: str, dispatch: Dispatch = run) -> Any:
    """What a text is answered with; None for nothing."""
    message = parse(text)
    if isinstance(message, BrokenText):
        reply: bytes | None = DIALECT.refusal(errors.ParseError(message.reason))
    else:
        reply = await DIALECT.answer(message, dispatch)
    if reply is None:
        return None
    assert reply.endswith(b"\n")
    assert b"\n" not in reply[:-1]
    return json.loads(reply)


def without_data(reply: Any) -> Any:
    """A reply without the optional member ``data`` of its errors."""
    if isinstance(reply, list):
        return [without_data(one) for one in reply]
    if isinstance(reply, dict) and "error" in reply:
        return {**reply, "error": {key: value for key, value in reply["error"].items() if key != "data"}}
    return reply


#: The examples in section 7 of the specification, in its order: what is sent, what comes back.
EXAMPLES = {
    "positional parameters": (
        '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
        '{"jsonrpc": "2.0", "result": 19, "id": 1}',
    ),
    "positional parameters the other way round": (
        '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
        '{"jsonrpc": "2.0", "result": -19, "id": 2}',
    ),
    "named parameters": (
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
        '{"jsonrpc": "2.0", "result": 19, "id": 3}',
    ),
    "named parameters in another order": (
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
        '{"jsonrpc": "2.0", "result": 19, "id": 4}',
    ),
    "a notification": ('{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', None),
    "a notification without parameters": ('{"jsonrpc": "2.0", "method": "foobar"}', None),
    "a method that does not exist": (
        '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
        '{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}',
    ),
    "invalid JSON": (
        '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}',
    ),
    "an invalid request object": (
        '{"jsonrpc": "2.0", "method": 1, "params": "bar"}',
        '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}',
    ),
    "a batch that is invalid JSON": (
        """[
          {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
          {"jsonrpc": "2.0", "method"
        ]""",
        '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}',
    ),
    "an empty array": (
        "[]",
        '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}',
    ),
    "an invalid batch that is not empty": (
        "[1]",
        '[{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]',
    ),
    "an invalid batch": (
        "[1,2,3]",
        """[
          {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
          {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
          {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}
        ]""",
    ),
    "a batch": (
        """[
          {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
          {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
          {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
          {"foo": "boo"},
          {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
          {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
        ]""",
        """[
          {"jsonrpc": "2.0", "result": 7, "id": "1"},
          {"jsonrpc": "2.0", "result": 19, "id": "2"},
          {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
          {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
          {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}
        ]""",
    ),
    "a batch of notifications": (
        """[
          {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
          {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
        ]""",
        None,
    ),
}


@pytest.mark.parametrize(("sent", "printed"), EXAMPLES.values(), ids=EXAMPLES)
async def test_the_examples_of_the_specification_come_out_as_printed(sent: str, printed: str | None) -> None:
    """Each example of the specification is answered as it is printed there."""
    assert without_data(await replies_to(sent)) == (None if printed is None else json.loads(printed))


# Requests


def request(method: str, params: Any = None, **members: Any) -> dict[str, Any]:
    """A request; without ``id`` among the members it is a notification."""
    message = {"jsonrpc": "2.0", "method": method, **members}
    if params is not None:
        message["params"] = params
    return message


@pytest.mark.parametrize(
    "written",
    ['""', '"1"', '"flüßchen 😀"', "0", "-1", "1.5", "-2.0", "1e+300", "null"]
    + [str(number) for number in (2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**60 + 1)],
)
async def test_an_id_comes_back_as_it_was(written: str) -> None:
    """Strings, numbers of any kind and size and null are ids and come back unchanged, in a batch too."""
    text = f'{{"jsonrpc":"2.0","method":"get_data","id":{written}}}'
    sent = json.loads(written)
    alone = await replies_to(text)
    (member,) = await replies_to(f"[{text}]")
    for reply in (alone, member):
        assert reply["result"] == ["hello", 5]
        assert reply["id"] == sent
        assert type(reply["id"]) is type(sent)


@pytest.mark.parametrize("message_id", [True, False, [], [1], {}, {"a": 1}], ids=repr)
async def test_an_id_of_another_type_is_an_invalid_request(message_id: Any) -> None:
    """Neither a boolean nor an array nor an object can be an id."""
    reply = await replies_to(json.dumps(request("get_data", id=message_id)))
    assert (reply["error"]["code"], reply["id"]) == (-32600, None)


@pytest.mark.parametrize(
    "message",
    [
        {"method": "get_data", "id": 1},
        {"jsonrpc": "1.0", "method": "get_data", "id": 1},
        {"jsonrpc": 2.0, "method": "get_data", "id": 1},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "method": None, "id": 1},
        {"jsonrpc": "2.0", "method": ["get_data"], "id": 1},
        {"jsonrpc": "2.0", "method": "get_data", "params": None, "id": 1},
        {"jsonrpc": "2.0", "method": "get_data", "params": "bar", "id": 1},
        {"jsonrpc": "2.0", "method": "get_data", "params": 1, "id": 1},
        {"jsonrpc": "2.0", "method": "get_data", "params": True, "id": 1},
        {"jsonrpc": "2.0", "method": "get_data", "params": "bar"},
        {"jsonrpc": "2.0", "result": 19, "id": 1},
        {},
        1,
        "text",
        None,
        True,
        1.5,
    ],
    ids=json.dumps,
)
async def test_what_is_no_request_is_invalid(message: JsonValue) -> None:
    """What breaks the form of a request is an invalid request without an id, alone and as a member of a batch."""
    reply = await replies_to(json.dumps(message))
    assert (reply["error"]["code"], reply["id"]) == (-32600, None)
    batch = [request("get_data", id=1), message, request("get_data", id=2)]
    first, second, third = await replies_to(json.dumps(batch))
    assert (second["error"]["code"], second["id"]) == (-32600, None)
    assert (first["id"], third["id"]) == (1, 2)


async def test_further_members_of_the_envelope_are_let_through() -> None:
    """A request may carry members that the specification does not name."""
    reply = await replies_to(json.dumps(request("sum", [1, 2], id=1, token="t", extra={"a": 1}, id2=3)))
    assert reply == {"jsonrpc": "2.0", "result": 3, "id": 1}


@pytest.mark.parametrize(
    "name",
    [
        "self",
        "cls",
        "context",
        "args",
        "kwargs",
        "_args",
        "_kwargs",
        "name",
        "request",
        "method",
        "params",
        "id",
        "",
        "a b",
    ],
)
async def test_a_param_may_have_any_name(name: str) -> None:
    """A named param reaches the method whatever it is called."""
    reply = await replies_to(json.dumps(request("echo", {name: "value"}, id=1)))
    assert reply == {"jsonrpc": "2.0", "result": {name: "value"}, "id": 1}


async def test_absent_params_differ_from_empty_ones() -> None:
    """The call has the params as they came: named, positional, empty, or none."""
    seen = []

    async def dispatch(call: Call) -> dict[str, Any]:
        seen.append(call.params)
        return {}

    for params in ({"a": 1}, [1, 2], {}, [], None):
        await replies_to(json.dumps(request("any.name", params, id=1)), dispatch)
    assert seen == [{"a": 1}, [1, 2], {}, [], None]


async def test_a_token_in_the_envelope_reaches_the_call() -> None:
    """The call carries the envelope's token; absent, null and empty ones say nothing."""
    seen = []

    async def dispatch(call: Call) -> dict[str, Any]:
        seen.append(call.token)
        return {}

    for members in ({"token": "t"}, {}, {"token": None}, {"token": ""}):
        await replies_to(json.dumps(request("any.name", id=1, **members)), dispatch)
    assert seen == ["t", None, None, None]


@pytest.mark.parametrize(
    "error", [errors.MethodNotFound("x"), errors.Unauthorized(), errors.InternalError("0")], ids=repr
)
async def test_a_notification_is_never_answered(error: errors.RpcError) -> None:
    """A notification that fails is answered no more than one that succeeds, alone and in a batch."""

    async def dispatch(_call: Call) -> dict[str, Any]:
        raise error

    notification = request("any.name")
    assert await replies_to(json.dumps(notification), dispatch) is None
    assert await replies_to(json.dumps([notification, notification]), dispatch) is None


# Batches


async def test_the_members_of_a_batch_run_in_order_and_one_at_a_time() -> None:
    """A member begins when the one before it has ended."""
    happened = []

    async def dispatch(call: Call) -> dict[str, Any]:
        happened.append(f"{call.method} begins")
        for _ in range(3):
            await asyncio.sleep(0)
        happened.append(f"{call.method} ends")
        return {}

    batch = [request("first", id=1), request("second"), request("third", id=3)]
    replies = await replies_to(json.dumps(batch), dispatch)
    assert [reply["id"] for reply in replies] == [1, 3]
    assert happened == [f"{name} {what}" for name in ("first", "second", "third") for what in ("begins", "ends")]


async def test_one_bad_member_does_not_spoil_a_batch() -> None:
    """A bad member has its own error and the others their results, in the order in which they came."""
    batch: list[Any] = [request("sum", [1], id=1), request("no_such", id=2), [], request("sum", [3], id=3), None]
    replies = await replies_to(json.dumps(batch))
    assert [(reply["id"], reply.get("result"), reply.get("error", {}).get("code")) for reply in replies] == [
        (1, 1, None),
        (2, None, -32601),
        (None, None, -32600),
        (3, 3, None),
        (None, None, -32600),
    ]


async def test_a_batch_in_a_batch_is_a_bad_member() -> None:
    """A member that is an array is an invalid request, and what it holds does not run."""
    (reply,) = await replies_to(json.dumps([[request("sum", [1], id=1)]]))
    assert (reply["error"]["code"], reply["id"]) == (-32600, None)


async def test_members_with_the_same_id_are_all_answered() -> None:
    """Nothing asks for ids to be unique."""
    replies = await replies_to(json.dumps([request("sum", [n], id=7) for n in range(3)]))
    assert [(reply["id"], reply["result"]) for reply in replies] == [(7, 0), (7, 1), (7, 2)]


async def test_a_batch_is_bounded() -> None:
    """A batch of very many members is refused as a whole, and nothing of it runs."""
    calls = 0

    async def dispatch(_call: Call) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        return {}

    replies = await replies_to(json.dumps([request("any.name", id=n) for n in range(1000)]), dispatch)
    assert (len(replies), calls) == (1000, 1000)
    reply = await replies_to(json.dumps([request("any.name", id=n) for n in range(1001)]), dispatch)
    assert (reply["error"]["code"], reply["id"], calls) == (-32600, None, 1000)


async def test_the_replies_to_a_batch_are_bounded() -> None:
    """Behind replies of a great size requests are told to try again; each has its reply, and notifications run."""
    notified = []

    async def dispatch(call: Call) -> dict[str, Any]:
        if call.method == "a.notification":
            notified.append(call.params)
        return {"text": "x" * 300_000}

    batch = [request("a.request", id=n) for n in range(20)] + [request("a.notification", [n]) for n in range(2)]
    replies = await replies_to(json.dumps(batch), dispatch)
    assert [reply["id"] for reply in replies] == list(range(20))
    codes = [reply.get("error", {}).get("code") for reply in replies]
    assert set(codes) == {None, -32005}
    assert codes == sorted(codes, key=lambda code: code is not None)
    assert notified == [[0], [1]]


# Errors

REFUSALS = [
    (errors.ParseError("a reason"), -32700, "Parse error", {"reason": "a reason"}),
    (errors.InvalidRequest(), -32600, "Invalid Request", None),
    (errors.InvalidRequest(data={"reason": "a"}), -32600, "Invalid Request", {"reason": "a"}),
    (errors.MethodNotFound("No such method"), -32601, "Method not found", {"reason": "No such method"}),
    (errors.InvalidParams("A.B", "c", "why"), -32602, "Invalid params", {"param": "c", "reason": "why"}),
    (errors.InternalError("0a1b"), -32603, "Internal error", {"reference": "0a1b"}),
    (errors.Unauthorized(), -32001, "Forbidden: Invalid token.", None),
    (
        errors.TokenChanged(),
        -32001,
        "Changing the user (token) requires a new handshake. Call JSONRPC.Hello.",
        None,
    ),
    (errors.SetupRequired(), -32002, "Initial setup required. Call JSONRPC.CreateUser first.", None),
    (errors.PermissionDenied(), -32003, "Permission denied.", None),
    (errors.TooManyAttempts(2.5), -32004, "Too many attempts. Try again in 3 s.", {"retryAfter": 3}),
    (errors.ServerBusy(), -32005, "Server busy. Try again later.", None),
]


@pytest.mark.parametrize(("error", "code", "message", "data"), REFUSALS, ids=lambda value: type(value).__name__)
async def test_a_refusal_has_its_code_message_and_data(
    error: errors.RpcError, code: int, message: str, data: Any
) -> None:
    """Each refusal is written with its code, its message and, where there is any, its data."""

    async def dispatch(_call: Call) -> dict[str, Any]:
        raise error

    body = {"code": code, "message": message} | ({} if data is None else {"data": data})
    reply = await replies_to(json.dumps(request("any.name", id="x")), dispatch)
    assert reply == {"jsonrpc": "2.0", "error": body, "id": "x"}
    assert json.loads(DIALECT.refusal(error)) == {"jsonrpc": "2.0", "error": body, "id": None}


async def test_the_text_of_an_unforeseen_exception_is_not_sent() -> None:
    """Whatever goes wrong below, an internal error says nothing of it."""

    async def dispatch(_call: Call) -> dict[str, Any]:
        raise RuntimeError("the secret cause")

    reply = await replies_to(json.dumps(request("any.name", id=1)), dispatch)
    assert (reply["id"], reply["error"]["code"], reply["error"]["message"]) == (1, -32603, "Internal error")
    assert "secret" not in json.dumps(reply)


# Any message at all

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
almost_requests = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | json_values,
        "method": st.sampled_from(["get_data", "echo", "sum", "no_such"]) | json_values,
        "params": json_values,
        "id": json_values,
        "token": st.none() | st.text(max_size=8) | json_values,
    },
)


@given(st.lists(almost_requests | json_values, max_size=4) | almost_requests | json_values)
@settings(deadline=None, max_examples=100)
def test_any_message_has_at_most_one_reply_for_each_request(message: JsonValue) -> None:
    """Whatever the message, its answer is well formed, echoes the id and has one response per request at most."""

    async def dispatch(call: Call) -> Any:
        if call.method not in METHODS:
            raise errors.MethodNotFound("No such method")
        return call.params

    reply = asyncio.run(replies_to(json.dumps(message), dispatch))
    members = message if isinstance(message, list) and message else [message]
    due = [one for one in members if not _is_notification(one)]
    if not due:
        assert reply is None
        return
    responses = reply if isinstance(message, list) and message else [reply]
    assert len(responses) == len(due)
    for response, asked in zip(responses, due, strict=True):
        assert response["jsonrpc"] == "2.0"
        assert ("result" in response) != ("error" in response)
        if response.get("error", {}).get("code") == -32600:
            assert response["id"] is None
        else:
            assert response["id"] == asked["id"]


def _is_notification(message: JsonValue) -> bool:
    return (
        isinstance(message, dict)
        and "id" not in message
        and message.get("jsonrpc") == "2.0"
        and isinstance(message.get("method"), str)
        and isinstance(message.get("params", []), dict | list)
        and isinstance(message.get("token"), str | None)
    )


# Notifications of the server


def test_a_notification_of_the_server_is_a_request_without_an_id() -> None:
    """A notification is one line with its name and params, and no number."""
    written = DIALECT.notification(7, "Users.UserRemoved", {"username": "bob"})
    assert written == b'{"jsonrpc":"2.0","method":"Users.UserRemoved","params":{"username":"bob"}}\n'
