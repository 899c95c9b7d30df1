"""An attacker has many machines, many names to try, and much time."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import string
import struct
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest
from conftest import CHEAP_ARGON2, PASSWORD, PATIENCE, Dialect, Process, Server, SpawnServer, StartServer, Transport
from house import NO_ERROR, a_home, greeted, request, tally

from nymead_users.client import Client, TooManyAttempts
from nymead_users.client.transport import StreamTransport
from nymead_users.endpoint import Endpoint

WRONG = "Wr0ngwrong"

#: The documented attempts that cost nothing, and the one that is looked at before the first delay holds.
LOOKED_AT = 4


async def test_many_machines_and_many_names_multiply_no_guesses(tmp_path: Path) -> None:
    """Of forty machines' guesses at twenty names a few for each name are looked at, and no owner is kept out."""
    async with a_home(tmp_path) as house:
        names = [f"user{number}" for number in range(10)]
        for name in names:
            await house.add(name)
            (await house.login(name)).hang_up()
        names += [f"nobody{number}" for number in range(10)]
        house.passwords.work.clear()
        machines = [house.phone(address=f"198.51.100.{number}") for number in range(1, 41)]
        for name in names:
            for machine in machines:
                assert not (await machine.authenticate(name, WRONG)).get("params", {}).get("success")
        assert len(house.passwords.work) <= LOOKED_AT * len(names)
        for name in names[:10]:
            await house.login(name)


@pytest.mark.alone
async def test_a_server_under_many_attackers_looks_at_few_guesses(spawn_server: SpawnServer) -> None:
    """Of forty addresses' guesses at twenty names a process looks at a few for each; every owner logs in as ever."""
    process = await spawn_server("--log-level", "error", environ={"NYMEAD_USERS_METRICS": "127.0.0.1:0"})
    (metrics,) = (line.removeprefix("Metrics on ") for line in process.output if line.startswith("Metrics on "))
    endpoint = Endpoint.parse(process.url())

    async def connection(address: str) -> Client:
        streams = await asyncio.open_connection(endpoint.host, endpoint.port, local_addr=(address, 0))
        client = Client(StreamTransport(*streams), "nymea", token=None, timeout=3 * PATIENCE)
        stack.push_async_callback(client.close)
        await client.hello()
        return client

    async def guess(machine: Client, name: str) -> str:
        try:
            return "success" if await machine.authenticate(name, WRONG, "guess") else "failed"
        except TooManyAttempts:
            return "throttled"

    names = [f"user{number}" for number in range(10)] + [f"nobody{number}" for number in range(10)]
    async with AsyncExitStack() as stack:
        operator = await Client.connect(f"unix://{process.data_dir}/control.sock")
        stack.push_async_callback(operator.close)
        await operator.hello()
        owners = {}
        for number, name in enumerate(names[:10], 1):
            assert await operator.call("Users.CreateUser", {"username": name, "password": PASSWORD}) == NO_ERROR
            owners[name] = await connection(f"127.66.1.{number}")
            assert await owners[name].authenticate(name, PASSWORD, "phone") is not None
        machines = [await connection(f"127.66.0.{number}") for number in range(1, 41)]
        told: Counter[str] = Counter()
        for name in names:
            told.update(await asyncio.gather(*(guess(machine, name) for machine in machines)))
        # Those that are computed when the last of the free ones is found wrong come on top.
        assert told["failed"] <= (LOOKED_AT + CHEAP_ARGON2["workers"]) * len(names)
        assert told["failed"] + told["throttled"] == len(machines) * len(names)
        page = (await asyncio.to_thread(urlopen, metrics, timeout=PATIENCE)).read().decode()
        for outcome in ("failed", "throttled"):
            assert f'nymead_users_logins_total{{outcome="{outcome}"}} {float(told[outcome])}\n' in page
        for name, owner in owners.items():
            assert await owner.authenticate(name, PASSWORD, "phone") is not None


async def test_machines_that_guess_at_the_same_moment_gain_little(tmp_path: Path) -> None:
    """Of three hundred machines' guesses at one account, all under way at once, hardly more are looked at."""
    async with a_home(tmp_path, cost={"workers": 1, "queue": 1000}) as house:
        (await house.login()).hang_up()
        house.passwords.work.clear()
        house.passwords.hold()
        machines = [house.phone(address=f"198.51.{number // 250}.{number % 250 + 1}") for number in range(300)]
        guesses = [asyncio.create_task(machine.authenticate("admin", WRONG)) for machine in machines]
        await house.passwords.queued(len(machines))
        house.passwords.release()
        kinds = tally(await asyncio.gather(*guesses))
        # The one that is being computed when the others' turn is looked at comes on top.
        assert kinds["False"] <= LOOKED_AT + 1, kinds
        assert len(house.passwords.work) <= LOOKED_AT + 1
        await house.login()


