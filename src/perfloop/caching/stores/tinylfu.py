"""W-TinyLFU: a newcomer stays only if it was asked for more often than what would have to go for it.

Einziger, Friedman, Manes: TinyLFU, A Highly Efficient Cache Admission Policy, ACM Transactions on Storage 2017. The
window's size is found by hill climbing, as in Einziger, Eytan, Friedman, Manes: Adaptive Software Cache Management,
Middleware 2018. Unlike there, reads are not queued: they are counted in the entries, and a hand that goes round the
main part takes the counts up (CLOCK); what was not read is counted in the sketch; and several entries go at a time.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from itertools import accumulate, islice
from typing import TYPE_CHECKING, TypeVar

from .bounded import Bounded
from .protocol import Counted

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["TinyLFUStore"]

E = TypeVar("E", bound=Counted)

_BATCH = 128
_MOST_CHANCES = 4 * _BATCH
_COUNTERS_AN_ENTRY = 16
# Counts end at 15 and are halved when this many accesses an entry were counted: what was wanted once is forgotten.
_BITS = 4
_HIGHEST = (1 << _BITS) - 1
_ACCESSES_AN_ENTRY = 20
_HALVES = bytes(count >> 1 for count in range(256))

_SMALLEST_WINDOW, _LARGEST_WINDOW = 0.01, 0.8
_FIRST_STEP, _STEP_DECAY = 0.0625, 0.98
_CLIMB_AFTER = 10
"""Accesses an entry between two steps."""
_NOISE, _NEW_WORKLOAD = 0.01, 0.05
"""Differences of hit ratios: below the one it is chance, above the other the steps begin anew."""


class TinyLFUStore(Bounded[E]):
    """Keeps what is asked for often, and for how long it is so. Good at scans, at loops larger than the store and where
    some things are asked for much more often than others; it finds out how much room newcomers need.

    New entries come into a window. What leaves it competes with half as many entries of the main part, where the hand
    stands; those counted least go. Counts are kept for what is not here, too: in a count-min sketch of two rows.
    """

    def __init__(self, *, max_entries: int | None = None, max_weight: int | None = None) -> None:
        super().__init__(max_entries=max_entries, max_weight=max_weight)
        # Keys in the order they came, and what was popped and is still among them.
        self._window: list[Hashable] = []
        self._main: deque[Hashable] = deque()
        self._popped: set[Hashable] = set()
        self._counters = bytearray(1024)
        self._counted = 0
        self._generation = 0
        self._climber = _Climber()

    def put(self, key: Hashable, entry: E) -> Sequence[tuple[Hashable, E]]:
        if entry.weight > self.max_weight:
            return self._refuse(key, entry)
        entries = self._entries
        size = len(entries)
        replaced = entries.setdefault(key, entry)
        if len(entries) == size:
            entries[key] = entry
            self.weight -= replaced.weight
            # What is not counted yet is the newcomer's, and this access.
            entry.mark = entry.hits - max(0, replaced.hits - replaced.mark) - 1
            entry.rank = replaced.rank
        else:
            if self._popped and key in self._popped:
                self._popped.discard(key)
            else:
                self._window.append(key)
            if entry.hits:
                entry.mark = entry.hits
        self.weight = weight = self.weight + entry.weight
        if weight > self.max_weight or len(entries) > self.max_entries:
            return self._make_room()
        return ()

    def pop(self, key: Hashable) -> E | None:
        entry = super().pop(key)
        if entry is not None:
            self._popped.add(key)
            if len(self._popped) > len(self._entries) + _BATCH:
                self._window = [key for key in self._window if key not in self._popped]
                self._main = deque(key for key in self._main if key not in self._popped)
                self._popped.clear()
        return entry

    def clear(self) -> None:
        super().clear()
        self._window.clear()
        self._main.clear()
        self._popped.clear()

    def _make_room(self) -> list[tuple[Hashable, E]]:
        """Evict until the bounds hold, and a little more, so that the next ones need not."""
        gone: list[tuple[Hashable, E]] = []
        entries, force = self._entries, False
        while len(entries) > self.max_entries or self.weight > self.max_weight:
            size = len(entries)
            more = (min(_BATCH, size >> 6) or 1) - 1
            number = size - self.max_entries + more if size > self.max_entries else 0
            heavy = self.weight - self.max_weight
            weight = heavy + self.weight // size * more if heavy > 0 else 0
            while len(self._counters) < _COUNTERS_AN_ENTRY * size:
                self._counters *= 2  # one more bit of the hash tells keys apart
            went = self._evict(number, weight, force=force)
            gone += went
            force = not went
        return gone

    def _evict(self, number: int, weight: int, *, force: bool) -> list[tuple[Hashable, E]]:
        """Have newcomers compete with half as many of the main part; those counted least go, until the bounds hold.

        Args:
            number: how many entries have to go.
            weight: how much has to go.
            force: newcomers compete although the window has room for them.
        """
        entries = self._entries
        some = max(number, 1 + weight * len(entries) // max(self.weight, 1))
        newcomers, counts, asked = self._leave_window(some, force=force)
        olds, old_counts, read = self._pass_hand(some - len(newcomers) // 2)
        keys = newcomers + olds
        counts += old_counts
        # Stable: of those counted alike newcomers go, or a loop would wash out what it comes back to.
        order = sorted(range(len(keys)), key=counts.__getitem__)
        if weight:
            weights = [entries[keys[index]].weight for index in order]
            number = max(number, 1 + bisect_left(list(accumulate(weights)), weight))
        first_old, pop = len(newcomers), entries.pop
        go, stay = order[:number], order[number:]
        gone = [(key, pop(key)) for key in [keys[index] for index in go]]
        self.weight -= sum([entry.weight for _, entry in gone])
        counters, mask = self._counters, len(self._counters) - 1
        for index in go:
            if index >= first_old:
                count, hashed = counts[index], hash(keys[index])
                row, other_row = hashed & mask, (hashed >> 24) & mask
                # Keep its count, for when it comes back.
                if counters[row] < count:
                    counters[row] = count
                if counters[other_row] < count:
                    counters[other_row] = count
        generation = self._generation << _BITS
        for index in stay:
            if index < first_old:
                entry = entries[keys[index]]
                entry.mark = entry.hits
                entry.rank = generation + counts[index]
        self._main.extend([keys[index] for index in stay])
        self._counted += asked + read
        if self._counted >= _ACCESSES_AN_ENTRY * len(entries):
            self._counters = self._counters.translate(_HALVES)
            self._generation += 1
            self._counted >>= 1
        self._climber.tell(asked + read, asked + read - len(newcomers), len(entries))
        return gone

    def _leave_window(self, number: int, *, force: bool) -> tuple[list[Hashable], list[int], int]:
        """Who leaves the window, their counts, and how often they were asked for since they came."""
        window, entries, popped = self._window, self._entries, self._popped
        counters, mask = self._counters, len(self._counters) - 1
        leave = len(window) - (0 if force else max(1, int(len(entries) * self._climber.window)))
        # After it was filled, or has shrunk, more leave than have to go. They need not compete.
        first = 0 if force else max(leave - number, 0)
        for key in window[:first]:
            if key in entries:
                entries[key].mark -= 1  # what it came for counts as a read
        self._main.extend(window[:first])
        keys: list[Hashable] = []
        counts: list[int] = []
        end, accesses, some_popped = first, 0, bool(popped)
        last = max(leave, first)
        for key in islice(window, first, last if some_popped else min(last, first + number)):
            end += 1
            if some_popped and key in popped:
                popped.discard(key)
                continue
            entry = entries[key]
            asked = entry.hits - entry.mark + 1  # it came for one
            accesses += asked
            hashed = hash(key)
            row, other_row = hashed & mask, (hashed >> 24) & mask
            one, other = counters[row], counters[other_row]
            count = asked + (one if one < other else other)  # noqa: FURB136  a call costs more
            if count > _HIGHEST:
                count = _HIGHEST
            if one < count:
                counters[row] = count
            if other < count:
                counters[other_row] = count
            keys.append(key)
            counts.append(count)
            if some_popped and len(keys) >= number:
                break
        del window[:end]
        return keys, counts, accesses

    def _pass_hand(self, number: int) -> tuple[list[Hashable], list[int], int]:
        """Who in the main part was not read since the hand came by, their counts, and how many reads others had."""
        main, entries, popped, generation = self._main, self._entries, self._popped, self._generation
        keys: list[Hashable] = []
        counts: list[int] = []
        chances, accesses = _MOST_CHANCES, 0
        while main and len(keys) < number:
            key = main.popleft()
            if popped and key in popped:
                popped.discard(key)
                continue
            entry = entries[key]
            rank, hits = entry.rank, entry.hits
            read = hits - entry.mark
            count = (rank & _HIGHEST) >> generation - (rank >> _BITS)
            if read > 0 and chances:
                count += read
                if count > _HIGHEST:
                    count = _HIGHEST
                entry.rank = (generation << _BITS) + count
                entry.mark = hits
                accesses += read
                chances -= 1
                main.append(key)
                continue
            keys.append(key)
            counts.append(count)
        return keys, counts, accesses


class _Climber:
    """Finds the window's share: goes on in a direction while the hit ratio gains by it."""

    def __init__(self) -> None:
        self.window = _SMALLEST_WINDOW
        self._step = _FIRST_STEP
        self._ratio = 0.0
        self._accesses = 0
        self._hits = 0

    def tell(self, accesses: int, hits: int, entries: int) -> None:
        """So many accesses more were counted, and so many hits among them."""
        self._accesses += accesses
        self._hits += hits
        if self._accesses < _CLIMB_AFTER * entries:
            return
        ratio = self._hits / max(self._accesses, 1)
        gained = ratio - self._ratio
        # The smaller window is the better one unless the larger gains: it is what scans cannot wash out.
        if gained < (_NOISE if self._step > 0 else -_NOISE):
            self._step = -self._step
        if abs(gained) > _NEW_WORKLOAD:
            self._step = math.copysign(_FIRST_STEP, self._step)
        else:
            self._step *= _STEP_DECAY
        self.window = min(max(self.window + self._step, _SMALLEST_WINDOW), _LARGEST_WINDOW)
        self._ratio, self._accesses, self._hits = ratio, 0, 0
