"""Generated files are what their generators make, and a stale one is noticed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Server
from pages import ROOT

SCHEMA = ROOT / "schema"


async def test_the_files_hold_what_a_running_server_answers(home: Server) -> None:
    """schema/ is what JSONRPC.Introspect and rpc.discover answer."""
    admin = await home.login(dialect="jsonrpc2")
    for method, file in (("JSONRPC.Introspect", "introspection.json"), ("rpc.discover", "openrpc.json")):
        answer = await admin.call(method)
        # As text, since the order of the keys is that of positional params.
        assert json.dumps(answer, indent=2, ensure_ascii=False) + "\n" == (SCHEMA / file).read_text()


def test_every_example_fits_the_contract() -> None:
    """The examples have the members that the contract declares, in both dialects, and no others."""
    contract = json.loads((SCHEMA / "introspection.json").read_text())
    examples = json.loads((SCHEMA / "examples.json").read_text())
    assert list(examples["methods"]) == list(contract["methods"])
    assert list(examples["notifications"]) == list(contract["notifications"])
    for name, dialects in examples["methods"].items():
        declared = contract["methods"][name]
        for dialect, exchange in dialects.items():
            result = exchange["reply"]["params" if dialect == "nymea" else "result"]
            for members, given in ((declared["params"], exchange["request"].get("params", {})), ("returns", result)):
                keys = declared["returns"] if members == "returns" else members
                known = {re.sub("^([ord]:)+", "", key): ":" in key and "o:" in key for key in keys}
                assert set(given) <= set(known), (name, dialect)
                assert {key for key, optional in known.items() if not optional} <= set(given), (name, dialect)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the project, to make stale."""
    for folder in ("nymead_users", "scripts", "schema", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    return tmp_path


def run(tree: Path, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run one of the tree's generators."""
    return subprocess.run(
        [sys.executable, tree / "scripts" / script, *options], capture_output=True, text=True, timeout=60, check=False
    )


def contents(tree: Path) -> dict[str, str]:
    """All generated files of a tree."""
    found = [*(tree / "schema").iterdir(), *(tree / "docs").rglob("*.md"), *tree.rglob("discovery/examples.json")]
    return {str(path.relative_to(tree)): path.read_text() for path in found}


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_changed_contract_is_noticed(tree: Path) -> None:
    """A method's changed text makes the schema stale, by its keys, and wants an entry in the changelog."""
    replace(tree / "nymead_users/namespaces/users/namespace.py", '"""List all users."""', '"""List every user."""')
    before = contents(tree)
    checked = run(tree, "gen_schema.py", "--check")
    assert checked.returncode == 1
    assert "schema/introspection.json is stale: $.methods.Users.GetUsers.description is" in checked.stderr
    assert "schema/openrpc.json is stale: $.methods" in checked.stderr
    assert contents(tree) == before

    written = run(tree, "gen_schema.py")
    assert written.returncode == 0
    assert contents(tree) != before
    wanted = re.search(r"\(contract \w+\)", written.stderr)
    assert wanted is not None
    # The files are right now; without an entry the check still fails.
    checked = run(tree, "gen_schema.py", "--check")
    assert checked.returncode == 1
    assert "stale" not in checked.stderr
    assert wanted[0] in checked.stderr
    replace(tree / "CHANGELOG.md", "### Wire protocol\n\n", f"### Wire protocol\n\n- Another text {wanted[0]}\n")
    assert run(tree, "gen_schema.py", "--check").returncode == 0


ENGLISH: tuple[str, ...] = ()
FRENCH = ("--lang", "fr", "--out", "docs/fr/api")


@pytest.mark.parametrize(("folder", "options"), [("docs/api", ENGLISH), ("docs/fr/api", FRENCH)])
def test_a_stale_reference_is_noticed_and_mended(tree: Path, folder: str, options: tuple[str, ...]) -> None:
    """A changed page, a lost one and one left over fail the check; making the reference anew mends them all."""
    options = tuple(str(tree / option) if option.startswith("docs") else option for option in options)
    fresh = contents(tree)
    assert run(tree, "gen_api_reference.py", *options, "--check").returncode == 0
    replace(tree / folder / "users.md", "List all users.", "List nobody.")
    (tree / folder / "types.md").unlink()
    (tree / folder / "weather.md").write_text("# Weather\n")
    checked = run(tree, "gen_api_reference.py", *options, "--check")
    assert checked.returncode == 1
    for said in ("users.md is stale: line", "types.md is stale: it is missing", "weather.md is left over"):
        assert f"{folder}/{said}" in checked.stderr
    assert run(tree, "gen_api_reference.py", *options).returncode == 0
    assert contents(tree) == fresh
    assert run(tree, "gen_api_reference.py", *options).stdout == ""


def test_the_reference_reads_nothing_but_the_schema(tree: Path) -> None:
    """Without the code the reference is the same, and a method that is gone from the schema is gone from it."""
    shutil.rmtree(tree / "nymead_users")
    assert run(tree, "gen_api_reference.py", "--check").returncode == 0
    for name in ("introspection.json", "openrpc.json", "examples.json"):
        contract = json.loads((tree / "schema" / name).read_text())
        if isinstance(contract["methods"], dict):
            contract["methods"] = {key: value for key, value in contract["methods"].items() if key[:5] != "Users"}
        (tree / "schema" / name).write_text(json.dumps(contract))
    assert run(tree, "gen_api_reference.py").returncode == 0
    assert "#Users.GetUsers" not in "".join(path.read_text() for path in (tree / "docs" / "api").iterdir())


def test_stale_settings_are_noticed(tree: Path) -> None:
    """A setting's changed default makes the page of settings stale."""
    fresh = contents(tree)
    assert run(tree, "gen_settings.py", "--check").returncode == 0
    replace(tree / "nymead_users/config.py", "default=10_000", "default=20_000")
    checked = run(tree, "gen_settings.py", "--check")
    assert checked.returncode == 1
    assert "docs/operate/settings.md is stale: line" in checked.stderr
    assert contents(tree) == fresh
