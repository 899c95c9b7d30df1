"""The way of a call from a dialect through the dispatcher and back, with a namespace made for it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NotRequired
from uuid import UUID

import pytest
from pydantic import Field
from typing_extensions import TypedDict

from nymead_users.events import EventBus
from nymead_users.peer import Peer
from nymead_users.permissions import Principal, Scope, User
from nymead_users.rpc import errors
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.dispatcher import Dispatcher
from nymead_users.rpc.namespace import Access, Namespace, NoParams, Params, method, wire_type
from nymead_users.rpc.observed import ObservedDispatcher
from nymead_users.rpc.registry import Registry
from nymead_users.session.broadcaster import Broadcaster
from nymead_users.session.directory import Directory
from nymead_users.session.session import Limits, Session, SessionFactory
from nymead_users.storage.errors import StoreError

SECRET = "the secret cause"


class AnswerParams(Params):
    """Params of Answer."""

    number: int = Field(description="Any number.")
    text: str = Field("", description="Any text.")


@wire_type
class AnswerReturns(TypedDict):
    """Returns of Answer."""

    number: int
    text: NotRequired[str]


class Lab(Namespace):
    """Does what a test wants: ``conduct`` stands for the methods' work."""

    name = "Lab"

    def __init__(self, conduct: Callable[[], Any]) -> None:
        self._conduct = conduct

    @method("Answer", access=Access.PUBLIC)
    async def answer(self, caller: Caller, params: AnswerParams) -> AnswerReturns:  # noqa: ARG002
        """Answer what the test says."""
        result: AnswerReturns = self._conduct()
        return result

    @method("Guard", scope=Scope.CONTROL_THINGS)
    async def guard(self, caller: Caller, params: NoParams) -> AnswerReturns:  # noqa: ARG002
        """Answer whoever may control things."""
        return {"number": 1}

    @method("Rule")
    async def rule(self, caller: Caller, params: NoParams) -> AnswerReturns:  # noqa: ARG002
        """Answer administrators: nothing else is declared."""
        return {"number": 2}


class Wire:
    """The end of a connection that no socket is behind (session.channel.Channel)."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def write(self, messages: Sequence[bytes]) -> None:
        self.sent += messages

    def buffered(self) -> int:
        return 0

    def close(self) -> None:
        return

    def abort(self) -> None:
        return


class House:
    """Has been set up, and knows a user by the token "valid"."""

    required = False
    generation = 0

    def __init__(self, scopes: Scope) -> None:
        self._scopes = scopes

    def allowed(self, *, local: bool) -> bool:
        return local

    async def resolve(self, token: str) -> Principal | None:
        user = User("bob", "", "", self._scopes, ())
        return Principal(user, UUID(int=1)) if token == "valid" else None


class Connection:
    """A session over a wire, and what it answers."""

    def __init__(
        self,
        conduct: Callable[[], Any] = dict,
        *,
        namespace: type[Lab] = Lab,
        scopes: Scope = Scope.NONE,
        check_returns: bool = False,
        observe: Callable[[str, str, float], None] | None = None,
    ) -> None:
        house = House(scopes)
        kind = Dispatcher if observe is None else partial(ObservedDispatcher, observe=observe)
        dispatcher = kind(Registry([namespace(conduct)]), house, check_returns=check_returns)
        directory = Directory(EventBus(), limit=1, limit_per_address=1)
        limits = Limits(message_size=1024, outbox_size=1024, handshake_time=60.0)
        sessions = SessionFactory(dispatcher, directory, Broadcaster(directory), house, limits, authentication=True)
        self._wire = Wire()
        self._session: Session = sessions.open(self._wire, Peer("192.0.2.1:1", "192.0.2.1", local=False))
        self._session.greet("en_US")

    async def ask(self, method_name: str, params: Any = None, *, jsonrpc: bool) -> Any:
        """The reply to a call with a valid token."""
        message: dict[str, Any] = {"id": 1, "method": method_name, "token": "valid"}
        if jsonrpc:
            message["jsonrpc"] = "2.0"
        if params is not None:
            message["params"] = params
        await self._session.receive(message)
        self._session.flush()
        return json.loads(self._wire.sent.pop())

    def close(self) -> None:
        self._session.close()


def raising(error: BaseException) -> Callable[[], Any]:
    """What a method does that fails."""

    def conduct() -> Any:
        raise error

    return conduct


# From exceptions to the wire

TABLE = [
    (errors.InvalidParams("Lab.Answer", "number", "Too much"), "error", None, -32602, "Invalid params"),
    (errors.Unauthorized(), "unauthorized", "Forbidden: Invalid token.", -32001, "Forbidden: Invalid token."),
    (errors.PermissionDenied(), "error", "Permission denied.", -32003, "Permission denied."),
    (
        errors.TooManyAttempts(7.0),
        "error",
        "Too many attempts. Try again in 7 s.",
        -32004,
        "Too many attempts. Try again in 7 s.",
    ),
    (errors.ServerBusy(), "error", "Server busy. Try again later.", -32005, "Server busy. Try again later."),
    (errors.InternalError("0a1b2c3d"), "error", None, -32603, "Internal error"),
    (ValueError(SECRET), "error", None, -32603, "Internal error"),
    (KeyError(SECRET), "error", None, -32603, "Internal error"),
    (StoreError(SECRET), "error", None, -32603, "Internal error"),
    (OSError(28, SECRET), "error", None, -32603, "Internal error"),
    (TimeoutError(SECRET), "error", None, -32603, "Internal error"),
    (AssertionError(SECRET), "error", None, -32603, "Internal error"),
    (RecursionError(SECRET), "error", None, -32603, "Internal error"),
    (ExceptionGroup(SECRET, [ValueError(SECRET)]), "error", None, -32603, "Internal error"),
]


@pytest.mark.parametrize(("error", "status", "text", "code", "message"), TABLE, ids=lambda value: type(value).__name__)
async def test_what_a_method_raises_becomes_its_reply(
    error: Exception, status: str, text: str | None, code: int, message: str
) -> None:
    """Each exception has its status and text in nymea's dialect, its code and message in JSON-RPC 2.0."""
    nymea, jsonrpc = Connection(raising(error)), Connection(raising(error))
    reply = await nymea.ask("Lab.Answer", {"number": 1}, jsonrpc=False)
    assert (reply["id"], reply["status"]) == (1, status)
    assert text in (None, reply["error"])
    assert SECRET not in json.dumps(reply)
    reply = await jsonrpc.ask("Lab.Answer", {"number": 1}, jsonrpc=True)
    assert (reply["id"], reply["error"]["code"], reply["error"]["message"]) == (1, code, message)
    assert SECRET not in json.dumps(reply)
    nymea.close()
    jsonrpc.close()


