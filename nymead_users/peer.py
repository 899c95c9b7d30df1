"""The other end of a connection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection.

    ``address`` is for people; ``network`` is what limits and delays count: an IPv4 address, an IPv6 /64,
    or "unix". ``local`` is true on loopback and on Unix sockets, ``operator`` on Unix sockets alone.
    """

    address: str
    network: str
    local: bool
    operator: bool = False