async def test_nothing_but_the_token_itself_is_the_token(home: Server, transport: Transport, dialect: Dialect) -> None:
    """What differs from a token in one character, in case or in length is refused as a random guess is."""
    login = await (await home.client()).authenticate("admin", PASSWORD, "phone")
    assert login is not None
    token = login.token
    near = {token[:at] + ("A" if letter != "A" else "B") + token[at + 1 :] for at, letter in enumerate(token)}
    # Of the last character not all bits count in base64: none of its relatives may do either.
    near |= {token[:-1] + letter for letter in string.ascii_letters + string.digits + "-_"} - {token}
    near |= {token[:-1], token + "A", token + "=", f" {token}", f"{token} ", f"{token}\n", f"{token}\0", token * 2}
    near |= {
        token.upper(),
        token.lower(),
        token.swapcase(),
        f"{{{token}}}",
        f"Bearer {token}",
        f"%{token}",
        "%",
        "*",
        "_",
    }
    client = await home.client(transport, dialect)
    for guess in near:
        assert (await client.hello(token=guess))["authenticated"] is False, guess
    assert (await client.hello(token=token))["authenticated"] is True
    # Guessing tokens has delayed nobody.
    assert await (await home.client()).authenticate("admin", PASSWORD, "phone") is not None


# Connections that come and go


def descriptors(process: Process) -> int:
    return sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir())


def memory(process: Process) -> int:
    """Resident memory in bytes."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def come_and_go(url: str, data: bytes, *, rudely: bool, tls: ssl.SSLContext | None = None) -> None:
    """Connect, shake hands if there is TLS, send something, perhaps read a little, and hang up or reset."""
    endpoint = Endpoint.parse(url)
    with ExitStack() as stack:
        connection = socket.create_connection((endpoint.host, endpoint.port), timeout=PATIENCE)
        if tls is not None:
            connection = tls.wrap_socket(connection)
        stack.enter_context(connection)
        connection.sendall(data)
        if rudely:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif data.endswith(b"\n"):
            connection.recv(1)


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
VISITS = (b"", b'{"id":1,"method":"JSONRPC.Hello"}\n', b'{"id":1,"method":"JSO', b"\x16\x03\x01", UPGRADE, UPGRADE[:40])


@pytest.mark.alone
@pytest.mark.parametrize("plain", [True, False], ids=["plain", "tls"])
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts what Linux shows under /proc")
async def test_thousands_of_connections_leave_nothing_behind(spawn_server: SpawnServer, plain: bool) -> None:
    """After thousands of connections that ended in all ways, file descriptors and memory are what they were."""
    listeners = ("nymea", "ws") if plain else ("nymeas", "wss")
    server = await spawn_server(
        *(word for scheme in listeners for word in ("--listen", f"{scheme}://127.0.0.1:0")), "--log-level", "error"
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE

    def churn(rounds: int) -> None:
        for _ in range(rounds):
            for data in VISITS:
                for scheme in listeners:
                    if scheme.startswith("nymea") or not data.startswith(b"{"):  # a WebSocket port would wait for more
                        come_and_go(server.url(scheme), data, rudely=False, tls=None if plain else tls)
                    come_and_go(server.url(scheme), data, rudely=True, tls=None if plain else tls)
                    if not plain:  # what is no handshake, or breaks off in it
                        come_and_go(server.url(scheme), data[:40], rudely=True)
                        come_and_go(server.url(scheme), b"\x16\x03\x01\x02\x00\x01", rudely=False)

    async def settled(most: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while descriptors(server) > most:  # noqa: ASYNC110 - the other process tells nobody
                await asyncio.sleep(0.05)

    fewest = descriptors(server)
    await asyncio.to_thread(churn, 20 if plain else 10)
    await settled(fewest)
    before = memory(server)
    await asyncio.to_thread(churn, 100 if plain else 40)  # a handshake takes its time
    await settled(fewest)
    # A session alone takes kilobytes; what the allocator keeps varies by less than this.
    assert memory(server) < before + 3_000_000
    server.signal(15)
    assert await server.ended() == 0
    assert await server.log() == ""


@pytest.mark.parametrize(
    ("scheme", "beginning"),
    [
        ("nymea", b'{"id": 1, "method": "JSONRPC.Hello", "params": {"locale": "'),
        ("ws", b"GET / HTTP/1.1\r\nX-Slow: "),
        ("ws", UPGRADE + b"\x81\xfe\xea\x60" + bytes(4)),  # the first frame, of 60,000 bytes
        ("nymeas", b"\x16\x03\x01\x02\x00\x01"),  # a ClientHello begins so
        ("wss", b"\x16\x03\x01\x02\x00\x01"),
    ],
    ids=["message", "header", "frame", "tls", "tls before websocket"],
)
async def test_who_sends_byte_by_byte_gains_no_time(start_server: StartServer, scheme: str, beginning: bytes) -> None:
    """Whatever a connection begins with and keeps sending, slowly, it is cut off like silence; others are served."""
    listeners = list(dict.fromkeys(["nymea://127.0.0.1:0", "ws://127.0.0.1:0", f"{scheme}://127.0.0.1:0"]))
    server = await start_server(listeners=listeners, limits={"handshake_time": 1})
    endpoint = next(endpoint for endpoint in map(Endpoint.parse, server.urls) if endpoint.scheme == scheme)
    served = await greeted(server)
    drips = [await asyncio.open_connection(endpoint.host, endpoint.port) for _ in range(50)]
    for _, writer in drips:
        writer.write(beginning)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            reading = asyncio.ensure_future(reader.read())
            while not reading.done():
                writer.write(b"x")
                await asyncio.wait({reading}, timeout=0.1)
            await reading
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with asyncio.timeout(PATIENCE):
        dripping = asyncio.gather(*(drip(reader, writer) for reader, writer in drips))
        while not dripping.done():
            assert (await served.ask(request("JSONRPC.Hello")))["status"] == "success"
        await dripping
