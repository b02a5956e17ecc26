"""The view of `perfloop monitor` beside its page: redrawn on a terminal, plain lines elsewhere, or lines of JSON."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING, TextIO

import msgspec

from .drawn import Drawn
from .streams import note, stdout_takes, write_stdout

if TYPE_CHECKING:
    from ..monitoring.live import LiveState

__all__ = ["MonitorView"]

_REDRAW_SECONDS = 0.5
_JSON_SECONDS = 1.0
_PLAIN_SECONDS = 5.0
_CLEAR = "\x1b[H\x1b[J"
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


class MonitorView(Drawn):
    """Shows the latest state from entering to leaving.

    Args:
        json: a line of JSON a second on standard output, and nothing else. One that a pipe has no room for, as nobody
            reads, is left out: a line is whole or not there, and a reader that is slow keeps nobody.
        enabled: False shows nothing, but JSON where it is asked for.
        stream: standard error by default.
        interval: seconds between two looks; by default 0.5 on a terminal, 1 for JSON and 5 elsewhere.
    """

    def __init__(
        self, *, json: bool = False, enabled: bool = True, stream: TextIO | None = None, interval: float | None = None
    ) -> None:
        super().__init__("perfloop-monitor-view", stream)
        self._json = json
        self.redraws = enabled and not json and self._terminal
        """It has the whole terminal: nothing else should be written there."""
        self._draws = enabled or json
        usual = _JSON_SECONDS if json else _REDRAW_SECONDS if self.redraws else _PLAIN_SECONDS
        self._interval = interval or usual
        self._latest: LiveState | None = None
        self._ran = False
        self._left_out = 0
        if json:
            self._ending_seconds = None  # a line that is begun is written to its end

    def show(self, state: LiveState) -> None:
        """Take the latest state."""
        self._latest = state
        self._ran = self._ran or state.status not in ("starting", "ended")

    def _draw_until_ended(self) -> None:
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
        if self._left_out:
            note(f"! {self._left_out:,} lines left out: those before were not read")

    def _look(self) -> None:
        state = self._latest
        if state is None:
            return
        if self._json:
            parts = [msgspec.structs.replace(part, course=None) for part in state.parts]
            line = msgspec.json.encode(msgspec.structs.replace(state, points=None, parts=parts)) + b"\n"
            if stdout_takes(len(line)):
                write_stdout(line)
            else:
                self._left_out += 1
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
        console = Console(
            file=buffer,
            width=size.columns - 1,
            force_terminal=self._coloured,
            color_system="standard" if self._coloured else None,
        )
        render_monitor(state, console, most=max(2, (size.lines - 16) // 3))
        return "\n".join(buffer.getvalue().splitlines()[: size.lines - 1]) + "\n"
