"""nymea's dialect against the running server: texts, ids, the handshake, tokens and the order of checks."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from itertools import product
from typing import Any

import pytest
from conftest import PASSWORD, PATIENCE, Raw, Server, StartServer, Transport

from nymead_users.storage.datadir import STORE

FORBIDDEN = "Forbidden: Invalid token."
DENIED = "Permission denied."
HANDSHAKE = "Handshake required. Call JSONRPC.Hello first."
SETUP = "Initial setup required. Call JSONRPC.CreateUser first."
TOKEN_CHANGED = "Changing the user (token) requires a new handshake. Call JSONRPC.Hello."
MISSING_ID = "Error parsing command. Missing 'id'"
WHO_AM_I = "Users.GetUserInfo"


def malformed(name: str) -> str:
    """What is said of a method's name that has not the right form."""
    return f"Error parsing method. Got: '{name}'', Expected: 'Namespace.method'"


def request(method: str, params: Any = None, token: str | None = None, message_id: Any = 1) -> dict[str, Any]:
    """A request."""
    message = {"id": message_id, "method": method}
    if params is not None:
        message["params"] = params
    if token is not None:
        message["token"] = token
    return message


def authenticate(username: str = "admin", password: str = PASSWORD, namespace: str = "JSONRPC", **more: Any) -> Any:
    """A request to log in."""
    params = {"username": username, "password": password, "deviceName": "a device"}
    return request(f"{namespace}.Authenticate", params, **more)


async def ask(raw: Raw, message: dict[str, Any]) -> dict[str, Any]:
    """What a request is answered with; its id is checked."""
    reply = await raw.ask(message)
    assert reply.pop("id") == message["id"]
    return dict(reply)


async def params_of(raw: Raw, message: dict[str, Any]) -> Any:
    """The params of a reply to a request that succeeds."""
    reply = await ask(raw, message)
    assert set(reply) == {"status", "params"}
    assert reply["status"] == "success"
    return reply["params"]


async def log_in(raw: Raw, username: str = "admin", **more: Any) -> str:
    """Log in on a connection that has shaken hands; the token."""
    login = await params_of(raw, authenticate(username, **more))
    assert login["success"] is True
    return str(login["token"])


async def greeted(server: Server, transport: Transport = "tcp", token: str | None = None) -> Raw:
    """A connection that has shaken hands."""
    raw = await server.raw(transport)
    await params_of(raw, request("JSONRPC.Hello", token=token))
    return raw


async def token_of(server: Server, username: str = "admin") -> str:
    """A valid token."""
    return await log_in(await greeted(server), username)


async def username_of(raw: Raw, token: str | None = None) -> str:
    """Who a connection acts for."""
    return str((await params_of(raw, request(WHO_AM_I, token=token)))["userInfo"]["username"])


def error(text: str) -> dict[str, str]:
    """A reply that leaves the connection open."""
    return {"status": "error", "error": text}


def unauthorized(text: str) -> dict[str, str]:
    """A reply after which the connection closes."""
    return {"status": "unauthorized", "error": text}


# The texts that clients know

INVALID: list[tuple[str, Any, str]] = [
    (
        "Users.GetUserTokens",
        {},
        "Invalid params: Missing required key: username in Users.GetUserTokens, param username",
    ),
    (
        "Users.GetUserTokens",
        None,
        "Invalid params: Missing required key: username in Users.GetUserTokens, param username",
    ),
    ("Users.GetUsers", {"all": True}, "Invalid params: Invalid key: all in Users.GetUsers, param all"),
    (
        "Users.RemoveUser",
        {"username": "bob", "force": True},
        "Invalid params: Invalid key: force in Users.RemoveUser, param force",
    ),
]


async def test_invalid_params_are_told_in_known_words(home: Server, transport: Transport) -> None:
    """A missing key and an unknown key are named with the method, in the words that clients know."""
    raw = await greeted(home, transport)
    token = await log_in(raw)
    for method, params, text in INVALID:
        assert await ask(raw, request(method, params, token)) == error(text)
    assert await username_of(raw, token) == "admin"


