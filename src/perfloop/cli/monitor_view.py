"""The view of `perfloop monitor` beside its page: redrawn on a terminal, plain lines elsewhere, or lines of JSON.

Drawn by a thread of its own: a terminal or a reader that has stopped reading keeps nothing but this thread.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import threading
from typing import TYPE_CHECKING, TextIO

import msgspec

from .streams import write_stdout

if TYPE_CHECKING:
    from types import TracebackType

    from ..monitoring.live import LiveState

__all__ = ["MonitorView"]

_REDRAW_SECONDS = 0.5
_JSON_SECONDS = 1.0
_PLAIN_SECONDS = 5.0
_ENDING_SECONDS = 1.0
_CLEAR = "\x1b[H\x1b[J"
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


class MonitorView:
    """Shows the latest state from entering to leaving.

    Args:
        json: a line of JSON a second on standard output, and nothing else.
        enabled: False shows nothing, but JSON where it is asked for.
        stream: standard error by default.
        interval: seconds between two looks; by default 0.5 on a terminal, 1 for JSON and 5 elsewhere.
    """

    def __init__(
        self, *, json: bool = False, enabled: bool = True, stream: TextIO | None = None, interval: float | None = None
    ) -> None:
        self._json = json
        self._stream = sys.stderr if stream is None else stream
        self.redraws = enabled and not json and self._stream.isatty() and os.environ.get("TERM") != "dumb"
        """It has the whole terminal: nothing else should be written there."""
        self._shows = enabled or json
        usual = _JSON_SECONDS if json else _REDRAW_SECONDS if self.redraws else _PLAIN_SECONDS
        self._interval = interval or usual
        self._latest: LiveState | None = None
        self._ran = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def show(self, state: LiveState) -> None:
        """Take the latest state."""
        self._latest = state
        self._ran = self._ran or state.status not in ("starting", "ended")

    def __enter__(self) -> MonitorView:
        if self._shows:
            self._thread = threading.Thread(target=self._run, name="perfloop-monitor-view", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=_ENDING_SECONDS)

    def _run(self) -> None:
        try:
            self._write(_ENTER if self.redraws else "")
            try:
                while not self._ended.wait(self._interval):
                    self._look()
            finally:
                self._write(_LEAVE if self.redraws else "")
            if self.redraws and self._ran and self._latest is not None:
                self._write(self._drawn(self._latest))  # the last figures stay on the terminal
            elif self._ran or self._json:  # of a service that never answered, the error says more
                self._look()
        except (OSError, ValueError):  # nobody reads any more
            return

    def _look(self) -> None:
        state = self._latest
        if state is None:
            return
        if self._json:
            write_stdout(msgspec.json.encode(msgspec.structs.replace(state, points=None)) + b"\n")
        elif self.redraws:
            self._write(_CLEAR + self._drawn(state))
        else:
            from ..reporting.terminal.monitor import monitor_line

            self._write(monitor_line(state) + "\n")

    def _drawn(self, state: LiveState) -> str:
        from rich.console import Console

        from ..reporting.terminal.monitor import render_monitor

        size = shutil.get_terminal_size((80, 24))
        buffer = io.StringIO()
        coloured = not os.environ.get("NO_COLOR")
        console = Console(
            file=buffer, width=size.columns - 1, force_terminal=coloured, color_system="standard" if coloured else None
        )
        render_monitor(state, console, most=max(2, (size.lines - 16) // 3))
        return "\n".join(buffer.getvalue().splitlines()[: size.lines - 1]) + "\n"

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()
