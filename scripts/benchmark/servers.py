"""The processes under test and the stores they work on."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from argon2 import PasswordHasher
from sqlalchemy import create_engine, insert, select

from benchmark.load import Target, Transport
from nymead_users.config import Argon2
from nymead_users.identity.tokens import digest
from nymead_users.permissions import Scope
from nymead_users.storage.database import Database
from nymead_users.storage.datadir import STORE
from nymead_users.storage.tables import grants, held_grants, lock_groups, memberships, owners, tokens, users
from nymead_users.storage.tables import locks as lock_table
from nymead_users.storage.tables import persons as person_table

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


async def fill_doors(directory: Path, *, locks: int, persons: int, grant_count: int) -> None:
    """Make a store of so many locks, persons and grants in a new data directory, with the administrator of TOKEN.

    Each person has grants at locks next to one another; every second grant has a schedule, every tenth is for a group
    of ten locks. All locks have heard of everything.
    """
    await fill(directory, user_count=1, token_count=1)
    engine = create_engine(f"sqlite:///{directory / STORE}")
    with engine.begin() as connection:
        owner = connection.execute(select(owners.c.id)).scalar_one()
        since = datetime(2026, 1, 1, tzinfo=UTC)
        connection.execute(
            insert(lock_table),
            [
                {
                    "id": door(number),
                    "owner_id": owner,
                    "title": f"Door {number}",
                    "description": "",
                    "time_zone": "Europe/Vienna",
                    "protocol_version": 1,
                    "system_id": "",
                    "virtual": True,
                    "active": True,
                    "rcl_serial_no": 1,
                }
                for number in range(locks)
            ],
        )
        connection.execute(
            insert(person_table),
            [
                {
                    "id": person(number),
                    "owner_id": owner,
                    "number": number + 1,
                    "first_name": f"First {number}",
                    "last_name": f"Last {number}",
                    "email": f"person{number}@home.example",
                    "phone": "",
                    "enabled": True,
                }
                for number in range(persons)
            ],
        )
        connection.execute(
            insert(lock_groups),
            [
                {
                    "id": _group(number),
                    "owner_id": owner,
                    "title": f"Group {number}",
                    "description": "",
                    "active": True,
                    "rcl_serial_no": 1,
                }
                for number in range(locks // 10)
            ],
        )
        connection.execute(
            insert(memberships),
            [
                {
                    "id": _id(f"membership {number}"),
                    "lock_id": door(number),
                    "group_id": _group(number // 10),
                    "join_start": since,
                    "join_completed": since,
                }
                for number in range(locks // 10 * 10)
            ],
        )
        rows = [_grant(number, locks, persons, owner, since) for number in range(grant_count)]
        connection.execute(insert(grants), rows)
        connection.execute(insert(held_grants), [held for row in rows for held in _held(row, locks)])
    engine.dispose()


def door(number: int) -> str:
    """The id of a lock."""
    return _id(f"lock {number}")


def person(number: int) -> str:
    """The id of a person."""
    return _id(f"person {number}")


@cache
def _group(number: int) -> str:
    return _id(f"group {number}")


def _id(name: str) -> str:
    return str(UUID(bytes=hashlib.md5(name.encode(), usedforsecurity=False).digest()))


#: Working hours, as every second grant has them.
_WEEK = {"weekly": [{"weekdays": ["mon", "tue", "wed", "thu", "fri"], "from": "07:00", "until": "19:00"}]}


def _grant(number: int, locks: int, persons: int, owner: str, since: datetime) -> dict[str, Any]:
    whose = number % persons
    # A person's grants are at locks next to one another.
    at = (whose + number // persons) % locks
    in_group = number // persons == 0 and locks >= 10
    return {
        "id": _id(f"grant {number}"),
        "owner_id": owner,
        "person_id": person(whose),
        "lock_id": None if in_group else door(at),
        "group_id": _group(at // 10 % (locks // 10)) if in_group else None,
        "valid_from": since,
        "schedule": _WEEK if number // persons % 2 else None,
        "enabled": True,
        "remote_allowed": True,
        "issuer": "user000001",
        "created": since,
    }


def _held(grant: dict[str, Any], locks: int) -> list[dict[str, Any]]:
    """A grant as its locks hold it."""
    names = ("person_id", "group_id", "valid_from", "schedule", "enabled", "remote_allowed")
    held = {"grant_id": grant["id"], **{name: grant[name] for name in names}}
    if grant["lock_id"] is not None:
        return [{**held, "lock_id": grant["lock_id"]}]
    first = 10 * next(number for number in range(locks // 10) if _group(number) == grant["group_id"])
    return [{**held, "lock_id": door(number)} for number in range(first, first + 10)]


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
