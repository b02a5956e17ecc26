"""Ctrl-C, as the whole command takes it: it interrupts once, whatever is under way, and never kills half-way."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["SAME_SECONDS", "ignore", "interrupt_once", "ours"]

SAME_SECONDS = 0.3
"""Signals that follow each other faster are one: a key pressed twice, or a terminal and a supervisor that both tell."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ours() -> Iterator[signal.Signals]:
    """The signals that interrupt; not SIGHUP where whoever started us has us ignore it, as `nohup` does.

    SIGINT always: a shell has every command in the background ignore it, and scripts send it to those on purpose.
    """
    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (number for number in _SIGNALS if not (nohup and number == signal.SIGHUP))


def interrupt_once() -> None:
    """From now on a signal raises KeyboardInterrupt in the main thread; more of them at the same time do nothing."""
    last = -SAME_SECONDS

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > SAME_SECONDS:
            raise KeyboardInterrupt

    for number in ours():
        signal.signal(number, interrupt)


def ignore() -> None:
    """Let no signal end this process before it has ended by itself."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