async def test_a_param_of_the_wrong_type_is_invalid(home: Server, transport: Transport) -> None:
    """Nothing is converted: the reply names the method, the param and the reason."""
    raw = await greeted(home, transport)
    token = await log_in(raw)
    wrong: list[tuple[str, Any, str]] = [
        ("Users.GetUserTokens", {"username": 17}, "username"),
        ("Users.GetUserTokens", {"username": None}, "username"),
        ("Users.SetUserInfo", {"displayName": None}, "displayName"),
        ("Users.SetUserInfo", {"email": ["a@example.org"]}, "email"),
        ("Users.RemoveToken", {"tokenId": 17}, "tokenId"),
        ("JSONRPC.SetNotificationStatus", {"enabled": 1}, "enabled"),
        ("JSONRPC.SetNotificationStatus", {"namespaces": "Users"}, "namespaces"),
    ]
    for method, params, param in wrong:
        reply = await ask(raw, request(method, params, token))
        assert reply["status"] == "error"
        assert reply["error"].startswith("Invalid params: ")
        assert reply["error"].endswith(f" in {method}, param {param}")


async def test_params_that_are_no_object_are_invalid(home: Server, transport: Transport) -> None:
    """Params are an object in this dialect."""
    raw = await greeted(home, transport)
    token = await log_in(raw)
    values: list[Any] = [["admin"], "admin", 17, True]
    for params in values:
        reply = await ask(raw, request("Users.GetUserTokens", params, token))
        assert reply["status"] == "error"
        assert reply["error"].startswith("Invalid params: ")
        assert " in Users.GetUserTokens, param" in reply["error"]


async def test_what_does_not_exist_is_told_in_known_words(home: Server, transport: Transport) -> None:
    """Unknown namespaces and unknown methods are told apart; case matters."""
    raw = await greeted(home, transport)
    token = await log_in(raw)
    for method, text in (
        ("Nobody.GetUsers", "No such namespace"),
        ("users.GetUsers", "No such namespace"),
        ("Users.GetNothing", "No such method"),
        ("Users.getUsers", "No such method"),
    ):
        assert await ask(raw, request(method, token=token)) == error(text)


async def test_a_malformed_method_name_is_told_in_known_words(server: Server, transport: Transport) -> None:
    """A name without its namespace, or with too many parts, is quoted with the form expected."""
    raw = await greeted(server, transport)
    for name in ("GetUsers", "", ".", "Users.", ".GetUsers", "Users.Get.Users", "é"):
        assert await ask(raw, request(name)) == error(malformed(name))
    for message in ({"id": 1}, {"id": 1, "method": None}, {"id": 1, "method": 17}, {"id": 1, "method": ["A.B"]}):
        reply = await ask(raw, message)
        assert reply["status"] == "error"
        assert reply["error"].startswith("Error parsing method. Got: '")
        assert reply["error"].endswith("'', Expected: 'Namespace.method'")
    assert (await ask(raw, request("JSONRPC.Hello")))["status"] == "success"


async def test_the_text_of_a_missing_permission(home: Server, transport: Transport) -> None:
    """A call beyond the user's permissions is an error, and the connection goes on."""
    await home.add_user("bob", "ControlThings")
    raw = await greeted(home, transport)
    token = await log_in(raw, "bob")
    assert await ask(raw, request("Users.GetUsers", token=token)) == error(DENIED)
    assert await username_of(raw, token) == "bob"


async def test_the_text_of_too_many_attempts(start_server: StartServer, transport: Transport) -> None:
    """After too many wrong passwords the seconds to wait are told, and the connection goes on."""
    server = await start_server(throttling={"free_attempts": 0, "first_delay": 30.0})
    await server.set_up()
    raw = await greeted(server, transport)
    assert await params_of(raw, authenticate(password="wrong")) == {"success": False}
    reply = await ask(raw, authenticate(password="wrong"))
    assert reply["status"] == "error"
    assert reply["error"] in {f"Too many attempts. Try again in {seconds} s." for seconds in range(1, 31)}
    assert (await ask(raw, request("JSONRPC.Hello")))["status"] == "success"


def break_store(server: Server, table: str) -> None:
    """Take a table away from under the server."""
    with closing(sqlite3.connect(server.data_dir / STORE)) as store:
        store.execute(f"DROP TABLE {table}")
        store.commit()


