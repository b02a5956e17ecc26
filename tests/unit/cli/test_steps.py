from __future__ import annotations

import io
import threading

import pytest

from perfloop.cli.steps import Steps


class FixedClock:
    def now(self) -> float:
        return 5.0


class Terminal(io.StringIO):
    def __init__(self, *, gone: bool = False) -> None:
        super().__init__()
        self.spun = threading.Event()
        self.gone = gone

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if "0 s" in text:
            self.spun.set()
        if self.gone:
            raise OSError("gone")
        return super().write(text)


@pytest.fixture(autouse=True)
def ordinary_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_elsewhere_each_step_is_one_plain_line() -> None:
    stream = io.StringIO()
    with Steps(stream=stream) as steps:
        steps.done("service up")
        steps.done("warm-up over")
    assert stream.getvalue() == "✓ service up\n✓ warm-up over\n"


@pytest.mark.parametrize(("mark", "colour"), [("✓", 32), ("✗", 31), ("!", 33)])
def test_a_step_shows_how_it_went(mark, colour: int) -> None:
    stream, terminal = io.StringIO(), Terminal()
    for each in (stream, terminal):
        with Steps(stream=each) as steps:
            steps.done("400 requests/s: p99 146 ms", mark=mark)
    assert stream.getvalue() == f"{mark} 400 requests/s: p99 146 ms\n"
    assert f"\x1b[{colour}m{mark}\x1b[0m 400 requests/s" in terminal.getvalue()


def test_on_a_terminal_the_running_step_is_timed_and_cleared_away() -> None:
    terminal = Terminal()
    with Steps(stream=terminal, interval=0.001, clock=FixedClock()) as steps:
        assert terminal.spun.wait(10)
        steps.done("service up")
    text = terminal.getvalue()
    assert "⠋ 0 s" in text
    assert "\r\x1b[K\x1b[32m✓\x1b[0m service up\n" in text
    assert text.endswith("\r\x1b[K")


def test_no_color_takes_the_colour_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    with Steps(stream=terminal, interval=0.001, clock=FixedClock()) as steps:
        steps.done("service up")
    assert "\r\x1b[K✓ service up\n" in terminal.getvalue()
    assert "\x1b[3" not in terminal.getvalue()


def test_disabled_it_is_silent() -> None:
    terminal = Terminal()
    with Steps(stream=terminal, enabled=False, interval=0.001) as steps:
        steps.done("service up")
    assert terminal.getvalue() == ""


def test_a_terminal_that_is_gone_is_no_error() -> None:
    with Steps(stream=Terminal(gone=True), interval=0.001, clock=FixedClock()) as steps:
        steps.done("service up")


def test_a_long_step_is_wrapped_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    with Steps(stream=terminal, interval=1000) as steps:
        steps.done("service up on 127.0.0.1:8000 after 0.4 s · 1 process · FastAPI, SQLAlchemy")
    lines = terminal.getvalue().replace("\r\x1b[K", "").splitlines()
    assert lines == ["✓ service up on 127.0.0.1:8000 after 0.4 s · 1", "  process · FastAPI, SQLAlchemy"]


def test_what_a_service_calls_itself_does_not_control_the_terminal() -> None:
    stream = io.StringIO()
    with Steps(stream=stream) as steps:
        steps.done("service up, \x1b]0;title\x07 5.0")
    assert stream.getvalue() == "✓ service up, \ufffd]0;title\ufffd 5.0\n"
