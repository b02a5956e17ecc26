from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from perfloop.monitoring import Frame, Observations, RequestTrace, StatementCall
from perfloop.monitoring.live.slowest import SlowestRequests, SlowRequest, slow_request

TRACE = RequestTrace(
    pid=7,
    span=0xAB,
    method="GET",
    route="/orders",
    status=200,
    started=10.0,
    first_byte=10.2,
    ended=10.25,
    parts={"cpu": 0.05, "database": 0.2},
    statements=[
        StatementCall(0, 1, 10.0, 0.01, 1),
        StatementCall(0, 1, 10.1, 0.02, 1),
        StatementCall(1, 0, 10.1, 0.1, 1),
    ],
)
SEEN = Observations(statements=["SELECT a", "SELECT b"], sites=[[], [Frame("/srv/app/orders.py", 42, "list_orders")]])


def request(duration_ms: float, **more: Any) -> SlowRequest:
    return replace(slow_request(TRACE, SEEN, 1_000.0), duration_ms=duration_ms, **more)


def test_a_request_is_shown_whole() -> None:
    shown = slow_request(TRACE, SEEN, 1_000.0)
    assert (shown.ended, shown.duration_ms, shown.first_byte_ms) == (1010.25, 250.0, 200.0)
    assert shown.parts_ms == {"cpu": 50.0, "database": 200.0}
    assert shown.span_id == "00000000000000ab"
    second, first = shown.statements
    assert (second.sql, second.place, second.calls, second.total_ms) == ("SELECT b", None, 1, 100.0)
    assert (first.sql, first.place, first.calls, first.total_ms) == ("SELECT a", "orders.py:42 in list_orders", 2, 30.0)


def test_secrets_of_a_route_are_not_shown() -> None:
    shown = slow_request(replace(TRACE, route="/login?token=s3cret"), SEEN, 0.0)
    assert "s3cret" not in shown.route


def test_the_slowest_of_each_slice_are_kept_and_the_slowest_of_all_shown() -> None:
    kept = SlowestRequests(3, slices=2, slice_seconds=10)
    for second, duration in enumerate([5, 1, 9, 7, 3, 8, 2, 4, 6, 0]):
        kept.add(second, request(duration))
    assert [each.duration_ms for each in kept.slowest()] == [9, 8, 7]
    assert not kept.wants(9.0, 0.0069)
    assert kept.wants(9.0, 0.0071)
    assert kept.wants(10.0, 0.0)  # a new slice
    kept.add(15, request(8.5))
    assert [each.duration_ms for each in kept.slowest()] == [9, 8.5, 8]
    kept.advance(20)
    assert [each.duration_ms for each in kept.slowest()] == [8.5]


def test_a_request_is_found_by_the_number_of_its_client() -> None:
    kept = SlowestRequests(3)
    kept.add(1, request(5, span_id="0a"))
    kept.add(2, request(4, span_id="0a"))
    found = kept.find("0a")
    assert found is not None
    assert found.duration_ms == 4
    assert kept.find("0b") is None
