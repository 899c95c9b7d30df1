"""The server as its own process: start, announcement, refusals, stop, logs."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import stat
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, PATIENCE, Process, Raw, SpawnServer
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from nymead_users.client import Client, ConnectionFailed, PermissionDenied, Unauthorized
from nymead_users.storage.database import Database
from nymead_users.transport.tls import server_tls

NEXT_SETUP = (
    "Next: connect nymea-app or any client and make the first administrator, or run: nymead-users user add NAME"
)
NEXT_LOGIN = "Next: connect nymea-app or any client and log in."

#: The longest a stop may take, in seconds: what a person still waits for, and far below systemd's limit of 90.
STOP_TIME = 8.0

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING) \S.*")


async def stop(process: Process) -> str:
    """Stop the server; its log. It must end well, in time, and have logged nothing that alarms."""
    before = time.monotonic()
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    assert time.monotonic() - before < STOP_TIME
    log = await process.log()
    for line in log.splitlines():
        assert LOG_LINE.fullmatch(line), f"a strange line in the log: {line}"
    return log


async def refusal(process: Process) -> str:
    """Why the server did not start, in words alone."""
    assert await process.ended() == 1
    assert process._process.stdout is not None
    assert await process._process.stdout.read() == b""
    message = await process.log()
    assert message.startswith("Error: ")
    assert "Traceback" not in message
    return message


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def fingerprint_of(process: Process) -> str:
    """The fingerprint that was printed."""
    (line,) = (line for line in process.output if line.startswith("TLS certificate SHA-256 fingerprint: "))
    return line.rpartition(" ")[2]


def presented(port: int) -> str:
    """The fingerprint of the certificate that a TLS client sees, as people compare it."""
    der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))
    return hashlib.sha256(der).hexdigest().upper()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the other end closes or resets the connection."""
    data = b""
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(2**16):
                data += chunk
    return data


def in_use(*ports: int) -> bool:
    """Whether somebody on this machine has one of these ports."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return True
    return False


@pytest.fixture
async def children() -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Processes that a test starts itself; killed with the test."""
    started: list[asyncio.subprocess.Process] = []
    yield started
    for child in started:
        if child.returncode is None:
            child.kill()
        await child.communicate()


# Start


async def test_without_options_it_serves_this_machine(children: list[asyncio.subprocess.Process]) -> None:
    """Without options it listens on nymea's ports of loopback and keeps its data in the user's state directory."""
    if in_use(2222, 4444):
        pytest.skip("port 2222 or 4444 is taken on this machine")
    environ = {key: value for key, value in os.environ.items() if key != "XDG_STATE_HOME"}
    # pytest's own directory can be too long a path for the control socket.
    with tempfile.TemporaryDirectory() as home:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nymead_users", "serve"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**environ, "HOME": home},
        )
        children.append(child)
        assert child.stdout is not None
        assert child.stderr is not None
        async with asyncio.timeout(PATIENCE):
            lines = [(await child.stdout.readline()).decode() for _ in range(3)]
        if not lines[0] and b"Address already in use" in await child.stderr.read():
            pytest.skip("port 2222 or 4444 was taken meanwhile")
        assert lines == [
            "Listening on nymea://127.0.0.1:2222\n",
            "Listening on ws://127.0.0.1:4444\n",
            f"{NEXT_SETUP}\n",
        ]
        data_dir = Path(home, ".local/state/nymead-users")
        assert mode(data_dir) == 0o700
        assert mode(data_dir / "nymead-users.sqlite") == 0o600
        child.send_signal(signal.SIGINT)
        out, _ = await child.communicate()
        assert (child.returncode, out) == (0, b"")


