"""Figures for Prometheus, and whether callguard is well."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from callguard import __version__
from callguard.controller.desk import Desk, Lamp
from callguard.controller.figures import Watched

#: Seconds: what an agent does not notice, what a confirmation may take, what is a fault.
_BUCKETS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0)


class Meters:
    """What is counted here, beside what the controller says of itself."""

    def __init__(self, desk: Desk, watched: Watched) -> None:
        self._watched = watched
        self._registry = CollectorRegistry()
        self._registry.register(_State(desk, watched))
        self._answers = Histogram(
            "callguard_desk_seconds",
            "How long it took until the recorder had done what was asked.",
            ("verb", "by"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._requests = Counter(
            "callguard_desk_answers",
            "What was asked, and how it was answered.",
            ("verb", "by", "status"),
            registry=self._registry,
        )

    def took(self, verb: str, by: str, status: int, seconds: float) -> None:
        """Something was asked and is answered."""
        self._answers.labels(verb, by).observe(seconds)
        self._requests.labels(verb, by, str(status)).inc()

    def text(self, accept: str) -> tuple[bytes, str]:
        """All figures, in the form that is accepted, and its content type."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self._registry), content_type

    @property
    def well(self) -> bool:
        """Whether calls can be recorded, paused and stopped."""
        figures = self._watched.figures()
        return figures.ari and figures.ami and figures.ledger


class _State(Collector):
    """What the controller says of itself whenever it is asked."""

    def __init__(self, desk: Desk, watched: Watched) -> None:
        self._desk, self._watched = desk, watched

    def collect(self) -> Iterator[Metric]:
        """All of it."""
        figures = self._watched.figures()
        version = GaugeMetricFamily("callguard_version", "The version that runs.", labels=["version"])
        version.add_metric([__version__], 1)
        yield version
        up = GaugeMetricFamily("callguard_up", "Whether a part can be asked.", labels=["part"])
        for part, fine in (("ari", figures.ari), ("ami", figures.ami), ("ledger", figures.ledger)):
            up.add_metric([part], fine)
        yield up
        yield GaugeMetricFamily(
            "callguard_recording_off", "1 while somebody stopped all recording.", figures.recording_off
        )
        lamps = Counts(standing.lamp for standing in self._desk.calls())
        calls = GaugeMetricFamily(
            "callguard_calls", "Live calls by what their recorder does.", labels=["state"]
        )
        for lamp in Lamp:
            calls.add_metric([lamp.value], lamps[lamp])
        yield calls
        yield CounterMetricFamily(
            "callguard_alerts", "How often somebody had to look at something.", figures.alerts
        )
        yield CounterMetricFamily(
            "callguard_pauses_unresumed", "Pauses that nobody ended.", figures.unresumed
        )
        if figures.sealing is None:
            return
        yield GaugeMetricFamily(
            "callguard_sealing_recordings",
            "Recordings that are not complete yet.",
            figures.sealing.recordings,
        )
        yield GaugeMetricFamily(
            "callguard_sealing_behind_seconds",
            "How much later than it should be the recording is that is worst off.",
            figures.sealing.behind,
        )
        yield GaugeMetricFamily(
            "callguard_sealing_spool_bytes", "What recordings take in the spool.", figures.sealing.memory
        )
