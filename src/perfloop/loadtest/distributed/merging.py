"""What several workers recorded as if one had: histograms are added, percentiles never averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from ...stats import Histogram
from ..connector import Openings
from ..failures import FailureTally
from ..outcome import Progress
from ..recording import Recorder
from ..scenario.groups import Groups

if TYPE_CHECKING:
    from ..checkpoints import Checkpoints
    from .messages import Report, SecondIncrement

__all__ = ["Merged"]


class _Second:
    def __init__(self) -> None:
        self.requests = self.errors = self.bytes_received = 0
        self.in_flight: dict[int, int] = {}
        self.latency = Histogram()


class _MergedRecorder(Recorder):
    """A recorder of what others recorded; a second is closed once no worker can add to it any more."""

    def __init__(self) -> None:
        super().__init__([], None)
        self._open: dict[int, _Second] = {}

    def add_second(self, worker: int, increment: SecondIncrement) -> None:
        """Take what finished at one worker in one second."""
        second = self._open.setdefault(max(increment.second, self._second), _Second())
        second.requests += increment.requests
        second.errors += increment.errors
        second.bytes_received += increment.bytes_received
        second.in_flight[worker] = increment.in_flight
        if increment.latency is not None:
            second.latency.add(increment.latency)

    def latencies(self) -> tuple[Histogram, ...]:
        return self.latency, *(second.latency for second in self._open.values())

    def close_until(self, second: int) -> None:
        """Close the seconds before that one."""
        while self._second <= second:
            # The second under way is taken in as far as it is known: `current` shows it.
            known = self._open.get(self._second) or _Second()
            self._second_requests, self._second_errors = known.requests, known.errors
            self._second_bytes = known.bytes_received
            self._second_latency.reset()
            self._second_latency.merge(known.latency)
            self._in_flight = sum(known.in_flight.values())
            if self._second == second:
                return
            self._open.pop(self._second, None)
            self._roll(self._second + 1)

    def finish(self) -> None:
        """Close all seconds in which something finished."""
        last = max((second for second, known in self._open.items() if known.requests), default=-1)
        if last >= self._second:
            self.close_until(last + 1)


class _Standing(Struct):
    """How one worker stood at its last report."""

    report: Report | None = None
    second: int = 0
    """The second it was in."""
    requests: int = 0
    errors: int = 0
    over: bool = False


class Merged:
    """Takes the reports of the workers of one run, by their index."""

    def __init__(self, workers: int, duration: float | None, checkpoints: Checkpoints | None = None) -> None:
        self._duration = duration
        self._standings = [_Standing() for _ in range(workers)]
        self.recorder = _MergedRecorder()
        self.openings = Openings()
        self.groups = Groups()
        self.recorder.checkpoints, self.recorder.further = checkpoints, (self.groups,)
        self.events = FailureTally()
        self.send_lag = [Histogram() for _ in range(workers)]
        """Of each worker."""

    def add(self, worker: int, report: Report) -> None:
        """Take a report.

        Raises:
            InvalidValue: its increments are none.
        """
        recorder, standing = self.recorder, self._standings[worker]
        recorder.requests += report.requests
        recorder.errors += report.errors
        recorder.bytes_received += report.bytes_received
        standing.requests += report.requests
        standing.errors += report.errors
        for status, count in report.statuses.items():
            recorder.statuses[status] = recorder.statuses.get(status, 0) + count
        for tally, kinds in ((recorder.failures, report.failures), (self.events, report.events)):
            for kind in kinds:
                tally.add(kind.kind, kind.example, kind.count)
        for name, increment in report.histograms.items():
            getattr(self.openings if name in vars(self.openings) else recorder, name).add(increment)
        if "send_lag" in report.histograms:
            self.send_lag[worker].add(report.histograms["send_lag"])
        for endpoint in report.endpoints:
            recorder.endpoints.absorb(endpoint)
        for group in report.groups:
            self.groups.absorb(group)
        for second in report.seconds:
            recorder.add_second(worker, second)
            standing.second = max(standing.second, second.second)
        standing.report = report
        self._close_seconds()
        known = min(each.report.elapsed if each.report else 0.0 for each in self._standings if not each.over)
        if recorder.checkpoints is not None and known >= recorder.checkpoints.next:
            recorder.checkpoints.reached(recorder, known)

    def leave(self, worker: int) -> None:
        """The worker sends no report any more."""
        self._standings[worker].over = True
        self._close_seconds()

    def _close_seconds(self) -> None:
        under_way = [standing.second for standing in self._standings if not standing.over]
        if under_way:
            self.recorder.close_until(min(under_way))

    def counted(self, worker: int) -> tuple[int, int]:
        """The requests and errors of one worker."""
        standing = self._standings[worker]
        return standing.requests, standing.errors

    @property
    def elapsed(self) -> float:
        """Seconds of the run that were reported."""
        return max(map(self.elapsed_at, range(len(self._standings))))

    def elapsed_at(self, worker: int) -> float:
        """Seconds of the run that one worker reported."""
        report = self._standings[worker].report
        return 0.0 if report is None else report.elapsed

    def progress(self) -> Progress | None:
        """How the whole run is going; None before the first report."""
        reports = [each.report for each in self._standings if each.report is not None and not each.over]
        if not reports:
            return None
        targets = [report.target_rate for report in reports if report.target_rate is not None]
        planned = [report.planned_rate for report in reports if report.planned_rate is not None]
        return Progress.of(
            self.recorder,
            elapsed=max(report.elapsed for report in reports),
            duration=self._duration,
            in_flight=sum(report.in_flight for report in reports),
            backlog=sum(report.backlog for report in reports),
            rate=sum(report.rate for report in reports),
            target_rate=sum(targets) if targets else None,
            connections=sum(report.connections for report in reports),
            planned=(reports[0].phase, sum(planned)) if planned else None,
        )
