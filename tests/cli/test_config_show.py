"""The command that shows the settings."""

from __future__ import annotations

import tomllib
from pathlib import Path

from command_line import invoke, run, settings_variables

from nymead_users.config import fields, load

TOML = """\
server_name = "Hütte \\"am See\\""
listeners = ["nymea://127.0.0.1:0", { url = "ws://127.0.0.1:0", authentication = false }]
allowed_hosts = ["home.example.org", "hut.example.org"]

[throttling]
first_delay = 2
"""


async def test_every_setting_is_shown_with_its_origin(tmp_path: Path) -> None:
    """Each setting has its value, and where that is from: option, environment, file or default."""
    file = tmp_path / "nymead.toml"
    file.write_text(TOML)
    environ = {"NYMEAD_USERS_CONFIG": str(file), "NYMEAD_USERS_LIMITS__CONNECTIONS": "500"}
    outcome = await run(tmp_path, "config", "show", "--json", "--push-button", "--log-level", "error", environ=environ)
    shown = outcome.json
    assert list(shown) == list(fields())
    assert shown["server_name"] == {"value": 'Hütte "am See"', "origin": f"file {file}"}
    assert shown["throttling.first_delay"] == {"value": 2.0, "origin": f"file {file}"}
    assert shown["limits.connections"] == {"value": 500, "origin": "environment NYMEAD_USERS_LIMITS__CONNECTIONS"}
    assert shown["push_button"] == {"value": True, "origin": "option --push-button"}
    assert shown["log.level"] == {"value": "error", "origin": "option --log-level"}
    assert shown["locale"] == {"value": "en_US", "origin": "default"}
    assert shown["tls_cert"] == {"value": None, "origin": "default"}
    assert shown["listeners"]["value"] == [
        {"url": "nymea://127.0.0.1:0", "authentication": True},
        {"url": "ws://127.0.0.1:0", "authentication": False},
    ]


async def test_what_is_shown_can_be_a_settings_file(tmp_path: Path) -> None:
    """The text form is TOML with a line for each setting, and makes the same settings when it is used as a file."""
    file, copy = tmp_path / "nymead.toml", tmp_path / "copy.toml"
    file.write_text(TOML)
    outcome = await invoke(tmp_path, "config", "show", "--config", str(file), "--push-button")
    lines = outcome.out.splitlines()
    assert len(lines) == len(fields())
    for line, key in zip(lines, fields(), strict=True):
        assert line.startswith((f"{key} = ", f"# {key} is not set"))
        assert "  # " in line
    assert 'locale = "en_US" ' in outcome.out
    assert "push_button = true " in outcome.out
    assert lines[list(fields()).index("push_button")].endswith("  # option --push-button")
    assert tomllib.loads(outcome.out)["limits"]["connections"] == 10_000
    copy.write_text(outcome.out)
    assert load(copy, {}, {}).settings == load(file, {"push_button": True}, settings_variables(tmp_path)).settings


async def test_the_data_directory_is_the_users_own(tmp_path: Path) -> None:
    """By default data goes where the platform keeps a user's state: XDG_STATE_HOME, else below the home directory."""

    async def data_dir(*, home: str, state: str) -> str:
        outcome = await run(None, "config", "show", "--json", environ={"HOME": home, "XDG_STATE_HOME": state})
        return str(outcome.json["data_dir"]["value"])

    assert await data_dir(home=str(tmp_path), state="") == f"{tmp_path}/.local/state/nymead-users"
    assert await data_dir(home="/", state=f"{tmp_path}/state") == f"{tmp_path}/state/nymead-users"
