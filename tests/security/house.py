"""What the security stories share: connections from chosen addresses, and a server without sockets.

The server without sockets is the real one from its sessions down to its database; only the connections
are lists. Its peers can have any address, and its slow steps can be held up at a chosen point, so that a
story's order of events is certain.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import UUID

import argon2
from conftest import CHEAP_ARGON2, PASSWORD, PATIENCE, Dialect, Raw, Server, Transport
from websockets.asyncio.client import connect

from nymead_users.access.authorizations import Authorizations
from nymead_users.access.decisions import Decisions, PinRules
from nymead_users.access.grants import Grants
from nymead_users.access.groups import Groups
from nymead_users.access.keys import AccessKeys
from nymead_users.access.locks import Locks
from nymead_users.access.people import People
from nymead_users.access.roles import Roles
from nymead_users.access.sync import Synchronisation
from nymead_users.access.transfer.transfer import Transfer
from nymead_users.access.unit import Model
from nymead_users.client import Client
from nymead_users.client.client import Notification
from nymead_users.client.transport import StreamTransport, WebSocketTransport
from nymead_users.endpoint import Endpoint
from nymead_users.events import EventBus
from nymead_users.identity.passwords import NYMEAD, Passwords
from nymead_users.identity.pushbutton import PushButton
from nymead_users.identity.store import UserStore
from nymead_users.identity.throttling import Throttle
from nymead_users.identity.tokens import NewToken
from nymead_users.identity.users import Users
from nymead_users.logs import JsonFormatter, TextFormatter
from nymead_users.namespaces.access import AccessNamespace
from nymead_users.namespaces.access.namespace import AccessDomain
from nymead_users.namespaces.accesskeys import AccessKeysNamespace
from nymead_users.namespaces.discovery import DiscoveryNamespace
from nymead_users.namespaces.jsonrpc import JsonRpcNamespace
from nymead_users.namespaces.jsonrpc.namespace import ServerIdentity
from nymead_users.namespaces.lockgroups import LockGroupsNamespace
from nymead_users.namespaces.lockroles import LockRolesNamespace
from nymead_users.namespaces.operator import OperatorNamespace
from nymead_users.namespaces.smartlockauths import SmartlockAuthsNamespace
from nymead_users.namespaces.users import UsersNamespace
from nymead_users.peer import Peer
from nymead_users.permissions import Principal, User
from nymead_users.rpc.dispatcher import Dispatcher
from nymead_users.rpc.registry import Registry
from nymead_users.session.broadcaster import Broadcaster
from nymead_users.session.directory import Directory
from nymead_users.session.session import Limits, Session, SessionFactory
from nymead_users.storage.database import Database
from nymead_users.storage.datadir import STORE

T = TypeVar("T")

NO_ERROR = {"error": "UserErrorNoError"}
DENIED = {"error": "UserErrorPermissionDenied"}

#: Addresses that are nobody's (RFC 5737).
HOME, ELSEWHERE = "192.0.2.10", "203.0.113.66"

#: Delays that no test lives to see the end of, after the documented three free attempts.
STERN = {"free_attempts": 3, "first_delay": 600.0, "max_delay": 3600.0, "forget_after": 7200.0}


# Over sockets


async def connect_from(address: str, server: Server, transport: Transport, dialect: Dialect) -> Client:
    """A client whose connection comes from a chosen address of this machine; it has shaken hands."""
    endpoint = Endpoint.parse(server.url(transport))
    channel: StreamTransport | WebSocketTransport
    if transport == "ws":
        channel = WebSocketTransport(
            await connect(str(endpoint), compression=None, proxy=None, local_addr=(address, 0))
        )
    else:
        channel = StreamTransport(*await asyncio.open_connection(endpoint.host, endpoint.port, local_addr=(address, 0)))
    client = Client(channel, dialect, token=None, timeout=PATIENCE)
    server._stack.push_async_callback(client.close)
    await client.hello()
    return client


async def heard(client: Client) -> Notification:
    """The next notification."""
    async with asyncio.timeout(PATIENCE):
        return await anext(client.notifications())


async def ended(client: Client) -> None:
    """Wait until the server has closed the connection."""
    async with asyncio.timeout(PATIENCE):
        await client.closed()


def request(
    method: str, params: Any = None, *, dialect: Dialect = "nymea", token: str | None = None, number: int = 1
) -> dict[str, Any]:
    """A request as either dialect writes it."""
    message: dict[str, Any] = {"id": number, "method": method}
    if dialect == "jsonrpc2":
        message["jsonrpc"] = "2.0"
    if params is not None:
        message["params"] = params
    if token is not None:
        message["token"] = token
    return message


def compact(message: Any) -> str:
    """A message in as few bytes as can be."""
    return json.dumps(message, separators=(",", ":")) + "\n"


async def greeted(server: Server, transport: Transport = "tcp", **options: Any) -> Raw:
    """A raw connection that has shaken hands in nymea's dialect."""
    raw = await server.raw(transport, **options)
    assert (await raw.ask(request("JSONRPC.Hello")))["status"] == "success"
    return raw