async def test_an_internal_error_has_no_cause_in_its_text(home: Server, transport: Transport) -> None:
    """When a method fails, the reply is an error with a reference and the connection goes on."""
    raw = await greeted(home, transport)
    token = await log_in(raw)
    break_store(home, "users")
    reply = await ask(raw, request("Users.GetUsers", token=token))
    assert reply["status"] == "error"
    assert "no such table" not in reply["error"]
    assert (await ask(raw, request("JSONRPC.KeepAlive", {"sessionId": "x"}, token)))["status"] == "success"


async def test_a_token_that_can_not_be_looked_up_is_an_internal_error(home: Server, transport: Transport) -> None:
    """When the store fails while a token is looked up, the request is answered with an error all the same."""
    break_store(home, "tokens")
    for method in ("JSONRPC.Hello", "Users.GetUsers"):
        raw = await home.raw(transport)
        reply = await ask(raw, request(method, token="any token"))
        assert reply["status"] == "error"
        assert "no such table" not in reply["error"]


# Ids


async def test_any_integer_is_an_id(server: Server, transport: Transport) -> None:
    """A reply has its request's id, 0 and integers of any size included."""
    raw = await server.raw(transport)
    for message_id in (0, 1, -1, 2**31, 2**53 + 1, 2**64 + 1, -(10**40)):
        assert (await ask(raw, request("JSONRPC.Hello", message_id=message_id)))["status"] == "success"


async def test_an_id_that_is_missing_or_no_integer_is_told_with_id_0(server: Server, transport: Transport) -> None:
    """Without an integer as its id a request is refused under id 0, and the connection goes on."""
    raw = await greeted(server, transport)
    values: list[Any] = ["7", "", 7.0, 1.5, True, False, None, [7], {}]
    messages = [{"method": "JSONRPC.Hello"}, {}, *(request("JSONRPC.Hello", message_id=value) for value in values)]
    for message in messages:
        assert await raw.ask(message) == {"id": 0, **error(MISSING_ID)}
    assert (await ask(raw, request("JSONRPC.Hello")))["status"] == "success"


async def test_what_is_not_json_is_told_with_id_minus_1(server: Server, transport: Transport) -> None:
    """Broken JSON, and JSON that is no object, is refused under id -1, and the connection goes on."""
    raw = await greeted(server, transport)
    for text in ("nonsense", '{"id": 1,}', "{'id': 1}", '{"id": 1 "method": "JSONRPC.Hello"}', '"text"', "17", "null"):
        reply = await raw.ask(f"{text}\n")
        assert (reply["id"], reply["status"]) == (-1, "error")
        assert reply["error"].startswith("Failed to parse JSON data: ")
    assert (await ask(raw, request("JSONRPC.Hello")))["status"] == "success"


# Tokens

NONE: list[dict[str, Any]] = [{}, {"token": None}, {"token": ""}]


async def test_absent_null_and_empty_tokens_are_all_none(home: Server, transport: Transport) -> None:
    """Having said that there is no token in one way, a client may say so in another."""
    pairs = list(product(NONE, NONE))
    raws = [await home.raw(transport) for _ in pairs]
    for raw, (first, second) in zip(raws, pairs, strict=True):
        hello = await params_of(raw, request("JSONRPC.Hello") | first)
        assert "authenticated" not in hello
        assert await ask(raw, request("Users.GetUsers") | second) == unauthorized(FORBIDDEN)


async def test_hello_binds_the_token_it_carries(home: Server, transport: Transport) -> None:
    """Hello tells for whom its token stands, and the next calls act for that user."""
    await home.add_user("bob")
    token = await token_of(home, "bob")
    raw = await home.raw(transport)
    hello = await params_of(raw, request("JSONRPC.Hello", token=token))
    assert (hello["authenticated"], hello["username"], hello["permissionScopes"]) == (True, "bob", [])
    assert await username_of(raw, token) == "bob"


async def test_hello_with_an_invalid_token_succeeds(home: Server, transport: Transport) -> None:
    """An invalid token is told as not authenticated, and refused at the first call that needs one."""
    raw = await home.raw(transport)
    hello = await params_of(raw, request("JSONRPC.Hello", token="stale"))
    assert hello["authenticated"] is False
    assert "username" not in hello
    assert await ask(raw, request(WHO_AM_I, token="stale")) == unauthorized(FORBIDDEN)
    assert await raw.ends() == []


