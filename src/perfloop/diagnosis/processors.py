"""How much of the machine is left to a service: what affinity and quota allow, less what others use meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from typing import Any

__all__ = ["ProcessorUse", "allowed_processors", "processors_left"]

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


class ProcessorUse:
    """Processor seconds that the whole machine has spent since this was made."""

    def __init__(self) -> None:
        self._before: Any = psutil.cpu_times()

    def seconds(self) -> float:
        """Busy seconds of all processors together."""
        now = psutil.cpu_times()
        # guest times are part of user and nice already.
        busy = ("user", "nice", "system", "irq", "softirq", "steal")
        return sum(max(getattr(now, name, 0.0) - getattr(self._before, name, 0.0), 0.0) for name in busy)


def allowed_processors(quota: Path = _QUOTA) -> float:
    """Processors this process and its children may use: by affinity, and by the quota of a container."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        limit, period = quota.read_text().split()
        return max(min(float(affinity), int(limit) / int(period)), 0.01)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or `max`
        return float(affinity)


def processors_left(busy: float, own: float, seconds: float, allowed: float) -> float:
    """Processors a service can have, at least one.

    Args:
        busy: processor seconds of the whole machine.
        own: those of the service's processes.
        seconds: how long.
        allowed: what the service may use at most.
    """
    if seconds <= 0:
        return max(allowed, 1.0)
    return max(min(allowed, allowed - (busy - own) / seconds), 1.0)
