"""What a service's processes use: read from the kernel for all of them, whatever language they are written in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ProcessReading", "Reading", "Usage", "read_processes", "usage"]


class ProcessReading(Struct, frozen=True):
    """One process at one moment."""

    cpu_seconds: float
    """Since its start."""
    rss_bytes: int
    threads: int


class Reading(Struct, frozen=True):
    """All processes of a service at one moment."""

    at: float
    """Seconds of the monotonic clock."""
    processes: dict[int, ProcessReading]


class Usage(Struct, frozen=True, kw_only=True):
    """What the processes use of the machine; None where it was not measured."""

    processes: int
    threads: int
    cpu: float | None = None
    """Processors in use: 1.5 is one and a half of them."""
    cpu_share: float | None = None
    """Of the processors there are, 0 to 1."""
    rss_bytes: int | None = None
    """Resident memory of all together, what they share counted in each."""
    memory_share: float | None = None
    """Of the machine's memory, 0 to 1."""
    loop_lag_ms: float | None = None
    """How late the event loop was for its timers, the worst of the last seconds."""
    commits_per_second: float | None = None
    """Database transactions committed."""


def read_processes(pids: Iterable[int], at: float) -> Reading:
    """What the kernel says of the processes that still run."""
    found: dict[int, ProcessReading] = {}
    for pid in pids:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times = process.cpu_times()
                found[pid] = ProcessReading(times.user + times.system, process.memory_info().rss, process.num_threads())
        except psutil.Error:  # it has ended meanwhile, or belongs to somebody else
            continue
    return Reading(at, found)


def usage(before: Reading | None, now: Reading, *, processors: float, memory_bytes: int) -> Usage:
    """What was used between two readings. Pure.

    Args:
        before: None at the first: CPU is not known yet.
        now: the later one.
        processors: there are.
        memory_bytes: the machine has.
    """
    cpu = None
    if before is not None and now.at > before.at:
        burned = sum(
            max(process.cpu_seconds - before.processes[pid].cpu_seconds, 0.0)
            for pid, process in now.processes.items()
            if pid in before.processes
        )
        cpu = burned / (now.at - before.at)
    rss = sum(process.rss_bytes for process in now.processes.values())
    return Usage(
        processes=len(now.processes),
        threads=sum(process.threads for process in now.processes.values()),
        cpu=cpu,
        cpu_share=None if cpu is None else min(cpu / processors, 1.0),
        rss_bytes=rss,
        memory_share=min(rss / memory_bytes, 1.0),
    )
