"""A server to throw things at, which runs in a thread of its own, and what must be true whatever is thrown."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import hypothesis
import uvloop
from conftest import CHEAP_ARGON2, PASSWORD, PATIENCE, Dialect, Transport
from hypothesis import HealthCheck

from nymead_users.app import running
from nymead_users.config import Settings
from nymead_users.endpoint import Endpoint
from nymead_users.wire.framing import BrokenText, parse

#: With FUZZ set, that many examples of each kind, and others each time; without, a few, and always the same.
EXAMPLES = int(os.environ.get("FUZZ", "0"))


def settings(examples: int) -> hypothesis.settings:
    """How often a test is run with other data."""
    return hypothesis.settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )


class Errors(logging.Handler):
    """Keeps whatever the server says went wrong."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter().format(record))


class Line:
    """A connection that carries a stream, for a program without an event loop."""

    def __init__(self, url: str) -> None:
        endpoint = Endpoint.parse(url)
        if endpoint.unix:
            self.socket: socket.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(endpoint.path)
        else:
            self.socket = socket.create_connection((endpoint.host, endpoint.port), timeout=PATIENCE)
        if endpoint.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self._file = self.socket.makefile("rb")
        #: Whether the connection was reset, as it is when the server closes it before it has read everything. What
        #: the server had said may be lost with it.
        self.reset = False

    def send(self, data: bytes) -> None:
        """Send what the server takes before it closes the connection."""
        try:
            self.socket.sendall(data)
        except (ConnectionError, ssl.SSLError):
            return

    def hang_up(self) -> None:
        """Send nothing more."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def line(self) -> bytes:
        """The next line; nothing at the end."""
        try:
            return self._file.readline()
        except (ConnectionError, ssl.SSLError):
            self.reset = True
            return b""

    def rest(self) -> bytes:
        """Whatever still comes."""
        return b"".join(iter(self.line, b""))

    def call(self, method: str, params: Any = None) -> Any:
        """Call a method in JSON-RPC 2.0; its result."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        self.send(json.dumps(message).encode() + b"\n")
        return json.loads(self.line())["result"]

    def exchange(self, requests: list[bytes]) -> list[bytes]:
        """Send requests in one go, and nothing more; the lines that come."""
        for request in requests:
            self.send(request)
        self.hang_up()
        return list(iter(self.line, b""))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the connection."""
        self._file.close()
        self.socket.close()


#: A WebSocket's beginning.
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(data: bytes, opcode: int = 1) -> bytes:
    """A client's frame (RFC 6455): text, unless it is said otherwise."""
    size = len(data)
    if size < 126:
        head = bytes([0x80 | size])
    elif size < 1 << 16:
        head = b"\xfe" + size.to_bytes(2, "big")
    else:
        head = b"\xff" + size.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + head + bytes(4) + data  # a mask of zeros changes nothing


class Frames(Line):
    """A WebSocket connection that looks like a stream: each ``send`` is a frame, each frame that comes a line."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        super().send(UPGRADE)
        while super().line().strip():
            pass

    def send(self, data: bytes) -> None:
        super().send(frame(data))

    def hang_up(self) -> None:
        super().send(frame(b"", 8))

    def exchange(self, requests: list[bytes]) -> list[bytes]:
        """Send requests, each when the one before is answered, for who closes gets no answer; the lines that come."""
        lines = []
        for request in requests:
            self.send(request)
            while line := self.line():
                lines.append(line)
                if not is_notification(json.loads(line)):
                    break
        self.hang_up()
        return lines

    def line(self) -> bytes:
        """What is in the next text frame; nothing once the server closes."""
        try:
            while head := self._file.read(2):
                size = head[1]
                if size >= 126:
                    size = int.from_bytes(self._file.read(2 if size == 126 else 8), "big")
                data = self._file.read(size)
                if head[0] == 0x81:
                    return data
                assert head[0] in (0x88, 0x89, 0x8A), head
                if head[0] == 0x88:
                    return b""
        except (ConnectionError, ssl.SSLError):
            self.reset = True
        return b""


class Bystander(threading.Thread):
    """Somebody else, who calls over TCP all the while and remembers the longest wait for an answer, in seconds."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._over = threading.Event()
        self.longest = 0.0
        self.served = 0

    def run(self) -> None:
        with Line(self._url) as line:
            while not self._over.wait(0.01):
                begin = time.monotonic()
                line.call("JSONRPC.Hello")
                self.longest = max(self.longest, time.monotonic() - begin)
                self.served += 1

    def end(self) -> None:
        """It was there to the end, and was always served."""
        alive = self.is_alive()
        self._over.set()
        self.join(PATIENCE)
        assert alive
        assert self.served
        assert self.longest < PROMPT


