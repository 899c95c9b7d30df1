"""What the tests of the command line share: commands run as a person or a script runs them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import CHEAP_ARGON2, PATIENCE
from typer.testing import CliRunner

from nymead_users.cli.main import app

CHEAP = {f"NYMEAD_USERS_ARGON2__{key.upper()}": str(value) for key, value in CHEAP_ARGON2.items()}


@dataclass(frozen=True)
class Outcome:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one line of JSON on stdout of a command that succeeded."""
        assert (self.code, self.err) == (0, ""), self
        return self.only_json

    @property
    def only_json(self) -> Any:
        """The one line of JSON on stdout."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        return json.loads(self.out)


def settings_variables(data_dir: Path | None) -> dict[str, str]:
    """The settings that tests give in the environment: the data directory and the cheapest hashes."""
    return CHEAP if data_dir is None else {**CHEAP, "NYMEAD_USERS_DATA_DIR": str(data_dir)}


def environment(data_dir: Path | None) -> dict[str, str]:
    """A process's environment, with terminals of 80 columns."""
    return {**os.environ, **settings_variables(data_dir), "COLUMNS": "80"}


async def run(
    data_dir: Path | None,
    *arguments: str | bytes,
    stdin: str | bytes = b"",
    environ: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a command to its end. None ever shows a traceback."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nymead_users", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**environment(data_dir), **(environ or {})},
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await child.communicate(stdin.encode() if isinstance(stdin, str) else stdin)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode is not None
    outcome = Outcome(child.returncode, out.decode(), err.decode())
    assert "Traceback" not in outcome.err, outcome.err
    return outcome


async def invoke(data_dir: Path, *arguments: str, stdin: str | bytes = "") -> Outcome:
    """Run a command within this process: much faster, for what does not depend on a process."""
    runner = CliRunner(env={**settings_variables(data_dir), "COLUMNS": "80"})
    result = await asyncio.to_thread(runner.invoke, app, arguments, input=stdin, prog_name="nymead-users")
    assert isinstance(result.exception, SystemExit | None), result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)
