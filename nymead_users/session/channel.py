"""What a session needs of the connection below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Channel(Protocol):
    """The sending side of a connection, as a transport provides it. Nothing here waits or raises."""

    def write(self, messages: Sequence[bytes]) -> None:
        """Send messages in this order. A no-op once the connection is closing."""

    def buffered(self) -> int:
        """Bytes handed to ``write`` that the operating system has not taken yet."""

    def close(self) -> None:
        """Close once everything written has gone out."""

    def abort(self) -> None:
        """Close at once and drop what is not sent yet."""