#: Seconds for an answer while anything is thrown at the server: many times what the worst of it takes, on a machine
#: that has other things to do.
PROMPT = 5.0


class Target:
    """The server, the connections of somebody else that it serves meanwhile, and its errors."""

    def __init__(self, urls: list[str], operator: Line, errors: Errors) -> None:
        self.tcp, self.ws, self.free, self.free_ws = urls
        self._errors = errors
        self._operator = operator
        self._token = ""

    def token(self) -> str:
        """The token of an administrator, who is made anew where he was removed."""
        hello = self._operator.call("JSONRPC.Hello", {"token": self._token})
        if not hello.get("authenticated") or "PermissionScopeAdmin" not in hello["permissionScopes"]:
            self._operator.call("Users.RemoveUser", {"username": "fuzzed"})
            self._operator.call("Users.CreateUser", {"username": "fuzzed", "password": PASSWORD})
            login = {"username": "fuzzed", "password": PASSWORD, "deviceName": "fuzzer"}
            self._token = self._operator.call("JSONRPC.Authenticate", login)["token"]
        return self._token

    def line(self, transport: Transport, *, free: bool = False) -> Line:
        """A new connection, to the listener that asks for no token if ``free``."""
        if transport == "ws":
            return Frames(self.free_ws if free else self.ws)
        return Line(self.free if free else self.tcp)

    def contract(self) -> dict[str, Any]:
        """The API as the server describes it."""
        contract: dict[str, Any] = self._operator.call("JSONRPC.Introspect")
        return contract

    def ids(self) -> list[str]:
        """Ids of one thing of each kind about doors, made anew."""
        call = self._operator.call
        owner = call("Access.GetOwners")["owners"][0]["id"]
        person = call("Access.AddPerson", {"ownerId": owner})["person"]["id"]
        lock = call("Access.AddLock", {"ownerId": owner, "title": "Door", "timeZone": "Europe/Vienna"})["lock"]["id"]
        value = str(int(person[:8], 16))
        key = {"type": "proximity", "value": value, "personId": person, "pin": "1234"}
        credential = call("Access.AddCredential", key)["credential"]["id"]
        about = {"ownerAccountId": owner}
        group = call("LockGroups.CreateLockGroup", {**about, "title": "Doors"})["lockGroup"]["id"]
        joining = {**about, "lockGroupId": group, "boundLockId": lock}
        member = call("LockGroups.AddMembership", joining)["membership"]["id"]
        grant = call("Access.AddGrant", {"personId": person, "lockGroupId": group})["grant"]["id"]
        direct = call("Access.AddGrant", {"credentialId": credential, "lockId": lock})["grant"]["id"]
        sharing = {"lockId": lock, "userId": "+4781549300"}
        role = call("LockRoles.SetRole", {"lockHolderId": owner, **sharing, "canShare": True})["role"]["id"]
        shown = {"key": {"identification": str(int(lock[:8], 16)), "type": "proximity"}, "accessLevels": [group]}
        access_key = call("AccessKeys.AddAccessKey", {**shown, "ownerId": owner})["accessKey"]["id"]
        (item, *_) = call("Access.GetPendingSync", {"lockId": lock})["items"]
        return [owner, person, lock, credential, group, member, grant, direct, item["id"], role, access_key]

    def unharmed(self) -> None:
        """Somebody else is served, and nothing went wrong inside."""
        assert self._operator.call("JSONRPC.KeepAlive", {"sessionId": "alive"})["sessionId"] == "alive"
        assert self._errors.lines == []


