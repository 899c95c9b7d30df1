"""The cases: one function each, which sets up the contenders and says how to take a sample of each."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from benchmark.load import (
    PATIENCE,
    Connection,
    Load,
    Stream,
    Subscriber,
    Target,
    Transport,
    WrongReplyError,
    percentile,
)
from benchmark.measuring import Bench, Case, Contenders, Goal, Sample
from benchmark.servers import PASSWORD, TOKEN, Processes, door, person, resident
from nymead_users.client import Client
from nymead_users.config import Argon2

#: All cases, in the order in which they are measured.
CASES: list[Case] = []

OURS = "nymead-users"

#: The connections of the cases with many, and the requests that each keeps under way.
CONNECTIONS, WINDOW = 16, 32

#: The different questions of the case about decisions.
PAIRS = 512


def _message(dialect: str, method: str, params: object = None) -> bytes:
    message: dict[str, object] = {"id": 1, "method": method}
    if dialect == "jsonrpc2":
        message["jsonrpc"] = "2.0"
    else:
        message["token"] = TOKEN
    if params is not None:
        message["params"] = params
    return json.dumps(message, separators=(",", ":")).encode()


HELLO = _message("nymea", "JSONRPC.Hello")
HELLO_2 = _message("jsonrpc2", "JSONRPC.Hello", {"token": TOKEN})
SUBSCRIBE = _message("nymea", "JSONRPC.SetNotificationStatus", {"namespaces": ["Users"]})
GET_USER_INFO = _message("nymea", "Users.GetUserInfo")
GET_USER_INFO_2 = _message("jsonrpc2", "Users.GetUserInfo")
SET_USER_INFO = _message("nymea", "Users.SetUserInfo", {"displayName": "Another Name"})
GET_USERS = _message("nymea", "Users.GetUsers")
CHANGE_OTHER = _message("nymea", "Users.SetUserInfo", {"username": "user000002", "displayName": "Another Name"})

#: What the right reply to GetUserInfo has in it, whoever answers.
OWN_NAME = b'"user000001"'


def case(
    name: str, title: str, unit: str, goal: Goal
) -> Callable[[Callable[[Bench], Awaitable[Contenders]]], Callable[[Bench], Awaitable[Contenders]]]:
    """Declare a case."""

    def declare(prepare: Callable[[Bench], Awaitable[Contenders]]) -> Callable[[Bench], Awaitable[Contenders]]:
        CASES.append(Case(name, title, unit, goal, prepare))
        return prepare

    return declare


# Calls


@case(
    "tcp",
    f"GetUserInfo, nymea's dialect, TCP, {CONNECTIONS} connections with {WINDOW} pipelined",
    "calls/s",
    Goal("ratio", at_least=0.5),
)
async def tcp(bench: Bench) -> Contenders:
    """Many connections, many requests under way."""
    return await _tcp(bench, await bench.store(users=1))


@case("tcp-10k", "the same, with 10,000 users in the store", "calls/s", Goal("ratio", at_least=0.5))
async def tcp_10k(bench: Bench) -> Contenders:
    """What a call costs must not grow with the users."""
    return await _tcp(bench, await bench.store(users=bench.many(10_000)))


@case(
    "tcp-100k",
    "the same, with 100,000 users and 300,000 tokens in the store, beside one user",
    "calls/s",
    Goal("ratio", at_least=0.9),
)
async def tcp_100k(bench: Bench) -> Contenders:
    """Nor with many more, and their tokens."""
    full, one_user = await _greeted(bench, await _full(bench)), await _greeted(bench, await bench.store(users=1))
    return {OURS: _calls(bench, full, GET_USER_INFO), f"{OURS}, one user": _calls(bench, one_user, GET_USER_INFO)}


async def _tcp(bench: Bench, store: Path) -> Contenders:
    server = await _greeted(bench, store)
    reply = await _text(server, GET_USER_INFO)
    return {
        OURS: _calls(bench, server, GET_USER_INFO),
        "asyncio streams": _calls(bench, await bench.processes.baseline("streams", reply=reply), GET_USER_INFO),
        "asyncio protocol": _calls(bench, await bench.processes.baseline("protocol", reply=reply), GET_USER_INFO),
    }


@case(
    "jsonrpc2",
    f"GetUserInfo, JSON-RPC 2.0, TCP, {CONNECTIONS} connections with {WINDOW} pipelined",
    "calls/s",
    Goal("ratio", at_least=1.0),
)
async def jsonrpc2(bench: Bench) -> Contenders:
    """The other dialect, beside other Python servers of JSON-RPC; they neither authenticate nor validate."""
    server = (await bench.processes.server(await bench.store(users=1))).opened_by(HELLO_2)
    reply = await _text(server, GET_USER_INFO_2)
    others = {name: await bench.processes.baseline(name, reply=reply) for name in ("aiorpcX", "jsonrpcserver")}
    return {name: _calls(bench, target, GET_USER_INFO_2) for name, target in {OURS: server, **others}.items()}


@case(
    "websocket",
    f"GetUserInfo, nymea's dialect, WebSocket, {CONNECTIONS} connections, one at a time on each",
    "calls/s",
    Goal("ratio", at_least=0.5),
)
async def websocket(bench: Bench) -> Contenders:
    """A library's frames on both sides."""
    server = await _greeted(bench, await bench.store(users=1), "ws")
    baseline = await bench.processes.baseline("websockets", "ws", reply=await _text(server, GET_USER_INFO))
    return {
        OURS: _calls(bench, server, GET_USER_INFO, window=1),
        "websockets": _calls(bench, baseline, GET_USER_INFO, window=1),
    }


