"""Everything that can go wrong with a call before its method gives an answer of its own.

::

    RpcError
    ├── ParseError            -32700
    ├── InvalidRequest        -32600
    ├── MethodNotFound        -32601
    ├── InvalidParams         -32602
    ├── InternalError         -32603
    ├── Unauthorized          -32001  closes
    │   └── TokenChanged
    ├── SetupRequired         -32002  closes
    ├── PermissionDenied      -32003
    ├── TooManyAttempts       -32004
    ├── ServerBusy            -32005
    └── HandshakeRequired     nymea's dialect only, closes

An error knows both of its faces: code, message and data for JSON-RPC 2.0, and the text and status for
nymea's dialect. The texts are nymead's own where clients know them.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar


class RpcError(Exception):
    """A call is refused.

    ``text`` is what nymea's dialect says, ``message`` and ``data`` what JSON-RPC 2.0 says.
    ``unauthorized`` chooses nymea's status; ``closes`` ends the connection shortly after the reply.
    """

    code: ClassVar[int]
    title: ClassVar[str]
    unauthorized: ClassVar[bool] = False
    closes: ClassVar[bool] = False

    def __init__(self, text: str | None = None, *, data: Any = None) -> None:
        super().__init__(text or self.title)
        self.text = text or self.title
        self.data = data

    @property
    def message(self) -> str:
        """The JSON-RPC 2.0 message: the specification's wording for its own codes."""
        return self.title


class ParseError(RpcError):
    """What came is not JSON."""

    code = -32700
    title = "Parse error"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Failed to parse JSON data: {reason}", data={"reason": reason})


class InvalidRequest(RpcError):
    """What came is JSON, but no request."""

    code = -32600
    title = "Invalid Request"


class MethodNotFound(RpcError):
    """There is no such method or namespace, or its name is not of the form ``Namespace.Method``."""

    code = -32601
    title = "Method not found"

    def __init__(self, text: str) -> None:
        super().__init__(text, data={"reason": text})

    @classmethod
    def malformed(cls, name: str) -> MethodNotFound:
        """The name is not of the form ``Namespace.Method``; the stray quote is nymead's, and clients know it."""
        return cls(f"Error parsing method. Got: '{name}'', Expected: 'Namespace.method'")


class InvalidParams(RpcError):
    """A param is missing, unknown or of the wrong form."""

    code = -32602
    title = "Invalid params"

    def __init__(self, method: str, param: str, reason: str) -> None:
        super().__init__(
            f"Invalid params: {reason} in {method}, param {param}", data={"param": param, "reason": reason}
        )


class InternalError(RpcError):
    """The server failed; the log has the cause under ``reference``, the client only the reference."""

    code = -32603
    title = "Internal error"

    def __init__(self, reference: str) -> None:
        super().__init__(f"Internal error. Reference: {reference}", data={"reference": reference})


class _NamedByItsText(RpcError):
    """A refusal of this server's own: JSON-RPC 2.0 says the same text."""

    @property
    def message(self) -> str:
        return self.text


class Unauthorized(_NamedByItsText):
    """No valid token."""

    code = -32001
    title = "Forbidden: Invalid token."
    unauthorized = True
    closes = True


class TokenChanged(Unauthorized):
    """The call carries another token than the connection."""

    title = "Changing the user (token) requires a new handshake. Call JSONRPC.Hello."


class SetupRequired(_NamedByItsText):
    """There is no user yet; only what makes the first one is answered."""

    code = -32002
    title = "Initial setup required. Call JSONRPC.CreateUser first."
    unauthorized = True
    closes = True


class PermissionDenied(_NamedByItsText):
    """The user lacks the method's permission scope."""

    code = -32003
    title = "Permission denied."


class TooManyAttempts(_NamedByItsText):
    """Too many wrong passwords; ``data.retryAfter`` and the text tell the whole seconds to wait."""

    code = -32004
    title = "Too many attempts."

    def __init__(self, retry_after: float) -> None:
        seconds = max(1, math.ceil(retry_after))
        super().__init__(f"Too many attempts. Try again in {seconds} s.", data={"retryAfter": seconds})


class ServerBusy(_NamedByItsText):
    """Too many calls of this kind wait already; try again later."""

    code = -32005
    title = "Server busy. Try again later."


class HandshakeRequired(_NamedByItsText):
    """A connection in nymea's dialect begins with JSONRPC.Hello."""

    code = InvalidRequest.code
    title = "Handshake required. Call JSONRPC.Hello first."
    closes = True