@pytest.mark.parametrize("later", ["none", "another", "invalid"])
async def test_another_token_needs_a_new_handshake(home: Server, transport: Transport, later: str) -> None:
    """A call must carry the token of the handshake, even if another would be valid; else the connection closes."""
    token = {"none": None, "another": await token_of(home), "invalid": "stale"}[later]
    raw = await greeted(home, transport, await token_of(home))
    assert await ask(raw, request(WHO_AM_I, token=token)) == unauthorized(TOKEN_CHANGED)
    assert await raw.ends() == []


async def test_a_token_after_a_handshake_without_one_is_refused(home: Server, transport: Transport) -> None:
    """A valid token does not count on a connection whose handshake had none."""
    token = await token_of(home)
    raw = await greeted(home, transport)
    assert await ask(raw, request(WHO_AM_I, token=token)) == unauthorized(TOKEN_CHANGED)


async def test_a_new_hello_changes_the_token(home: Server, transport: Transport) -> None:
    """After another Hello its token is the one that counts, and the earlier one no longer does."""
    await home.add_user("bob")
    first, second = await token_of(home), await token_of(home, "bob")
    raw = await greeted(home, transport, first)
    hello = await params_of(raw, request("JSONRPC.Hello", token=second))
    assert hello["username"] == "bob"
    assert await username_of(raw, second) == "bob"
    assert await ask(raw, request(WHO_AM_I, token=first)) == unauthorized(TOKEN_CHANGED)


async def test_a_new_hello_without_a_token_logs_out(home: Server, transport: Transport) -> None:
    """Another Hello that carries no token leaves the connection without one."""
    raw = await greeted(home, transport, await token_of(home))
    assert "authenticated" not in await params_of(raw, request("JSONRPC.Hello"))
    assert await ask(raw, request(WHO_AM_I)) == unauthorized(FORBIDDEN)


@pytest.mark.parametrize("namespace", ["JSONRPC", "Users"])
async def test_authenticate_may_carry_any_token(home: Server, transport: Transport, namespace: str) -> None:
    """Logging in works with the connection's token, another one and none, and binds the new token at once."""
    valid = await token_of(home)
    for bound, carried in product([None, "stale", valid], [None, "", "other", valid]):
        raw = await greeted(home, transport, bound)
        token = await log_in(raw, namespace=namespace, token=carried)
        assert await username_of(raw, token) == "admin"


async def test_a_login_ends_what_the_token_before_it_may(home: Server, transport: Transport) -> None:
    """After a login the connection's earlier token is another one."""
    before = await token_of(home)
    raw = await greeted(home, transport, before)
    await log_in(raw, token=before)
    assert await ask(raw, request(WHO_AM_I, token=before)) == unauthorized(TOKEN_CHANGED)


async def test_a_failed_login_leaves_the_token(home: Server, transport: Transport) -> None:
    """A wrong password changes nothing for the connection."""
    token = await token_of(home)
    raw = await greeted(home, transport, token)
    assert await params_of(raw, authenticate(password="wrong", token="other")) == {"success": False}
    assert await username_of(raw, token) == "admin"


async def test_create_user_may_carry_any_token(start_server: StartServer, transport: Transport) -> None:
    """The first administrator is made whatever token the request carries."""
    server = await start_server()
    raw = await greeted(server, transport, "stale")
    made = {"username": "admin", "password": PASSWORD}
    reply = await params_of(raw, request("JSONRPC.CreateUser", made, "another"))
    assert reply == {"error": "UserErrorNoError"}
    assert await username_of(raw, await log_in(raw)) == "admin"


@pytest.mark.parametrize("namespace", ["JSONRPC", "Users"])
async def test_the_push_button_binds_its_token(start_server: StartServer, transport: Transport, namespace: str) -> None:
    """The request may carry any token; a press sends a new one and binds it, with no new Hello."""
    server = await start_server(push_button=True)
    raw = await greeted(server, transport, "stale")
    asked = await params_of(raw, request(f"{namespace}.RequestPushButtonAuth", {"deviceName": "phone"}, "another"))
    operator = await server.operator()
    assert await operator.call("Operator.PressButton") == {"success": True}
    finished = await raw.receive()
    assert set(finished) == {"id", "notification", "params"}
    assert finished["notification"] == f"{namespace}.PushButtonAuthFinished"
    token = finished["params"].pop("token")
    assert finished["params"] == {"success": True, "transactionId": asked["transactionId"]}
    assert await username_of(raw, token) == ""


