"""Statements that one request issues again and again from the same line."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .sql import is_deliberate_batch, is_read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..monitoring.observations import Frame, StatementCall
    from .evidence import Evidence
    from .simulation import Seconds

__all__ = ["LEAST_REPEATS", "Repeat", "repeats"]

LEAST_REPEATS = 5
"""Statements a request, median; Sentry's figure. Fewer are rarely worth a batch."""
_ROW_SECONDS = 15e-6  # an ORM makes an object of a row in 10 to 20 µs; used where rows a call never vary
# A pause far longer than usual is something else (a garbage collection, another thread's turn).
_LONGEST_GAP = 5.0


@dataclass(frozen=True)
class Repeat:
    """One repeated statement on one route. Arrays have one entry a request of the evidence's model."""

    route: str
    statement: int
    frames: tuple[Frame, ...]
    """Of the site that issues it most, innermost first; empty when no user code was on the stack."""
    per_request: float
    rows_per_call: float
    calls: Seconds
    database_seconds: Seconds
    around_seconds: Seconds
    """Between each call's end and the next statement: building objects, preparing the next statement."""
    fixed_share: float
    """Part of the time that belongs to the call and not to its rows: what a batch pays only once."""


def repeats(evidence: Evidence) -> list[Repeat]:
    """Every statement repeated at least LEAST_REPEATS times in the median request of a route."""
    found = []
    for route, rows in evidence.routes.items():
        groups: dict[tuple[int, Frame | None], Counter[int]] = defaultdict(Counter)
        for row in rows:
            for call in evidence.model.requests[row].trace.statements:
                groups[call.statement, _innermost(evidence, call)][row] += 1
        for (statement, frame), counts in groups.items():
            per_request = float(np.median([counts.get(row, 0) for row in rows]))
            if per_request >= LEAST_REPEATS and is_read(evidence.observations.statements[statement]):
                repeat = _describe(evidence, route, rows, statement, frame, per_request)
                if not is_deliberate_batch(evidence.observations.statements[statement], repeat.rows_per_call):
                    found.append(repeat)
    return found


def _innermost(evidence: Evidence, call: StatementCall) -> Frame | None:
    frames = evidence.observations.sites[call.site]
    return frames[0] if frames else None


def _describe(
    evidence: Evidence, route: str, rows: Sequence[int], statement: int, frame: Frame | None, per_request: float
) -> Repeat:
    count, database, around = evidence.none(), evidence.none(), evidence.none()
    sites: Counter[int] = Counter()
    durations: list[float] = []
    gaps: list[float] = []
    fetched: list[int] = []
    owners: list[int] = []
    for row in rows:
        calls = sorted(evidence.model.requests[row].trace.statements, key=lambda call: call.started)
        for call, following in zip(calls, [*calls[1:], None], strict=True):
            if call.statement != statement or _innermost(evidence, call) != frame:
                continue
            sites[call.site] += 1
            count[row] += 1
            database[row] += call.duration
            if following is not None:
                durations.append(call.duration)
                gaps.append(max(following.started - call.started - call.duration, 0.0))
                fetched.append(call.rows)
                owners.append(row)
    if gaps:
        limit = _LONGEST_GAP * float(np.median(gaps))
        for row, gap in zip(owners, gaps, strict=True):
            around[row] += min(gap, limit)
    total = np.array(durations) + np.minimum(gaps, limit) if gaps else np.zeros(1)
    return Repeat(
        route=route,
        statement=statement,
        frames=tuple(evidence.observations.sites[sites.most_common(1)[0][0]]),
        per_request=per_request,
        rows_per_call=float(np.mean(fetched)) if fetched else 0.0,
        calls=count,
        database_seconds=database,
        around_seconds=around,
        fixed_share=_fixed_share(total, np.array(fetched, dtype=np.float64) if fetched else np.zeros(1)),
    )


def _fixed_share(seconds: Seconds, rows: Seconds) -> float:
    """Part of the calls' mean time that does not grow with their rows, by least squares over medians."""
    mean = float(np.median(seconds))
    if mean <= 0:
        return 1.0
    values = np.unique(rows)
    if values.size >= 2:
        medians = np.array([np.median(seconds[rows == value]) for value in values])
        weights = np.sqrt([float((rows == value).sum()) for value in values])
        slope = float(np.polyfit(values, medians, 1, w=weights)[0])
    else:
        slope = _ROW_SECONDS
    per_row = min(max(slope, 0.0) * float(rows.mean()), 0.9 * mean)
    return 1.0 - per_row / mean
