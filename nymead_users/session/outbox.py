"""The bounded way out of a session: everything sent to a client passes here, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nymead_users.session.channel import Channel


class Outbox:
    """Collects what is to be sent and writes it in one go.

    ``limit`` is in bytes. A client that leaves more than that unread is cut off by ``overflowed``, called
    once; nobody ever waits for it. The longest unread message does not count, so that a reply longer than
    the limit still reaches a client that reads, whatever notifications come behind it.
    """

    __slots__ = ("_channel", "_closed", "_limit", "_longest", "_overflowed", "_scheduled", "_size", "_waiting")

    def __init__(self, channel: Channel, limit: int, overflowed: Callable[[], None]) -> None:
        self._channel = channel
        self._limit = limit
        self._overflowed = overflowed
        self._waiting: list[bytes] = []
        self._size = 0
        self._longest = 0
        self._closed = False
        self._scheduled = False

    def put(self, message: bytes) -> None:
        """Send a message, in the next turn of the event loop. After ``close`` nothing happens."""
        self.post(message)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._come_round)

    def post(self, message: bytes) -> None:
        """Send a message when whoever posts it calls ``flush``. After ``close`` nothing happens."""
        if self._closed:
            return
        if self._size > self._limit:
            self.flush()
        if not self._waiting:
            # Nothing becomes unread until it is flushed.
            unread = self._channel.buffered()
            if not unread:
                self._longest = 0
            elif unread - self._longest > self._limit:
                self.close()
                self._overflowed()
                return
        self._waiting.append(message)
        self._size += len(message)
        self._longest = max(self._longest, len(message))

    def flush(self) -> None:
        """Hand everything collected to the channel."""
        if self._waiting:
            waiting, self._waiting, self._size = self._waiting, [], 0
            self._channel.write(waiting)

    def _come_round(self) -> None:
        self._scheduled = False
        self.flush()

    def close(self) -> None:
        """Send nothing more; what is waiting is dropped."""
        self._closed = True
        self._waiting, self._size = [], 0
