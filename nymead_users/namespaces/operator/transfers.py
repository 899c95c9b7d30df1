"""Import and export: what a connection has uploaded so far, and what is answered."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, NotRequired, cast

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from nymead_users.access.errors import Duplicate
from nymead_users.access.transfer.rows import Fault, Kind, Outcome, Report, Turns, Verdict, parts
from nymead_users.access.transfer.transfer import Transfer, Upload
from nymead_users.identity.errors import Busy, StoreError
from nymead_users.namespaces.answers import on_behalf, without_none, written
from nymead_users.namespaces.operator.rows import changed_fields, read, shown
from nymead_users.namespaces.values import word_of
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.errors import ServerBusy
from nymead_users.rpc.message import Encoded
from nymead_users.rpc.namespace import Omissible, Params, wire_type

log = logging.getLogger(__name__)

#: So many rows come in one call at the most.
MAX_ROWS = 1000


class TransferError(StrEnum):
    """The outcome of an import or export."""

    NO_ERROR = "TransferErrorNoError"
    BACKEND_ERROR = "TransferErrorBackendError"
    INVALID_ROWS = "TransferErrorInvalidRows"
    DUPLICATE = "TransferErrorDuplicate"


STORE_FAILED = {TransferError.BACKEND_ERROR: "The store could not be read or written; nothing was changed."}
BAD_ROWS = {TransferError.INVALID_ROWS: "Rows cannot be taken; the faults say why. Nothing was changed."}
CLASH = {TransferError.DUPLICATE: "The store refuses what no check has found. Nothing was changed."}

_List = Annotated[Kind, word_of(Kind)]


class BeginImportParams(Params):
    """Params of BeginImport."""

    dryRun: bool = Field(description="Whether nothing is to be stored.")


class ImportRowsParams(Params):
    """Params of ImportRows."""

    kind: _List = Field(description="Of which list the rows are.")
    rows: Annotated[list[Any], Field(max_length=MAX_ROWS)] = Field(description="Further rows of the list.")
    byPhone: Omissible[bool] = Field(None, description="Whether persons without id are found by their phone numbers.")


class ExportParams(Params):
    """Params of Export."""

    lists: Omissible[Annotated[list[_List], Field(max_length=len(Kind))]] = Field(
        None, description="Only these lists; left out: all."
    )


@wire_type
class TransferReturns(TypedDict):
    """The outcome alone."""

    error: Annotated[TransferError, Field(description="The outcome.")]
    errorMessage: NotRequired[Annotated[str, Field(description="What is wrong, for people.")]]


@wire_type
class ImportReturns(TransferReturns):
    """Returns of EndImport."""

    stored: NotRequired[Annotated[bool, Field(description="Whether it is stored.")]]
    counts: NotRequired[Annotated[dict[str, Any], Field(description="By list and outcome, how many rows.")]]
    rows: NotRequired[
        Annotated[
            list[dict[str, Any]],
            Field(description="What becomes of each row that is added, changed, or has something to be known about."),
        ]
    ]
    faults: NotRequired[Annotated[list[dict[str, Any]], Field(description="Why rows cannot be taken.")]]


@wire_type
class ExportReturns(TransferReturns):
    """Returns of Export."""

    lists: NotRequired[Annotated[dict[str, Any], Field(description="Rows by list.")]]


class Transfers:
    """The uploads of connections, and how the domain's answers are written."""

    def __init__(self, transfer: Transfer) -> None:
        self._transfer = transfer
        self._uploads: dict[Caller, Upload] = {}

    def begin(self, caller: Caller, *, dry_run: bool) -> Any:
        """Begin an import, in place of one that the connection has not ended."""
        self._uploads[caller] = self._transfer.upload(dry_run=dry_run)
        caller.on_close("import", partial(self._forget, caller))
        return {"error": TransferError.NO_ERROR}

    async def add(self, caller: Caller, params: ImportRowsParams) -> Any:
        """Take further rows. Raises ServerBusy."""
        upload = self._upload(caller)
        first = upload.number(params.kind, len(params.rows))
        turn = Turns()
        rows = []
        for number, value in enumerate(params.rows, first):
            row = read(params.kind, number, value, upload, by_phone=params.byPhone is True)
            if row is not None:
                rows.append(row)
            await turn()
        try:
            await upload.add(params.kind, rows)
        except Busy as refusal:
            raise ServerBusy from refusal
        except StoreError as refusal:
            return _failed(refusal)
        return {"error": TransferError.NO_ERROR}

    async def end(self, caller: Caller) -> Any:
        """Store what was uploaded, or say why not."""
        upload = self._upload(caller)
        del self._uploads[caller]
        by, confirm = on_behalf(caller)
        try:
            report = await self._transfer.take(upload, by=by, confirm=confirm)
        except Duplicate as refusal:
            return {"error": TransferError.DUPLICATE, "errorMessage": str(refusal)}
        except StoreError as refusal:
            return _failed(refusal)
        return {
            "error": TransferError.INVALID_ROWS if report.faults else TransferError.NO_ERROR,
            "stored": report.stored,
            "counts": _counts(report),
            "rows": await _listed(filter(_worth_telling, report.verdicts), _row_info),
            "faults": await _listed(report.faults, _fault_info),
        }

    async def export(self, lists: list[Kind] | None) -> Any:
        """Write lists, as they are at one moment."""
        texts: dict[Kind, list[bytes]] = {kind: [] for kind in lists or Kind}
        turn = Turns()
        try:
            async with aclosing(self._transfer.pages(texts)) as pages:
                async for kind, things in pages:
                    for part in parts(things):
                        texts[kind].append(orjson.dumps([shown(kind, thing) for thing in part])[1:-1])
                        await turn()
        except StoreError as refusal:
            return _failed(refusal)
        written_lists = [orjson.dumps(kind) + b":[" + b",".join(found) + b"]" for kind, found in texts.items()]
        return {"error": TransferError.NO_ERROR, "lists": Encoded(b"{" + b",".join(written_lists) + b"}")}

    def _upload(self, caller: Caller) -> Upload:
        if caller not in self._uploads:
            self.begin(caller, dry_run=False)
        return self._uploads[caller]

    def _forget(self, caller: Caller) -> None:
        self._uploads.pop(caller, None)


