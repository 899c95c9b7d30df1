"""What the server is held against: the least that could do the same work, each in a process of its own.

``python -m benchmark.baselines NAME`` reads its options, one JSON object, from its standard input and prints the port
on which it listens, or the result of what it computed. All run on uvloop and orjson, as the server does.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aiorpcx
import orjson
import uvloop
from argon2 import PasswordHasher
from websockets.asyncio.server import ServerConnection, serve

Options = dict[str, Any]
HOST = "127.0.0.1"


class Lines(asyncio.Protocol):
    """A connection on which every line is a JSON text."""

    def __init__(self) -> None:
        self._unfinished = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read what is complete."""
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        self.answer([orjson.loads(line) for line in lines])

    def answer(self, messages: list[Any]) -> None:
        """Answer messages that came together."""
        raise NotImplementedError


async def listen(connection: Callable[[], Lines]) -> int:
    """Serve such connections; the port."""
    server = await asyncio.get_running_loop().create_server(connection, HOST, 0, backlog=1024)
    return _port(server)


async def protocol(options: Options) -> int:
    """An asyncio protocol that parses each request and writes the same reply."""
    reply = options["reply"].encode()

    class Canned(Lines):
        def answer(self, messages: list[Any]) -> None:
            self.transport.write(reply * len(messages))

    return await listen(Canned)


async def streams(options: Options) -> int:
    """The streams of asyncio: a line read, parsed, and the same reply written."""
    reply = options["reply"].encode()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            orjson.loads(line)
            writer.write(reply)
            await writer.drain()
        writer.close()

    return _port(await asyncio.start_server(converse, HOST, 0))


async def websockets(options: Options) -> int:
    """A websockets server that parses each request and sends the same reply."""
    reply = options["reply"]

    async def converse(connection: ServerConnection) -> None:
        async for message in connection:
            orjson.loads(message)
            await connection.send(reply)

    return _port(await serve(converse, HOST, 0, compression=None))


async def fan_out(options: Options) -> int:
    """Writes a numbered notification to all subscribers for each call; whoever asks for notifications is one."""
    reply, notification = options["reply"].encode(), orjson.loads(options["notification"])
    subscribers: list[asyncio.Transport] = []

    class Publisher(Lines):
        def answer(self, messages: list[Any]) -> None:
            for message in messages:
                if message["method"] == "JSONRPC.SetNotificationStatus":
                    subscribers.append(self.transport)
                else:
                    notification["id"] += 1
                    text = orjson.dumps(notification, option=orjson.OPT_APPEND_NEWLINE)
                    for subscriber in subscribers:
                        subscriber.write(text)
                self.transport.write(reply)

    return await listen(Publisher)


async def serialising(options: Options) -> int:
    """Has the replies of some methods ready as Python objects, and serialises one for each request."""
    replies = {method: orjson.loads(reply) for method, reply in options["replies"].items()}

    class Serialiser(Lines):
        def answer(self, messages: list[Any]) -> None:
            for message in messages:
                reply = replies[message["method"]]
                self.transport.write(orjson.dumps(reply, option=orjson.OPT_APPEND_NEWLINE))

    return await listen(Serialiser)


async def aiorpcx_server(options: Options) -> int:
    """aiorpcX: one method that returns the same result; its limit of costs is switched off."""
    result = orjson.loads(options["reply"])["result"]

    class Session(aiorpcx.RPCSession):  # type: ignore[misc] # it ships no types
        cost_hard_limit = 0

        async def handle_request(self, request: Any) -> Any:
            async def get_user_info() -> Any:
                return result

            handler = {"Users.GetUserInfo": get_user_info}.get(request.method)
            return await aiorpcx.handler_invocation(handler, request)()

    return _port(await aiorpcx.serve_rs(Session, HOST, 0))


async def jsonrpcserver(options: Options) -> int:
    """The plain use of jsonrpcserver, as its documentation shows it: a line in, a response out."""
    import warnings  # noqa: PLC0415 - only here

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from jsonrpcserver import Success, async_dispatch  # noqa: PLC0415 - it warns

    result = orjson.loads(options["reply"])["result"]

    async def get_user_info() -> Any:
        return Success(result)

    methods = {"Users.GetUserInfo": get_user_info}

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(str(await async_dispatch(line.decode(), methods=methods)).encode() + b"\n")
            await writer.drain()
        writer.close()

    return _port(await asyncio.start_server(converse, HOST, 0))


def hashing(options: Options) -> float:
    """Argon2 alone: passwords checked per second in that many threads."""
    hasher = PasswordHasher(**options["argon2"])
    password_hash = hasher.hash("a password")
    ends = time.perf_counter() + options["seconds"]
    rates: list[float] = []

    def check() -> None:
        begin, count = time.perf_counter(), 0
        while time.perf_counter() < ends:
            hasher.verify(password_hash, "a password")
            count += 1
        rates.append(count / (time.perf_counter() - begin))

    threads = [threading.Thread(target=check) for _ in range(options["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates)


SERVERS: dict[str, Callable[[Options], Awaitable[int]]] = {
    "protocol": protocol,
    "streams": streams,
    "websockets": websockets,
    "fan-out": fan_out,
    "serialising": serialising,
    "aiorpcX": aiorpcx_server,
    "jsonrpcserver": jsonrpcserver,
}


def _port(server: Any) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


async def _serve(name: str, options: Options) -> None:
    print(await SERVERS[name](options), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Be the baseline that is named."""
    name = sys.argv[1]
    options = json.loads(sys.stdin.readline())
    if name == "hashing":
        print(hashing(options))
    else:
        uvloop.run(_serve(name, options))


if __name__ == "__main__":
    main()