async def test_every_transport_is_announced_and_answers(tmp_path: Path, spawn_server: SpawnServer) -> None:
    """Each listener is announced in order with its real port, the control socket is not, and all of them answer."""
    shared = tmp_path / "shared.sock"
    wanted = ("nymea://127.0.0.1:0", "nymeas://127.0.0.1:0", "ws://localhost:0", "wss://[::1]:0", f"unix://{shared}")
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    options = [text for url in wanted for text in ("--listen", url)]
    previous = os.umask(0)  # the modes must not depend on it
    try:
        process = await spawn_server(*options)
    finally:
        os.umask(previous)
    announced = [f"Listening on {url}" for url in process.urls]
    fingerprint = fingerprint_of(process)
    assert process.output == [
        *announced,
        f"TLS certificate SHA-256 fingerprint: {fingerprint}",
        f"{NEXT_SETUP} --data-dir {process.data_dir}",
    ]
    assert [re.sub("[0-9]+$", "0", url) for url in process.urls] == list(wanted)
    assert all(port_of(url) for url in process.urls[:4])
    assert re.fullmatch("([0-9A-F]{2}:){31}[0-9A-F]{2}", fingerprint)
    assert presented(port_of(process.url("nymeas"))) == fingerprint.replace(":", "")

    for url in (*process.urls, f"unix://{process.data_dir}/control.sock"):
        async with await Client.connect(url, fingerprint=fingerprint) as client:
            assert (await client.hello())["name"] == "nymea"
    other = fingerprint[:-1] + ("0" if fingerprint[-1] != "0" else "1")
    with pytest.raises(ConnectionFailed, match="another fingerprint"):
        await Client.connect(process.url("nymeas"), fingerprint=other)

    assert mode(process.data_dir) == 0o700
    modes = {path.name: mode(path) for path in (*process.data_dir.iterdir(), shared)}
    assert {"nymead-users.sqlite", "control.sock", "tls-cert.pem", "tls-key.pem", "shared.sock"} <= modes.keys()
    assert set(modes.values()) == {0o600}, modes

    await stop(process)
    assert not shared.exists()
    assert not (process.data_dir / "control.sock").exists()
    kept = {path.name: path.read_bytes() for path in process.data_dir.glob("tls-*.pem")}
    again = await spawn_server("--listen", "wss://127.0.0.1:0")
    assert fingerprint_of(again) == fingerprint
    assert {path.name: path.read_bytes() for path in process.data_dir.glob("tls-*.pem")} == kept


async def test_a_given_certificate_is_the_one_presented(tmp_path: Path, spawn_server: SpawnServer) -> None:
    """With a certificate and key of the operator's, clients that trust it connect, and none is made."""
    given = tmp_path / "given"
    given.mkdir()
    expected = server_tls(None, None, given).fingerprint
    certificate, key = given / "tls-cert.pem", given / "tls-key.pem"
    process = await spawn_server(
        *("--tls-cert", str(certificate), "--tls-key", str(key)),
        *("--listen", "nymeas://127.0.0.1:0", "--listen", "wss://127.0.0.1:0"),
        environ={"NYMEAD_USERS_INITIAL_SETUP": "off"},
    )
    assert fingerprint_of(process) == expected
    command = f"nymead-users user add NAME --data-dir {process.data_dir}"
    assert process.output[-1] == f"Next: make the first administrator: {command}"
    for url in process.urls:
        async with await Client.connect(url, ca_file=str(certificate)) as client:
            assert (await client.hello())["initialSetupRequired"] is True
    assert not list(process.data_dir.glob("*.pem"))


