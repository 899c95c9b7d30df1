"""Metrics: absent unless asked for, private unless insisted on, right, and bounded."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import PASSWORD, PATIENCE, Process, Raw, Server, SpawnServer, StartServer

from nymead_users.client import CallError, Client, PermissionDenied

ON = {"NYMEAD_USERS_METRICS": "127.0.0.1:0"}


def ask(base: str, path: str = "/metrics", method: str = "GET", host: str | None = None) -> tuple[int, str]:
    """The status and the text of an answer."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=PATIENCE)
    try:
        connection.request(method, path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


async def scrape(base: str | None) -> dict[str, float]:
    """All samples by name and labels, as they are written."""
    assert base is not None
    status, text = await asyncio.to_thread(ask, base)
    assert status == 200
    samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


async def reaches(base: str | None, name: str, value: float) -> None:
    """Wait until a sample has a value."""
    async with asyncio.timeout(PATIENCE):
        while (await scrape(base)).get(f"nymead_users_{name}") != value:
            pass


def listening(process: Process) -> int:
    """How many TCP sockets of a process listen."""
    mine = {str(link.readlink()) for link in Path(f"/proc/{process.pid}/fd").iterdir()}
    rows = [line.split() for line in Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(row[3] == "0A" and f"socket:[{row[9]}]" in mine for row in rows)


@pytest.fixture
async def measured(start_server: StartServer) -> Server:
    """A server with an administrator, which is measured."""
    server = await start_server(metrics="127.0.0.1:0")
    await server.set_up()
    return server


async def test_nothing_is_measured_unless_asked_for(spawn_server: SpawnServer, tmp_path: Path) -> None:
    """By default there is no further listener; asked for, there is one."""
    off = await spawn_server()
    on = await spawn_server(data_dir=tmp_path / "on", environ=ON)
    assert (listening(off), listening(on)) == (2, 3)
    assert [line for line in off.output if "Metrics" in line] == []
    (line,) = (line for line in on.output if line.startswith("Metrics on http://127.0.0.1:"))
    assert (await scrape(line.removeprefix("Metrics on ").removesuffix("/metrics")))["nymead_users_sessions"] == 0


def test_who_does_not_measure_does_not_load_it() -> None:
    """The server without metrics does not even import what they need."""
    code = "import sys, nymead_users.app; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=PATIENCE).returncode == 0


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "[::]:9464", "192.168.1.20:9464", "home.example.org:9464"])
async def test_metrics_are_not_shown_to_the_network(spawn_server: SpawnServer, address: str) -> None:
    """An address that other machines can reach is refused without the word insecure."""
    process = await spawn_server(environ={"NYMEAD_USERS_METRICS": address}, up=False)
    assert await process.ended() == 1
    assert f"metrics (environment NYMEAD_USERS_METRICS): {address} would show" in await process.log()


async def test_insisting_shows_them(spawn_server: SpawnServer) -> None:
    """With the word insecure the address is taken."""
    process = await spawn_server("--insecure", environ={"NYMEAD_USERS_METRICS": "0.0.0.0:0"})
    assert any(line.startswith("Metrics on http://0.0.0.0:") for line in process.output)


async def test_calls_are_counted_by_method_and_outcome(measured: Server) -> None:
    """Each call counts once under its method and what came of it, with its duration."""
    admin = await measured.login()
    await measured.add_user("bob", "ControlThings")
    bob = await measured.login("bob", "ws", "jsonrpc2")
    for _ in range(3):
        await admin.call("Users.GetUserInfo")
    with pytest.raises(PermissionDenied):
        await bob.call("Users.GetUsers")
    duplicate = {"username": "bob", "password": PASSWORD}
    assert await admin.call("Users.CreateUser", duplicate) == {"error": "UserErrorDuplicateUserId"}
    samples = await scrape(measured.metrics)
    calls = "nymead_users_calls_total"
    assert samples[f'{calls}{{method="Users.GetUserInfo",outcome="ok"}}'] == 3
    assert samples[f'{calls}{{method="Users.GetUsers",outcome="PermissionDenied"}}'] == 1
    assert samples[f'{calls}{{method="Users.CreateUser",outcome="ok"}}'] == 1
    assert samples[f'{calls}{{method="Users.CreateUser",outcome="UserErrorDuplicateUserId"}}'] == 1
    durations = "nymead_users_call_duration_seconds"
    assert samples[f'{durations}_count{{method="Users.CreateUser"}}'] == 2
    assert samples[f'{durations}_bucket{{le="+Inf",method="Users.GetUserInfo"}}'] == 3
    bounded = [
        value for name, value in samples.items() if name.startswith(f"{durations}_bucket") and "UserInfo" in name
    ]
    assert bounded == sorted(bounded)
    assert 0 < samples[f'{durations}_sum{{method="Users.GetUserInfo"}}'] < PATIENCE


