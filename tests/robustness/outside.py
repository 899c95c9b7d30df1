"""What the robustness stories share: a server's process seen from outside, and a network of its own for it."""

from __future__ import annotations

import asyncio
import resource
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from conftest import PASSWORD, PATIENCE, Process

from nymead_users.client import Client
from nymead_users.endpoint import Endpoint

MB = 1 << 20

#: The server as it is run.
PROGRAM = (sys.executable, "-m", "nymead_users")

OK = {"error": "UserErrorNoError"}
BACKEND_ERROR = {"error": "UserErrorBackendError"}
BUSY = "Server busy. Try again later."
#: The beginning of a WebSocket, as a client's bytes.
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

#: As many things as make a user of 390 KB.
THINGS = [str(UUID(int=number)) for number in range(10_000)]

HELLO = b'{"id":0,"method":"JSONRPC.Hello"}\n'


async def set_up(process: Process) -> None:
    """Make the first administrator."""
    async with await Client.connect(process.url()) as client:
        await client.hello()
        assert await client.call("JSONRPC.CreateUser", {"username": "admin", "password": PASSWORD}) == OK


async def login(url: str, *, dialect: Any = "nymea") -> Client:
    """A client that is logged in as the administrator."""
    client = await Client.connect(url, dialect=dialect, timeout=3 * PATIENCE)
    await client.hello()
    assert await client.authenticate("admin", PASSWORD, "a device") is not None
    return client


async def until(happened: Callable[[], bool]) -> None:
    """Wait for something that shows only if it is looked at."""
    async with asyncio.timeout(3 * PATIENCE):
        while not happened():  # noqa: ASYNC110 - there is nothing to wait for in another process
            await asyncio.sleep(0.01)


class Memory:
    """How much more memory a process has had resident at once than at the beginning."""

    def __init__(self, process: Process) -> None:
        self._process = Path(f"/proc/{process.pid}")
        (self._process / "clear_refs").write_text("5")  # proc(5): the peak begins anew
        self._before = self._bytes("VmRSS")

    @property
    def growth(self) -> int:
        """In bytes, at its peak."""
        return self._bytes("VmHWM") - self._before

    def _bytes(self, name: str) -> int:
        lines = (self._process / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


def open_files(process: Process) -> int:
    """How many files and sockets a process has open."""
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def limit_files(process: Process, size: int) -> None:
    """Let a process write no further than so many bytes into any file, as a full disk would; -1 for no limit."""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def store_of(data_dir: Path) -> Path:
    return data_dir / "nymead-users.sqlite"


def unsound(data_dir: Path) -> list[str]:
    """What SQLite itself finds wrong with a store."""
    with closing(sqlite3.connect(store_of(data_dir))) as store:
        found = [row[0] for row in store.execute("PRAGMA integrity_check")]
        found += [str(row) for row in store.execute("PRAGMA foreign_key_check")]
    return [line for line in found if line != "ok"]


def small_socket(url: str) -> socket.socket:
    """A connected socket that takes in little before somebody reads from it."""
    endpoint = Endpoint.parse(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((endpoint.host, endpoint.port))
    connection.setblocking(False)
    return connection


def unverified() -> ssl.SSLContext:
    """TLS that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether nothing more comes."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await reader.read() == b""
    except ConnectionError:
        return True


async def ends(streams: Iterable[tuple[asyncio.StreamReader, asyncio.StreamWriter]], number: int) -> None:
    """Wait until so many of these connections, and no more, have been ended by the server."""
    reading = {asyncio.ensure_future(ended(reader)) for reader, _ in streams}
    left = reading
    async with asyncio.timeout(PATIENCE):
        while len(reading) - len(left) < number:
            _, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
    assert len(reading) - len(left) == number
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left)


# A network of its own

#: Two addresses that are nobody's (RFC 5737), which the network has beside loopback.
HERE, THERE = "192.0.2.1", "192.0.2.2"

_NETWORK = 'ip link set lo up && ip address add 192.0.2.1/24 dev lo && ip address add 192.0.2.2/24 dev lo && exec "$@"'

#: Connects so many times from one address to another, and hands the sockets over.
_CONNECT = """
import socket, sys
source, host, port, number = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
sockets = [socket.create_connection((host, port), source_address=(source, 0)) for _ in range(number)]
with socket.socket(fileno=0) as receiver:
    socket.send_fds(receiver, [b"."], [connection.fileno() for connection in sockets])
"""


def network(*program: str) -> Sequence[str]:
    """The command that runs a program in a network of its own; skips the test where that is not possible."""
    for command in ("unshare", "nsenter", "ip"):
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not there: apt-get install util-linux iproute2")
    own = ("unshare", "--user", "--map-root-user", "--net", "sh", "-c", _NETWORK, "sh")
    tried = subprocess.run([*own, "true"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    if tried.returncode:
        pytest.skip(f"no network of one's own here: {tried.stderr.strip()}")
    return (*own, *program)


def within(process: Process, *command: str) -> Sequence[str]:
    """The command that runs another one in the network of a server."""
    return ("nsenter", "--preserve-credentials", "--user", "--net", f"--target={process.pid}", *command)


async def connect_within(process: Process, url: str, source: str, number: int = 1) -> list[socket.socket]:
    """Sockets in the network of a server, connected to it from one of its addresses."""
    endpoint = Endpoint.parse(url)
    mine, theirs = socket.socketpair()
    with mine, theirs:
        arguments = ("-c", _CONNECT, source, endpoint.host, str(endpoint.port), str(number))
        command = within(process, sys.executable, *arguments)
        await asyncio.to_thread(lambda: subprocess.run(command, stdin=theirs.fileno(), timeout=PATIENCE, check=True))
        _, descriptors, _, _ = socket.recv_fds(mine, 1, number)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


async def cut(process: Process) -> None:
    """Lose, from here on, everything that is sent in the network of a server; nobody is told."""
    await asyncio.to_thread(
        subprocess.run, within(process, "ip", "link", "set", "lo", "down"), timeout=PATIENCE, check=True
    )
