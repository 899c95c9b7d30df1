"""Connections that carry a stream of JSON texts: TCP, TLS and Unix sockets share them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from nymead_users.peer import Peer
from nymead_users.session.session import Session, SessionFactory
from nymead_users.transport.door import Refusals
from nymead_users.transport.listener import LINGER

log = logging.getLogger(__name__)

#: Bytes taken apart, and messages answered, before others get their turn: a millisecond or so of work.
SLICE, TURN = 16 * 1024, 64

#: Bytes of replies unsent before the next call waits for the client to read.
WRITE_BUFFER = 64 * 1024


class StreamConnection(asyncio.Protocol):
    """One connection: bytes in, to the session and back (session.channel.Channel)."""

    def __init__(
        self,
        sessions: SessionFactory,
        peer_of: Callable[[asyncio.Transport], Peer | None],
        live: set[StreamConnection],
        refusals: Refusals | None = None,
    ) -> None:
        self._sessions = sessions
        self._peer_of = peer_of
        self._live = live
        self._refusals = refusals
        self._transport: asyncio.Transport
        #: The loop's time at which it was accepted.
        self._since: float | None = None
        self._admitted: Peer | None = None
        self._session: Session | None = None
        self._received: deque[bytes] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._ended = False
        self._reading = True
        self._busy = False
        #: Serves the session until the connection ends.
        self.task: asyncio.Task[None]

    # door.Guest, which is an asyncio.Protocol

    def accepted(self, transport: asyncio.Transport) -> None:
        """Admit the client, unless there is no room."""
        self._since = asyncio.get_running_loop().time()
        peer = self._peer_of(transport)
        if peer is None:  # it was reset before it was accepted
            transport.abort()
        elif self._sessions.admit(peer):
            self._admitted = peer
        elif self._refusals is not None:
            self._refusals.end(transport)

    def left(self) -> None:
        """Make room."""
        if self._admitted is not None:
            self._sessions.leave(self._admitted)
            self._admitted = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the client's session, or tell it that there is no room."""
        self._transport = cast("asyncio.Transport", transport)
        if self._since is None:
            self.accepted(self._transport)
        if self._transport.is_closing():
            return
        if self._admitted is None:
            self._transport.write(self._sessions.busy())
            self.close()
            return
        self._live.add(self)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._session = self._sessions.open(self, self._admitted, since=self._since)
        self.task = asyncio.get_running_loop().create_task(self._serve(self._session))

    def data_received(self, data: bytes) -> None:
        """Keep what came for the session, and read no more before that is answered: TCP slows the client."""
        if self._session is None:
            return
        self._received.append(data)
        # Whoever sends much has dozens of chunks read in one turn of the loop, before the session gets its own.
        if self._reading and (self._busy or len(self._received) > 1):
            self._reading = False
            self._transport.pause_reading()
        self._wake(self._arrival)

    def eof_received(self) -> bool:
        """The client sends nothing more, but may still read: what it asked is answered first.

        TLS has no such half-open state; the connection closes.
        """
        self._ended = True
        self._wake(self._arrival)
        return self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """The client has read."""
        self._wake(self._writable)
        self._writable = None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a reset is an end like any other
        """End the session; a call that is running finishes, its reply goes nowhere."""
        self._ended = True
        if self._session is not None:
            self._session.close()
            self._live.discard(self)
        self.left()
        self._received.clear()
        self._wake(self._arrival)
        self._wake(self._writable)

    # session.channel.Channel

    def write(self, messages: Sequence[bytes]) -> None:
        """Send messages in one go."""
        if not self._transport.is_closing():
            self._transport.write(messages[0] if len(messages) == 1 else b"".join(messages))

    def buffered(self) -> int:
        """Bytes not sent yet."""
        return self._transport.get_write_buffer_size()

    def close(self) -> None:
        """Close when everything is sent, at the latest after LINGER seconds."""
        if self._transport.is_closing():
            return
        if self._session is not None:
            self._session.flush()
        self._transport.close()
        asyncio.get_running_loop().call_later(LINGER, self._transport.abort)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # Serving

    async def _serve(self, session: Session) -> None:
        try:
            while True:
                self._busy = True
                while self._received:
                    await self._take(session, self._received.popleft())
                self._busy = False
                # A turn of the event loop earlier than by itself.
                session.flush()
                if self._ended:
                    break
                if not self._reading:
                    self._reading = True
                    self._transport.resume_reading()
                session.wait()
                self._arrival = asyncio.get_running_loop().create_future()
                await self._arrival
                self._arrival = None
        except Exception:
            log.exception("connection failed")
            self.abort()
        else:
            self.close()

    async def _take(self, session: Session, data: bytes) -> None:
        """Answer the messages in a chunk, each when the one before is answered and the client reads."""
        for start in range(0, len(data), SLICE):
            if start:
                await asyncio.sleep(0)
            for number, message in enumerate(session.feed(data[start : start + SLICE]), 1):
                await session.receive(message)
                if not number % TURN:
                    await asyncio.sleep(0)
                if self._writable is not None:
                    session.flush()
                    await self._writable

    @staticmethod
    def _wake(waiter: asyncio.Future[None] | None) -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
