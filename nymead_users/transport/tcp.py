"""TCP listeners, with and without TLS: ``nymea://`` and ``nymeas://``."""

from __future__ import annotations

import asyncio
import ssl

from nymead_users.endpoint import Endpoint
from nymead_users.peer import Peer
from nymead_users.session.session import SessionFactory
from nymead_users.transport.door import Refusals, TlsDoor, TlsDoors
from nymead_users.transport.listener import CLOSE_TIME, LINGER, bind, keep_alive, peer_of
from nymead_users.transport.stream import StreamConnection


class StreamListener:
    """What TCP and Unix listeners share: a server and its connections."""

    def __init__(self, endpoint: Endpoint, sessions: SessionFactory) -> None:
        self.endpoint = endpoint
        self._sessions = sessions
        self._live: set[StreamConnection] = set()
        self._servers: list[asyncio.Server] = []

    def stop(self) -> None:
        """Accept nobody any more."""
        for server in self._servers:
            server.close()

    async def close(self) -> None:
        """Close all connections, and break off the calls that run longer than CLOSE_TIME."""
        serving = []
        for connection in list(self._live):
            connection.close()
            serving.append(connection.task)
        if not serving:
            return
        _, running = await asyncio.wait(serving, timeout=CLOSE_TIME)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    def _connection(self) -> StreamConnection:
        return StreamConnection(self._sessions, self._peer, self._live)

    def _peer(self, transport: asyncio.Transport) -> Peer | None:
        raise NotImplementedError


class TcpListener(StreamListener):
    """Listens on TCP; ``handshake_time`` bounds the TLS handshake in seconds."""

    def __init__(
        self,
        endpoint: Endpoint,
        sessions: SessionFactory,
        *,
        tls: ssl.SSLContext | None = None,
        handshake_time: float,
    ) -> None:
        super().__init__(endpoint, sessions)
        self._refusals = Refusals()
        self._doors = None if tls is None else TlsDoors(tls, handshake_time=handshake_time, close_time=LINGER)

    async def open(self) -> None:
        """Begin to listen. Raises ListenError."""
        loop = asyncio.get_running_loop()
        sockets = bind(self.endpoint)
        self.endpoint = self.endpoint.with_port(sockets[0].getsockname()[1])
        for bound in sockets:
            self._servers.append(await loop.create_server(self._entrance, sock=bound, backlog=1024))

    async def close(self) -> None:
        """Close all connections, at once those that have not finished their TLS handshake."""
        if self._doors is not None:
            self._doors.close()
        await super().close()

    def _entrance(self) -> StreamConnection | TlsDoor:
        if self._doors is None:
            return self._connection()
        return self._doors.before(StreamConnection(self._sessions, self._peer, self._live, self._refusals))

    def _peer(self, transport: asyncio.Transport) -> Peer | None:
        address = transport.get_extra_info("peername")
        if address is None:
            return None
        keep_alive(transport.get_extra_info("socket"))
        return peer_of(address)
