"""A call as data, whatever the dialect in which it came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

#: What a method answers: a JSON object. Its values may be Encoded.
Result = Mapping[str, Any]


class Encoded:
    """A value of a result that is JSON text already: what would take too long to write in one go."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text


class Call(NamedTuple):
    """One request.

    ``params`` are named (a dict), positional (a list, JSON-RPC 2.0 only) or absent; a dialect that does not
    look at their form leaves that to the check of the params. ``token`` is what the
    message carries: "" for none in nymea's dialect, where every message states its token; None where the
    message says nothing about it. ``lenient`` marks JSON-RPC 2.0: no handshake is needed, and a token in
    the envelope is taken up where none is bound yet.
    """

    method: str
    params: Any
    token: str | None
    lenient: bool

    def __repr__(self) -> str:
        """The call without its params and token: both can hold secrets."""
        return f"Call({self.method!r})"


#: Runs a call: its result, or an RpcError.
Dispatch = Callable[[Call], Awaitable[Result]]
