"""JSON-RPC 2.0 against the running server, over TCP and WebSocket."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from conftest import PASSWORD, Raw, Server, StartServer, Transport

from nymead_users.storage.datadir import STORE

TOKEN_CHANGED = "Changing the user (token) requires a new handshake. Call JSONRPC.Hello."
INVALID_TOKEN = "Forbidden: Invalid token."
SETUP_REQUIRED = "Initial setup required. Call JSONRPC.CreateUser first."

#: Methods that every user may call, and what their results have.
VERSION, WHO_AM_I = "JSONRPC.Version", "Users.GetUserInfo"


def request(method: str, params: Any = None, message_id: Any = 1, **members: Any) -> dict[str, Any]:
    """A request."""
    return notification(method, params, id=message_id, **members)


def notification(method: str, params: Any = None, **members: Any) -> dict[str, Any]:
    """A client's notification: a request without an id."""
    message = {"jsonrpc": "2.0", "method": method, **members}
    if params is not None:
        message["params"] = params
    return message


def credentials(username: str = "admin", device: str = "a device") -> dict[str, str]:
    """The params of Authenticate."""
    return {"username": username, "password": PASSWORD, "deviceName": device}


async def log_in(raw: Raw, username: str = "admin") -> str:
    """Log in on a connection; the token."""
    reply = await raw.ask(request("JSONRPC.Authenticate", credentials(username), message_id="login"))
    assert reply["id"] == "login"
    return str(reply["result"]["token"])


async def result(raw: Raw, method: str, params: Any = None, **members: Any) -> Any:
    """The result of a call that succeeds."""
    reply = await raw.ask(request(method, params, **members))
    assert reply["jsonrpc"] == "2.0"
    assert reply["id"] == 1
    return reply["result"]


async def refusal(raw: Raw, method: str, params: Any = None, **members: Any) -> Any:
    """The error of a call that is refused."""
    reply = await raw.ask(request(method, params, **members))
    assert set(reply) == {"jsonrpc", "error", "id"}
    assert reply["id"] == 1
    return reply["error"]


async def username_of(raw: Raw, **members: Any) -> str:
    """Who a connection acts for."""
    return str((await result(raw, WHO_AM_I, **members))["userInfo"]["username"])


async def silent_until(raw: Raw) -> None:
    """Nothing has come before the reply to a request that is sent now."""
    reply = await raw.ask(request("rpc.discover", message_id="probe"))
    assert reply["id"] == "probe"


# The specification's examples


UNREADABLE = [
    ('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', -32700, "Parse error"),
    (
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method" ]',
        -32700,
        "Parse error",
    ),
    ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', -32600, "Invalid Request"),
    ("[]", -32600, "Invalid Request"),
]


@pytest.mark.parametrize(("sent", "code", "message"), UNREADABLE)
async def test_what_can_not_be_read_has_one_error_with_a_null_id(
    server: Server, transport: Transport, sent: str, code: int, message: str
) -> None:
    """Broken JSON and what is no request are answered once, with a null id, and the connection goes on."""
    raw = await server.raw(transport)
    reply = await raw.ask(f"{sent}\n")
    assert reply["jsonrpc"] == "2.0"
    assert reply["id"] is None
    assert (reply["error"]["code"], reply["error"]["message"]) == (code, message)
    await silent_until(raw)


async def test_a_method_that_does_not_exist_is_not_found(server: Server, transport: Transport) -> None:
    """A name that is no method's is told so, under the request's id."""
    raw = await server.raw(transport)
    reply = await raw.ask(request("foobar", message_id="1"))
    assert reply["id"] == "1"
    assert (reply["error"]["code"], reply["error"]["message"]) == (-32601, "Method not found")


async def test_a_batch_of_no_requests_has_an_error_for_each(server: Server, transport: Transport) -> None:
    """Each member that is no request has its own error."""
    raw = await server.raw(transport)
    for batch in ([1], [1, 2, 3]):
        replies = await raw.ask(batch)
        assert [(reply["error"]["code"], reply["id"]) for reply in replies] == [(-32600, None)] * len(batch)
    await silent_until(raw)