@case("one", "GetUserInfo, nymea's dialect, TCP, one at a time", "calls/s", Goal("ratio", at_least=0.7))
async def one(bench: Bench) -> Contenders:
    """One connection, one request under way: mostly the way there and back."""
    server = await _greeted(bench, await bench.store(users=1))
    reply = await _text(server, GET_USER_INFO)
    streams = await bench.processes.baseline("streams", reply=reply)
    protocol = await bench.processes.baseline("protocol", reply=reply)
    return {
        OURS: _calls(bench, server, GET_USER_INFO, connections=1, window=1),
        "asyncio streams": _calls(bench, streams, GET_USER_INFO, connections=1, window=1),
        "asyncio protocol": _calls(bench, protocol, GET_USER_INFO, connections=1, window=1),
    }


# Notifications


@case(
    "fan-out",
    f"SetUserInfo in bursts of {WINDOW}, with 200 subscribers: each gets every notification, in order",
    "notifications/s",
    Goal("ratio", at_least=0.4),
)
async def fan_out(bench: Bench) -> Contenders:
    """One connection changes a user without pause; all others hear of it."""
    return await _fan_out(bench, await bench.store(users=1))


@case(
    "fan-out-100k",
    "the same, with 100,000 users and 300,000 tokens in the store",
    "notifications/s",
    Goal("ratio", at_least=0.4),
)
async def fan_out_100k(bench: Bench) -> Contenders:
    """A change and its notifications must not cost more in a large store."""
    return await _fan_out(bench, await _full(bench))


async def _fan_out(bench: Bench, store: Path) -> Contenders:
    count = bench.many(200)
    server = await _greeted(bench, store)
    reply = await _text(server, SET_USER_INFO)
    watcher = await Connection.open(server.opened_by(HELLO, SUBSCRIBE))
    changer = await Connection.open(server)
    hears = asyncio.ensure_future(watcher.hear())
    await changer.ask(SET_USER_INFO)
    notification = (await hears).decode()
    baseline = await bench.processes.baseline("fan-out", reply=reply, notification=notification)
    return {
        OURS: await _notifications(bench, server.opened_by(HELLO, SUBSCRIBE), server, count),
        "plain fan-out": await _notifications(bench, baseline.opened_by(SUBSCRIBE), baseline, count),
    }


