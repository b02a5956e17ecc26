"""Which of the candidates to take, for the whole workload, under a budget of size. Pure: what a set costs comes in.

Greedy by gain, and by gain for its size, then exchanges: an index left out, or another in its place, whenever that is
cheaper. It also starts from what the single columns alone give, so that it never ends up dearer than they.

The scheme is that of Chaudhuri and Narasayya, "An efficient, cost-driven index selection tool for Microsoft SQL Server"
(VLDB 1997): greedy enumeration over per-statement costs, with gains looked at again only while they may still win.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

__all__ = ["Selected", "borne_out", "select_borne_out", "select_indexes"]

T = TypeVar("T")


@dataclass(frozen=True)
class Selected(Generic[T]):
    """What was chosen."""

    chosen: tuple[T, ...]
    cost: float
    cost_before: float
    complete: bool
    """False: there was no time to try every exchange."""


def select_indexes(
    candidates: Sequence[T],
    cost: Callable[[frozenset[T]], float],
    size: Callable[[T], int],
    *,
    singles: Collection[T] = (),
    budget: int | None = None,
    minimum_gain: float = 0.002,
    rounds: int = 3,
    group: Callable[[T], object] = lambda _: None,
    out_of_time: Callable[[], bool] = lambda: False,
) -> Selected[T]:
    """The cheapest set found.

    Args:
        cost: of the whole workload with a set of candidates in place, writes included.
        size: bytes of one.
        singles: the candidates of one column, for the second start.
        budget: bytes that all together may take; None: any.
        minimum_gain: share of the cost that each further index has to save.
        rounds: of exchanges, at most.
        group: candidates are exchanged within their group (their table).
        out_of_time: asked between steps; the best so far is then returned.
    """
    search = _Search(cost, size, budget, minimum_gain, out_of_time)
    before = cost(frozenset())
    starts = [search.greedy(candidates, per_byte=False), search.greedy(candidates, per_byte=True)]
    if singles:
        starts.append(search.greedy([each for each in candidates if each in singles], per_byte=False))
    best = min(dict.fromkeys(starts), key=lambda chosen: (cost(chosen), len(chosen)))
    order = {each: number for number, each in enumerate(candidates)}
    for _ in range(rounds):
        improved = search.exchanged(best, candidates, group)
        if improved == best:
            break
        best = improved
    return Selected(tuple(sorted(best, key=order.__getitem__)), cost(best), before, not out_of_time())


def borne_out(chosen: Iterable[T], saved: Callable[[T, frozenset[T]], float], least: float) -> tuple[list[T], list[T]]:
    """Those that save something beside the others, as measured, and those that do not: the worst goes first.

    Args:
        saved: share of the workload that one saves beside all others of a set.
        least: what each has to save.
    """
    lasting, failed = list(chosen), []
    while lasting:
        everything = frozenset(lasting)
        shares = {each: saved(each, everything) for each in lasting}
        worst = min(lasting, key=shares.__getitem__)
        if shares[worst] > least:
            break
        lasting.remove(worst)
        failed.append(worst)
    return lasting, failed


def select_borne_out(
    candidates: Sequence[T],
    select: Callable[[Sequence[T]], Sequence[T]],
    prove: Callable[[Sequence[T]], tuple[list[T], list[T]]],
    price: Callable[[frozenset[T]], float],
    *,
    fits: Callable[[Collection[T]], bool] = lambda _: True,
    minimum_gain: float = 0.0,
    rounds: int = 4,
    out_of_time: Callable[[], bool] = lambda: False,
) -> list[T]:
    """Select and measure; what measures no better goes, and the choice is made again without it. The cheapest so found,
    with what did not pay beside others that are gone and pays now.

    Args:
        select: from some of the candidates.
        prove: see `borne_out`.
        price: of what is borne out.
        fits: whether a set keeps to the budget.
        minimum_gain: share of the price that each has to save that is taken back.
        rounds: at most.
        out_of_time: asked after each.
    """
    best: list[T] = []
    best_price = float("inf")
    gone: list[T] = []
    for _ in range(rounds):
        lasting, failed = prove(select([each for each in candidates if each not in gone]))
        gone += failed
        found = price(frozenset(lasting))
        if found < best_price:
            best, best_price = lasting, found
        if not failed or out_of_time():
            break
    while gone and not out_of_time():
        prices = {each: price(frozenset([*best, each])) for each in gone if each not in best and fits([*best, each])}
        cheapest = min(prices, key=prices.__getitem__, default=None)
        if cheapest is None or prices[cheapest] >= best_price * (1 - minimum_gain):
            break
        gone.remove(cheapest)
        lasting, _ = prove([*best, cheapest])
        found = price(frozenset(lasting))
        if found < best_price:
            best, best_price = lasting, found
    return best


class _Search(Generic[T]):
    def __init__(
        self,
        cost: Callable[[frozenset[T]], float],
        size: Callable[[T], int],
        budget: int | None,
        minimum_gain: float,
        out_of_time: Callable[[], bool],
    ) -> None:
        self.cost = cost
        self.size = size
        self.budget = budget
        self.minimum_gain = minimum_gain
        self.out_of_time = out_of_time

    def fits(self, chosen: frozenset[T]) -> bool:
        return self.budget is None or sum(map(self.size, chosen)) <= self.budget

    def greedy(self, candidates: Sequence[T], *, per_byte: bool) -> frozenset[T]:
        """One after another, the best first. A gain only shrinks as others are taken, mostly: it is looked at again
        when it comes to the top."""
        chosen: frozenset[T] = frozenset()
        current = self.cost(chosen)
        heap: list[tuple[float, int, int]] = []

        def push(number: int) -> None:
            each = candidates[number]
            gain = current - self.cost(chosen | {each})
            if gain > 0:
                heapq.heappush(heap, (-(gain / max(self.size(each), 8192) if per_byte else gain), number, len(chosen)))

        for number in range(len(candidates)):
            if self.out_of_time():
                break
            push(number)
        while heap and not self.out_of_time():
            _, number, seen = heapq.heappop(heap)
            if seen < len(chosen):
                push(number)
                continue
            wider = chosen | {candidates[number]}
            gain = current - self.cost(wider)
            if gain < self.minimum_gain * current or not self.fits(wider):
                if not per_byte and gain < self.minimum_gain * current:
                    break
                continue
            chosen, current = wider, current - gain
        return chosen

    def exchanged(self, chosen: frozenset[T], candidates: Sequence[T], group: Callable[[T], object]) -> frozenset[T]:
        """One round: each index left out or exchanged, then whatever still pays added."""
        current = self.cost(chosen)
        for each in sorted(chosen, key=candidates.index):
            if self.out_of_time():
                return chosen
            without = chosen - {each}
            best, best_cost = (without, self.cost(without)) if self.cost(without) <= current else (chosen, current)
            for other in candidates:
                if other in chosen or group(other) != group(each):
                    continue
                swapped = without | {other}
                if self.cost(swapped) < best_cost * (1 - 1e-9) and self.fits(swapped):
                    best, best_cost = swapped, self.cost(swapped)
            chosen, current = best, self.cost(best)
        for other in candidates:
            if self.out_of_time():
                break
            wider = chosen | {other}
            gain = current - self.cost(wider)
            if gain > 0 and gain >= self.minimum_gain * current and self.fits(wider):
                chosen, current = wider, self.cost(wider)
        return chosen
