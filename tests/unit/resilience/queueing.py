"""A service with so many slots, simulated: calls that a limit lets in queue for a slot."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Run", "simulate"]


class Limit(Protocol):
    @property
    def limit(self) -> int: ...
    def update(self, now: float, rtt: float, inflight: int, dropped: bool) -> None: ...


@dataclass
class Run:
    """What became of the calls."""

    limits: list[tuple[float, int]] = field(default_factory=list)
    """The limit after each call that ended."""
    ended: list[tuple[float, float]] = field(default_factory=list)
    """When each ended, and its seconds."""
    rejected: int = 0

    def limits_from(self, moment: float) -> list[int]:
        return [limit for at, limit in self.limits if at >= moment]


def simulate(
    limit: Limit,
    *,
    seconds: float,
    rate: Callable[[float], float],
    slots: int,
    service: Callable[[random.Random, float], float],
    timeout: float = 1e9,
    seed: int = 1,
) -> Run:
    """Let calls arrive at random, at `rate` of the moment, at a service of so many slots.

    Args:
        service: seconds one call takes in its slot, given the moment.
        timeout: seconds after which whoever called has left; the work is done all the same.
    """
    draw = random.Random(seed)
    run = Run()
    free = [0.0] * slots
    inside: list[tuple[float, float]] = []
    now = 0.0
    while now < seconds:
        now += draw.expovariate(rate(now))
        while inside and inside[0][0] <= now:
            ended, began = heapq.heappop(inside)
            took = min(ended - began, timeout)
            limit.update(ended, took, len(inside) + 1, took >= timeout)
            run.limits.append((ended, limit.limit))
            run.ended.append((ended, took))
        if len(inside) >= limit.limit:
            run.rejected += 1
            continue
        done = max(now, heapq.heappop(free)) + service(draw, now)
        heapq.heappush(free, done)
        heapq.heappush(inside, (done, now))
    return run
