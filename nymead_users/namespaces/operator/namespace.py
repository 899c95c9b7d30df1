"""The methods of the Operator namespace."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from nymead_users.identity.pushbutton import PushButton
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.namespace import Namespace, NoParams, method, wire_type


@wire_type
class PressButtonReturns(TypedDict):
    """Returns of PressButton."""

    success: Annotated[bool, Field(description="Whether somebody waited and got a token.")]


class OperatorNamespace(Namespace):
    """What only the machine's operator may do."""

    name = "Operator"
    hidden = True

    def __init__(self, push_button: PushButton) -> None:
        self._push_button = push_button

    @method("PressButton")
    async def press_button(self, caller: Caller, params: NoParams) -> PressButtonReturns:  # noqa: ARG002
        """Press the button: whoever asked last gets an administrator's token."""
        return {"success": await self._push_button.press()}