async def test_notifications_count_up(home: Server, transport: Transport) -> None:
    """Each notification has a greater number than the one before."""
    raw = await greeted(home, transport)
    token = await log_in(raw)
    await params_of(raw, request("JSONRPC.SetNotificationStatus", {"namespaces": ["Users"]}, token))
    numbers = []
    for name in ("one", "two", "three"):
        changed = await raw.ask(request("Users.SetUserInfo", {"displayName": name}, token, message_id=99))
        assert changed["notification"] == "Users.UserChanged"
        assert changed["params"]["userInfo"]["displayName"] == name
        numbers.append(changed["id"])
        assert await raw.receive() == {"id": 99, "status": "success", "params": {"error": "UserErrorNoError"}}
    assert numbers == sorted(set(numbers))


# The handshake


async def test_the_first_message_must_be_hello(home: Server, transport: Transport) -> None:
    """A connection that begins with anything else is told so and closed, and nothing was done."""
    token = await token_of(home)
    change = {"displayName": "Changed"}
    messages = [
        authenticate(),
        request("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"}),
        request("JSONRPC.KeepAlive", {"sessionId": "x"}, token),
        request("Users.SetUserInfo", change, token),
    ]
    raws = [await home.raw(transport) for _ in messages]
    for raw, message in zip(raws, messages, strict=True):
        assert await ask(raw, message) == error(HANDSHAKE)
    for raw in raws:
        assert await raw.ends() == []
    operator = await home.operator()
    assert (await operator.call("Users.GetUsers"))["users"][0]["displayName"] == ""


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        ({"method": "JSONRPC.Hello"}, {"id": 0, **error(MISSING_ID)}),
        ({"id": "1", "method": "JSONRPC.Hello"}, {"id": 0, **error(MISSING_ID)}),
        ({"id": 1, "method": "nonsense"}, {"id": 1, **error(malformed("nonsense"))}),
        ({"id": 1, "method": 7}, {"id": 1, **error(malformed(""))}),
        ({"id": 1}, {"id": 1, **error(malformed(""))}),
        ({}, {"id": 0, **error(MISSING_ID)}),
    ],
    ids=str,
)
async def test_a_first_message_of_a_wrong_form_is_the_last(
    home: Server, transport: Transport, message: dict[str, Any], reply: dict[str, Any]
) -> None:
    """A connection that begins with what is no request at all gets the error for that, and is closed as well."""
    raw = await home.raw(transport)
    await raw.send(message)
    await raw.send(request("JSONRPC.Hello", message_id=2))
    assert await raw.receive() == reply
    assert await raw.ends() == [{"id": 2, **error(HANDSHAKE)}]


async def test_set_up_needs_a_handshake(server: Server, transport: Transport) -> None:
    """The first administrator is not made before Hello."""
    raw = await server.raw(transport)
    made = request("JSONRPC.CreateUser", {"username": "admin", "password": PASSWORD})
    assert await ask(raw, made) == error(HANDSHAKE)
    assert await raw.ends() == []
    hello = await params_of(await server.raw(transport), request("JSONRPC.Hello"))
    assert hello["initialSetupRequired"] is True


async def test_hello_after_a_refused_first_message_comes_too_late(home: Server, transport: Transport) -> None:
    """What follows a refused first message is refused as well, until the connection closes."""
    raw = await home.raw(transport)
    assert await ask(raw, authenticate()) == error(HANDSHAKE)
    await raw.send(request("JSONRPC.Hello"))
    await raw.send(authenticate())
    replies = await raw.ends()
    assert [reply["error"] for reply in replies] == [HANDSHAKE, HANDSHAKE]


