"""Memory: of this process, its control group and the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psutil

from .cgroup import Cgroup
from .use import Use

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...telemetry import Registry

__all__ = ["Memory", "MemoryReading", "read_memory"]

_PSS_EVERY_SECONDS = 60.0
"""The kernel walks all pages of the process for it: 3 ms for 200 MB, and the process' memory is locked meanwhile."""


class MemoryReading(NamedTuple):
    """Bytes, unless it says otherwise. None: not told."""

    rss: int
    limit: int
    """Of the control group, or all there is."""
    used: int
    """Of the limit, by the control group or the machine."""
    stalled: float | None
    """Seconds that threads waited for memory, since some beginning."""
    oom_kills: int | None


def read_memory(cgroup: Cgroup) -> MemoryReading:
    """What the system tells now."""
    group, machine = cgroup.memory(), psutil.virtual_memory()
    limited = group.limit is not None and group.used is not None and group.limit < machine.total
    return MemoryReading(
        rss=psutil.Process().memory_info().rss,
        limit=group.limit if limited else machine.total,  # type: ignore[arg-type]
        used=group.used if limited else machine.total - machine.available,  # type: ignore[arg-type]
        stalled=cgroup.stalled_seconds("memory"),
        oom_kills=group.oom_kills,
    )


def _read_pss() -> int | None:
    """The process' memory, pages it shares with others divided among them: what workers add up to."""
    try:
        return int(getattr(psutil.Process().memory_full_info(), "pss", 0)) or None
    except (psutil.Error, OSError):
        return None


class Memory:
    """Publishes `process.memory.usage` (RSS), `process.memory.pss` and the limit, with what is taken of it."""

    def __init__(
        self,
        registry: Registry,
        read: Callable[[], MemoryReading] | None = None,
        read_pss: Callable[[], int | None] = _read_pss,
    ) -> None:
        cgroup = Cgroup()
        self._read = read or (lambda: read_memory(cgroup))
        self._read_pss = read_pss
        self._rss = registry.gauge("process.memory.usage", "Resident memory of the process.", unit="By")
        self._pss = registry.gauge(
            "process.memory.pss", "Memory of the process, what it shares divided among those who share it.", unit="By"
        )
        self._limit = registry.gauge("container.memory.limit", "Memory there is.", unit="By", merge="max")
        self._used = registry.gauge("container.memory.usage", "Memory in use, of the limit.", unit="By", merge="max")

    def start(self) -> None:
        """Count from here."""
        self._since_pss = _PSS_EVERY_SECONDS
        self._before = self._first = self._read()
        self._publish(self._first)

    def _publish(self, reading: MemoryReading) -> None:
        self._rss.set(reading.rss)
        self._limit.set(reading.limit)
        self._used.set(reading.used)

    def stop(self) -> None:
        """Nothing to give back."""

    def sample(self, elapsed: float) -> list[Use]:
        """Publish what happened in the `elapsed` seconds since the last sample."""
        before, after = self._before, self._read()
        self._before = after
        self._publish(after)
        self._since_pss += elapsed
        if self._since_pss >= _PSS_EVERY_SECONDS:
            self._since_pss = 0.0
            pss = self._read_pss()
            if pss is not None:
                self._pss.set(pss)
        stalled = None if before.stalled is None or after.stalled is None else max(after.stalled - before.stalled, 0.0)
        kills = None if after.oom_kills is None else max(after.oom_kills - (self._first.oom_kills or 0), 0)
        return [
            Use(
                resource="memory",
                utilisation=min(after.used / after.limit, 1.0) if after.limit else None,
                saturation=None if stalled is None or elapsed <= 0 else stalled / elapsed,
                saturation_is="share of time threads waited for memory",
                saturation_unit="share",
                errors=kills,
                errors_are="processes killed for memory",
            )
        ]
