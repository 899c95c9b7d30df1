"""The README does what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from conftest import Raw, Server
from typer.testing import CliRunner

from nymead_users.cli.main import app
from nymead_users.config import load

README = (Path(__file__).parent.parent / "README.md").read_text()


def blocks(language: str) -> list[list[str]]:
    """The lines of each code block marked so."""
    return [
        block.splitlines() for block in re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    ]


async def replies(connection: Raw, lines: list[str]) -> list[Any]:
    """Send lines as a terminal would and read as many messages, a reply for each line and what comes between."""
    await connection.send("".join(f"{line}\n" for line in lines))
    last = json.loads(lines[-1])["id"]
    received = [await connection.receive()]
    while received[-1].get("id") != last:
        received.append(await connection.receive())
    return received


async def test_the_conversations_work_as_pasted(server: Server) -> None:
    """The conversations run on a new server and end with the replies that are printed, or as the text says."""
    first, second = blocks("json nymea")
    (third,) = blocks("json jsonrpc2")
    printed, printed_2 = blocks("json")
    connection = await server.raw("tcp")
    hello, created, login = await replies(connection, first)
    assert hello["params"]["initialSetupRequired"] is True
    assert created["params"] == {"error": "UserErrorNoError"}
    token = login["params"]["token"]
    await connection.send("".join(f"{line}\n".replace("TOKEN", token) for line in second))
    assert await connection.receive_text() == f"{printed[0]}\n"

    connection = await server.raw("tcp")
    conversation = await replies(connection, third)
    assert conversation[-2:] == [json.loads(line) for line in printed_2]

    made, asked = blocks("json access")
    person = (await replies(connection, made))[-1]["result"]["person"]["id"]
    decisions = await replies(connection, [line.replace("PERSON", person) for line in asked])
    assert [
        (told["reason"], told["until"], told["onLock"]) for told in (_decision(reply) for reply in decisions[1:])
    ] == [
        ("granted", "2026-03-27T16:00:00.000Z", False),
        ("outsideSchedule", "2026-03-30T06:00:00.000Z", False),
    ]


def _decision(reply: dict[str, Any]) -> dict[str, Any]:
    decision: dict[str, Any] = reply["result"]["decision"]
    return decision


def test_the_commands_exist() -> None:
    """Every command that the README shows is one that the command line knows."""
    shown = re.findall(
        r"^\$ nymead-users (serve|press-button|import-nymead|backup|restore|check|[a-z]+ [a-z]+)", README, re.MULTILINE
    )
    assert len(shown) > 5
    for command in shown:
        assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0, command


def test_the_settings_are_settings(tmp_path: Path) -> None:
    """The settings that the README shows are accepted."""
    (lines,) = blocks("toml")
    file = tmp_path / "config.toml"
    file.write_text("\n".join(lines))
    settings = load(file, environ={}).settings
    assert settings.initial_setup == "local"
    assert settings.limits.connections_per_address == 64
