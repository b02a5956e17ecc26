"""Running a peer to its end and asking the kernel what it used."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def run_measured(command: list[str], *, timeout: float, environment: Mapping[str, str] | None = None) -> Usage:
    """Run a command to its end.

    Args:
        timeout: seconds after which it is killed.
        environment: variables to add to this process's.

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

        timer = threading.Timer(timeout, kill)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        if expired.is_set():
            raise subprocess.TimeoutExpired(command, timeout)
        output.seek(0)
        errors.seek(0)
        return Usage(process.returncode, seconds, usage.ru_utime + usage.ru_stime, output.read(), errors.read())
