"""What a worker's recorder learned since the last report: each report is an increment, so that none holds everything.

A worker that is lost has told all but its last quarter of a second, and the coordinator needs constant memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...stats import Histogram
from ..connector import PHASES
from ..recording import DISTRIBUTIONS
from .messages import Report, SecondIncrement

if TYPE_CHECKING:
    from ..lifecycle import Lifecycle
    from ..outcome import Progress

__all__ = ["Follower"]


class Follower:
    """Follows the recorder of an engine that is about to begin."""

    def __init__(self, engine: Lifecycle) -> None:
        self._engine = engine
        self.recorder = engine.recorder
        self.recorder.on_second_end = self._take_second
        self._histograms = {name: getattr(self.recorder, name) for name in DISTRIBUTIONS}
        self._histograms |= {name: getattr(engine.openings, name) for name in PHASES}
        self._seen = {name: Histogram() for name in self._histograms}
        self._requests = self._errors = self._bytes = 0
        self._statuses: dict[int, int] = {}
        self._failures: dict[str, int] = {}
        self._events: dict[str, int] = {}
        self._endpoints: dict[int, tuple[int, int, Histogram]] = {}
        self._groups: dict[str, tuple[int, Histogram]] = {}
        self._seconds: list[SecondIncrement] = []
        self._second = 0
        self._second_seen = (0, 0, 0)
        self._latency_seen = Histogram()

    def report(self, progress: Progress) -> Report:
        """Everything since the report before."""
        recorder, engine = self.recorder, self._engine
        recorder.settle()
        self._take_second()
        seconds, self._seconds = self._seconds, []
        requests, errors, received = recorder.requests, recorder.errors, recorder.bytes_received
        statuses = {
            status: count - self._statuses.get(status, 0)
            for status, count in recorder.statuses.items()
            if count != self._statuses.get(status, 0)
        }
        increments = {name: histogram.since(self._seen[name]) for name, histogram in self._histograms.items()}
        report = Report(
            elapsed=progress.elapsed,
            in_flight=progress.in_flight,
            backlog=progress.backlog,
            rate=progress.rate,
            target_rate=progress.target_rate,
            connections=progress.connections,
            phase=progress.phase,
            planned_rate=progress.planned_rate,
            requests=requests - self._requests,
            errors=errors - self._errors,
            bytes_received=received - self._bytes,
            statuses=statuses,
            failures=recorder.failures.since(self._failures),
            events=engine.events.since(self._events),
            seconds=seconds,
            histograms={name: increment for name, increment in increments.items() if increment is not None},
            endpoints=recorder.endpoints.since(self._endpoints),
            groups=engine.groups.since(self._groups),
        )
        self._requests, self._errors, self._bytes = requests, errors, received
        self._statuses.update(recorder.statuses)
        return report

    def _take_second(self) -> None:
        """What the second under way got since the last look; called also before it ends."""
        point, latency = self.recorder.under_way()
        if point.second != self._second:
            self._second = point.second
            self._second_seen = (0, 0, 0)
            self._latency_seen.reset()
        now = point.requests, point.errors, point.bytes_received
        before, self._second_seen = self._second_seen, now
        self._seconds.append(
            SecondIncrement(
                second=point.second,
                requests=now[0] - before[0],
                errors=now[1] - before[1],
                bytes_received=now[2] - before[2],
                in_flight=point.in_flight,
                latency=latency.since(self._latency_seen),
            )
        )
