"""nymea's dialect, read and written without a server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nymead_users.rpc import errors
from nymead_users.rpc.message import Call
from nymead_users.wire.framing import JsonValue
from nymead_users.wire.nymea import NymeaDialect

DIALECT = NymeaDialect()
MISSING_ID = {"id": 0, "status": "error", "error": "Error parsing command. Missing 'id'"}


async def run(call: Call) -> dict[str, Any]:
    """Answer with what came."""
    return {"method": call.method, "params": call.params, "token": call.token}


async def reply_to(message: JsonValue) -> Any:
    """What a message is answered with."""
    reply = await DIALECT.answer(message, run)
    assert reply is not None
    assert reply.endswith(b"\n")
    assert b"\n" not in reply[:-1]
    return json.loads(reply)


@pytest.mark.parametrize("message_id", [0, 1, -1, 2**31, 2**63, 2**64 + 1, -(10**30)])
async def test_a_reply_has_the_id_of_its_request(message_id: int) -> None:
    """Any integer is an id, and comes back exactly."""
    reply = await reply_to({"id": message_id, "method": "A.B"})
    assert (reply["id"], reply["status"]) == (message_id, "success")


@pytest.mark.parametrize("message_id", ["7", "", 7.0, 0.5, True, False, None, [7], {}], ids=repr)
async def test_an_id_that_is_no_integer_counts_as_missing(message_id: Any) -> None:
    """A request whose id is no integer is answered with id 0."""
    assert await reply_to({"id": message_id, "method": "A.B"}) == MISSING_ID


@pytest.mark.parametrize("message", [{}, {"method": "A.B"}, {"ID": 1, "method": "A.B"}, {"params": {}}], ids=repr)
async def test_a_missing_id_is_told_with_id_0(message: dict[str, Any]) -> None:
    """A request without an id is answered with id 0."""
    assert await reply_to(message) == MISSING_ID


@pytest.mark.parametrize("message", [None, True, 7, 1.5, "text"], ids=repr)
async def test_what_is_no_object_is_told_with_id_minus_1(message: JsonValue) -> None:
    """JSON that is no object is answered like text that is no JSON."""
    reply = await reply_to(message)
    assert (reply["id"], reply["status"]) == (-1, "error")
    assert reply["error"].startswith("Failed to parse JSON data: ")


@pytest.mark.parametrize("members", [{}, {"token": None}, {"token": ""}], ids=repr)
async def test_absent_null_and_empty_tokens_mean_none(members: dict[str, Any]) -> None:
    """However a request says that it has no token, the call has the same."""
    assert (await reply_to({"id": 1, "method": "A.B", **members}))["params"]["token"] == ""


async def test_params_may_be_absent_or_null() -> None:
    """A request without params and one whose params are null call with none."""
    for members in ({}, {"params": None}):
        assert (await reply_to({"id": 1, "method": "A.B", **members}))["params"]["params"] is None
    assert (await reply_to({"id": 1, "method": "A.B", "params": {"a": [1]}}))["params"]["params"] == {"a": [1]}


@pytest.mark.parametrize("token", [0, False, [], {}, 7, True, ["t"]], ids=repr)
async def test_a_token_that_is_no_text_does_not_pass_for_none(token: Any) -> None:
    """A token of another type is one that can't be valid, rather than none."""
    assert (await reply_to({"id": 1, "method": "A.B", "token": token}))["params"]["token"] != ""


REFUSALS = [
    (errors.ParseError("a reason"), "error", "Failed to parse JSON data: a reason"),
    (errors.InvalidRequest("Error parsing command. Missing 'id'"), "error", "Error parsing command. Missing 'id'"),
    (errors.MethodNotFound("No such namespace"), "error", "No such namespace"),
    (errors.MethodNotFound("No such method"), "error", "No such method"),
    (errors.MethodNotFound.malformed("A"), "error", "Error parsing method. Got: 'A'', Expected: 'Namespace.method'"),
    (
        errors.InvalidParams("A.B", "c", "Missing required key: c"),
        "error",
        "Invalid params: Missing required key: c in A.B, param c",
    ),
    (errors.Unauthorized(), "unauthorized", "Forbidden: Invalid token."),
    (
        errors.TokenChanged(),
        "unauthorized",
        "Changing the user (token) requires a new handshake. Call JSONRPC.Hello.",
    ),
    (errors.SetupRequired(), "unauthorized", "Initial setup required. Call JSONRPC.CreateUser first."),
    (errors.PermissionDenied(), "error", "Permission denied."),
    (errors.TooManyAttempts(0.2), "error", "Too many attempts. Try again in 1 s."),
    (errors.TooManyAttempts(41.1), "error", "Too many attempts. Try again in 42 s."),
    (errors.HandshakeRequired(), "error", "Handshake required. Call JSONRPC.Hello first."),
]


@pytest.mark.parametrize(("error", "status", "text"), REFUSALS, ids=lambda value: type(value).__name__)
async def test_a_refusal_has_its_status_and_text(error: errors.RpcError, status: str, text: str) -> None:
    """Each refusal is written with its status and its text, under the request's id or under -1."""

    async def dispatch(_call: Call) -> dict[str, Any]:
        raise error

    reply = await DIALECT.answer({"id": 5, "method": "A.B"}, dispatch)
    assert reply is not None
    assert json.loads(reply) == {"id": 5, "status": status, "error": text}
    assert json.loads(DIALECT.refusal(error)) == {"id": -1, "status": status, "error": text}


@pytest.mark.parametrize("error", [errors.InternalError("0a1b"), errors.ServerBusy()], ids=repr)
async def test_the_servers_own_troubles_are_errors(error: errors.RpcError) -> None:
    """What the client is not to blame for is an error, too, and names the log's reference where there is one."""
    reply = json.loads(DIALECT.refusal(error))
    assert reply["status"] == "error"
    assert ("0a1b" in reply["error"]) == isinstance(error, errors.InternalError)


async def test_replies_are_compact() -> None:
    """A reply is JSON without a space, its text as it is rather than escaped."""
    reply = await DIALECT.answer({"id": 1, "method": "A.B", "params": {"a": ["é😀", 1]}, "token": "t"}, run)
    assert reply == (
        '{"id":1,"status":"success","params":{"method":"A.B","params":{"a":["é😀",1]},"token":"t"}}\n'.encode()
    )


def test_a_notification_has_its_number() -> None:
    """A notification is one line with its number, its name and its params."""
    written = DIALECT.notification(7, "Users.UserRemoved", {"username": "bob"})
    assert written == b'{"id":7,"notification":"Users.UserRemoved","params":{"username":"bob"}}\n'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
almost_requests = st.fixed_dictionaries(
    {}, optional={"id": st.integers() | json_values, "method": json_values, "params": json_values, "token": json_values}
)


@given(almost_requests | json_values)
@settings(deadline=None, max_examples=100)
def test_any_message_has_one_reply(message: JsonValue) -> None:
    """Whatever the message, it has one reply, under its id, under 0 without one, or under -1."""
    reply = asyncio.run(reply_to(message))
    expected = -1
    if isinstance(message, dict):
        expected = message["id"] if type(message.get("id")) is int else 0
    assert reply["id"] == expected
    assert reply["status"] in {"success", "error"}
    assert ("params" in reply) == (reply["status"] == "success")
