"""What the generator itself used: processor time of its thread, time it waited for a processor, clocks."""

from __future__ import annotations

import time
from pathlib import Path

__all__ = ["GeneratorUsage"]

_SCHEDSTAT = Path("/proc/thread-self/schedstat")


class GeneratorUsage:
    """Measures from its creation to `stop`, in the thread that does both."""

    def __init__(self) -> None:
        self.cpu = 0.0
        """Seconds this thread ran."""
        self.waited_for_cpu: float | None = None
        """Seconds this thread could have run but another did; None where the system does not tell."""
        self.clock_jump = 0.0
        """Seconds the wall clock moved against the monotonic clock."""
        self._waited = _run_queue_seconds()
        self._ahead = time.time() - time.monotonic()
        self._cpu = time.thread_time()

    def stop(self) -> None:
        """Take the figures."""
        self.cpu = time.thread_time() - self._cpu
        waited = _run_queue_seconds()
        if waited is not None and self._waited is not None:
            self.waited_for_cpu = waited - self._waited
        self.clock_jump = time.time() - time.monotonic() - self._ahead


def _run_queue_seconds() -> float | None:
    # Second field: nanoseconds spent waiting on a run queue (Linux, Documentation/scheduler/sched-stats.rst).
    try:
        return int(_SCHEDSTAT.read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None
