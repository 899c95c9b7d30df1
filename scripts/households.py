"""Households at one server: what they do at random, and what must be true of the server all the while.

Each household has users of its own and does one thing after another with them, so it knows exactly what the server
must answer. All share a journal of what changed, so that each connection knows what it must have heard of anybody,
and what it must not. Time is counted in ticks of the journal: whatever is under way between a request and its reply
may have happened already, or not yet.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from nymead_users.client import Client, ConnectionLost, PermissionDenied, TooManyAttempts, Unauthorized
from nymead_users.client.client import Dialect
from nymead_users.client.transport import StreamTransport, WebSocketTransport
from nymead_users.endpoint import Endpoint

#: Seconds to wait for what must happen; far more than it takes.
PATIENCE = 60.0

#: The most users and the most connections of a household.
USERS, DEVICES = 6, 10

#: How every password begins, so that none is found in a log by chance.
SECRET = "Pa55-Word-Of-"  # noqa: S105 - they protect nothing

OK = {"error": "UserErrorNoError"}

_P = "PermissionScope"
ADMIN = (f"{_P}Admin",)
#: What users may be allowed: what is asked for, and the names by which the server answers.
PERMISSIONS: dict[tuple[str, ...], list[str]] = {
    ADMIN: [
        f"{_P}{name}"
        for name in (
            *("ControlThings", "ConfigureThings", "AccessAllThings", "ExecuteRules", "ConfigureRules", "Admin"),
        )
    ],
    (): [],
    (f"{_P}ControlThings",): [f"{_P}ControlThings"],
    (f"{_P}AccessAllThings", f"{_P}ConfigureRules"): [
        f"{_P}AccessAllThings",
        f"{_P}ExecuteRules",
        f"{_P}ConfigureRules",
    ],
}

#: What vandals send: nothing in it is a message that the server should take.
RUBBISH = (
    b"\x00" * 64,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n",
    b"[" * 5000 + b"\n",
    b'{"id": 1e400, "method": "JSONRPC.Hello"}\n',
    b'{"id": 1, "method": "JSONRPC.Hello", "params": {"locale": "\\ud800"}}\n',
    b'{"id": 1, "method": "Users.GetUsers", "token": "nobody\'s"}\n',
    b'{"jsonrpc": "2.0", "id": 1, "method": "Users.GetUsers", "token": "nobody\'s"}\n',
    b'{"jsonrpc": "2.0", "id": [], "method": 1}\n' * 50,
    b'{"id": 1, "meth',
    b"\xff\xfe\xfd\n" * 20,
)


class Violation(Exception):
    """The server did what it must not, or did not what it must."""


@dataclass(eq=False)
class Change:
    """Something that whoever may know has to hear exactly once: asked for at one tick, answered at another."""

    name: str
    username: str
    begun: float
    done: float = math.inf


class Journal:
    """What all households changed, in order, and what they found wrong."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.faults: list[str] = []
        #: For progress: how often something was done, heard and connected.
        self.steps = self.heard = self.connected = self.most_connected = 0
        #: Every token that was ever given out.
        self.tokens: set[str] = set()
        self._by_content: dict[str, Change] = {}
        self._ticks = 0

    def tick(self) -> int:
        """The time."""
        self._ticks += 1
        return self._ticks

    def serial(self) -> int:
        """A number that nobody else has."""
        return self.tick()

    def begin(self, name: str, params: Mapping[str, Any]) -> Change:
        """Somebody is about to ask for a change that everybody who may know will hear of in these words."""
        change = Change(name, _username(params), self.tick())
        self.changes.append(change)
        self._by_content[_content(name, params)] = change
        return change

    def end(self, change: Change) -> None:
        """It was answered."""
        change.done = self.tick()

    def change_of(self, name: str, params: Mapping[str, Any]) -> Change | None:
        """The change of which a notification tells."""
        return self._by_content.get(_content(name, params))


def _content(name: str, params: Mapping[str, Any]) -> str:
    return json.dumps([name, params], sort_keys=True)


def _username(params: Mapping[str, Any]) -> str:
    return str(params.get("userInfo", params)["username"])


