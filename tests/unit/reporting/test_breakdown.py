"""The order of routes and parts."""

from __future__ import annotations

import msgspec
import pytest

from perfloop.records import CohortBreakdown
from perfloop.reporting.breakdown import parts_of, routes_in_order, slowest_name

from .sample_diagnoses import diagnosis, healthy_diagnosis


def test_routes_with_findings_come_first() -> None:
    record = diagnosis()
    assert [route.route for route in record.routes] == ["GET /rates", "GET /orders"]
    assert [route.route for route in routes_in_order(record)] == ["GET /orders", "GET /rates"]


def test_routes_without_findings_come_by_the_time_they_took() -> None:
    route = healthy_diagnosis().routes[0]
    small = msgspec.structs.replace(route, route="GET /small", requests=1)
    record = msgspec.structs.replace(healthy_diagnosis(), routes=[small, route])
    assert [entry.route for entry in routes_in_order(record)] == ["GET /", "GET /small"]


def test_parts_come_by_their_weight_in_the_slowest_requests_and_unaccounted_last() -> None:
    route = msgspec.structs.replace(
        diagnosis().routes[1],
        typical=CohortBreakdown(requests=10, mean_ms=10.0, parts_ms={"cpu": 6.0, "gc": 4.0}),
        slowest=CohortBreakdown(
            requests=1, mean_ms=100.0, parts_ms={"unaccounted": 70.0, "cpu": 10.0, "database": 20.0}
        ),
    )
    rows = parts_of(route)
    assert [row.part for row in rows] == ["database", "cpu", "gc", "unaccounted"]
    assert [row.typical_share for row in rows] == pytest.approx([0.0, 0.6, 0.4, 0.0])
    assert rows[0].typical_ms is None
    assert rows[2].slowest_ms is None
    assert [row.part for row in parts_of(route, least=0.3)] == ["cpu", "gc", "unaccounted"]


@pytest.mark.parametrize(
    ("requests", "slowest", "name"),
    [(570, 6, "slowest 1 %"), (73, 5, "slowest 5"), (1, 1, "slowest 1"), (0, 0, "slowest 1 %")],
)
def test_the_slowest_group_is_called_what_it_is(requests: int, slowest: int, name: str) -> None:
    route = diagnosis().routes[0]
    group = msgspec.structs.replace(route.slowest, requests=slowest)
    assert slowest_name(msgspec.structs.replace(route, requests=requests, slowest=group)) == name


def test_a_route_without_time_has_no_parts() -> None:
    nothing = CohortBreakdown(requests=0, mean_ms=0.0, parts_ms={"cpu": 0.0})
    assert parts_of(msgspec.structs.replace(diagnosis().routes[0], typical=nothing, slowest=nothing)) == []
