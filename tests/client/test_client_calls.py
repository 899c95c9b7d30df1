"""The client over every transport and in both dialects: calls, errors, notifications, and the connection's end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, PATIENCE, Dialect, Server, StartServer, Transport

from nymead_users.client import (
    CallError,
    Client,
    ClientError,
    ConnectionFailed,
    ConnectionLost,
    Login,
    PermissionDenied,
    TooManyAttempts,
    Unauthorized,
)

NO_ERROR = {"error": "UserErrorNoError"}


@pytest.fixture(params=["nymea", "ws", "unix"])
def scheme(request: pytest.FixtureRequest) -> str:
    """Each kind of URL in turn; those with TLS need a certificate and are another matter."""
    chosen: str = request.param
    return chosen


def url_of(server: Server, scheme: str) -> str:
    """Where a server is, by that kind of URL."""
    return server.control if scheme == "unix" else next(url for url in server.urls if url.startswith(f"{scheme}:"))


async def connected(server: Server, scheme: str, dialect: Dialect) -> Client:
    """A client that has shaken hands."""
    return await server.client(dialect=dialect, url=url_of(server, scheme))


async def logged_in(server: Server, scheme: str, dialect: Dialect, username: str = "admin") -> tuple[Client, Login]:
    """A client that has logged in."""
    client = await connected(server, scheme, dialect)
    login = await client.authenticate(username, PASSWORD, "a device")
    assert login is not None
    return client, login


# Calls


async def test_a_client_does_its_work(home: Server, scheme: str, dialect: Dialect) -> None:
    """Hello, login, a call, a subscription and a notification, over each transport and in each dialect."""
    client = await home.client(dialect=dialect, url=url_of(home, scheme), hello=False)
    hello = await client.hello(locale="de_AT")
    assert (hello["server"], hello["locale"]) == ("nymea", "de_AT")
    assert await client.authenticate("admin", "wrong", "a device") is None
    login = await client.authenticate("ADMIN", PASSWORD, "a device")
    assert login is not None
    assert (login.username, "PermissionScopeAdmin" in login.scopes) == ("admin", True)
    assert await client.subscribe("Users", "Nobody") == ["Users"]
    made = {"username": "bob", "password": PASSWORD, "displayName": "Größe 😀"}
    assert await client.call("Users.CreateUser", made) == NO_ERROR
    notification = await anext(client.notifications())
    assert notification.name == "Users.UserAdded"
    assert notification.params["userInfo"]["displayName"] == "Größe 😀"
    assert [user["username"] for user in (await client.call("Users.GetUsers"))["users"]] == ["admin", "bob"]


async def test_calls_may_be_made_at_once(home: Server, scheme: str, dialect: Dialect) -> None:
    """Each of many concurrent calls has its own reply, and a refused one has its own error."""
    client, _ = await logged_in(home, scheme, dialect)
    calls = [client.call("JSONRPC.KeepAlive", {"sessionId": str(number)}) for number in range(100)]
    calls.insert(50, client.call("Users.GetNothing"))
    replies = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(replies.pop(50), CallError)
    assert replies == [{"success": True, "sessionId": str(number)} for number in range(100)]


async def test_a_call_given_up_does_not_disturb_the_next(home: Server, scheme: str) -> None:
    """A cancelled call's reply is dropped, and later calls have theirs."""
    client, _ = await logged_in(home, scheme, "jsonrpc2")
    given_up = asyncio.create_task(client.call("JSONRPC.KeepAlive", {"sessionId": "given up"}))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    for number in range(3):
        assert (await client.call("JSONRPC.KeepAlive", {"sessionId": str(number)}))["sessionId"] == str(number)


async def test_large_messages_go_both_ways(home: Server, scheme: str) -> None:
    """A message of nearly the largest size is sent, and its reply received."""
    client, _ = await logged_in(home, scheme, "jsonrpc2")
    text = "é" * 500_000
    assert (await client.call("JSONRPC.KeepAlive", {"sessionId": text}))["sessionId"] == text


