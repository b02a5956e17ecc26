"""The latency breakdown of each route: where the time of typical and of the slowest requests went."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from ..records import CohortBreakdown, Figures, Place, RouteBreakdown, StatementSummary
from .matching import CLIENT_PARTS, MatchedRequest, match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..loadtest import Samples
    from ..monitoring.observations import Frame, Observations

__all__ = ["break_down", "breakdown", "figures_ms"]

SLOWEST_SHARE = 0.01
# One request is an anecdote; the slowest cohort holds at least this many, where there are that many.
SLOWEST_AT_LEAST = 5
STATEMENTS_A_ROUTE = 20


def breakdown(observations: Observations, samples: Samples) -> list[RouteBreakdown]:
    """Per-route breakdown of one run, the route with the most time first.

    Args:
        observations: what the agent saw in the run.
        samples: the generator's samples of the same run.
    """
    return break_down(observations, match(observations, samples).requests)


def break_down(
    observations: Observations,
    requests: Sequence[MatchedRequest],
    place_of: Callable[[Frame], Place] | None = None,
) -> list[RouteBreakdown]:
    """The breakdown of requests that are matched already; `place_of` makes files relative and adds the source line."""
    routes: dict[str, list[MatchedRequest]] = defaultdict(list)
    for request in requests:
        routes[request.route].append(request)
    place_of = place_of or _plain_place
    result = [_route(name, members, observations, place_of) for name, members in routes.items()]
    result.sort(key=lambda each: each.typical.mean_ms * each.requests, reverse=True)
    return result


def _route(
    name: str, requests: list[MatchedRequest], observations: Observations, place_of: Callable[[Frame], Place]
) -> RouteBreakdown:
    by_latency = sorted(requests, key=lambda request: request.latency, reverse=True)
    slowest = by_latency[: max(math.ceil(len(requests) * SLOWEST_SHARE), SLOWEST_AT_LEAST)]
    shares = [
        min(request.parts["unaccounted"] / request.in_service, 1.0) for request in requests if request.in_service > 0
    ]
    return RouteBreakdown(
        route=name,
        requests=len(requests),
        latency_ms=figures_ms(request.latency for request in requests),
        typical=_cohort(requests),
        slowest=_cohort(slowest),
        unaccounted_p95=float(np.percentile(shares, 95)) if shares else 0.0,
        statements=_statements(requests, observations, place_of),
    )


def _cohort(requests: Sequence[MatchedRequest]) -> CohortBreakdown:
    count = len(requests)
    parts = {part: sum(request.parts.get(part, 0.0) for request in requests) * 1e3 / count for part in CLIENT_PARTS}
    return CohortBreakdown(
        requests=count,
        mean_ms=sum(request.latency for request in requests) * 1e3 / count,
        parts_ms={part: milliseconds for part, milliseconds in parts.items() if milliseconds > 0},
    )


def _statements(
    requests: Sequence[MatchedRequest], observations: Observations, place_of: Callable[[Frame], Place]
) -> list[StatementSummary]:
    # One site may have several callers further out; the line that issues the statement makes the group.
    groups: dict[tuple[int, Frame | None], list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for request in requests:
        for call in request.trace.statements:
            frames = observations.sites[call.site]
            totals = groups[call.statement, frames[0] if frames else None]
            totals[0] += 1
            totals[1] += call.duration
            totals[2] += call.rows
    ranked = sorted(groups.items(), key=lambda group: group[1][1], reverse=True)[:STATEMENTS_A_ROUTE]
    return [
        StatementSummary(
            sql=observations.statements[statement],
            calls=int(calls),
            per_request=calls / len(requests),
            mean_ms=seconds * 1e3 / calls,
            total_ms=seconds * 1e3,
            rows_per_call=rows / calls,
            place=place_of(frame) if frame is not None else None,
        )
        for (statement, frame), (calls, seconds, rows) in ranked
    ]


def _plain_place(frame: Frame) -> Place:
    return Place(file=frame.file, line=frame.line, function=frame.function)


def figures_ms(seconds: Iterable[float]) -> Figures:
    """The figures of a distribution, in milliseconds; all zero without samples."""
    values = np.fromiter(seconds, dtype=np.float64) * 1e3
    if not values.size:
        return Figures()
    p50, p95, p99, p999 = (float(value) for value in np.percentile(values, (50, 95, 99, 99.9)))
    return Figures(mean=float(values.mean()), p50=p50, p95=p95, p99=p99, p999=p999, max=float(values.max()))
