"""Clients that do not read, do not speak, or are not there any more: they cost little, and they go."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, PATIENCE, Process, SpawnServer
from outside import (
    HELLO,
    HERE,
    MB,
    OK,
    THINGS,
    UPGRADE,
    Memory,
    connect_within,
    cut,
    ended,
    login,
    network,
    open_files,
    set_up,
    small_socket,
    until,
    unverified,
)
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from nymead_users.client import Client
from nymead_users.config import Limits
from nymead_users.endpoint import Endpoint
from nymead_users.session.session import MESSAGE_TIME
from nymead_users.transport.websocket import PING_INTERVAL, PING_TIMEOUT

#: With THINGS each notification has 390 KB, 360 KB of them ids; in all it is 60 MB.
CHANGES = 160


async def test_sixty_megabytes_unread_cost_little(spawn_server: SpawnServer) -> None:
    """Subscribers that stop reading are closed, each at its outbox's size; who reads gets everything, in order."""
    process = await spawn_server("--log-level", "error")
    await set_up(process)
    author = await login(process.url(), dialect="jsonrpc2")
    params = {"username": "bob", "password": PASSWORD, "allowedThingIds": THINGS}
    assert await author.call("Users.CreateUser", params) == OK
    listeners = [await login(process.url(scheme)) for scheme in ("nymea", "ws")]
    for client in listeners:
        await client.subscribe("Users")
    async with AsyncExitStack() as stack:
        for client in (author, *listeners):
            stack.push_async_callback(client.close)
        reader, writer = await asyncio.open_connection(sock=small_socket(process.url()), limit=1024)
        stack.callback(writer.transport.abort)
        credentials = {"username": "admin", "password": PASSWORD, "deviceName": "deaf"}
        for method, given in (
            ("JSONRPC.Authenticate", credentials),
            ("JSONRPC.SetNotificationStatus", {"namespaces": ["Users"]}),
        ):
            writer.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": given}).encode())
            assert b"result" in await reader.readline()
        memory = Memory(process)
        told = 0
        for number in range(CHANGES):
            change = {"username": "bob", "displayName": str(number)}
            assert await author.call("Users.SetUserInfo", change) == OK
            for client in listeners:
                notification = await anext(client.notifications())
                assert notification.params["userInfo"]["displayName"] == str(number)
                told += len(THINGS) * len(THINGS[0])
        assert told > 2 * 55_000_000
        assert memory.growth < 40 * MB
        left = 0
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while data := await reader.read(MB):
                    left += len(data)
        assert left < 60_000_000
        for client in listeners:
            assert (await client.call("JSONRPC.KeepAlive", {"sessionId": "x"}))["success"] is True


async def test_silent_connections_go_whatever_they_connect_to(spawn_server: SpawnServer) -> None:
    """Connections that say nothing, or stop halfway, are closed on every listener; who has spoken may be silent."""
    process = await spawn_server(
        *(word for scheme in ("nymea", "nymeas", "ws", "wss") for word in ("--listen", f"{scheme}://127.0.0.1:0")),
        *("--log-level", "error"),
        environ={"NYMEAD_USERS_LIMITS__HANDSHAKE_TIME": "2"},
    )
    await set_up(process)
    async with await login(process.url("nymea")) as quiet, await login(process.url("ws")) as quiet_too:
        before = open_files(process)
        silent = []
        for url in process.urls:
            endpoint = Endpoint.parse(url)
            for beginning in (b"\x16\x03\x01", b"GET / HTTP/1.1\r\n", b'{"id": 0, "meth', *[b""] * 50):
                reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
                writer.write(beginning)
                silent.append((reader, writer))
        async with asyncio.timeout(PATIENCE):
            for reader, writer in silent:
                with suppress(ConnectionError):
                    assert b"success" not in await reader.read()
                writer.close()
        await until(lambda: open_files(process) <= before)
        for client in (quiet, quiet_too):
            assert (await client.call("Users.GetUserInfo"))["error"] == "UserErrorNoError"


def test_silence_is_borne_for_ten_seconds() -> None:
    """By default a new connection may stay silent for ten seconds."""
    assert Limits().handshake_time == 10


