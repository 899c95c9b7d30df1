"""Let many clients do everything at random against a server, and see that it stays right.

python scripts/soak.py --minutes 30 --clients 300
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import uvloop
from households import DEVICES, PATIENCE, SECRET, Button, Household, Journal, Street, Vandal, Violation

DESCRIPTION = """\
Start a server and let clients do everything at random against it: over all transports and in both dialects they log
in and out, mistype and guess passwords, subscribe, add, change and remove users, take permissions, revoke tokens, press
the button, send rubbish and hang up. Meanwhile each holds every answer and every notification against what must be
true. At the end the server must have given back its file descriptors and memory, its log must have no traceback and no
secret, its store must be sound, and a restart must keep everything.
"""

EPILOG = """\
Each client's choices follow from the seed; how they fall together does not, so a rare failure may take some runs to
come again. On a violation the server's log and data stay where the account says, and the exit code is 1.

examples:
  python scripts/soak.py
  python scripts/soak.py --minutes 60 --clients 500
  python scripts/soak.py --seed 1234
"""

#: The cheapest hashes: what is checked is not their cost.
CHEAP = {"TIME_COST": "1", "MEMORY_COST": "8", "PARALLELISM": "1", "WORKERS": "2"}

#: The part of the time after which memory and descriptors are measured for the first time.
WARM_UP = 0.5

#: How many bytes larger the memory may be at the end than after the warm-up: there are more users and tokens then, and
#: the allocator keeps some.
MORE_MEMORY = 8 << 20

#: How many more file descriptors there may be: connections to the database are opened when they are first needed.
MORE_DESCRIPTORS = 4

#: Seconds between two lines of progress.
PROGRESS = 10.0


@dataclass
class Server:
    """A server in a process of its own."""

    process: asyncio.subprocess.Process
    urls: list[str]
    data_dir: Path

    @property
    def memory(self) -> int:
        """Its resident memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        if found is None:
            raise Violation("the server has ended")
        return int(found[1]) * 1024

    @property
    def descriptors(self) -> int:
        """How many file descriptors it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 - only counted

    def street(self, chance: random.Random) -> Street:
        """The way to it."""
        return Street(self.urls, f"unix://{self.data_dir}/control.sock", chance)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    """A server on the folder's data, which logs into the folder; at the end it has to stop properly."""
    data_dir = folder / "data"
    schemes = ("nymea", "nymeas", "ws", "wss")
    listeners = [argument for scheme in schemes for argument in ("--listen", f"{scheme}://127.0.0.1:0")]
    with (folder / "log").open("a") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nymead_users", "serve", "--data-dir", str(data_dir), "--push-button"),
            *listeners,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, **{f"NYMEAD_USERS_ARGON2__{key}": value for key, value in CHEAP.items()}},
        )
    try:
        server = Server(process, [], data_dir)
        assert process.stdout is not None  # noqa: S101 - as asked for above
        async with asyncio.timeout(PATIENCE):
            while not (line := (await process.stdout.readline()).decode()).startswith("Next: "):
                if not line:
                    raise Violation("the server does not start")
                if found := re.fullmatch(r"Listening on (\S+)\n", line):
                    server.urls.append(found[1])
        yield server
        if process.returncode is not None:
            raise Violation(f"the server ended by itself with code {process.returncode}")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            if code := await process.wait():
                raise Violation(f"the server stopped with code {code}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Resident(Protocol):
    """Somebody who does one thing after another."""

    name: str
    diary: list[str]

    async def live(self, over: Callable[[], bool]) -> None:
        """Go on until it is over. Raises Violation."""


class Soak:
    """The clients, and what they found so far."""

    def __init__(self, *, seconds: float, clients: int, seed: int) -> None:
        self._seconds = seconds
        self._began = time.monotonic()
        self._seed = seed
        self.journal = Journal()
        self._households = max(1, clients // (DEVICES + 1))
        self._vandals = max(1, clients // 50)

    async def run(self, folder: Path) -> None:
        """Do it all. Raises Violation."""
        async with serving(folder) as server:
            households = [
                Household(number, server.street(chance), self.journal, chance)
                for number, chance in enumerate(self._chances("household", self._households))
            ]
            (chance,) = self._chances("button", 1)
            button = Button(server.street(chance), self.journal, chance)
            vandals = [Vandal(server.street(chance), self.journal) for chance in self._chances("vandal", self._vandals)]
            residents: list[Resident] = [*households, button, *vandals]
            operator = await server.street(chance).operator()
            await button.move_in(operator)
            for household in households:
                await household.move_in(operator)
            await operator.close()
            self._began = time.monotonic()
            before = await self._live(server, residents, households, WARM_UP * self._seconds)
            after = await self._live(server, residents, households, self._seconds)
            self.compare(before, after)
            await _all(household.audit() for household in households)
        self._say("the server stopped; looking at its store, and starting it again")
        await _check_store(server.data_dir)
        async with serving(folder) as server:
            for household in households:
                household.move_to(server.street(household.chance))
            await _all(household.audit() for household in households)
        self.check_log(folder / "log")
        self._say(f"at most {self.journal.most_connected} were logged in at once")

    async def _live(
        self, server: Server, residents: Sequence[Resident], households: list[Household], until: float
    ) -> tuple[int, int]:
        """Let everybody live until so many seconds after the start, then leave; memory and descriptors after that."""
        over = self._began + until
        with self._progress(server):
            await _all(self._lives(resident, over) for resident in residents)
        await _all(household.go_out() for household in households)
        if self.journal.faults:
            raise Violation(self.journal.faults[0])
        return await self._at_rest(server)

    async def _lives(self, resident: Resident, over: float) -> None:
        try:
            await resident.live(lambda: time.monotonic() >= over)
        except Exception as error:
            error.add_note(f"{resident.name} did last: {', '.join(resident.diary)}")
            raise

    async def _at_rest(self, server: Server) -> tuple[int, int]:
        """Memory and descriptors once nobody is connected any more and the numbers have settled."""
        last, settled = server.descriptors, 0
        while settled < 10:
            await asyncio.sleep(0.1)
            now = server.descriptors
            last, settled = now, settled + 1 if now == last else 0
        return server.memory, last

    def compare(self, before: tuple[int, int], after: tuple[int, int]) -> None:
        """Hold memory and descriptors at the end against those after the warm-up. Raises Violation."""
        self._say(
            f"at rest: {before[0] >> 20} MiB and {before[1]} descriptors after the warm-up,"
            f" {after[0] >> 20} MiB and {after[1]} at the end"
        )
        if after[1] > before[1] + MORE_DESCRIPTORS:
            raise Violation(f"{after[1]} descriptors at the end, {before[1]} after the warm-up")
        if after[0] > before[0] + MORE_MEMORY:
            raise Violation(f"{after[0]} bytes of memory at the end, {before[0]} after the warm-up")

    def check_log(self, log: Path) -> None:
        """No traceback, no error and no secret. Raises Violation."""
        with log.open(encoding="utf-8") as lines:
            for line in lines:
                if "Traceback" in line or re.match(r"\S+ (ERROR|CRITICAL) ", line):
                    raise Violation(f"in the log: {line}")
                if SECRET in line or not self.journal.tokens.isdisjoint(re.findall(r"[\w-]{40,}", line)):
                    raise Violation(f"a secret in the log: {line}")

    @contextmanager
    def _progress(self, server: Server) -> Iterator[None]:
        task = asyncio.create_task(self._tell(server))
        try:
            yield
        finally:
            task.cancel()

    async def _tell(self, server: Server) -> None:
        steps, then = self.journal.steps, time.monotonic()
        while True:
            await asyncio.sleep(min(PROGRESS, self._seconds / 3))
            now = time.monotonic()
            pace, steps, then = (self.journal.steps - steps) / (now - then), self.journal.steps, now
            with contextlib.suppress(OSError, Violation):
                self._say(
                    f"{pace:.0f} steps/s, {self.journal.connected} logged in, {len(self.journal.changes)} changes,"
                    f" {self.journal.heard} notifications, {server.memory >> 20} MiB, {server.descriptors} descriptors"
                )

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.0f} s  {text}", flush=True)

    def _chances(self, name: str, number: int) -> list[random.Random]:
        return [random.Random(f"{self._seed} {name} {index}") for index in range(number)]  # noqa: S311 - to be repeated


async def _all(tasks: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all at once; the first that fails ends the others. Raises Violation, whatever it was."""
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(task)
    except ExceptionGroup as failures:
        first = failures.exceptions[0]
        if isinstance(first, Violation):
            raise first from None
        raise Violation("".join(traceback.format_exception(first))) from None


async def _check_store(data_dir: Path) -> None:
    """Have the server's own check look at everything. Raises Violation."""
    check = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nymead_users", "check", "--data-dir", str(data_dir)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await check.communicate()
    if check.returncode:
        raise Violation(f"nymead-users check: {output.decode()}")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default: 5)")
    parser.add_argument("--clients", type=int, default=400, help="about how many connections (default: 400)")
    parser.add_argument("--seed", type=int, help="repeat the choices of an earlier run (default: a new one)")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    if not Path("/proc/self/fd").is_dir():
        parser.error("memory and file descriptors are read from /proc, which this system has not")
    again = f"--minutes {options.minutes:g} --clients {options.clients} --seed {seed}"
    print(f"scripts/soak.py {again}", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    soak = Soak(seconds=options.minutes * 60, clients=options.clients, seed=seed)
    try:
        uvloop.run(soak.run(folder))
    except Violation as violation:
        notes = "".join(f"\n  {note}" for note in getattr(violation, "__notes__", ()))
        print(f"\nVIOLATION: {violation}{notes}\n\nThe log and the data are in {folder}.")
        print(f"Again: python scripts/soak.py {again}")
        return 1
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        return 130
    shutil.rmtree(folder)
    journal = soak.journal
    print(
        f"Nothing wrong: {journal.steps} steps, {len(journal.changes)} changes, {journal.heard} notifications,"
        f" {len(journal.tokens)} tokens."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