async def test_a_mixed_batch_is_answered_member_by_member(home: Server, transport: Transport) -> None:
    """Good members have their results and bad ones their errors, in order, and notifications nothing."""
    raw = await home.raw(transport)
    await log_in(raw)
    replies = await raw.ask(
        [
            request(VERSION, message_id="1"),
            notification("JSONRPC.KeepAlive", {"sessionId": "x"}),
            request("JSONRPC.KeepAlive", ["y"], message_id="2"),
            {"foo": "boo"},
            request("Users.GetNothing", {"name": "myself"}, message_id="5"),
            notification("Users.GetNothing"),
            request("Users.RemoveUser", {}, message_id=6.5),
            request(WHO_AM_I, message_id=None),
        ]
    )
    assert [reply["id"] for reply in replies] == ["1", "2", None, "5", 6.5, None]
    assert [reply.get("error", {}).get("code") for reply in replies] == [None, None, -32600, -32601, -32602, None]
    assert replies[1]["result"] == {"success": True, "sessionId": "y"}
    assert replies[5]["result"]["userInfo"]["username"] == "admin"


async def test_a_batch_of_notifications_is_run_and_not_answered(home: Server, transport: Transport) -> None:
    """Notifications in a batch do their work, and nothing comes back."""
    raw = await home.raw(transport)
    await log_in(raw)
    await raw.send([notification("Users.SetUserInfo", {"email": f"{n}@example.org"}) for n in range(3)])
    assert (await result(raw, WHO_AM_I))["userInfo"]["email"] == "2@example.org"


async def test_the_members_of_a_batch_run_in_order(home: Server, transport: Transport) -> None:
    """A member can rely on what those before it have done, and a notification is sent before the reply."""
    raw = await home.raw(transport)
    created = {"username": "bob", "password": PASSWORD, "scopes": []}
    await raw.send(
        [
            request("JSONRPC.Authenticate", credentials(), message_id=1),
            request("JSONRPC.SetNotificationStatus", {"namespaces": ["Users"]}, message_id=2),
            request("Users.CreateUser", created, message_id=3),
            request("Users.GetUsers", message_id=4),
        ]
    )
    added = await raw.receive()
    assert added["method"] == "Users.UserAdded"
    replies = await raw.receive()
    assert [reply["id"] for reply in replies] == [1, 2, 3, 4]
    assert [user["username"] for user in replies[3]["result"]["users"]] == ["admin", "bob"]


# Notifications of the client


NOTIFICATIONS: list[tuple[str, Any]] = [
    ("JSONRPC.KeepAlive", {"sessionId": "x"}),
    ("JSONRPC.KeepAlive", {}),
    ("JSONRPC.KeepAlive", ["x", "y"]),
    ("Users.GetNothing", None),
    ("Nobody.GetNothing", None),
    ("foobar", None),
    ("Users.GetUsers", None),
]


async def test_a_notification_is_never_answered(home: Server, transport: Transport) -> None:
    """Whether it succeeds, fails or is forbidden, a notification has no reply."""
    await home.add_user("bob")
    raw = await home.raw(transport)
    await log_in(raw, "bob")
    for method, params in NOTIFICATIONS:
        await raw.send(notification(method, params))
        await silent_until(raw)


async def test_an_unauthorized_notification_closes_without_a_reply(home: Server, transport: Transport) -> None:
    """A notification without a valid token is not answered, and the connection closes."""
    raw = await home.raw(transport)
    await raw.send(notification("Users.GetUsers"))
    assert await raw.ends() == []


# Ids


IDS = ['""', '"1"', '"flüßchen 😀 \\u0000"', "0", "-7", "1.5", "-2.0", "1e+300", "null"]
IDS += [str(number) for number in (2**53 + 1, 2**64, -(2**63) - 1, 10**60 + 1)]


async def test_an_id_comes_back_as_it_was(server: Server, transport: Transport) -> None:
    """Strings, numbers of any kind and size and null come back with the same type and value."""
    raw = await server.raw(transport)
    for written in IDS:
        reply = await raw.ask(f'{{"jsonrpc":"2.0","method":"JSONRPC.Hello","id":{written}}}\n')
        sent = json.loads(written)
        assert "result" in reply
        assert reply["id"] == sent
        assert type(reply["id"]) is type(sent)


