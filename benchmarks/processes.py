"""Running a peer to its end and asking the kernel what it used."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Usage", "run_measured"]


class Usage(NamedTuple):
    """What one process and its children used, from start to end."""

    status: int
    seconds: float
    """Wall time."""
    cpu_seconds: float
    """User and system time, as wait4 tells."""
    output: str
    """stdout."""
    errors: str
    """stderr."""
    resident_bytes: tuple[int, ...] = ()
    """Resident memory at each moment it was to be read."""


def run_measured(
    command: list[str],
    *,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    read_memory_at: Sequence[float] = (),
) -> Usage:
    """Run a command to its end.

    Args:
        timeout: seconds after which it is killed.
        environment: variables to add to this process's.
        read_memory_at: seconds from its start at which its resident memory is read.

    Raises:
        subprocess.TimeoutExpired: it did not end in time.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdout=output, stderr=errors, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
        )
        expired = threading.Event()

        def kill() -> None:
            expired.set()
            process.kill()

        resident: list[int] = []

        def read_memory() -> None:
            resident.append(psutil.Process(process.pid).memory_info().rss)

        timers = [threading.Timer(timeout, kill), *(threading.Timer(at, read_memory) for at in read_memory_at)]
        for timer in timers:
            timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            for timer in timers:
                timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        if expired.is_set():
            raise subprocess.TimeoutExpired(command, timeout)
        output.seek(0)
        errors.seek(0)
        cpu = usage.ru_utime + usage.ru_stime
        return Usage(process.returncode, seconds, cpu, output.read(), errors.read(), tuple(resident))
