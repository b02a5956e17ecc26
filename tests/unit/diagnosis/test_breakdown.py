from __future__ import annotations

import pytest

from perfloop.diagnosis.breakdown import breakdown, figures_ms
from perfloop.records import Figures

from .synthetic import MS, Call, Run, Sent, frame


def test_routes_are_apart_and_the_one_with_most_time_is_first() -> None:
    run = Run([Sent(route="/a"), Sent(route="/b", parts={"cpu": 90 * MS}), Sent(route="/a")])
    first, second = breakdown(run.observations(), run.samples())
    assert (first.route, first.requests) == ("GET /b", 1)
    assert (second.route, second.requests) == ("GET /a", 2)


def test_cohorts_sum_to_their_mean_and_the_slowest_are_the_slowest() -> None:
    run = Run([Sent(parts={"cpu": 1 * MS}) for _ in range(990)] + [Sent(parts={"database": 50 * MS})] * 10)
    (route,) = breakdown(run.observations(), run.samples())
    for cohort in (route.typical, route.slowest):
        assert sum(cohort.parts_ms.values()) == pytest.approx(cohort.mean_ms)
    assert route.slowest.requests == 10
    assert route.slowest.parts_ms["database"] == pytest.approx(50)
    assert route.typical.parts_ms["database"] == pytest.approx(0.5)
    assert route.latency_ms.p50 == pytest.approx(1.2)


def test_few_requests_still_make_a_slowest_cohort() -> None:
    run = Run([Sent()] * 20)
    (route,) = breakdown(run.observations(), run.samples())
    assert route.slowest.requests == 5
    (tiny,) = breakdown(Run([Sent()] * 2).observations(), Run([Sent()] * 2).samples())
    assert tiny.slowest.requests == 2


def test_statements_are_counted_by_fingerprint_and_line() -> None:
    calls = [Call(0, 0, 3 * MS, rows=50)] + [Call(1, site, 1 * MS, rows=4) for site in (1, 1, 2, 1)]
    run = Run(
        [Sent(calls=calls)] * 10,
        statements=["SELECT * FROM orders", "SELECT * FROM item WHERE order_id = ?"],
        # Two callers of one line make one group.
        sites=[[frame(5)], [frame(9), frame(20)], [frame(9), frame(30)]],
    )
    (route,) = breakdown(run.observations(), run.samples())
    items, orders = route.statements
    assert (items.calls, items.per_request, items.rows_per_call) == (40, 4, 4)
    assert items.mean_ms == pytest.approx(1)
    assert items.place is not None
    assert items.place.line == 9
    assert orders.total_ms == pytest.approx(30)


def test_unaccounted_is_a_share_of_the_time_in_the_service() -> None:
    parts = [{"cpu": 9 * MS, "unaccounted": 1 * MS}] * 90 + [{"cpu": 5 * MS, "unaccounted": 5 * MS}] * 10
    run = Run([Sent(parts=each) for each in parts])
    (route,) = breakdown(run.observations(), run.samples())
    assert route.unaccounted_p95 == pytest.approx(0.5)


def test_nothing_measured_gives_nothing() -> None:
    assert breakdown(Run([]).observations(), Run([]).samples()) == []
    assert figures_ms([]) == Figures()
