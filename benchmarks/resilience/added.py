"""What a part adds to a call, beside a peer's: interleaved rounds of the bare call, ours and theirs."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    # Does so many calls one after the other, and gives the seconds of one.
    Loop = Callable[[int], float]

__all__ = ["Added", "Loop", "added", "aloop", "loop", "nothing", "nothing_async"]


class Added(NamedTuple):
    """Medians over the rounds."""

    ratio: float
    """Ours ÷ theirs, each without the bare call."""
    ours_ns: float
    """Nanoseconds that ours adds to a call."""
    theirs_ns: float
    bare_ns: float


def nothing(word: str = "word") -> str:
    """What is called in a thread: as little as a function can do."""
    return word


async def nothing_async(word: str = "word") -> str:
    """What is called in an event loop; it never waits."""
    return word


def loop(function: Callable[[], Any]) -> Loop:
    """Calls of a plain function."""

    def timed(calls: int) -> float:
        numbers = range(calls)
        started = time.perf_counter()
        for _ in numbers:
            function()
        return (time.perf_counter() - started) / calls

    return timed


def aloop(function: Callable[[], Awaitable[Any]]) -> Loop:
    """Calls of a coroutine function, awaited one after the other in one task of a new event loop."""

    async def timed(calls: int) -> float:
        numbers = range(calls)
        started = time.perf_counter()
        for _ in numbers:
            await function()
        return (time.perf_counter() - started) / calls

    return lambda calls: asyncio.run(timed(calls))


def added(bare: Loop, ours: Loop, theirs: Loop, *, rounds: int, calls: int = 10_000, their_calls: int = 0) -> Added:
    """Measure all three in each round, in an order that turns.

    Args:
        bare: the call without any part.
        ours: through our part.
        theirs: through the peer's.
        rounds: how many count; one before them warms up.
        calls: so many a round.
        their_calls: for a peer so slow that fewer have to do; `calls` unless given.
    """
    loops = [(bare, calls), (ours, calls), (theirs, their_calls or calls)]
    ratios, our_times, their_times, bare_times = [], [], [], []
    for number in range(-1, rounds):
        times = [0.0] * 3
        for turn in range(3):
            which = (number + turn) % 3
            timed, many = loops[which]
            times[which] = timed(many) * 1e9
        if number >= 0:
            ratios.append((times[1] - times[0]) / (times[2] - times[0]))
            our_times.append(times[1] - times[0])
            their_times.append(times[2] - times[0])
            bare_times.append(times[0])
    return Added(*(statistics.median(each) for each in (ratios, our_times, their_times, bare_times)))