@dataclass
class Span:
    """A time to hear: from the reply that began it, perhaps from its request; to the end likewise."""

    may_from: float
    must_from: float
    must_to: float = math.inf
    may_to: float = math.inf

    def end(self, since: float, until: float) -> None:
        """Whoever is open ends between these ticks."""
        self.must_to, self.may_to = min(self.must_to, since), min(self.may_to, until)


@dataclass(eq=False)
class Account:
    """A user as the server should know them."""

    username: str
    password: str
    permissions: tuple[str, ...]
    display_name: str = ""
    email: str = ""
    things: list[str] = field(default_factory=list)
    #: By token: the device's name.
    tokens: dict[str, str] = field(default_factory=dict)
    #: Whether the household's address has logged in: only then it stays open whatever others guess.
    known: bool = False

    @property
    def info(self) -> dict[str, Any]:
        """The user as the API shows them."""
        return {
            "username": self.username,
            "email": self.email,
            "displayName": self.display_name,
            "scopes": PERMISSIONS[self.permissions],
            "allowedThingIds": self.things,
        }


class Device:
    """A connection that is logged in, and what it heard."""

    def __init__(self, client: Client, account: Account, token: str, journal: Journal) -> None:
        self.client = client
        self.account = account
        self.token = token
        self.subscribed = False
        self._journal = journal
        self._heard: dict[Change, None] = {}
        self._newest: dict[str, float] = {}
        self._everything: list[Span] = []
        self._own: list[Span] = []
        self._first = len(journal.changes)
        #: When it last was sure to have heard all there was.
        self._synced = 0
        self._listening = asyncio.create_task(self._listen())
        journal.connected += 1
        journal.most_connected = max(journal.most_connected, journal.connected)

    def __repr__(self) -> str:
        """Whose it is."""
        return f"a device of {self.account.username}"

    async def subscribe(self, *, wanted: bool = True) -> None:
        """Ask for all notifications, or for none."""
        if not wanted:
            await self.sync()
        began = self._journal.tick()
        answer = await self.client.subscribe(*(["Users"] if wanted else []))
        _equal(answer, ["Users"] if wanted else [], f"namespaces of {self}")
        now = self._journal.tick()
        if self.subscribed and not wanted:
            self._end(began, now)
        elif wanted and not self.subscribed:
            self._own.append(Span(began, now))
            if self.account.permissions == ADMIN:
                self._everything.append(Span(began, now))
        self.subscribed = wanted

    def permitted(self, began: float, done: float, *, before: tuple[str, ...]) -> None:
        """The account's permissions changed between these ticks."""
        after = self.account.permissions
        if self.subscribed and ADMIN in (before, after) and before != after:
            if after == ADMIN:
                self._everything.append(Span(began, done))
            else:
                self._everything[-1].end(began, done)

    def revoked(self, began: float, done: float) -> None:
        """The token was removed between these ticks."""
        self._end(began, done)

    async def sync(self) -> None:
        """Wait until everything has been heard that happened before."""
        before = self._journal.tick()
        await self.client.call("JSONRPC.KeepAlive", {"sessionId": None})
        self._synced = before

    async def refused(self, *, raced: bool = False) -> None:
        """The token is gone: the next call must be refused, and the connection end."""
        try:
            answer = await self.client.call("Users.GetUserInfo")
        except Unauthorized:
            pass
        except ConnectionLost:
            if not raced:
                raise Violation(f"{self} was cut off without an answer") from None
        else:
            raise Violation(f"{self} is served after its token was removed: {answer}")
        async with asyncio.timeout(PATIENCE):
            await self.client.closed()
        await self._gone()

    async def leave(self, *, rudely: bool = False) -> None:
        """End the connection."""
        if not rudely:
            await self.sync()
        self._end(self._journal.tick(), math.inf)
        await self._gone()

    async def _gone(self) -> None:
        await self.client.close()
        await self._listening
        self._end(self._journal.tick(), self._journal.tick())
        self._check()
        self._journal.connected -= 1

    def _end(self, began: float, done: float) -> None:
        for span in (*self._everything, *self._own):
            span.end(began, done)

    async def _listen(self) -> None:
        async for notification in self.client.notifications():
            change = self._journal.change_of(notification.name, notification.params)
            self._journal.heard += 1
            if change is None:
                self._fault(f"heard what nobody did: {notification}")
            elif change in self._heard:
                self._fault(f"heard twice: {notification}")
            elif change.begun < self._newest.get(change.username, 0):
                self._fault(f"heard after what came later: {notification}")
            else:
                self._heard[change] = None
                self._newest[change.username] = change.begun

    def _check(self) -> None:
        """Hold what was heard against the journal."""
        for change in self._heard:
            if not any(change.begun <= span.may_to and span.may_from <= change.done for span in self._spans(change)):
                self._fault(f"heard what it must not know: {change}")
        for change in self._journal.changes[self._first :]:
            if change not in self._heard and any(
                span.must_from <= change.begun and change.done <= min(span.must_to, self._synced)
                for span in self._spans(change)
            ):
                self._fault(f"did not hear: {change}")

    def _spans(self, change: Change) -> list[Span]:
        about_me = change.name == "Users.UserChanged" and change.username == self.account.username
        return [*self._everything, *self._own] if about_me else self._everything

    def _fault(self, text: str) -> None:
        self._journal.faults.append(f"{self} {text}")


