"""Counts and durations in Prometheus's text format. Whoever counts need not know of it.

Everything is a plain number until somebody asks, so counting costs next to nothing. Labels come from
declarations, never from clients: the number of series is bounded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

PREFIX = "nymead_users_"

#: Upper bounds in seconds: most calls take less than a millisecond, a login a tenth of a second or what it waits.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics(Collector):
    """The metrics of one server."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, version: str) -> None:
        self._calls: Counter[tuple[str, str]] = Counter()
        self._durations: dict[str, _Durations] = {}
        self._readings: list[Callable[[], Metric]] = [
            lambda: InfoMetricFamily(f"{PREFIX}build", "The version of the server.", value={"version": version}),
            self._read_calls,
            self._read_durations,
        ]
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def called(self, method: str, outcome: str, seconds: float) -> None:
        """A call has ended. ``method`` and ``outcome`` must be declared ones."""
        self._calls[method, outcome] += 1
        durations = self._durations.get(method)
        if durations is None:
            durations = self._durations[method] = _Durations()
        durations.counts[bisect_left(BUCKETS, seconds)] += 1
        durations.total += seconds

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show what ``read`` returns, in any thread, at the time."""
        self._readings.append(lambda: GaugeMetricFamily(PREFIX + name, text, value=read()))

    def counter(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show what ``read`` returns, in any thread; it never shrinks."""
        self._readings.append(lambda: CounterMetricFamily(PREFIX + name, text, value=read()))

    def counters(self, name: str, text: str, label: str, counts: Mapping[str, int]) -> None:
        """Show the counts, each under its key as the value of ``label``."""

        def reading() -> Metric:
            family = CounterMetricFamily(PREFIX + name, text, labels=(label,))
            for key, value in sorted(dict(counts).items()):
                family.add_metric((key,), value)
            return family

        self._readings.append(reading)

    def collect(self) -> Iterable[Metric]:
        """What is read from others (prometheus_client's Collector)."""
        return [reading() for reading in self._readings]

    def render(self) -> bytes:
        """All metrics as text. May run in any thread, and takes some milliseconds."""
        return generate_latest(self._registry)

    def _read_calls(self) -> Metric:
        family = CounterMetricFamily(f"{PREFIX}calls", "Calls by method and outcome.", labels=("method", "outcome"))
        for labels, value in sorted(dict(self._calls).items()):
            family.add_metric(labels, value)
        return family

    def _read_durations(self) -> Metric:
        family = HistogramMetricFamily(
            f"{PREFIX}call_duration_seconds", "How long calls took, waiting included.", labels=("method",)
        )
        for method, durations in sorted(dict(self._durations).items()):
            family.add_metric((method,), list(durations.buckets()), durations.total)
        return family


class _Durations:
    """How many calls took how long: up to each of BUCKETS, and longer; and all seconds together."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def buckets(self) -> Iterator[tuple[str, int]]:
        """The counts as Prometheus has them: each with all that took less."""
        return zip((*map(str, BUCKETS), "+Inf"), accumulate(self.counts.copy()), strict=True)
