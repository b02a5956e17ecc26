"""Statements that one request issues again and again from the same line."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..database.nplusone import Call, find_repetitions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    """Every N+1 with at least LEAST_REPEATS statements in the median request of a route."""
    found = []
    for route, rows in evidence.routes.items():
        # (statement, innermost line) → request → its repetitions, as indices into its calls in order.
        groups: dict[tuple[int, Frame | None], dict[int, list[int]]] = defaultdict(dict)
        for row in rows:
            calls = _in_order(evidence, row)
            for repetition in find_repetitions([_call(evidence, call) for call in calls]):
                first = calls[repetition.calls[0]]
                frames = evidence.observations.sites[repetition.sites[0]]
                group = groups[first.statement, frames[0] if frames else None]
                group.setdefault(row, []).extend(repetition.calls)
        for (statement, _), repeated in groups.items():
            per_request = float(np.median([len(repeated.get(row, ())) for row in rows]))
            if per_request >= LEAST_REPEATS:
                found.append(_describe(evidence, route, statement, repeated, per_request))
    return found


def _in_order(evidence: Evidence, row: int) -> list[StatementCall]:
    return sorted(evidence.model.requests[row].trace.statements, key=lambda call: call.started)


def _call(evidence: Evidence, call: StatementCall) -> Call:
    return Call(evidence.observations.statements[call.statement], call.site, call.rows, call.key, call.values)


def _describe(
    evidence: Evidence, route: str, statement: int, repeated: Mapping[int, Sequence[int]], per_request: float
) -> Repeat:
    count, database, around = evidence.none(), evidence.none(), evidence.none()
    sites: Counter[int] = Counter()
    durations: list[float] = []
    gaps: list[float] = []
    fetched: list[int] = []
    owners: list[int] = []
    for row, indices in repeated.items():
        calls = _in_order(evidence, row)
        for index in indices:
            call = calls[index]
            sites[call.site] += 1
            count[row] += 1
            database[row] += call.duration
            if index + 1 < len(calls):
                durations.append(call.duration)
                gaps.append(max(calls[index + 1].started - call.started - call.duration, 0.0))
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
