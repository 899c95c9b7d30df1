"""What all listeners have in common."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any, Protocol

from nymead_users.endpoint import Endpoint
from nymead_users.peer import Peer

#: Seconds for clients to take what was sent before a closed connection is cut: a dead one must not stay.
LINGER = 2.0

#: Seconds for all connections of a listener to end when the server stops; calls that run longer are broken off.
CLOSE_TIME = LINGER + 1.0

#: TCP keep-alive: seconds of silence before the first probe, seconds between probes, and how many go
#: unanswered before the connection counts as dead. A phone that left the house is found within two minutes.
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES = 60, 15, 4


class ListenError(Exception):
    """A listener can't be opened; the text tells the operator why."""


class Listener(Protocol):
    """Accepts connections at an endpoint."""

    endpoint: Endpoint

    async def open(self) -> None:
        """Begin to listen; ``endpoint`` has the real port from here on. Raises ListenError."""

    def stop(self) -> None:
        """Accept nobody any more."""

    async def close(self) -> None:
        """Close all connections properly, within seconds."""


def peer_of(address: Any) -> Peer:
    """The peer with a socket's address, as the operating system tells it."""
    host, port = address[0], address[1]
    ip = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.version == 4:
        return Peer(f"{ip}:{port}", str(ip), local=ip.is_loopback)
    network = str(ip) if ip.is_loopback else str(ipaddress.ip_network((ip, 64), strict=False))
    return Peer(f"[{ip}]:{port}", network, local=ip.is_loopback)


def bind(endpoint: Endpoint) -> list[socket.socket]:
    """Sockets bound to all addresses of an endpoint, on one port. Raises ListenError."""
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenError(f"{endpoint}: {endpoint.host} is no address of this machine: {error.strerror}") from error
    port = endpoint.port
    sockets: list[socket.socket] = []
    failures: list[OSError] = []
    for family, _, _, _, address in dict.fromkeys(found):
        try:
            bound = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            failures.append(error)
            continue
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((address[0], port, *address[2:]))
        except OSError as error:
            bound.close()
            failures.append(error)
            continue
        bound.setblocking(False)
        sockets.append(bound)
        port = bound.getsockname()[1]
    # localhost has an IPv6 address on machines without IPv6, too: one address that is there is enough.
    grave = [failure for failure in failures if not sockets or failure.errno not in _NO_SUCH_ADDRESS]
    if grave:
        for bound in sockets:
            bound.close()
        raise ListenError(f"{endpoint}: cannot listen there: {grave[0].strerror or grave[0]}") from grave[0]
    return sockets


_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def keep_alive(transport_socket: Any) -> None:
    """Have the operating system find out when the other end is gone.

    Where something is on its way there are no probes: what stays unacknowledged, or finds no room, for as long as
    the probes would have taken ends the connection (RFC 5482's user timeout, there in milliseconds).
    """
    transport_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", (KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_PROBES) * 1000),
    ):
        if hasattr(socket, name):
            transport_socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
