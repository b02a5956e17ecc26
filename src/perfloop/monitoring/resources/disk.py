"""Disks: what this process reads and writes, and how busy they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psutil

from .cgroup import Cgroup
from .use import Use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ...telemetry import Registry

__all__ = ["Disk", "DiskReading", "busiest", "read_disk"]


class DiskReading(NamedTuple):
    """Since some beginning. None: not told."""

    read_bytes: int | None
    """By the processes, from a disk: what came out of the page cache is not in it."""
    written_bytes: int | None
    busy: Mapping[str, float]
    """Seconds each disk was busy, by its name."""
    stalled: float | None
    """Seconds that threads waited for a disk."""


def read_disk(cgroup: Cgroup, pids: Iterable[int | None] = (None,)) -> DiskReading:
    """What the system tells now.

    Args:
        cgroup: whose threads wait.
        pids: processes that read and write; this one by default.
    """
    read = written = None
    for pid in pids:
        try:
            counters = psutil.Process(pid).io_counters()
        except (psutil.Error, OSError, AttributeError):  # it has ended; macOS has none
            continue
        read, written = (read or 0) + counters.read_bytes, (written or 0) + counters.write_bytes
    try:
        disks = psutil.disk_io_counters(perdisk=True) or {}
    except (psutil.Error, OSError, RuntimeError, NotImplementedError):
        disks = {}
    busy = {name: disk.busy_time / 1000 for name, disk in disks.items() if hasattr(disk, "busy_time")}
    return DiskReading(read, written, busy, cgroup.stalled_seconds("io"))


def busiest(before: Mapping[str, float], after: Mapping[str, float], elapsed: float) -> float | None:
    """Share of the time that the busiest disk was busy; None where there is none."""
    shares = [(seconds - before[name]) / elapsed for name, seconds in after.items() if name in before and elapsed > 0]
    return min(max(0.0, *shares), 1.0) if shares else None


class Disk:
    """Publishes `process.disk.io` and `system.disk.utilization`."""

    def __init__(self, registry: Registry, read: Callable[[], DiskReading] | None = None) -> None:
        cgroup = Cgroup()
        self._read = read or (lambda: read_disk(cgroup))
        directions = registry.counter(
            "process.disk.io",
            "Bytes the process read from and wrote to disks.",
            unit="By",
            labels=["disk.io.direction"],
        )
        self._reads, self._writes = directions.labels("read"), directions.labels("write")
        self._utilisation = registry.gauge(
            "system.disk.utilization", "Share of the time the busiest disk was busy.", unit="1", merge="max"
        )

    def start(self) -> None:
        """Count from here."""
        self._before = self._read()

    def stop(self) -> None:
        """Nothing to give back."""

    def sample(self, elapsed: float) -> list[Use]:
        """Publish what happened in the `elapsed` seconds since the last sample."""
        before, after = self._before, self._read()
        self._before = after
        moved: dict[str, float] = {}
        for direction, counter, earlier, later in (
            ("read", self._reads, before.read_bytes, after.read_bytes),
            ("written", self._writes, before.written_bytes, after.written_bytes),
        ):
            if earlier is not None and later is not None:
                moved[direction] = max(later - earlier, 0)
                counter.inc(moved[direction])
        share = busiest(before.busy, after.busy, elapsed)
        if share is not None:
            self._utilisation.set(share)
        stalled = None if before.stalled is None or after.stalled is None else max(after.stalled - before.stalled, 0.0)
        return [
            Use(
                resource="disk",
                utilisation=share,
                saturation=None if stalled is None or elapsed <= 0 else stalled / elapsed,
                saturation_is="share of time threads waited for a disk",
                saturation_unit="share",
                throughput={name: count / elapsed for name, count in moved.items()} if elapsed > 0 else {},
            )
        ]
