"""Alerts to a function, and to the end of the process."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .alert import Alert

__all__ = ["ExitHook", "HookChannel"]


class HookChannel:
    """Calls a function with each alert, in the monitor's thread: it should be quick.

    Args:
        call: what to call.
    """

    def __init__(self, call: Callable[[Alert], object]) -> None:
        self._call = call

    def send(self, alert: Alert) -> None:
        """Call it; what it raises is logged by whoever sends."""
        self._call(alert)

    def close(self) -> None:
        """Nothing to end."""


class ExitHook:
    """Asks the process to end in order when an alert is urgent, for a supervisor that starts another in its place.

    Once: the signal is that of a normal stop, so a server finishes what it is answering.

    Args:
        windows: burning in which of them ends the process.
        before: called first, in the monitor's thread: to leave the load balancer, say. What it raises does not save the
            process.
        number: the signal.
        kill: sends it.
    """

    def __init__(
        self,
        *,
        windows: tuple[str, ...] = ("fast",),
        before: Callable[[Alert], object] | None = None,
        number: signal.Signals = signal.SIGTERM,
        kill: Callable[[int, int], None] = os.kill,
    ) -> None:
        self._windows = windows
        self._before = before
        self._number = number
        self._kill = kill
        self._done = False

    def send(self, alert: Alert) -> None:
        """End the process if the alert is urgent enough."""
        if self._done or alert.state != "firing" or alert.window not in self._windows:
            return
        self._done = True
        try:
            if self._before is not None:
                self._before(alert)
        finally:
            self._kill(os.getpid(), self._number)

    def close(self) -> None:
        """Nothing to end."""
