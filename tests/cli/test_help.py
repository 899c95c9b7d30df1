"""What the command line teaches about itself."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import invoke
from typer.main import get_command

from nymead_users.cli.main import app


def commands() -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Every command with the examples in its help text."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), get_command(app))]
    while waiting:
        path, command = waiting.pop()
        waiting += [((*path, name), inner) for name, inner in getattr(command, "commands", {}).items()]
        help_text = inspect.cleandoc(command.help or "")
        lines = (line.strip() for line in help_text.splitlines())
        yield path, [line for line in lines if "nymead-users " in line and not line.endswith(".")]


COMMANDS = dict(commands())
EXAMPLES = sorted({example for examples in COMMANDS.values() for example in examples})


def test_every_command_is_known() -> None:
    """The commands are those that others script against."""
    groups = {path for path in COMMANDS if len(path) == 1}
    assert groups == {
        *(("serve",), ("user",), ("token",), ("press-button",), ("config",)),
        *(("backup",), ("restore",), ("check",), ("import",), ("export",), ("import-nymead",)),
    }
    assert {" ".join(path) for path in COMMANDS if len(path) == 2} == {
        *(f"user {name}" for name in ("add", "list", "passwd", "scopes", "remove")),
        *(f"token {name}" for name in ("list", "revoke")),
        "config show",
    }


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "nymead-users")
async def test_help_shows_examples_as_they_are_typed(tmp_path: Path, path: tuple[str, ...]) -> None:
    """Help has examples, each on a line of its own however narrow the terminal is, and fits 80 columns otherwise."""
    outcome = await invoke(tmp_path, *path, "--help")
    assert outcome.code == 0
    assert outcome == await invoke(tmp_path, *path, "-h")
    lines = [line.strip() for line in outcome.out.splitlines()]
    assert lines[0].startswith(" ".join(["Usage: nymead-users", *path]))
    assert COMMANDS[path]
    for example in COMMANDS[path]:
        assert example in lines
    assert all(len(line) <= 80 for line in outcome.out.splitlines() if line.strip() not in COMMANDS[path])
    assert "\b" not in outcome.out


@pytest.mark.parametrize("example", EXAMPLES)
async def test_examples_are_understood(tmp_path: Path, example: str) -> None:
    """What help shows is accepted: the command exists and has these options."""
    (typed,) = (part for part in example.split("|") if "nymead-users" in part)
    arguments = shlex.split(typed[typed.index("nymead-users") :])[1:]
    outcome = await invoke(tmp_path, *arguments, *([] if "--help" in arguments else ["--help"]))
    assert outcome.code == 0, outcome.err
