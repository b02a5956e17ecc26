"""What parts of policies tell those who know no part."""

from __future__ import annotations

import msgspec

from perfloop.telemetry import Registry
from perfloop.telemetry.resilience import (
    PartFigures,
    PartReport,
    Transition,
    added,
    announce,
    counted,
    figures_of,
    is_rejection,
    report,
    transitions,
    values_of,
    values_told,
)
from perfloop.testing import FakeClock


def registry(name: str = "pay") -> Registry:
    """With what a breaker publishes, and with what looks a little like it."""
    made = Registry(clock=FakeClock(500.0))
    made.counter("perfloop.circuit_breaker.calls", "x", labels=("name", "result")).labels(name, "failed").inc(3)
    made.gauge("perfloop.circuit_breaker.state", "x", labels=("name", "state")).labels(name, "open").inc(1)
    made.gauge("perfloop.circuit_breaker.state", "x", labels=("name", "state")).labels(name, "closed")
    made.gauge("perfloop.circuit_breaker.failure_rate", "x", labels=("name",), merge="max").labels(name).inc(0.25)
    made.gauge("perfloop.pool.connections", "x", labels=("name",)).labels("pay").inc(7)
    made.counter("shop.calls", "x", labels=("name", "result")).labels("pay", "failed").inc(1)
    made.counter("perfloop.cache.hits", "x", labels=("cache", "level")).labels("pay", "process").inc(1)
    return made


VALUES = {
    ("circuit_breaker", "pay", "calls", "failed"): 3,
    ("circuit_breaker", "pay", "state", "open"): 1,
    ("circuit_breaker", "pay", "state", "closed"): 0,
    ("circuit_breaker", "pay", "failure_rate", ""): 0.25,
}


def test_parts_are_told_by_their_shape() -> None:
    assert values_of(registry().collect()) == VALUES


def test_figures_are_of_each_part() -> None:
    expected = PartFigures(
        kind="circuit_breaker",
        name="pay",
        results={"failed": 3},
        gauges={"failure_rate": 0.25},
        states={"open": 1},
    )
    assert figures_of(VALUES) == [expected]
    (late,) = figures_of(VALUES, {("circuit_breaker", "pay", "calls", "failed"): 2})
    assert late.results == {"failed": 1}


def test_keys_of_a_keyed_breaker_are_its_states() -> None:
    values = {("keyed_circuit_breaker", "hosts", gauge, ""): number for gauge, number in (("keys", 5), ("open", 2))}
    assert figures_of(values)[0].states == {"open": 2, "closed": 3}


def test_of_several_processes_counts_are_added_and_shares_are_the_worst() -> None:
    reports = [
        [(("retry", "pay", "calls", "failed"), number, "sum"), (("retry", "pay", "rate", ""), number / 10, "max")]
        for number in (2, 5, 1)
    ]
    total = added(reports)  # type: ignore[arg-type]
    assert total == {("retry", "pay", "calls", "failed"): 8, ("retry", "pay", "rate", ""): 0.5}
    assert counted(total) == {("retry", "pay", "calls", "failed"): 8}


def test_a_process_reports_what_was_announced_and_its_transitions() -> None:
    made = registry("told here")  # others of this process are told, too
    events = made.event("perfloop.resilience.events", "x")
    events.record(
        kind="circuit_breaker", name="told here", event="state_transition", from_state="CLOSED", to_state="OPEN"
    )
    events.record(kind="circuit_breaker", name="told here", event="reset")
    assert transitions(made) == [Transition(500.0, "circuit_breaker", "told here", "open")]
    announce(made, ["perfloop.circuit_breaker.calls", "perfloop.circuit_breaker.state", "perfloop.none"])
    told = msgspec.json.decode(report(), type=PartReport)
    own = [row for row in told.values if row[1] == "told here"]
    assert sorted(own) == [
        ("circuit_breaker", "told here", "calls", "failed", 3.0, "sum"),
        ("circuit_breaker", "told here", "state", "closed", 0.0, "sum"),
        ("circuit_breaker", "told here", "state", "open", 1.0, "sum"),
    ]
    assert Transition(500.0, "circuit_breaker", "told here", "open") in told.transitions


def test_a_registry_without_parts_has_no_transitions() -> None:
    assert transitions(Registry()) == []


def test_of_a_report_what_no_part_counts_is_left_out() -> None:
    rows = [("retry", "a", "calls", "failed", number, "sum") for number in (-1.0, float("inf"), float("nan"), 2.0)]
    assert values_told(PartReport(rows, [])) == [(("retry", "a", "calls", "failed"), 2.0, "sum")]


def test_rejections_are_calls_that_did_not_begin() -> None:
    results = ("not_permitted", "rejected_full", "shed_critical", "failed_acquire", "successful", "failed", "permitted")
    assert [is_rejection(each) for each in results] == [True, True, True, True, False, False, False]
