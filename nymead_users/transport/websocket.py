"""WebSocket listeners, with and without TLS: ``ws://`` and ``wss://``."""

from __future__ import annotations

import asyncio
import http
import logging
import ssl
from collections.abc import Sequence
from typing import Any, Protocol, cast

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.datastructures import Headers, MultipleValuesError
from websockets.exceptions import ConnectionClosed
from websockets.frames import DATA_OPCODES, Frame
from websockets.http11 import Request, Response
from websockets.protocol import Event, State

from nymead_users.endpoint import Endpoint
from nymead_users.peer import Peer
from nymead_users.session.session import MESSAGE_TIME, Session, SessionFactory
from nymead_users.transport.door import Refusals, TlsDoors
from nymead_users.transport.listener import CLOSE_TIME, LINGER, bind, keep_alive, peer_of
from nymead_users.transport.site import ALLOWED_METHODS, UNKNOWN_HOST, KnownHosts, Site, method_not_allowed, refusal

log = logging.getLogger(__name__)

#: Seconds between pings, and for the pong to come: a connection without answer goes within a minute.
PING_INTERVAL, PING_TIMEOUT = 30.0, 20.0

#: Frames read ahead of the one being answered. TCP slows whoever sends more; each may be of the largest size.
READ_AHEAD = 1

#: Bytes of replies unsent before the next call waits for the client to read.
WRITE_BUFFER = 64 * 1024


