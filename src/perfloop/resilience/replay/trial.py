"""One setting tried on recorded calls: the part itself, on a clock that the record moves."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from ...exceptions import CallRejected
from ...telemetry import Registry
from ..circuit_breaker import CircuitState
from ..outcome import FAILURE, SUCCESS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...clock import Clock
    from ..circuit_breaker import CircuitBreaker
    from .outages import Outage
    from .outcomes import Outcomes

__all__ = ["Trial", "try_setting"]

_LEAST = 1e-6
"""Seconds that a call takes at least, so that it ends after it began."""


@dataclass
class Trial:
    """What one setting did to the calls of all processes."""

    rejected: int = 0
    false_rejected: int = 0
    let_through: int = 0
    opens: list[float] = field(default_factory=list)
    """When, seconds since 1970."""
    false_opens: int = 0
    outages: int = 0
    noticed: set[int] = field(default_factory=set)
    """Which outages had a failed call; of these it `opened_in` some."""
    opened_in: set[int] = field(default_factory=set)
    to_open: list[float] = field(default_factory=list)
    to_close: list[float] = field(default_factory=list)
    never_closed: int = 0
    open_times: list[tuple[float, float]] = field(default_factory=list)
    """From and until when a breaker was not closed."""

    @property
    def outages_missed(self) -> int:
        return self.outages - len(self.to_open)

    @property
    def outages_unseen(self) -> int:
        return len(self.noticed - self.opened_in)

    @property
    def open_seconds(self) -> float:
        return sum(end - start for start, end in self.open_times)

    def median_to_open(self) -> float | None:
        return median(self.to_open) if self.to_open else None

    def median_to_close(self) -> float | None:
        return median(self.to_close) if self.to_close else None


class _Clock:
    """Shows the moment of the record."""

    __slots__ = ("at",)

    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


def try_setting(
    outcomes: Outcomes,
    outages: Sequence[Outage],
    make: Callable[[Clock, Registry], CircuitBreaker],
    *,
    slow_seconds: float | None = None,
    shared: bool = False,
) -> Trial:
    """Lead all recorded calls past the part as they began and ended.

    Args:
        outcomes: the calls. Those that were rejected while they were recorded are left out.
        outages: what the part should open for, in order.
        make: makes the part; called once a process.
        slow_seconds: a success that took longer is none, where calls are counted.
        shared: one part for all processes, as with shared state; else each process has its own.
    """
    trial = Trial()
    groups = [outcomes] if shared else [outcomes.of_process(process) for process in range(len(outcomes.processes))]
    for group in groups:
        if len(group):
            _try_process(group, outages, make, slow_seconds, trial)
    return trial


def _try_process(
    calls: Outcomes,
    outages: Sequence[Outage],
    make: Callable[[Clock, Registry], CircuitBreaker],
    slow_seconds: float | None,
    trial: Trial,
) -> None:
    known = calls.outcome <= 2
    started, took = calls.started[known], np.maximum(calls.took[known], _LEAST)
    outcome = calls.outcome[known]
    first, last = float(started[0]) if len(started) else 0.0, float((started + took).max(initial=0.0))
    clock = _Clock(first)
    breaker = make(clock, Registry())
    rejected, states = _lead(breaker, clock, started, took, outcome)
    failed = calls.failed(slow_seconds)[known]
    judged = outcome <= FAILURE
    trial.rejected += int(np.count_nonzero(rejected))
    trial.false_rejected += int(np.count_nonzero(rejected & (outcome == SUCCESS) & ~failed))
    opens = [at for at, state in states if state is CircuitState.OPEN]
    trial.opens += opens
    trial.false_opens += sum(not any(each.started <= at <= each.ended for each in outages) for at in opens)
    open_times = _open_times(states, last)
    trial.open_times += open_times
    ended = started + took
    for position, outage in enumerate(outages):
        inside = judged & failed & (ended >= outage.started) & (ended <= outage.ended)
        if not inside.any():
            continue
        trial.outages += 1
        trial.noticed.add(position)
        trial.let_through += int(np.count_nonzero(inside & ~rejected))
        until = outages[position + 1].started if position + 1 < len(outages) else last
        if _time_outage(outage, open_times, until, trial):
            trial.opened_in.add(position)


def _lead(
    breaker: CircuitBreaker, clock: _Clock, started: Any, took: Any, outcome: Any
) -> tuple[Any, list[tuple[float, CircuitState]]]:
    """Which calls it rejects, and when it comes to which state."""
    count = len(started)
    times = np.concatenate([started, started + took])
    # What ends at the moment at which something begins has ended before.
    order = np.lexsort((np.arange(2 * count) < count, times)).tolist()
    moments, seconds, outcomes = times.tolist(), took.tolist(), outcome.tolist()
    tokens = [0] * count
    rejected = np.zeros(count, np.bool_)
    states: list[tuple[float, CircuitState]] = []
    state = breaker.state
    try_acquire, release = breaker.try_acquire, breaker.release
    for event in order:
        clock.at = moments[event]
        if event < count:
            try:
                tokens[event] = try_acquire()
            except CallRejected:
                rejected[event] = True
        elif not rejected[event - count]:
            call = event - count
            release(tokens[call], outcomes[call], seconds[call])
        if breaker.state is not state:
            state = breaker.state
            states.append((clock.at, state))
    return rejected, states


def _open_times(states: Sequence[tuple[float, CircuitState]], last: float) -> list[tuple[float, float]]:
    """From and until when it was not closed."""
    times: list[tuple[float, float]] = []
    since: float | None = None
    for at, state in states:
        if state is CircuitState.CLOSED:
            if since is not None:
                times.append((since, at))
            since = None
        elif since is None:
            since = at
    if since is not None:
        times.append((since, max(last, since)))
    return times


def _time_outage(outage: Outage, open_times: Sequence[tuple[float, float]], until: float, trial: Trial) -> bool:
    """How long from the outage's start until it opened, and from its end until it closed; False: it did not open."""
    starts, ends = [start for start, _ in open_times], [end for _, end in open_times]
    at = bisect_right(ends, outage.started)  # the first that ends after the outage began
    if at == len(starts) or starts[at] > outage.ended:
        return False
    trial.to_open.append(max(starts[at] - outage.started, 0.0))
    over = bisect_left(starts, outage.ended, lo=at) - 1  # the last that began before it ended
    over = max(over, at)
    if ends[over] <= outage.ended:
        return True
    if ends[over] < until:
        trial.to_close.append(ends[over] - outage.ended)
    else:
        trial.never_closed += 1
    return True
