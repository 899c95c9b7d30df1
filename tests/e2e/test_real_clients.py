"""What existing clients of nymea send, in the form in which they send it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from conftest import PASSWORD, Raw, Server, StartServer, Transport

NO_ERROR = {"error": "UserErrorNoError"}


def indented(value: Any) -> str:
    """JSON as nymea-app writes its longer requests: sorted, indented by four spaces, no newline at the end."""
    return json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False)


def hello(message_id: int = 0, token: str | None = None, locale: str = "de_AT") -> dict[str, Any]:
    """The app's first request."""
    message = {"id": message_id, "method": "JSONRPC.Hello", "params": {"locale": locale}}
    return message if token is None else {**message, "token": token}


def create_user(username: str = "admin", message_id: int = 1) -> dict[str, Any]:
    """The app's request to set up a new server."""
    params = {"displayName": "Größe 😀", "email": "", "password": PASSWORD, "username": username}
    return {"id": message_id, "method": "JSONRPC.CreateUser", "params": params, "token": ""}


def authenticate(message_id: int = 2, **members: Any) -> dict[str, Any]:
    """The app's request to log in."""
    params = {"deviceName": "Jürgens Handy (nymea:app)", "password": PASSWORD, "username": "admin"}
    return {"id": message_id, "method": "JSONRPC.Authenticate", "params": params, **members}


async def params_of(raw: Raw, message: dict[str, Any] | str | bytes) -> Any:
    """The params of the reply to a request that succeeds."""
    reply = await raw.ask(message)
    assert reply["status"] == "success"
    return reply["params"]


async def logged_in(server: Server, transport: Transport) -> tuple[Raw, str]:
    """A connection of the app that is logged in, and its token."""
    raw = await server.raw(transport)
    await params_of(raw, hello())
    login = await params_of(raw, authenticate())
    return raw, login["token"]


async def test_the_app_sets_up_a_new_server(server: Server, transport: Transport) -> None:
    """Hello, CreateUser, Authenticate and a call, indented over many lines without a newline at the end."""
    raw = await server.raw(transport)
    greeting = await params_of(raw, indented(hello()))
    assert (greeting["server"], greeting["initialSetupRequired"], greeting["locale"]) == ("nymea", True, "de_AT")
    assert re.fullmatch(r"\{[0-9a-f-]{36}\}", greeting["uuid"])
    assert greeting["protocol version"] == "9.0"
    assert await params_of(raw, indented(create_user())) == NO_ERROR
    login = await params_of(raw, indented(authenticate()))
    assert (login["success"], login["username"]) == (True, "admin")
    get_tokens = {"id": 3, "method": "Users.GetTokens", "params": {}, "token": login["token"]}
    tokens = await params_of(raw, indented(get_tokens))
    assert tokens["tokenInfoList"][0]["deviceName"] == "Jürgens Handy (nymea:app)"


async def test_the_app_asks_for_the_push_button(start_server: StartServer, transport: Transport) -> None:
    """RequestPushButtonAuth comes indented, too."""
    server = await start_server(push_button=True)
    raw = await server.raw(transport)
    assert (await params_of(raw, indented(hello())))["pushButtonAuthAvailable"] is True
    message = {"id": 1, "method": "JSONRPC.RequestPushButtonAuth", "params": {"deviceName": "Jürgens Handy"}}
    assert (await params_of(raw, indented(message)))["success"] is True


@pytest.mark.parametrize(
    "members", [{"token": "stale"}, {}, {"token": None}, {"token": ""}], ids=["with it", "without", "null", "empty"]
)
async def test_the_app_comes_with_a_stale_token(home: Server, transport: Transport, members: dict[str, Any]) -> None:
    """A token that is no longer valid is told at Hello, and its owner logs in again, whatever comes with that."""
    raw = await home.raw(transport)
    greeting = await params_of(raw, hello(token="stale"))
    assert greeting["authenticated"] is False
    assert greeting["initialSetupRequired"] is False
    login = await params_of(raw, indented(authenticate(**members)))
    assert login["success"] is True
    who_am_i = {"id": 3, "method": "Users.GetUserInfo", "token": login["token"]}
    assert (await params_of(raw, who_am_i))["userInfo"]["username"] == "admin"


async def test_the_app_comes_with_a_removed_token(home: Server, transport: Transport) -> None:
    """A token that was removed is as stale as one that never was."""
    raw, old = await logged_in(home, transport)
    (removed,) = (await params_of(raw, {"id": 3, "method": "Users.GetTokens", "token": old}))["tokenInfoList"]
    raw, token = await logged_in(home, transport)
    params = {"tokenId": f"{{{removed['id']}}}"}
    remove = {"id": 4, "method": "Users.RemoveToken", "params": params, "token": token}
    assert await params_of(raw, remove) == NO_ERROR
    again = await home.raw(transport)
    assert (await params_of(again, hello(token=old)))["authenticated"] is False
    assert (await params_of(again, authenticate(token=old)))["success"] is True


async def test_notifications_of_unknown_namespaces_are_ignored(home: Server, transport: Transport) -> None:
    """The app asks for all namespaces it knows; those that are not here are left out."""
    raw, token = await logged_in(home, transport)
    wanted = ["Integrations", "Rules", "Users", "System", "Tags"]
    message = {"id": 3, "method": "JSONRPC.SetNotificationStatus", "params": {"namespaces": wanted}, "token": token}
    assert await params_of(raw, indented(message)) == {"namespaces": ["Users"], "enabled": True}
    message["params"] = {"namespaces": ["Integrations"]}
    assert await params_of(raw, message) == {"namespaces": [], "enabled": False}


