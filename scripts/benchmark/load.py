"""The load: connections that send ready-made requests and hold every byte that comes back against the right one."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, cast

Transport = Literal["tcp", "ws"]

#: Seconds to wait for what must come.
PATIENCE = 120.0


class WrongReplyError(Exception):
    """A server answered something else than it should."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server to talk to: its process, its port on loopback, and what each connection has to send first.

    Every message is answered by one line.
    """

    pid: int
    port: int
    transport: Transport = "tcp"
    opening: tuple[bytes, ...] = ()

    def opened_by(self, *messages: bytes) -> Target:
        """The same, with these messages first."""
        return replace(self, opening=messages)


class Connection(asyncio.Protocol):
    """A connection on which one message at a time is sent and answered."""

    def __init__(self, transport_name: Transport) -> None:
        self.transport: asyncio.Transport
        self._name: Transport = transport_name
        self._received = bytearray()
        self._end = b""
        self._answer: asyncio.Future[bytes] | None = None

    @classmethod
    async def open(cls, target: Target) -> Self:
        """Connect, and send what comes first."""
        self = cls(target.transport)
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", target.port)
        if target.transport == "ws":
            upgrade = (
                f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            answer = await self._exchange(upgrade.encode(), b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 101 "):
                raise WrongReplyError(answer.decode(errors="replace"))
        for message in target.opening:
            await self.ask(message)
        return self

    async def ask(self, message: bytes) -> bytes:
        """Send one message and return the line that answers it, as it lies on the wire."""
        return await self._exchange(framed(message, self._name), b"\n")

    async def hear(self) -> bytes:
        """Return the next line that comes."""
        return await self._exchange(b"", b"\n")

    def close(self) -> None:
        """Close at once."""
        self.transport.abort()

    async def _exchange(self, data: bytes, end: bytes) -> bytes:
        self._end = end
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        async with asyncio.timeout(PATIENCE):
            return await self._answer

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Collect the answer that is waited for, and answer a WebSocket's ping."""
        if self._answer is None and data.startswith(b"\x89"):
            payload = data[2 : 2 + data[1]]
            self.transport.write(bytes((0x8A, 0x80 | len(payload))) + bytes(4) + payload)
            return
        self._received += data
        if self._answer is not None and self._received.endswith(self._end):
            answer, self._received = bytes(self._received), bytearray()
            self._answer.set_result(answer)
            self._answer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is waited for."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server closed the connection"))


