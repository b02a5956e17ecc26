"""What a process' memory is at one moment: what the kernel, the C allocator and the interpreter say.

`read_sample` costs 10 µs in a small service. Two parts grow with the heap: the interpreter counts its blocks by walking
its pools (40 µs for 100 MB of small objects), and the C library its free chunks (25 to 80 ns each: with 200,000 of them
5 to 16 ms). PSS is apart, since the kernel walks the page table for it: about 2 ms for each 100 MB.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MallocFigures", "MemorySample", "malloc_figures", "proportional_bytes", "read_sample", "resident_bytes"]

_PAGE = os.sysconf("SC_PAGE_SIZE")
# A C allocator that holds less than this is not the one in use: another (jemalloc, tcmalloc) was preloaded.
_LEAST_IN_USE = 256 * 1024


class MallocFigures(NamedTuple):
    """What glibc's malloc holds, in bytes; memory of small Python objects is not in it, the interpreter maps that."""

    in_use: int
    free: int
    """Held for the next allocation and not given back to the kernel."""


class MemorySample(Struct, frozen=True, kw_only=True):
    """One process' memory at one moment, in bytes, and how much work it had done until then."""

    at: float
    """Seconds of the monitor's clock."""
    rss: int
    """Resident: pages in physical memory, those shared with other processes in full."""
    blocks: int
    """Python objects' blocks of memory in use, of any size (`sys.getallocatedblocks`)."""
    malloc_in_use: int | None = None
    """Allocated from the C library and not freed, Python objects above 512 bytes included; None where not told."""
    malloc_free: int | None = None
    """Freed, and kept by the C library."""
    pss: int | None = None
    """Resident, pages shared with other processes divided by their number; None unless asked for."""
    requests: float | None = None
    """Requests answered since the start."""
    in_flight: float | None = None
    """Requests being worked on."""
    cpu_seconds: float = 0.0
    """CPU time the process has used since its start, but for the thread that takes the samples."""


def read_sample(
    at: float,
    *,
    requests: Callable[[], float] | None = None,
    in_flight: Callable[[], float] | None = None,
    pss: bool = False,
) -> MemorySample:
    """This process' memory now.

    Args:
        at: the time now, of the monitor's clock.
        requests: gives the number of requests answered.
        in_flight: gives the number of requests being worked on.
        pss: read the proportional size too.

    Raises:
        Exception: what `requests` and `in_flight` raise.
    """
    malloc = malloc_figures()
    return MemorySample(
        at=at,
        rss=resident_bytes(),
        blocks=sys.getallocatedblocks(),
        malloc_in_use=None if malloc is None else malloc.in_use,
        malloc_free=None if malloc is None else malloc.free,
        pss=proportional_bytes() if pss else None,
        requests=None if requests is None else float(requests()),
        in_flight=None if in_flight is None else float(in_flight()),
        cpu_seconds=time.process_time() - time.thread_time(),
    )


def resident_bytes() -> int:
    """Resident memory of this process."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:  # noqa: PTH123  # half the cost of a Path
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        import psutil

        return int(psutil.Process().memory_info().rss)


def proportional_bytes() -> int | None:
    """The proportional set size (PSS) of this process; None where the kernel does not tell."""
    try:
        for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None


def malloc_figures() -> MallocFigures | None:
    """What glibc's malloc holds, in all its arenas; None with another C library or a preloaded allocator."""
    mallinfo2 = _mallinfo2()
    if mallinfo2 is None:
        return None
    info = mallinfo2()
    in_use = info.uordblks + info.hblkhd
    return MallocFigures(in_use=in_use, free=info.fordblks) if in_use >= _LEAST_IN_USE else None


class _Mallinfo2(ctypes.Structure):
    """glibc's `struct mallinfo2` (2.33): man 3 mallinfo."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


@cache
def _mallinfo2() -> Callable[[], _Mallinfo2] | None:
    # PyDLL keeps the interpreter lock: releasing and taking it would cost more than the call.
    try:
        function = ctypes.PyDLL(None).mallinfo2
    except (OSError, AttributeError):
        return None
    function.restype = _Mallinfo2
    function.argtypes = ()
    return function
