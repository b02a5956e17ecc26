"""A run second by second, thinned out to what a chart can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfloop.records import SeriesPoint

__all__ = ["OverTime", "over_time"]


class OverTime(Struct, frozen=True):
    """Parallel columns, one entry a step. None: no request finished then, or too little of the step was measured."""

    step_seconds: int
    seconds: list[float]
    """Start of each step, from the start of the run."""
    rate: list[float | None]
    errors: list[float | None]
    """Both a second."""
    p50_ms: list[float | None]
    """Over several seconds: the mean of their p50, weighted by requests."""
    p99_ms: list[float | None]
    """Over several seconds: the worst of their p99."""
    max_ms: list[float | None]


def over_time(series: Sequence[SeriesPoint], elapsed_seconds: float, *, most: int = 240) -> OverTime:
    """The run in at most `most` steps of equal length in whole seconds.

    A last step the run covers less than half of is part of the one before: the few answers that came after the end
    would show a fall that never happened. Where there is none before it has no rate.
    """
    last = max((point.second for point in series), default=-1)
    step = max(1, -(-(last + 1) // most))
    columns = OverTime(step, [], [], [], [], [], [])
    groups: dict[int, list[SeriesPoint]] = {}
    for point in series:
        groups.setdefault(point.second // step, []).append(point)
    steps = -(-(last + 1) // step)
    late = elapsed_seconds - (steps - 1) * step
    if steps < 2 or not 0 < late < step / 2:
        late = 0.0
    else:
        steps -= 1
        groups.setdefault(steps - 1, []).extend(groups.pop(steps, []))
    for index in range(steps):
        points = groups.get(index, [])
        start = index * step
        covered = min(step + (late if index == steps - 1 else 0.0), elapsed_seconds - start)
        columns.seconds.append(float(start))
        enough = covered >= step / 2
        # Work finished shortly after the end of the run (`covered` <= 0) counts in no rate.
        columns.rate.append(sum(point.requests for point in points) / covered if enough else None)
        columns.errors.append(sum(point.errors for point in points) / covered if enough else None)
        halves = [(point.p50_ms, point.requests) for point in points if point.p50_ms is not None and point.requests]
        weight = sum(requests for _, requests in halves)
        columns.p50_ms.append(sum(p50 * requests for p50, requests in halves) / weight if weight else None)
        columns.p99_ms.append(max((point.p99_ms for point in points if point.p99_ms is not None), default=None))
        columns.max_ms.append(max((point.max_ms for point in points if point.max_ms is not None), default=None))
    return columns
