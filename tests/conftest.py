"""What the tests share: a real server in this process or in one of its own, and connections to it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import FunctionType
from typing import Any, Literal, Self

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from nymead_users.app import running
from nymead_users.client import Client
from nymead_users.config import Settings
from nymead_users.endpoint import Endpoint
from nymead_users.storage.database import Database

Transport = Literal["tcp", "ws"]
Dialect = Literal["nymea", "jsonrpc2"]

PASSWORD = "Abcdefg1"

#: The cheapest hashes: tests check behaviour, not cost.
CHEAP_ARGON2 = {"time_cost": 1, "memory_cost": 8, "parallelism": 1, "workers": 2, "queue": 128}

#: The marks that say whether a story is told under load.
LOADS = ("loaded", "alone")

#: Seconds to wait for what must happen; far more than it takes.
PATIENCE = 20.0


def pytest_asyncio_loop_factories(
    config: pytest.Config,  # noqa: ARG001 - named by the hook
    item: pytest.Item,  # noqa: ARG001 - likewise
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that the server runs on."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tell security stories again while the server is under load: those marked ``loaded``, with LOAD set all.

    Those marked ``alone`` are left out: they count what the load would add to. A mark where it does nothing, on what is
    no story or has no server to be loaded, is an error.
    """
    able = "loaded" in metafunc.fixturenames and metafunc.definition.path.parent.name == "security"
    helpers = (
        thing
        for name, thing in vars(metafunc.module).items()
        if isinstance(thing, FunctionType) and not name.startswith("test_")
    )
    lost = [thing for thing in helpers if any(mark.name in LOADS for mark in getattr(thing, "pytestmark", ()))]
    if lost or (not able and any(metafunc.definition.get_closest_marker(name) for name in LOADS)):
        raise pytest.UsageError(f"{lost or metafunc.definition.nodeid}: there is no server to be loaded")
    if not able:
        return
    if metafunc.definition.get_closest_marker("alone") is None and os.environ.get("LOAD"):
        metafunc.parametrize("loaded", [True], ids=["loaded"], indirect=True)
    elif metafunc.definition.get_closest_marker("loaded") is not None:
        metafunc.parametrize("loaded", [False, True], ids=["calm", "loaded"], indirect=True)


class Raw:
    """A connection below the client: bytes or frames out, JSON in."""

    def __init__(self) -> None:
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._websocket: ClientConnection | None = None

    @classmethod
    async def open(cls, url: str, **websocket_options: Any) -> Self:
        raw = cls()
        endpoint = Endpoint.parse(url)
        if endpoint.websocket:
            raw._websocket = await connect(url, compression=None, proxy=None, **websocket_options)
        elif endpoint.unix:
            raw._reader, raw._writer = await asyncio.open_unix_connection(endpoint.path, limit=2**26)
        else:
            raw._reader, raw._writer = await asyncio.open_connection(endpoint.host, endpoint.port, limit=2**26)
        return raw

    async def send(self, data: str | bytes | dict[str, Any] | list[Any]) -> None:
        """Send text as it is, or a value as compact JSON with a line feed."""
        if isinstance(data, dict | list):
            data = json.dumps(data) + "\n"
        if self._websocket is not None:
            await self._websocket.send(data if isinstance(data, str) else data.decode())
        else:
            self._writer.write(data.encode() if isinstance(data, str) else data)
            await self._writer.drain()

    async def receive_text(self) -> str:
        """The next message as it came; "" once the connection has ended."""
        async with asyncio.timeout(PATIENCE):
            try:
                if self._websocket is not None:
                    return str(await self._websocket.recv())
                return (await self._reader.readline()).decode()
            except (ConnectionClosed, ConnectionError):
                return ""

    async def receive(self) -> Any:
        """The next message."""
        text = await self.receive_text()
        assert text.endswith("\n"), f"the connection ended, or a message without line feed: {text!r}"
        return json.loads(text)

    async def ask(self, message: str | bytes | dict[str, Any] | list[Any]) -> Any:
        """Send a message and receive the next one."""
        await self.send(message)
        return await self.receive()

    async def ends(self) -> list[Any]:
        """Whatever still comes until the server closes the connection."""
        rest = []
        while text := await self.receive_text():
            rest.append(json.loads(text))
        return rest

    async def close(self) -> None:
        if self._websocket is not None:
            await self._websocket.close()
        else:
            self._writer.close()
            try:
                await self._writer.wait_closed()
            except OSError:
                return