async def shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, halfway: Callable[[], Any]) -> None:
    """TLS's handshake, the first message of it byte by byte for about three seconds, and something before its end."""
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = unverified().wrap_bio(received, sent, server_hostname="localhost")
    slow = True
    while True:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            data = sent.read()
            if slow:
                for number in range(30):
                    writer.write(data[number : number + 1])
                    await asyncio.sleep(0.1)  # that is how slow it is
                await halfway()
                data, slow = data[30:], False
            writer.write(data)
            received.write(await reader.read(MB))
        else:
            writer.write(sent.read())
            return


@pytest.mark.parametrize("scheme", ["nymeas", "wss"])
async def test_a_slow_handshake_gains_no_time(spawn_server: SpawnServer, scheme: str) -> None:
    """Whose TLS handshake took long is cut before those that came while it lasted, all silent since."""
    process = await spawn_server(
        *("--log-level", "error", "--listen", f"{scheme}://127.0.0.1:0", "--listen", "nymea://127.0.0.1:0"),
        environ={"NYMEAD_USERS_LIMITS__HANDSHAKE_TIME": "6"},
    )
    slow, plain = Endpoint.parse(process.url(scheme)), Endpoint.parse(process.url())
    streams = [await asyncio.open_connection(slow.host, slow.port)]

    async def another() -> None:
        streams.append(await asyncio.open_connection(plain.host, plain.port))

    async with asyncio.timeout(PATIENCE):
        await shake_hands(*streams[0], another)
        reading = [asyncio.ensure_future(ended(reader)) for reader, _ in streams]
        first, _ = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
        assert first == {reading[0]}
        await reading[1]
    for _, writer in streams:
        writer.close()


#: Runs the server with less patience with a message that was begun.
_IMPATIENT = """
import sys
from nymead_users.session import session
session.MESSAGE_TIME = 4.0
from nymead_users.transport import websocket
websocket.PING_INTERVAL, websocket.PING_TIMEOUT = 1.0, 4.0
from nymead_users.cli import main
sys.argv[0] = "nymead-users"
main()
"""


def test_a_message_may_take_a_minute() -> None:
    """The time for a message is a minute, and a WebSocket frame that keeps the pong away has no longer."""
    assert MESSAGE_TIME == 60
    assert PING_INTERVAL + PING_TIMEOUT <= 60


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, byte: bytes = b"x") -> bytes:
    """Send byte after byte until the server closes the connection; what it says before."""
    told = bytearray()

    async def read() -> None:
        with suppress(ConnectionError):
            while data := await reader.read(MB):
                told.extend(data)

    reading = asyncio.ensure_future(read())
    async with asyncio.timeout(PATIENCE):
        while not reading.done():
            writer.write(byte)
            await asyncio.wait({reading}, timeout=0.05)
    return bytes(told)


