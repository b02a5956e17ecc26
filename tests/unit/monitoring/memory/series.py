"""Made-up series of memory samples."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from perfloop.monitoring.memory import MemorySample

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["flat", "series"]


def flat(_: int) -> float:
    """No growth."""
    return 0.0


def series(
    samples: int = 80,
    *,
    rss: Callable[[int], float] = flat,
    blocks: Callable[[int], float] = flat,
    malloc: Callable[[int], float] | None = flat,
    requests: bool = True,
    in_flight: Callable[[int], float] | None = None,
    noise: float = 1.0,
    seed: int = 0,
) -> list[MemorySample]:
    """Samples every 30 s and 1,000 requests: 100 MB, a million blocks and 30 MB of malloc, and the growth given."""
    generator = random.Random(seed)
    return [
        MemorySample(
            at=30.0 * at,
            rss=int(100e6 + rss(at) + noise * generator.gauss(0, 200e3)),
            blocks=int(1e6 + blocks(at) + noise * generator.gauss(0, 300)),
            malloc_in_use=None if malloc is None else int(30e6 + malloc(at) + noise * generator.gauss(0, 100e3)),
            requests=1000.0 * at if requests else None,
            in_flight=None if in_flight is None else in_flight(at),
        )
        for at in range(samples)
    ]