class Caller(asyncio.Protocol):
    """Keeps a number of requests under way, all the same, and checks and counts the replies.

    It takes a connection over. ``request`` and ``reply`` are as they lie on the wire. ``latencies`` has the seconds
    that each reply took, where one request is under way at a time. ``done`` is there while it calls: it ends once
    everything is answered after ``stop``, or fails with what went wrong.
    """

    def __init__(self, connection: Connection, request: bytes, reply: bytes, window: int) -> None:
        self._transport = connection.transport
        self._requests = [request * count for count in range(window + 1)]
        self._reply = reply
        #: What may come at once, from any byte of a reply on.
        self._expected = reply * (window + 1)
        self._window = window
        self._under_way = 0
        self._unfinished = 0
        self._running = False
        self._sent_at = 0.0
        self.done: asyncio.Future[None]
        self.replies = 0
        self.latencies: list[float] = []
        self._transport.set_protocol(self)

    def start(self) -> None:
        """Begin to call."""
        self.done = asyncio.get_running_loop().create_future()
        self.replies = 0
        self.latencies = []
        self._running = True
        self._send(self._window)

    def stop(self) -> None:
        """Send nothing more."""
        self._running = False

    def close(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def _send(self, count: int) -> None:
        self._under_way += count
        self._sent_at = time.perf_counter()
        self._transport.write(self._requests[count])

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """Count replies, and send as many requests."""
        end = self._unfinished + len(data)
        if self._expected[self._unfinished : end] != data:
            self._fail(WrongReplyError(f"{data[:300]!r} is not what was expected after {self._unfinished} bytes"))
            return
        count, self._unfinished = divmod(end, len(self._reply))
        if not count:
            return
        if self._window == 1:
            self.latencies.append(time.perf_counter() - self._sent_at)
        self.replies += count
        self._under_way -= count
        if self._running:
            self._send(count)
        elif not self._under_way:
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail if anything is under way."""
        if self._under_way:
            self._fail(exc or ConnectionResetError("the server closed the connection"))

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
        self._under_way = 0
        self._transport.abort()


class Load:
    """Callers that call without pause for as long as is asked."""

    def __init__(self, callers: list[Caller]) -> None:
        self._callers = callers

    @classmethod
    async def open(
        cls, target: Target, request: bytes, *, connections: int = 1, window: int = 1, right: bytes = b""
    ) -> Self:
        """Open connections, each with ``window`` requests under way.

        The first reply must contain ``right``; all others must be the same.
        """
        opened = [await Connection.open(target) for _ in range(connections)]
        reply = await opened[0].ask(request)
        if right not in reply:
            raise WrongReplyError(f"{right!r} is not in {reply[:300]!r}")
        once = framed(request, target.transport)
        return cls([Caller(connection, once, reply, window) for connection in opened])

    @classmethod
    async def of_rounds(cls, target: Target, rounds: Sequence[tuple[Sequence[bytes], Sequence[bytes]]]) -> Self:
        """Open a connection for each round of requests and their replies, with two rounds under way at a time.

        A round counts as one reply.
        """
        callers = []
        for requests, replies in rounds:
            once = b"".join(framed(request, target.transport) for request in requests)
            callers.append(Caller(await Connection.open(target), once, b"".join(replies), 2))
        return cls(callers)

    async def replies(self, seconds: float) -> tuple[int, float]:
        """How many replies came, and within how many seconds."""
        begin = time.perf_counter()
        for caller in self._callers:
            caller.start()
        await asyncio.sleep(seconds)
        replies = sum(caller.replies for caller in self._callers)
        elapsed = time.perf_counter() - begin
        for caller in self._callers:
            caller.stop()
        async with asyncio.timeout(PATIENCE):
            for caller in self._callers:
                await caller.done
        return replies, elapsed

    async def rate(self, seconds: float) -> float:
        """Replies per second over that time."""
        replies, elapsed = await self.replies(seconds)
        return replies / elapsed

    async def latencies(self, seconds: float) -> list[float]:
        """How long each reply took in seconds, in ascending order, where one request is under way at a time."""
        await self.replies(seconds)
        return sorted(latency for caller in self._callers for latency in caller.latencies)

    def close(self) -> None:
        """Close all connections."""
        for caller in self._callers:
            caller.close()


class Stream:
    """What all subscribers must receive, byte for byte: whoever receives something first says what."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.followers: list[Subscriber] = []
        self.forked = False

    def complete(self) -> bool:
        """Whether everybody has received the same."""
        return all(follower.offset == len(self.data) for follower in self.followers)

    def clear(self) -> None:
        """Forget what everybody has received."""
        self.data.clear()
        for follower in self.followers:
            follower.offset = 0


class Subscriber(asyncio.Protocol):
    """Takes a connection over and holds what comes against what the others get."""

    def __init__(self, connection: Connection, stream: Stream) -> None:
        self._stream = stream
        self.offset = 0
        stream.followers.append(self)
        connection.transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Compare."""
        stream = self._stream.data
        known = len(stream) - self.offset
        if known >= len(data):
            self._stream.forked |= not stream.startswith(data, self.offset)
        else:
            self._stream.forked |= not data.startswith(stream[self.offset :])
            stream += data[known:]
        self.offset += len(data)


def percentile(ascending: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))]


def framed(message: bytes, transport: Transport) -> bytes:
    """A client's message as it lies on the wire."""
    if transport == "tcp":
        return message + b"\n"
    # Masked with zeros, which leave the text as it is.
    if len(message) < 126:
        return bytes((0x81, 0x80 | len(message))) + bytes(4) + message
    return bytes((0x81, 0x80 | 126)) + len(message).to_bytes(2, "big") + bytes(4) + message
