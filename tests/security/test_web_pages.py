"""A web page in somebody's browser at home wants to reach the server: cross-site, or by DNS rebinding."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import socket

import pytest
from conftest import PASSWORD, PATIENCE, Server, StartServer, Transport
from house import collected

EVIL = "https://evil.example"


async def exchange(url: str, data: bytes) -> bytes:
    """All that a server sends to a peer that says this, and no more, and then listens."""
    scheme, _, address = url.partition("://")
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        if scheme == "nymea":
            # Here the server would wait for more; a WebSocket listener ends what is no upgrade.
            writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def upgrade(url: str, *headers: str) -> int:
    """Ask for an upgrade with these headers; the status of the answer."""
    host, _, port = url.partition("://")[2].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = [
            "GET / HTTP/1.1",
            *headers,
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        async with asyncio.timeout(PATIENCE):
            return int((await reader.readline()).split()[1])
    finally:
        writer.close()


def port_of(server: Server) -> str:
    return server.url("ws").rpartition(":")[2]


FOREIGN = [
    (EVIL, "127.0.0.1:{port}"),
    ("http://evil.example", "localhost:{port}"),
    ("null", "127.0.0.1:{port}"),
    ("", "127.0.0.1:{port}"),
    ("file://", "127.0.0.1:{port}"),
    # Another service on the same machine, or the same name by another scheme or port.
    ("http://127.0.0.1", "127.0.0.1:{port}"),
    ("http://127.0.0.1:80", "127.0.0.1:{port}"),
    ("https://127.0.0.1:{port}", "127.0.0.1:{port}"),
    ("http://localhost:{port}", "127.0.0.1:{port}"),
    # Look-alikes of the server's own origin.
    ("http://127.0.0.1:{port}.evil.example", "127.0.0.1:{port}"),
    ("http://evil.example/127.0.0.1:{port}", "127.0.0.1:{port}"),
    ("http://127.0.0.1:{port}@evil.example", "127.0.0.1:{port}"),
    ("http://127.0.0.1:{port} http://evil.example", "127.0.0.1:{port}"),
]

REBOUND = [
    "evil.example:{port}",
    "evil.example",
    "localhost.evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "127.0.0.1.nip.io:{port}",
    "2130706433:{port}",
    "0x7f000001:{port}",
    "localhost.:{port}",
    "localhost:{port}@evil.example",
    "[::1:{port}",
    "",
]


async def test_a_page_from_elsewhere_gets_no_websocket(home: Server) -> None:
    """A foreign page is refused, even under an address that is the server's own."""
    port = port_of(home)
    for origin, host in FOREIGN:
        headers = f"Host: {host}".format(port=port), f"Origin: {origin}".format(port=port)
        assert await upgrade(home.url("ws"), *headers) == 403, headers


async def test_a_page_whose_name_was_made_to_point_here_gets_no_websocket(home: Server) -> None:
    """A page whose origin matches its Host is refused under a name that is not the server's: DNS rebinding."""
    for host in REBOUND:
        name = host.format(port=port_of(home))
        assert await upgrade(home.url("ws"), f"Host: {name}", f"Origin: http://{name}") == 403, name


@pytest.mark.parametrize(
    "headers",
    [
        ["Host: 127.0.0.1:{port}", f"Origin: {EVIL}", "Origin: http://127.0.0.1:{port}"],
        ["Host: 127.0.0.1:{port}", "Origin: http://127.0.0.1:{port}", f"Origin: {EVIL}"],
        ["Host: evil.example", "Host: 127.0.0.1:{port}", "Origin: http://127.0.0.1:{port}"],
        [f"Origin: {EVIL}"],
    ],
)
async def test_contradicting_headers_get_no_websocket(home: Server, headers: list[str]) -> None:
    """Origin and Host may come once each: nothing gets in by saying both the right and the wrong thing."""
    status = await upgrade(home.url("ws"), *(header.format(port=port_of(home)) for header in headers))
    assert status in (400, 403)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}", "{name}:{port}"]
)
async def test_the_servers_own_pages_and_programs_get_their_websocket(home: Server, host: str) -> None:
    """The server's own origin is served under its own names, and programs, which send no Origin, under any."""
    name = host.format(port=port_of(home), name=socket.gethostname())
    assert await upgrade(home.url("ws"), f"Host: {name}", f"Origin: http://{name}") == 101
    assert await upgrade(home.url("ws"), "Host: any.name.example") == 101