async def test_logins_are_counted_by_outcome(start_server: StartServer) -> None:
    """Right and wrong passwords count, and so do attempts that came too early."""
    server = await start_server(metrics="127.0.0.1:0", throttling={"free_attempts": 1, "first_delay": 60})
    await server.set_up()
    client = await server.login()
    assert await client.authenticate("admin", "Wrong1234", "x") is None
    assert await client.authenticate("nobody", "Wrong1234", "x") is None
    with pytest.raises(CallError, match="Too many attempts"):
        await client.authenticate("admin", PASSWORD, "x")
    samples = await scrape(server.metrics)
    logins = {name: value for name, value in samples.items() if name.startswith("nymead_users_logins_total")}
    assert logins == {
        'nymead_users_logins_total{outcome="success"}': 1,
        'nymead_users_logins_total{outcome="failed"}': 2,
        'nymead_users_logins_total{outcome="throttled"}': 1,
    }
    assert samples["nymead_users_password_hashes_pending"] == 0


async def test_logins_that_wait_and_those_turned_away_are_counted(start_server: StartServer) -> None:
    """Passwords being looked at show while they are, and logins beyond the queue count as busy."""
    # A password takes about a second.
    dear = {"time_cost": 16, "memory_cost": 65_536, "parallelism": 1, "workers": 1, "queue": 2}
    server = await start_server(metrics="127.0.0.1:0", argon2=dear)
    await server.set_up()
    clients = [await server.client() for _ in range(8)]

    async def outcome(client: Client) -> str:
        try:
            return "failed" if await client.authenticate("nobody", PASSWORD, "x") is None else "success"
        except CallError as refusal:
            return refusal.message

    logins = [asyncio.create_task(outcome(client)) for client in clients]
    async with asyncio.timeout(PATIENCE):
        while not (await scrape(server.metrics))["nymead_users_password_hashes_pending"]:
            assert not all(login.done() for login in logins)
    told = await asyncio.gather(*logins)
    assert set(told) == {"failed", "Server busy. Try again later."}
    samples = await scrape(server.metrics)
    assert samples['nymead_users_logins_total{outcome="failed"}'] == told.count("failed")
    assert samples['nymead_users_logins_total{outcome="busy"}'] == len(told) - told.count("failed")
    assert samples["nymead_users_password_hashes_pending"] == 0


async def test_what_the_store_fails_is_counted(spawn_server: SpawnServer) -> None:
    """A change and a login that cannot be stored count under their outcomes."""
    process = await spawn_server("--log-level", "error", environ=ON)
    (line,) = (line for line in process.output if line.startswith("Metrics on "))
    async with await Client.connect(process.url()) as client:
        await client.hello()
        new = {"username": "admin", "password": PASSWORD}
        assert await client.call("JSONRPC.CreateUser", new) == {"error": "UserErrorNoError"}
        assert await client.authenticate("admin", PASSWORD, "phone") is not None
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        assert await client.call("Users.SetUserInfo", {"displayName": "x"}) == {"error": "UserErrorBackendError"}
        with pytest.raises(CallError, match="Internal error"):
            await client.authenticate("admin", PASSWORD, "tablet")
    samples = await scrape(line.removeprefix("Metrics on ").removesuffix("/metrics"))
    calls = "nymead_users_calls_total"
    assert samples[f'{calls}{{method="Users.SetUserInfo",outcome="UserErrorBackendError"}}'] == 1
    assert samples[f'{calls}{{method="JSONRPC.Authenticate",outcome="InternalError"}}'] == 1
    assert samples['nymead_users_logins_total{outcome="error"}'] == 1
    assert samples['nymead_users_logins_total{outcome="success"}'] == 1


