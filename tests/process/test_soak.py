"""The soak: a short one finds nothing, and its model finds what is wrong."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest
from conftest import PASSWORD, PATIENCE, Server

ROOT = Path(__file__).parents[2]


async def test_a_short_soak_finds_nothing_wrong() -> None:
    """Some clients do everything at random for a few seconds; every answer, and what is left at the end, is right."""
    soak = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "scripts/soak.py"), "--minutes", "0.1", "--clients", "40", "--seed", "1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await soak.communicate()
    assert soak.returncode == 0, output.decode()
    assert "Nothing wrong: " in output.decode()


async def test_the_model_misses_what_was_not_heard(home: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that a subscribed administrator does not hear of is a fault, and so is one that nobody asked for."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from households import ADMIN, Account, Device, Journal, Street  # noqa: PLC0415 - scripts are no package

    journal = Journal()
    street = Street([home.url("tcp"), home.url("ws")], home.control, random.Random(1))  # noqa: S311 - to be repeated
    account = Account("admin", PASSWORD, ADMIN)

    async def device() -> Device:
        client = await street.client("127.0.0.1")
        login = await client.authenticate("admin", PASSWORD, "device")
        assert login is not None
        device = Device(client, account, login.token, journal)
        await device.subscribe()
        return device

    first = await device()
    journal.end(journal.begin("Users.UserRemoved", {"username": "bob"}))
    async with asyncio.timeout(PATIENCE):
        await first.leave()
    (fault,) = journal.faults
    assert "did not hear" in fault

    journal.faults.clear()
    second = await device()
    await home.add_user("carol", "ControlThings")
    async with asyncio.timeout(PATIENCE):
        await second.leave()
    (fault,) = journal.faults
    assert "heard what nobody did" in fault