# Tokens


async def test_a_token_is_in_force_from_the_start(home: Server, transport: Transport, dialect: Dialect) -> None:
    """A client that is made with a token acts for its user: in nymea's dialect after Hello, else at once."""
    _, login = await logged_in(home, "nymea", "nymea")
    async with await Client.connect(home.url(transport), dialect=dialect, token=login.token) as client:
        if dialect == "nymea":
            assert (await client.hello())["authenticated"] is True
        assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == "admin"


async def test_hello_and_logins_change_the_token(home: Server, transport: Transport, dialect: Dialect) -> None:
    """After Hello with a token, and after a login, the client goes on as that user."""
    await home.add_user("bob")
    _, bob = await logged_in(home, "nymea", "nymea", "bob")
    client = await home.login(transport=transport, dialect=dialect)
    assert (await client.hello(token=bob.token))["username"] == "bob"
    assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == "bob"
    assert await client.authenticate("admin", PASSWORD, "a device") is not None
    assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == "admin"
    assert (await client.hello())["username"] == "admin"


@pytest.mark.parametrize("namespace", ["JSONRPC", "Users"])
async def test_a_token_from_the_button_is_taken_up(
    start_server: StartServer, transport: Transport, dialect: Dialect, namespace: str
) -> None:
    """After a press of the button the client acts for the button's user."""
    server = await start_server(push_button=True)
    client = await server.client(transport, dialect)
    asked = await client.call(f"{namespace}.RequestPushButtonAuth", {"deviceName": "phone"})
    assert await (await server.operator()).call("Operator.PressButton") == {"success": True}
    notification = await anext(client.notifications())
    assert notification.name == f"{namespace}.PushButtonAuthFinished"
    assert notification.params["transactionId"] == asked["transactionId"]
    assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == ""


