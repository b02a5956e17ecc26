"""Processors' time: of this process, its children, its control group and the machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import psutil

from .cgroup import Cgroup
from .use import Use

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...telemetry import Registry

__all__ = ["Cpu", "CpuReading", "read_cpu", "utilisation"]


class CpuReading(NamedTuple):
    """Seconds of processors' time since some beginning."""

    user: float
    system: float
    children: float
    """Of all processes this one started, those that ended too if it waited for them."""
    limit: float
    """Processors this process may use: the control group's quota, or those it may run on."""
    group: float | None
    """Of the control group, where it has a quota."""
    throttled: float | None
    stalled: float | None
    """Time that threads waited for a processor."""
    busy: float
    """Of all the machine's processors, not idle."""
    total: float


def read_cpu(cgroup: Cgroup, *, children: bool = True) -> CpuReading:
    """What the system tells now.

    Args:
        cgroup: whose quota counts.
        children: count the time of the processes this one started; they are looked for among all of the machine.
    """
    times = os.times()
    spent_by_children = times.children_user + times.children_system
    for child in psutil.Process().children(recursive=True) if children else ():
        try:
            spent = child.cpu_times()
        except psutil.Error:  # it has ended, and is in `children` from now on
            continue
        spent_by_children += spent.user + spent.system
    group = cgroup.cpu()
    machine = psutil.cpu_times()
    # Guests' time is in the users' already.
    total = sum(machine) - getattr(machine, "guest", 0.0) - getattr(machine, "guest_nice", 0.0)
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return CpuReading(
        user=times.user,
        system=times.system,
        children=spent_by_children,
        limit=min(affinity, group.limit or affinity),
        group=None if group.limit is None else group.used_seconds,
        throttled=group.throttled_seconds,
        stalled=cgroup.stalled_seconds("cpu"),
        busy=total - machine.idle - getattr(machine, "iowait", 0.0),
        total=total,
    )


def utilisation(before: CpuReading, after: CpuReading, elapsed: float) -> float | None:
    """Share of the processors' time in use: of the quota where there is one, else of the machine.

    Args:
        before: the earlier reading.
        after: the later reading.
        elapsed: seconds between them.
    """
    if before.group is not None and after.group is not None and elapsed > 0:
        return min(max((after.group - before.group) / (elapsed * after.limit), 0.0), 1.0)
    total = after.total - before.total
    return min(max((after.busy - before.busy) / total, 0.0), 1.0) if total > 0 else None


class Cpu:
    """Publishes `process.cpu.time`, `process.children.cpu.time`, `system.cpu.utilization` and the quota's figures."""

    def __init__(self, registry: Registry, read: Callable[[], CpuReading] | None = None) -> None:
        cgroup = Cgroup()
        self._read = read or (lambda: read_cpu(cgroup))
        modes = registry.counter("process.cpu.time", "Processors' time of the process.", unit="s", labels=["cpu.mode"])
        self._user, self._system = modes.labels("user"), modes.labels("system")
        self._children = registry.counter(
            "process.children.cpu.time", "Processors' time of the processes it started.", unit="s"
        )
        # Of what all workers see alike, the largest is published: a sum would count it once for each.
        self._throttled = registry.gauge(
            "container.cpu.throttled",
            "Seconds a second that threads were held back by the control group's quota.",
            unit="1",
            merge="max",
        )
        self._limit = registry.gauge(
            "container.cpu.limit", "Processors the process may use.", unit="{cpu}", merge="max"
        )
        self._utilisation = registry.gauge(
            "system.cpu.utilization", "Share of the processors' time in use.", unit="1", merge="max"
        )

    def start(self) -> None:
        """Count from here."""
        self._before = self._read()
        self._limit.set(self._before.limit)  # until the first sample it would be 0

    def stop(self) -> None:
        """Nothing to give back."""

    def sample(self, elapsed: float) -> list[Use]:
        """Publish what happened in the `elapsed` seconds since the last sample."""
        before, after = self._before, self._read()
        self._before = after
        for counter, spent in (
            (self._user, after.user - before.user),
            (self._system, after.system - before.system),
            (self._children, after.children - before.children),
        ):
            counter.inc(max(spent, 0.0))
        self._limit.set(after.limit)
        share = utilisation(before, after, elapsed)
        if share is not None:
            self._utilisation.set(share)
        throttled, stalled = _between(before.throttled, after.throttled), _between(before.stalled, after.stalled)
        if throttled is not None and elapsed > 0:
            self._throttled.set(max(throttled, 0.0) / elapsed)
        return [
            Use(
                resource="processors",
                utilisation=share,
                saturation=None if stalled is None or elapsed <= 0 else max(stalled, 0.0) / elapsed,
                saturation_is="share of time threads waited for a processor",
                saturation_unit="share",
            ),
            *([_quota(before, after, elapsed)] if after.group is not None else []),
        ]


def _quota(before: CpuReading, after: CpuReading, elapsed: float) -> Use:
    """How the control group fared by its quota."""
    throttled = _between(before.throttled, after.throttled)
    return Use(
        resource="processor quota",
        utilisation=utilisation(before, after, elapsed),
        saturation=None if throttled is None or elapsed <= 0 else max(throttled, 0.0) / elapsed,
        saturation_is="seconds a second that threads were held back by the quota",
        saturation_unit="s",
    )


def _between(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
