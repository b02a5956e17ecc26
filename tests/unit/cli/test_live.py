from __future__ import annotations

import io
import re
import threading
from dataclasses import dataclass

import pytest

from perfloop.cli.live import LiveView, Plan, frame, plain_line, sparkline


@dataclass
class Now:
    elapsed: float = 12.0
    requests: int = 23_976
    errors: int = 0
    in_flight: int = 10
    backlog: int = 0
    rate: float = 1998.4
    p50_ms: float | None = 1.23
    p99_ms: float | None = 8.0
    phase: str = ""
    planned_rate: float | None = None


PLAN = Plan("GET http://127.0.0.1:8000/orders", 20.0, None)


def test_a_frame_says_it_all() -> None:
    history = [Now(rate=500.0, p99_ms=None), Now(rate=1000.0, p99_ms=16.0), Now()]
    assert frame(history, PLAN, 79, coloured=False) == [
        "  GET http://127.0.0.1:8000/orders                              12 s · 8 s left",
        "  rate          1,998/s   ▃▅█",
        "  p99              8 ms   ▁█▅",
        "  p50           1.23 ms",
        "  requests     23,976     0 errors · 10 in flight",
    ]


@pytest.mark.parametrize("width", [20, 59, 79, 99])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    plan = Plan("GET http://" + "x" * 200, 20.0, None)
    now = Now(requests=10**9, errors=10**9, backlog=10**9, rate=10**8)
    lines = frame([now] * 500, plan, width, coloured=False)
    assert max(len(line) for line in lines) <= width


def test_errors_are_red_and_named() -> None:
    line = frame([Now(errors=1, backlog=5)], PLAN, 79, coloured=True)[4]
    assert "\x1b[31m1 error\x1b[0m" in line
    assert "5 waiting" in line


def test_the_phase_of_the_profile_and_its_planned_rate() -> None:
    now = Now(phase="1/2 ramp 10..5000 30s", planned_rate=2006.0, errors=2)
    plan = PLAN._replace(profile=True)
    lines = frame([now], plan, 79, coloured=True)
    assert lines[1] == "  profile       2,006/s   1/2 ramp 10..5000 30s"
    assert "\x1b[31m2 errors\x1b[0m" in lines[5]
    assert "1/2 ramp 10..5000 30s (2,006/s planned)" in plain_line(now, plan, 1.0)
    assert "(0.5/s planned)" in plain_line(Now(phase="x", planned_rate=0.5), plan, 1.0)


def test_before_the_first_response_there_is_no_latency() -> None:
    lines = frame([Now(p50_ms=None, p99_ms=None)], PLAN, 79, coloured=False)
    assert [line.split() for line in lines[2:4]] == [["p99", "–", "▁"], ["p50", "–"]]


def test_a_plain_line_for_logs() -> None:
    assert plain_line(Now(errors=3, backlog=7), PLAN, 1998.4) == (
        "12 s  1,998 requests/s  p50 1.23 ms  p99 8 ms  3 errors  7 waiting  8 s left"
    )


@pytest.mark.parametrize(
    ("plan", "left"),
    [
        (Plan("t", 20.0, None), "8 s left"),
        (Plan("t", None, 24_975), "0.5 s left"),
        (Plan("t", 20.0, 33_968), "5 s left"),
    ],
)
def test_the_time_left_is_that_of_whichever_ends_first(plan: Plan, left: str) -> None:
    seconds = float(left.split()[0])
    shown = re.search(r"([\d.]+) s left", plain_line(Now(), plan, 1998.4))
    assert shown is not None
    assert float(shown[1]) == pytest.approx(seconds, abs=0.5)


def test_when_the_time_is_over_it_waits_for_what_is_under_way() -> None:
    assert plain_line(Now(), Plan("t", 10.0, None), 1.0).endswith("  waiting for 10")
    assert frame([Now()], Plan("t", 10.0, None), 79, coloured=False)[0].endswith("12 s · waiting for 10")


def test_a_plain_line_shows_the_rate_since_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """One request every three seconds is not none a second, whenever the last came."""
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    with LiveView(PLAN, stream=terminal, interval=0.001) as view:
        view.update(Now(elapsed=3.0, requests=1, rate=0.0))
        assert terminal.written.wait(10)
    assert terminal.getvalue().startswith("3 s  0.33 requests/s  ")


def test_sparklines() -> None:
    assert sparkline([], 10) == ""
    assert sparkline([0, 0], 10) == "▁▁"
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8], 10) == "▁▂▃▄▅▆▇██"
    assert sparkline([1, 2, 3, 4], 2) == "▇█"
    assert sparkline([5.0], 0) == ""


def test_a_disabled_view_writes_nothing() -> None:
    stream = io.StringIO()
    with LiveView(PLAN, stream=stream, enabled=False) as view:
        view.update(Now())
    assert stream.getvalue() == ""


class Terminal(io.StringIO):
    """A terminal that tells when it was written to, and may be gone."""

    def __init__(self, *, gone: bool = False) -> None:
        super().__init__()
        self.written = threading.Event()
        self.gone = gone

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.written.set()
        if self.gone:
            raise OSError("gone")
        return super().write(text)


def test_the_view_clears_itself_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with LiveView(PLAN, stream=terminal, interval=0.001) as view:
        view.update(Now())
        assert terminal.written.wait(10)
    assert "1,998/s" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[5A\r\x1b[J")


def test_a_terminal_that_is_gone_stops_the_view_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal(gone=True)
    with LiveView(PLAN, stream=terminal, interval=0.001) as view:
        view.update(Now())
        assert terminal.written.wait(10)
        view.update(Now())


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    with LiveView(PLAN, stream=terminal, interval=0.001) as view:
        view.update(Now())
        assert terminal.written.wait(10)
    assert terminal.getvalue().startswith("12 s  1,998 requests/s  p50 1.23 ms")
    assert "\x1b" not in terminal.getvalue()
