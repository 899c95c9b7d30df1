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


async def test_the_model_finds_what_is_heard_wrongly(home: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is heard twice, or after what came later, or by who must not know, is a fault; what is right is none."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from households import ADMIN, Account, Device, Journal, Street  # noqa: PLC0415 - scripts are no package

    journal = Journal()
    street = Street([home.url("tcp"), home.url("ws")], home.control, random.Random(1))  # noqa: S311 - to be repeated
    await home.add_user("carol")
    operator = await home.operator()

    async def faults(permissions: tuple[str, ...], asked: list[str], done: list[str]) -> list[str]:
        """What is found if these display names are asked for, and the server is given those."""
        client = await street.client("127.0.0.1")
        login = await client.authenticate("admin", PASSWORD, "device")
        assert login is not None
        device = Device(client, Account("admin", PASSWORD, permissions), login.token, journal)
        await device.subscribe()
        changes = []
        for name in asked:
            info = {"username": "carol", "displayName": name, "email": "", "scopes": [], "allowedThingIds": []}
            changes.append(journal.begin("Users.UserChanged", {"userInfo": info}))
        for name in done:
            params = {"username": "carol", "displayName": name}
            assert await operator.call("Users.SetUserInfo", params) == {"error": "UserErrorNoError"}
        for change in changes:
            journal.end(change)
        async with asyncio.timeout(PATIENCE):
            await device.leave()
        found, journal.faults = journal.faults, []
        return found

    assert await faults(ADMIN, ["a", "b"], ["a", "b"]) == []
    (fault,) = await faults(ADMIN, ["c", "d"], ["c", "d", "c"])
    assert "heard twice" in fault
    later, missing = await faults(ADMIN, ["e", "f"], ["f", "e"])
    assert "heard after what came later" in later
    assert "did not hear" in missing
    (fault,) = await faults((), ["g"], ["g"])
    assert "heard what it must not know" in fault


def test_the_end_is_held_against_the_warm_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory or descriptors that have grown are a violation, and so is a traceback, an error or a secret in the log."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from households import SECRET, Violation  # noqa: PLC0415 - scripts are no package
    from soak import Soak  # noqa: PLC0415 - likewise

    soak = Soak(seconds=1, clients=1, seed=1)
    mb = 1 << 20
    soak.compare((50 * mb, 20), (57 * mb, 24))
    for after, said in (((59 * mb, 20), "bytes of memory"), ((50 * mb, 25), "25 descriptors")):
        with pytest.raises(Violation, match=said):
            soak.compare((50 * mb, 20), after)

    log = tmp_path / "log"
    fine = "2026-01-01T00:00:00.000Z INFO connected connection=c1\n"
    log.write_text(fine)
    soak.check_log(log)
    token = "x" * 43
    soak.journal.tokens.add(token)
    for line, said in (
        ("2026-01-01T00:00:00.000Z INFO what\\nTraceback (most recent call last)", "in the log"),
        ("2026-01-01T00:00:00.000Z ERROR call failed", "in the log"),
        (f"2026-01-01T00:00:00.000Z INFO x={SECRET}1", "a secret in the log"),
        (f"2026-01-01T00:00:00.000Z INFO x={token}", "a secret in the log"),
    ):
        log.write_text(f"{fine}{line}\n")
        with pytest.raises(Violation, match=said):
            soak.check_log(log)