async def test_an_id_of_another_type_is_an_invalid_request(server: Server, transport: Transport) -> None:
    """A boolean, an array or an object is no id."""
    raw = await server.raw(transport)
    for written in ("true", "false", "[]", '["1"]', "{}"):
        reply = await raw.ask(f'{{"jsonrpc":"2.0","method":"JSONRPC.Hello","id":{written}}}\n')
        assert (reply["error"]["code"], reply["id"]) == (-32600, None)


# Params


async def test_positional_params_are_taken_in_their_declared_order(home: Server, transport: Transport) -> None:
    """An array of params fills the declared ones from the first, and may leave out optional ones at the end."""
    raw = await home.raw(transport)
    login = await result(raw, "JSONRPC.Authenticate", ["admin", PASSWORD, "positional"])
    assert (login["success"], login["username"]) == (True, "admin")
    made = ["bob", PASSWORD, "Bob B.", "bob@example.org", ["PermissionScopeControlThings"]]
    assert await result(raw, "Users.CreateUser", made) == {"error": "UserErrorNoError"}
    assert await result(raw, "Users.SetUserInfo", ["bob", "Robert"]) == {"error": "UserErrorNoError"}
    bob = (await result(raw, "Users.GetUsers", []))["users"][1]
    assert bob == {
        "username": "bob",
        "displayName": "Robert",
        "email": "bob@example.org",
        "scopes": ["PermissionScopeControlThings"],
        "allowedThingIds": [],
    }


INVALID_PARAMS: list[tuple[str, Any, str]] = [
    ("Users.GetUserTokens", [], "username"),
    ("Users.SetUserScopes", ["bob"], "scopes"),
    ("Users.SetUserScopes", {"scopes": []}, "username"),
    ("Users.SetUserScopes", {"username": "bob", "scopes": [], "extra": 1}, "extra"),
    ("Users.GetUserTokens", [17], "username"),
    ("Users.GetUserTokens", {"username": None}, "username"),
    ("Users.SetUserInfo", {"displayName": "a\nb"}, "displayName"),
    ("Users.SetUserInfo", {"email": "x" * 256}, "email"),
    ("Users.RemoveToken", {"tokenId": "17"}, "tokenId"),
    ("Users.GetUsers", {"context": 1}, "context"),
    ("Users.GetUsers", {"self": 1}, "self"),
    ("Users.GetUsers", {"params": 1}, "params"),
]


async def test_invalid_params_are_named_with_the_reason(home: Server, transport: Transport) -> None:
    """The error says which param is wrong and why, and the connection goes on."""
    raw = await home.raw(transport)
    await log_in(raw)
    for method, params, param in INVALID_PARAMS:
        error = await refusal(raw, method, params)
        assert (error["code"], error["message"]) == (-32602, "Invalid params")
        assert error["data"]["param"] == param
        assert error["data"]["reason"]


async def test_too_many_positional_params_are_invalid(home: Server, transport: Transport) -> None:
    """More params than are declared are refused rather than dropped."""
    raw = await home.raw(transport)
    await log_in(raw)
    for method, params in (("Users.GetUsers", [1]), ("Users.GetUserTokens", ["admin", "bob"])):
        error = await refusal(raw, method, params)
        assert error["code"] == -32602
        assert set(error["data"]) >= {"param", "reason"}


async def test_params_that_are_no_structure_make_an_invalid_request(home: Server, transport: Transport) -> None:
    """Params are an object or an array, or absent; anything else is an invalid request."""
    raw = await home.raw(transport)
    await log_in(raw)
    for params in ("null", '"text"', "17", "true"):
        reply = await raw.ask(f'{{"jsonrpc":"2.0","method":"{VERSION}","params":{params},"id":1}}\n')
        assert (reply["error"]["code"], reply["id"]) == (-32600, None)
    await silent_until(raw)


# Errors by their codes; those about form are above