async def test_tokens_do_not_show(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Neither a client nor a login nor what they are made of shows a token or a password."""
    client = await home.client(transport, dialect)
    login = await client.authenticate("admin", PASSWORD, "a device")
    assert login is not None
    again = await home.client(transport, dialect, token=login.token)
    shown = [repr(login), str(login), *(repr(one) for one in (client, again)), *(str(one) for one in (client, again))]
    shown += [repr(value) for one in (client, again) for name, value in vars(one).items() if name != "_token"]
    for text in shown:
        assert login.token not in text
        assert PASSWORD not in text


# Errors


async def refused(call: Awaitable[Any]) -> CallError:
    """The error with which a call is refused."""
    with pytest.raises(CallError) as refusal:
        await call
    return refusal.value


async def test_a_refused_call_has_a_code_in_json_rpc_only(home: Server, scheme: str, dialect: Dialect) -> None:
    """A call that is refused raises with the server's message; JSON-RPC 2.0 adds its code and data."""
    client, _ = await logged_in(home, scheme, dialect)
    error = await refused(client.call("Users.GetUserTokens", {"name": "bob"}))
    assert type(error) is CallError
    if dialect == "jsonrpc2":
        assert (error.code, error.message) == (-32602, "Invalid params")
        assert error.data["param"] == "username"
    else:
        assert (error.code, error.data) == (None, None)
        assert "Missing required key: username" in error.message
    assert str(error) == error.message
    assert await client.call("Users.GetUserInfo")


async def test_without_a_token_a_call_is_unauthorized(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Unauthorized is raised, and the connection ends after it."""
    client = await home.client(transport, dialect)
    error = await refused(client.call("Users.GetUsers"))
    assert type(error) is Unauthorized
    assert (error.message, error.code) == ("Forbidden: Invalid token.", -32001 if dialect == "jsonrpc2" else None)
    await client.closed()


async def test_before_set_up_a_call_is_unauthorized(server: Server, transport: Transport, dialect: Dialect) -> None:
    """Unauthorized tells that the server has to be set up first."""
    client = await server.client(transport, dialect)
    error = await refused(client.call("Users.GetUsers"))
    assert type(error) is Unauthorized
    assert error.message.startswith("Initial setup required.")
    assert error.code == (-32002 if dialect == "jsonrpc2" else None)


async def test_a_missing_permission_is_denied(home: Server, transport: Transport, dialect: Dialect) -> None:
    """PermissionDenied is raised, and the connection goes on."""
    await home.add_user("bob")
    client = await home.login("bob", transport, dialect)
    error = await refused(client.call("Users.GetUsers"))
    assert type(error) is PermissionDenied
    assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == "bob"


async def test_too_many_attempts_tell_the_time_to_wait(
    start_server: StartServer, transport: Transport, dialect: Dialect
) -> None:
    """TooManyAttempts has the seconds to wait in both dialects."""
    server = await start_server(throttling={"free_attempts": 0, "first_delay": 50.0})
    await server.set_up()
    client = await server.client(transport, dialect)
    assert await client.authenticate("admin", "wrong", "a device") is None
    with pytest.raises(TooManyAttempts) as refusal:
        await client.authenticate("admin", PASSWORD, "a device")
    assert 1 <= refusal.value.retry_after <= 50


def test_errors_are_of_one_family() -> None:
    """Whoever catches ClientError catches everything, and CallError every refusal."""
    for refusal in (Unauthorized, PermissionDenied, TooManyAttempts):
        assert issubclass(refusal, CallError)
    for error in (CallError, ConnectionFailed, ConnectionLost):
        assert issubclass(error, ClientError)
    assert not issubclass(ConnectionLost, CallError)


# Notifications


async def test_notifications_end_with_the_connection(home: Server, scheme: str, dialect: Dialect) -> None:
    """What came before the end is still told, in order, and then the iteration ends, as does any other."""
    client, _ = await logged_in(home, scheme, dialect)
    await client.subscribe("Users")
    for name in ("one", "two", "three"):
        await client.call("Users.SetUserInfo", {"username": "admin", "displayName": name})
    await client.close()
    names = [one.params["userInfo"]["displayName"] async for one in client.notifications()]
    assert names == ["one", "two", "three"]
    assert [one async for one in client.notifications()] == []


async def test_notifications_end_when_the_server_ends_them(
    home: Server, transport: Transport, dialect: Dialect
) -> None:
    """Whoever waits for notifications is told when the server closes the connection."""
    client = await home.client(transport, dialect)
    waiting = [asyncio.create_task(count(client)) for _ in range(2)]
    await refused(client.call("Users.GetUsers"))
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*waiting) == [0, 0]


async def count(client: Client) -> int:
    """How many notifications come until the end."""
    return len([one async for one in client.notifications()])


# The end of a connection


async def test_a_call_after_the_end_is_lost(home: Server, scheme: str) -> None:
    """A call on a closed connection raises ConnectionLost at once, and closing again does nothing."""
    client = await connected(home, scheme, "jsonrpc2")
    await client.close()
    await client.close()
    await client.closed()
    with pytest.raises(ConnectionLost):
        await client.call("JSONRPC.Hello")


async def test_the_end_of_the_block_closes(home: Server, scheme: str) -> None:
    """A client is closed with its block, also when the block fails."""
    client = await Client.connect(url_of(home, scheme), dialect="jsonrpc2")

    async def fail() -> None:
        async with client as entered:
            assert entered is client
            await client.hello()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    with pytest.raises(ConnectionLost):
        await client.hello()


Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(conversation: Conversation) -> AsyncIterator[str]:
    """Where a server of another kind listens, which does this with each connection and then closes it."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await conversation(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Read one request and close."""
    await reader.readline()


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Read to the end without an answer."""
    await reader.read()


async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with much that is no reply, and then with one."""
    await reader.readline()
    noise = (
        b'garbage }\n[1,2]\n"text"\nnull\n{}\n{"id":99,"status":"success","params":{"a":0}}\n{"id":"1"}\n{"id":null}\n'
    )
    writer.write(noise + b'{"id":1,"status":"success","params":{"a":1}}\n')
    await reader.read()


async def test_calls_under_way_are_lost_with_the_connection(dialect: Dialect) -> None:
    """When the server hangs up, every call that waits for its reply raises ConnectionLost."""
    async with listening(hang_up) as address, await Client.connect(f"nymea://{address}", dialect=dialect) as client:
        calls = [client.call("JSONRPC.Hello") for _ in range(3)]
        async with asyncio.timeout(PATIENCE):
            ends = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(end) for end in ends] == [ConnectionLost] * 3


async def test_calls_under_way_are_lost_when_the_client_closes(dialect: Dialect) -> None:
    """Closing a client ends the calls that wait for their replies."""
    async with listening(say_nothing) as address:
        client = await Client.connect(f"nymea://{address}", dialect=dialect)
        calls = [asyncio.create_task(client.call("JSONRPC.Hello")) for _ in range(3)]
        await asyncio.sleep(0)  # they are sent
        await client.close()
        async with asyncio.timeout(PATIENCE):
            ends = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(end) for end in ends] == [ConnectionLost] * 3


