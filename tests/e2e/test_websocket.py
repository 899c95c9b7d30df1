"""WebSocket: which web pages may connect, frames and fragments, pings, and how connections end."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from pathlib import Path
from typing import Any

import pytest
from conftest import CHEAP_ARGON2, PATIENCE, Raw, Server, StartServer
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from nymead_users.app import running
from nymead_users.config import Settings
from nymead_users.endpoint import Endpoint

HELLO = {"id": 1, "method": "JSONRPC.Hello"}
MACHINE = socket.gethostname().lower()


async def upgrade(server: Server, host: str, *origins: str) -> int:
    """The status of an upgrade request with this Host and these Origins; one that is served is tried out."""
    endpoint = Endpoint.parse(server.url("ws"))
    headers = [("Origin", origin) for origin in origins]
    try:
        # The request is made for `host`, and sent to where the server really is.
        raw = await server.raw(url=f"ws://{host}", host=endpoint.host, port=endpoint.port, additional_headers=headers)
    except InvalidStatus as refusal:
        return refusal.response.status_code
    assert (await raw.ask(HELLO))["status"] == "success"
    return 101


def websocket_of(raw: Raw) -> ClientConnection:
    """The connection below."""
    assert raw._websocket is not None
    return raw._websocket


async def closed(websocket: ClientConnection) -> int | None:
    """Wait for the end of a connection; its close code."""
    async with asyncio.timeout(PATIENCE):
        try:
            while True:
                await websocket.recv()
        except ConnectionClosed:
            return websocket.close_code


async def answer_to(server: Server, sent: bytes) -> bytes:
    """All that comes back for some bytes, up to the end of their connection."""
    endpoint = Endpoint.parse(server.url("ws"))
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    try:
        writer.write(sent)
        if not sent:
            writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


# Origin and Host: no web page elsewhere may reach a server at home

ALLOWED = {
    "allowed_origins": ["https://home.example.org", "http://localhost:8080", "http://[fd00::7]:8080"],
    "allowed_hosts": ["nymea.example.org"],
}


SERVED = {
    "own origin at an IPv4 address": ("127.0.0.1:4444", "http://127.0.0.1:4444"),
    "own origin at another address": ("192.168.1.7:4444", "http://192.168.1.7:4444"),
    "own origin without port": ("127.0.0.1", "http://127.0.0.1"),
    "own origin at an IPv6 address": ("[::1]:4444", "http://[::1]:4444"),
    "own origin at another IPv6 address": ("[fd00::7]:4444", "http://[fd00::7]:4444"),
    "own origin at localhost": ("localhost:4444", "http://localhost:4444"),
    "own origin at the machine's name": (f"{MACHINE}:4444", f"http://{MACHINE}:4444"),
    "own origin at an allowed host": ("nymea.example.org:4444", "http://nymea.example.org:4444"),
    "allowed origin": ("localhost:4444", "http://localhost:8080"),
    "allowed origin at an address": ("127.0.0.1:4444", "https://home.example.org"),
    "allowed origin with an IPv6 address": ("127.0.0.1:4444", "http://[fd00::7]:8080"),
    "allowed origin in another case": ("127.0.0.1:4444", "HTTPS://Home.Example.org"),
}
REFUSED = {
    "foreign origin": ("127.0.0.1:4444", "http://evil.example"),
    "null origin": ("127.0.0.1:4444", "null"),
    "empty origin": ("127.0.0.1:4444", ""),
    "a file's origin": ("127.0.0.1:4444", "file://"),
    "another scheme": ("127.0.0.1:4444", "https://127.0.0.1:4444"),
    "another port": ("127.0.0.1:4444", "http://127.0.0.1:8080"),
    "no port": ("127.0.0.1:4444", "http://127.0.0.1"),
    "another name of the same machine": ("127.0.0.1:4444", "http://localhost:4444"),
    "allowed origin with another scheme": ("127.0.0.1:4444", "http://home.example.org"),
    "allowed origin with another port": ("127.0.0.1:4444", "https://home.example.org:8443"),
    "allowed origin prolonged": ("127.0.0.1:4444", "https://home.example.org.evil.example"),
    "allowed origin prefixed": ("127.0.0.1:4444", "https://evilhome.example.org"),
    "own origin prolonged": ("127.0.0.1:4444", "http://127.0.0.1:4444.evil.example"),
    "two origins in one": ("127.0.0.1:4444", "http://127.0.0.1:4444 https://evil.example"),
    "a name made to point here": ("evil.example:4444", "http://evil.example:4444"),
    "allowed origin under a foreign name": ("evil.example:4444", "https://home.example.org"),
    "a name like ours": ("localhost.evil.example:4444", "http://localhost.evil.example:4444"),
    "a name like an address": ("127.0.0.1.evil.example", "http://127.0.0.1.evil.example"),
    "a name below an allowed one": ("sub.nymea.example.org", "http://sub.nymea.example.org"),
    "an allowed origin's name as host": ("home.example.org", "http://home.example.org"),
}


@pytest.mark.parametrize(("pages", "status"), [(SERVED, 101), (REFUSED, 403)], ids=["served", "refused"])
async def test_a_web_page_is_served_by_its_origin_and_host(
    start_server: StartServer, pages: dict[str, tuple[str, str]], status: int
) -> None:
    """A page is served if its origin is the server's own or allowed, under a host that is surely the server's."""
    server = await start_server(**ALLOWED)
    statuses = {page: await upgrade(server, host, origin) for page, (host, origin) in pages.items()}
    assert statuses == dict.fromkeys(pages, status)


async def test_without_an_allowance_only_the_own_origin_is_served(server: Server) -> None:
    """As it comes, a server lets no other page connect."""
    endpoint = Endpoint.parse(server.url("ws"))
    here = f"{endpoint.host}:{endpoint.port}"
    assert await upgrade(server, here, f"http://{here}") == 101
    assert await upgrade(server, here, "https://home.example.org") == 403
    assert await upgrade(server, "nymea.example.org:4444", "http://nymea.example.org:4444") == 403


async def test_two_origins_are_refused(start_server: StartServer) -> None:
    """A request with two Origin headers is refused, even if both would do."""
    server = await start_server(**ALLOWED)
    own, allowed, foreign = "http://127.0.0.1:4444", "https://home.example.org", "http://evil.example"
    for origins in ((own, own), (own, foreign), (foreign, own), (allowed, own)):
        assert await upgrade(server, "127.0.0.1:4444", *origins) == 403


async def test_without_an_origin_any_host_is_served(server: Server) -> None:
    """Programs, which send no Origin, are served under whatever name they found the server."""
    for host in ("127.0.0.1:4444", "evil.example:4444", "my-proxy", "[fd00::7]"):
        assert await upgrade(server, host) == 101


async def test_a_refused_page_finds_out_nothing(server: Server) -> None:
    """The refusal says neither what the server is nor whether it has been set up."""
    request = b"GET / HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n"
    answer = await answer_to(server, request + UPGRADE)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"nymea" not in answer


# Frames


async def test_a_binary_frame_is_refused(server: Server) -> None:
    """A binary frame closes its connection with code 1003, whatever is in it."""
    for content in (json.dumps(HELLO).encode(), b""):
        websocket = websocket_of(await server.raw("ws"))
        await websocket.send(content)
        assert await closed(websocket) == 1003


async def test_text_that_is_not_utf_8_is_refused(server: Server) -> None:
    """A text frame that is no UTF-8 closes its connection with code 1007, and no other one."""
    websocket = websocket_of(await server.raw("ws"))
    await websocket.send(b'{"id":1,"method":"\xff"}', text=True)
    assert await closed(websocket) == 1007
    assert (await (await server.raw("ws")).ask(HELLO))["status"] == "success"


async def test_a_message_may_come_in_fragments(server: Server) -> None:
    """Fragments make one message, also where they are empty or cut a character, and a ping may come between."""
    raw = await server.raw("ws")
    websocket = websocket_of(raw)
    text = json.dumps({"id": 7, "method": "JSONRPC.Hello", "params": {"locale": "größe"}}, ensure_ascii=False)
    await websocket.send([text[:10], "", text[10:11], text[11:]])
    assert (await raw.receive())["id"] == 7

    async def pieces() -> Any:
        data = text.encode()
        for start in range(len(data)):
            if start == 20:
                await (await websocket.ping())
            yield data[start : start + 1]

    await websocket.send(pieces(), text=True)
    assert (await raw.receive())["id"] == 7


async def test_each_frame_is_one_message(server: Server) -> None:
    """Two requests in one frame are no message, and half a request in each of two frames is none either."""
    raw = await server.raw("ws")
    text = json.dumps(HELLO)
    assert (await raw.ask(text + text))["id"] == -1
    await raw.send(text[:10])
    await raw.send(text[10:])
    assert [(await raw.receive())["id"] for _ in range(2)] == [-1, -1]
    assert (await raw.ask(text))["id"] == 1


async def test_each_message_is_one_text_frame(server: Server) -> None:
    """Replies come as text, one to a frame, each with its line feed."""
    websocket = websocket_of(await server.raw("ws"))
    for _ in range(3):
        await websocket.send(json.dumps(HELLO))
    for _ in range(3):
        frame = await websocket.recv()
        assert isinstance(frame, str)
        assert frame.count("\n") == 1
        assert json.loads(frame)["status"] == "success"


async def test_a_ping_is_answered(server: Server) -> None:
    """A ping has its pong, before and after the first message."""
    raw = await server.raw("ws")
    async with asyncio.timeout(PATIENCE):
        await (await websocket_of(raw).ping(b"one"))
        assert (await raw.ask(HELLO))["status"] == "success"
        await (await websocket_of(raw).ping(b"two"))


# What is no WebSocket


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 200 ", id="a browser"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", b"HTTP/1.1 405 ", id="a form"
        ),
        pytest.param(b'{"id": 1, "method": "JSONRPC.Hello"}\n', None, id="JSON"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 512, None, id="TLS"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", None, id="a long header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n" + UPGRADE + b"GET /", None, id="an upgrade and no frame"),
        pytest.param(b"", None, id="nothing"),
    ],
)
async def test_what_is_no_upgrade_harms_nobody(
    start_server: StartServer, sent: bytes, status: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever comes in place of an upgrade gets no answer of the API, and the server goes on."""
    server = await start_server(limits={"handshake_time": 0.5})
    answer = await answer_to(server, sent)
    assert status is None or answer.startswith(status)
    assert b'"status":' not in answer
    assert (await (await server.raw("ws")).ask(HELLO))["status"] == "success"
    ours = [record for record in caplog.records if record.name.startswith("nymead_users")]
    assert [record for record in ours if record.levelno >= logging.ERROR] == []


# The end


async def test_a_server_that_ends_says_that_it_goes_away(tmp_path: Path) -> None:
    """Clients are told with code 1001 when the server shuts down."""
    settings = Settings(data_dir=tmp_path / "data", listeners=["ws://127.0.0.1:0"], argon2=CHEAP_ARGON2)
    async with running(settings) as server:
        (endpoint,) = server.endpoints
        websockets = [await connect(str(endpoint), proxy=None) for _ in range(3)]
        await websockets[0].send(json.dumps(HELLO))
        assert json.loads(await websockets[0].recv())["status"] == "success"
    for websocket in websockets:
        assert await closed(websocket) == 1001


async def test_a_client_may_close_at_any_time(server: Server) -> None:
    """A client that closes is answered with its own code, even behind requests that it sends last."""
    raw = await server.raw("ws")
    websocket = websocket_of(raw)
    assert (await raw.ask(HELLO))["status"] == "success"
    await websocket.send(json.dumps(HELLO))
    await websocket.close(1000, "bye")
    assert websocket.close_code == 1000
    vanishing = websocket_of(await server.raw("ws"))
    await vanishing.send(json.dumps(HELLO))
    vanishing.transport.abort()
    assert (await (await server.raw("ws")).ask(HELLO))["status"] == "success"
