"""The client's end of each transport."""

from __future__ import annotations

import asyncio
import hmac
import ssl
from collections import deque
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from websockets.exceptions import ConnectionClosed, WebSocketException

from nymead_users.client.errors import ConnectionFailed, ConnectionLost
from nymead_users.endpoint import Endpoint
from nymead_users.wire.framing import BrokenText, Framing, JsonValue, parse

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

#: The longest message a server may send, in bytes: a list of ten thousand users takes a few MiB.
MAX_MESSAGE = 64 * 1024 * 1024


class Transport(Protocol):
    """Sends texts and receives JSON values."""

    async def send(self, text: bytes) -> None:
        """Send a text. Raises ConnectionLost."""

    def __aiter__(self) -> AsyncIterator[JsonValue]:
        """The values received until the connection ends."""

    async def close(self) -> None:
        """Close the connection."""


def _tls(fingerprint: str | None, ca_file: str | None) -> ssl.SSLContext:
    """A context that trusts a CA, or whatever has the fingerprint that is checked after the handshake."""
    context = ssl.create_default_context(cafile=ca_file)
    if fingerprint is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _check_fingerprint(ssl_object: Any, expected: str) -> None:
    certificate: bytes = ssl_object.getpeercert(binary_form=True) or b""
    actual = sha256(certificate).hexdigest()
    if not hmac.compare_digest(actual, expected.replace(":", "").lower()):
        raise ConnectionFailed(f"the server's certificate has another fingerprint: {actual}")


async def open_transport(
    endpoint: Endpoint, *, token: str | None, fingerprint: str | None, ca_file: str | None, timeout: float
) -> Transport:
    """Connect. Raises ConnectionFailed."""
    context = _tls(fingerprint, ca_file) if endpoint.tls else None
    transport: StreamTransport | WebSocketTransport
    try:
        async with asyncio.timeout(timeout):
            if endpoint.websocket:
                from websockets.asyncio.client import connect  # noqa: PLC0415 - slow to import, not always needed

                transport = WebSocketTransport(
                    await connect(
                        str(endpoint),
                        ssl=context,
                        proxy=None,
                        compression=None,
                        max_size=MAX_MESSAGE,
                        additional_headers={"Authorization": f"Bearer {token}"} if token else None,
                    )
                )
            elif endpoint.unix:
                transport = StreamTransport(*await asyncio.open_unix_connection(endpoint.path))
            else:
                transport = StreamTransport(*await asyncio.open_connection(endpoint.host, endpoint.port, ssl=context))
    except TimeoutError as error:
        raise ConnectionFailed(f"{endpoint}: no answer within {timeout:g} s") from error
    except (OSError, WebSocketException) as error:
        raise ConnectionFailed(f"{endpoint}: {error}") from error
    if fingerprint is not None and endpoint.tls:
        try:
            _check_fingerprint(transport.ssl_object, fingerprint)
        except ConnectionFailed:
            await transport.close()
            raise
    return transport


class StreamTransport:
    """TCP, TLS and Unix sockets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._framing = Framing(max_size=MAX_MESSAGE)
        self._received: deque[JsonValue] = deque()
        self.ssl_object = writer.get_extra_info("ssl_object")

    async def send(self, text: bytes) -> None:
        """Send a text."""
        try:
            self._writer.write(text)
            await self._writer.drain()
        except OSError as error:
            raise ConnectionLost(str(error)) from error

    async def __aiter__(self) -> AsyncIterator[JsonValue]:
        """The values received until the connection ends."""
        while True:
            try:
                data = await self._reader.read(64 * 1024)
            except OSError:
                return
            if not data:
                return
            for value in self._framing.feed(data):
                if not isinstance(value, BrokenText):
                    yield value

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return


class WebSocketTransport:
    """WebSocket, with and without TLS."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.ssl_object = connection.transport.get_extra_info("ssl_object")

    async def send(self, text: bytes) -> None:
        """Send a text."""
        try:
            await self._connection.send(text, text=True)
        except ConnectionClosed as error:
            raise ConnectionLost(str(error)) from error

    async def __aiter__(self) -> AsyncIterator[JsonValue]:
        """The values received until the connection ends."""
        try:
            async for message in self._connection:
                value = parse(message)
                if not isinstance(value, BrokenText):
                    yield value
        except ConnectionClosed:
            return

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()