async def _notifications(bench: Bench, subscribing: Target, calling: Target, count: int) -> Sample:
    stream = Stream()
    for _ in range(count):
        Subscriber(await Connection.open(subscribing), stream)
    load = await Load.open(calling, SET_USER_INFO, window=WINDOW, right=b"")

    async def everything_received() -> None:
        async with asyncio.timeout(PATIENCE):
            while not stream.complete():  # noqa: ASYNC110 - an event would cost each subscriber time
                await asyncio.sleep(0.001)

    async def sample() -> float:
        await everything_received()
        stream.clear()
        begin = time.perf_counter()
        await load.replies(bench.seconds)
        await everything_received()
        elapsed = time.perf_counter() - begin
        numbers = [json.loads(line)["id"] for line in stream.data.splitlines()]
        if stream.forked or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            raise WrongReplyError("the subscribers did not all get every notification in order")
        return len(numbers) * count / elapsed

    return sample


# Idle connections


@case(
    "memory-tcp",
    "memory of an idle TCP connection that has said hello, of 1,000 at a time",
    "KB",
    Goal("value", at_most=16),
)
async def memory_tcp(bench: Bench) -> Contenders:
    """What the server's process grows by."""
    server = await _greeted(bench, await bench.store(users=1))
    baseline = await bench.processes.baseline("protocol", reply="{}\n")
    return {OURS: _memory(bench, server), "asyncio protocol": _memory(bench, baseline.opened_by(HELLO))}


@case(
    "memory-websocket",
    "memory of an idle WebSocket connection that has said hello, of 1,000 at a time",
    "KB",
    Goal("value", at_most=32),
)
async def memory_websocket(bench: Bench) -> Contenders:
    """What the server's process grows by."""
    server = await _greeted(bench, await bench.store(users=1), "ws")
    baseline = await bench.processes.baseline("websockets", "ws", reply="{}\n")
    return {OURS: _memory(bench, server), "websockets": _memory(bench, baseline.opened_by(HELLO))}


def _memory(bench: Bench, target: Target) -> Sample:
    """Each sample opens further connections, so that memory freed by earlier ones does not count for new ones."""
    count = bench.many(1000)

    async def sample() -> float:
        before = resident(target.pid)
        await _stay(bench, target, count)
        return (resident(target.pid) - before) / count / 1024

    return sample


