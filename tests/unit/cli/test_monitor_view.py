from __future__ import annotations

import io
import json
import os
import sys
import threading

import pytest
from msgspec.structs import replace

from perfloop.cli.monitor_view import MonitorView
from perfloop.cli.streams import stdout_takes

from ..reporting.test_monitor_page import STATE


class Stream(io.StringIO):
    """Tells when a figure has been written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        length = super().write(text)
        if "1.21 s" in text:
            self.written.set()
        return length


class Terminal(Stream):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def shown(view: MonitorView, stream: Stream) -> str:
    with view:
        view.show(STATE)
        assert stream.written.wait(30)
    return stream.getvalue()


def test_a_terminal_is_redrawn_and_given_back_with_the_last_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    view = MonitorView(stream=stream, interval=0.01)
    assert view.redraws
    text = shown(view, stream)
    assert text.startswith("\x1b[?1049h")
    _, _, last = text.partition("\x1b[?1049l")
    assert "uvicorn shop:app" in last
    assert "\x1b" not in last


def test_lines_elsewhere() -> None:
    stream = Stream()
    view = MonitorView(stream=stream, interval=0.01)
    assert not view.redraws
    assert shown(view, stream).splitlines()[-1].startswith("running  2/s  p50 12.5 ms")


def test_json_goes_to_stdout_without_the_points(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with MonitorView(json=True, enabled=False, interval=30) as view:
        view.show(STATE)
    (line,) = capfdbinary.readouterr().out.splitlines()
    state = json.loads(line)
    assert (state["requests"], state["points"]) == (1234, None)


@pytest.mark.parametrize("kind", [Stream, Terminal])
def test_of_a_service_that_never_answered_no_figures_are_left(
    kind: type[Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = kind()
    with MonitorView(stream=stream, interval=30) as view:
        for status in ("starting", "ended"):
            view.show(replace(STATE, status=status))
    assert "1.21 s" not in stream.getvalue()


def test_nothing_is_shown_where_nothing_is_wanted_or_known() -> None:
    stream = io.StringIO()
    with MonitorView(stream=stream, enabled=False, interval=0.01) as view:
        view.show(STATE)
    with MonitorView(stream=stream, interval=0.01):
        pass
    assert stream.getvalue() == ""


def test_a_stream_that_is_closed_ends_the_view_alone() -> None:
    with MonitorView(stream=Closed(), interval=0.01) as view:
        view.show(STATE)


def test_a_pipe_that_nobody_reads_keeps_nobody_and_has_whole_lines(monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader:
        with os.fdopen(writing, "w") as stdout:
            monkeypatch.setattr(sys, "stdout", stdout)
            view = MonitorView(json=True, interval=3600)
            with view:
                view.show(STATE)
                for _ in range(2_000):
                    view._look()
        lines = reader.read().splitlines(keepends=True)
    assert all(line.endswith(b"\n") and json.loads(line)["title"] == "uvicorn shop:app" for line in lines)
    assert 2 < len(lines) < 2_000
    assert f"! {2_001 - len(lines):,} lines left out" in capfd.readouterr().err


@pytest.mark.parametrize("length", [1, 2_049, 4_095, 4_096, 4_097, 8_193, 30_000])
def test_what_a_pipe_is_said_to_take_it_takes_without_waiting(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "wb", buffering=0) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        for part in (1, 100, 4_000, 5_000, 60_000):  # what a reader takes in between
            while stdout_takes(length):
                assert stdout.write(bytes(length)) == length
            reader.read(part)
