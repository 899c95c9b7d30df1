"""Counts and durations in Prometheus's text format. Whoever counts need not know of it.

What others count anyway is read when somebody asks, so it costs nothing in between; only calls are told as they
happen. Labels come from declarations, never from clients: the number of series is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

PREFIX = "nymead_users_"

#: Upper bounds in seconds: most calls take less than a millisecond, a login a tenth of a second or what it waits.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics(Collector):
    """The metrics of one server."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, version: str) -> None:
        # A second series for each counter, which nobody asks for. Its author left out the annotation.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._readings: list[Callable[[], Metric]] = []
        Info(f"{PREFIX}build", "The version of the server.", registry=self._registry).info({"version": version})
        self._calls = Counter(
            f"{PREFIX}calls", "Calls by method and outcome.", ("method", "outcome"), registry=self._registry
        )
        self._durations = Histogram(
            f"{PREFIX}call_duration_seconds",
            "How long calls took, waiting included.",
            ("method",),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._by_outcome: dict[tuple[str, str], Counter] = {}
        self._by_method: dict[str, Histogram] = {}
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def called(self, method: str, outcome: str, seconds: float) -> None:
        """A call has ended. ``method`` and ``outcome`` must be declared ones."""
        counter = self._by_outcome.get((method, outcome))
        if counter is None:
            counter = self._by_outcome[method, outcome] = self._calls.labels(method, outcome)
        counter.inc()
        histogram = self._by_method.get(method)
        if histogram is None:
            histogram = self._by_method[method] = self._durations.labels(method)
        histogram.observe(seconds)

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
