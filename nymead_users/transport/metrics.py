"""The listener for whoever measures: plain HTTP, and one page that is made when it is asked for."""

from __future__ import annotations

import asyncio
import http
from collections.abc import Callable, Sequence

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from nymead_users.endpoint import Endpoint
from nymead_users.peer import Peer
from nymead_users.transport.door import Refusals
from nymead_users.transport.listener import CLOSE_TIME, LINGER, bind
from nymead_users.transport.site import KnownHosts, Resource, Site, refusal
from nymead_users.transport.websocket import CountedConnection

PATH = "/metrics"

#: Connections at a time: a Prometheus has one, and each costs a thread's time.
MAX_CONNECTIONS = 16


class MetricsListener:
    """Answers ``GET /metrics`` with what ``render`` returns; it runs in a thread, one at a time.

    It takes no messages, and its connections count for themselves: neither can fill the other's room. Web pages
    that had their name point here (DNS rebinding) are refused by their Host.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        render: Callable[[], bytes],
        content_type: str,
        *,
        handshake_time: float,
        allowed_hosts: Sequence[str],
    ) -> None:
        self.endpoint = endpoint
        self._render = render
        self._content_type = content_type
        self._handshake_time = handshake_time
        self._hosts = KnownHosts(allowed_hosts)
        self._turn = asyncio.Lock()
        self._servers: list[Server] = []
        self._live: set[CountedConnection] = set()

    async def open(self) -> None:
        """Begin to listen. Raises ListenError."""

        class Connection(CountedConnection):
            sessions = _Room()
            live = self._live
            handshake_time = self._handshake_time
            refusals = Refusals()

        sockets = bind(self.endpoint)
        self.endpoint = self.endpoint.with_port(sockets[0].getsockname()[1])
        for bound in sockets:
            self._servers.append(
                await serve(
                    _converse,
                    sock=bound,
                    process_request=self._answer,
                    compression=None,
                    open_timeout=None,
                    close_timeout=LINGER,
                    create_connection=Connection,
                    server_header=None,
                )
            )

    def stop(self) -> None:
        """Accept nobody any more."""
        for server in self._servers:
            server.server.close()

    async def close(self) -> None:
        """Close all connections."""
        for server in self._servers:
            server.close()
        closed = [asyncio.ensure_future(server.wait_closed()) for server in self._servers]
        if closed:
            await asyncio.wait(closed, timeout=CLOSE_TIME)

    async def _answer(self, connection: ServerConnection, request: Request) -> Response:
        if not isinstance(connection, CountedConnection) or connection.admitted is None:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "Server busy. Try again later.\n")
        objection = self._hosts.objection(request.headers)
        if objection is not None:
            return refusal(http.HTTPStatus.FORBIDDEN, objection, head=request.method == "HEAD")
        if request.path.partition("?")[0] != PATH:
            return Site({}).answer(request)
        async with self._turn:
            content = await asyncio.to_thread(self._render)
        return Site({PATH: Resource(content, self._content_type)}).answer(request)


class _Room:
    """Counts connections up to MAX_CONNECTIONS (websocket.Door)."""

    def __init__(self) -> None:
        self._count = 0

    def admit(self, peer: Peer) -> bool:  # noqa: ARG002 - whoever it is
        if self._count >= MAX_CONNECTIONS:
            return False
        self._count += 1
        return True

    def leave(self, peer: Peer) -> None:  # noqa: ARG002 - whoever it is
        self._count -= 1


async def _converse(connection: ServerConnection) -> None:
    """Never called: every request is answered before it could become a conversation."""
    await connection.close()
