"""What is drawn on a terminal while a command works."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Drawn"]

_ENDING_SECONDS = 1.0


class Drawn:
    """Drawn by a thread of its own from entering to leaving: a terminal that has stopped reading, Ctrl-S, keeps nothing
    but this thread.

    Args:
        name: of the thread.
        stream: stderr by default.
    """

    def __init__(self, name: str, stream: TextIO | None) -> None:
        self._name = name
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._coloured = self._terminal and not os.environ.get("NO_COLOR")
        self._draws = True
        """False: nothing is drawn."""
        self._ending_seconds: float | None = _ENDING_SECONDS
        """For what is being drawn in the end; None: as long as that takes."""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._draws:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            # A terminal that has stopped reading must not keep the command from ending.
            self._thread.join(timeout=self._ending_seconds)

    def _run(self) -> None:
        try:
            self._draw_until_ended()
        except (OSError, ValueError):  # the stream is closed: nobody watches
            return

    def _draw_until_ended(self) -> None:
        """Draw until `_ended` is set."""
        raise NotImplementedError

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()
