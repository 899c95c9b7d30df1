"""What stands on the site's pages is so."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pages import DOCS, PAGES, ROOT, Block, blocks, name

from nymead_users.config import load
from nymead_users.permissions import SCOPE_NAMES, Scope

CONTRACT = json.loads((ROOT / "schema" / "introspection.json").read_text())

#: What is on the API but not in the public contract, for its reasons.
UNLISTED = {"rpc.discover", "Operator.PressButton"}


def every(language: str) -> list[pytest.param]:  # type: ignore[valid-type]
    """All blocks of a language, with their page for a name."""
    return [
        pytest.param(block, id=f"{name(page)}-{number}")
        for page in PAGES
        for number, block in enumerate(blocks(page), 1)
        if block.language == language
    ]


def test_every_block_has_a_language_that_is_checked() -> None:
    """No code block of the site escapes these tests."""
    languages = {block.language for page in PAGES for block in blocks(page)}
    assert languages == {"console", "ini", "json", "python", "text", "toml"}
    text = [block.text for page in PAGES for block in blocks(page) if block.language == "text"]
    assert set(text) == {'{"id": 8, "method": }\n', '{"jsonrpc": "2.0", "method": }\n'}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_json_parses(page: Path) -> None:
    """JSON blocks are JSON: one value, or one on each line."""
    for block in blocks(page):
        if block.language == "json":
            try:
                json.loads(block.text)
            except ValueError:
                for line in block.lines:
                    json.loads(line)


@pytest.mark.parametrize("block", every("toml"))
def test_settings_are_accepted(block: Block, tmp_path: Path) -> None:
    """Settings that a page shows can be used."""
    file = tmp_path / "config.toml"
    file.write_text(block.text)
    shown = tomllib.loads(block.text)
    assert shown
    load(file, environ={})


@pytest.mark.parametrize("block", every("python"))
def test_python_compiles(block: Block) -> None:
    """Programs that a page shows are Python."""
    compile(block.text, block.title or "block", "exec")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_method_named_exists(page: Path) -> None:
    """A page names no method or notification that is not there, but where it shows what that is answered."""
    known = {*CONTRACT["methods"], *CONTRACT["notifications"], *UNLISTED, "JSONRPC.Introspect", "Users.Invite"}
    text = page.read_text()
    named = set(re.findall(r"\b(?:JSONRPC|Users|Operator|rpc)\.[A-Za-z]+", text)) - {"rpc.org"}
    assert named <= known
    if "Users.Invite" in named:
        assert "No such method" in text


def test_every_namespace_and_method_has_its_place() -> None:
    """The reference has every method, notification and type under its own anchor, in both languages."""
    for folder in (DOCS / "api", DOCS / "fr" / "api"):
        for kind in ("methods", "notifications"):
            for method in CONTRACT[kind]:
                page = (folder / f"{method.partition('.')[0].lower()}.md").read_text()
                assert f'\n## {method} {{ #{method} data-toc-label="{method.partition(".")[2]}" }}\n' in page
        types = (folder / "types.md").read_text()
        for kind in ("types", "enums", "flags"):
            for type_name in CONTRACT[kind]:
                assert f"\n### {type_name} {{ #{type_name} }}\n" in types


def test_params_stand_in_their_positional_order() -> None:
    """The reference lists params as positional ones are given."""
    page = (DOCS / "api" / "users.md").read_text().partition("## Users.CreateUser ")[2].partition("**Returns**")[0]
    names = re.findall(r"^\| `(\w+)`", page, re.MULTILINE)
    assert names == ["username", "password", "displayName", "email", "scopes", "allowedThingIds"]


def test_the_rules_for_scopes_are_the_servers() -> None:
    """The table of consistent sets says what the server does, row by row."""
    page = (DOCS / "guides" / "permissions.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (allowed|refused) \| (allowed|refused) \|$", page, re.MULTILINE)
    assert len({row[:2] for row in rows}) == 9
    for things, rules, without, with_access in rows:
        scopes = Scope.NONE
        for part in (things, rules):
            if part != "none":
                scopes |= SCOPE_NAMES[f"PermissionScope{part}"]
        assert scopes.consistent == (without == "allowed"), (things, rules)
        assert (scopes | Scope.ACCESS_ALL_THINGS).consistent == (with_access == "allowed"), (things, rules)
    bits = re.findall(r"^\| `(PermissionScope\w+)` \| 0x([0-9A-F]{4}) \|", page, re.MULTILINE)
    assert {scope: int(value, 16) for scope, value in bits} == {scope: int(bits) for scope, bits in SCOPE_NAMES.items()}


@pytest.mark.parametrize("drawing", sorted((DOCS / "assets").glob("*.svg")), ids=lambda path: path.name)
def test_drawings_are_svg_with_a_title(drawing: Path) -> None:
    """A drawing is well-formed, has a title for those who can't see it, and loads nothing."""
    root = ElementTree.fromstring(drawing.read_text())  # noqa: S314 - our own file
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert root.get("aria-labelledby") == title.get("id")
    assert re.findall(r"https?://[^\"]+", drawing.read_text()) == ["http://www.w3.org/2000/svg"]