class Server:
    """A server under test and the connections to it, all closed with the test."""

    def __init__(
        self, stack: AsyncExitStack, data_dir: Path, urls: tuple[str, ...], metrics: str | None = None
    ) -> None:
        self._stack = stack
        #: Where the metrics are, if they are switched on.
        self.metrics = metrics
        self.data_dir = data_dir
        self.urls = urls

    def url(self, transport: Transport = "tcp") -> str:
        """Where the first listener of that transport is."""
        scheme = {"tcp": "nymea", "ws": "ws"}[transport]
        return next(url for url in self.urls if url.startswith(f"{scheme}:"))

    @property
    def control(self) -> str:
        """Where the operator's socket is."""
        return f"unix://{self.data_dir / 'control.sock'}"

    async def raw(self, transport: Transport = "tcp", *, url: str | None = None, **options: Any) -> Raw:
        """A connection below the client."""
        raw = await Raw.open(url or self.url(transport), **options)
        self._stack.push_async_callback(raw.close)
        return raw

    async def client(
        self,
        transport: Transport = "tcp",
        dialect: Dialect = "nymea",
        *,
        url: str | None = None,
        hello: bool = True,
        token: str | None = None,
    ) -> Client:
        """A client, which has shaken hands."""
        client = await Client.connect(url or self.url(transport), dialect=dialect, timeout=PATIENCE)
        self._stack.push_async_callback(client.close)
        if hello:
            await client.hello(token=token)
        return client

    async def operator(self) -> Client:
        """The machine's operator."""
        return await self.client(url=self.control)

    async def set_up(self, username: str = "admin", password: str = PASSWORD) -> None:
        """Make the first administrator."""
        client = await self.client()
        result = await client.call("JSONRPC.CreateUser", {"username": username, "password": password})
        assert result == {"error": "UserErrorNoError"}
        await client.close()

    async def login(
        self,
        username: str = "admin",
        transport: Transport = "tcp",
        dialect: Dialect = "nymea",
        *,
        password: str = PASSWORD,
        device: str = "a device",
    ) -> Client:
        """A client that is logged in."""
        client = await self.client(transport, dialect)
        login = await client.authenticate(username, password, device)
        assert login is not None
        return client

    async def add_user(self, username: str, *scopes: str, **params: Any) -> None:
        """Add a user with these scopes (names without their prefix)."""
        operator = await self.operator()
        params = {"username": username, "password": PASSWORD, **params}
        params["scopes"] = [f"PermissionScope{scope}" for scope in scopes]
        assert await operator.call("Users.CreateUser", params) == {"error": "UserErrorNoError"}
        await operator.close()


StartServer = Callable[..., Awaitable[Server]]


@asynccontextmanager
async def load(urls: Sequence[str], data_dir: Path) -> AsyncIterator[None]:
    """Keep a server busy from another process (load.py) within the block, on its listeners and its control socket."""
    urls = [*(url for url in urls if "://127.0.0.1:" in url), f"unix://{data_dir / 'control.sock'}"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).parent / "load.py"), *urls), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert await process.stdout.readline() == b"loaded\n"
        yield
        # What was not loaded to the end was told in vain.
        assert process.returncode is None, f"the load ended by itself: {process.returncode}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
def loaded(request: pytest.FixtureRequest) -> bool:
    """Whether servers are kept busy by others all the while (``pytest_generate_tests``)."""
    return bool(getattr(request, "param", False))


@pytest.fixture
async def start_server(tmp_path: Path, loaded: bool) -> AsyncIterator[StartServer]:
    """A function that starts a server in this process with the given settings; it ends with the test."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Server:
            settings.setdefault("data_dir", tmp_path / "data")
            settings.setdefault("listeners", ["nymea://127.0.0.1:0", "ws://127.0.0.1:0"])
            settings.setdefault("argon2", CHEAP_ARGON2)
            settings.setdefault("log", {"level": "debug"})
            up = await stack.enter_async_context(running(Settings(**settings)))
            urls = tuple(str(endpoint) for endpoint in up.endpoints)
            if loaded:
                await stack.enter_async_context(load(urls, settings["data_dir"]))
            return Server(stack, settings["data_dir"], urls, None if up.metrics is None else str(up.metrics))

        yield start


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """A new server, without any user."""
    return await start_server()


@pytest.fixture
async def home(server: Server) -> Server:
    """A server that has been set up: its administrator is "admin"."""
    await server.set_up()
    return server


@pytest.fixture(params=["tcp", "ws"])
def transport(request: pytest.FixtureRequest) -> Transport:
    """Each transport in turn."""
    chosen: Transport = request.param
    return chosen


@pytest.fixture(params=["nymea", "jsonrpc2"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each dialect in turn."""
    chosen: Dialect = request.param
    return chosen


