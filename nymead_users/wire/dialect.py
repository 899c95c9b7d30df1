"""What the two dialects have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from nymead_users.rpc.errors import RpcError
from nymead_users.rpc.message import Dispatch, Encoded
from nymead_users.wire.framing import JsonValue


class Dialect(Protocol):
    """Reads messages and writes replies and notifications: each a line of compact JSON ending in a line feed."""

    async def answer(self, message: JsonValue, dispatch: Dispatch) -> bytes | None:
        """Run what a message asks for; the reply, or None where none is due. Never raises."""

    def refusal(self, error: RpcError) -> bytes:
        """The reply to what was no message at all."""

    def notification(self, number: int, name: str, params: Mapping[str, Any]) -> bytes:
        """A notification; ``number`` counts up."""


def encode(value: object) -> bytes:
    """Compact JSON on one line, with its line feed. Integers of any size are written exactly."""
    try:
        return orjson.dumps(value, _embedded, orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_plain).encode() + b"\n"


def _embedded(value: object) -> orjson.Fragment:
    if isinstance(value, Encoded):
        return orjson.Fragment(value.text)
    raise TypeError


def _plain(value: object) -> Any:
    return json.loads(value.text) if isinstance(value, Encoded) else str(value)
