"""What the hit ratio would be with another size or policy: small stores without values, played with a sample of keys.

Which keys are watched is decided by their hash, so that of a watched key each access is seen: a store of a share of the
size, played with that share of the keys, finds the share of accesses that the whole one finds (SHARDS: Waldspurger,
Park, Garthwaite, Ahmad, Efficient MRC Construction with SHARDS, FAST 2015; with simulated stores: Waldspurger,
Saemundsson, Ahmad, Park, Cache Modeling and Optimization using Miniature Simulations, USENIX ATC 2017).
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any

import msgspec

from ...telemetry.forks import renew_lock_in_forks

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from .bounded import Bounded
    from .protocol import Counted

__all__ = ["GhostEstimate", "Ghosts"]

_SIZES = (0.5, 1.0, 2.0, 4.0)
_SAMPLE_ENTRIES = 512
"""A ghost as large as the store has this many entries or more, but less than twice as many."""
_BATCH = 64
_MOST_WAITING = 16 * _BATCH
_ACCESSES_TOLD = 1 << 16
"""Sampled accesses after which older ones count half."""


class GhostEstimate(msgspec.Struct, frozen=True):
    """What another store would find."""

    policy: str
    size: float
    """Times the store's bounds."""
    hit_ratio: float
    accesses: int
    """How many sampled ones it rests on: below some thousand it is a guess."""


class _Ghost(msgspec.Struct, eq=False):
    """An entry without a value."""

    weight: int
    hits: int = 0
    mark: int = 0
    rank: int = 0


class _Simulation:
    """One store of ghosts, and how many it found."""

    def __init__(self, policy: str, size: float, store: Bounded[_Ghost]) -> None:
        self.policy, self.size, self.store = policy, size, store
        self.hits = 0

    def play(self, key: Hashable, weight: int) -> None:
        ghost = self.store.get(key)
        if ghost is None:
            self.store.put(key, _Ghost(weight))
        else:
            ghost.hits += 1
            self.hits += 1


class Ghosts:
    """Estimates for a store at ½, 1, 2 and 4 times its size, and for the other policies at its own.

    Nothing expires and nothing is deleted in them: where many entries end by their TTL, all estimates are too high
    alike; compare them with each other.
    """

    def __init__(self, policy: str, store: Bounded[Any], policies: Mapping[str, type[Bounded[Any]]]) -> None:
        """For a store.

        Args:
            policy: the store's.
            store: is read only.
            policies: every policy by its name.
        """
        self._store = store
        few, light = store.max_entries // _SAMPLE_ENTRIES, store.max_weight // (_SAMPLE_ENTRIES * 1024)
        one_in = 1 << max(min(few, light).bit_length() - 1, 0)
        self._mask = one_in - 1
        wanted = [(policy, size) for size in _SIZES] + [(other, 1.0) for other in policies if other != policy]
        self._simulations = [
            _Simulation(
                name,
                size,
                policies[name](
                    max_entries=max(int(store.max_entries * size / one_in), 1),
                    max_weight=max(int(store.max_weight * size / one_in), 1),
                ),
            )
            for name, size in wanted
        ]
        self._accesses = 0
        self._expected = 0.0
        self._looked_up = [0]
        self._waiting: list[Hashable] = []
        self._lock = RLock()
        renew_lock_in_forks(self)

    def watching(self, find: Callable[[Hashable], Counted | None]) -> Callable[[Hashable], Any]:
        """A look-up that is told of here, too. Any thread may call it."""
        mask, waiting, looked_up, play = self._mask, self._waiting, self._looked_up, self._play

        def watched(key: Hashable) -> Counted | None:
            looked_up[0] += 1
            # The tuple's hash has nothing to do with the bits by which a store tells keys apart.
            if not hash((key,)) & mask:
                waiting.append(key)
                if len(waiting) >= _BATCH:
                    play()
            return find(key)

        return watched

    @property
    def watched(self) -> list[tuple[str, float]]:
        """Policy and size of each estimate, in their order."""
        return [(each.policy, each.size) for each in self._simulations]

    def estimates(self) -> list[GhostEstimate]:
        """What each would have found, of late."""
        self._play()
        with self._lock:
            # SHARDS' correction: what the sample has more or less than its share is hot keys' accesses, always found.
            expected = self._expected if self._mask else self._accesses
            found = [each.hits + expected - self._accesses for each in self._simulations]
            return [
                GhostEstimate(each.policy, each.size, min(max(hits / max(expected, 1), 0.0), 1.0), self._accesses)
                for each, hits in zip(self._simulations, found, strict=True)
            ]

    def _play(self) -> None:
        if not self._lock.acquire(blocking=False):  # another thread is at it; what comes meanwhile waits
            if len(self._waiting) > _MOST_WAITING:
                self._waiting.clear()
            return
        try:
            keys = self._waiting[:]
            del self._waiting[: len(keys)]
            mean = self._store.weight // max(len(self._store), 1)
            for key in keys:
                entry = self._store.get(key)
                weight = mean if entry is None else entry.weight
                for simulation in self._simulations:
                    simulation.play(key, weight)
            self._accesses += len(keys)
            self._expected += self._looked_up[0] / (self._mask + 1)
            self._looked_up[0] = 0
            if self._accesses >= _ACCESSES_TOLD:
                self._accesses >>= 1
                self._expected /= 2
                for simulation in self._simulations:
                    simulation.hits >>= 1
        finally:
            self._lock.release()