class Process:
    """A server in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, data_dir: Path) -> None:
        self._process = process
        self.data_dir = data_dir
        self.output: list[str] = []
        self.urls: list[str] = []
        # Read all the time, lest a server that logs much waits for it.
        assert process.stderr is not None
        self._log = asyncio.create_task(process.stderr.read())

    @property
    def pid(self) -> int:
        return self._process.pid

    async def up(self) -> None:
        """Wait until it says that it is up."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := (await self._process.stdout.readline()).decode():
                self.output.append(line.rstrip("\n"))
                if match := re.fullmatch(r"Listening on (\S+)\n", line):
                    self.urls.append(match[1])
                if line.startswith("Next: "):
                    return
        raise AssertionError(f"the server ended: {await self.log()}")

    def url(self, scheme: str = "nymea") -> str:
        return next(url for url in self.urls if url.startswith(f"{scheme}:"))

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    async def log(self) -> str:
        """What it logged, once it has ended."""
        async with asyncio.timeout(PATIENCE):
            return (await asyncio.shield(self._log)).decode()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        assert self._process.stdout is not None
        await self._process.stdout.read()
        await self._process.wait()
        await self._log


SpawnServer = Callable[..., Awaitable[Process]]


@pytest.fixture
async def spawn_server(tmp_path: Path, loaded: bool) -> AsyncIterator[SpawnServer]:
    """A function that runs ``nymead-users serve`` with further options; killed with the test.

    ``up=False`` does not wait for it to be up. The cheapest Argon2 cost is set in its environment.
    ``program``: what is run with the verb ``serve``, in place of Python with ``-m nymead_users``.
    """
    processes: list[Process] = []
    stack = AsyncExitStack()

    async def spawn(
        *options: str,
        data_dir: Path | None = None,
        up: bool = True,
        environ: dict[str, str] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "nymead_users"),
    ) -> Process:
        directory = data_dir or tmp_path / "data"
        argon2 = {f"NYMEAD_USERS_ARGON2__{key.upper()}": str(value) for key, value in CHEAP_ARGON2.items()}
        if "--listen" not in options and "--config" not in options:
            options = (*options, "--listen", "nymea://127.0.0.1:0", "--listen", "ws://127.0.0.1:0")
        child = await asyncio.create_subprocess_exec(
            *(*program, "serve", "--data-dir", str(directory), *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **argon2, **(environ or {})},
        )
        process = Process(child, directory)
        processes.append(process)
        if up:
            await process.up()
            if loaded:
                await stack.enter_async_context(load(process.urls, directory))
        return process

    try:
        async with stack:
            yield spawn
    finally:
        for process in processes:
            await process.kill()


@pytest.fixture
async def visit() -> AsyncIterator[Any]:
    """A function that opens the console in Chromium (``browser.Visit``); skips where that is missing."""
    # Playwright is slow to import, and only the console's tests have this folder on their path.
    from browser import visiting  # noqa: PLC0415

    async with visiting() as visit:
        yield visit


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server to throw things at (``target.Target``); at the end nothing may have gone wrong in it."""
    from target import target_in  # noqa: PLC0415 - only the fuzzing's tests have this folder on their path

    with target_in(tmp_path_factory.mktemp("target")) as target:
        yield target


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store without anything in it, to be copied: that is much faster than making one."""
    path = tmp_path_factory.mktemp("empty") / "store"

    async def make() -> None:
        await (await Database.open(path)).close()

    asyncio.run(make())
    return path


@pytest.fixture
async def building(empty_store: Path, tmp_path: Path) -> AsyncIterator[Any]:
    """The domain of access on a new store (``building.Building``)."""
    from building import Building  # noqa: PLC0415 - only the tests of access have this folder on their path

    store = tmp_path / "store"
    shutil.copy(empty_store, store)
    async with Building.open(store) as building:
        yield building