# Log lines


class Lines(logging.Handler):
    """Collects what is logged, as lines of both formats."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text: list[str] = []
        self.json: list[str] = []
        self._formats = (TextFormatter(), JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record in both formats."""
        text, as_json = self._formats
        self.text.append(text.format(record))
        self.json.append(as_json.format(record))

    def named(self, message: str) -> list[dict[str, Any]]:
        """The lines with this message."""
        return [line for line in map(json.loads, self.json) if line["message"] == message]


@contextmanager
def collected(*names: str) -> Iterator[Lines]:
    """The lines logged within the block by these loggers and those below them."""
    lines = Lines()
    loggers = [logging.getLogger(name) for name in names or ("nymead_users", "jsonrpcserver")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(lines)
        logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(lines)
            logger.setLevel(level)


# Without sockets


class Latch:
    """A point at which whoever comes by can be held up."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._arrived = asyncio.Event()

    def hold(self) -> None:
        """Hold up whoever comes by from here on."""
        self._open.clear()
        self._arrived.clear()

    def release(self) -> None:
        """Let everybody go on."""
        self._open.set()

    async def arrival(self) -> None:
        """Wait until somebody is held up."""
        async with asyncio.timeout(PATIENCE):
            await self._arrived.wait()

    async def passage(self) -> None:
        """Come by."""
        self._arrived.set()
        async with asyncio.timeout(PATIENCE):
            await self._open.wait()


class PausedStore(UserStore):
    """The store; its answers can be held up on their way back, when the database has done its part."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, tokens_per_user=1000)
        self.minted = Latch()
        self.resolved = Latch()

    async def log_in_by_button(self, token: NewToken) -> tuple[User, frozenset[UUID], bool]:
        result = await super().log_in_by_button(token)
        await self.minted.passage()
        return result

    async def principal(self, token: str) -> Principal | None:
        result = await super().principal(token)
        await self.resolved.passage()
        return result


class WatchedPasswords(Passwords):
    """Passwords whose computations are counted, and can be held up while others queue behind."""

    def __init__(self, **cost: int) -> None:
        super().__init__(**cost)
        self._gate = threading.Event()
        self._gate.set()
        self._change = asyncio.Event()
        self._pending = 0
        #: A point after each check of a password, before anything follows from it.
        self.verified = Latch()
        #: The computations so far, each by its kind, its cost in Argon2 and the length of the password.
        self.work: list[tuple[str, argon2.Parameters | None, int]] = []

    def hold(self) -> None:
        """Compute nothing until ``release``."""
        self._gate.clear()

    def release(self) -> None:
        """Compute what waits."""
        self._gate.set()

    async def queued(self, number: int) -> None:
        """Wait until so many passwords are computed or wait."""
        async with asyncio.timeout(PATIENCE):
            while self._pending < number:
                self._change.clear()
                await self._change.wait()

    async def verify(self, password: str, password_hash: str | None, **options: Any) -> bool:
        result = await super().verify(password, password_hash, **options)
        await self.verified.passage()
        return result

    async def verify_pin(self, pin: str, pin_hash: str, *, by: str) -> bool:
        result = await super().verify_pin(pin, pin_hash, by=by)
        await self.verified.passage()
        return result

    def close(self) -> None:
        self.release()
        super().close()

    def _matches(self, password_hash: str, password: bytes) -> bool:
        by_nymead = password_hash.startswith(NYMEAD)
        cost = None if by_nymead else argon2.extract_parameters(password_hash)
        self.work.append(("nymead's" if by_nymead else "verify", cost, len(password)))
        return super()._matches(password_hash, password)

    async def _run(self, compute: Callable[[], T], admit: Callable[[], None] = lambda: None) -> T:
        def gated() -> T:
            assert self._gate.wait(PATIENCE)
            return compute()

        self._pending += 1
        self._change.set()
        try:
            return await super()._run(gated, admit)
        finally:
            self._pending -= 1


class Line:
    """The sending side of a connection, which keeps what is sent (session.channel.Channel)."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.closed = False

    def write(self, messages: Sequence[bytes]) -> None:
        if not self.closed:
            self.received += [json.loads(message) for message in messages]

    def buffered(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class Phone:
    """Somebody's connection to a house."""

    def __init__(self, factory: SessionFactory, peer: Peer, dialect: Dialect) -> None:
        self.line = Line()
        self.session: Session = factory.open(self.line, peer)
        self.dialect = dialect
        self.token = ""
        self._numbers = count(1)

    @property
    def received(self) -> list[Any]:
        """Everything that has come, oldest first."""
        self.session.flush()
        return self.line.received

    def notifications(self, name: str) -> list[dict[str, Any]]:
        """The params of all notifications of this name."""
        return [
            message["params"]
            for message in self.received
            if isinstance(message, dict) and name in (message.get("notification"), message.get("method"))
        ]

    async def ask(self, method: str, params: Any = None, *, token: str | None = None) -> dict[str, Any]:
        """Call a method; the whole reply."""
        number = next(self._numbers)
        held = self.token if token is None else token
        message = request(method, params, dialect=self.dialect, token=held or None, number=number)
        await self.session.receive(message)
        replies = [
            message
            for message in self.received
            if isinstance(message, dict) and message.get("id") == number and "notification" not in message
        ]
        assert len(replies) == 1, self.received
        reply: dict[str, Any] = replies[0]
        return reply

    async def call(self, method: str, params: Any = None) -> dict[str, Any]:
        """Call a method that is answered; what it returns."""
        reply = await self.ask(method, params)
        returned = reply.get("result" if self.dialect == "jsonrpc2" else "params")
        assert isinstance(returned, dict), reply
        return returned

    async def authenticate(self, username: str, password: str = PASSWORD, device: str = "phone") -> dict[str, Any]:
        """Try to log in; the whole reply."""
        reply = await self.ask(
            "JSONRPC.Authenticate", {"username": username, "password": password, "deviceName": device}
        )
        returned = reply.get("result", reply.get("params", {}))
        self.token = returned.get("token", self.token)
        return reply

    @property
    def cut_off(self) -> bool:
        """Whether the last thing that came says that the token is not valid."""
        last = self.received[-1]
        if self.dialect == "jsonrpc2":
            return bool(last.get("error", {}).get("code") == -32001)
        return bool(last.get("status") == "unauthorized")

    def hang_up(self) -> None:
        """End the connection."""
        self.line.close()
        self.session.close()


class House:
    """A server without sockets."""

    def __init__(
        self,
        database: Database,
        passwords: WatchedPasswords,
        throttle: Throttle,
        initial_setup: Literal["anyone", "local", "off"],
        *,
        push_button: bool,
        self_service: bool,
    ) -> None:
        self.database = database
        self.passwords = passwords
        self.throttle = throttle
        self.store = PausedStore(database)
        events = EventBus()
        self.users = Users(self.store, passwords, throttle, events, initial_setup=initial_setup)
        directory = Directory(events, limit=100_000, limit_per_address=100_000)
        broadcaster = Broadcaster(directory)
        button = PushButton(available=push_button, mint=self.users.log_in_by_button, revoke=self.users.revoke)
        model = Model(database, events)
        people = People(model, passwords)
        self.store.companions.append(people.user_removed)
        doors = AccessDomain(
            people,
            Locks(model, self.users),
            Grants(model),
            Synchronisation(model),
            Decisions(model, passwords, PinRules(attempts=5, lockout=300.0)),
        )
        public = Registry(
            [
                UsersNamespace(self.users, button, events, broadcaster.notify, self_service=self_service),
                AccessNamespace(doors, events, broadcaster.notify),
                LockGroupsNamespace(Groups(model, limit=10), events, broadcaster.notify),
                LockRolesNamespace(Roles(model), events, broadcaster.notify),
                AccessKeysNamespace(AccessKeys(model, passwords), events, broadcaster.notify),
                SmartlockAuthsNamespace(Authorizations(model), events, broadcaster.notify),
            ]
        )
        public.add(JsonRpcNamespace(self.users, button, ServerIdentity("house", "1", UUID(int=1), "en_US"), public))
        public.add(DiscoveryNamespace(public, "1"))
        transfer = Transfer(model, self.users, passwords, groups_limit=10)
        operator = Registry([*public.namespaces.values(), OperatorNamespace(button, self.users, transfer)])
        limits = Limits(message_size=1 << 20, outbox_size=1 << 23, handshake_time=PATIENCE)
        self._public, self._operator = (
            SessionFactory(
                Dispatcher(registry, self.users, check_returns=True),
                directory,
                broadcaster,
                self.users,
                limits,
                authentication=registry is public,
            )
            for registry in (public, operator)
        )
        self._phones: list[Phone] = []

    def phone(self, dialect: Dialect = "nymea", *, address: str = HOME, local: bool = False) -> Phone:
        """A new connection over the network."""
        phone = Phone(self._public, Peer(f"{address}:5000", address, local), dialect)
        phone.session.greet("en_US")
        self._phones.append(phone)
        return phone

    def operator(self) -> Phone:
        """The machine's operator."""
        phone = Phone(self._operator, Peer("unix", "unix", local=True, operator=True), "nymea")
        phone.session.greet("en_US")
        self._phones.append(phone)
        return phone

    async def login(
        self, username: str = "admin", dialect: Dialect = "nymea", *, address: str = HOME, password: str = PASSWORD
    ) -> Phone:
        """A connection that is logged in."""
        phone = self.phone(dialect, address=address)
        reply = await phone.authenticate(username, password)
        assert phone.token, reply
        return phone

    async def add(self, username: str, *scopes: str, password: str = PASSWORD) -> None:
        """Add a user with these scopes (names without their prefix)."""
        params = {"username": username, "password": password, "scopes": [f"PermissionScope{s}" for s in scopes]}
        assert await self.operator().call("Users.CreateUser", params) == NO_ERROR

    async def usernames(self) -> list[str]:
        """Who is there."""
        return [user.username async for page in self.users.pages() for user in page]

    async def tokens(self, username: str) -> int:
        """How many tokens a user has."""
        return len(await self.users.tokens(username))

    def hang_up(self) -> None:
        """End all connections."""
        for phone in self._phones:
            phone.hang_up()


@asynccontextmanager
async def a_house(
    directory: Path,
    *,
    initial_setup: Literal["anyone", "local", "off"] = "anyone",
    push_button: bool = True,
    self_service: bool = False,
    throttling: dict[str, Any] | None = None,
    cost: dict[str, int] | None = None,
) -> AsyncIterator[House]:
    """A server without sockets, as new."""
    database = await Database.open(directory / STORE)
    passwords = WatchedPasswords(**{**CHEAP_ARGON2, **(cost or {})})
    house = House(
        database,
        passwords,
        Throttle(**{**STERN, **(throttling or {})}),
        initial_setup,
        push_button=push_button,
        self_service=self_service,
    )
    try:
        await house.users.start()
        yield house
    finally:
        house.hang_up()
        passwords.close()
        await database.close()


@asynccontextmanager
async def a_home(directory: Path, **options: Any) -> AsyncIterator[House]:
    """A server without sockets, set up: its administrator is "admin"."""
    async with a_house(directory, **options) as house:
        params = {"username": "admin", "password": PASSWORD}
        assert await house.operator().call("JSONRPC.CreateUser", params) == NO_ERROR
        yield house


def tally(replies: Sequence[Any]) -> Counter[str]:
    """Replies of either dialect by their kind: an outcome, a login's success, or an error's text."""
    return Counter(_kind(reply) for reply in replies)


def _kind(reply: Any) -> str:
    if isinstance(reply, Exception):
        return f"{type(reply).__name__}: {reply}"
    error = reply.get("error")
    if error is not None:
        return str(error["message"] if isinstance(error, dict) else error)
    returned = reply.get("result", reply.get("params", {}))
    return str(returned.get("error", returned.get("success")))
