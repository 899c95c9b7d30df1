"""More than the server can take: it says so to those it cannot serve, and serves the others."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from functools import partial
from typing import Any

import pytest
from conftest import PASSWORD, PATIENCE, SpawnServer, Transport
from outside import (
    BUSY,
    HELLO,
    HERE,
    MB,
    OK,
    PROGRAM,
    THERE,
    Memory,
    connect_within,
    ended,
    ends,
    login,
    network,
    open_files,
    set_up,
    small_socket,
    until,
    unverified,
)
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from nymead_users.client import CallError, Client
from nymead_users.endpoint import Endpoint


async def first_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """What a connection on TCP is told first after Hello: "welcome", "busy", or else what it is."""
    writer.write(HELLO)
    async with asyncio.timeout(PATIENCE):
        answer = json.loads(await reader.readline())
    if answer == {"id": -1, "status": "error", "error": BUSY}:
        assert await ended(reader)
        return "busy"
    return "welcome" if answer["status"] == "success" else str(answer)


async def test_a_crowd_is_served_as_far_as_there_is_room(spawn_server: SpawnServer) -> None:
    """Of many who connect at once as many are served as may be; the rest are told and let go, and leave nothing."""
    process = await spawn_server(*("--log-level", "error"), environ={"NYMEAD_USERS_LIMITS__CONNECTIONS": "100"})
    await set_up(process)
    before = open_files(process)
    endpoint = Endpoint.parse(process.url())

    for _ in range(2):
        crowd = await asyncio.gather(*(asyncio.open_connection(endpoint.host, endpoint.port) for _ in range(400)))
        told = await asyncio.gather(*(first_answer(*one) for one in crowd))
        assert sorted(told) == ["busy"] * 300 + ["welcome"] * 100
        # While it is full a WebSocket is told in HTTP, the operator is served, and so is whoever is in.
        with pytest.raises(InvalidStatus, match="503"):
            await connect(process.url("ws"), proxy=None)
        async with await Client.connect(f"unix://{process.data_dir}/control.sock") as operator:
            await operator.hello()
            assert (await operator.call("Users.GetUsers"))["users"]
        served = [one for one, answer in zip(crowd, told, strict=True) if answer == "welcome"]
        assert set(await asyncio.gather(*(first_answer(*one) for one in served))) == {"welcome"}
        for _, writer in crowd:
            writer.close()
        await until(lambda: open_files(process) <= before)


async def test_one_address_takes_no_more_than_its_places(spawn_server: SpawnServer) -> None:
    """An address with all its connections is turned away on every listener, and another address is served."""
    process = await spawn_server(
        *("--log-level", "error", "--insecure", "--listen", f"nymea://{HERE}:0", "--listen", f"ws://{HERE}:0"),
        program=network(*PROGRAM),
        environ={"NYMEAD_USERS_LIMITS__CONNECTIONS_PER_ADDRESS": "5"},
    )
    tcp, websocket = process.url("nymea"), process.url("ws")
    greedy = await connect_within(process, tcp, HERE, 12)
    streams = [await asyncio.open_connection(sock=connection) for connection in greedy]
    told = [await first_answer(*stream) for stream in streams]
    assert sorted(told) == ["busy"] * 7 + ["welcome"] * 5
    (late,) = await connect_within(process, websocket, HERE)
    with pytest.raises(InvalidStatus, match="503"):
        await connect(websocket, proxy=None, sock=late)

    for url in (tcp, websocket):
        (other,) = await connect_within(process, url, THERE)
        if url == tcp:
            stream = await asyncio.open_connection(sock=other)
            assert await first_answer(*stream) == "welcome"
            stream[1].close()
        else:
            async with connect(url, proxy=None, sock=other) as client:
                await client.send(HELLO.decode())
                assert json.loads(await client.recv())["status"] == "success"
    for _, writer in streams:
        writer.close()


async def told_at_last(url: str, connection: Callable[[], Awaitable[socket.socket]] | None = None) -> str:
    """What a client behind TLS is told: "welcome" or "busy". Who is told that it is busy has little time for it."""
    endpoint = Endpoint.parse(url)
    async with asyncio.timeout(PATIENCE):
        while True:
            sock = None if connection is None else await connection()
            try:
                if endpoint.websocket:
                    async with connect(url, proxy=None, ssl=unverified(), sock=sock) as client:
                        await client.send(HELLO.decode())
                        assert json.loads(await client.recv())["status"] == "success"
                        return "welcome"
                where = {"host": endpoint.host, "port": endpoint.port} if sock is None else {"sock": sock}
                stream = await asyncio.open_connection(**where, ssl=unverified(), server_hostname="localhost")
                try:
                    return await first_answer(*stream)
                finally:
                    stream[1].close()
            except InvalidStatus as refusal:
                return "busy" if refusal.response.status_code == 503 else str(refusal)
            except (OSError, EOFError, InvalidHandshake, json.JSONDecodeError):
                continue  # it was cut before it was told


@pytest.mark.parametrize("scheme", ["nymeas", "wss"])
async def test_who_never_shakes_hands_counts(spawn_server: SpawnServer, scheme: str) -> None:
    """Connections that only open count on TLS listeners, too: no more than allowed are held, the rest are let go."""
    limit = 10
    process = await spawn_server(
        *("--log-level", "error", "--listen", f"{scheme}://127.0.0.1:0"),
        environ={"NYMEAD_USERS_LIMITS__CONNECTIONS": str(limit), "NYMEAD_USERS_LIMITS__HANDSHAKE_TIME": "3600"},
    )
    url = process.url(scheme)
    endpoint = Endpoint.parse(url)
    before = open_files(process)
    for _ in range(2):
        crowd = [await asyncio.open_connection(endpoint.host, endpoint.port) for _ in range(200)]
        await ends(crowd, 200 - limit)
        assert open_files(process) <= before + limit
        assert await told_at_last(url) == "busy"
        for _, writer in crowd:
            writer.close()
        await until(lambda: open_files(process) <= before)
        assert await told_at_last(url) == "welcome"


@pytest.mark.parametrize("scheme", ["nymeas", "wss"])
async def test_one_address_takes_no_more_than_its_places_by_silence(spawn_server: SpawnServer, scheme: str) -> None:
    """An address that opens connections and never shakes hands has its places on a TLS listener, and no more."""
    process = await spawn_server(
        *("--log-level", "error", "--listen", f"{scheme}://{HERE}:0"),
        program=network(*PROGRAM),
        environ={
            "NYMEAD_USERS_LIMITS__CONNECTIONS_PER_ADDRESS": "5",
            "NYMEAD_USERS_LIMITS__HANDSHAKE_TIME": "3600",
        },
    )
    url = process.url(scheme)

    async def arrival(source: str) -> socket.socket:
        (connection,) = await connect_within(process, url, source)
        return connection

    silent = [await asyncio.open_connection(sock=one) for one in await connect_within(process, url, HERE, 12)]
    await ends(silent, 7)
    assert await told_at_last(url, partial(arrival, HERE)) == "busy"
    assert await told_at_last(url, partial(arrival, THERE)) == "welcome"
    for _, writer in silent:
        writer.close()


async def test_a_flood_of_logins_leaves_the_others_served(spawn_server: SpawnServer) -> None:
    """Under a flood of logins some log in, the rest are told at once, memory stays, others' calls are answered soon."""
    memory_cost, workers = 16 * MB, 1
    process = await spawn_server(
        *("--log-level", "error"),
        environ={
            "NYMEAD_USERS_ARGON2__MEMORY_COST": str(memory_cost // 1024),
            "NYMEAD_USERS_ARGON2__TIME_COST": "3",
            "NYMEAD_USERS_ARGON2__WORKERS": str(workers),
            "NYMEAD_USERS_ARGON2__QUEUE": "16",
        },
    )
    await set_up(process)
    over = asyncio.Event()
    outcomes = {"logged in": 0, BUSY: 0}

    async def flood(client: Client) -> None:
        while not over.is_set():
            try:
                assert await client.authenticate("admin", PASSWORD, "flood") is not None
                outcomes["logged in"] += 1
            except CallError as refusal:
                outcomes[refusal.message] += 1

    async with AsyncExitStack() as stack:
        bystander = await stack.enter_async_context(await login(process.url("ws")))
        clients = [await stack.enter_async_context(await Client.connect(process.url())) for _ in range(100)]
        for client in clients:
            await client.hello()
        memory = Memory(process)
        flooding = [asyncio.create_task(flood(client)) for client in clients]
        await until(lambda: all(outcomes.values()))
        refused = outcomes[BUSY]
        waits = []
        for number in range(200):
            begin = time.perf_counter()
            reply = await bystander.call("JSONRPC.KeepAlive", {"sessionId": str(number)})
            waits.append(time.perf_counter() - begin)
            assert reply["sessionId"] == str(number)
            begin = time.perf_counter()
            assert (await bystander.call("Users.GetUserInfo"))["userInfo"]["username"] == "admin"
            waits.append(time.perf_counter() - begin)
        assert statistics.quantiles(waits, n=100)[-1] < SOON
        assert not any(task.done() for task in flooding)
        assert outcomes[BUSY] > refused
        over.set()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*flooding)
        assert memory.growth < workers * memory_cost + 16 * MB


