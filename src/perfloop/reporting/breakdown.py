"""A route's latency breakdown in the order reports show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from . import figures

if TYPE_CHECKING:
    from perfloop.records import CohortBreakdown, DiagnosisRecord, RouteBreakdown

__all__ = ["PartRow", "parts_of", "routes_in_order", "slowest_name"]


class PartRow(Struct, frozen=True):
    """One part of a route's time, of all requests and of the slowest 1 %. None where it took none."""

    part: str
    name: str
    typical_ms: float | None
    typical_share: float
    slowest_ms: float | None
    slowest_share: float


def routes_in_order(record: DiagnosisRecord) -> list[RouteBreakdown]:
    """Routes with findings first, in the findings' order; then by the time they took together."""
    named = {finding.route: rank for rank, finding in reversed(list(enumerate(record.findings)))}
    return sorted(
        record.routes,
        key=lambda route: (named.get(route.route, len(named)), -route.requests * route.typical.mean_ms),
    )


def parts_of(route: RouteBreakdown, *, least: float = 0.0) -> list[PartRow]:
    """The parts from the largest in the slowest requests to the smallest, unaccounted time last.

    Args:
        route: the breakdown.
        least: parts below this share of the time in both groups are left out.
    """
    rows = [
        PartRow(
            part,
            figures.part_name(part),
            route.typical.parts_ms.get(part) or None,
            _share(route.typical, part),
            route.slowest.parts_ms.get(part) or None,
            _share(route.slowest, part),
        )
        for part in {**route.typical.parts_ms, **route.slowest.parts_ms}
    ]
    worth = [row for row in rows if max(row.typical_share, row.slowest_share) > least]
    return sorted(worth, key=lambda row: (row.part == "unaccounted", -row.slowest_share, -row.typical_share, row.part))


def slowest_name(route: RouteBreakdown) -> str:
    """What the slowest group is: `slowest 1 %`, or `slowest 5` where so few requests ran that it holds more."""
    slowest = route.slowest.requests
    return "slowest 1 %" if slowest <= 0.015 * route.requests else f"slowest {figures.count(slowest)}"


def _share(group: CohortBreakdown, part: str) -> float:
    return group.parts_ms.get(part, 0.0) / group.mean_ms if group.mean_ms > 0 else 0.0
