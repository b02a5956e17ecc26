"""Four traces of keys, the same each time.

- `zipf`: keys asked for by Zipf's law, exponent 0.9, out of a hundred times what the cache holds;
- `moving`: a hot set of twice the cache, by the same law, that moves on by one key every 20 accesses;
- `scans`: a hot set as large as the cache, and over 40 % of the time every other access is part of a scan over keys
  that are never asked for again;
- `loop`: twice what the cache holds, over and over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.random import Generator
    from numpy.typing import NDArray

__all__ = ["TRACES", "trace"]

_EXPONENT = 0.9


def trace(name: str, *, length: int, entries: int, seed: int = 1) -> list[str]:
    """Keys in the order they are asked for, each a text of its own, as those of requests are.

    Args:
        entries: what the cache holds.
    """
    return [f"user:{number}" for number in TRACES[name](length, entries, np.random.default_rng(seed)).tolist()]


def _zipf(length: int, entries: int, draw: Generator) -> NDArray[np.int64]:
    keys = 100 * entries
    return draw.permutation(keys)[_ranks(length, keys, draw)]


def _moving(length: int, entries: int, draw: Generator) -> NDArray[np.int64]:
    return _ranks(length, 2 * entries, draw) + np.arange(length) // 20


def _scans(length: int, entries: int, draw: Generator) -> NDArray[np.int64]:
    position = np.arange(length)
    scanning = (position % (10 * entries) < 4 * entries) & (position % 2 == 0)
    return np.where(scanning, 10 * entries + np.cumsum(scanning), _ranks(length, entries, draw))


def _loop(length: int, entries: int, draw: Generator) -> NDArray[np.int64]:
    return np.arange(length) % (2 * entries)


def _ranks(length: int, keys: int, draw: Generator) -> NDArray[np.int64]:
    """Numbers from 0, the lower the more often."""
    share = np.cumsum(1 / np.arange(1, keys + 1) ** _EXPONENT)
    return np.searchsorted(share / share[-1], draw.random(length))


TRACES: Mapping[str, Callable[[int, int, Generator], NDArray[np.int64]]] = {
    "zipf": _zipf,
    "moving": _moving,
    "scans": _scans,
    "loop": _loop,
}