#: Seconds within which 99 of 100 calls are answered during a flood of logins; ten times and more what it takes.
SOON = 0.25

#: What each of the senders below would send; more than the operating system's buffers take on the way.
OFFERED = 64 * MB


async def test_who_sends_without_reading_is_slowed_down_by_tcp(spawn_server: SpawnServer, transport: Transport) -> None:
    """Clients that send without reading get stuck, not the server: its memory stays, and others are served."""
    process = await spawn_server("--log-level", "error")
    await set_up(process)
    async with await Client.connect(process.url()) as client:
        await client.hello()
        granted = await client.authenticate("admin", PASSWORD, "deaf")
        assert granted is not None
    call = {"jsonrpc": "2.0", "id": 1, "method": "JSONRPC.KeepAlive", "params": {"sessionId": "x" * 50_000}}
    message = json.dumps({**call, "token": granted.token}) + "\n"
    sent = [0] * 10
    memory = Memory(process)

    async def pour(number: int) -> None:
        with closing(small_socket(process.url("nymea" if transport == "tcp" else "ws"))) as connection:
            send = await opened(connection)
            while sent[number] < OFFERED:
                await send(message)
                sent[number] += len(message)

    async def opened(connection: Any) -> Any:
        if transport == "ws":
            client = await connect(process.url("ws"), proxy=None, sock=connection, max_queue=1, ping_interval=None)
            return client.send
        loop = asyncio.get_running_loop()
        return lambda text: loop.sock_sendall(connection, text.encode())

    async with await login(process.url()) as bystander:
        pouring = [asyncio.create_task(pour(number)) for number in range(len(sent))]
        quiet, before = 0, [0] * len(sent)
        while quiet < 5:
            for number in range(50):
                assert (await bystander.call("JSONRPC.KeepAlive", {"sessionId": str(number)}))["success"] is True
            quiet, before = (quiet + 1 if all(sent) and sent == before else 0), list(sent)
            assert not any(task.done() for task in pouring)
        assert await bystander.call("Users.SetUserInfo", {"displayName": "still here"}) == OK
        assert memory.growth < 20 * MB
        for task in pouring:
            task.cancel()
        await asyncio.wait(pouring)
