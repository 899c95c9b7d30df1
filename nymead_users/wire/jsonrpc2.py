"""JSON-RPC 2.0 by the letter of its specification. The only module that knows jsonrpcserver.

jsonrpcserver reads requests and writes responses; each member of a batch goes through it alone and in
order, since it would refuse a whole batch for one bad member and run members concurrently. It gets requests
that are parsed and checked already (its schema forbids further members, and takes its time), and one method
for every name, which never raises (it would send the exception's text). What it does with one request is
called directly: its entry points are for batches, and make a task of each member.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from nymead_users.rpc.dispatcher import internal_error
from nymead_users.rpc.errors import InvalidRequest, RpcError, ServerBusy
from nymead_users.rpc.message import Call, Dispatch, Result
from nymead_users.wire.dialect import encode
from nymead_users.wire.framing import JsonValue

with warnings.catch_warnings():
    # It reads its schema through a deprecated call while it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    from jsonrpcserver import Error, Success
    from jsonrpcserver.async_dispatcher import dispatch_request
    from jsonrpcserver.dispatcher import create_request, not_notification, to_response
    from jsonrpcserver.response import to_serializable

#: More members than any client has a reason to send; replies could outgrow requests a hundredfold.
MAX_BATCH = 1000

#: Bytes of a batch's reply after which its further requests are answered with ServerBusy: the whole reply has to
#: be held until it is complete. Notifications run: nobody could tell their sender that they did not.
MAX_BATCH_REPLY = 1024 * 1024


class JsonRpc2Dialect:
    """Reads and writes JSON-RPC 2.0. It has no state."""

    async def answer(self, message: JsonValue, dispatch: Dispatch) -> bytes | None:
        """Run a request, a notification or a batch and write what is due."""
        if not isinstance(message, list):
            response = await _respond(message, dispatch)
            return None if response is None else encode(response)
        if not message:
            return self.refusal(InvalidRequest(data={"reason": "empty batch"}))
        if len(message) > MAX_BATCH:
            return self.refusal(InvalidRequest(data={"reason": f"more than {MAX_BATCH} members in a batch"}))
        due: list[bytes] = []
        size = 0
        for member in message:
            replied_to = isinstance(member, dict) and "id" in member
            response = await _respond(member, _busy if replied_to and size >= MAX_BATCH_REPLY else dispatch)
            if response is not None:
                due.append(encode(response)[:-1])
                size += len(due[-1])
        return b"[" + b",".join(due) + b"]\n" if due else None

    def refusal(self, error: RpcError) -> bytes:
        """The reply to what was no request: its id is null."""
        return encode(_refusal(error))

    def notification(self, number: int, name: str, params: Mapping[str, Any]) -> bytes:  # noqa: ARG002
        """Write a notification; JSON-RPC 2.0 does not number them."""
        return encode({"jsonrpc": "2.0", "method": name, "params": params})


def _refusal(error: RpcError) -> dict[str, Any]:
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return {"jsonrpc": "2.0", "error": body, "id": None}


async def _respond(request: JsonValue, dispatch: Dispatch) -> dict[str, Any] | None:
    """The response to one request; None for a client's notification."""
    fault = _fault(request)
    if fault is not None:
        return _refusal(InvalidRequest(data={"reason": fault}))
    answered = await dispatch_request(_METHODS, _Context(request, dispatch), create_request(request))
    if not not_notification(answered):
        return None
    return cast("dict[str, Any]", to_serializable(to_response(*answered)))


class _Context(NamedTuple):
    """What jsonrpcserver hands through to the method."""

    request: JsonValue
    dispatch: Dispatch


async def _bridge(context: _Context, /, *_args: Any, **_kwargs: Any) -> Any:
    """Run any request. jsonrpcserver binds its params to this signature; the dispatcher takes them as they came."""
    request, dispatch = context
    name = request["method"]
    refusal: RpcError
    try:
        return Success(await dispatch(Call(name, request.get("params"), request.get("token") or None, lenient=True)))
    except RpcError as error:
        refusal = error
    except Exception as error:  # noqa: BLE001 - jsonrpcserver would send its text
        refusal = internal_error(error, name)
    data = () if refusal.data is None else (refusal.data,)
    return Error(refusal.code, refusal.message, *data)


# jsonrpcserver asks for it at each call, and working it out takes longer than the call.
_bridge.__dict__["__signature__"] = inspect.signature(_bridge)


class _AnyMethod(dict[str, Any]):
    """The methods as jsonrpcserver sees them: the bridge under every name."""

    def __missing__(self, name: str) -> Any:
        return _bridge


_METHODS = _AnyMethod()


async def _busy(_call: Call) -> Result:
    raise ServerBusy


def _fault(request: JsonValue) -> str | None:
    """Why a value is no request (section 4 of the specification); None if it is one.

    Further members are let through: the specification does not forbid them, and ``token`` is one.
    """
    if not isinstance(request, dict):
        return "not an object"
    if request.get("jsonrpc") != "2.0":
        return 'jsonrpc must be "2.0"'
    if not isinstance(request.get("method"), str):
        return "method must be a string"
    if not isinstance(request.get("params", {}), (dict, list)):
        return "params must be an object or an array"
    message_id = request.get("id")
    if isinstance(message_id, bool) or not isinstance(message_id, (str, int, float, type(None))):
        return "id must be a string, a number or null"
    if not isinstance(request.get("token"), (str, type(None))):
        return "token must be a string or null"
    return None
