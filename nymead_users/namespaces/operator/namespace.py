"""The methods of the Operator namespace."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import Field
from typing_extensions import TypedDict

from nymead_users.access.transfer.transfer import Transfer
from nymead_users.identity.errors import StoreError
from nymead_users.identity.pushbutton import PushButton
from nymead_users.identity.users import Users
from nymead_users.namespaces.operator import takeover, transfers
from nymead_users.namespaces.outcomes import STORE_FAILED, outcome_of
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.errors import ServerBusy
from nymead_users.rpc.namespace import Namespace, NoParams, method, wire_type


@wire_type
class PressButtonReturns(TypedDict):
    """Returns of PressButton."""

    success: Annotated[bool, Field(description="Whether somebody waited and got a token.")]


class OperatorNamespace(Namespace):
    """What only the machine's operator may do."""

    name = "Operator"
    hidden = True

    def __init__(self, push_button: PushButton, users: Users, transfer: Transfer) -> None:
        self._push_button = push_button
        self._users = users
        self._transfers = transfers.Transfers(transfer)

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

    # Import and export

    @method("BeginImport")
    async def begin_import(self, caller: Caller, params: transfers.BeginImportParams) -> transfers.TransferReturns:
        """Begin to import. One import at a time is under way on a connection, and ends with it."""
        return cast("transfers.TransferReturns", self._transfers.begin(caller, dry_run=params.dryRun))

    @method("ImportRows", errors=(ServerBusy,), outcomes=transfers.STORE_FAILED)
    async def import_rows(self, caller: Caller, params: transfers.ImportRowsParams) -> transfers.TransferReturns:
        """Take further rows of a list. What is wrong with them is told at the end."""
        return cast("transfers.TransferReturns", await self._transfers.add(caller, params))

    @method("EndImport", outcomes={**transfers.BAD_ROWS, **transfers.CLASH, **transfers.STORE_FAILED})
    async def end_import(self, caller: Caller, params: NoParams) -> transfers.ImportReturns:  # noqa: ARG002
        """Store all rows, or nothing: where one of them cannot be taken, and where it is a dry run."""
        return cast("transfers.ImportReturns", await self._transfers.end(caller))

    @method("Export", outcomes=transfers.STORE_FAILED)
    async def export(self, caller: Caller, params: transfers.ExportParams) -> transfers.ExportReturns:  # noqa: ARG002
        """Tell all that people have set, but secrets, as it is at one moment."""
        return cast("transfers.ExportReturns", await self._transfers.export(params.lists))
