"""Write the API's contract to schema/: what a running server answers, and recorded examples.

    introspection.json  JSONRPC.Introspect: nymea's notation (o: optional, r: read-only, d: deprecated, $ref:)
    openrpc.json        rpc.discover: an OpenRPC document with an example of each method
    examples.json       the same examples as they went over the wire, in both dialects, and refusals

A change of the contract needs an entry under "Wire protocol" in CHANGELOG.md: the newest entry there ends
with the contract's digest.

    python scripts/gen_schema.py           write the files
    python scripts/gen_schema.py --check   write nothing; exit with 1 and say what differs
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import logging
import re
import sys
from pathlib import Path

from generated import ROOT, as_json, settle, shown
from recording import pairings, record

from nymead_users.rpc.openrpc import with_examples

SCHEMA = ROOT / "schema"
#: The examples that the server itself shows in rpc.discover.
EXAMPLES = ROOT / "nymead_users" / "namespaces" / "discovery" / "examples.json"
CHANGELOG = ROOT / "CHANGELOG.md"
COMMAND = "python scripts/gen_schema.py"


def main() -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 and say what differs")
    check: bool = parser.parse_args().check
    files = contract()
    failed = settle(files, check=check, command=COMMAND)
    digest = digest_of(files)
    newest = newest_wire_protocol_entry(CHANGELOG.read_text(encoding="utf-8"))
    if not newest.endswith(f"(contract {digest})"):
        print(
            f'The contract has changed: {shown(CHANGELOG)} needs an entry at the top of its first "Wire protocol"'
            f" section that says what changed and ends with (contract {digest})",
            file=sys.stderr,
        )
        failed = failed or int(check)
    return failed


def contract() -> dict[Path, str]:
    """The files and what should be in them."""
    logging.disable()  # the recorded servers' own lines
    recorded = record()
    examples = pairings(recorded.examples)
    return {
        SCHEMA / "introspection.json": as_json(recorded.introspection),
        SCHEMA / "openrpc.json": as_json(with_examples(recorded.openrpc, examples)),
        SCHEMA / "examples.json": as_json(dataclasses.asdict(recorded.examples)),
        EXAMPLES: as_json(examples),
    }


def digest_of(files: dict[Path, str]) -> str:
    """A short digest of the contract, as the changelog states it."""
    texts = (files[SCHEMA / name] for name in ("introspection.json", "openrpc.json"))
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:12]


def newest_wire_protocol_entry(changelog: str) -> str:
    """The first entry of the first "Wire protocol" section, on one line; empty where there is none."""
    section = changelog.partition("\n### Wire protocol\n")[2]
    entry = re.match(r"\s*- (.*?)(?=\n- |\n#|\n\n|\Z)", section, re.DOTALL)
    return " ".join(entry[1].split()) if entry else ""


if __name__ == "__main__":
    sys.exit(main())