async def test_an_unknown_method_is_not_found(home: Server, transport: Transport) -> None:
    """A namespace or method that is not there, or a name of the wrong form, is not found."""
    raw = await home.raw(transport)
    await log_in(raw)
    for method in ("Users.GetNothing", "Nobody.GetUsers", "GetUsers", "Users.Get.Users", "users.GetUsers", ""):
        error = await refusal(raw, method)
        assert (error["code"], error["message"]) == (-32601, "Method not found")


def break_store(server: Server, table: str = "users") -> None:
    """Take a table away from under the server."""
    with closing(sqlite3.connect(server.data_dir / STORE)) as store:
        store.execute(f"DROP TABLE {table}")
        store.commit()


async def test_an_internal_error_has_a_reference_that_the_log_has_too(
    home: Server, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    """When a method fails, the client learns a reference and the log has the cause beside it."""
    raw = await home.raw(transport)
    await log_in(raw)
    break_store(home)
    reply = await raw.ask(request("Users.GetUsers"))
    assert (reply["error"]["code"], reply["error"]["message"]) == (-32603, "Internal error")
    assert "no such table" not in json.dumps(reply)
    (reference,) = reply["error"]["data"].values()
    (record,) = [record for record in caplog.records if vars(record).get("reference") == reference]
    assert record.levelno == logging.ERROR
    assert "no such table" in vars(record)["reason"]
    await silent_until(raw)


@pytest.mark.parametrize("where", ["envelope", "Hello"])
async def test_a_token_that_can_not_be_looked_up_is_an_internal_error(
    home: Server, transport: Transport, where: str
) -> None:
    """When the store fails while a token is looked up, the client learns nothing of the cause either."""
    break_store(home, "tokens")
    raw = await home.raw(transport)
    if where == "envelope":
        reply = await raw.ask(request("Users.GetUsers", token="any token"))
    else:
        reply = await raw.ask(request("JSONRPC.Hello", {"token": "any token"}))
    assert (reply["error"]["code"], reply["error"]["message"], reply["id"]) == (-32603, "Internal error", 1)
    assert "no such table" not in json.dumps(reply)


async def test_without_a_valid_token_a_call_is_unauthorized(home: Server, transport: Transport) -> None:
    """A call without a token is refused, whether or not its method exists, and the connection closes."""
    methods = ("Users.GetUsers", "Users.GetNothing", "Nobody.GetNothing", VERSION)
    raws = [await home.raw(transport) for _ in methods]
    for raw, method in zip(raws, methods, strict=True):
        error = await refusal(raw, method)
        assert (error["code"], error["message"]) == (-32001, INVALID_TOKEN)
    for raw in raws:
        assert await raw.ends() == []


async def test_before_set_up_a_call_is_told_so(server: Server, transport: Transport) -> None:
    """While there is no user, calls are refused with what to do, and the connection closes."""
    calls = (("Users.GetUsers", None), ("Users.GetNothing", None), ("JSONRPC.Authenticate", credentials()))
    raws = [await server.raw(transport) for _ in calls]
    for raw, (method, params) in zip(raws, calls, strict=True):
        error = await refusal(raw, method, params)
        assert (error["code"], error["message"]) == (-32002, SETUP_REQUIRED)
    for raw in raws:
        assert await raw.ends() == []


async def test_without_the_permission_a_call_is_denied(home: Server, transport: Transport) -> None:
    """A call beyond the user's permissions is denied, and the connection goes on."""
    await home.add_user("bob", "ControlThings")
    raw = await home.raw(transport)
    await log_in(raw, "bob")
    error = await refusal(raw, "Users.GetUsers")
    assert (error["code"], error["message"]) == (-32003, "Permission denied.")
    assert await username_of(raw) == "bob"


async def test_too_many_attempts_are_told_the_seconds_to_wait(start_server: StartServer, transport: Transport) -> None:
    """After some wrong passwords the next attempt is refused with the time to wait, and the connection goes on."""
    server = await start_server(throttling={"free_attempts": 1, "first_delay": 41.0})
    await server.set_up()
    raw = await server.raw(transport)
    wrong = ["admin", "not the password", "a device"]
    for _ in range(2):
        assert (await result(raw, "JSONRPC.Authenticate", wrong))["success"] is False
    error = await refusal(raw, "JSONRPC.Authenticate", wrong)
    seconds = error["data"]["retryAfter"]
    assert 1 <= seconds <= 41
    assert (error["code"], error["message"]) == (-32004, f"Too many attempts. Try again in {seconds} s.")
    await silent_until(raw)


async def test_a_full_queue_is_busy(start_server: StartServer, transport: Transport) -> None:
    """More logins at once than the server will queue are told to try again, and may do so."""
    slow = {"time_cost": 8, "memory_cost": 16 * 1024, "parallelism": 1, "workers": 1, "queue": 0}
    server = await start_server(argon2=slow)
    await server.set_up()
    raws = [await server.raw(transport) for _ in range(8)]
    replies = await asyncio.gather(*(raw.ask(request("JSONRPC.Authenticate", credentials())) for raw in raws))
    refused = [index for index, reply in enumerate(replies) if "error" in reply]
    assert 0 < len(refused) < len(raws)
    for index in refused:
        assert replies[index]["error"]["code"] == -32005
        assert replies[index]["error"]["message"] == "Server busy. Try again later."
    assert (await result(raws[refused[0]], "JSONRPC.Authenticate", credentials()))["success"] is True


# How a token is bound; no handshake is needed


async def test_authenticate_binds_its_token(home: Server, transport: Transport) -> None:
    """After a login, as the first message, the connection acts for the user without further ado."""
    raw = await home.raw(transport)
    token = await log_in(raw)
    assert await username_of(raw) == "admin"
    assert await username_of(raw, token=token) == "admin"


async def test_hello_binds_the_token_in_its_params(home: Server, transport: Transport) -> None:
    """Hello with a token param binds it, named or positional, and tells for whom it stands."""
    token = await log_in(await home.raw())
    for params in ({"token": token}, {"locale": "de_AT", "token": token}, ["de_AT", token]):
        raw = await home.raw(transport)
        hello = await result(raw, "JSONRPC.Hello", params)
        assert (hello["authenticated"], hello["username"]) == (True, "admin")
        assert await username_of(raw) == "admin"


async def test_hello_without_a_token_leaves_the_login(home: Server, transport: Transport) -> None:
    """A repeated Hello that says nothing of a token keeps the one that is bound."""
    raw = await home.raw(transport)
    await log_in(raw)
    assert (await result(raw, "JSONRPC.Hello"))["username"] == "admin"
    assert await username_of(raw) == "admin"


async def test_hello_binds_another_token(home: Server, transport: Transport) -> None:
    """A repeated Hello with another user's token changes the user."""
    await home.add_user("bob")
    token = await log_in(await home.raw(), "bob")
    raw = await home.raw(transport)
    await log_in(raw)
    assert (await result(raw, "JSONRPC.Hello", {"token": token}))["username"] == "bob"
    assert await username_of(raw) == "bob"


async def test_a_token_in_the_envelope_is_taken_up(home: Server, transport: Transport) -> None:
    """A request may carry its token itself; later ones need not repeat it."""
    token = await log_in(await home.raw())
    raw = await home.raw(transport)
    assert await username_of(raw, token=token) == "admin"
    assert await username_of(raw, token=token) == "admin"
    assert await username_of(raw) == "admin"


async def test_an_invalid_token_in_the_envelope_is_unauthorized(home: Server, transport: Transport) -> None:
    """A request whose own token is not valid is refused, and the connection closes."""
    raw = await home.raw(transport)
    error = await refusal(raw, WHO_AM_I, token="no such token")
    assert (error["code"], error["message"]) == (-32001, INVALID_TOKEN)
    assert await raw.ends() == []


@pytest.mark.parametrize("other", ["another user's", "invalid"])
async def test_another_token_than_the_bound_one_is_refused(home: Server, transport: Transport, other: str) -> None:
    """A request that carries another token than the connection's is refused, and the connection closes."""
    await home.add_user("bob")
    token = await log_in(await home.raw(), "bob") if other == "another user's" else "no such token"
    raw = await home.raw(transport)
    await log_in(raw)
    error = await refusal(raw, WHO_AM_I, token=token)
    assert (error["code"], error["message"]) == (-32001, TOKEN_CHANGED)
    assert await raw.ends() == []


async def test_the_upgrade_binds_a_bearer_token(home: Server) -> None:
    """A WebSocket client can give its token with the upgrade, and needs no other step."""
    token = await log_in(await home.raw())
    for scheme in ("Bearer", "bearer", "BEARER"):
        raw = await home.raw("ws", additional_headers={"Authorization": f"{scheme} {token}"})
        assert await username_of(raw) == "admin"
        assert await username_of(raw, token=token) == "admin"
        assert (await result(raw, "JSONRPC.Hello"))["authenticated"] is True


async def test_an_invalid_bearer_token_is_unauthorized(home: Server) -> None:
    """An upgrade with an invalid token succeeds, and the first call that needs one is refused."""
    raw = await home.raw("ws", additional_headers={"Authorization": "Bearer no-such-token"})
    assert (await result(raw, "JSONRPC.Hello"))["authenticated"] is False
    error = await refusal(raw, WHO_AM_I)
    assert (error["code"], error["message"]) == (-32001, INVALID_TOKEN)
    assert await raw.ends() == []


async def test_a_login_replaces_an_invalid_bearer_token(home: Server) -> None:
    """Whoever comes with a stale token in the upgrade can log in all the same."""
    raw = await home.raw("ws", additional_headers={"Authorization": "Bearer stale"})
    await log_in(raw)
    assert await username_of(raw) == "admin"


async def test_another_token_than_the_bearer_token_is_refused(home: Server) -> None:
    """A token in the envelope must be the one that came with the upgrade."""
    token = await log_in(await home.raw())
    raw = await home.raw("ws", additional_headers={"Authorization": f"Bearer {token}"})
    error = await refusal(raw, WHO_AM_I, token="no such token")
    assert (error["code"], error["message"]) == (-32001, TOKEN_CHANGED)


async def test_other_credentials_in_the_upgrade_mean_nothing(home: Server) -> None:
    """Credentials that are no bearer token leave the connection without one."""
    for header in ("Basic YWRtaW46QWJjZGVmZzE=", "Bearer", "Bearer  ", "nonsense"):
        raw = await home.raw("ws", additional_headers={"Authorization": header})
        assert "authenticated" not in await result(raw, "JSONRPC.Hello")
        await log_in(raw)
        assert await username_of(raw) == "admin"


@pytest.mark.parametrize("namespace", ["JSONRPC", "Users"])
async def test_the_push_button_binds_its_token(start_server: StartServer, transport: Transport, namespace: str) -> None:
    """A press of the button sends a token in the dialect and under the name of the request, and binds it."""
    server = await start_server(push_button=True)
    raw = await server.raw(transport)
    asked = await result(raw, f"{namespace}.RequestPushButtonAuth", {"deviceName": "phone"})
    assert asked["success"] is True
    operator = await server.operator()
    assert await operator.call("Operator.PressButton") == {"success": True}
    finished = await raw.receive()
    token = finished["params"].pop("token")
    assert finished == {
        "jsonrpc": "2.0",
        "method": f"{namespace}.PushButtonAuthFinished",
        "params": {"success": True, "transactionId": asked["transactionId"]},
    }
    assert await username_of(raw) == ""
    assert await username_of(raw, token=token) == ""


# The contract


@pytest.mark.parametrize("state", ["before set-up", "anonymous", "with an invalid token", "logged in"])
async def test_anyone_may_read_the_contract(server: Server, transport: Transport, state: str) -> None:
    """The OpenRPC document is there for everybody at any time."""
    if state != "before set-up":
        await server.set_up()
    raw = await server.raw(transport)
    if state == "with an invalid token":
        await result(raw, "JSONRPC.Hello", {"token": "no such token"})
    if state == "logged in":
        await log_in(raw)
    document = await result(raw, "rpc.discover")
    assert "Users.GetUsers" in [method["name"] for method in document["methods"]]


# Both dialects on one connection


async def test_a_reply_is_in_the_dialect_of_its_request(home: Server, transport: Transport) -> None:
    """Requests of both dialects may follow one another, and each is answered in its own."""
    raw = await home.raw(transport)
    token = await log_in(raw)
    hello = await raw.ask({"id": 2, "method": "JSONRPC.Hello", "token": token})
    assert (hello["status"], hello["params"]["username"]) == ("success", "admin")
    assert await username_of(raw) == "admin"
    reply = await raw.ask({"id": 3, "method": WHO_AM_I, "token": token})
    assert (reply["status"], reply["params"]["userInfo"]["username"]) == ("success", "admin")
    batch = await raw.ask([request(VERSION, message_id=4)])
    assert batch[0]["id"] == 4
    assert (await raw.ask({"id": 5, "method": "nonsense", "token": token}))["status"] == "error"
    assert (await raw.ask(request("nonsense", message_id=6)))["error"]["code"] == -32601


async def test_a_jsonrpc_member_of_any_value_makes_it_json_rpc(server: Server, transport: Transport) -> None:
    """An object with a member "jsonrpc" is JSON-RPC 2.0, and invalid unless it says so."""
    raw = await server.raw(transport)
    values: list[Any] = ["1.0", None, 2, [], "2.0 "]
    for value in values:
        reply = await raw.ask({"jsonrpc": value, "id": 1, "method": "JSONRPC.Hello"})
        assert (reply["jsonrpc"], reply["error"]["code"]) == ("2.0", -32600)


BROKEN: list[tuple[str | None, str, bool]] = [
    (None, '{"jsonrpc": "2.0", "method": }', True),
    (None, '{"id": 1, "method": }', False),
    (None, "GET / HTTP/1.1", False),
    ("jsonrpc2", '{"id": 1, "method": }', True),
    ("jsonrpc2", "nonsense", True),
    ("nymea", '{"jsonrpc": "2.0", "method": }', False),
    ("nymea", "nonsense", False),
]


async def test_what_is_not_json_is_told_in_the_dialect_so_far(server: Server, transport: Transport) -> None:
    """Broken text is answered in the dialect last spoken; at first, by whether it names JSON-RPC."""
    for before, broken, jsonrpc in BROKEN:
        raw = await server.raw(transport)
        if before is not None:
            envelope = {"jsonrpc": "2.0"} if before == "jsonrpc2" else {}
            await raw.ask({**envelope, "id": 1, "method": "JSONRPC.Hello"})
        reply = await raw.ask(f"{broken}\n")
        if jsonrpc:
            assert (reply["jsonrpc"], reply["error"]["code"], reply["id"]) == ("2.0", -32700, None)
        else:
            assert (reply["status"], reply["id"]) == ("error", -1)
            assert reply["error"].startswith("Failed to parse JSON data: ")


async def test_notifications_are_in_the_dialect_that_last_asked_for_them(home: Server, transport: Transport) -> None:
    """Asking anew in the other dialect changes how notifications come, other calls do not."""
    raw = await home.raw(transport)
    token = await log_in(raw)
    await raw.ask({"id": 1, "method": "JSONRPC.Hello", "token": token})
    change = {"displayName": "Somebody"}
    await result(raw, "JSONRPC.SetNotificationStatus", {"namespaces": ["Users"]})
    nymea_change = {"id": 2, "method": "Users.SetUserInfo", "params": change, "token": token}
    changed = await raw.ask(nymea_change)
    assert (changed["jsonrpc"], changed["method"]) == ("2.0", "Users.UserChanged")
    assert set(changed) == {"jsonrpc", "method", "params"}
    assert (await raw.receive())["status"] == "success"
    subscribe = {"id": 3, "method": "JSONRPC.SetNotificationStatus", "params": {"enabled": True}, "token": token}
    assert (await raw.ask(subscribe))["status"] == "success"
    changed = await raw.ask(request("Users.SetUserInfo", change))
    assert changed["notification"] == "Users.UserChanged"
    assert set(changed) == {"id", "notification", "params"}
    assert (await raw.receive())["result"] == {"error": "UserErrorNoError"}