async def test_systemd_hears_of_start_and_stop(tmp_path: Path, spawn_server: SpawnServer) -> None:
    """A service manager is told when everything is up, and when the server stops."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        loop = asyncio.get_running_loop()
        process = await spawn_server(environ={"NOTIFY_SOCKET": str(tmp_path / "notify")}, up=False)
        async with asyncio.timeout(PATIENCE):
            assert await loop.sock_recv(manager, 4096) == b"READY=1"
            await process.up()
            process.signal(signal.SIGTERM)
            assert await loop.sock_recv(manager, 4096) == b"STOPPING=1"
        assert await process.ended() == 0


# One server per data directory


async def test_a_second_server_is_refused(spawn_server: SpawnServer) -> None:
    """A second server on the same data directory is refused with the reason; the first one serves on."""
    first = await spawn_server()
    message = await refusal(await spawn_server(up=False))
    assert f"{first.data_dir} is in use by another nymead-users (process {first.pid})" in message
    assert "--data-dir" in message
    for url in (first.url(), f"unix://{first.data_dir}/control.sock"):
        async with await Client.connect(url) as client:
            await client.hello()
    await stop(first)


async def test_a_killed_servers_leftovers_are_replaced(tmp_path: Path, spawn_server: SpawnServer) -> None:
    """After kill -9 the next server replaces the sockets that were left behind."""
    shared = tmp_path / "shared.sock"
    options = ("--listen", f"unix://{shared}", "--listen", "nymea://127.0.0.1:0")
    first = await spawn_server(*options)
    await first.kill()
    control = first.data_dir / "control.sock"
    assert control.is_socket()
    assert shared.is_socket()
    second = await spawn_server(*options)
    for path in (control, shared):
        async with await Client.connect(f"unix://{path}") as client:
            await client.hello()
    await stop(second)


# Refusals


async def test_wrong_settings_are_refused(tmp_path: Path, spawn_server: SpawnServer) -> None:
    """Wrong settings are refused at once, each with its key, where it was set, and the reason."""
    file = tmp_path / "nymead.toml"
    file.write_text("self_service = 1\n[limits]\nconection = 3\n")
    environ = {"NYMEAD_USERS_PUSH_BUTTON": "maybe", "NYMEAD_USERS_LISTEN": "nymea://127.0.0.1:0"}
    options = ("--config", str(file), "--listen", "http://127.0.0.1", "--listen", "nymea://0.0.0.0:0")
    message = await refusal(await spawn_server(*options, environ=environ, up=False))
    for expected in (
        f"limits.conection (file {file}): unknown setting; did you mean limits.connections?",
        f"self_service (file {file}): must be true or false, not 1",
        "push_button (environment NYMEAD_USERS_PUSH_BUTTON): must be true or false, not 'maybe'",
        "NYMEAD_USERS_LISTEN (environment): unknown variable",
        "listeners[0].url (option --listen): the URL must start with one of nymea://",
        "listeners[1] (option --listen): nymea://0.0.0.0:0 would send passwords and tokens in plaintext",
    ):
        assert expected in message
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            ["--listen", "nymeas://no-such-host.invalid:0"],
            "nymeas://no-such-host.invalid:0: no-such-host.invalid is no",
        ),
        (["--data-dir", "/dev/null"], "/dev/null is not a directory"),
    ],
    ids=["unknown host", "no directory"],
)
async def test_what_cannot_be_had_is_refused(spawn_server: SpawnServer, options: list[str], reason: str) -> None:
    """An address that is not this machine's and a data directory that is none are refused with the reason."""
    message = await refusal(await spawn_server(*options, up=False))
    assert reason in message
    assert message.count("\n") == 1


