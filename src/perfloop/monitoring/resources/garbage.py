"""The garbage collector: each pause and what it found; blocks of memory that Python's allocator has given out."""

from __future__ import annotations

import gc
import sys
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

from .use import Use

if TYPE_CHECKING:
    from ...telemetry import Registry

__all__ = ["Garbage"]

_MOST = 50_000
"""Collections between two samples that are kept; older ones give way."""
_PAUSES = (1e-5, 1e-4, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Garbage:
    """Publishes `cpython.gc.collections`, `cpython.gc.pause`, objects found, and `cpython.allocated_blocks`.

    A collection costs two reads of the clock and an append; figures are made of them when sampled. No lock is taken: a
    collection may begin anywhere.
    """

    def __init__(self, registry: Registry) -> None:
        self._collections = registry.counter(
            "cpython.gc.collections",
            "Garbage collections.",
            unit="{collection}",
            labels=["cpython.gc.generation"],
        )
        self._pauses = registry.histogram("cpython.gc.pause", "Time a garbage collection took.", buckets=_PAUSES)
        self._collected = registry.counter(
            "cpython.gc.collected_objects", "Objects in cycles that were freed.", unit="{object}"
        )
        self._uncollectable = registry.counter(
            "cpython.gc.uncollectable_objects", "Objects that could not be freed.", unit="{object}"
        )
        self._blocks = registry.gauge(
            "cpython.allocated_blocks", "Blocks of memory Python's allocator has given out.", unit="{block}"
        )
        self._seen: deque[tuple[int, float, int, int]] = deque(maxlen=_MOST)
        self._started = 0.0

    def start(self) -> None:
        """Watch from here."""
        self._lost = 0
        self._seen.clear()
        if self._on_collection not in gc.callbacks:
            gc.callbacks.append(self._on_collection)

    def stop(self) -> None:
        """Watch no more."""
        if self._on_collection in gc.callbacks:
            gc.callbacks.remove(self._on_collection)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._started = perf_counter()
        elif self._started:
            self._seen.append(
                (info["generation"], perf_counter() - self._started, info["collected"], info["uncollectable"])
            )
            self._started = 0.0

    def sample(self, elapsed: float) -> list[Use]:
        """Publish what happened in the `elapsed` seconds since the last sample."""
        paused = 0.0
        for _ in range(len(self._seen)):
            generation, seconds, collected, uncollectable = self._seen.popleft()
            self._collections.labels(generation).inc()
            self._pauses.observe(seconds)
            self._collected.inc(collected)
            self._uncollectable.inc(uncollectable)
            self._lost += uncollectable
            paused += seconds
        self._blocks.set(sys.getallocatedblocks())
        return [
            Use(
                resource="garbage collector",
                utilisation=min(paused / elapsed, 1.0) if elapsed > 0 else None,
                errors=self._lost,
                errors_are="objects that could not be freed",
            )
        ]
