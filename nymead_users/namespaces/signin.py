"""Authenticate and RequestPushButtonAuth, which two namespaces offer under their own names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from nymead_users.identity.errors import Busy, TooManyAttempts
from nymead_users.identity.pushbutton import PushButton
from nymead_users.identity.users import Users
from nymead_users.namespaces.types import PermissionScopes, Text, scope_list
from nymead_users.rpc import errors
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.namespace import Access, Namespace, Notification, Params, method, wire_type


class AuthenticateParams(Params):
    """Params of Authenticate."""

    username: str = Field(description="The user's name, in any case.")
    password: str = Field(description="The user's password.")
    deviceName: Text = Field(description="What the token is for, shown in the list of tokens.")


@wire_type
class AuthenticateReturns(TypedDict):
    """Returns of Authenticate."""

    success: Annotated[bool, Field(description="Whether name and password were right.")]
    token: NotRequired[Annotated[str, Field(description="The token. It is not shown again.")]]
    username: NotRequired[Annotated[str, Field(description="The user's name, in lower case.")]]
    scopes: NotRequired[Annotated[PermissionScopes, Field(description="What the user may do.")]]


class RequestPushButtonAuthParams(Params):
    """Params of RequestPushButtonAuth."""

    deviceName: Text = Field(description="What the token is for, shown in the list of tokens.")


@wire_type
class RequestPushButtonAuthReturns(TypedDict):
    """Returns of RequestPushButtonAuth."""

    success: Annotated[bool, Field(description="Whether the server now waits for the button.")]
    transactionId: Annotated[int, Field(description="The id that PushButtonAuthFinished will carry.")]


@wire_type
class PushButtonAuthFinishedParams(TypedDict):
    """Params of PushButtonAuthFinished."""

    success: Annotated[bool, Field(description="Whether the button was pressed for this transaction.")]
    transactionId: Annotated[int, Field(description="The id that RequestPushButtonAuth answered.")]
    token: NotRequired[Annotated[str, Field(description="The token. It is not shown again.")]]


def push_button_auth_finished(namespace: str) -> Notification:
    """Declare the notification under a namespace's name."""
    return Notification(
        f"{namespace}.PushButtonAuthFinished",
        "Ends a push button authentication. Sent to the connection that requested it and to no other, whatever"
        " notifications it has switched on, under the namespace by which it was requested.",
        PushButtonAuthFinishedParams,
    )


class _WaitingCaller:
    """A connection that waits for the button (identity.pushbutton.Requester)."""

    def __init__(self, caller: Caller, notification: str) -> None:
        self._caller = caller
        self._notification = notification
        self._notify: Callable[[str, Mapping[str, Any]], None] = caller.postpone()
        self.gone = False

    def leave(self) -> None:
        self.gone = True

    def failed(self, transaction_id: int) -> None:
        self._notify(self._notification, {"success": False, "transactionId": transaction_id})

    async def granted(self, transaction_id: int, token: str) -> bool:
        if self.gone:
            return False
        await self._caller.bind(token)
        self._notify(self._notification, {"success": True, "transactionId": transaction_id, "token": token})
        return not self.gone


class SignIn(Namespace):
    """A namespace in which one can log in."""

    def __init__(self, users: Users, push_button: PushButton) -> None:
        self._users = users
        self._push_button = push_button

    @method("Authenticate", access=Access.PUBLIC, errors=(errors.TooManyAttempts, errors.ServerBusy))
    async def authenticate(self, caller: Caller, params: AuthenticateParams) -> AuthenticateReturns:
        """Log in with a username and a password. Success answers a new token for the device and binds it to
        this connection. Wrong passwords in a row slow down further attempts from the same address and for the
        same account.
        """
        try:
            login = await self._users.authenticate(
                params.username,
                params.password,
                params.deviceName,
                address=caller.peer.network,
                local=caller.peer.local,
            )
        except TooManyAttempts as refusal:
            raise errors.TooManyAttempts(refusal.retry_after) from refusal
        except Busy as refusal:
            raise errors.ServerBusy from refusal
        if login is None:
            return {"success": False}
        user, token = login
        await caller.bind(token.value)
        return {
            "success": True,
            "token": token.value,
            "username": user.username,
            "scopes": scope_list(user.scopes),
        }

    @method("RequestPushButtonAuth", access=Access.PUBLIC, during_setup=True)
    async def request_push_button_auth(
        self, caller: Caller, params: RequestPushButtonAuthParams
    ) -> RequestPushButtonAuthReturns:
        """Ask for a token by pressing the button on the device. PushButtonAuthFinished tells the outcome. A
        later request, from whomever, displaces an earlier one, which ends without success.
        """
        if not self._push_button.available:
            return {"success": False, "transactionId": -1}
        waiting = _WaitingCaller(caller, f"{self.name}.PushButtonAuthFinished")
        transaction_id = self._push_button.request(params.deviceName, waiting)

        def leave() -> None:
            waiting.leave()
            self._push_button.cancel(transaction_id)

        caller.on_close("push button", leave)
        return {"success": True, "transactionId": transaction_id}