async def test_a_taken_port_is_refused(tmp_path: Path, spawn_server: SpawnServer) -> None:
    """Where another program has the port the server says so, and leaves no socket behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"nymea://127.0.0.1:{taken.getsockname()[1]}"
        message = await refusal(await spawn_server("--listen", url, up=False))
    assert f"{url}: cannot listen there: Address already in use" in message
    assert not (tmp_path / "data/control.sock").exists()


async def test_a_certificate_that_does_not_fit_is_refused(tmp_path: Path, spawn_server: SpawnServer) -> None:
    """A key that belongs to another certificate is refused, and both are named."""
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        server_tls(None, None, tmp_path / name)
    certificate, key = tmp_path / "mine/tls-cert.pem", tmp_path / "theirs/tls-key.pem"
    options = ("--tls-cert", str(certificate), "--tls-key", str(key), "--listen", "wss://127.0.0.1:0")
    message = await refusal(await spawn_server(*options, up=False))
    assert message == f"Error: {key} is not the key of the certificate {certificate}\n"


async def test_plaintext_beyond_loopback_needs_insecure(spawn_server: SpawnServer) -> None:
    """With --insecure the operator may listen in plaintext on every address."""
    process = await spawn_server("--insecure", "--listen", "ws://0.0.0.0:0")
    async with connect(f"ws://127.0.0.1:{port_of(process.url('ws'))}", proxy=None) as connection:
        await connection.send('{"id": 0, "method": "JSONRPC.Hello"}')
        assert json.loads(await connection.recv())["status"] == "success"


# Stores that must not be used


def corrupt(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:200] + os.urandom(len(content) - 200))


def foreign(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


def read_only(path: Path) -> None:
    path.chmod(0o400)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (corrupt, ["Restore a backup copy"]),
        (foreign, ["of another program"]),
        (newer, ["newer version", "9999", "Upgrade the program"]),
        (read_only, ["write-protected", "chmod u+w"]),
    ],
    ids=["corrupt", "foreign", "newer", "read-only"],
)
async def test_an_unusable_store_stops_the_start(
    tmp_path: Path, spawn_server: SpawnServer, spoil: Callable[[Path], None], words: list[str]
) -> None:
    """A store that can't be used stops the start with what to do about it, and the file stays as it is."""
    path = tmp_path / "data/nymead-users.sqlite"
    path.parent.mkdir(mode=0o700)
    await (await Database.open(path)).close()
    spoil(path)
    before = path.read_bytes(), path.stat().st_mtime_ns, mode(path)
    message = await refusal(await spawn_server(up=False))
    assert str(path) in message
    for word in words:
        assert word.lower() in message.lower()
    assert (path.read_bytes(), path.stat().st_mtime_ns, mode(path)) == before


# What arrives at the wrong port


async def test_the_wrong_protocol_is_sent_away(spawn_server: SpawnServer) -> None:
    """Plaintext on a TLS port ends at once, and so does TLS on a plaintext port; others are served, the log is calm."""
    process = await spawn_server(*(f"--listen={scheme}://127.0.0.1:0" for scheme in ("nymea", "nymeas", "ws", "wss")))
    hello = b'{"id": 0, "method": "JSONRPC.Hello"}\n'
    upgrade = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def plaintext(scheme: str, message: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(process.url(scheme)))
        writer.write(message)
        assert b"nymea" not in await rest(reader)
        writer.close()

    async def tls(scheme: str) -> None:
        context = ssl.create_default_context()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port_of(process.url(scheme)), ssl=context)

    before = time.monotonic()
    await asyncio.gather(
        *(plaintext(scheme, message) for scheme in ("nymeas", "wss") for message in (hello, upgrade, b"\0" * 5000)),
        *(tls(scheme) for scheme in ("nymea", "ws")),
    )
    assert time.monotonic() - before < 5.0  # half the time that silence is granted
    for url in process.urls:
        fingerprint = fingerprint_of(process)
        async with await Client.connect(url, fingerprint=fingerprint) as client:
            assert (await client.hello())["initialSetupRequired"] is True
    log = await stop(process)
    assert "Traceback" not in log
    assert "ssl" not in log.lower()


# Logs