async def test_notifications_are_switched_by_a_text(home: Server, transport: Transport) -> None:
    """Older clients switch notifications on and off with the texts "true" and "false"."""
    raw, token = await logged_in(home, transport)
    for enabled, expected in (("true", True), ("false", False), (True, True), (False, False)):
        params = {"enabled": enabled}
        message = {"id": 3, "method": "JSONRPC.SetNotificationStatus", "params": params, "token": token}
        status = await params_of(raw, message)
        assert status["enabled"] is expected
        assert ("Users" in status["namespaces"]) is expected
    message["params"] = {"enabled": "yes"}
    assert (await raw.ask(message))["status"] == "error"


async def test_enabled_goes_before_namespaces(home: Server, transport: Transport) -> None:
    """Where a client sends both, the switch decides."""
    raw, token = await logged_in(home, transport)
    for enabled in ("false", "true"):
        params = {"enabled": enabled, "namespaces": ["JSONRPC"]}
        message = {"id": 3, "method": "JSONRPC.SetNotificationStatus", "params": params, "token": token}
        status = await params_of(raw, message)
        assert ("Users" in status["namespaces"]) is (enabled == "true")


async def test_hello_is_repeated_as_a_ping(home: Server, transport: Transport) -> None:
    """A repeated Hello answers as the first did, and leaves login and notifications as they are."""
    raw, token = await logged_in(home, transport)
    switch = {"id": 3, "method": "JSONRPC.SetNotificationStatus", "params": {"enabled": True}, "token": token}
    await params_of(raw, switch)
    first = await params_of(raw, hello(4, token))
    second = await params_of(raw, hello(5, token, "en_US"))
    assert first["username"] == second["username"] == "admin"
    assert (first["locale"], second["locale"]) == ("de_AT", "en_US")
    assert {**first, "locale": "", "language": ""} == {**second, "locale": "", "language": ""}
    change = {"id": 6, "method": "Users.SetUserInfo", "params": {"displayName": "Somebody"}, "token": token}
    assert (await raw.ask(change))["notification"] == "Users.UserChanged"


async def test_keep_alive_may_have_no_session(home: Server, transport: Transport) -> None:
    """Clients without a session id send null, and get it back."""
    raw, token = await logged_in(home, transport)
    for session_id in (None, "", "c4f3"):
        message = {"id": 3, "method": "JSONRPC.KeepAlive", "params": {"sessionId": session_id}, "token": token}
        assert await params_of(raw, message) == {"success": True, "sessionId": session_id}


# How requests are cut on their way


@pytest.mark.parametrize("separator", ["", "\n", "\r\n", "\n\n    "], ids=["nothing", "LF", "CR LF", "blank lines"])
@pytest.mark.parametrize("write", [json.dumps, indented], ids=["on a line", "indented"])
async def test_several_requests_share_a_segment(home: Server, separator: str, write: Any) -> None:
    """Requests that arrive together are answered one by one and in order, whatever stands between them."""
    raw = await home.raw()
    requests = [hello(7), authenticate(8), hello(9), {"id": 10, "method": "nonsense"}, hello(11)]
    await raw.send(separator.join(write(request) for request in requests))
    replies = [await raw.receive() for _ in requests]
    assert [reply["id"] for reply in replies] == [7, 8, 9, 10, 11]
    assert [reply["status"] for reply in replies] == ["success", "success", "success", "error", "success"]
    assert replies[1]["params"]["success"] is True


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_a_request_arrives_in_small_pieces(server: Server, size: int) -> None:
    """A request may be cut anywhere, within strings and characters too, and each piece may come alone."""
    raw, other = await server.raw(), await server.raw()
    await params_of(raw, hello())
    data = indented(create_user()).encode()
    *pieces, last = [data[start : start + size] for start in range(0, len(data), size)]
    for piece in pieces:
        await raw.send(piece)
        await params_of(other, hello())  # the server has read the piece by then
    assert await params_of(raw, last) == NO_ERROR
    login = await params_of(raw, authenticate())
    who_am_i = {"id": 3, "method": "Users.GetUserInfo", "token": login["token"]}
    assert (await params_of(raw, who_am_i))["userInfo"]["displayName"] == "Größe 😀"


@pytest.mark.parametrize("before", ["öße", "ße", "😀", '",\n        "email"', "mail", "Größe", "}"])
@pytest.mark.parametrize("offset", [0, 1])
async def test_a_request_is_cut_between_others(server: Server, before: str, offset: int) -> None:
    """A segment may end anywhere in a request, and the rest come with the next one behind it."""
    raw = await server.raw()
    data = indented(create_user()).encode()
    place = data.index(before.encode()) + offset
    await raw.send(indented(hello()).encode() + data[:place])
    assert (await raw.receive())["params"]["server"] == "nymea"
    await raw.send(data[place:] + indented(authenticate()).encode())
    assert (await raw.receive())["params"] == NO_ERROR
    assert (await raw.receive())["params"]["success"] is True


@pytest.mark.parametrize("separator", ["\n", "\r\n"])
async def test_a_frame_may_end_with_a_newline(server: Server, separator: str) -> None:
    """On WebSocket a request is a frame, with or without whitespace around it."""
    raw = await server.raw("ws")
    assert (await params_of(raw, f"{separator}{json.dumps(hello())}{separator}"))["server"] == "nymea"
    assert await params_of(raw, indented(create_user()) + separator) == NO_ERROR
