"""The client: calls, logins and notifications over one connection."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from nymead_users.client.errors import CallError, ConnectionLost, from_jsonrpc2, from_nymea
from nymead_users.client.transport import Transport, open_transport
from nymead_users.endpoint import Endpoint
from nymead_users.wire.dialect import encode

Dialect = Literal["nymea", "jsonrpc2"]

#: Seconds for a connection or a reply: ample for a login that waits for others.
TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Notification:
    """What the server tells without being asked."""

    name: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Login:
    """A successful login."""

    token: str = field(repr=False)
    username: str
    scopes: tuple[str, ...]


class Client:
    """One connection. Calls may be made concurrently; replies find their calls by id.

    The token that is in force is sent as the dialect wants it.
    """

    def __init__(self, transport: Transport, dialect: Dialect, *, token: str | None, timeout: float) -> None:
        self.dialect = dialect
        self._transport = transport
        self._token = token
        self._timeout = timeout
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._notifications: asyncio.Queue[Notification | None] = asyncio.Queue()
        self._reader = asyncio.get_running_loop().create_task(self._read())

    def __repr__(self) -> str:
        """The dialect; the token stays out."""
        return f"<Client {self.dialect}>"

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        dialect: Dialect = "nymea",
        token: str | None = None,
        fingerprint: str | None = None,
        ca_file: str | None = None,
        timeout: float = TIMEOUT,
    ) -> Self:
        """Connect to ``nymea://``, ``nymeas://``, ``ws://``, ``wss://`` or ``unix://``.

        ``token``: in force from the start. On TLS the certificate must have the ``fingerprint`` (SHA-256
        in hex), or be signed by the CA in ``ca_file`` or the system's. ``timeout`` in seconds, for the
        connection and for each reply.

        Raises ValueError for a bad URL and ConnectionFailed.
        """
        endpoint = Endpoint.parse(url)
        bearer = token if dialect == "jsonrpc2" else None
        transport = await open_transport(
            endpoint, token=bearer, fingerprint=fingerprint, ca_file=ca_file, timeout=timeout
        )
        return cls(transport, dialect, token=token, timeout=timeout)

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls under way raise ConnectionLost."""
        await self._transport.close()
        await asyncio.wait([self._reader])

    async def closed(self) -> None:
        """Wait until the connection has ended."""
        await asyncio.wait([self._reader])

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call a method; its result. Raises CallError, ConnectionLost and TimeoutError."""
        message_id = next(self._ids)
        request: dict[str, Any] = {"id": message_id, "method": method}
        if self.dialect == "jsonrpc2":
            request["jsonrpc"] = "2.0"
        if params is not None:
            request["params"] = dict(params)
        if self._token is not None and method != "JSONRPC.Authenticate":
            request["token"] = self._token
        return await self._exchange(message_id, request)

    async def hello(self, *, token: str | None = None, locale: str | None = None) -> dict[str, Any]:
        """Shake hands, and bind a token where one is given; what the server says of itself."""
        if token is not None:
            self._token = token
        params = {} if locale is None else {"locale": locale}
        if self.dialect == "jsonrpc2" and token is not None:
            params["token"] = token
        return await self.call("JSONRPC.Hello", params)

    async def authenticate(self, username: str, password: str, device_name: str) -> Login | None:
        """Log in; None for a wrong name or password. The new token is in force from here on.

        Raises TooManyAttempts.
        """
        result = await self.call(
            "JSONRPC.Authenticate", {"username": username, "password": password, "deviceName": device_name}
        )
        if not result["success"]:
            return None
        self._token = result["token"]
        return Login(result["token"], result["username"], tuple(result["scopes"]))

    async def subscribe(self, *namespaces: str) -> list[str]:
        """Ask for the notifications of these namespaces; those that will be sent."""
        result = await self.call("JSONRPC.SetNotificationStatus", {"namespaces": list(namespaces)})
        return list(result["namespaces"])

    async def notifications(self) -> AsyncIterator[Notification]:
        """The notifications in order, until the connection ends."""
        while True:
            notification = await self._notifications.get()
            if notification is None:
                self._notifications.put_nowait(None)
                return
            yield notification

    async def _exchange(self, message_id: int, request: dict[str, Any]) -> dict[str, Any]:
        if self._reader.done():
            raise ConnectionLost("the connection has ended")
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[message_id] = reply
        try:
            async with asyncio.timeout(self._timeout):
                await self._transport.send(encode(request))
                return await reply
        finally:
            self._pending.pop(message_id, None)

    async def _read(self) -> None:
        try:
            async for message in self._transport:
                if isinstance(message, dict):
                    self._take(message)
        finally:
            for reply in self._pending.values():
                if not reply.done():
                    reply.set_exception(ConnectionLost("the connection ended before the reply came"))
            self._notifications.put_nowait(None)

    def _take(self, message: dict[str, Any]) -> None:
        name = message.get("notification") or (message.get("method") if "jsonrpc" in message else None)
        if isinstance(name, str):
            params = message.get("params", {})
            if name.endswith(".PushButtonAuthFinished") and params.get("success"):
                self._token = params["token"]
            self._notifications.put_nowait(Notification(name, params))
            return
        message_id = message.get("id")
        reply = self._pending.get(message_id) if type(message_id) is int else None
        if reply is None or reply.done():
            return
        error = _error(message)
        if error is None:
            reply.set_result(message.get("result", {}) if "jsonrpc" in message else message.get("params", {}))
        else:
            reply.set_exception(error)


def _error(message: dict[str, Any]) -> CallError | None:
    if "jsonrpc" in message:
        return from_jsonrpc2(message["error"]) if "error" in message else None
    return None if message.get("status") == "success" else from_nymea(message)