# The order of checks: where two are violated at once, the earlier one answers


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        pytest.param('{"method": "nonsense"', {"id": -1, "status": "error"}, id="JSON before id"),
        pytest.param({"method": "nonsense"}, {"id": 0, **error(MISSING_ID)}, id="id before method name"),
        pytest.param(
            {"id": 1, "method": "nonsense", "token": "other"},
            {"id": 1, **error(malformed("nonsense"))},
            id="method name before token",
        ),
        pytest.param(
            {"id": 1, "method": "nonsense", "params": []},
            {"id": 1, **error(malformed("nonsense"))},
            id="method name before params that are no object",
        ),
        pytest.param(
            {"id": 1, "method": "Users.GetUsers", "token": "other"},
            {"id": 1, **unauthorized(TOKEN_CHANGED)},
            id="token before authentication",
        ),
        pytest.param(
            {"id": 1, "method": "Users.GetUsers", "token": "other", "params": []},
            {"id": 1, **unauthorized(TOKEN_CHANGED)},
            id="token before params that are no object",
        ),
        pytest.param(
            {"id": 1, "method": "Users.GetUsers"},
            {"id": 1, **unauthorized(FORBIDDEN)},
            id="authentication before permission",
        ),
        pytest.param(
            {"id": 1, "method": "Users.GetNothing"},
            {"id": 1, **unauthorized(FORBIDDEN)},
            id="authentication before the method exists",
        ),
        pytest.param(
            {"id": 1, "method": "Nobody.GetNothing"},
            {"id": 1, **unauthorized(FORBIDDEN)},
            id="authentication before the namespace exists",
        ),
        pytest.param(
            {"id": 1, "method": "Users.GetUserTokens", "params": {"nonsense": 1}},
            {"id": 1, **unauthorized(FORBIDDEN)},
            id="authentication before params",
        ),
        pytest.param(
            {"id": 1, "method": "Users.GetUserTokens", "params": []},
            {"id": 1, **unauthorized(FORBIDDEN)},
            id="authentication before params that are no object",
        ),
    ],
)
async def test_an_earlier_check_answers_an_anonymous_call(home: Server, message: Any, reply: dict[str, Any]) -> None:
    """Of two things wrong with the call of a client without a token, the one that is checked first is told."""
    raw = await greeted(home)
    if isinstance(message, str):
        message += "\n]\n"
    answer = await raw.ask(message)
    assert {key: answer[key] for key in reply} == reply


async def test_an_earlier_check_answers_a_call_beyond_the_permissions(home: Server, transport: Transport) -> None:
    """Permission is checked before params, and what does not exist is no matter of permission."""
    await home.add_user("bob")
    raw = await greeted(home, transport)
    token = await log_in(raw, "bob")
    values: list[Any] = [{}, {"nonsense": 1}, {"username": 17}]
    for params in values:
        assert await ask(raw, request("Users.GetUserTokens", params, token)) == error(DENIED)
    assert await ask(raw, request("Users.GetNothing", {"nonsense": 1}, token)) == error("No such method")
    assert await ask(raw, request("Nobody.GetNothing", {"nonsense": 1}, token)) == error("No such namespace")


async def test_params_that_are_no_object_are_checked_with_the_params(home: Server, transport: Transport) -> None:
    """Params of a wrong form tell a user nothing that the checks before them would not."""
    await home.add_user("bob")
    raw = await greeted(home, transport)
    token = await log_in(raw, "bob")
    assert await ask(raw, request("Users.GetUserTokens", [], token)) == error(DENIED)
    assert await ask(raw, request("Users.GetNothing", [], token)) == error("No such method")


async def test_an_earlier_check_answers_a_call_without_handshake(home: Server, transport: Transport) -> None:
    """The handshake is checked after everything else."""
    await home.add_user("bob")
    token = await token_of(home, "bob")
    stories: list[tuple[dict[str, Any], dict[str, str]]] = [
        (request("nonsense"), error(malformed("nonsense"))),
        (request("Users.GetUsers"), unauthorized(FORBIDDEN)),
        (request("Users.GetUsers", token="stale"), unauthorized(FORBIDDEN)),
        (request("Users.GetUsers", token=token), error(DENIED)),
        (request("Users.GetNothing", token=token), error("No such method")),
        (request("Nobody.GetNothing", token=token), error("No such namespace")),
        (
            request("JSONRPC.Authenticate", {"username": "bob", "password": PASSWORD}),
            error("Invalid params: Missing required key: deviceName in JSONRPC.Authenticate, param deviceName"),
        ),
    ]
    for message, reply in stories:
        raw = await home.raw(transport)
        assert await ask(raw, message) == reply


