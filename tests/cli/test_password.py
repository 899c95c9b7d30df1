"""Passwords typed at a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Self

from command_line import environment
from conftest import PASSWORD, PATIENCE, SpawnServer

from nymead_users.client import Client

#: Makes the terminal on stdin the process's own, as a shell's is, and becomes the program.
IN_TERMINAL = """
import fcntl, runpy, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.argv[0] = "nymead-users"
runpy.run_module("nymead_users", run_name="__main__")
"""


class Terminal:
    """A command in a terminal of its own, and the person before it."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self._keyboard, self._line = pty.openpty()
        self.screen = ""
        self._seen = 0
        self.process = subprocess.Popen(
            [sys.executable, "-c", IN_TERMINAL, *arguments],
            stdin=self._line,
            stdout=self._line,
            stderr=self._line,
            env=environment(data_dir),
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._keyboard)
        os.close(self._line)

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._line)[3] & termios.ECHO)

    def reads(self, text: str) -> None:
        """Wait until the screen shows a text, behind what was waited for before."""
        give_up = time.monotonic() + PATIENCE
        while text not in self.screen[self._seen :]:
            ready, _, _ = select.select([self._keyboard], [], [], max(0, give_up - time.monotonic()))
            assert ready, f"{text!r} did not come: {self.screen!r}"
            self.screen += os.read(self._keyboard, 4096).decode()
        self._seen = self.screen.index(text, self._seen) + len(text)

    def answers(self, text: str) -> None:
        """Type a line that the terminal shows."""
        os.write(self._keyboard, f"{text}\n".encode())

    def types(self, text: str) -> None:
        """Type a line, once the terminal no longer shows it."""
        assert not self.echoes
        os.write(self._keyboard, f"{text}\n".encode())

    def ends(self) -> int:
        """The command's exit code."""
        return self.process.wait(PATIENCE)


async def test_a_password_is_typed_twice_and_never_shown(spawn_server: SpawnServer) -> None:
    """At a terminal the password is asked for twice without echo, and again where the two differ."""
    server = await spawn_server()
    with Terminal(server.data_dir, "user", "add", "alice") as terminal:
        terminal.reads("Password: ")
        terminal.types(PASSWORD)
        terminal.reads("Once more: ")
        terminal.types("Mistyped1")
        terminal.reads("do not match")
        terminal.reads("Password: ")
        terminal.types(PASSWORD)
        terminal.reads("Once more: ")
        terminal.types(PASSWORD)
        terminal.reads("Added alice.")
        assert terminal.ends() == 0
        assert terminal.echoes
        assert PASSWORD not in terminal.screen
        assert "Mistyped1" not in terminal.screen
    async with await Client.connect(server.url()) as client:
        await client.hello()
        assert await client.authenticate("alice", PASSWORD, "phone") is not None


def test_a_password_prompt_can_be_left(tmp_path: Path) -> None:
    """Ctrl+C at the prompt ends the command with an error, changes nothing, and the terminal shows its input again."""
    with Terminal(tmp_path / "data", "user", "add", "alice") as terminal:
        terminal.reads("Password: ")
        terminal.types("\x03")
        terminal.reads("Abort")
        assert terminal.ends() != 0
        assert terminal.echoes
        assert "Traceback" not in terminal.screen
    assert not (tmp_path / "data").exists()