async def test_the_log_has_a_line_for_each_event(spawn_server: SpawnServer) -> None:
    """Each connection, login, refusal and change has one line with connection, address and user, and no secrets."""
    process = await spawn_server("--log-format", "json")
    secrets = [PASSWORD, "Wr0ngPassword", "Changed123"]
    async with await Client.connect(process.url()) as admin, await Client.connect(process.url("ws")) as bob:
        await admin.hello()
        await admin.call("JSONRPC.CreateUser", {"username": "admin", "password": PASSWORD})
        assert await admin.authenticate("admin", "Wr0ngPassword", "phone") is None
        for client, name in ((admin, "admin"), (bob, "bob")):
            await client.hello()
            login = await client.authenticate(name, PASSWORD, f"{name}'s phone")
            assert login is not None
            secrets.append(login.token)
            if client is admin:
                params = {"username": "bob", "password": PASSWORD, "scopes": ["PermissionScopeControlThings"]}
                await admin.call("Users.CreateUser", params)
        with pytest.raises(PermissionDenied):
            await bob.call("Users.GetUsers")
        await admin.call("Users.SetUserScopes", {"username": "bob", "scopes": []})
        await admin.call("Users.SetUserInfo", {"username": "bob", "email": "bob@example.org"})
        (token,) = (await admin.call("Users.GetUserTokens", {"username": "bob"}))["tokenInfoList"]
        await admin.call("Users.RemoveToken", {"tokenId": token["id"]})
        with pytest.raises(Unauthorized):
            await bob.call("Users.GetUserInfo")
        await admin.call("Users.ChangeUserPassword", {"username": "bob", "newPassword": "Changed123"})
        await admin.call("Users.RemoveUser", {"username": "bob"})
        await bob.closed()
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    log = await process.log()
    for secret in secrets:
        assert secret not in log

    lines = [json.loads(line) for line in log.splitlines()]
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in lines)
    told: dict[str, list[tuple[Any, ...]]] = {"c1": [], "c2": []}
    for line in lines:
        if "connection" in line:
            assert line["address"].startswith("127.0.0.1:")
            entry = (line["level"], line["message"], line.get("user"), line.get("account", line.get("method")))
            told[line["connection"]].append(entry)
    assert told["c1"] == [
        ("info", "connected", None, None),
        ("warning", "initial setup done", None, "admin"),
        ("warning", "login failed", None, "admin"),
        ("info", "logged in", None, "admin"),
        ("info", "user added", "admin", "bob"),
        ("info", "user scopes changed", "admin", "bob"),
        ("info", "user info changed", "admin", "bob"),
        ("info", "token removed", "admin", "bob"),
        ("info", "password changed", "admin", "bob"),
        ("info", "user removed", "admin", "bob"),
        ("info", "disconnected", "admin", None),
    ]
    assert told["c2"] == [
        ("info", "connected", None, None),
        ("info", "logged in", None, "bob"),
        ("info", "permission denied", "bob", "Users.GetUsers"),
        ("info", "cut off: the token is no longer valid", "bob", None),
        ("info", "unauthorized", None, "Users.GetUserInfo"),
        ("info", "disconnected", None, None),
    ]
    assert [line["message"] for line in lines if "connection" not in line] == [
        "server started",
        "server stopping",
        "server stopped",
    ]


async def test_a_clients_text_stays_in_its_log_line(spawn_server: SpawnServer) -> None:
    """No text from a client breaks out of its line of the log."""
    process = await spawn_server()
    async with await Client.connect(process.url()) as client:
        await client.hello()
        await client.call("JSONRPC.CreateUser", {"username": "admin", "password": PASSWORD})
        forged = "admin\n2026-01-01T00:00:00.000Z INFO logged in connection=c1 user=admin"
        assert await client.authenticate(forged, PASSWORD, "phone") is None
    log = await stop(process)
    (line,) = (line for line in log.splitlines() if "2026-01-01t" in line.lower())
    assert " WARNING login failed " in line


async def test_a_refused_upgrade_is_logged_with_its_address(spawn_server: SpawnServer) -> None:
    """A web page that is refused leaves a line with its address, called as in all other lines."""
    process = await spawn_server("--log-format", "json")
    with pytest.raises(InvalidStatus):
        await connect(process.url("ws"), proxy=None, origin=Origin("http://evil.example"))
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    lines = [json.loads(line) for line in (await process.log()).splitlines()]
    (refused,) = (line for line in lines if line["message"] == "upgrade refused")
    assert refused["address"].startswith("127.0.0.1:")
    assert "Origin" in refused["reason"]


