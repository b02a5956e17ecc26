"""Which lines allocate what is kept: tracemalloc, switched on for a short window and never longer.

tracemalloc notes every allocation while it is on, which makes a program that does little but allocate about ten times
slower with one frame a note, and sixty times with ten. So a window is bounded in time and in memory, begins with one
frame, and notes callers only where the line found is a library's. What it cost is measured and stated.
"""

from __future__ import annotations

import gc
import sysconfig
import time
import tracemalloc
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from .growth import newest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["AllocatingLine", "Trace", "WindowCost", "allocating_lines", "is_library", "trace_window"]

_POLL = 0.05
_OWN = str(Path(__file__).parent)

Frames = tuple[tuple[str, int], ...]
"""File and line of each frame of a traceback, the innermost last."""
Place = tuple[str, int, str | None]
"""File and line of the program, and the library's line that it went through."""


class AllocatingLine(Struct, frozen=True, kw_only=True):
    """A line whose allocations are kept."""

    file: str
    line: int
    bytes_each: float
    """Allocated and kept, by request (or second)."""
    blocks_each: float
    through: str | None = None
    """The library's line that allocated for it, as `file:line`; None when it allocates itself."""
    held: bool = False
    """What it allocates was found in the container that grows."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class WindowCost(Struct, frozen=True, kw_only=True):
    """What a window of tracing cost the program."""

    seconds: float
    requests: float
    """Answered meanwhile."""
    frames: int
    """Noted for each allocation."""
    memory_bytes: int
    """What the notes took at most."""
    cpu_ratio: float | None
    """CPU time a request (or second) in the window ÷ just before it, perfloop's own left out; None when not known."""
    own_seconds: float
    """CPU time of perfloop's own meanwhile: two full collections, and reading the notes."""
    cut_short: bool
    """It ended early: the bound on memory was reached, or the program stopped."""


class Trace(Struct, frozen=True, kw_only=True):
    """What a window saw: by traceback, bytes and blocks alive in the middle, and at the end."""

    middle: dict[Frames, tuple[int, int]]
    end: dict[Frames, tuple[int, int]]
    requests: tuple[float, float]
    """Requests (or seconds) in the first and the second half."""
    held: frozenset[Frames]
    """Where elements of growing containers were allocated."""
    cost: WindowCost


def trace_window(
    *,
    frames: int,
    seconds: float,
    memory_bytes: int,
    work: Callable[[], float],
    cpu_each: float | None,
    wait: Callable[[float], bool],
    growing: Callable[[], Sequence[Any]],
) -> Trace | None:
    """Trace allocations for a while.

    Args:
        frames: noted for each allocation, 1 or more.
        seconds: how long, at most.
        memory_bytes: the notes may take so much; the window ends when they do.
        work: requests answered so far, or seconds.
        cpu_each: CPU seconds a request (or second) took before, for comparison.
        wait: waits so many seconds; True when the program stops meanwhile.
        growing: gives the containers that have grown since the window began.

    Returns:
        None where somebody else traces already, or the program stopped.
    """
    if tracemalloc.is_tracing():
        return None
    gc.collect()
    started, work_before = time.monotonic(), work()
    cpu_before, own_before = time.process_time(), time.thread_time()
    tracemalloc.start(frames)
    try:
        end = _pass(seconds / 2, memory_bytes / 2, wait)
        gc.collect()
        middle, work_middle = _survivors(), work()
        # As long as the first half was, so that both saw about as many requests.
        if end != "stopped":
            end = _pass(time.monotonic() - started, memory_bytes, wait)
        gc.collect()
        last, work_end = _survivors(), work()
        own = time.thread_time() - own_before
        used = time.process_time() - cpu_before - own
        notes = tracemalloc.get_tracemalloc_memory()
        held = frozenset(_origins(growing()))
    finally:
        tracemalloc.stop()
    if end == "stopped":
        return None
    done = work_end - work_before
    return Trace(
        middle=middle,
        end=last,
        requests=(work_middle - work_before, work_end - work_middle),
        held=held,
        cost=WindowCost(
            seconds=time.monotonic() - started,
            requests=done,
            frames=frames,
            memory_bytes=notes,
            cpu_ratio=used / done / cpu_each if cpu_each and done > 0 else None,
            own_seconds=own,
            cut_short=end == "full",
        ),
    )


