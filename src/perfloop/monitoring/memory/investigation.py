"""Looks closer at a leak once its slope is significant: who holds what grows, and which lines allocate it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .allocations import AllocatingLine, Trace, allocating_lines, is_library, trace_window
from .evidence import LeakEvidence
from .growth import Census, growing_containers, growing_types
from .retaining import RetainingPath, retaining_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from .allocations import WindowCost
    from .growth import GrowingContainer
    from .options import LeakOptions

__all__ = ["investigate"]

# A container that grew by less than this share of the one that grew most is not what leaks.
_WORTH_A_LOOK = 0.2
# Nor is a line that accounts for less than this share of the growth.
_WORTH_A_LINE = 0.05


def investigate(
    before: Census,
    options: LeakOptions,
    *,
    work: Callable[[], float],
    bytes_each: float,
    cpu_each: float | None,
    wait: Callable[[float], bool],
) -> LeakEvidence | None:
    """Compare the heap with an earlier count, then trace allocations for a moment.

    Nothing is traced when everything that grew is held by caches that have room left.

    Args:
        before: the heap when the suspicion arose.
        options: how long and how much is traced.
        work: requests answered so far, or seconds.
        bytes_each: by how much memory grows a request (or second); lines with a small part of it are not named.
        cpu_each: CPU seconds a request (or second) took before.
        wait: waits so many seconds; True when the program stops meanwhile.

    Returns:
        None when the program stopped meanwhile.
    """
    started = time.perf_counter()
    census, grown = _grown(before)
    types = tuple(growing_types(before, census))
    holders = [(each.length, each.grew, retaining_path(each.container, [grown, each])) for each in grown]
    length, grew, path = holders[0] if holders else (0, 0, None)
    pause = time.perf_counter() - started
    filling = _filling(holders)
    del grown
    found = LeakEvidence(
        types=types, path=path, path_length=length, path_grew=grew, pause_seconds=pause, filling=filling
    )
    if filling is not None or not options.window_seconds:
        return found
    lines, windows, each = _trace(before, options, work, bytes_each * _WORTH_A_LINE, cpu_each, wait)
    if each is None and wait(0):
        return None
    return LeakEvidence(
        types=types,
        path=path,
        path_length=length,
        path_grew=grew,
        pause_seconds=pause,
        lines=tuple(lines),
        traced_each=each,
        windows=tuple(windows),
    )


def _grown(before: Census) -> tuple[Census, list[GrowingContainer]]:
    census, grown = growing_containers(before)
    return census, [each for each in grown if each.grew >= _WORTH_A_LOOK * grown[0].grew]


def _filling(holders: list[tuple[int, int, RetainingPath]]) -> str | None:
    if not holders or any(path.bound is None or length >= path.bound for length, _, path in holders):
        return None
    length, _, path = holders[0]
    return f"{path.text} fills: {length:,} of at most {path.bound:,} entries"


def _trace(
    before: Census,
    options: LeakOptions,
    work: Callable[[], float],
    least: float,
    cpu_each: float | None,
    wait: Callable[[float], bool],
) -> tuple[list[AllocatingLine], list[WindowCost], float | None]:
    """The lines, what finding them cost, and the bytes a request that Python keeps; None where it cannot be told."""

    def window(frames: int, seconds: float) -> Trace | None:
        return trace_window(
            frames=frames,
            seconds=seconds,
            memory_bytes=int(options.window_memory),
            work=work,
            cpu_each=cpu_each,
            wait=wait,
            growing=growing,
        )

    def growing() -> list[Any]:
        return [each.container for each in _grown(before)[1]]

    trace = window(1, options.window_seconds)
    if trace is None:
        return [], [], None
    windows = [trace.cost]
    if not all(trace.requests):  # nothing was asked of the program: that it kept nothing says nothing
        return [], windows, None
    lines = allocating_lines(trace, least=least)
    each = sum(line.bytes_each for line in allocating_lines(trace, limit=1_000, share=0))
    if lines and is_library(lines[0].file) and options.frames > 1:
        deeper = window(options.frames, options.window_seconds / 2)
        if deeper is not None:
            windows.append(deeper.cost)
            lines = allocating_lines(deeper, least=least) or lines
    return lines, windows, each