@case("idle", "p99 of GetUserInfo with 5,000 idle connections, beside that with 10", "µs", Goal("ratio", at_most=2))
async def idle(bench: Bench) -> Contenders:
    """Connections that do nothing must cost nothing."""
    few = await _greeted(bench, await bench.store(users=1))
    many = await _greeted(bench, await bench.store(users=2))
    # The servers and this process may have as many files open each; some are for other things.
    count = min(bench.many(5000), resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    await _stay(bench, few, 10)
    await _stay(bench, many, count)
    return {f"{OURS}, {count:,} idle": _p99(bench, many), f"{OURS}, 10 idle": _p99(bench, few)}


async def _stay(bench: Bench, target: Target, count: int) -> None:
    """Open connections that stay until the case ends."""
    for _ in range(count):
        bench.stack.callback((await Connection.open(target)).close)


# Logins


@case("logins", "logins", "logins/s", Goal("ratio", at_least=0.9))
async def logins(bench: Bench) -> Contenders:
    """The cost of Argon2 and nothing else: as many clients as fill the workers, beside as many threads that hash."""
    return await _logins(bench, await bench.store(users=CONNECTIONS))


@case(
    "logins-100k",
    "the same, with 100,000 users and 300,000 tokens in the store",
    "logins/s",
    Goal("ratio", at_least=0.9),
)
async def logins_100k(bench: Bench) -> Contenders:
    """Whoever logs in must not notice how many others there are."""
    return await _logins(bench, await _full(bench))


async def _logins(bench: Bench, store: Path) -> Contenders:
    cost = Argon2().model_dump(exclude={"queue"})
    workers = cost.pop("workers")
    server = await bench.processes.server(store)
    seconds = 3 * bench.seconds

    async def ours() -> float:
        async with _logging_in(server, 2 * workers) as finished:
            await asyncio.sleep(seconds)
        return (len(finished) - 1) / (finished[-1] - finished[0])

    async def alone() -> float:
        return await bench.processes.computed("hashing", argon2=cost, threads=workers, seconds=seconds)

    return {OURS: ours, f"Argon2 alone, threads: {workers}": alone}


@case(
    "logins-others",
    f"p99 of GetUserInfo while {CONNECTIONS} clients log in without pause, beside that without them",
    "µs",
    Goal("ratio", at_most=5),
)
async def logins_others(bench: Bench) -> Contenders:
    """Whoever logs in must not be felt by the others."""
    server = await _greeted(bench, await bench.store(users=CONNECTIONS))
    alone = _p99(bench, server)

    async def meanwhile() -> float:
        async with _logging_in(server, CONNECTIONS):
            return await alone()

    return {f"{OURS}, logins": meanwhile, f"{OURS}, no logins": alone}


@asynccontextmanager
async def _logging_in(server: Target, clients: int) -> AsyncIterator[list[float]]:
    """Clients that log in without pause within the block, which begins with the first success.

    Gives the list of the moments at which a login succeeded.
    """
    finished: list[float] = []
    first = asyncio.get_running_loop().create_future()

    async def log_in_again_and_again(number: int) -> None:
        async with await Client.connect(f"nymea://127.0.0.1:{server.port}", timeout=PATIENCE) as client:
            await client.hello()
            while True:
                if await client.authenticate(f"user{number:06}", PASSWORD, "benchmark") is None:
                    raise WrongReplyError("a login was refused")
                finished.append(time.perf_counter())
                if not first.done():
                    first.set_result(None)

    async def cancel(tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        for failure in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(failure, Exception):
                raise failure

    tasks = [asyncio.create_task(log_in_again_and_again(number % CONNECTIONS + 1)) for number in range(clients)]
    try:
        await asyncio.wait([first, *tasks], return_when=asyncio.FIRST_COMPLETED)
        yield finished
    finally:
        await cancel(tasks)


# Large stores


@case("users", "GetUsers of 10,000 users", "calls/s", Goal("ratio", at_least=0.3))
async def users(bench: Bench) -> Contenders:
    """A long list: read, written, sent."""
    server = await _greeted(bench, await bench.store(users=bench.many(10_000)))
    replies = {_method(GET_USERS): await _text(server, GET_USERS)}
    baseline = await bench.processes.baseline("serialising", replies=replies)
    return {
        OURS: _calls(bench, server, GET_USERS, connections=1, window=1),
        "serialising alone": _calls(bench, baseline, GET_USERS, connections=1, window=1),
    }


@case(
    "users-others",
    "the longest that another's call waits during calls of GetUsers of 10,000 users, one of them changed each time",
    "ms",
    Goal("worst", at_most=50),
)
async def users_others(bench: Bench) -> Contenders:
    """A long list must not hold up the others."""
    server = await _greeted(bench, await bench.store(users=bench.many(10_000)))
    replies = {_method(request): await _text(server, request) for request in (GET_USERS, GET_USER_INFO, CHANGE_OTHER)}
    baseline = await bench.processes.baseline("serialising", replies=replies)
    seconds = 2 * bench.seconds

    def longest(target: Target) -> Sample:
        async def sample() -> float:
            lists = bench.processes.calling(target, CHANGE_OTHER, GET_USERS, seconds=seconds + 1)
            calling = asyncio.create_task(lists)
            async with _load(target, GET_USER_INFO) as others:
                # The other process takes a moment to begin.
                latencies = await others.latencies(seconds)
            await calling
            return latencies[-1] * 1000

        return sample

    return {OURS: longest(server), "serialising alone": longest(baseline)}


# Access


@case(
    "evaluate",
    f"Evaluate of {PAIRS:,} persons at locks, with 1,000 locks, 10,000 persons and 100,000 grants in the store,"
    " beside GetUserInfo",
    "calls/s",
    Goal("ratio", at_least=0.5),
)
async def evaluate(bench: Bench) -> Contenders:
    """May somebody open a door: as many different questions as a busy house asks, again and again."""
    server = await _greeted(bench, await bench.doors())
    pairs = [{"lockId": door(number % 1000), "personId": person(number)} for number in range(bench.many(PAIRS))]
    questions = [_message("nymea", "Access.Evaluate", pair) for pair in pairs]

    async def ours() -> float:
        async with _rounds(server, questions) as load:
            return await load.rate(bench.seconds) * (len(questions) // CONNECTIONS)

    return {OURS: ours, f"{OURS}, GetUserInfo": _calls(bench, server, GET_USER_INFO)}


@case(
    "who",
    "GetWhoHasAccess of one lock in that store, one at a time, the slowest of 99 in 100",
    "ms",
    Goal("value", at_most=50),
)
async def who(bench: Bench) -> Contenders:
    """Everybody who may open a door, each decided."""
    server = await _greeted(bench, await bench.doors())
    question = _message("nymea", "Access.GetWhoHasAccess", {"lockId": door(500)})
    p99 = _p99(bench, server, question, b'"granted"')
    alone = _p99(bench, server, GET_USER_INFO, OWN_NAME)

    async def ours() -> float:
        return await p99() / 1000

    async def user_info() -> float:
        return await alone() / 1000

    return {OURS: ours, f"{OURS}, GetUserInfo": user_info}


@case(
    "start",
    "start to first reply with 100,000 users and 300,000 tokens in the store, beside that with one user",
    "s",
    Goal("value", at_most=1),
)
async def start(bench: Bench) -> Contenders:
    """Nothing may be loaded that is not asked for."""

    def first_reply(store: Path) -> Sample:
        async def sample() -> float:
            async with AsyncExitStack() as stack:
                begin = time.perf_counter()
                server = await Processes(stack).server(store)
                connection = await Connection.open(server)
                await connection.ask(HELLO)
                elapsed = time.perf_counter() - begin
                connection.close()
                return elapsed

        return sample

    full = await _full(bench)
    return {OURS: first_reply(full), f"{OURS}, one user": first_reply(await bench.store(users=1))}


# What the cases share


async def _full(bench: Bench) -> Path:
    """A store that is as large as one is ever thought to be."""
    return await bench.store(users=bench.many(100_000), tokens=bench.many(300_000))


async def _greeted(bench: Bench, store: Path, transport: Transport = "tcp") -> Target:
    """Our server; connections say hello with a token."""
    return (await bench.processes.server(store, transport)).opened_by(HELLO)


def _method(request: bytes) -> str:
    method: str = json.loads(request)["method"]
    return method


async def _text(target: Target, request: bytes) -> str:
    """The reply to a request, which baselines give too."""
    connection = await Connection.open(target)
    reply = await connection.ask(request)
    connection.close()
    return reply[reply.index(b"{") :].decode()


@asynccontextmanager
async def _load(target: Target, request: bytes, *, right: bytes = OWN_NAME, **options: int) -> AsyncIterator[Load]:
    load = await Load.open(target, request, right=right, **options)
    try:
        yield load
    finally:
        load.close()


def _calls(
    bench: Bench, target: Target, request: bytes, *, connections: int = CONNECTIONS, window: int = WINDOW
) -> Sample:
    """Calls per second."""

    async def sample() -> float:
        async with _load(target, request, connections=connections, window=window) as load:
            return await load.rate(bench.seconds)

    return sample


@asynccontextmanager
async def _rounds(target: Target, requests: list[bytes]) -> AsyncIterator[Load]:
    """Connections that ask their share of the questions as one; each must be answered as the first time."""
    connection = await Connection.open(target)
    replies = [await connection.ask(request) for request in requests]
    connection.close()
    share = len(requests) // CONNECTIONS
    parts = [slice(begin, begin + share) for begin in range(0, share * CONNECTIONS, share)]
    load = await Load.of_rounds(target, [(requests[part], replies[part]) for part in parts])
    try:
        yield load
    finally:
        load.close()


def _p99(bench: Bench, target: Target, request: bytes = GET_USER_INFO, right: bytes = OWN_NAME) -> Sample:
    """The time in microseconds that 99 of 100 calls do not exceed, one at a time."""

    async def sample() -> float:
        async with _load(target, request, right=right) as load:
            return percentile(await load.latencies(bench.seconds), 0.99) * 1e6

    return sample