@pytest.mark.parametrize("scheme", ["nymea", "nymeas"])
async def test_a_message_that_never_ends_is_not_waited_for(spawn_server: SpawnServer, scheme: str) -> None:
    """Who has spoken and then sends a message byte by byte is told that it took too long, and let go; others stay."""
    process = await spawn_server(
        *("--log-level", "error", "--listen", f"{scheme}://127.0.0.1:0"), program=(sys.executable, "-c", _IMPATIENT)
    )
    endpoint = Endpoint.parse(process.url(scheme))
    tls = unverified() if endpoint.tls else None
    streams = [await asyncio.open_connection(endpoint.host, endpoint.port, ssl=tls) for _ in range(3)]
    for reader, writer in streams:
        writer.write(HELLO)
        assert b"success" in await reader.readline()
    (slow, idle, steady) = streams
    # Messages that each take a while, one after the other, are answered; who is silent has begun none.
    answering = asyncio.create_task(answers(*steady))
    slow[1].write(b'{"id": 7, "method": "')
    told = await drips(*slow)
    assert json.loads(told)["status"] == "error"
    assert "not complete after 4 s" in json.loads(told)["error"]
    await answering
    idle[1].write(HELLO)
    assert b"success" in await idle[0].readline()
    for _, writer in streams:
        writer.close()


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send messages for longer than one may take, the end of each together with the beginning of the next."""
    begin = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        writer.write(HELLO[:10])
        while time.monotonic() < begin + 5:
            await asyncio.sleep(0.1)  # that is how slow it is
            writer.write(HELLO[10:] + HELLO[:10])
            assert b"success" in await reader.readline()
        writer.write(HELLO[10:])
        assert b"success" in await reader.readline()


async def test_a_websocket_message_that_never_ends_is_not_waited_for(spawn_server: SpawnServer) -> None:
    """Who sends frame after frame of one message, or one frame byte by byte, is let go; others are served."""
    process = await spawn_server("--log-level", "error", program=(sys.executable, "-c", _IMPATIENT))
    endpoint = Endpoint.parse(process.url("ws"))

    async def fragments() -> AsyncIterator[str]:
        yield '{"id": 1, "method": "'
        while True:
            await asyncio.sleep(0.05)  # that is how slow it is
            yield "x"

    async with (
        await Client.connect(process.url("ws")) as bystander,
        connect(process.url("ws"), proxy=None) as in_frames,
        connect(process.url("ws"), proxy=None) as idle,
    ):
        await bystander.hello()
        for client in (in_frames, idle):
            await client.send(HELLO.decode())
            assert json.loads(await client.recv())["status"] == "success"
        reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        # A handshake, Hello in a frame, and the beginning of a frame of 60,000 bytes; a mask of zeros changes nothing.
        hello = b"\x81" + bytes([0x80 | len(HELLO)]) + bytes(4) + HELLO
        writer.write(UPGRADE + hello + b"\x81\xfe\xea\x60" + bytes(4))
        dripping = asyncio.create_task(drips(reader, writer))
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ConnectionClosed):
                await in_frames.send(fragments())
        assert in_frames.close_code == 1008
        assert in_frames.close_reason == "not complete after 4 s"
        assert b"success" in await dripping
        await idle.send(HELLO.decode())
        assert json.loads(await idle.recv())["status"] == "success"
        await bystander.hello()
        writer.close()


#: Runs the server with other seconds: for the keep-alive of TCP, and for WebSocket's pings.
_HURRIED = """
import sys
from nymead_users.transport import listener, websocket
listener.KEEPALIVE_IDLE, listener.KEEPALIVE_INTERVAL, listener.KEEPALIVE_PROBES = 2, 1, 2
websocket.PING_INTERVAL, websocket.PING_TIMEOUT = 2.0, 2.0
from nymead_users.cli import main
sys.argv[0] = "nymead-users"
main()
"""


async def test_clients_that_vanished_are_found(spawn_server: SpawnServer) -> None:
    """When the network is lost without a word, connections end: idle ones, and those with something on its way."""
    process = await spawn_server(
        *("--insecure", "--listen", f"nymea://{HERE}:0", "--listen", f"ws://{HERE}:0", "--log-format", "json"),
        program=network(sys.executable, "-c", _HURRIED),
    )
    control = f"unix://{process.data_dir}/control.sock"
    async with AsyncExitStack() as stack:
        operator = await stack.enter_async_context(await Client.connect(control))
        await operator.hello()
        assert await operator.call("JSONRPC.CreateUser", {"username": "admin", "password": PASSWORD}) == OK
        before = open_files(process)
        sockets = await connect_within(process, process.url("nymea"), HERE, 2)
        (upgraded,) = await connect_within(process, process.url("ws"), HERE)
        streams = [await asyncio.open_connection(sock=connection) for connection in sockets]
        for _, writer in streams:
            stack.callback(writer.transport.abort)
        credentials = {"username": "admin", "password": PASSWORD, "deviceName": "phone"}
        for number, (reader, writer) in enumerate(streams):
            for method, params in (
                ("JSONRPC.Authenticate", credentials),
                # The second one will hear of what happens, or would if it were there.
                ("JSONRPC.SetNotificationStatus", {"namespaces": ["Users"] * number}),
            ):
                writer.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode())
                assert b"result" in await reader.readline()
        websocket = await connect(process.url("ws"), proxy=None, sock=upgraded, ping_interval=None)
        stack.callback(websocket.transport.abort)
        await websocket.send(HELLO.decode())
        assert json.loads(await websocket.recv())["status"] == "success"
        assert open_files(process) == before + 3
        await cut(process)
        assert await operator.call("Users.SetUserInfo", {"username": "admin", "displayName": "away"}) == OK
        await until(lambda: open_files(process) <= before)
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    messages = [json.loads(line)["message"] for line in (await process.log()).splitlines()]
    assert messages.count("disconnected") == 3 + 1


async def test_a_client_that_takes_nothing_is_found(spawn_server: SpawnServer) -> None:
    """A client on TCP that is there and for as long takes nothing of what is sent to it counts as vanished, too."""
    process = await spawn_server("--log-level", "error", program=(sys.executable, "-c", _HURRIED))
    await set_up(process)
    async with await login(f"unix://{process.data_dir}/control.sock") as operator:
        before = open_files(process)
        reader, writer = await asyncio.open_connection(sock=small_socket(process.url()), limit=1024)
        credentials = {"username": "admin", "password": PASSWORD, "deviceName": "deaf"}
        call = {"jsonrpc": "2.0", "id": 1, "method": "JSONRPC.Authenticate", "params": credentials}
        writer.write(json.dumps(call).encode())
        assert b"result" in await reader.readline()
        for _ in range(20):
            call = {"jsonrpc": "2.0", "id": 2, "method": "JSONRPC.KeepAlive", "params": ["x" * 900_000]}
            writer.write(json.dumps(call).encode())
        assert open_files(process) == before + 1
        await until(lambda: open_files(process) <= before)
        assert (await operator.call("Users.GetUsers"))["users"]
        writer.transport.abort()


def keepalive_timer(process: Process, client: socket.socket) -> float | None:
    """Seconds to the kernel's next keep-alive on a server's side of a connection; None without (proc(5), net/tcp)."""
    ports = [f"{name[1]:04X}" for name in (client.getpeername(), client.getsockname())]
    for line in Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]:
        row = line.split()
        if [address.rpartition(":")[2] for address in row[1:3]] == ports:
            kind, _, when = row[5].partition(":")
            return int(when, 16) / 100 if kind == "02" else None
    raise AssertionError("there is no such connection")


async def test_keep_alive_is_on(spawn_server: SpawnServer) -> None:
    """On each listener the operating system looks after a minute whether the other end is still there."""
    process = await spawn_server(
        *(word for scheme in ("nymea", "nymeas", "ws", "wss") for word in ("--listen", f"{scheme}://127.0.0.1:0"))
    )
    for url in process.urls:
        endpoint = Endpoint.parse(url)
        tls = unverified() if endpoint.tls else None
        _, writer = await asyncio.open_connection(endpoint.host, endpoint.port, ssl=tls)
        connection = writer.get_extra_info("socket")

        def on(connection: socket.socket = connection) -> bool:
            timer = keepalive_timer(process, connection)
            return timer is not None and 30 < timer <= 60

        await until(on)
        writer.transport.abort()


async def test_a_refused_websocket_client_that_does_not_read_is_cut(spawn_server: SpawnServer) -> None:
    """Whoever is refused behind megabytes that they do not read is gone within seconds."""
    environ = {"NYMEAD_USERS_LIMITS__OUTBOX_SIZE": str(64 * MB)}
    process = await spawn_server("--log-level", "error", environ=environ)
    await set_up(process)
    author = await login(process.url())
    token = await author.authenticate("admin", PASSWORD, "another device")
    assert token is not None
    params = {"username": "bob", "password": PASSWORD, "allowedThingIds": THINGS}
    assert await author.call("Users.CreateUser", params) == OK
    before = open_files(process)
    async with author, connect(process.url("ws"), compression=None, proxy=None, max_queue=1, close_timeout=0) as deaf:
        for method, given in (
            ("JSONRPC.Hello", {"token": token.token}),
            ("JSONRPC.SetNotificationStatus", {"namespaces": ["Users"]}),
        ):
            await deaf.send(json.dumps({"jsonrpc": "2.0", "id": 0, "method": method, "params": given}))
            await deaf.recv()
        for number in range(CHANGES // 4):
            assert await author.call("Users.SetUserInfo", {"username": "bob", "displayName": str(number)}) == OK
        refused = {"jsonrpc": "2.0", "id": 1, "method": "JSONRPC.Version", "token": "another"}
        await deaf.send(json.dumps(refused))
        await until(lambda: open_files(process) == before)