@contextmanager
def target_in(directory: Path) -> Iterator[Target]:
    """A server that has been set up, with listeners for TCP and WebSocket, each with and without tokens."""
    chosen: dict[str, Any] = {
        "data_dir": directory / "data",
        "listeners": [
            "nymea://127.0.0.1:0",
            "ws://127.0.0.1:0",
            {"url": "nymea://127.0.0.1:0", "authentication": False},
            {"url": "ws://127.0.0.1:0", "authentication": False},
        ],
        "argon2": CHEAP_ARGON2,
        "throttling": {"free_attempts": 1_000_000},
        "push_button": True,
        "log": {"level": "debug"},  # so that what methods return is checked
    }
    urls: list[str] = []
    up, over = threading.Event(), asyncio.Event()
    loop = uvloop.new_event_loop()

    async def serve() -> None:
        async with running(Settings(**chosen)) as server:
            urls.extend(str(endpoint) for endpoint in server.endpoints)
            up.set()
            await over.wait()

    errors = Errors()
    logging.getLogger().addHandler(errors)
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert up.wait(PATIENCE)
        with Line(f"unix://{directory}/data/control.sock") as operator:
            target = Target(urls, operator, errors)
            target.token()
            bystander = Bystander(target.tcp)
            bystander.start()
            try:
                yield target
            finally:
                bystander.end()
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(PATIENCE)
        loop.close()
        logging.getLogger().removeHandler(errors)
    assert errors.lines == []


def replies(text: bytes, dialect: Dialect | None = None) -> list[Any]:
    """The messages in what a server sent, each of which has to be right in this dialect, or else in one of the two."""
    lines = text.split(b"\n")
    assert lines.pop() == b"", f"an unfinished message: {text[-200:]!r}"
    messages = [json.loads(line) for line in lines]
    for message in messages:
        is_jsonrpc2 = isinstance(message, list) or "jsonrpc" in message
        assert dialect in (None, "jsonrpc2" if is_jsonrpc2 else "nymea"), message
        if isinstance(message, list):
            assert message
            for member in message:
                _check_jsonrpc2(member)
        elif is_jsonrpc2:
            _check_jsonrpc2(message)
        else:
            _check_nymea(message)
    return messages


def echo(request: bytes, dialect: Dialect) -> Any:
    """The id with which a request has to be answered."""
    message = parse(request)
    if isinstance(message, BrokenText):
        return -1 if dialect == "nymea" else None
    if dialect == "nymea":
        return message["id"] if type(message["id"]) is int else 0
    well_formed = (
        isinstance(message["method"], str)
        and isinstance(message["params"], dict | list)
        and isinstance(message.get("token"), str | None)
        and isinstance(message["id"], str | int | float | None)
        and not isinstance(message["id"], bool)
    )
    return message["id"] if well_formed else None


def hold(line: Line, requests: list[bytes], dialect: Dialect) -> list[Any]:
    """Send requests, each with an id, and hold the answers against them; the answers.

    Each has its own, in order and with its id, unless the connection was closed after one of them.
    """
    told = [message for message in replies(b"".join(line.exchange(requests)), dialect) if not is_notification(message)]
    assert [message["id"] for message in told] == [echo(request, dialect) for request in requests][: len(told)]
    assert len(told) == len(requests) or line.reset or (told and _closes(told[-1])), told
    return told


def is_notification(message: Any) -> bool:
    """Whether a message from the server, of whatever dialect, answers nothing."""
    return isinstance(message, dict) and ("notification" in message or "method" in message)


def _closes(message: dict[str, Any]) -> bool:
    """Whether an answer is the last one: the connection is closed after it."""
    if "jsonrpc" in message:
        code: int | None = message.get("error", {}).get("code")
        return code in (-32001, -32002)
    text: str = message.get("error", "")
    return message["status"] == "unauthorized" or text.startswith("Handshake required.")


def _check_jsonrpc2(message: dict[str, Any]) -> None:
    assert message["jsonrpc"] == "2.0"
    if "method" in message:
        assert message.keys() == {"jsonrpc", "method", "params"}
        return
    assert message.keys() in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"})
    assert isinstance(message["id"], str | int | float | None)
    assert not isinstance(message["id"], bool)
    if "error" in message:
        assert message["error"].keys() - {"data"} == {"code", "message"}
        assert message["error"]["code"] != -32603, message


def _check_nymea(message: dict[str, Any]) -> None:
    assert type(message["id"]) is int
    if "notification" in message:
        assert message.keys() == {"id", "notification", "params"}
    elif message["status"] == "success":
        assert message.keys() == {"id", "status", "params"}
        assert isinstance(message["params"], dict)
    else:
        assert message["status"] in ("error", "unauthorized")
        assert message.keys() == {"id", "status", "error"}
        assert not message["error"].startswith("Internal error"), message
