"""Generated files: written, or held against what should be in them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# The scripts are about the tree that they stand in, whatever else is installed.
sys.path.insert(0, str(ROOT))


def as_json(value: Any) -> str:
    """A value as a generated JSON file has it: the order of its keys is kept."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def settle(files: Mapping[Path, str], *, check: bool, command: str, obsolete: Iterable[Path] = ()) -> int:
    """Write the files and remove the obsolete ones, or with ``check`` only say what differs.

    Returns the exit code: 1 where ``check`` found a difference. ``command`` is what makes the files.
    """
    stale = [(path, difference(path, text)) for path, text in files.items()]
    stale = [(path, where) for path, where in stale if where]
    gone = sorted(path for path in obsolete if path not in files)
    if check:
        for path, where in stale:
            print(f"{shown(path)} is stale: {where}", file=sys.stderr)
        for path in gone:
            print(f"{shown(path)} is left over: nothing generates it any more", file=sys.stderr)
        if stale or gone:
            print(f"Run: {command}", file=sys.stderr)
        return 1 if stale or gone else 0
    for path, _ in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")
        print(f"wrote {shown(path)}")
    for path in gone:
        path.unlink()
        print(f"removed {shown(path)}")
    return 0


def shown(path: Path) -> str:
    """A path as people know it: from the project's root, where it is inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def difference(path: Path, text: str) -> str | None:
    """Where a file differs from what should be in it, by key or by line; None where it does not."""
    try:
        found = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "it is missing"
    if found == text:
        return None
    if path.suffix == ".json":
        try:
            return _first(json.loads(found), json.loads(text), "$") or "its form"
        except ValueError:
            return "it is not JSON"
    old, new = found.splitlines(), text.splitlines()
    for number, (was, should) in enumerate(zip(old, new, strict=False), 1):
        if was != should:
            return f"line {number} is {was!r}, should be {should!r}"
    return f"it has {len(old)} lines, should have {len(new)}"


def _first(found: Any, wanted: Any, where: str) -> str | None:
    """The path of the first keys that differ between two JSON values."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in wanted:
            if key not in found:
                return f"{where}.{key} is missing"
            if inner := _first(found[key], wanted[key], f"{where}.{key}"):
                return inner
        for key in found:
            if key not in wanted:
                return f"{where}.{key} is too much"
        return None if list(found) == list(wanted) else f"the order of the keys in {where}"
    if isinstance(found, list) and isinstance(wanted, list):
        for index, (left, right) in enumerate(zip(found, wanted, strict=False)):
            if inner := _first(left, right, f"{where}[{index}]"):
                return inner
        return None if len(found) == len(wanted) else f"{where} has {len(found)} items, should have {len(wanted)}"
    return None if found == wanted else f"{where} is {found!r}, should be {wanted!r}"
