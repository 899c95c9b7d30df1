"""How a case is declared and measured, and what comes of it."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmark.servers import Processes, fill, fill_doors

#: Takes one measurement.
Sample = Callable[[], Awaitable[float]]

#: Who is measured, by name: the server first, then the baseline that the goal speaks of, then others beside them.
Contenders = dict[str, Sample]


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached: by the ratio to the baseline, or by the value itself (its median, or its worst)."""

    of: Literal["ratio", "value", "worst"]
    at_least: float | None = None
    at_most: float | None = None

    def met_by(self, number: float) -> bool:
        """Whether a number reaches it."""
        return (self.at_least is None or number >= self.at_least) and (self.at_most is None or number <= self.at_most)


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured.

    ``title`` says it in words, ``unit`` is that of the samples, ``prepare`` sets everything up and says how to take
    a sample of each contender.
    """

    name: str
    title: str
    unit: str
    goal: Goal
    prepare: Callable[[Bench], Awaitable[Contenders]]


@dataclass(slots=True)
class Bench:
    """What a case works with: processes that end with it, stores kept for all cases, and how much to do."""

    folder: Path
    seconds: float
    repetitions: int
    quick: bool
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _stores: set[Path] = field(default_factory=set)

    @property
    def processes(self) -> Processes:
        """Starts processes."""
        return Processes(self.stack)

    def many(self, count: int) -> int:
        """So many users, tokens or connections; a tenth of them where it has to be quick."""
        return max(1, count // 10) if self.quick else count

    async def store(self, users: int, tokens: int = 1) -> Path:
        """A data directory whose store has so many users and tokens."""
        directory = self.folder / f"{users}-users-{tokens}-tokens"
        if directory not in self._stores:
            await fill(directory, user_count=users, token_count=tokens)
            self._stores.add(directory)
        return directory

    async def doors(self) -> Path:
        """A data directory whose store has 1,000 locks, 10,000 persons and 100,000 grants."""
        directory = self.folder / "doors"
        if directory not in self._stores:
            sizes = {"locks": 1000, "persons": self.many(10_000), "grant_count": self.many(100_000)}
            await fill_doors(directory, **sizes)
            self._stores.add(directory)
        return directory

    async def measure(self, case: Case, tell: Callable[[str], None]) -> dict[str, Any]:
        """Measure a case; the row of the results.

        After one round to warm up, each repetition measures all contenders one after the other: machines drift, and
        what is measured within the same seconds can be compared.
        """
        async with self.stack:
            tell("setting up")
            contenders = await case.prepare(self)
            samples: dict[str, list[float]] = {name: [] for name in contenders}
            for repetition in range(self.repetitions + 1):
                tell(f"repetition {repetition} of {self.repetitions}" if repetition else "warming up")
                for name, sample in contenders.items():
                    value = await sample()
                    if repetition:
                        samples[name].append(value)
        self.stack = AsyncExitStack()
        return _row(case, samples)


def _row(case: Case, samples: dict[str, list[float]]) -> dict[str, Any]:
    ours, baseline = list(samples.values())[:2]
    ratio = [mine / theirs for mine, theirs in zip(ours, baseline, strict=True)]
    goal = case.goal
    reached = {
        "ratio": statistics.median(ratio),
        "value": statistics.median(ours),
        "worst": max(ours) if goal.at_most is not None else min(ours),
    }[goal.of]
    return {
        "name": case.name,
        "title": case.title,
        "unit": case.unit,
        "contenders": [{"name": name, **_summary(values)} for name, values in samples.items()],
        "ratio": _summary(ratio),
        "goal": {"of": goal.of, "at_least": goal.at_least, "at_most": goal.at_most},
        "reached": _rounded(reached),
        "met": goal.met_by(reached),
    }


def _summary(samples: list[float]) -> dict[str, Any]:
    return {
        "median": _rounded(statistics.median(samples)),
        "low": _rounded(min(samples)),
        "high": _rounded(max(samples)),
        "samples": [_rounded(sample) for sample in samples],
    }


def _rounded(value: float) -> float:
    """Four digits: more would be noise."""
    return float(f"{value:.4g}")