async def test_what_the_operator_allows_is_served(start_server: StartServer) -> None:
    """A configured origin and a configured host name are served, each by itself and nothing similar."""
    server = await start_server(allowed_origins=["https://app.example"], allowed_hosts=["nymea.example"])
    url, port = server.url("ws"), port_of(server)
    assert await upgrade(url, f"Host: 127.0.0.1:{port}", "Origin: https://app.example") == 101
    assert await upgrade(url, f"Host: nymea.example:{port}", f"Origin: http://nymea.example:{port}") == 101
    assert await upgrade(url, f"Host: nymea.example:{port}", "Origin: https://app.example") == 101
    for origin in ("http://app.example", "https://app.example:8443", "https://app.example.evil.example"):
        assert await upgrade(url, f"Host: 127.0.0.1:{port}", f"Origin: {origin}") == 403
    assert await upgrade(url, f"Host: app.example:{port}", "Origin: https://app.example") == 403
    assert await upgrade(url, f"Host: x.nymea.example:{port}", f"Origin: http://x.nymea.example:{port}") == 403


async def test_a_refused_page_learns_nothing_and_leaves_one_line(server: Server) -> None:
    """The refusal does not say whether the server is set up, and the attempt is in the log, on one line."""
    port = port_of(server)
    request = (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {EVIL}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with collected() as lines:
        answer = (await exchange(server.url("ws"), request.encode())).decode().lower()
    assert answer.startswith("http/1.1 403")
    assert "nymea" not in answer
    assert "setup" not in answer
    assert "access-control-allow-origin" not in answer
    assert len(lines.named("upgrade refused")) == 1


def post(body: str, path: str = "/") -> bytes:
    """What a browser sends for a page's cross-site POST: no permission is asked for before."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 192.168.1.2:2222\r\nConnection: keep-alive\r\n"
        f"Content-Length: {len(body.encode())}\r\nUser-Agent: Mozilla/5.0\r\nContent-Type: text/plain;charset=UTF-8\r\n"
        f"Accept: */*\r\nOrigin: {EVIL}\r\nReferer: {EVIL}/\r\n\r\n{body}"
    ).encode()


def client_hello(ticket: str) -> bytes:
    """How a TLS connection begins that resumes a session with a ticket: whatever bytes an earlier server chose."""
    extension = b"\x00\x23" + len(ticket).to_bytes(2, "big") + ticket.encode()
    hello = b"\x03\x03" + b"r" * 32 + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    hello += len(extension).to_bytes(2, "big") + extension
    handshake = b"\x01" + len(hello).to_bytes(3, "big") + hello
    return b"\x16\x03\x01" + len(handshake).to_bytes(2, "big") + handshake


CREATE = {"username": "racer", "password": PASSWORD}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "JSONRPC.CreateUser", "params": CREATE}
BODIES = {
    "JSON-RPC 2.0": json.dumps(CALL),
    "nymea's dialect": json.dumps({"id": 1, "method": "JSONRPC.Hello"})
    + json.dumps({"id": 2, "method": "JSONRPC.CreateUser", "params": CREATE}),
    "a batch on lines": "\r\n\n" + json.dumps([CALL], indent=2) + "\n",
    "a form": f"--x\r\nContent-Disposition: form-data; name=x\r\n\r\n{json.dumps(CALL)}\r\n--x--\r\n",
}


async def nobody_was_made(server: Server) -> bool:
    operator = await server.operator()
    return bool((await operator.call("Users.GetUsers"))["users"] == [])


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_page_cannot_set_up_the_server_by_a_cross_site_post(
    server: Server, transport: Transport, body: str
) -> None:
    """A web page that posts JSON to any of the server's ports makes no user: its request is no message."""
    await exchange(server.url(transport), post(body))
    assert await nobody_was_made(server)


@pytest.mark.parametrize("first", [1, 4])
async def test_a_cross_site_post_in_pieces_is_none_the_less_one(server: Server, first: int) -> None:
    """However the network cuts a browser's request, it is told for what it is."""
    request = post(json.dumps(CALL))
    raw = await server.raw()
    await raw.send(request[:first])
    await (await server.client()).hello()  # by now the server has the first piece
    await raw.send(request[first:])
    raw._writer.write_eof()
    await raw.ends()
    assert await nobody_was_made(server)


async def test_a_page_cannot_set_up_the_server_by_the_ticket_of_a_tls_session(server: Server) -> None:
    """A page whose server left JSON in a TLS session ticket, and whose name then points here, makes no user."""
    await exchange(server.url(), client_hello(f"\n{json.dumps(CALL)}\n"))
    assert await nobody_was_made(server)


async def test_a_page_cannot_guess_passwords_by_a_cross_site_post(home: Server) -> None:
    """A web page in the owner's browser cannot try passwords from the owner's own address."""
    guess = {"username": "admin", "password": "Wr0ngwrong", "deviceName": "x"}
    call = {"jsonrpc": "2.0", "method": "JSONRPC.Authenticate", "params": guess}
    with collected() as lines:
        await exchange(home.url(), post(f"{json.dumps(call)}\n" * 3))
    assert lines.named("login failed") == []