@pytest.mark.parametrize("jsonrpc", [False, True])
async def test_an_unforeseen_exception_is_found_in_the_log(jsonrpc: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The client gets a reference, new each time, under which the log has the method and the cause."""
    connection = Connection(raising(ValueError(SECRET)))
    for _ in range(2):
        caplog.clear()
        reply = await connection.ask("Lab.Answer", {"number": 1}, jsonrpc=jsonrpc)
        (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
        fields = vars(record)
        assert fields["method"] == "Lab.Answer"
        assert fields["reference"] in json.dumps(reply)
        assert record.exc_info is not None
        assert str(record.exc_info[1]) == SECRET
    connection.close()


@pytest.mark.parametrize("jsonrpc", [False, True])
async def test_references_are_different(jsonrpc: bool) -> None:
    """Two failures can be told apart."""
    connection = Connection(raising(ValueError(SECRET)))
    replies = [json.dumps(await connection.ask("Lab.Answer", {"number": 1}, jsonrpc=jsonrpc)) for _ in range(20)]
    assert len(set(replies)) == 20
    connection.close()


@pytest.mark.parametrize("jsonrpc", [False, True])
async def test_a_cancelled_call_stays_cancelled(jsonrpc: bool) -> None:
    """The end of the server is no error of a method, and is not answered."""
    connection = Connection(raising(asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError):
        await connection.ask("Lab.Answer", {"number": 1}, jsonrpc=jsonrpc)
    connection.close()


@pytest.mark.parametrize(
    ("conduct", "outcome"),
    [
        (lambda: {"number": 1}, "ok"),
        (raising(errors.PermissionDenied()), "PermissionDenied"),
        (raising(ValueError(SECRET)), "InternalError"),
        (raising(asyncio.CancelledError()), "Cancelled"),
    ],
    ids=["ok", "refused", "failed", "cancelled"],
)
async def test_a_call_is_observed_with_its_outcome(conduct: Callable[[], Any], outcome: str) -> None:
    """Whoever measures is told of each call once, whatever came of it, a cancelled one included."""
    observed: list[tuple[str, str, float]] = []

    def observe(method_name: str, came: str, seconds: float) -> None:
        observed.append((method_name, came, seconds))

    connection = Connection(conduct, observe=observe)
    with suppress(asyncio.CancelledError):
        await connection.ask("Lab.Answer", {"number": 1}, jsonrpc=True)
    connection.close()
    ((method_name, came, seconds),) = observed
    assert (method_name, came) == ("Lab.Answer", outcome)
    assert seconds >= 0


# Returns


@pytest.mark.parametrize("jsonrpc", [False, True])
@pytest.mark.parametrize("check_returns", [False, True])
@pytest.mark.parametrize("result", [{"number": 1}, {"number": 1, "text": "x"}], ids=repr)
async def test_returns_as_declared_are_answered(jsonrpc: bool, check_returns: bool, result: Any) -> None:
    """What fits the declaration is answered as it is, whether or not it is checked."""
    connection = Connection(lambda: result, check_returns=check_returns)
    reply = await connection.ask("Lab.Answer", {"number": 1}, jsonrpc=jsonrpc)
    assert reply["result" if jsonrpc else "params"] == result
    connection.close()


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"text": "x"},
        {"number": "1"},
        {"number": 1.0},
        {"number": True},
        {"number": 1, "more": 2},
        {"number": None},
        [],
        None,
    ],
    ids=repr,
)
async def test_returns_that_break_their_declaration_are_found(result: Any) -> None:
    """Where returns are checked, what does not fit is an internal error."""
    connection = Connection(lambda: result, check_returns=True)
    reply = await connection.ask("Lab.Answer", {"number": 1}, jsonrpc=True)
    assert reply["error"]["code"] == -32603
    connection.close()


async def test_returns_are_checked_only_where_asked_for() -> None:
    """In everyday use returns are answered as the method made them."""
    connection = Connection(lambda: {"number": "one"})
    reply = await connection.ask("Lab.Answer", {"number": 1}, jsonrpc=True)
    assert reply["result"] == {"number": "one"}
    connection.close()


# Params


@pytest.mark.parametrize("params", [{"number": 7, "text": "x"}, [7, "x"], {"number": 7}, [7]], ids=repr)
async def test_a_method_gets_its_params(params: Any) -> None:
    """Named and positional params reach the method as its model."""
    seen = []

    class Listening(Lab):
        @method("Listen", access=Access.PUBLIC)
        async def listen(self, caller: Caller, params: AnswerParams) -> AnswerReturns:  # noqa: ARG002
            """Remember the params."""
            seen.append(params)
            return {"number": params.number}

    connection = Connection(namespace=Listening)
    await connection.ask("Lab.Listen", params, jsonrpc=True)
    assert [(one.number, one.text) for one in seen] == [(7, "x" if len(params) == 2 else "")]
    connection.close()


@pytest.mark.parametrize(
    ("params", "param", "reason"),
    [
        (None, "number", "Missing required key: number"),
        ({}, "number", "Missing required key: number"),
        ([], "number", "Missing required key: number"),
        ({"number": 1, "more": 2}, "more", "Invalid key: more"),
        ({"number": "1"}, "number", None),
        ({"number": 1.0}, "number", None),
        ({"number": True}, "number", None),
        ({"number": None}, "number", None),
        ([1, 2], "text", None),
        ([1, "x", 3], "2", None),
    ],
    ids=repr,
)
async def test_params_that_break_their_declaration_are_refused(params: Any, param: str, reason: str | None) -> None:
    """Nothing is converted, and the first wrong param is named with the reason; its value is not repeated."""
    connection = Connection()
    reply = await connection.ask("Lab.Answer", params, jsonrpc=True)
    assert reply["error"]["code"] == -32602
    assert reply["error"]["data"]["param"] == param
    assert reason in (None, reply["error"]["data"]["reason"])
    connection.close()


# Permission


@pytest.mark.parametrize(
    ("scopes", "guard", "rule"),
    [
        (Scope.NONE, False, False),
        (Scope.EXECUTE_RULES, False, False),
        (Scope.CONTROL_THINGS, True, False),
        (Scope.CONFIGURE_THINGS, True, False),
        (Scope.CONFIGURE_THINGS | Scope.ACCESS_ALL_THINGS | Scope.CONFIGURE_RULES, True, False),
        (Scope.ADMIN, True, True),
    ],
)
async def test_a_method_is_for_those_who_hold_its_scope(scopes: Scope, guard: bool, rule: bool) -> None:
    """A method needs all of the scope that it declares, and an administrator where it declares none."""
    connection = Connection(scopes=scopes)
    for name, allowed in (("Lab.Guard", guard), ("Lab.Rule", rule)):
        reply = await connection.ask(name, jsonrpc=True)
        assert ("result" in reply) == allowed
        assert reply.get("error", {"code": -32003})["code"] == -32003
    connection.close()