async def _listed(items: Iterable[Any], show: Any) -> list[dict[str, Any]]:
    """A list of any length as a value of a result."""

    async def pages() -> AsyncGenerator[list[Any]]:
        turn = Turns()
        for part in parts(list(items)):
            yield list(part)
            await turn()

    return cast("list[dict[str, Any]]", Encoded(await written(pages(), show)))


def _counts(report: Report) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for verdict in report.verdicts:
        of_list = counts.setdefault(verdict.kind, dict.fromkeys((*Outcome, "faulty"), 0))
        of_list[verdict.outcome] += 1
    for kind, _ in {(fault.kind, fault.number) for fault in report.faults}:
        counts.setdefault(kind, dict.fromkeys((*Outcome, "faulty"), 0))["faulty"] += 1
    return {kind: counts[kind] for kind in Kind if kind in counts}


def _worth_telling(verdict: Verdict) -> bool:
    return verdict.outcome is not Outcome.UNCHANGED or bool(verdict.notes)


def _row_info(verdict: Verdict) -> dict[str, Any]:
    return without_none(
        {
            "kind": verdict.kind,
            "number": verdict.number,
            "id": verdict.id,
            "label": verdict.label,
            "outcome": verdict.outcome,
            "fields": changed_fields(verdict.kind, verdict.fields) or None,
            "notes": verdict.notes or None,
        }
    )


def _fault_info(fault: Fault) -> dict[str, Any]:
    return {"kind": fault.kind, "number": fault.number, "field": fault.field, "reason": fault.reason}


def _failed(refusal: StoreError) -> dict[str, Any]:
    log.error("the database failed", extra={"reason": str(refusal)})
    return {"error": TransferError.BACKEND_ERROR}
