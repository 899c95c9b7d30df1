"""How much one client may take: sizes, times, numbers of connections, and what it leaves unread."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any, Self
from uuid import UUID

import pytest
from conftest import PASSWORD, PATIENCE, Raw, Server, StartServer, Transport
from websockets.exceptions import InvalidStatus

from nymead_users.endpoint import Endpoint
from nymead_users.events import EventBus
from nymead_users.peer import Peer
from nymead_users.session.directory import Directory
from nymead_users.transport.listener import peer_of

BUSY = "Server busy. Try again later."
HELLO = {"id": 1, "method": "JSONRPC.Hello"}


async def is_served(raw: Raw) -> bool:
    """Whether a connection's Hello is answered properly."""
    return bool((await raw.ask(HELLO)).get("status") == "success")


# The size of a message


def sized(size: int, **members: Any) -> str:
    """A Hello of so many bytes."""
    message = json.dumps({"id": 1, "method": "JSONRPC.Hello", "pad": "", **members})
    return message.replace('"pad": ""', f'"pad": "{"x" * (size - len(message))}"')


async def test_a_message_may_be_as_large_as_allowed(start_server: StartServer, transport: Transport) -> None:
    """A message of just the size that is allowed is served."""
    server = await start_server(limits={"message_size": 2000})
    raw = await server.raw(transport)
    for _ in range(3):
        assert (await raw.ask(sized(2000)))["status"] == "success"


async def test_a_larger_message_is_told_and_ends_the_connection(start_server: StartServer) -> None:
    """A message of one byte too many has one error, nothing behind it is answered, and the connection closes."""
    server = await start_server(limits={"message_size": 2000})
    raw = await server.raw("tcp")
    assert (await raw.ask(HELLO))["status"] == "success"
    await raw.send(sized(2001) + "\n")
    await raw.send(HELLO)
    (reply,) = await raw.ends()
    assert (reply["id"], reply["status"]) == (-1, "error")
    assert reply["error"].startswith("Failed to parse JSON data: ")
    assert await is_served(await server.raw("tcp"))


async def test_a_larger_message_is_told_in_its_dialect(start_server: StartServer) -> None:
    """In JSON-RPC 2.0 the error has a null id."""
    server = await start_server(limits={"message_size": 2000})
    raw = await server.raw("tcp")
    await raw.send(sized(2001, jsonrpc="2.0"))
    (reply,) = await raw.ends()
    assert (reply["jsonrpc"], reply["id"], reply["error"]["code"]) == ("2.0", None, -32700)


async def test_a_message_without_end_is_told_once_it_is_fatal(start_server: StartServer) -> None:
    """The server does not wait for the end of a message that is too large already."""
    server = await start_server(limits={"message_size": 2000})
    raw = await server.raw("tcp")
    await raw.send('{"id": 1, "method": "' + "x" * 2000)
    assert len(await raw.ends()) == 1


async def test_a_larger_frame_closes_with_its_code(start_server: StartServer) -> None:
    """On WebSocket a message too large ends the connection with code 1009, in one frame and in fragments."""
    server = await start_server(limits={"message_size": 2000})
    for frames in (sized(2001), [sized(2001)[:1000], sized(2001)[1000:]]):
        raw = await server.raw("ws")
        websocket = raw._websocket
        assert websocket is not None
        await websocket.send(frames)
        await raw.ends()
        assert websocket.close_code == 1009
    assert await is_served(await server.raw("ws"))


async def test_deep_nesting_is_a_parse_error(server: Server, transport: Transport) -> None:
    """However deep a message is nested, it is refused and the server goes on."""
    raw = await server.raw(transport)
    for deep in ("[" * 500_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000, '{"id":1,"params":' + "[" * 65):
        reply = await raw.ask(f"{deep}\n")
        assert (reply["id"], reply["status"]) == (-1, "error")
        assert reply["error"].startswith("Failed to parse JSON data: ")
    assert await is_served(raw)


# The time to the first message


