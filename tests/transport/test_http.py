from __future__ import annotations

import asyncio
import json
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from conftest import PATIENCE, Server, StartServer
from websockets.asyncio.client import connect

from nymead_users.console import console_site

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def ask(server: Server, path: str, *lines: str, method: str = "GET", host: str | None = None) -> Answer:
    """One request, as it is: nothing normalises its path."""
    where = urlsplit(server.url("ws"))
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = [f"{method} {path} HTTP/1.1", f"Host: {where.netloc if host is None else host}", *lines, "", ""]
    writer.write("\r\n".join(head).encode())
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    top, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = top.decode().split("\r\n")
    return Answer(int(first.split()[1]), dict(line.split(": ", 1) for line in rest), body)


async def assets(server: Server) -> list[str]:
    page = await ask(server, "/")
    return re.findall(r'(?:src|href)="(assets/[^"]+)"', page.body.decode())


async def test_start_page(server: Server) -> None:
    """The start page is HTML that names its scripts and styles by their content."""
    page = await ask(server, "/")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert int(page.headers["Content-Length"]) == len(page.body)
    found = await assets(server)
    assert any(path.endswith("/main.js") for path in found)
    for path in found:
        assert re.match(r"assets/[0-9a-f]{16}/", path)
        assert (await ask(server, f"/{path}")).status == 200


@pytest.mark.parametrize("path", ["/", "/nothing", "/healthz", "/openrpc.json"])
async def test_security_headers(server: Server, path: str) -> None:
    """Every answer carries the headers that keep pages in and strangers out."""
    headers = (await ask(server, path)).headers
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Server" not in headers


async def test_content_types(server: Server) -> None:
    """Scripts, styles and pictures say what they are."""
    kinds = {path.rsplit(".", 1)[1]: path for path in await assets(server)}
    for suffix, kind in {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}.items():
        assert (await ask(server, f"/{kinds[suffix]}")).headers["Content-Type"].startswith(kind)


async def test_contract(server: Server) -> None:
    """/openrpc.json is what rpc.discover answers."""
    raw = await server.raw("ws")
    reply = await raw.ask({"jsonrpc": "2.0", "id": 1, "method": "rpc.discover"})
    answer = await ask(server, "/openrpc.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.body) == reply["result"]


async def test_sign_of_life(server: Server) -> None:
    """/healthz answers while the server runs, whatever it is called."""
    answer = await ask(server, "/healthz", host="whatever.example")
    assert (answer.status, answer.body) == (200, b"ok\n")


async def test_caching(server: Server) -> None:
    """The page is asked for again and comes only if it changed; what it loads is kept for ever."""
    page = await ask(server, "/")
    assert page.headers["Cache-Control"] == "no-cache"
    for condition in (page.headers["ETag"], f'"other", W/{page.headers["ETag"]}', "*"):
        again = await ask(server, "/", f"If-None-Match: {condition}")
        assert (again.status, again.body) == (304, b"")
        assert again.headers["ETag"] == page.headers["ETag"]
    assert (await ask(server, "/", 'If-None-Match: "other"')).status == 200
    asset = await ask(server, f"/{(await assets(server))[0]}")
    assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["/", "/healthz", "/nothing"])
async def test_head(server: Server, path: str) -> None:
    """HEAD answers as GET does, without the body."""
    get, head = await ask(server, path), await ask(server, path, method="HEAD")
    assert head.body == b""
    assert head.status == get.status
    get.headers.pop("Date"), head.headers.pop("Date")
    assert head.headers == get.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
@pytest.mark.parametrize("body", ["", "x=1"])
async def test_other_methods(server: Server, method: str, body: str) -> None:
    """Nothing but GET and HEAD is done, with a body or without."""
    lines = [f"Content-Length: {len(body)}", "", body] if body else []
    answer = await ask(server, "/", *lines, method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/assets/../../__init__.py",
        "/assets/%2e%2e/%2e%2e/__init__.py",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/./",
        "/__init__.py",
        "/index.html/",
        "/%00",
        "/\\..\\..\\app.py",
        "*",
        "http://[",
        "/a" * 3000,
    ],
)
async def test_nowhere_to_escape_to(server: Server, path: str) -> None:
    """What is not in the table of files is not there, however it is written."""
    assert (await ask(server, path)).status == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "localhost.evil.example:80"])
async def test_foreign_host(server: Server, host: str) -> None:
    """Pages are shown under the names of this machine only."""
    assert (await ask(server, "/", host=host)).status == 403
    assert (await ask(server, f"/{(await assets(server))[0]}", host=host)).status == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:4444", "127.0.0.1", "[::1]:4444", "192.168.1.5:4444"])
async def test_own_hosts(server: Server, host: str) -> None:
    """Addresses, localhost and the machine's own name always work."""
    assert (await ask(server, "/", host=host)).status == 200
    assert (await ask(server, "/", host=socket.gethostname())).status == 200


async def test_allowed_host(start_server: StartServer) -> None:
    """The operator can allow further names."""
    server = await start_server(allowed_hosts=["home.example.org"])
    assert (await ask(server, "/", host="home.example.org")).status == 200


async def test_websockets_beside_pages(home: Server) -> None:
    """The same port still speaks WebSocket, at any path."""
    async with connect(f"{home.url('ws')}/some/where", proxy=None) as websocket:
        await websocket.send('{"id": 1, "method": "JSONRPC.Hello"}')
        assert json.loads(await websocket.recv())["status"] == "success"


def test_asset_paths_change_with_content() -> None:
    """The site is made anew from its files each time, with the same paths for the same files."""
    one, two = console_site(b"{}"), console_site(b"{}")
    assert one.find("/") is not None
    assert one.find("/") == two.find("/")
    assert one.find("/?query#fragment") == one.find("/")
