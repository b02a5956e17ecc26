"""The machine the figures were measured on, and which of its cores do what."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ahead_on", "client_core", "describe", "may_go_ahead", "on_core", "server_core", "session_ahead"]

# How far the nice value is lowered: a measurement beside other work then measures itself.
_AHEAD = 15


def describe() -> dict[str, Any]:
    """What a reader needs to compare figures; `load_average` tells whether others were at work."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "ahead_of_other_work": may_go_ahead(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def server_core() -> int:
    """The core a server under test is pinned to."""
    return min(os.sched_getaffinity(0))


def client_core() -> int:
    """The core clients are pinned to: another one, where there is one."""
    return max(os.sched_getaffinity(0))


def on_core(core: int, command: list[str]) -> list[str]:
    """The command, run on that core alone, ahead of whatever else wants it where that is permitted."""
    first = ["nice", "-n", str(-_AHEAD)] if may_go_ahead() else []
    return ["taskset", "--cpu-list", str(core), *first, *command]


def may_go_ahead() -> bool:
    """This process may raise priorities: it is root, or has the capability."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NICE)
    return os.geteuid() == 0 or soft >= 20 + _AHEAD


@contextlib.contextmanager
def session_ahead() -> Iterator[None]:
    """What this session runs ahead of other sessions, where Linux groups processes by session and permits it."""
    group = Path("/proc/self/autogroup")
    before = None
    if may_go_ahead() and group.exists():
        before = group.read_text().rpartition(" ")[2].strip()
        with contextlib.suppress(OSError):  # rate-limited: then without
            group.write_text(str(-_AHEAD))
    try:
        yield
    finally:
        if before is not None:
            with contextlib.suppress(OSError):
                group.write_text(before)


@contextlib.contextmanager
def ahead_on(core: int) -> Iterator[None]:
    """This thread on that core alone, before whatever else wants it where that is permitted (SCHED_RR).

    As latency is measured elsewhere too (cyclictest): the thread is then delayed by its own faults only, not by a time
    slice of some other program, which would be a true but uninteresting finding.
    """
    affinity = os.sched_getaffinity(0)
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setaffinity(0, {core})
    with contextlib.suppress(PermissionError):
        # Children and further threads do not inherit it.
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)
        os.sched_setaffinity(0, affinity)


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        return platform.processor() or "unknown"
    return platform.processor() or "unknown"
