"""A server to throw things at, which runs in a thread of its own, and what must be true whatever is thrown."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import hypothesis
import uvloop
from conftest import CHEAP_ARGON2, PASSWORD, PATIENCE
from hypothesis import HealthCheck

from nymead_users.app import running
from nymead_users.config import Settings
from nymead_users.endpoint import Endpoint

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the connection."""
        self._file.close()
        self.socket.close()


class Target:
    """The server, the connection of somebody else that it serves meanwhile, and its errors."""

    def __init__(self, urls: list[str], operator: Line, errors: Errors) -> None:
        self.tcp, self.ws, self.free = urls
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
        (item, *_) = call("Access.GetPendingSync", {"lockId": lock})["items"]
        return [owner, person, lock, credential, group, member, grant, direct, item["id"]]

    def unharmed(self) -> None:
        """Somebody else is served, and nothing went wrong inside."""
        assert self._operator.call("JSONRPC.KeepAlive", {"sessionId": "alive"})["sessionId"] == "alive"
        assert self._errors.lines == []


@contextmanager
def target_in(directory: Path) -> Iterator[Target]:
    """A server that has been set up, with a listener for TCP, one for WebSocket, and one that asks for no token."""
    chosen: dict[str, Any] = {
        "data_dir": directory / "data",
        "listeners": [
            "nymea://127.0.0.1:0",
            "ws://127.0.0.1:0",
            {"url": "nymea://127.0.0.1:0", "authentication": False},
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
            yield target
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(PATIENCE)
        loop.close()
        logging.getLogger().removeHandler(errors)
    assert errors.lines == []


def replies(text: bytes) -> list[Any]:
    """The messages in what a server sent, each of which has to be right in one of the dialects."""
    lines = text.split(b"\n")
    assert lines.pop() == b"", f"an unfinished message: {text[-200:]!r}"
    messages = [json.loads(line) for line in lines]
    for message in messages:
        if isinstance(message, list):
            assert message
            for member in message:
                _check_jsonrpc2(member)
        elif "jsonrpc" in message:
            _check_jsonrpc2(message)
        else:
            _check_nymea(message)
    return messages


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