def allocating_lines(trace: Trace, *, limit: int = 3, share: float = 0.1, least: float = 0.0) -> list[AllocatingLine]:
    """The lines whose allocations stay, those found in growing containers first, then by bytes.

    What counts is the smaller rate of the two halves of the window: what was allocated once, or only replaces what was
    freed, is not what leaks.

    Args:
        trace: of a window.
        limit: so many at most.
        share: lines with less than this of the bytes that stay are left out.
        least: and so are those with fewer bytes a request (or second).
    """
    first, second = trace.requests
    if first <= 0 or second <= 0:
        return []
    middle, end = _by_place(trace.middle), _by_place(trace.end)
    held = {_place(frames) for frames in trace.held}
    sizes: dict[Place, tuple[float, float]] = {}
    for place, (size, blocks) in end.items():
        size_before, blocks_before = middle.get(place, (0, 0))
        sizes[place] = (
            max(min(size_before / first, (size - size_before) / second), 0.0),
            max(min(blocks_before / first, (blocks - blocks_before) / second), 0.0),
        )
    total = sum(size for size, _ in sizes.values())
    lines = [
        AllocatingLine(
            file=file,
            line=line,
            through=through,
            bytes_each=size,
            blocks_each=blocks,
            held=(file, line, through) in held,
        )
        for (file, line, through), (size, blocks) in sizes.items()
        if size > least and (size >= share * total or (file, line, through) in held)
    ]
    return sorted(lines, key=lambda each: (not each.held, -each.bytes_each))[:limit]


def is_library(file: str) -> bool:
    """Whether a file belongs to the standard library or an installed package rather than to the program."""
    installed = "/site-packages/" in file or "/dist-packages/" in file
    return installed or file.startswith(("<", _OWN, *_libraries()))


@cache
def _libraries() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({paths[name] + "/" for name in ("stdlib", "platstdlib")})


def _by_place(survivors: dict[Frames, tuple[int, int]]) -> dict[Place, tuple[int, int]]:
    totals: dict[Place, tuple[int, int]] = {}
    for frames, (size, blocks) in survivors.items():
        sum_size, sum_blocks = totals.get(place := _place(frames), (0, 0))
        totals[place] = sum_size + size, sum_blocks + blocks
    return totals


def _place(frames: Frames) -> Place:
    """The program's innermost line, and the library's that it went through."""
    innermost = frames[-1]
    for file, line in reversed(frames):
        if not is_library(file):
            return file, line, None if (file, line) == innermost else f"{innermost[0]}:{innermost[1]}"
    return (*innermost, None)


def _pass(seconds: float, memory_bytes: float, wait: Callable[[float], bool]) -> Literal["time", "full", "stopped"]:
    """Let time pass: until it is over, the notes are too large, or the program stops.

    It waits once at least: where the machine is busy, the time may be over before.
    """
    end = time.monotonic() + seconds
    left = seconds
    while True:
        if wait(min(max(left, 0.0), _POLL)):
            return "stopped"
        if tracemalloc.get_tracemalloc_memory() > memory_bytes:
            return "full"
        left = end - time.monotonic()
        if left <= 0:
            return "time"


def _survivors() -> dict[Frames, tuple[int, int]]:
    """Bytes and blocks alive now by traceback, of what was allocated since tracing began; perfloop's own left out."""
    totals: dict[Frames, tuple[int, int]] = {}
    for each in tracemalloc.take_snapshot().statistics("traceback"):
        frames = tuple((frame.filename, frame.lineno) for frame in each.traceback)
        if not frames[-1][0].startswith((_OWN, tracemalloc.__file__)):
            totals[frames] = each.size, each.count
    return totals


def _origins(containers: Iterable[Any]) -> list[Frames]:
    """Where elements of containers were allocated, the most frequent first, where tracing saw it."""
    votes: Counter[Frames] = Counter()
    for container in containers:
        for element in newest(container):
            # What an element refers to as well: CPython 3.11 and 3.12 do not find instances of classes in the notes.
            for each in (element, *gc.get_referents(element)[:8]):
                traceback = tracemalloc.get_object_traceback(each)
                if traceback is not None:
                    votes[tuple((frame.filename, frame.lineno) for frame in traceback)] += 1
    return [frames for frames, _ in votes.most_common()]
