"""The steps of a long command on stderr: a line when each is done, and on a terminal how long the next has taken."""

from __future__ import annotations

import shutil
import textwrap
import threading
from typing import TYPE_CHECKING, Literal, Self, TextIO

from ..clock import MONOTONIC, Clock
from ..reporting.figures import visible
from .drawn import Drawn

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Mark", "Steps"]

Mark = Literal["✓", "✗", "!"]
_COLOURS: dict[Mark, int] = {"✓": 32, "✗": 31, "!": 33}
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_REDRAW_SECONDS = 0.2
_DOUBTFUL = "untrustworthy"
"""How a step begins that must not look like good news."""


class Steps(Drawn):
    """Shows the steps of a measurement until it is left.

    Args:
        stream: stderr by default.
        enabled: False shows nothing.
        interval: seconds between two redraws of the running step, on a terminal.
        clock: what tells how long a step takes.
    """

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        enabled: bool = True,
        interval: float = _REDRAW_SECONDS,
        clock: Clock = MONOTONIC,
    ) -> None:
        super().__init__("perfloop-steps", stream)
        self._enabled = enabled
        self._draws = enabled and self._terminal
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()
        self._began = clock.now()

    def done(self, text: str, *, mark: Mark = "✓") -> None:
        """One step is done; `text` says which, with its figures, and `mark` how it went."""
        text = visible(text)
        mark = "!" if text.startswith(_DOUBTFUL) else mark
        shown = f"\x1b[{_COLOURS[mark]}m{mark}\x1b[0m" if self._coloured else mark
        self._began = self._clock.now()
        if self._enabled:
            if self._terminal:
                width = max(40, shutil.get_terminal_size((80, 24)).columns - 1)
                text = textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  ")[2:]
            self._write(f"{self._clear()}{shown} {text}\n")

    def __enter__(self) -> Self:
        self._began = self._clock.now()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if self._draws:
            self._write(self._clear())

    def _draw_until_ended(self) -> None:
        turn = 0
        while not self._ended.wait(self._interval):
            seconds = self._clock.now() - self._began
            self._write(f"{self._clear()}{_SPINNER[turn % len(_SPINNER)]} {seconds:.0f} s")
            turn += 1

    def _clear(self) -> str:
        return "\r\x1b[K" if self._terminal else ""

    def _write(self, text: str) -> None:
        try:
            with self._lock:
                super()._write(text)
        except (OSError, ValueError):  # stderr is closed: nobody watches
            pass
