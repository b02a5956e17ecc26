from __future__ import annotations

from typing import TYPE_CHECKING

from perfloop.monitoring.alerts import Alert, Alerts, AlertState
from perfloop.monitoring.burn_rate import WINDOWS, Burn
from perfloop.monitoring.objectives import Objective
from perfloop.records import TargetResult
from perfloop.telemetry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


def objective(*burning: str, name: str = "latency_p99") -> Objective:
    result = TargetResult(
        name=name, target=1000.0, measured=1840.4, unit="ms", outcome="missed", why=None, configured=True
    )
    burns = tuple(
        Burn(window, *([20.0, 20.0] if window.name in burning else [0.5, 0.5]), window.most) for window in WINDOWS
    )
    return Objective(result=result, budget=0.01, burns=burns)


def states(state: AlertState, steps: Sequence[tuple[float, Sequence[str]]]) -> list[tuple[float, str, str]]:
    return [
        (now, alert.state, alert.window) for now, burning in steps for alert in state.update(now, [objective(*burning)])
    ]


def test_it_fires_once_gets_worse_once_and_is_over_after_a_quiet_while() -> None:
    steps = [
        (0, []),
        (10, ["slow"]),
        (20, ["slow"]),
        (30, ["fast", "slow"]),
        (40, ["slow"]),
        (50, []),
        (300, []),
        (330, ["slow"]),
        (340, []),
        (629, []),
        (630, []),
        (640, []),
        (700, ["slow"]),
    ]
    assert states(AlertState(), steps) == [
        (10, "firing", "slow"),
        (30, "firing", "fast"),
        (630, "resolved", "fast"),
        (700, "firing", "slow"),
    ]


def test_what_is_firing_and_what_was_is_remembered() -> None:
    state = AlertState()
    states(state, [(10, ["slow"]), (30, ["fast"])])
    assert [(kept.at, kept.alert.window, kept.firing) for kept in state.kept()] == [
        (30, "fast", True),
        (10, "slow", False),
    ]
    states(state, [(330, []), (400, ["slow"])])
    assert [(kept.at, kept.alert.state, kept.firing) for kept in state.kept()] == [
        (400, "firing", True),
        (330, "resolved", False),
        (30, "firing", False),
        (10, "firing", False),
    ]
    for number in range(100):
        states(state, [(1000 + number * 1000, ["fast"]), (1400 + number * 1000, [])])
    assert len(state.kept()) == 20


def test_a_clock_that_goes_back_ends_nothing_early() -> None:
    assert states(AlertState(), [(1000, ["fast"]), (0, []), (299, []), (300, [])]) == [
        (1000, "firing", "fast"),
        (300, "resolved", "fast"),
    ]


def test_each_target_has_its_own() -> None:
    state = AlertState()
    assert len(state.update(0, [objective("fast", name="a"), objective("slow", name="b"), objective(name="c")])) == 2


def test_it_says_what_is_wrong() -> None:
    [alert] = AlertState().update(0, [objective("fast")])
    assert alert.summary == (
        "latency_p99 should be at most 1000 ms, and is 1840 ms: its error budget burns 20 times too fast, over 1 h"
    )
    assert (alert.burn_rate, alert.measured, alert.limit, alert.unit) == (20.0, 1840.4, 1000.0, "ms")


class Clock:
    time = 0.0

    def now(self) -> float:
        return self.time


class Channel:
    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.alerts: list[Alert] = []
        self.closed = False

    def send(self, alert: Alert) -> None:
        if self.broken:
            raise RuntimeError("a secret")
        self.alerts.append(alert)

    def close(self) -> None:
        self.closed = True
        if self.broken:
            raise RuntimeError("a secret")


def test_a_broken_channel_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    registry, clock = Registry(), Clock()
    channels = [Channel(broken=True), Channel()]
    alerts = Alerts(channels, registry=registry, clock=clock)
    assert len(alerts.update([objective("fast")])) == 1
    assert alerts.update([objective("fast")]) == []
    clock.time = 400
    alerts.update([objective()])
    clock.time = 800
    alerts.update([objective()])
    alerts.close()
    assert [alert.state for alert in channels[1].alerts] == ["firing", "resolved"]
    assert all(channel.closed for channel in channels)
    assert {record.message for record in caplog.records} == {
        "an alert was not sent by Channel: RuntimeError",
        "Channel was not closed: RuntimeError",
    }
    family = registry.read("perfloop.alerts")
    assert family is not None
    assert {series.labels: series.value for series in family.series} == {
        ("latency_p99", "firing"): 1,
        ("latency_p99", "resolved"): 1,
    }
