"""The unit for systemd: valid, strict, and fit for the server."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from conftest import PASSWORD, PATIENCE, Process
from typer.testing import CliRunner

from nymead_users.cli.main import app
from nymead_users.client import Client

ROOT = Path(__file__).parent.parent.parent
UNIT = ROOT / "deploy" / "nymead-users.service"

#: What systemd may count against the unit at most, of 100: what is left is network, Unix sockets and users' names.
EXPOSURE = 20


def lines() -> list[tuple[str, str]]:
    """The unit's lines, in their order; a key may come more than once."""
    found = [line.partition("=") for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#"]
    return [(key, value) for key, _, value in found]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as it is installed: its command is there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not there: apt-get install systemd")
    unit = tmp_path / UNIT.name
    command = Path(sys.executable).parent / "nymead-users"
    unit.write_text(UNIT.read_text().replace("/opt/nymead-users/bin/nymead-users", str(command)))
    return unit


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_systemd_finds_nothing_wrong(installed: Path) -> None:
    """Systemd knows every key and value of the unit."""
    done = analyze("verify", "--man=no", installed)
    assert (done.returncode, done.stderr) == (0, "")
    installed.write_text(installed.read_text().replace("ProtectHome=", "ProtectHouse="))
    assert "ProtectHouse" in analyze("verify", "--man=no", installed).stderr


def test_systemd_finds_little_exposed(installed: Path) -> None:
    """By systemd's own count the unit leaves little of the machine within reach."""
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", installed)
    assert done.returncode == 0, done.stdout


def test_the_unit_starts_what_the_pages_set_up() -> None:
    """Its command has these options, and its directory, user and file are those of the page that shows it."""
    unit = dict(lines())
    command, *options = unit["ExecStart"].split()
    assert command.endswith("/bin/nymead-users")
    helped = CliRunner().invoke(app, [options[0], "--help"]).output
    assert all(option in helped for option in options if option.startswith("--"))
    page = (ROOT / "docs" / "operate" / "index.md").read_text()
    assert f'--8<-- "{UNIT.name}"' in page
    assert options[-1] in page
    assert f"useradd --system --home-dir /var/lib/{unit['StateDirectory']} " in page
    assert f" {unit['User']}\n" in page
    assert f'data_dir = "/var/lib/{unit["StateDirectory"]}"' in page
    assert [path for path in ROOT.glob("d*/**/*.service") if path != UNIT] == []


#: Forbids itself memory that is both written and run, as systemd would, and becomes the server.
CONFINED = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
    sys.exit("not supported")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


async def test_the_server_needs_no_memory_that_is_written_and_run(tmp_path: Path) -> None:
    """Under the rule of MemoryDenyWriteExecute the server hashes, encrypts and measures as ever."""
    assert ("MemoryDenyWriteExecute", "yes") in lines()
    confined = (sys.executable, "-c", CONFINED)
    probe = [*confined, "-c", "import mmap; mmap.mmap(-1, 4096, prot=7)"]
    denied = await asyncio.to_thread(subprocess.run, probe, capture_output=True, text=True, timeout=PATIENCE)
    if "not supported" in denied.stderr:
        pytest.skip("this kernel denies it to no process by itself (Linux 6.3 does)")
    assert "PermissionError" in denied.stderr

    listeners = [word for scheme in ("nymeas", "ws") for word in ("--listen", f"{scheme}://127.0.0.1:0")]
    child = await asyncio.create_subprocess_exec(
        *(*confined, "-m", "nymead_users", "serve", "--data-dir", str(tmp_path / "data"), *listeners),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NYMEAD_USERS_METRICS": "127.0.0.1:0"},
    )
    server = Process(child, tmp_path / "data")
    try:
        await server.up()
        async with await Client.connect(server.url("ws")) as client:
            await client.hello()
            await client.call("JSONRPC.CreateUser", {"username": "alice", "password": PASSWORD})
            assert await client.authenticate("alice", PASSWORD, "phone") is not None
        (metrics,) = (line.removeprefix("Metrics on ") for line in server.output if line.startswith("Metrics on "))
        shown = await asyncio.to_thread(urllib.request.urlopen, metrics, timeout=PATIENCE)
        assert b"nymead_users_logins_total" in shown.read()
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        port = int(server.url("nymeas").rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=unverified)
        writer.close()
    finally:
        await server.kill()
