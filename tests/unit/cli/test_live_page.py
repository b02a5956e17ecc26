from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from msgspec.structs import replace

from perfloop.cli.live import Plan
from perfloop.cli.live_page import History, LivePage, state
from perfloop.exceptions import InvalidValue
from perfloop.loadtest import LoadOptions, Progress, metrics
from perfloop.records import Figures, LoadSummary

PLAN = Plan("GET http://shop.example/<orders>", 20.0, None)
START = metrics.before_start(LoadOptions(url="http://shop.example/", rate=100))


def progress(elapsed: float, requests: int, **more: Any) -> Progress:
    return replace(START, elapsed=elapsed, requests=requests, duration=20.0, **more)


def summary(**more: Any) -> LoadSummary:
    latency = Figures(mean=2.0, p50=1.5, p95=8.0, p99=9.0, p999=9.5, max=10.0)
    return replace(
        LoadSummary(
            requests=2000,
            errors=0,
            rate=100.0,
            elapsed_seconds=20.0,
            bytes_received=1,
            bytes_per_second=1.0,
            latency_ms=latency,
            service_time_ms=latency,
            queue_ms=latency,
            send_lag_ms=latency,
            generator_cpu_seconds=1.0,
            trustworthy=True,
        ),
        **more,
    )


def tiles(shown: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {name: (value, remark) for name, value, remark in shown["tiles"]}


def test_a_point_shows_what_happened_since_the_one_before() -> None:
    history = History()
    history.add(progress(1.0, 90, errors=4, p50_ms=1.0, p99_ms=5.0, planned_rate=100.0))
    history.add(progress(1.2, 95))  # too soon to say anything
    history.add(progress(3.0, 290, errors=5, backlog=7, planned_rate=100.0))
    assert history.columns() == {
        "at": [1.0, 3.0],
        "rate": [90.0, 100.0],
        "planned": [100.0, 100.0],
        "p50": [1.0, None],
        "p99": [5.0, None],
        "errors": [4.0, 0.5],
        "waiting": [0.0, 7.0],
    }


def test_nothing_is_planned_after_the_end() -> None:
    history = History()
    history.add(progress(20.0, 90, planned_rate=0.0))
    assert history.columns()["planned"] == [None]


def test_a_long_run_keeps_a_bounded_number_of_points_and_its_peaks() -> None:
    history = History()
    for second in range(1, 10_000):
        peak = second == 4321
        history.add(progress(float(second), second * 10, p50_ms=1.0, p99_ms=99.0 if peak else 2.0, backlog=9 * peak))
    columns = history.columns()
    assert 120 <= len(columns["at"]) <= 240
    assert columns["at"] == sorted(set(columns["at"]))
    assert columns["at"][-1] == 9999.0  # what is under way is shown too
    assert set(columns["rate"]) == {10.0}
    assert (max(columns["p99"]), min(columns["p99"]), max(columns["waiting"])) == (99.0, 2.0, 9.0)


def test_before_the_first_figures_it_connects() -> None:
    shown = state(PLAN, None, History())
    assert (shown["state"], shown["share"], shown["tiles"], shown["left"]) == ("Connecting", 0.0, [], "")


def test_a_run_under_way() -> None:
    now = progress(
        12.0, 1200, errors=3, in_flight=4, backlog=2, p50_ms=1.23, p99_ms=8.0, phase="1/2 ramp", connections=1
    )
    now = replace(now, rate=101.0, planned_rate=100.0, error_kinds={"timeout": 1, "status 500": 2, "TLS": 0})
    shown = state(PLAN._replace(profile=True), now, History())
    assert [
        shown[name] for name in ("state", "tone", "title", "elapsed", "left", "share", "phase", "failing", "over")
    ] == [*("Running", "neutral", PLAN.title, "12 s", "8 s left", 0.6, "1/2 ramp · 100/s planned", True, False)]
    assert tiles(shown) == {
        "rate": ("101/s", "1,200 requests so far"),
        "p50": ("1.23 ms", "in the last second"),
        "p99": ("8 ms", "in the last second"),
        "errors": ("3", "status 500 × 2, timeout × 1"),
        "in-flight": ("4", "1 connection open"),
        "waiting": ("2", ""),
    }


def test_the_rate_shown_is_that_of_the_last_point() -> None:
    """The engine's is of a quarter of a second: it jumps about."""
    history = History()
    history.add(progress(1.0, 90))
    assert tiles(state(PLAN, progress(1.2, 95, rate=20.0), history))["rate"][0] == "90/s"


@pytest.mark.parametrize(
    ("plan", "share"),
    [
        (Plan("t", 20.0, None), 0.5),
        (Plan("t", None, 400), 0.75),
        (Plan("t", 20.0, 400), 0.75),
        (Plan("t", None, None), None),
    ],
)
def test_the_share_that_is_done_is_of_whichever_ends_first(plan: Plan, share: float | None) -> None:
    assert state(plan, progress(10.0, 300), History())["share"] == share
    assert state(plan, progress(50.0, 900), History(), summary(), over=True)["share"] == 1.0


@pytest.mark.parametrize(
    ("whole", "partial", "words"),
    [
        (summary(), False, ("Run over", "good", "")),
        (summary(errors=2), False, ("Run over", "bad", "")),
        (summary(), True, ("Ended early", "warning", "")),
        (None, False, ("Ended early", "warning", "")),
        (
            summary(trustworthy=False, reasons=["late", "slow"]),
            False,
            ("Run over", "warning", "Untrustworthy: late; slow"),
        ),
    ],
)
def test_a_run_that_is_over(whole: LoadSummary | None, partial: bool, words: tuple[str, str, str]) -> None:
    shown = state(PLAN, progress(20.0, 1999), History(), whole, partial=partial, over=True)
    assert (shown["state"], shown["tone"], shown["note"]) == words
    assert (shown["left"], shown["over"]) == ("", True)


def test_at_the_end_the_figures_are_of_the_whole_run() -> None:
    shown = tiles(state(PLAN, progress(20.0, 2000, p99_ms=77.0), History(), summary(), over=True))
    assert shown["rate"] == ("100/s", "2,000 requests in all")
    assert (shown["p50"][0], shown["p99"][0]) == ("1.5 ms", "9 ms")
    nothing = tiles(state(PLAN, progress(20.0, 0), History(), summary(requests=0), over=True))
    assert nothing["p99"][0] == "–"


def test_the_page_is_served_while_it_is_entered(capsys: pytest.CaptureFixture[str]) -> None:
    with LivePage(PLAN, "0") as page:
        url = capsys.readouterr().err.split()[1]

        def first_state() -> dict[str, Any]:
            with urllib.request.urlopen(url + "events", timeout=10) as events:
                assert events.readline() == b"retry: 1000\n"
                shown: dict[str, Any] = json.loads(events.readline().removeprefix(b"data: "))
            return shown

        assert first_state()["state"] == "Connecting"
        page.update(progress(1.0, 42))
        assert first_state()["state"] == "Running"
        with urllib.request.urlopen(url, timeout=10) as response:
            assert b"shop.example" not in response.read()
    with pytest.raises(OSError):
        urllib.request.urlopen(url, timeout=10)


def test_not_asked_for_it_serves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with LivePage(PLAN, None) as page:
        page.update(progress(1.0, 42))
        page.conclude(summary(), partial=False)
    assert capsys.readouterr().err == ""


def test_a_bad_address_is_told() -> None:
    with pytest.raises(InvalidValue, match="Expected a port") as caught:
        LivePage(PLAN, "nine")
    assert caught.value.where == "--live-web"
