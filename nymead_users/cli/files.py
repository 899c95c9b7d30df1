"""The commands ``import`` and ``export``: files of rows, and what becomes of them."""

from __future__ import annotations

import csv
import io
import json as stdlib_json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from nymead_users.cli.common import (
    ConfigFile,
    DataDir,
    Json,
    configuration,
    fail,
    operate,
    print_json,
    print_table,
    shown,
    trying,
)
from nymead_users.client import Client
from nymead_users.storage.copies import give_name

files_app = typer.Typer()

FORMAT, VERSION = "nymead-users", 1

#: The lists of a document, in the order in which they are written.
LISTS = ("owners", "users", "persons", "locks", "lockGroups", "keys", "roles", "grants")

#: So many rows, or bytes of them, go in one call: a part that any server takes (limits.message_size), but for one row
#: that is longer by itself.
ROWS, BYTES = 250, 256 * 1024

#: Bytes of a call beside its rows, with room to spare.
ENVELOPE = 256

#: Seconds for a reply: on a small machine a part with many PINs takes a minute to hash, and storing it all longer.
LONG = 3600.0

#: Rows from which on progress is told.
MANY = 2000

#: Columns of CSV files by list, in the order in which they are written, with what an empty cell stands for.
COLUMNS: dict[str, dict[str, Any]] = {
    "persons": {
        "id": ...,
        "ownerId": ...,
        "firstName": "",
        "lastName": "",
        "email": "",
        "phone": "",
        "username": None,
        "enabled": ...,
    },
    "keys": {
        "id": ...,
        "ownerId": ...,
        "personId": None,
        "lockId": None,
        "type": ...,
        "value": "",
        "pin": ...,
        "hasPin": ...,
        "enabled": ...,
        "validFrom": None,
        "validBefore": None,
    },
}
_FLAGS = {"true": True, "false": False}
_WRITTEN_FLAGS = {True: "true", False: "false", None: ""}

#: What a row's notes mean.
NOTES = {
    "noPassword": "has no password and cannot log in before: nymead-users user passwd {label}",
    "passwordKept": "is there already, so the password in the file was not taken",
    "pinUnknown": "had a PIN, which no file has: it opens nothing before it gets one",
}

DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would change, and change nothing.")]


class ListName(StrEnum):
    """The lists of a document."""

    owners = "owners"
    users = "users"
    persons = "persons"
    locks = "locks"
    lock_groups = "lockGroups"
    keys = "keys"
    roles = "roles"
    grants = "grants"


class FileError(Exception):
    """A file cannot be read, written or understood."""


@dataclass
class Content:
    """The rows of a file by list, and what is wrong in it; ``lines``: of CSV, the line where each row begins."""

    lists: dict[str, list[Any]]
    lines: list[int] | None = None
    faults: list[dict[str, str]] = field(default_factory=list)

    def place(self, kind: str, number: int, name: str) -> dict[str, str]:
        """Where in the file a field of a row is."""
        row = f"{kind}[{number}]" if self.lines is None else f"line {self.lines[number]}"
        return {"row": row, "field": name}


# Import