async def test_a_reply_is_not_waited_for_for_ever(dialect: Dialect) -> None:
    """A call without a reply raises TimeoutError after the client's time."""
    async with (
        listening(say_nothing) as address,
        await Client.connect(f"nymea://{address}", dialect=dialect, timeout=0.2) as client,
    ):
        with pytest.raises(TimeoutError):
            await client.call("JSONRPC.Hello")


async def test_what_is_no_reply_is_passed_over() -> None:
    """Whatever else a server sends, the call's own reply is found."""
    async with listening(chatter) as address, await Client.connect(f"nymea://{address}") as client:
        assert await client.call("JSONRPC.Hello") == {"a": 1}


# Connections that can't be made


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_nobody_there_is_a_failed_connection(tmp_path: Path, dialect: Dialect) -> None:
    """Where nobody listens, ConnectionFailed names the URL."""
    port = free_port()
    for url in (f"nymea://127.0.0.1:{port}", f"ws://127.0.0.1:{port}", f"unix://{tmp_path / 'nothing.sock'}"):
        with pytest.raises(ConnectionFailed, match="nothing.sock" if url.startswith("unix") else str(port)):
            await Client.connect(url, dialect=dialect)


async def test_what_is_no_websocket_is_a_failed_connection(server: Server) -> None:
    """A server that answers an upgrade with something else, or not at all, is ConnectionFailed in good time."""
    with pytest.raises(ConnectionFailed):
        await Client.connect(server.url("tcp").replace("nymea://", "ws://"), timeout=PATIENCE)

    async def forbid(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    for conversation in (forbid, hang_up):
        async with listening(conversation) as address:
            with pytest.raises(ConnectionFailed):
                await Client.connect(f"ws://{address}", timeout=PATIENCE)
    async with listening(say_nothing) as address:
        with pytest.raises(ConnectionFailed, match=r"0\.2 s"):
            await Client.connect(f"ws://{address}", timeout=0.2)


@pytest.mark.parametrize("url", ["", "127.0.0.1:2222", "http://127.0.0.1:2222", "nymea://", "nymea://127.0.0.1:x"])
async def test_a_bad_url_is_a_value_error(url: str) -> None:
    """What is no URL of ours is refused before anything is tried."""
    with pytest.raises(ValueError, match=r"URL|host|port"):
        await Client.connect(url)


async def test_a_failed_connection_does_not_show_the_token(dialect: Dialect) -> None:
    """The token is in no message of an error."""
    for scheme in ("nymea", "ws"):
        with pytest.raises(ConnectionFailed) as failure:
            await Client.connect(f"{scheme}://127.0.0.1:{free_port()}", dialect=dialect, token="a-secret-token")
        error: BaseException | None = failure.value
        while error is not None:
            assert "a-secret-token" not in f"{error} {error!r}"
            error = error.__cause__
