"""What stands on the site's pages is so."""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import PATIENCE, Server, StartServer
from pages import DOCS, PAGES, ROOT, Block, blocks, name
from typer.testing import CliRunner

from nymead_users.access.decision import AccessReason, Decision, Pin, event_code
from nymead_users.access.errors import AccessRefused, AlreadyMember, TooManyGroups
from nymead_users.access.transfer.rows import Kind
from nymead_users.cli.main import app
from nymead_users.config import load
from nymead_users.namespaces.lockgroups.namespace import OUTCOMES
from nymead_users.namespaces.lockroles.types import LockRoleError
from nymead_users.namespaces.operator.rows import FIELDS
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
    assert languages == {"console", "cron", "ini", "json", "python", "text", "toml", "yaml"}
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
    spaces = "JSONRPC|Users|Access|AccessKeys|LockGroups|LockRoles|SmartlockAuths|Operator|rpc"
    named = set(re.findall(rf"\b(?:{spaces})\.[A-Za-z]+", text)) - {"rpc.org"}
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


def test_the_steps_of_a_decision_are_the_servers() -> None:
    """The table of reasons has all of them in the order of the steps, with the code of each."""
    page = (DOCS / "guides" / "access.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| `(\w+)` \| (\d+) \|$", page, re.MULTILINE)
    told = {AccessReason(reason): int(code) for reason, code in rows}
    assert [*told, AccessReason.GRANTED] == list(AccessReason)
    for reason, code in told.items():
        refusal = Decision(False, reason, (), None, False, False)
        assert event_code(refusal, None, Pin.NOT_NEEDED) == code


async def test_the_fields_of_filters_are_the_servers(home: Server) -> None:
    """The page on lock groups names the fields that each list can be queried by, as its error does."""
    page = (DOCS / "guides" / "lock-groups.md").read_text()
    told = dict(re.findall(r"^\| `(Get\w+)` \| (`active`.*|`boundLockId`.*) \|$", page, re.MULTILINE))
    assert len(told) == 3
    admin = await home.login()
    owner = {"ownerAccountId": (await admin.call("Access.GetOwners"))["owners"][0]["id"]}
    group = (await admin.call("LockGroups.CreateLockGroup", {**owner, "title": "Office"}))["lockGroup"]["id"]
    ids = {"GetLockGroups": {}, "GetLockGroupGrants": {"id": group}, "GetMemberships": {"lockGroupId": group}}
    for method, fields in told.items():
        answer = await admin.call(f"LockGroups.{method}", {**owner, **ids[method], "filter": "weather eq 'fine'"})
        assert answer["errorMessage"].partition("fields are ")[2] == ", ".join(re.findall(r"`(\w+)`", fields))


def test_the_messages_of_lock_groups_are_the_servers() -> None:
    """The page on lock groups prints each outcome with the message that the domain has for it."""
    page = (DOCS / "guides" / "lock-groups.md").read_text()
    told = dict(re.findall(r"^\| `(LockGroupError\w+)` \| (.+) \|$", page, re.MULTILINE))
    texts = {outcome.value: refusal.text for refusal, outcome in OUTCOMES.items() if issubclass(refusal, AccessRefused)}
    texts[OUTCOMES[TooManyGroups].value] = str(TooManyGroups(7)).replace("7", "n")
    # Duplicate is another name for a membership that is there, and says so in the database's words.
    texts[OUTCOMES[AlreadyMember].value] = AlreadyMember.text
    assert told == {outcome: text for outcome, text in texts.items() if text}


async def test_the_document_of_an_import_is_as_printed(home: Server, tmp_path: Path) -> None:
    """The page on import and export lists the fields that rows have, and its document can be taken in."""
    page = DOCS / "operate" / "import-export.md"
    told = dict(re.findall(r"^\| `(\w+)` \| (`\w+`, .*) \|$", page.read_text(), re.MULTILINE))
    secret = {Kind.USERS: ["password"], Kind.KEYS: ["pin"]}
    assert {name: re.findall(r"`(\w+)`", fields) for name, fields in told.items()} == {
        kind: [*fields, *secret.get(kind, [])] for kind, fields in FIELDS.items()
    }
    (document,) = (block for block in blocks(page) if block.language == "json")
    file = tmp_path / "document.json"
    file.write_text(document.text)
    command = ["import", str(file), "--data-dir", str(home.data_dir)]
    done = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert done.exit_code == 0, done.output


def test_the_outcomes_of_sharing_are_the_servers() -> None:
    """The page on sharing explains every outcome but success and a failing store."""
    page = (DOCS / "guides" / "sharing.md").read_text().partition("## Outcomes ")[2]
    told = re.findall(r"`(LockRoleError\w+)`", page)
    assert sorted(told) == sorted(set(LockRoleError) - {LockRoleError.NO_ERROR, LockRoleError.BACKEND_ERROR})


@pytest.mark.parametrize("drawing", sorted((DOCS / "assets").glob("*.svg")), ids=lambda path: path.name)
def test_drawings_are_svg_with_a_title(drawing: Path) -> None:
    """A drawing is well-formed, has a title for those who can't see it, and loads nothing."""
    root = ElementTree.fromstring(drawing.read_text())  # noqa: S314 - our own file
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert root.get("aria-labelledby") == title.get("id")
    assert re.findall(r"https?://[^\"]+", drawing.read_text()) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("block", every("cron"))
def test_cron_lines_run_commands_that_exist(block: Block) -> None:
    """What is run every night is a command, with its options."""
    for line in block.lines:
        command, *rest = line.partition("nymead-users ")[2].split()
        helped = CliRunner().invoke(app, [command, "--help"])
        assert helped.exit_code == 0, line
        assert all(word in helped.output for word in rest if word.startswith("--")), line


@pytest.mark.parametrize("block", every("yaml"))
def test_what_prometheus_is_told_fits_the_settings(block: Block) -> None:
    """Prometheus is sent to the address that the same page sets."""
    (settings,) = (shown.text for shown in blocks(DOCS / "operate" / "metrics.md") if shown.language == "toml")
    (address,) = tomllib.loads(settings).values()
    assert f'targets: ["{address}"]' in block.text


async def test_every_metric_is_told_of(start_server: StartServer) -> None:
    """The table of metrics has exactly those that a server shows, with their types and labels."""
    server = await start_server(metrics="127.0.0.1:0")
    await server.set_up()
    admin = await server.login()
    await admin.subscribe("Users")
    await server.add_user("bob")
    shown = await asyncio.to_thread(_fetch, f"{server.metrics}/metrics")
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", shown, re.MULTILINE))
    labels: dict[str, set[str]] = {name: set() for name in types}
    for sample, given in re.findall(r"^([a-z_]+)\{(.*)\} ", shown, re.MULTILINE):
        name = sample if sample in types else re.sub("_(bucket|sum|count)$", "", sample)
        labels[name] |= set(re.findall(r'(\w+)="', given)) - {"le"}
    page = (DOCS / "operate" / "metrics.md").read_text()
    told = re.findall(r"^\| `(\w+)` \| (gauge|counter|histogram) \| (.*?) ?\| ", page, re.MULTILINE)
    assert {name: kind for name, kind, _ in told} == types
    assert {name: set(re.findall(r"`(\w+)`", given)) for name, _, given in told} == labels
    for used in re.findall(r"^\| `(.*)` \|", page.partition("#alerts")[2], re.MULTILINE):
        assert set(re.findall(r"(?:nymead|process)_\w+", used)) <= types.keys()


def _fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - our own server
        return str(answer.read().decode())