# Stop


async def test_a_stop_closes_everybody_properly(spawn_server: SpawnServer) -> None:
    """On SIGTERM idle clients see a proper close, those in mid-handshake or that do not read are cut, all in time."""
    process = await spawn_server(
        *(f"--listen={scheme}://127.0.0.1:0" for scheme in ("nymea", "nymeas", "ws", "wss")),
        "--log-level=debug",
        # About a second for a login, so that one is under way.
        environ={"NYMEAD_USERS_ARGON2__TIME_COST": "10", "NYMEAD_USERS_ARGON2__MEMORY_COST": "65536"},
    )
    ports = {scheme: port_of(process.url(scheme)) for scheme in ("nymea", "nymeas", "ws", "wss")}
    fingerprint = fingerprint_of(process)
    writers = []

    async def connection(scheme: str) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection("127.0.0.1", ports[scheme])
        writers.append(writer)
        return reader

    half_open = [await connection(scheme) for scheme in ("nymeas", "ws", "wss")]
    idle = await connection("nymea")
    writers[-1].write(b'{"id": 0, "method": "JSONRPC.Hello"}')
    assert b"initialSetupRequired" in await idle.readline()
    halfway = await connection("nymea")
    writers[-1].write(b'{"id": 0, "meth')

    admin = await Client.connect(process.url("nymeas"), fingerprint=fingerprint)
    await admin.hello()
    await admin.call("JSONRPC.CreateUser", {"username": "admin", "password": PASSWORD})
    login = await admin.authenticate("admin", PASSWORD, "phone")
    assert login is not None
    token = login.token

    deaf = await connection("nymea")
    deaf_writer = writers[-1]
    deaf_writer.write(json.dumps({"id": 0, "method": "JSONRPC.Hello", "token": token}).encode())
    await deaf.readline()
    introspect = {"id": 1, "method": "JSONRPC.Introspect", "token": token}
    deaf_writer.write(json.dumps(introspect).encode() * 2000)
    async with connect(process.url("ws"), proxy=None, max_queue=1, close_timeout=1) as deaf_websocket:
        await deaf_websocket.send(json.dumps({"jsonrpc": "2.0", "id": 0, "method": "JSONRPC.Hello"}))
        await deaf_websocket.recv()
        call = {"jsonrpc": "2.0", "id": 1, "method": "JSONRPC.Introspect", "token": token}
        for _ in range(300):
            await deaf_websocket.send(json.dumps(call))
        websocket = await Raw.open(process.url("ws"))
        await websocket.ask({"id": 0, "method": "JSONRPC.Hello"})
        busy = await connection("nymea")
        hello = {"id": 0, "method": "JSONRPC.Hello"}
        params = {"username": "admin", "password": PASSWORD, "deviceName": "slow"}
        authenticate = {"id": 1, "method": "JSONRPC.Authenticate", "params": params}
        writers[-1].write(json.dumps(hello).encode() + json.dumps(authenticate).encode())
        await busy.readline()

        log = await stop(process)

    async with asyncio.timeout(PATIENCE):
        assert await idle.read() == b""  # not a reset
        assert await halfway.read() == b""
        assert await websocket.receive_text() == ""
        assert websocket._websocket is not None
        assert websocket._websocket.close_code == 1001
        await admin.closed()
        for reader in half_open:
            assert await rest(reader) == b""
        assert (await rest(deaf)).count(b"\n") < 2000
        assert b"token" not in await rest(busy)
    assert log.splitlines()[-1].endswith("INFO server stopped")
    for url in process.urls:
        with pytest.raises(ConnectionFailed):
            await Client.connect(url)
    for writer in writers:
        writer.close()
    await admin.close()
