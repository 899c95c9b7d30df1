"""The processes under test and the stores they work on."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

from argon2 import PasswordHasher
from sqlalchemy import create_engine, insert

from benchmark.load import Target, Transport
from nymead_users.config import Argon2
from nymead_users.identity.tokens import digest
from nymead_users.permissions import Scope
from nymead_users.storage.database import Database
from nymead_users.storage.datadir import STORE
from nymead_users.storage.tables import tokens, users

#: The token of the administrator in each store, as long as a real one, and the password of all users.
TOKEN = "benchmark-benchmark-benchmark-benchmark-000"  # noqa: S105 - opens a store made for a minute
PASSWORD = "Abcdefg1"  # noqa: S105 - likewise

SCRIPTS = Path(__file__).resolve().parent.parent


async def fill(directory: Path, *, user_count: int, token_count: int) -> None:
    """Make a store of so many users and tokens in a new data directory.

    The first user is the administrator whose token is TOKEN.
    """
    directory.mkdir(mode=0o700)  # noqa: ASYNC240 - nothing else runs yet
    database = await Database.open(directory / STORE)
    await database.close()
    # What is not measured may go the short way: one hash for all, at the server's own cost, and no methods.
    password_hash = PasswordHasher(**Argon2().model_dump(exclude={"workers", "queue"})).hash(PASSWORD)
    engine = create_engine(f"sqlite:///{directory / STORE}")
    with engine.begin() as connection:
        connection.execute(
            insert(users), [_user(number) | {"password_hash": password_hash} for number in range(1, user_count + 1)]
        )
        connection.execute(insert(tokens), [_token(number, user_count) for number in range(token_count)])
    engine.dispose()


def _user(number: int) -> dict[str, Any]:
    """An administrator comes first; of the others every second may control two things and no more."""
    limited = number % 2 == 0
    scopes = Scope.CONTROL_THINGS if limited else Scope.CONTROL_THINGS | Scope.ACCESS_ALL_THINGS | Scope.EXECUTE_RULES
    return {
        "username": f"user{number:06}",
        "display_name": f"Display Name {number}",
        "email": f"user{number:06}@home.example",
        "scopes": int(Scope.ADMIN if number == 1 else scopes),
        "allowed_thing_ids": [str(UUID(int=number * 2 + more)) for more in range(2)] if limited else [],
    }


def _token(number: int, user_count: int) -> dict[str, Any]:
    return {
        "id": str(UUID(bytes=hashlib.md5(b"%d" % number, usedforsecurity=False).digest())),
        "user_id": number % user_count + 1,
        "digest": digest(f"token {number}" if number else TOKEN),
        "creation_time": 1_750_000_000 + number,
        "device_name": f"Device {number}",
    }


class Processes:
    """Starts processes, which end with the block."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def server(self, data_dir: Path, transport: Transport = "tcp") -> Target:
        """Our server on a data directory, as it is started by default but for its listener."""
        scheme = {"tcp": "nymea", "ws": "ws"}[transport]
        options = ("serve", "--data-dir", str(data_dir), "--listen", f"{scheme}://127.0.0.1:0")
        process = await self._start("-m", "nymead_users", *options)
        line = await _line(process)
        found = re.fullmatch(r"Listening on .*:(\d+)\n", line)
        if found is None:
            raise RuntimeError(f"the server did not start: {line!r}")
        return Target(process.pid, int(found[1]), transport)

    async def baseline(self, name: str, transport: Transport = "tcp", **options: Any) -> Target:
        """A baseline."""
        process = await self._start("-m", "benchmark.baselines", name, options=options)
        return Target(process.pid, int(await _line(process)), transport)

    async def computed(self, name: str, **options: Any) -> float:
        """What a baseline computed."""
        process = await self._start("-m", "benchmark.baselines", name, options=options)
        return float(await _line(process))

    async def calling(self, target: Target, *requests: bytes, seconds: float) -> float:
        """Rounds per second of a connection that makes these calls in turn."""
        options = {
            "port": target.port,
            "opening": [message.decode() for message in target.opening],
            "requests": [request.decode() for request in requests],
            "seconds": seconds,
        }
        return float(await _line(await self._start("-m", "benchmark.calling", options=options)))

    async def _start(self, *words: str, options: Any = None) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            cwd=SCRIPTS,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=None if words[1].startswith("benchmark") else asyncio.subprocess.DEVNULL,
        )
        self._stack.push_async_callback(_end, process)
        assert process.stdin is not None  # noqa: S101 - for the type
        process.stdin.write(json.dumps(options).encode() + b"\n")
        return process


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None  # noqa: S101 - for the type
    return (await process.stdout.readline()).decode()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


def resident(pid: int) -> int:
    """Bytes of memory that a process has in use, as Linux counts them."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"process {pid} has ended")
    return int(found[1]) * 1024