async def test_who_is_there_and_what_was_sent(start_server: StartServer) -> None:
    """Connections and sessions come and go; notifications count for each who got them."""
    server = await start_server(metrics="127.0.0.1:0")
    await server.set_up()
    await reaches(server.metrics, "connections", 0)
    admin, phone = await server.login(), await server.login(transport="ws", dialect="jsonrpc2")
    await admin.subscribe("Users")
    await phone.subscribe("Users")
    operator = await server.operator()
    await reaches(server.metrics, "sessions", 3)
    await reaches(server.metrics, "connections", 2)
    await server.add_user("bob")
    await anext(admin.notifications())
    await reaches(server.metrics, 'notifications_total{notification="Users.UserAdded"}', 2)
    await operator.close()
    await phone.close()
    await reaches(server.metrics, "sessions", 1)


async def test_clients_that_do_not_read_are_counted(start_server: StartServer) -> None:
    """A client that is cut off because it leaves too much unread counts as one overflow."""
    server = await start_server(metrics="127.0.0.1:0", limits={"outbox_size": 1024})
    await server.set_up()
    admin = await server.login()
    endpoint = urlsplit(server.url())
    reader, writer = await asyncio.open_connection(endpoint.hostname, endpoint.port, limit=1024)
    requests = (
        {"method": "JSONRPC.Authenticate", "params": ["admin", PASSWORD, "deaf"]},
        {"method": "JSONRPC.SetNotificationStatus", "params": {"namespaces": ["Users"]}},
    )
    for request in requests:
        writer.write(json.dumps({"jsonrpc": "2.0", "id": 1, **request}).encode())
        assert b"result" in await reader.readline()
    # It asks for more than all buffers on the way hold, and reads no more.
    flood = {"jsonrpc": "2.0", "id": 2, "method": "JSONRPC.KeepAlive", "params": ["x" * 900_000]}
    for _ in range(20):
        writer.write(json.dumps(flood).encode())
    async with asyncio.timeout(PATIENCE):
        while not (await scrape(server.metrics))["nymead_users_outbox_overflows_total"]:
            await admin.call("Users.SetUserInfo", {"displayName": "x" * 255})
    await reaches(server.metrics, "sessions", 1)
    assert (await scrape(server.metrics))["nymead_users_outbox_overflows_total"] == 1
    writer.transport.abort()


async def test_a_flood_of_names_makes_no_series(measured: Server) -> None:
    """Whatever methods clients think of, they count as unknown; nothing of a client's is in the text."""
    admin = await measured.login(device="the kitchen tablet")
    before = set(await scrape(measured.metrics))
    for number in range(300):
        with pytest.raises(CallError, match="No such"):
            await admin.call(f"Users.Flood{number}")
        with pytest.raises(CallError, match="No such"):
            await admin.call(f"Flood{number}.Users")
    samples = await scrape(measured.metrics)
    assert samples['nymead_users_calls_total{method="unknown",outcome="MethodNotFound"}'] == 600
    new = {re.sub(r'le="[^"]*",', "", name) for name in samples.keys() - before}
    assert all('method="unknown"' in name or "process_" in name for name in new), new
    _, text = await asyncio.to_thread(ask, str(measured.metrics))
    for private in ("Flood", "admin", "kitchen", "127.0.0.1"):
        assert private not in text


async def test_only_the_one_page_is_there(measured: Server) -> None:
    """Other paths, other methods, unknown Hosts and WebSocket upgrades get nothing."""
    base = str(measured.metrics)

    async def status(*arguments: str) -> int:
        return (await asyncio.to_thread(ask, base, *arguments))[0]

    assert await status("/metrics?x=1") == 200
    assert await status("/metrics", "HEAD") == 200
    assert await status("/") == 404
    assert await status("/metrics/x") == 404
    assert await status("/metrics", "POST") == 405
    assert await status("/metrics", "GET", "evil.example.org") == 403
    assert await status("/metrics", "GET", "localhost:9464") == 200
    with pytest.raises(Exception, match="HTTP 404"):
        await Raw.open(base.replace("http://", "ws://"))
    assert await status() == 200


async def test_silent_connections_neither_fill_the_server_nor_stay(start_server: StartServer) -> None:
    """Connections to the metrics are few at a time, end in time, and take nobody else's room."""
    limits = {"connections": 1, "handshake_time": 1.0}
    server = await start_server(metrics="127.0.0.1:0", limits=limits)
    silent = [await asyncio.open_connection("127.0.0.1", urlsplit(server.metrics).port) for _ in range(40)]
    client = await Client.connect(server.url())
    async with client:
        assert (await client.hello())["initialSetupRequired"] is True
    async with asyncio.timeout(PATIENCE):
        for reader, writer in silent:
            await reader.read()
            writer.close()
    await reaches(server.metrics, "sessions", 0)
