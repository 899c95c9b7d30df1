"""The methods of the Operator namespace."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from nymead_users.identity.errors import StoreError
from nymead_users.identity.pushbutton import PushButton
from nymead_users.identity.users import Users
from nymead_users.namespaces.operator import takeover
from nymead_users.namespaces.outcomes import STORE_FAILED, outcome_of
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

    def __init__(self, push_button: PushButton, users: Users) -> None:
        self._push_button = push_button
        self._users = users

    @method("PressButton")
    async def press_button(self, caller: Caller, params: NoParams) -> PressButtonReturns:  # noqa: ARG002
        """Press the button: whoever asked last gets an administrator's token."""
        return {"success": await self._push_button.press()}

    @method("ImportUsers", outcomes=STORE_FAILED)
    async def import_users(
        self,
        caller: Caller,  # noqa: ARG002
        params: takeover.ImportUsersParams,
    ) -> takeover.ImportUsersReturns:
        """Add users of another server with the tokens that their devices have, all of them or none."""
        try:
            report = await self._users.take_over(
                map(takeover.account, params.users),
                map(takeover.issued_token, params.tokens),
                dry_run=params.dryRun,
            )
        except StoreError as failure:
            return {"error": outcome_of(failure)["error"]}
        return takeover.returns(report)