class WebSocketListener:
    """Listens for WebSocket connections.

    An upgrade that carries an Origin comes from a browser. It is served only if the origin is the server's
    own or in ``allowed_origins``, and only under a Host that is an IP literal, localhost, this machine's
    name or in ``allowed_hosts``: no web page elsewhere may reach a server at home, not even one whose name
    was made to point there (DNS rebinding).

    A request that asks for no upgrade is answered from ``site``, pages under known Hosts only.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        sessions: SessionFactory,
        *,
        tls: ssl.SSLContext | None = None,
        handshake_time: float,
        message_size: int,
        allowed_origins: Sequence[str],
        allowed_hosts: Sequence[str],
        site: Site,
    ) -> None:
        self.endpoint = endpoint
        self._sessions = sessions
        self._scheme = "http" if tls is None else "https"
        self._doors = None if tls is None else TlsDoors(tls, handshake_time=handshake_time, close_time=LINGER)
        self._handshake_time = handshake_time
        self._message_size = message_size
        self._site = site
        self._allowed_origins = frozenset(allowed_origins)
        self._hosts = KnownHosts(allowed_hosts)
        self._servers: list[Server] = []
        self._live: set[CountedConnection] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to listen. Raises ListenError."""

        class Connection(CountedConnection):
            sessions = self._sessions
            live = self._live
            handshake_time = self._handshake_time
            refusals = Refusals()

        doors = self._doors

        def behind_a_door(*args: Any, **options: Any) -> Any:
            """What the library hands to the event loop; that is all it does with it."""
            guest = Connection(*args, **options)
            return guest if doors is None else doors.before(guest)

        sockets = bind(self.endpoint)
        self.endpoint = self.endpoint.with_port(sockets[0].getsockname()[1])
        for bound in sockets:
            self._servers.append(
                await serve(
                    self._serve,
                    sock=bound,
                    process_request=self._process_request,
                    # Compression costs 64 KiB a connection and buys little for short texts.
                    compression=None,
                    open_timeout=None,
                    ping_interval=PING_INTERVAL,
                    ping_timeout=PING_TIMEOUT,
                    close_timeout=LINGER,
                    max_size=self._message_size,
                    create_connection=cast("type[Connection]", behind_a_door),
                    max_queue=READ_AHEAD,
                    write_limit=WRITE_BUFFER,
                    server_header=None,
                    backlog=1024,
                )
            )

    def stop(self) -> None:
        """Accept nobody any more."""
        for server in self._servers:
            server.server.close()

    async def close(self) -> None:
        """Close all connections, saying that the server goes away (1001), and break off what takes longer."""
        if self._doors is not None:
            self._doors.close()
        for server in self._servers:
            server.close(code=1001, reason="server is shutting down")
        closed = [asyncio.ensure_future(server.wait_closed()) for server in self._servers]
        if not closed:
            return
        _, waiting = await asyncio.wait(closed, timeout=CLOSE_TIME)
        if waiting:
            # Whoever has not finished its opening handshake by now is cut off, and whoever does not read: the library
            # would wait for as long as it takes until there is room for its closing frame.
            for connection in list(self._live):
                connection.transport.abort()
            for task in list(self._serving):
                task.cancel()
            await asyncio.wait(waiting, timeout=CLOSE_TIME)

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer plain HTTP; refuse web pages that have no business here; admit the others."""
        if not isinstance(connection, CountedConnection) or connection.admitted is None:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "Server busy. Try again later.\n")
        upgrade = _asks_for_upgrade(request)
        reason = self._objection(request.headers) if upgrade else self._objection_to_visit(request)
        if reason is not None:
            log.warning(
                "upgrade refused" if upgrade else "visit refused",
                extra={"address": connection.admitted.address, "reason": reason},
            )
            return refusal(http.HTTPStatus.FORBIDDEN, reason, head=request.method == "HEAD")
        return None if upgrade else self._site.answer(request)

    def _objection(self, headers: Headers) -> str | None:
        """Why an upgrade is refused; None if it is served."""
        try:
            origin, host = headers.get("Origin"), headers.get("Host", "")
        except MultipleValuesError:
            return "Origin and Host may come once only"
        if origin is None:
            return None
        if host not in self._hosts:
            return UNKNOWN_HOST
        if origin.lower() not in {f"{self._scheme}://{host.lower()}", *self._allowed_origins}:
            return "foreign Origin; the operator can add it to allowed_origins"
        return None

    def _objection_to_visit(self, request: Request) -> str | None:
        """Why a page is not shown; None if it is, or is none."""
        resource = self._site.find(request.path)
        if resource is None or resource.any_host:
            return None
        return self._hosts.objection(request.headers)

    async def _serve(self, connection: ServerConnection) -> None:
        if not isinstance(connection, CountedConnection) or connection.admitted is None:
            raise TypeError("a connection is served after it was admitted")
        connection.shaken_hands()
        channel = _WebSocketChannel(connection)
        session = self._sessions.open(channel, connection.admitted, since=connection.since)
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            await _converse(connection, channel, session)
        except Exception:
            log.exception("connection failed")
            channel.abort()
        finally:
            session.close()


class Door(Protocol):
    """Counts connections in and out."""

    def admit(self, peer: Peer) -> bool:
        """Count a connection in, or refuse it. Each one admitted must ``leave``."""

    def leave(self, peer: Peer) -> None:
        """Count a connection out."""


class CountedConnection(ServerConnection):
    """A connection that counts from its first byte, not only once its opening handshake is done.

    It refuses other methods than GET and HEAD at once: the library drops requests with a body silently.
    """

    sessions: Door
    #: All that have not ended.
    live: set[CountedConnection]
    refusals: Refusals
    #: Seconds from when it is accepted to the end of its opening handshake.
    handshake_time: float
    #: Who it is, unless it was refused.
    admitted: Peer | None = None
    begun = False
    #: The loop's time when it was accepted.
    since: float | None = None
    _counted = False
    _deadline: asyncio.TimerHandle | None = None
    _patience: asyncio.TimerHandle | None = None
    _closing: asyncio.Task[None] | None = None

    def accepted(self, transport: asyncio.Transport) -> None:
        """Count it in; if there is no room, it is told so when its request is there."""
        self.since = self.loop.time()
        address = transport.get_extra_info("peername")
        if address is None:  # it was reset before it was accepted
            transport.abort()
            return
        keep_alive(transport.get_extra_info("socket"))
        peer = peer_of(address)
        if self.sessions.admit(peer):
            self.admitted, self._counted = peer, True
        else:
            self.refusals.end(transport)

    def left(self) -> None:
        """Count it out."""
        if self.admitted is not None and self._counted:
            self._counted = False
            self.sessions.leave(self.admitted)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for its request, no longer than is left of its time."""
        if self.since is None:
            self.accepted(cast("asyncio.Transport", transport))
        self.live.add(self)
        super().connection_made(transport)
        if self.since is not None:
            self._deadline = self.loop.call_at(self.since + self.handshake_time, self.transport.abort)

    def shaken_hands(self) -> None:
        """Its opening handshake was in time."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def data_received(self, data: bytes) -> None:
        """Look at the method before anything else."""
        method, space, _ = data.partition(b" ")
        refused = not self.begun and space and method.isalpha() and method.decode("ascii") not in ALLOWED_METHODS
        self.begun = True
        if refused:
            self.transport.write(method_not_allowed().serialize())
            self.transport.close()
        else:
            super().data_received(data)

    def process_event(self, event: Event) -> None:
        """A message in several frames has its time. One frame has the ping's: no pong comes in the middle of it."""
        super().process_event(event)
        if isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            if event.fin:
                self._be_patient()
            elif self._patience is None:
                self._patience = self.loop.call_later(MESSAGE_TIME, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        super().connection_lost(exc)
        self.live.discard(self)
        self._be_patient()
        self.shaken_hands()
        self.left()

    def _be_patient(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if self.transport.is_reading():
            log.info("message not complete in time", extra={"address": self.admitted and self.admitted.address})
            self._closing = self.loop.create_task(self.close(1008, f"not complete after {MESSAGE_TIME:.0f} s"))
        else:  # what comes is not read at the moment, since what came before is not answered yet
            self._patience = self.loop.call_later(MESSAGE_TIME, self._give_up)


async def _converse(connection: ServerConnection, channel: _WebSocketChannel, session: Session) -> None:
    """Hand message after message to the session until either end closes."""
    request = connection.request
    scheme, _, credentials = (request.headers.get("Authorization", "") if request else "").partition(" ")
    if scheme.lower() == "bearer" and credentials and not await session.introduce(credentials.strip()):
        await connection.close(1011, "internal error")
        return
    try:
        async for message in connection:
            if isinstance(message, bytes):
                await connection.close(1003, "text frames only")
                return
            await session.receive(session.parse(message))
            if channel.buffered() > WRITE_BUFFER:
                session.flush()
                await connection.drain()
    except (ConnectionClosed, ConnectionError):
        return


class _WebSocketChannel:
    """The sending side of a WebSocket connection (session.channel.Channel)."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._closing: asyncio.Task[None] | None = None

    def write(self, messages: Sequence[bytes]) -> None:
        for message in messages:
            broadcast([self._connection], message, text=True)

    def buffered(self) -> int:
        return self._connection.transport.get_write_buffer_size()

    def close(self) -> None:
        # A session that is refused closes a little later, when the server may have stopped with all that it serves.
        if self._closing is None and self._connection.state is not State.CLOSED:
            loop = asyncio.get_running_loop()
            self._closing = loop.create_task(self._connection.close(1008))
            # The library counts only from when there was room for its closing frame.
            loop.call_later(LINGER, self._connection.transport.abort)

    def abort(self) -> None:
        self._connection.transport.abort()


def _asks_for_upgrade(request: Request) -> bool:
    return any("websocket" in value.lower() for value in request.headers.get_all("Upgrade"))
