"""nymea's own dialect: ``{"id", "method", "params", "token"}`` and ``{"id", "status", …}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nymead_users.rpc.errors import InvalidRequest, MethodNotFound, ParseError, RpcError
from nymead_users.rpc.message import Call, Dispatch
from nymead_users.wire.dialect import encode
from nymead_users.wire.framing import JsonValue

#: The ids of replies to what has none: not JSON, and without an id.
_NOT_JSON, _NO_ID = -1, 0


class NymeaDialect:
    """Reads and writes nymea's dialect. It has no state."""

    async def answer(self, message: JsonValue, dispatch: Dispatch) -> bytes | None:
        """Run the call and write its reply."""
        if not isinstance(message, dict):
            return self.refusal(ParseError("not an object"))
        message_id = message.get("id")
        if type(message_id) is not int:
            return _failure(_NO_ID, InvalidRequest("Error parsing command. Missing 'id'"))
        try:
            params = await dispatch(_call(message))
        except RpcError as error:
            return _failure(message_id, error)
        return encode({"id": message_id, "status": "success", "params": params})

    def refusal(self, error: RpcError) -> bytes:
        """The reply to what was not JSON."""
        return _failure(_NOT_JSON, error)

    def notification(self, number: int, name: str, params: Mapping[str, Any]) -> bytes:
        """Write a notification."""
        return encode({"id": number, "notification": name, "params": params})


def _call(message: dict[str, Any]) -> Call:
    method = message.get("method", "")
    if not isinstance(method, str):
        raise MethodNotFound.malformed("")
    params = message.get("params")
    if isinstance(params, list):
        # This dialect knows no positional params; the check of the params refuses what is no object.
        params = ""
    token = message.get("token")
    # Anything but a string is a token that can't be valid; it must not pass for none.
    return Call(method, params, "" if token is None else str(token), lenient=False)


def _failure(message_id: int, error: RpcError) -> bytes:
    status = "unauthorized" if error.unauthorized else "error"
    return encode({"id": message_id, "status": status, "error": error.text})
