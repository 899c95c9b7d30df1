"""A reader's terminal: the commands that a page prints, run as they are."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, Self

import pytest
from conftest import CHEAP_ARGON2, PATIENCE, Process, SpawnServer
from nymead_database import a_family
from pages import Block

#: Commands that talk to a server for as long as one types.
TALKING = ("nc ", "websocat ", "openssl s_client ", "python -m websockets ")

#: Commands that change the machine itself, need another one or take long, and so are not run.
UNRUN = (".", "apt", "chown", "cp", "journalctl", "ln", "make", "pip", "python3", "ssh", "useradd")

#: Where the pages' server listens.
ADDRESSES = {
    "nymea": "127.0.0.1:2222",
    "ws": "127.0.0.1:4444",
    "nymeas": "192.168.1.20:2222",
    "wss": "192.168.1.20:4444",
}

PASSWORD = "Wonderland1"


def typed(line: str) -> str:
    """A line of a page without its prompt, and without what says who runs it and where the program is."""
    return re.sub(r"^\$ (sudo (-u \S+ )?)?((\.venv|/opt/nymead-users)/bin/)?", "", line)


class Talk:
    """A command that talks to the server: what is typed goes in, what it prints comes out."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def begin(cls, command: str, environ: dict[str, str]) -> Self:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_shell(
            f"exec {command}", stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env=environ, limit=2**26
        )
        return cls(process)

    async def send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def receive(self) -> Any:
        """The next message among what is printed."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := (await self._process.stdout.readline()).decode():
                # Python's client moves the cursor about, and marks what it has received.
                text = line.rpartition("\x1b[L< ")[2]
                if text.startswith(("{", "[")):
                    return json.JSONDecoder().raw_decode(text)[0]
        raise AssertionError("the command ended")

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()


class Terminal:
    """Somebody at the machine of a server, who types what a page prints.

    Addresses, ports and paths of the page are replaced by those of the test. systemctl stops and starts the server.
    """

    def __init__(self, spawn: SpawnServer, folder: Path, settings: str, options: tuple[str, ...]) -> None:
        self._spawn = spawn
        self._options = options
        self._cwd = folder
        self._served = folder / "served"
        self._talks: list[Talk] = []
        self.data_dir = folder / "data"
        self.server: Process
        self.known = {"TOKEN": "", "TOKEN-ID": ""}
        file = folder / "nymead-users.toml"
        backups = folder / "backups"
        (backups / "home").mkdir(parents=True)
        self._places = {
            "/etc/nymead-users.toml": str(file),
            "/var/lib/nymead-users": str(self.data_dir),
            "/var/backups": str(backups),
            "/var/lib/nymea/user-db.sqlite": str(folder / "user-db.sqlite"),
        }
        file.write_text(self.fill(settings))
        a_family(folder / "user-db.sqlite")
        argon2 = {f"NYMEAD_USERS_ARGON2__{key.upper()}": str(value) for key, value in CHEAP_ARGON2.items()}
        self._environ = {
            **os.environ,
            **argon2,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "NYMEAD_USERS_DATA_DIR": str(self.data_dir),
        }

    async def start(self) -> None:
        """Start the server that the page speaks of."""
        listeners = [word for scheme in ADDRESSES for word in ("--listen", f"{scheme}://127.0.0.1:0")]
        self.server = await self._spawn(*listeners, *self._options, data_dir=self.data_dir)
        for scheme, printed in ADDRESSES.items():
            address = self.server.url(scheme).rpartition("/")[2]
            self._places |= {printed: address, printed.replace(":", " "): address.replace(":", " ")}

    async def stop(self) -> None:
        self.server.signal(signal.SIGTERM)
        assert await self.server.ended() == 0

    async def type(self, block: Block) -> None:
        """Run a block's commands, each of which must succeed and print what stands below it."""
        for part in re.split(r"^(?=\$ )", block.text, flags=re.MULTILINE)[1:]:
            line, *printed = part.splitlines()
            command = typed(line)
            tool = command.split()[0]
            if tool == "systemctl":
                if "stop" in command or "restart" in command:
                    await self.stop()
                if "start" in command:
                    await self.start()
            elif tool == "cd":
                self._cwd = Path(self.fill(command).split()[1])
            elif re.match(r"(make|nymead-users) serve", command):
                await self._serve(command, printed)
            elif command.startswith("nymead-users restore"):
                # Where nobody can be asked, the answer is given beforehand.
                self._compare(
                    [self.fill(line) for line in printed[1:]], (await self.run(f"{command} --yes")).splitlines()
                )
            elif not command.startswith(TALKING) and tool not in UNRUN:
                output = await self.run(command)
                self._compare([self.fill(line) for line in printed], output.splitlines())

    async def run(self, command: str) -> str:
        """What a command prints; it must succeed. Passwords are typed when it asks."""
        _require(command)
        # Nothing outside of the test's folder may be touched.
        assert all(word.startswith(tuple(self._places)) for word in shlex.split(command) if word.startswith("/"))
        process = await asyncio.create_subprocess_shell(
            self.fill(command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environ,
            cwd=self._cwd,
        )
        async with asyncio.timeout(PATIENCE):
            output, errors = await process.communicate(f"{PASSWORD}\n".encode())
        # A press with nobody waiting does nothing, and says so.
        assert process.returncode == 0 or output == b"Nobody waits for the button.\n", errors.decode()
        if found := re.findall(r"^[0-9a-f]{8}-[0-9a-f-]{27}\b", output.decode(), re.MULTILINE):
            self.known["TOKEN-ID"] = found[-1]
        return output.decode()

    async def talk(self, command: str) -> Talk:
        """Begin to talk to the server."""
        _require(command)
        talk = await Talk.begin(self.fill(command), self._environ)
        self._talks.append(talk)
        return talk

    async def close(self) -> None:
        for talk in self._talks:
            await talk.end()

    async def _serve(self, command: str, printed: list[str]) -> None:
        """Start another server as the page says, on this machine and on ports of the system's choice."""
        words = re.sub(r"0\.0\.0\.0:\d+", "127.0.0.1:0", self.fill(command)).split()[2:]
        process = await self._spawn(*words, data_dir=self._served)
        self._compare([re.sub(r"//[\d.]+:\d+", "//127.0.0.1:…", line) for line in printed], process.output)
        process.signal(signal.SIGTERM)
        assert await process.ended() == 0

    @staticmethod
    def _compare(printed: list[str], output: list[str]) -> None:
        """The page's lines begin the command's; an ellipsis stands for anything, a number for any other."""
        assert len(output) >= len(printed)
        for said, line in zip(printed, output, strict=False):
            pattern = ".*".join(re.sub(r"\d+", r"\\d+", re.escape(part)) for part in said.split("…"))
            assert re.match(pattern, line), (said, line)

    def fill(self, text: str) -> str:
        for place, value in self._places.items():
            text = text.replace(place, value)
        return re.sub(r"\bTOKEN(-ID)?\b", lambda match: self.known[match[0]], text)


def _require(command: str) -> None:
    tool = shlex.split(command)[0]
    if shutil.which(tool, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") is None:
        pytest.skip(f"{tool} is not installed")