def _equal(found: object, expected: object, of: str) -> None:
    if found != expected:
        raise Violation(f"{of}: {found!r}, should be {expected!r}")


class Street:
    """How to come to the server: its addresses, and what can be reached there."""

    def __init__(self, urls: list[str], control: str, chance: random.Random) -> None:
        self._urls = urls
        self._control = control
        self._chance = chance

    async def client(self, address: str, *, token: str | None = None) -> Client:
        """A new connection from an address of loopback, over any transport, in any dialect, before its first call."""
        endpoint = Endpoint.parse(self._chance.choice(self._urls))
        dialect: Dialect = self._chance.choice(("nymea", "jsonrpc2"))
        channel: StreamTransport | WebSocketTransport
        if endpoint.websocket:
            headers = {"Authorization": f"Bearer {token}"} if token else None
            channel = WebSocketTransport(
                await connect(
                    str(endpoint),
                    compression=None,
                    proxy=None,
                    local_addr=(address, 0),
                    max_size=None,
                    additional_headers=headers,
                    ssl=_tls(endpoint),
                )
            )
        else:
            channel = StreamTransport(
                *await asyncio.open_connection(
                    endpoint.host, endpoint.port, local_addr=(address, 0), ssl=_tls(endpoint)
                )
            )
        client = Client(channel, dialect, token=token, timeout=PATIENCE)
        await client.hello(token=token)
        return client

    async def operator(self) -> Client:
        """The machine's operator."""
        client = await Client.connect(self._control, timeout=PATIENCE)
        await client.hello()
        return client

    async def send_batch(self, address: str) -> None:
        """Send a batch of a request, a notification and what is neither; each but the notification has its answer."""
        endpoint = next(endpoint for endpoint in map(Endpoint.parse, self._urls) if not endpoint.websocket)
        reader, writer = await asyncio.open_connection(
            endpoint.host, endpoint.port, local_addr=(address, 0), ssl=_tls(endpoint)
        )
        hello = {"jsonrpc": "2.0", "method": "JSONRPC.Hello"}
        writer.write(json.dumps([{**hello, "id": 7}, hello, 1]).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            answers = json.loads(await reader.readline())
        _equal([(answer["id"], "result" in answer) for answer in answers], [(7, True), (None, False)], "a batch")
        writer.close()
        await _closed(writer)

    async def spoil(self) -> None:
        """Connect, send rubbish, and hang up in one way or another."""
        endpoint = Endpoint.parse(self._chance.choice(self._urls))
        reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        try:
            for _ in range(self._chance.randrange(4)):
                writer.write(self._chance.choice((*RUBBISH, self._chance.randbytes(200))))
            if self._chance.random() < 0.5:
                async with asyncio.timeout(1):
                    await reader.read(self._chance.choice((1, 4096)))
        except (OSError, TimeoutError):
            pass
        finally:
            if self._chance.random() < 0.5:
                # A reset rather than a proper end, unless the server was first.
                if (connection := writer.get_extra_info("socket")) is not None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            writer.close()
            await asyncio.wait([asyncio.ensure_future(_closed(writer))])


def _tls(endpoint: Endpoint) -> ssl.SSLContext | None:
    """TLS to whoever it is: that the certificate is the right one is tested elsewhere."""
    if not endpoint.tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _closed(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.wait_closed()
    except OSError:
        return


class Household:
    """Some users and their devices, who do one thing after another."""

    def __init__(self, number: int, street: Street, journal: Journal, chance: random.Random) -> None:
        self.name = f"house{number}"
        self.address = f"127.{1 + number // 250}.{number % 250}.1"
        self.accounts: list[Account] = []
        self.devices: list[Device] = []
        #: What was done last, for the account of a violation.
        self.diary: list[str] = []
        self._street = street
        self._journal = journal
        self.chance = chance
        self._head = Account(f"{self.name}-head", self._password(), ADMIN)
        self._steps: dict[Callable[[], Awaitable[None]], int] = {
            self.log_in: 10,
            self.come_back: 6,
            self.leave: 4,
            self.add: 4,
            self.be_refused: 3,
            self.change_info: 5,
            self.change_permissions: 5,
            self.change_password: 2,
            self.change_own_password: 2,
            self.remove: 1,
            self.revoke: 3,
            self.subscribe: 3,
            self.look: 6,
            self.read_contract: 1,
            self.guess: 2,
            self.use_dead_token: 1,
            self.revoke_while_busy: 1,
            self.log_in_while_password_changes: 1,
            self.come_back_while_revoked: 1,
            self.remove_twice: 1,
        }

    async def move_in(self, operator: Client) -> None:
        """Have the operator make the first user."""
        params = {"username": self._head.username, "password": self._head.password}
        change = self._journal.begin("Users.UserAdded", {"userInfo": self._head.info})
        _equal(await operator.call("Users.CreateUser", params), OK, "creating the head")
        self._journal.end(change)
        self.accounts.append(self._head)

    async def live(self, over: Callable[[], bool]) -> None:
        """Do one thing after another. Raises Violation."""
        while not over():
            await self._admin()  # somebody is always there who may do what follows
            (step,) = self.chance.choices(list(self._steps), list(self._steps.values()))
            self.diary = [*self.diary[-9:], step.__name__]
            await step()
            self._journal.steps += 1
            if self._journal.faults:
                raise Violation(self._journal.faults[0])

    def move_to(self, street: Street) -> None:
        """Go on with another server that has the same data."""
        self._street = street

    async def go_out(self) -> None:
        """Leave with all devices."""
        devices, self.devices = self.devices, []
        await asyncio.gather(*(device.leave() for device in devices))

    async def audit(self) -> None:
        """Hold every user, token and password against the server. Nobody of the household must be connected."""
        operator = await self._street.operator()
        users = {user["username"]: user for user in (await operator.call("Users.GetUsers"))["users"]}
        await operator.close()
        ours = {name: user for name, user in users.items() if name.startswith(f"{self.name}-")}
        _equal(ours, {account.username: account.info for account in self.accounts}, f"users of {self.name}")
        for account in self.accounts:
            for token in list(account.tokens)[-3:]:
                await self._come_back(account, token)
            await self._log_in(account)
            await self._compare_tokens(account)
            await self.go_out()

    # Steps

    async def log_in(self) -> None:
        """Log in from a new device; one more than there may be makes another leave."""
        if len(self.devices) >= DEVICES:
            await self.leave()
        device = await self._log_in(self._account(), mistype=self.chance.random() < 0.2)
        if self.chance.random() < 0.7:
            await device.subscribe()

    async def come_back(self) -> None:
        """Connect with a token from before."""
        account = self._account()
        if account.tokens and len(self.devices) < DEVICES:
            device = await self._come_back(account, self.chance.choice(list(account.tokens)))
            if self.chance.random() < 0.7:
                await device.subscribe()

    async def leave(self) -> None:
        """Disconnect, properly or not."""
        device = self.chance.choice(self.devices)
        self.devices.remove(device)
        await device.leave(rudely=self.chance.random() < 0.5)

    async def add(self) -> None:
        """Add a user."""
        if len(self.accounts) >= USERS:
            return
        serial = self._journal.serial()
        permissions = self.chance.choice(list(PERMISSIONS))
        account = Account(f"{self.name}-{serial}", self._password(), permissions, display_name=f"Name {serial}")
        params: dict[str, Any] = {"username": account.username.upper(), "password": account.password}
        params["displayName"] = account.display_name
        if permissions != ADMIN or self.chance.random() < 0.5:  # which is what users get who get nothing
            params["scopes"] = list(permissions)
        await self._change("Users.CreateUser", params, "Users.UserAdded", {"userInfo": account.info})
        self.accounts.append(account)

    async def be_refused(self) -> None:
        """Ask for what is wrong: nothing changes, and nobody hears of it."""
        admin = await self._admin()
        name, password = self._account().username, self._password()
        attempts: list[tuple[str, dict[str, Any], str]] = [
            ("CreateUser", {"username": name, "password": password}, "DuplicateUserId"),
            ("CreateUser", {"username": f"{self.name}-bad name", "password": password}, "InvalidUserId"),
            ("CreateUser", {"username": f"{self.name}-new", "password": "weak"}, "BadPassword"),
            ("SetUserScopes", {"username": name, "scopes": [f"{_P}ExecuteRules"]}, "InconsistantScopes"),
            ("SetUserInfo", {"username": f"{self.name}-nobody", "email": ""}, "InvalidUserId"),
            ("RemoveUser", {"username": f"{self.name}-nobody"}, "InvalidUserId"),
            ("RemoveToken", {"tokenId": str(UUID(int=1))}, "TokenNotFound"),
        ]
        method, params, error = self.chance.choice(attempts)
        answer = await admin.client.call(f"Users.{method}", params)
        _equal(answer, {"error": f"UserError{error}"}, f"{method} {params.keys()}")

    async def change_info(self) -> None:
        """Change a name or an address, one's own as well."""
        account = self._account()
        changed = {self.chance.choice(("displayName", "email")): f"new {self._journal.serial()}"}
        params = {"username": account.username, **changed}
        body: dict[str, Any] = {"userInfo": account.info | changed}
        own = [device for device in self.devices if device.account is account]
        actor = self.chance.choice(own) if own and self.chance.random() < 0.5 else None
        if actor is not None:
            del params["username"]
        if actor is not None and account.permissions != ADMIN:
            try:
                await actor.client.call("Users.SetUserInfo", params)
            except PermissionDenied:
                return
            raise Violation(f"{actor} changed its info")
        await self._change("Users.SetUserInfo", params, "Users.UserChanged", body, actor=actor)
        account.display_name, account.email = body["userInfo"]["displayName"], body["userInfo"]["email"]

    async def change_permissions(self) -> None:
        """Change what somebody may do; their devices follow."""
        account = self._member()
        if account is None:
            return
        before, after = account.permissions, self.chance.choice(list(PERMISSIONS))
        things = [str(UUID(int=self._journal.serial()))]
        body = {"userInfo": account.info | {"scopes": PERMISSIONS[after], "allowedThingIds": things}}
        params: dict[str, Any] = {"username": account.username, "scopes": list(after), "allowedThingIds": things}
        change = await self._change("Users.SetUserScopes", params, "Users.UserChanged", body)
        account.permissions, account.things = after, things
        for device in self._devices_of(account):
            device.permitted(change.begun, change.done, before=before)
        await asyncio.gather(*(self._look(device) for device in self._devices_of(account)))

    async def change_password(self) -> None:
        """Change somebody's password; their devices are logged out."""
        account = self._member()
        if account is None:
            return
        password, admin, began = self._password(), await self._admin(), self._journal.tick()
        params = {"username": account.username, "newPassword": password}
        _equal(await admin.client.call("Users.ChangeUserPassword", params), OK, "changing a password")
        account.password = password
        await self._cut(account, list(account.tokens), began)

    async def change_own_password(self) -> None:
        """Change one's own password; tokens stay."""
        device = self.chance.choice(self.devices)
        password = self._password()
        try:
            answer = await device.client.call("Users.ChangePassword", {"newPassword": password})
        except PermissionDenied:
            if device.account.permissions == ADMIN:
                raise
            return
        _equal(answer, OK, "changing one's own password")
        device.account.password = password
        await self._look(device)

    async def remove(self) -> None:
        """Remove a user."""
        account = self._member()
        if account is None:
            return
        body = {"username": account.username}
        self.accounts.remove(account)  # so that somebody else removes them
        change = await self._change("Users.RemoveUser", body, "Users.UserRemoved", body)
        await self._cut(account, list(account.tokens), change.begun)

    async def revoke(self) -> None:
        """Remove a token, perhaps that of the caller."""
        account = self._account()
        if not account.tokens:
            return
        token = self.chance.choice(list(account.tokens))
        admin, began = await self._admin(), self._journal.tick()
        await self._remove_token(admin, account, token)
        await self._cut(account, [token], began)

    async def subscribe(self) -> None:
        """Ask for notifications, or for no more."""
        device = self.chance.choice(self.devices)
        await device.subscribe(wanted=not device.subscribed)

    async def look(self) -> None:
        """See what is there."""
        await asyncio.gather(*(self._look(device) for device in self.devices))
        admin = await self._admin()
        users = {user["username"]: user for user in (await admin.client.call("Users.GetUsers"))["users"]}
        ours = {name: user for name, user in users.items() if name.startswith(f"{self.name}-")}
        _equal(ours, {account.username: account.info for account in self.accounts}, f"users of {self.name}")
        await self._compare_tokens(self._account())
        await asyncio.gather(*(device.sync() for device in self.devices))

    async def read_contract(self) -> None:
        """Read what the server says of itself, and send a batch."""
        device = self.chance.choice(self.devices)
        methods = (await device.client.call("JSONRPC.Introspect"))["methods"]
        described = (await device.client.call("rpc.discover"))["methods"]
        _equal({method["name"] for method in described}, set(methods), "the two contracts")
        await self._street.send_batch(self.address)

    async def guess(self) -> None:
        """A stranger guesses passwords; the household is let in all the same."""
        account = self._account()
        if not account.known or len(self.devices) >= DEVICES:
            return
        octets = (self.chance.randrange(1, 255) for _ in range(2))
        stranger = await self._street.client("127.200.{}.{}".format(*octets))
        for _ in range(self.chance.randint(1, 5)):
            try:
                login = await stranger.authenticate(account.username, self._password(), "stranger")
            except TooManyAttempts:
                continue
            _equal(login, None, f"a guess at {account.username}")
        await stranger.close()
        await self._log_in(account)

    async def use_dead_token(self) -> None:
        """A token that is none gets nothing."""
        await self._refuse(self.chance.randbytes(32).hex())

    async def revoke_while_busy(self) -> None:
        """A token is removed while it is used: once that is answered, nothing more is."""
        busy = [device for device in self.devices if device.account is not self._head]
        if not busy:
            return
        device = self.chance.choice(busy)
        admin = await self._admin(other_than=device)
        began = self._journal.tick()
        calls = [asyncio.create_task(device.client.call("Users.GetUserInfo")) for _ in range(10)]
        await self._remove_token(admin, device.account, device.token)
        await self._cut(device.account, [device.token], began, raced=True)
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if not isinstance(outcome, dict | Unauthorized | ConnectionLost):
                raise Violation(f"a call while the token is removed: {outcome!r}")

    async def log_in_while_password_changes(self) -> None:
        """Whoever logs in by the old password at that moment is not logged in afterwards."""
        account = self._member()
        if account is None or not account.known:
            return
        admin = await self._head_device()
        client = await self._street.client(self.address)
        old, new = account.password, self._password()
        began = self._journal.tick()
        params = {"username": account.username, "newPassword": new}
        answer, login = await asyncio.gather(
            admin.client.call("Users.ChangeUserPassword", params),
            client.authenticate(account.username, old, "late"),
        )
        _equal(answer, OK, "changing a password")
        account.password = new
        await client.close()
        await self._cut(account, list(account.tokens), began)
        if login is not None:
            self._journal.tokens.add(login.token)
            await self._refuse(login.token)
        await self._log_in(account)  # which clears the count of failures of this address

    async def come_back_while_revoked(self) -> None:
        """Whoever comes with a token that is removed at that moment is not logged in afterwards."""
        account = self._account()
        if not account.tokens:
            return
        token = self.chance.choice(list(account.tokens))
        admin = await self._head_device(other_than=token)
        began = self._journal.tick()
        coming = asyncio.create_task(self._street.client(self.address, token=token))
        await self._remove_token(admin, account, token)
        client = await coming
        await self._cut(account, [token], began)
        try:
            answer = await client.call("Users.GetUserInfo")
        except Unauthorized:
            await client.close()
        else:
            raise Violation(f"a token bound while it was removed is served: {answer}")

    async def remove_twice(self) -> None:
        """Of two who remove the same user one does."""
        account = self._member()
        if account is None:
            return
        admin = await self._head_device()
        body = {"username": account.username}
        change = self._journal.begin("Users.UserRemoved", body)
        answers = await asyncio.gather(*(admin.client.call("Users.RemoveUser", body) for _ in range(2)))
        self._journal.end(change)
        errors = sorted(answer["error"] for answer in answers)
        _equal(errors, ["UserErrorInvalidUserId", "UserErrorNoError"], "removing a user twice")
        self.accounts.remove(account)
        await self._cut(account, list(account.tokens), change.begun)

    # Parts of steps

    def _password(self) -> str:
        return f"{SECRET}{self.chance.randbytes(8).hex()}"

    def _account(self) -> Account:
        return self.chance.choice(self.accounts)

    def _member(self) -> Account | None:
        """Somebody but the head, who always stays an administrator."""
        return self.chance.choice(self.accounts[1:]) if len(self.accounts) > 1 else None

    def _devices_of(self, account: Account) -> list[Device]:
        return [device for device in self.devices if device.account is account]

    async def _admin(self, *, other_than: Device | None = None) -> Device:
        """A device of any administrator, with another token than that device's."""
        admins = [
            device
            for device in self.devices
            if device.account.permissions == ADMIN
            and device.account in self.accounts
            and (other_than is None or device.token != other_than.token)
        ]
        return self.chance.choice(admins) if admins else await self._log_in(self._head)

    async def _head_device(self, *, other_than: str = "") -> Device:
        for device in self._devices_of(self._head):
            if device.token != other_than:
                return device
        return await self._log_in(self._head)

    async def _change(
        self, method: str, params: dict[str, Any], name: str, body: dict[str, Any], *, actor: Device | None = None
    ) -> Change:
        actor = actor or await self._admin()
        change = self._journal.begin(name, body)
        _equal(await actor.client.call(method, params), OK, method)
        self._journal.end(change)
        return change

    async def _log_in(self, account: Account, *, mistype: bool = False) -> Device:
        client = await self._street.client(self.address)
        name = f"device {self._journal.serial()}"
        if mistype:
            wrong = await client.authenticate(account.username, self._password(), name)
            _equal(wrong, None, "a wrong password")
        login = await client.authenticate(account.username.upper(), account.password, name)
        if login is None:
            raise Violation(f"the password of {account.username} is refused")
        self._journal.tokens.add(login.token)
        _equal(login.username, account.username, "the user who logged in")
        _equal(list(login.scopes), PERMISSIONS[account.permissions], f"scopes of {account.username}")
        account.known = True
        account.tokens[login.token] = name
        return self._arrived(client, account, login.token)

    async def _come_back(self, account: Account, token: str) -> Device:
        device = self._arrived(await self._street.client(self.address, token=token), account, token)
        await self._look(device)
        return device

    def _arrived(self, client: Client, account: Account, token: str) -> Device:
        device = Device(client, account, token, self._journal)
        self.devices.append(device)
        return device

    async def _look(self, device: Device) -> None:
        info = await device.client.call("Users.GetUserInfo")
        _equal(info, OK | {"userInfo": device.account.info}, f"{device}'s own info")
        if device.account.permissions == ADMIN:
            own = (await device.client.call("Users.GetTokens"))["tokenInfoList"]
            names = {token["deviceName"] for token in own}
            _equal(names, set(device.account.tokens.values()), f"{device}'s own tokens")
            return
        try:
            await device.client.call("Users.GetUsers")
        except PermissionDenied:
            return
        raise Violation(f"{device}, which is no administrator's, sees all users")

    async def _tokens(self, client: Client, account: Account) -> dict[str, str]:
        answer = await client.call("Users.GetUserTokens", {"username": account.username})
        return {token["deviceName"]: token["id"] for token in answer["tokenInfoList"]}

    async def _compare_tokens(self, account: Account) -> None:
        found = await self._tokens((await self._admin()).client, account)
        _equal(found.keys(), set(account.tokens.values()), f"tokens of {account.username}")

    async def _remove_token(self, admin: Device, account: Account, token: str) -> None:
        token_id = (await self._tokens(admin.client, account))[account.tokens[token]]
        _equal(await admin.client.call("Users.RemoveToken", {"tokenId": token_id}), OK, "removing a token")

    async def _cut(self, account: Account, tokens: list[str], began: float, *, raced: bool = False) -> None:
        """These tokens were removed: whoever used them is refused, and nobody else."""
        done = self._journal.tick()
        gone = [device for device in self.devices if device.token in tokens]
        self.devices = [device for device in self.devices if device not in gone]
        for token in tokens:
            del account.tokens[token]
        for device in gone:
            device.revoked(began, done)
        await asyncio.gather(*(device.refused(raced=raced) for device in gone))
        if tokens:
            await self._refuse(self.chance.choice(tokens))
        await asyncio.gather(*(self._look(device) for device in self._devices_of(account)))

    async def _refuse(self, token: str) -> None:
        client = await self._street.client(self.address)
        hello = await client.hello(token=token)
        _equal(hello["authenticated"], False, "whether a token that is none is taken")
        try:
            answer = await client.call("Users.GetUserInfo")
        except Unauthorized:
            await client.close()
        else:
            raise Violation(f"a token that is none is served: {answer}")


class Button:
    """Those who ask for the button, and whoever presses it."""

    name = "the button"

    def __init__(self, street: Street, journal: Journal, chance: random.Random) -> None:
        self.diary: list[str] = []
        self._street = street
        self._journal = journal
        self._chance = chance

    async def move_in(self, operator: Client) -> None:
        """Press the button once, so that its user is there before anybody listens."""
        await self._press(operator, await self._waiting())

    async def live(self, over: Callable[[], bool]) -> None:
        """Ask, displace, hang up and press. Raises Violation."""
        operator = await self._street.operator()
        while not over():
            self.diary = [f"press {self._journal.steps}"]
            await self._round(operator)
            self._journal.steps += 1
        await operator.close()

    async def _round(self, operator: Client) -> None:
        first = await self._waiting()
        if self._chance.random() < 0.5:
            second = await self._waiting()
            await self._hears(first, success=False)
            await first.close()
            first = second
        if self._chance.random() < 0.3:
            await first.close()
            # The server may not know yet that it has gone.
            await operator.call("Operator.PressButton")
            await self._take_back(operator)
        else:
            await self._press(operator, first)

    async def _waiting(self) -> Client:
        client = await self._street.client("127.0.0.1")
        answer = await client.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "button"})
        _equal(answer["success"], True, "asking for the button")
        return client

    async def _press(self, operator: Client, client: Client) -> None:
        _equal(await operator.call("Operator.PressButton"), {"success": True}, "pressing the button")
        token = str((await self._hears(client, success=True))["token"])
        self._journal.tokens.add(token)
        info = await client.call("Users.GetUserInfo")
        _equal(info["userInfo"]["username"], "", "whose token the button made")
        await self._take_back(operator)
        try:
            await client.call("Users.GetUserInfo")
        except Unauthorized:
            await client.close()
        else:
            raise Violation("the button's token is served after it was removed")

    async def _take_back(self, operator: Client) -> None:
        for token in (await operator.call("Users.GetUserTokens", {"username": ""}))["tokenInfoList"]:
            await operator.call("Users.RemoveToken", {"tokenId": token["id"]})

    async def _hears(self, client: Client, *, success: bool) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            notification = await anext(client.notifications())
        _equal(notification.params["success"], success, "whether the button was pressed in time")
        return notification.params


class Vandal:
    """Somebody who sends rubbish and hangs up."""

    name = "a vandal"

    def __init__(self, street: Street, journal: Journal) -> None:
        self.diary = ["rubbish"]
        self._street = street
        self._journal = journal

    async def live(self, over: Callable[[], bool]) -> None:
        """Do it again and again."""
        while not over():
            try:
                await self._street.spoil()
            except (OSError, WebSocketException) as error:
                raise Violation(f"the server takes no connections: {error}") from error
            self._journal.steps += 1
