"""`python -m tests.integration.monitoring.memory.leaking KIND`: works, and leaks, until the detector reports it.

Prints the report, and ends; or the verdict when none came in time. With FORKED set, a forked child does all that.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time

from perfloop.monitoring import LeakOptions, LeakReport, LeakRule, MemoryLeakDetector

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.malloc.argtypes = [ctypes.c_size_t]
LIBC.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

OPTIONS = LeakOptions(
    interval=0.05,
    warm_up=0.2,
    pause_budget=0.5,
    rule=LeakRule(samples=20, growth_bytes=500_000),
    window_seconds=0.5,
)
KEPT: dict[int, list[str]] = {}


def python(number: int) -> None:
    """Keeps objects."""
    KEPT[number] = [f"row {row} of {number}" for row in range(20)]  # leaks


def native(_: int) -> None:
    """Keeps memory that Python knows nothing of."""
    LIBC.memset(LIBC.malloc(3_000), 1, 3_000)


def none(number: int) -> None:
    """Keeps nothing."""
    KEPT[0] = [f"row {row} of {number}" for row in range(20)]


def main(kind: str, seconds: float) -> None:
    """Work and leak."""
    work = {"python": python, "native": native, "none": none}[kind]
    done = 0
    reported = threading.Event()

    def on_leak(report: LeakReport) -> None:
        print(report, flush=True)
        reported.set()

    with MemoryLeakDetector(OPTIONS, requests=lambda: done, on_leak=on_leak) as detector:
        if "FORKED" in os.environ and (child := os.fork()):
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        end = time.monotonic() + seconds
        while not reported.is_set() and time.monotonic() < end:
            for _ in range(5):
                work(done)
                done += 1
            time.sleep(0.002)
        if not reported.is_set():
            print(f"{detector.verdict.kind}: {detector.verdict.reason}; {len(detector.samples)} samples", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
