"""One connection's session, from its first message to its close."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from nymead_users import logs
from nymead_users.peer import Peer
from nymead_users.permissions import Principal, Scope, User, includes
from nymead_users.rpc.dispatcher import Dispatcher
from nymead_users.rpc.errors import HandshakeRequired, ParseError, RpcError, ServerBusy, TokenChanged, Unauthorized
from nymead_users.rpc.message import Call, Result
from nymead_users.session.broadcaster import Broadcaster
from nymead_users.session.channel import Channel
from nymead_users.session.directory import Directory
from nymead_users.session.outbox import Outbox
from nymead_users.storage.errors import StoreError
from nymead_users.wire.dialect import Dialect
from nymead_users.wire.framing import BrokenText, Framing, JsonValue, parse
from nymead_users.wire.jsonrpc2 import JsonRpc2Dialect
from nymead_users.wire.nymea import NymeaDialect

log = logging.getLogger(__name__)

#: Seconds from an unauthorized reply to the close: clients that drop unread data when the connection goes
#: still see the reply. nymead's clients know this delay.
CLOSE_DELAY = 0.2

#: Seconds from when the rest of a message is waited for to its end. The largest comes at 140 kbit/s in that time.
MESSAGE_TIME = 60.0

#: How what a browser sends by itself begins: requests with the simple methods of the Fetch standard, the question
#: it asks before any other, and a TLS handshake. JSON begins with none of them.
OTHER_PROTOCOLS = (b"GET ", b"HEAD ", b"POST ", b"OPTIONS ", b"\x16\x03")
_OPENING = max(len(beginning) for beginning in OTHER_PROTOCOLS)

NYMEA = NymeaDialect()
JSONRPC2 = JsonRpc2Dialect()

_connection_numbers = count(1)


class Tokens(Protocol):
    """Knows for whom a token stands."""

    @property
    def generation(self) -> int:
        """Changes whenever users or tokens do."""

    async def resolve(self, token: str) -> Principal | None:
        """The principal of a valid token."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a session: bytes of a message, bytes unread by the client, seconds to the first message."""

    message_size: int
    outbox_size: int
    handshake_time: float


