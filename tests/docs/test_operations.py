"""The table of other systems' operations names what there is: each method, and a test that does it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import orjson
import pytest
from pages import DOCS

ROOT = DOCS.parent
ROW = re.compile(r"\| `([^`]+)` \| `(\w+\.\w+)` \| `(test_\w+)` \|")
ROWS = [match.groups() for match in ROW.finditer((DOCS / "guides" / "other-systems.md").read_text())]
TESTS = ROOT / "tests" / "e2e" / "test_seed_operations.py"

#: How many operations each seed document has, by their namespace; of users with the notifications.
SEEDS = {"SmartlockAuths": 11, "LockRoles": 3, "Users": 15, "LockGroups": 9, "AccessKeys": 1}


def _tests(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.AsyncFunctionDef)}


def test_the_table_has_all_operations_once() -> None:
    """Each operation of a seed document has one row, with a method and a test of its own."""
    assert {namespace: sum(method.startswith(f"{namespace}.") for _, method, _ in ROWS) for namespace in SEEDS} == SEEDS
    assert len(ROWS) == sum(SEEDS.values())
    for column in zip(*ROWS, strict=True):
        assert len(set(column)) == len(column)


@pytest.mark.parametrize(("operation", "method", "test"), ROWS, ids=[test for _, _, test in ROWS])
def test_an_operation_has_a_method_and_a_test(operation: str, method: str, test: str) -> None:
    """A row's method is in the contract, and its test is in the file that the page names."""
    contract = orjson.loads((ROOT / "schema" / "introspection.json").read_bytes())
    assert method in contract["methods"] or method in contract["notifications"]
    assert test in _tests(TESTS), operation