@files_app.command(name="import")
def import_file(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file, or - for stdin.", show_default=False)],
    config: ConfigFile = None,
    data_dir: DataDir = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Add and change users, persons, locks, groups, keys, roles and grants.

    The file is JSON as export writes it, or CSV with persons or with keys. What is there already, by its
    id, is changed in what the file says of it. Nothing is removed. If anything in the file is wrong, nothing
    is changed, and all that is wrong is told, row by row.

    \b
    Examples:
      nymead-users import home.json --dry-run
      nymead-users import home.json
      nymead-users import persons.csv
    """
    settings = configuration(config, data_dir=data_dir).settings
    try:
        content = _read(file)
        _check_sizes(content, settings.limits.message_size)
    except FileError as error:
        fail(str(error))

    async def work(client: Client) -> dict[str, Any]:
        await _call(client, "Operator.BeginImport", {"dryRun": dry_run or bool(content.faults)})
        total = sum(map(len, content.lists.values()))
        sent = 0
        for kind, rows in content.lists.items():
            for part in _parts(rows):
                params: dict[str, Any] = {"kind": kind, "rows": part}
                if content.lines is not None:
                    params["byPhone"] = True
                await _call(client, "Operator.ImportRows", params)
                sent += len(part)
                _progress(sent, total)
        return await _call(client, "Operator.EndImport")

    with trying(settings, dry_run=dry_run) as used:
        answer = operate(used, work, create=True, timeout=LONG)
    report = _report(content, answer, dry_run=dry_run)
    if json:
        print_json(report)
    else:
        _print(report)
    if report["errors"]:
        raise typer.Exit(1)


async def _call(client: Client, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = await client.call(method, params)
    if answer["error"] == "TransferErrorBackendError":
        fail("the store could not be read or written; nothing was changed. The server's log says why.")
    if answer["error"] == "TransferErrorDuplicate":
        fail(f"the store refuses it; nothing was changed: {answer.get('errorMessage', '')}")
    return answer


def _check_sizes(content: Content, most: int) -> None:
    """Raise FileError for a row that no message of so many bytes can hold."""
    for kind, rows in content.lists.items():
        for number, row in enumerate(rows):
            size = len(orjson.dumps(row)) + ENVELOPE
            if size > most:
                place = content.place(kind, number, "")["row"]
                raise FileError(f"{place} takes {size:,} bytes, more than limits.message_size lets through.")


def _parts(rows: list[Any]) -> Iterator[list[Any]]:
    part: list[Any] = []
    size = 0
    for row in rows:
        length = len(orjson.dumps(row))
        if part and (len(part) >= ROWS or size + length > BYTES):
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part


def _progress(sent: int, total: int) -> None:
    """Tell on a terminal how far it is, every tenth."""
    if total >= MANY and sys.stderr.isatty() and (sent == total or 10 * sent // total > 10 * (sent - ROWS) // total):
        then = "; storing them" if sent == total else ""
        typer.echo(f"Read {sent:,} of {total:,} rows{then}", err=True)


def _report(content: Content, answer: Mapping[str, Any], *, dry_run: bool) -> dict[str, Any]:
    """What is told of an import, by places in the file."""
    rows = [
        {
            "row": content.place(row["kind"], row["number"], "")["row"],
            **{key: row[key] for key in ("kind", "id", "label", "outcome", "fields", "notes") if key in row},
        }
        for row in answer["rows"]
    ]
    faults = [
        {**content.place(fault["kind"], fault["number"], fault["field"]), "reason": fault["reason"]}
        for fault in answer["faults"]
    ]
    return {
        "dryRun": dry_run,
        "stored": answer["stored"],
        "counts": answer["counts"],
        "rows": rows,
        "errors": [*content.faults, *faults],
    }


def _print(report: Mapping[str, Any]) -> None:
    will = not report["stored"]
    words = {
        "added": "would add" if will else "added",
        "changed": "would change" if will else "changed",
        "unchanged": "unchanged",
    }
    if not report["errors"]:
        for row in report["rows"]:
            fields = f": {', '.join(row['fields'])}" if "fields" in row else ""
            named = " ".join(
                shown(row[key]) for key in ("id", "label") if row[key] and (key, row["kind"]) != ("id", "users")
            )
            typer.echo(f"{words[row['outcome']]} {row['row']} {named or chr(34) * 2}{fields}")
            for note in row.get("notes", ()):
                typer.echo(f"  it {NOTES[note].format(label=row['label'])}")
    if report["counts"]:
        head = ("LIST", words["added"].upper(), words["changed"].upper(), "UNCHANGED", "WRONG")
        keys = ("added", "changed", "unchanged", "faulty")
        table = [(name, *(f"{counts[key]:,}" for key in keys)) for name, counts in report["counts"].items()]
        print_table(head, table)
    for error in report["errors"]:
        where = (
            f"{error['row']}{'.' if '[' in error['row'] else ', '}{error['field']}" if error["field"] else error["row"]
        )
        typer.echo(f"{shown(where)}: {error['reason']}", err=True)
    if report["errors"]:
        count = len(report["errors"])
        typer.echo(
            f"Error: {count:,} {'thing is' if count == 1 else 'things are'} wrong; nothing was changed.", err=True
        )
    elif report["dryRun"]:
        typer.echo("Nothing was changed: this was a dry run.")


# Files read


def _read(file: str) -> Content:
    """What is in a file of either kind. Raises FileError."""
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise FileError(f"{shown(file)} cannot be read: {error.strerror}.") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{shown(file)} is not UTF-8 text: byte {error.start} cannot be.") from error
    try:
        return _read_json(text) if text.lstrip().startswith(("{", "[")) else _read_csv(text)
    except FileError as error:
        raise FileError(f"{shown(file)}: {error}") from error


def _read_json(text: str) -> Content:
    try:
        document = orjson.loads(text)
        stdlib_json.loads(text, object_pairs_hook=_once)  # of two members of one name the last would win unseen
        orjson.dumps([[document]])  # less deep than it is read, it is written in a call
    except (RecursionError, orjson.JSONEncodeError):
        raise FileError("it is nested too deep.") from None
    except ValueError as error:
        raise FileError(f"it is not JSON: {error}.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise FileError(f'it is no document of this program: its "format" should be "{FORMAT}".')
    if document.get("version") != VERSION or isinstance(document["version"], bool):
        raise FileError(f'its "version" is not {VERSION}, the only one that this program knows.')
    unknown = [key for key in document if key not in ("format", "version", *LISTS)]
    if unknown:
        raise FileError(f"there is no list {shown(unknown[0])}; there are {', '.join(LISTS)}.")
    lists = {name: document[name] for name in LISTS if name in document}
    for name, rows in lists.items():
        if not isinstance(rows, list):
            raise FileError(f"{name} should be a list.")
    return Content(lists)


def _once(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FileError(f"an object has {shown(twice)} twice.")


def _read_csv(text: str) -> Content:
    head = text.partition("\n")[0]
    delimiter = ";" if ";" in head and "," not in head else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[int] = []
    content = Content({}, lines)
    begin = 1
    try:
        names = [name.strip() for name in next(reader, [])]
        kind, columns = _columns(names)
        rows = content.lists[kind] = []
        begin = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(names):
                if any(cell.strip() for cell in cells):
                    lines.append(begin)
                    rows.append(_row(columns, zip(names, cells, strict=True)))
            elif cells:
                reason = f"it has {len(cells)} cells, not {len(names)}"
                content.faults.append({"row": f"line {begin}", "field": "", "reason": reason})
            begin = reader.line_num + 1
    except csv.Error as error:
        raise FileError(f"line {begin}: it is not CSV: {error}.") from error
    return content


def _columns(names: list[str]) -> tuple[str, dict[str, Any]]:
    """What a file is about, by its first line, and what its columns hold."""
    kind = "keys" if "value" in names else "persons"
    columns = COLUMNS[kind]
    if not any(name in columns for name in names):
        raise FileError("line 1: it names no columns of persons or keys, and is no JSON either.")
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise FileError(f"line 1: {kind} have no column {shown(unknown[0])}; there are {', '.join(columns)}.")
    twice = [name for name in columns if names.count(name) > 1]
    if twice:
        raise FileError(f"line 1: the column {twice[0]} is there twice.")
    return kind, columns


def _row(columns: Mapping[str, Any], cells: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A row as JSON has it, of cells by the names of their columns."""
    row: dict[str, Any] = {}
    for name, cell in cells:
        value: Any = cell
        if not cell:
            if columns[name] is ...:
                continue
            value = columns[name]
        elif name in ("enabled", "hasPin"):
            value = _FLAGS.get(cell.strip().lower(), cell)
        row[name] = value
    return row


# Export


@files_app.command(name="export")
def export_file(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The file to write, or - for stdout.", show_default=False)
    ],
    config: ConfigFile = None,
    data_dir: DataDir = None,
    only: Annotated[
        list[ListName] | None,
        typer.Option("--only", metavar="LIST", help="Only this list. May be given several times.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write users, persons, locks, groups, keys, roles and grants to a file.

    It is JSON, or CSV where the file's name ends in .csv, with one list: persons or keys. Passwords, PINs
    and tokens are not in it; codes are, so it is private to you (mode 0600).

    \b
    Lists: owners, users, persons, locks, lockGroups, keys, roles, grants.

    \b
    Examples:
      nymead-users export home.json
      nymead-users export persons.csv --only persons
      nymead-users export - --only grants
    """
    names = [name for name in LISTS if not only or name in only]
    as_csv = file.lower().endswith(".csv")
    if as_csv and (len(names) != 1 or names[0] not in COLUMNS):
        fail("a CSV file holds one list: --only persons or --only keys.")
    target = Path(file).absolute()
    if file != "-" and os.path.lexists(target) and not force:
        fail(f"{shown(file)} is there already. Name another file, or use --force to overwrite it.")

    async def work(client: Client) -> dict[str, Any]:
        return await _call(client, "Operator.Export", {"lists": names})

    lists = operate(configuration(config, data_dir=data_dir).settings, work, timeout=LONG)["lists"]
    text = _as_csv(names[0], lists[names[0]]) if as_csv else _as_json({name: lists[name] for name in names})
    if file == "-":
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
        return
    try:
        _write(target, text, overwrite=force)
    except FileExistsError:
        fail(f"{shown(file)} is there already. Name another file, or use --force to overwrite it.")
    except OSError as error:
        fail(f"{shown(file)} cannot be written: {error.strerror}.")
    counts = ", ".join(f"{name}: {len(lists[name]):,}" for name in names)
    typer.echo(f"Exported to {shown(file)}: {counts}.")


def _as_json(lists: Mapping[str, list[Any]]) -> bytes:
    """A document with a row on each line, so that two of them can be compared line by line."""
    members = [f'  "format": "{FORMAT}"'.encode(), f'  "version": {VERSION}'.encode()]
    for name, rows in lists.items():
        lines = b",\n".join(b"    " + orjson.dumps(row) for row in rows)
        members.append(f'  "{name}": '.encode() + (b"[\n" + lines + b"\n  ]" if rows else b"[]"))
    return b"{\n" + b",\n".join(members) + b"\n}\n"


def _as_csv(kind: str, rows: list[dict[str, Any]]) -> bytes:
    # A column of PINs would stay empty: they are never told.
    names = [name for name in COLUMNS[kind] if name != "pin"]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(names)
    for row in rows:
        writer.writerow([value if isinstance(value := row[name], str) else _WRITTEN_FLAGS[value] for name in names])
    return out.getvalue().encode()


def _write(target: Path, text: bytes, *, overwrite: bool) -> None:
    """Write a file of mode 0600 in one step: there is all of it, or what was there before. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        give_name(partial, target, overwrite=overwrite)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
