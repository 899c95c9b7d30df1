"""The bounded way out of a session: everything sent to a client passes here, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nymead_users.session.channel import Channel


class Outbox:
    """Collects what is to be sent and writes it once per turn of the event loop.

    ``limit`` is in bytes. A client that leaves more than that unread is cut off by ``overflowed``, called
    once; nobody ever waits for it. The longest unread message does not count, so that a reply longer than
    the limit still reaches a client that reads, whatever notifications come behind it.
    """

    def __init__(self, channel: Channel, limit: int, overflowed: Callable[[], None]) -> None:
        self._channel = channel
        self._limit = limit
        self._overflowed = overflowed
        self._waiting: list[bytes] = []
        self._size = 0
        self._longest = 0
        self._closed = False

    def put(self, message: bytes) -> None:
        """Send a message. After ``close`` nothing happens."""
        if self._closed:
            return
        if self._size > self._limit:
            self.flush()
        unread = self._channel.buffered()
        if not unread:
            self._longest = 0
        elif unread - self._longest > self._limit:
            self.close()
            self._overflowed()
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(message)
        self._size += len(message)
        self._longest = max(self._longest, len(message))

    def flush(self) -> None:
        """Hand everything collected to the channel."""
        if self._waiting:
            waiting, self._waiting, self._size = self._waiting, [], 0
            self._channel.write(waiting)

    def close(self) -> None:
        """Send nothing more; what is waiting is dropped."""
        self._closed = True
        self._waiting, self._size = [], 0
