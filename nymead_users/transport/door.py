"""How connections come in: counted when they are accepted, and with TLS shaken hands over before anything else."""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol, cast

#: Seconds in which a connection that is refused, because there are too many, is told so: for its TLS handshake, and
#: with WebSocket for its request.
REFUSAL_TIME = 0.5

#: Connections of a listener that are being told so at a time; more are cut without a word. What they keep open comes
#: on top of what is allowed.
MAX_REFUSALS = 64


class Guest(Protocol):
    """A connection's protocol (asyncio.Protocol) that knows of its connection before TLS does."""

    def accepted(self, transport: asyncio.Transport) -> None:
        """The connection was accepted: count it in, or refuse it. Its bytes may not be for the guest yet."""

    def left(self) -> None:
        """It has ended: count it out. May be called again."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From here on the transport carries what is for the guest."""

    def data_received(self, data: bytes) -> None:
        """Something came."""


class Refusals:
    """Gives those who are refused the time to be told so, MAX_REFUSALS of them at a time."""

    def __init__(self) -> None:
        self._count = 0

    def end(self, transport: asyncio.Transport) -> None:
        """Cut a connection in REFUSAL_TIME, or at once if there are too many."""
        if self._count >= MAX_REFUSALS:
            transport.abort()
            return
        self._count += 1
        asyncio.get_running_loop().call_later(REFUSAL_TIME, self._over, transport)

    def _over(self, transport: asyncio.Transport) -> None:
        self._count -= 1
        transport.abort()


class TlsDoors:
    """The doors of one listener; ``handshake_time`` and ``close_time`` bound TLS's beginning and end, in seconds."""

    def __init__(self, tls: ssl.SSLContext, *, handshake_time: float, close_time: float) -> None:
        self.tls = tls
        self.handshake_time = handshake_time
        self.close_time = close_time
        self.waiting: set[TlsDoor] = set()

    def before(self, guest: Guest) -> TlsDoor:
        """A door for a new connection."""
        return TlsDoor(self, guest)

    def close(self) -> None:
        """Cut off whoever has not finished the handshake."""
        for door in list(self.waiting):
            door.abort()


class TlsDoor(asyncio.Protocol):
    """Stands before a guest until the TLS handshake is done.

    A server that speaks TLS by itself makes its connections known after the handshake only: who never shakes hands
    would not count.
    """

    def __init__(self, doors: TlsDoors, guest: Guest) -> None:
        self._doors = doors
        self._guest = guest
        self._early = bytearray()
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have the guest count it in, and shake hands."""
        self._transport = cast("asyncio.Transport", transport)
        self._guest.accepted(self._transport)
        if not self._transport.is_closing():
            self._doors.waiting.add(self)
            self._task = asyncio.get_running_loop().create_task(self._shake_hands())

    def data_received(self, data: bytes) -> None:
        """Keep what comes before somebody else takes it."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a reset is an end like any other
        """Nobody comes in."""
        self._guest.left()

    def abort(self) -> None:
        """Let nobody in."""
        self._transport.abort()

    async def _shake_hands(self) -> None:
        loop = asyncio.get_running_loop()
        secured = None
        try:
            if not self._transport.is_closing():
                loop.call_soon(self._hand_on)
                secured = await loop.start_tls(
                    self._transport,
                    self,
                    self._doors.tls,
                    server_side=True,
                    ssl_handshake_timeout=self._doors.handshake_time,
                    ssl_shutdown_timeout=self._doors.close_time,
                )
        except OSError:
            pass  # it is logged where it is known why (tls.py)
        finally:
            self._doors.waiting.discard(self)
            # The handshake counts as done, too, where the connection was cut in the middle of it.
            if secured is None or self._transport.is_closing():
                self._transport.abort()
                self._guest.left()
        if secured is not None and not self._transport.is_closing():
            secured.set_protocol(cast("asyncio.Protocol", self._guest))
            self._guest.connection_made(secured)
            if self._early:
                self._guest.data_received(bytes(self._early))

    def _hand_on(self) -> None:
        """Give the TLS protocol what came before it was there. It is a buffered one (asyncio.BufferedProtocol)."""
        taker = cast("asyncio.BufferedProtocol | None", self._transport.get_protocol())
        early, self._early = memoryview(bytes(self._early)), bytearray()
        while early and taker is not None:
            room = memoryview(taker.get_buffer(len(early)))
            size = min(len(early), len(room))
            room[:size] = early[:size]
            taker.buffer_updated(size)
            early = early[size:]