class SessionFactory:
    """Opens the sessions of one listener.

    ``authentication`` says whether callers need tokens there.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        directory: Directory,
        broadcaster: Broadcaster,
        tokens: Tokens,
        limits: Limits,
        *,
        authentication: bool,
    ) -> None:
        self.dispatcher = dispatcher
        self.directory = directory
        self.broadcaster = broadcaster
        self.tokens = tokens
        self.limits = limits
        self.authentication = authentication

    def admit(self, peer: Peer) -> bool:
        """Count a connection in, or refuse it. Each one admitted must ``leave``."""
        admitted = self.directory.admit(peer)
        if not admitted:
            log.warning("connection refused: too many connections", extra={"address": peer.address})
        return admitted

    def leave(self, peer: Peer) -> None:
        """Count a connection out."""
        self.directory.leave(peer)

    def busy(self) -> bytes:
        """What a connection that was not admitted is told."""
        return NYMEA.refusal(ServerBusy())

    def open(self, channel: Channel, peer: Peer, *, since: float | None = None) -> Session:
        """Begin a session; it ends with ``Session.close``.

        ``since``: the loop's time from which its handshake time counts; None for now.
        """
        return Session(self, channel, peer, since)


class Session:
    """The state of one connection, and what methods see as their Caller.

    Transports call ``feed`` or ``parse``, then ``receive`` with each message, one after the other, ``wait`` when a
    stream has no more, and ``close`` at the end.
    """

    __slots__ = (
        "__weakref__",
        "_channel",
        "_closing",
        "_deadline",
        "_dialect",
        "_factory",
        "_framing",
        "_on_close",
        "_opening",
        "_patience",
        "_token",
        "connection_id",
        "greeted",
        "locale",
        "notification_dialect",
        "outbox",
        "peer",
        "presented_token",
        "principal",
        "subscriptions",
    )

    def __init__(self, factory: SessionFactory, channel: Channel, peer: Peer, since: float | None) -> None:
        self.connection_id = f"c{next(_connection_numbers)}"
        self.peer = peer
        self.principal: Principal | None = None
        self.presented_token: str | None = None
        self.greeted = False
        self.locale: str | None = None
        self.subscriptions: frozenset[str] = frozenset()
        self.notification_dialect: Dialect = NYMEA
        self._factory = factory
        self._channel = channel
        self._framing: Framing | None = None
        #: The first bytes of a stream, until it is clear that they are not another protocol's.
        self._opening: bytes | None = b""
        self._patience: asyncio.TimerHandle | None = None
        self._dialect: Dialect | None = None
        #: The bound token; None until something has bound one, "" for none.
        self._token: str | None = None
        #: What every further call is answered with, once the connection is about to close.
        self._closing: RpcError | None = None
        self._on_close: dict[str, Callable[[], None]] = {}
        self.outbox = Outbox(channel, factory.limits.outbox_size, self._overflowed)
        loop = asyncio.get_running_loop()
        self._deadline: asyncio.TimerHandle | None = loop.call_at(
            (loop.time() if since is None else since) + factory.limits.handshake_time, self._expired
        )
        factory.directory.add(self)
        self._log(logging.INFO, "connected")

    def __repr__(self) -> str:
        """The connection and the user; the token stays out."""
        return f"<Session {self.connection_id} {self.address} {self.username!r}>"

    @property
    def address(self) -> str:
        """The peer's address, for log lines."""
        return self.peer.address

    @property
    def username(self) -> str | None:
        """The user's name, for log lines."""
        return None if self.principal is None else self.principal.username

    # What transports call

    def feed(self, data: bytes) -> list[JsonValue | BrokenText]:
        """The messages that are complete with these bytes of a stream.

        A stream that begins in another protocol ends here, before anything in it can pass for a message: a web
        page can have a browser post JSON to any port, or hide it in the ticket of a TLS session.
        """
        if self._framing is None:
            self._framing = Framing(max_size=self._factory.limits.message_size)
        if self._opening is not None:
            self._opening += data[:_OPENING]
            if self._opening.startswith(OTHER_PROTOCOLS):
                self._opening = None
                self._framing.close()
                return [BrokenText("this is HTTP or TLS, not JSON", jsonrpc=False, fatal=True)]
            if len(self._opening) >= _OPENING:
                self._opening = None
        found = self._framing.feed(data)
        if found:
            self._be_patient()
        return found

    def wait(self) -> None:
        """Everything that came in the stream is answered: the client has MESSAGE_TIME to end what it has begun."""
        if self._patience is None and self._framing is not None and self._framing.unfinished:
            self._patience = asyncio.get_running_loop().call_later(MESSAGE_TIME, self._give_up)

    def parse(self, text: str | bytes) -> JsonValue | BrokenText:
        """The message in one frame."""
        return parse(text)

    async def receive(self, message: JsonValue | BrokenText) -> None:
        """Answer one message. Returns when its reply is in the outbox."""
        logs.subject.set(self)
        if isinstance(message, BrokenText):
            reply: bytes | None = self._refuse(message)
        else:
            self._dialect = self._dialect_of(message)
            if self._dialect is JSONRPC2:
                self._in_time()
            reply = await self._dialect.answer(message, self._dispatch)
            if self.greeted:
                self._in_time()
            elif self._deadline is not None and isinstance(message, dict):
                # nymea's dialect begins with Hello. Whatever else comes first is refused, if only for its form.
                self._closing = self._closing or HandshakeRequired()
        if reply is not None:
            self.outbox.put(reply)
        if self._closing is not None:
            self._leave()

    async def introduce(self, token: str) -> bool:
        """Bind a token that came before the first message; whether the store could be asked about it."""
        logs.subject.set(self)
        try:
            await self.bind(token)
        except StoreError as failure:
            reason = str(failure)
        else:
            return True
        log.error("the database failed", extra={"reason": reason})
        return False

    def flush(self) -> None:
        """Hand what is to be sent to the channel now rather than in the next turn of the event loop."""
        self.outbox.flush()

    def close(self) -> None:
        """The connection has ended. Calling it again does nothing."""
        self._in_time()
        self._be_patient()
        if self not in self._factory.directory.sessions:
            return
        self.outbox.close()
        self._log(logging.INFO, "disconnected")
        self._factory.directory.remove(self)
        # Nobody would tell this session of a revocation any more, so it may do nothing more either.
        self.principal = None
        self._closing = Unauthorized()
        for callback in self._on_close.values():
            callback()
        self._on_close.clear()

    # What the directory and the broadcaster call

    def hears(self, audience: Callable[[User], bool]) -> bool:
        """Whether a notification may be sent here."""
        if not self._factory.authentication:
            return True
        return self.principal is not None and audience(self.principal.user)

    def user_changed(self, user: User) -> None:
        """The bound user has other permissions or details from here on."""
        if self.principal is not None:
            self.principal = Principal(user, self.principal.token_id)

    def revoke(self) -> None:
        """The bound token is no longer valid."""
        self._log(logging.INFO, "cut off: the token is no longer valid")
        self._set_principal(None)

    # What methods and the dispatcher see (rpc.caller.Caller)

    @property
    def authentication_required(self) -> bool:
        """Whether this listener asks for tokens."""
        return self._factory.authentication

    @property
    def token_bound(self) -> bool:
        """Whether a token is bound, valid or not."""
        return bool(self._token)

    def permits(self, scope: Scope) -> bool:
        """Whether the caller holds all of ``scope`` now."""
        if not self._factory.authentication:
            return True
        return self.principal is not None and includes(self.principal.user.scopes, scope)

    def holds(self, token: str) -> bool:
        """Whether this token is the bound one.

        How long the comparison takes tells the client only about the token that it has bound itself.
        """
        return token == self._token

    async def present_token(self, token: str, *, lenient: bool) -> None:
        """Take up a message's token where none is bound."""
        bound = self._token
        if bound is None or (lenient and not bound) or not self.authentication_required:
            await self.bind(token)
            return
        raise TokenChanged

    async def bind(self, token: str) -> Principal | None:
        """Bind a token.

        A token that is removed while it is looked up must not stay bound, so the look-up is repeated
        until nothing has changed meanwhile.
        """
        tokens = self._factory.tokens
        principal: Principal | None = None
        if token:
            generation = None
            while generation != tokens.generation:
                generation = tokens.generation
                principal = await tokens.resolve(token)
        self._token = token
        self._set_principal(principal)
        return principal

    def greet(self, locale: str) -> None:
        """The handshake is done."""
        self.greeted = True
        self.locale = locale

    def subscribe(self, namespaces: frozenset[str]) -> None:
        """Send the notifications of these namespaces, in the dialect of the present call."""
        self.subscriptions = namespaces
        self.notification_dialect = self._dialect or NYMEA

    def postpone(self) -> Callable[[str, Mapping[str, Any]], None]:
        """A function that notifies this connection alone, in the dialect of the present call.

        What it sends has gone out when it returns, before any reply to whoever caused it.
        """
        dialect = self._dialect or NYMEA

        def notify(name: str, params: Mapping[str, Any]) -> None:
            self.outbox.post(dialect.notification(self._factory.broadcaster.next_number(), name, params))
            self.outbox.flush()
            self._factory.broadcaster.sent[name] += 1

        return notify

    def on_close(self, name: str, callback: Callable[[], None]) -> None:
        """Call back when the connection ends, in place of an earlier callback of that name."""
        self._on_close[name] = callback

    # Inside

    async def _dispatch(self, call: Call) -> Result:
        if self._closing is not None:
            raise self._closing.with_traceback(None)
        self.presented_token = call.token
        try:
            return await self._factory.dispatcher.dispatch(call, self)
        except RpcError as error:
            if error.closes:
                if isinstance(error, Unauthorized):
                    log.info("unauthorized", extra={"method": call.method, "reason": error.text})
                self._closing = error
            raise

    def _dialect_of(self, message: JsonValue) -> Dialect:
        if isinstance(message, list) or (isinstance(message, dict) and "jsonrpc" in message):
            return JSONRPC2
        if isinstance(message, dict):
            return NYMEA
        return self._dialect or NYMEA

    def _refuse(self, broken: BrokenText) -> bytes:
        dialect = self._dialect or (JSONRPC2 if broken.jsonrpc else NYMEA)
        error = ParseError(broken.reason)
        log.info("not JSON", extra={"reason": broken.reason})
        if broken.fatal:
            self._closing = error
        return dialect.refusal(error)

    def _set_principal(self, principal: Principal | None) -> None:
        if self not in self._factory.directory.sessions:
            return
        self._factory.directory.rebind(self, self.principal, principal)
        self.principal = principal

    def _overflowed(self) -> None:
        self._log(logging.WARNING, "outbox full: the client does not read")
        self._factory.directory.overflows += 1
        self._channel.abort()

    def _in_time(self) -> None:
        """The connection need not be cut for its silence any more."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _be_patient(self) -> None:
        """No message has begun that need come to an end."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        """The client has begun a message, and does not end it."""
        self._patience = None
        logs.subject.set(self)
        if self._framing is not None:
            self.outbox.put(self._refuse(self._framing.give_up(f"not complete after {MESSAGE_TIME:.0f} s")))
            self._leave()

    def _leave(self) -> None:
        """Close, CLOSE_DELAY after the last reply has gone out, however long it took."""
        self.outbox.flush()
        asyncio.get_running_loop().call_later(CLOSE_DELAY, self._channel.close)

    def _expired(self) -> None:
        self._deadline = None
        self._log(logging.INFO, "no message in time")
        self._channel.close()

    def _log(self, level: int, message: str) -> None:
        """Log about this session from outside its own task."""
        extra = {"connection": self.connection_id, "address": self.address}
        if self.username is not None:
            extra["user"] = self.username
        log.log(level, message, extra=extra)
