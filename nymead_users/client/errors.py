"""What can go wrong for a client.

::

    ClientError
    ├── ConnectionFailed     no connection could be made
    ├── ConnectionLost       the connection ended, and with it the call
    └── CallError            the server refused the call
        ├── Unauthorized     no valid token, or set-up required; the server closes the connection
        ├── PermissionDenied
        └── TooManyAttempts  retry_after in seconds
"""

from __future__ import annotations

import re
from typing import Any


class ClientError(Exception):
    """Something went wrong for a client."""


class ConnectionFailed(ClientError):
    """No connection could be made."""


class ConnectionLost(ClientError):
    """The connection has ended."""


class CallError(ClientError):
    """The server refused a call. ``code`` and ``data`` are JSON-RPC 2.0's, None in nymea's dialect."""

    def __init__(self, message: str, code: int | None = None, data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.data = data


class Unauthorized(CallError):
    """No valid token, or initial set-up is required. The server closes the connection after this."""


class PermissionDenied(CallError):
    """The user lacks the permission."""


class TooManyAttempts(CallError):
    """Too many wrong passwords; ``retry_after`` in seconds."""

    @property
    def retry_after(self) -> int:
        """Seconds to wait before the next attempt."""
        if isinstance(self.data, dict) and isinstance(self.data.get("retryAfter"), int):
            return int(self.data["retryAfter"])
        seconds = _SECONDS.search(self.message)
        return int(seconds.group()) if seconds else 1


_SECONDS = re.compile(r"\d+")

_BY_CODE: dict[int, type[CallError]] = {
    -32001: Unauthorized,
    -32002: Unauthorized,
    -32003: PermissionDenied,
    -32004: TooManyAttempts,
}


def from_nymea(message: dict[str, Any]) -> CallError:
    """The error in a reply of nymea's dialect, told apart by its status and text."""
    text = str(message.get("error", ""))
    if message.get("status") == "unauthorized":
        return Unauthorized(text)
    if text == "Permission denied.":
        return PermissionDenied(text)
    if text.startswith("Too many attempts."):
        return TooManyAttempts(text)
    return CallError(text)


def from_jsonrpc2(error: dict[str, Any]) -> CallError:
    """The error object of a JSON-RPC 2.0 response."""
    code = int(error.get("code", 0))
    return _BY_CODE.get(code, CallError)(str(error.get("message", "")), code, error.get("data"))