@pytest.mark.parametrize("beginning", ["", " \n ", '{"id": 1, "method": "JSON'])
async def test_a_silent_stream_is_closed(start_server: StartServer, beginning: str) -> None:
    """A TCP client that sends no whole message in time is closed, while one that does stays."""
    server = await start_server(limits={"handshake_time": 0.5})
    active = await server.raw("tcp")
    assert await is_served(active)
    clock = asyncio.get_running_loop().time
    began = clock()
    silent = await server.raw("tcp")
    await silent.send(beginning)
    assert await silent.ends() == []
    assert 0.45 < clock() - began < PATIENCE
    assert await is_served(active)


async def test_a_silent_websocket_is_closed(start_server: StartServer) -> None:
    """A WebSocket client that sends nothing in time is closed, while one that does stays."""
    server = await start_server(limits={"handshake_time": 0.5})
    active = await server.raw("ws")
    assert await is_served(active)
    clock = asyncio.get_running_loop().time
    began = clock()
    silent = await server.raw("ws")
    assert await silent.ends() == []
    assert 0.45 < clock() - began < PATIENCE
    assert await is_served(active)


@pytest.mark.parametrize("beginning", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
async def test_an_upgrade_that_does_not_come_is_closed(start_server: StartServer, beginning: bytes) -> None:
    """A client that does not finish its WebSocket handshake in time is closed."""
    server = await start_server(limits={"handshake_time": 0.5})
    endpoint = Endpoint.parse(server.url("ws"))
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    writer.write(beginning)
    async with asyncio.timeout(PATIENCE):
        await reader.read()
    assert reader.at_eof()
    writer.close()
    await writer.wait_closed()
    assert await is_served(await server.raw("ws"))


async def test_a_websockets_time_counts_from_its_connection(
    start_server: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Upgrade and first message have the handshake time once, together: whoever connected first is closed first."""
    server = await start_server(limits={"handshake_time": 3})
    await server.set_up()
    endpoint = Endpoint.parse(server.url("ws"))
    with socket.create_connection((endpoint.host, endpoint.port)) as early, caplog.at_level(logging.INFO):
        address = f"127.0.0.1:{early.getsockname()[1]}"
        early.setblocking(False)
        # Each of these takes longer than the clock's resolution is.
        await others_are_served(server)
        stream = await server.raw("tcp")
        await others_are_served(server)
        websocket = await server.raw("ws", sock=early)
        await asyncio.gather(stream.ends(), websocket.ends())
    closed = [vars(record)["address"] for record in caplog.records if record.message == "no message in time"]
    assert len(closed) == 2
    assert closed[0] == address


# The number of connections


async def turned_away(server: Server, transport: Transport) -> bool:
    """Whether a connection is told that the server is busy, and then closed."""
    if transport == "ws":
        with pytest.raises(InvalidStatus) as refusal:
            await server.raw("ws")
        return refusal.value.response.status_code == 503
    messages = await (await server.raw("tcp")).ends()
    return bool(messages == [{"id": -1, "status": "error", "error": BUSY}])


async def test_connections_beyond_the_limit_are_turned_away(start_server: StartServer, transport: Transport) -> None:
    """One connection too many is told so and closed, the others stay, and a place that is left is taken again."""
    server = await start_server(limits={"connections": 3})
    raws = [await server.raw("tcp"), await server.raw("ws"), await server.raw(transport)]
    for raw in raws:
        assert await is_served(raw)
    assert await turned_away(server, "tcp")
    assert await turned_away(server, "ws")
    for raw in raws:
        assert await is_served(raw)
    await raws.pop().close()
    async with asyncio.timeout(PATIENCE):
        while not await is_served_now(server, transport):
            pass
    for raw in raws:
        assert await is_served(raw)


async def test_connections_count_before_their_upgrade(start_server: StartServer) -> None:
    """Clients that connect to a WebSocket port and say nothing take places, too, until they go."""
    server = await start_server(limits={"connections": 2})
    endpoint = Endpoint.parse(server.url("ws"))
    silent = [await asyncio.open_connection(endpoint.host, endpoint.port) for _ in range(2)]
    assert await turned_away(server, "tcp")
    assert await turned_away(server, "ws")
    for _, writer in silent:
        writer.close()
    async with asyncio.timeout(PATIENCE):
        while not await is_served_now(server, "ws"):
            pass


async def is_served_now(server: Server, transport: Transport) -> bool:
    """Whether a new connection is served rather than turned away."""
    try:
        raw = await server.raw(transport)
        await raw.send(HELLO)
        text = await raw.receive_text()
    except (ConnectionError, InvalidStatus):
        return False
    served = '"status":"success"' in text
    if not served:
        assert text == "" or BUSY in text
    return served


async def test_the_operator_is_served_when_the_server_is_full(start_server: StartServer) -> None:
    """The operator's socket needs no place."""
    server = await start_server(limits={"connections": 1})
    assert await is_served(await server.raw())
    operator = await server.operator()
    assert await operator.call("Users.GetUsers") == {"users": []}


async def test_loopback_counts_only_in_all(start_server: StartServer, transport: Transport) -> None:
    """A reverse proxy on the machine may bring more clients than one address may."""
    server = await start_server(limits={"connections_per_address": 1})
    for raw in [await server.raw(transport) for _ in range(4)]:
        assert await is_served(raw)


def remote(address: str, port: int = 50000) -> Peer:
    """A client at that address."""
    return peer_of((address, port))


def test_one_address_has_so_many_places() -> None:
    """An address that has taken its places is refused another, while other addresses are not."""
    directory = Directory(EventBus(), limit=10, limit_per_address=2)
    first, second, third = (remote("192.0.2.1", port) for port in (1, 2, 3))
    assert directory.admit(first)
    assert directory.admit(second)
    assert not directory.admit(third)
    assert directory.admit(remote("192.0.2.2"))
    assert directory.admit(remote("2001:db8::1"))
    directory.leave(second)
    assert directory.admit(third)
    assert not directory.admit(second)


def test_all_addresses_have_so_many_places() -> None:
    """When all places are taken nobody gets another, from whatever address, until somebody leaves."""
    directory = Directory(EventBus(), limit=3, limit_per_address=2)
    peers = [remote("192.0.2.1"), remote("127.0.0.1"), remote("192.0.2.2")]
    for peer in peers:
        assert directory.admit(peer)
    for late in (remote("192.0.2.3"), remote("127.0.0.1"), remote("::1")):
        assert not directory.admit(late)
    directory.leave(peers[0])
    assert directory.admit(remote("192.0.2.3"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_an_address_is_what_one_client_has(one: str, other: str, same: bool) -> None:
    """An IPv4 address counts by itself, also where it is written as IPv6; of an IPv6 address its network counts."""
    directory = Directory(EventBus(), limit=10, limit_per_address=1)
    assert directory.admit(remote(one))
    assert directory.admit(remote(other, 50001)) is not same


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_loopback_has_no_places_of_its_own(address: str) -> None:
    """From loopback come as many as there are places in all."""
    directory = Directory(EventBus(), limit=5, limit_per_address=1)
    assert [directory.admit(remote(address, port)) for port in range(6)] == [True] * 5 + [False]


# What a client leaves unread


class Deaf:
    """A TCP client that reads only when it is told to, through a small buffer of the operating system."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._received = b""

    @classmethod
    async def connect(cls, url: str) -> Self:
        return cls(await small_socket(url))

    async def send(self, message: dict[str, Any]) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, json.dumps(message).encode() + b"\n")

    async def messages(self) -> AsyncIterator[Any]:
        """What comes until the connection ends."""
        loop = asyncio.get_running_loop()
        while True:
            *lines, self._received = self._received.split(b"\n")
            for line in lines:
                yield json.loads(line)
            try:
                async with asyncio.timeout(PATIENCE):
                    data = await loop.sock_recv(self._socket, 2**16)
            except ConnectionError:
                return
            if not data:
                return
            self._received += data

    async def ask(self, message: dict[str, Any]) -> Any:
        """The next message after one that is sent."""
        await self.send(message)
        return await anext(self.messages())

    def close(self) -> None:
        self._socket.close()


async def small_socket(url: str) -> socket.socket:
    """A connected socket with a small buffer for what it receives."""
    endpoint = Endpoint.parse(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (endpoint.host, endpoint.port))
    return connection


def subscription() -> list[dict[str, Any]]:
    """The requests by which a JSON-RPC 2.0 client asks for notifications."""
    credentials = {"username": "admin", "password": PASSWORD, "deviceName": "deaf"}
    return [
        {"jsonrpc": "2.0", "id": 1, "method": "JSONRPC.Authenticate", "params": credentials},
        {"jsonrpc": "2.0", "id": 2, "method": "JSONRPC.SetNotificationStatus", "params": {"namespaces": ["Users"]}},
    ]


#: Each makes a notification of about 80 KB; together more than all buffers of the operating system take.
CHANGES = 80
THINGS = [str(UUID(int=number)) for number in range(2000)]


async def change_much(server: Server) -> None:
    """Have so much notified that who reads nothing must be cut off; who reads misses nothing."""
    await server.add_user("bob", allowedThingIds=THINGS)
    listener = await server.login()
    await listener.subscribe("Users")
    author = await server.login(dialect="jsonrpc2")
    for number in range(CHANGES):
        params = {"username": "bob", "displayName": f"{number} ".ljust(255, "😀")}
        assert await author.call("Users.SetUserInfo", params) == {"error": "UserErrorNoError"}
    heard = listener.notifications()
    for number in range(CHANGES):
        notification = await anext(heard)
        assert notification.params["userInfo"]["displayName"].startswith(f"{number} ")
    assert (await listener.call("JSONRPC.KeepAlive", {"sessionId": "x"}))["success"] is True


async def test_a_stream_that_is_not_read_is_cut_off_alone(start_server: StartServer) -> None:
    """A TCP client that leaves too many notifications unread is closed; the others get all of them, in order."""
    server = await start_server(limits={"outbox_size": 32 * 1024})
    await server.set_up()
    with closing(await Deaf.connect(server.url("tcp"))) as deaf:
        for message in subscription():
            assert "result" in await deaf.ask(message)
        await change_much(server)
        rest = [message async for message in deaf.messages()]
    assert len(rest) < CHANGES


async def test_a_websocket_that_is_not_read_is_cut_off_alone(start_server: StartServer) -> None:
    """A WebSocket client that leaves too many notifications unread is closed; the others get all of them."""
    server = await start_server(limits={"outbox_size": 32 * 1024})
    await server.set_up()
    deaf = await server.raw("ws", sock=await small_socket(server.url("ws")), max_queue=1)
    for message in subscription():
        assert "result" in await deaf.ask(message)
    await change_much(server)
    rest = await deaf.ends()
    assert len(rest) < CHANGES


async def test_a_reply_larger_than_the_outbox_reaches_who_reads(
    start_server: StartServer, transport: Transport
) -> None:
    """The limit is on what is left unread, not on the size of one reply."""
    server = await start_server(limits={"outbox_size": 1024})
    await server.set_up()
    client = await server.login(transport=transport)
    await client.subscribe("Users")
    for _ in range(3):
        reply = await client.call("JSONRPC.KeepAlive", {"sessionId": "x" * 500_000})
        assert len(reply["sessionId"]) == 500_000
        assert await client.call("Users.SetUserInfo", {"displayName": "x"}) == {"error": "UserErrorNoError"}


#: Requests of 100,000 bytes, each with a reply of the same size: more than fits into all buffers on the way.
ECHOES = 250


async def others_are_served(server: Server, transport: Transport = "tcp") -> None:
    """A client does its work while another one makes trouble."""
    client = await server.login(transport=transport)
    for number in range(50):
        reply = await client.call("JSONRPC.KeepAlive", {"sessionId": str(number)})
        assert reply["sessionId"] == str(number)
    await client.close()


@asynccontextmanager
async def send_without_reading(server: Server, deaf: Deaf | Raw) -> AsyncIterator[None]:
    """Send until the server takes no more, which is before the end; then send the rest meanwhile."""
    assert "result" in await deaf.ask(subscription()[0])
    sent = 0

    async def send() -> None:
        nonlocal sent
        for number in range(ECHOES):
            params = ["x" * 100_000]
            await deaf.send({"jsonrpc": "2.0", "id": number, "method": "JSONRPC.KeepAlive", "params": params})
            sent += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        before = -1
        while sent > before:
            before = sent
            await others_are_served(server)
        assert sent < ECHOES
        yield


async def test_a_stream_that_sends_without_reading_is_made_to_wait(home: Server) -> None:
    """The server stops reading from a TCP client that does not read, and goes on where it left off once it does."""
    with closing(await Deaf.connect(home.url("tcp"))) as deaf:
        async with send_without_reading(home, deaf):
            replies = deaf.messages()
            for number in range(ECHOES):
                assert (await anext(replies))["id"] == number


async def test_a_websocket_that_sends_without_reading_is_made_to_wait(home: Server) -> None:
    """The server stops reading from a WebSocket client that does not read, and goes on once it does."""
    deaf = await home.raw("ws", sock=await small_socket(home.url("ws")), max_queue=1)
    async with send_without_reading(home, deaf):
        for number in range(ECHOES):
            assert (await deaf.receive())["id"] == number


async def test_a_websocket_is_not_read_far_ahead(start_server: StartServer, caplog: pytest.LogCaptureFixture) -> None:
    """Of large frames behind a reply that nobody reads the server takes a few; that the client goes is no error."""
    server = await start_server(limits={"message_size": 2**24, "outbox_size": 2**24})
    await server.set_up()
    connection = await small_socket(server.url("ws"))
    address = f"127.0.0.1:{connection.getsockname()[1]}"
    deaf = await server.raw("ws", sock=connection, max_queue=1, max_size=None)
    assert "result" in await deaf.ask(subscription()[0])
    sent = 0

    async def send() -> None:
        nonlocal sent
        while True:
            # Much more than what the operating system's buffers take is in a dozen of these.
            await deaf.send({"jsonrpc": "2.0", "id": 1, "method": "JSONRPC.KeepAlive", "params": ["x" * 2**23]})
            sent += 1

    sending = asyncio.create_task(send())
    quiet, before = 0, 0
    while quiet < 5 and sent < 16:
        await others_are_served(server)
        quiet, before = (quiet + 1 if sent == before else 0), sent
    assert not sending.done()
    sending.cancel()
    await asyncio.wait([sending])
    assert 0 < sent < 16
    assert deaf._websocket is not None
    with caplog.at_level(logging.INFO):
        deaf._websocket.transport.abort()
        async with asyncio.timeout(PATIENCE):
            while ("disconnected", address) not in [
                (line.message, vars(line).get("address")) for line in caplog.records
            ]:
                await others_are_served(server)
    assert [line for line in caplog.records if line.levelno >= logging.ERROR] == []


# Garbage


async def test_garbage_is_told_at_once_and_ends_with_its_line(server: Server) -> None:
    """On TCP the first wrong byte has its error, the rest of the line has none, and the next line counts again."""
    raw = await server.raw("tcp")
    for garbage in (b"x", b"{]", b'{"id": 1, "method": }', b"\x16\x03\x01\x02\x00", b"\xff\xfe", b'{"id":1}}'):
        replies = [await raw.ask(garbage)]
        if garbage == b'{"id":1}}':
            replies.append(await raw.receive())
        assert [reply["status"] for reply in replies] == ["error"] * len(replies)
        await raw.send(b' more of it {"id": 1, "method": "JSONRPC.Hello"} {{{ "')
        await raw.send(b"\n")
        assert await is_served(raw)


async def test_a_flood_of_garbage_does_not_keep_others_waiting(home: Server, transport: Transport) -> None:
    """While one client sends many broken lines, and has an error for each, others are served in between."""
    client = await home.login(transport=transport)
    flooding = await home.raw("tcp")
    assert await is_served(flooding)
    lines = 20_000
    answered = 0

    async def flood() -> None:
        nonlocal answered
        await flooding.send(b"{]\n" * lines)
        for _ in range(lines):
            assert (await flooding.receive())["id"] == -1
            answered += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(flood())
        for number in range(20):
            assert (await client.call("JSONRPC.KeepAlive", {"sessionId": str(number)}))["success"] is True
        assert answered < lines
    assert answered == lines