async def test_before_set_up_everything_else_comes_after_it(server: Server, transport: Transport) -> None:
    """While there is no user, calls are told so before anything of what they ask for, but after name and token."""
    stories: list[tuple[dict[str, Any], dict[str, str]]] = [
        (request("nonsense"), error(malformed("nonsense"))),
        (request("Users.GetUsers", token="other"), unauthorized(TOKEN_CHANGED)),
        (request("Users.GetUsers"), unauthorized(SETUP)),
        (request("Nobody.GetNothing"), unauthorized(SETUP)),
        (request("JSONRPC.KeepAlive", {"nonsense": 1}), unauthorized(SETUP)),
        (authenticate(), unauthorized(SETUP)),
        (authenticate(token="other"), unauthorized(SETUP)),
    ]
    raws = [await greeted(server, transport) for _ in stories]
    for raw, (message, reply) in zip(raws, stories, strict=True):
        assert await ask(raw, message) == reply


# The close after an unauthorized reply


@pytest.mark.parametrize("reason", ["invalid token", "token changed", "set-up required", "no handshake"])
async def test_a_last_reply_can_be_read_before_the_close(server: Server, transport: Transport, reason: str) -> None:
    """The reply comes at once and the connection closes some time later, so that the reply is not lost."""
    if reason != "set-up required":
        await server.set_up()
    raw = await server.raw(transport)
    if reason != "no handshake":
        await raw.ask(request("JSONRPC.Hello"))
    last = {
        "invalid token": (request("Users.GetUsers"), unauthorized(FORBIDDEN)),
        "token changed": (request("Users.GetUsers", token="other"), unauthorized(TOKEN_CHANGED)),
        "set-up required": (request("Users.GetUsers"), unauthorized(SETUP)),
        "no handshake": (authenticate(), error(HANDSHAKE)),
    }[reason]
    assert await ask(raw, last[0]) == last[1]
    clock = asyncio.get_running_loop().time
    replied = clock()
    assert await raw.ends() == []
    assert 0.1 < clock() - replied < PATIENCE


async def test_calls_queued_behind_an_unauthorized_one_are_unauthorized(home: Server, transport: Transport) -> None:
    """Until the connection closes, whatever is asked is answered like the call that ends it."""
    raw = await greeted(home, transport)
    await raw.send(request("Users.GetUsers", message_id=1))
    await raw.send(request("JSONRPC.Hello", message_id=2))
    await raw.send(authenticate(message_id=3))
    replies = await raw.ends()
    assert replies == [{"id": message_id, **unauthorized(FORBIDDEN)} for message_id in (1, 2, 3)]


# How replies are written


async def test_every_message_is_one_line_of_compact_json(home: Server, transport: Transport) -> None:
    """Replies of every kind and notifications are compact JSON on one line with its line feed."""
    raw = await greeted(home, transport)
    token = await log_in(raw)
    asked: list[Any] = [
        request("JSONRPC.Hello", token=token),
        request("JSONRPC.SetNotificationStatus", {"enabled": True}, token),
        request("Users.SetUserInfo", {"displayName": 'Ä é 😀 \\ " </'}, token),
        request("Users.GetUsers", token=token),
        request("JSONRPC.Introspect", token=token),
        request("Users.GetNothing", token=token),
        request("line\nfeed"),
        request("JSONRPC.KeepAlive", {"sessionId": "line\nfeed\r\u0000\u0085\u2028"}, token),
        {"jsonrpc": "2.0", "id": "line\nfeed", "method": "JSONRPC.Version"},
        {"jsonrpc": "2.0", "id": 10**40, "method": "JSONRPC.Version"},
        [{"jsonrpc": "2.0", "id": 1, "method": "JSONRPC.Version"}, 1],
        {"id": 2**70, "method": "JSONRPC.Hello", "token": token},
        {"no": "id"},
        '{"broken": ]\n',
        request("Users.GetUsers", token="other"),
    ]
    for message in asked:
        await raw.send(message)
    texts = []
    while text := await raw.receive_text():
        texts.append(text)
    assert len(texts) == len(asked) + 1  # the change of the display name is notified, too
    for text in texts:
        assert text == json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False) + "\n"


async def test_nothing_comes_unasked(server: Server, transport: Transport) -> None:
    """The server does not speak first: what comes first is the reply to Hello."""
    silent, raw = await server.raw(transport), await server.raw(transport)
    for _ in range(3):
        assert (await ask(raw, request("JSONRPC.Hello")))["status"] == "success"
    assert (await ask(silent, request("JSONRPC.Hello", message_id=7)))["status"] == "success"
