"""What both bulkheads do before a call begins: a permit, a place in the queue, or the right error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...coordination import FairSemaphore, QueueFull, WaitTimedOut
from ...exceptions import BulkheadFull, BulkheadTimedOut
from ..deadline import remaining
from ..priority import PRIORITY
from ..settings import at_least, count

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...clock import Clock

__all__ = ["GAUGES", "MOST_PERMITS", "RESULTS", "Admission"]

RESULTS = ("permitted", "rejected_full", "rejected_timed_out")
MOST_PERMITS = 1_000_000
"""Each is kept: this many are 8 MB."""
GAUGES = ("available_concurrent_calls", "max_allowed_concurrent_calls", "queue_depth", "queue_capacity")


class Admission:
    """Permits for calls, and how many of them were given and refused."""

    def __init__(self, max_concurrency: int, timeout: float, max_queue: int | None, clock: Clock) -> None:
        """See `Bulkhead`."""
        count(max_concurrency, "max_concurrency", most=MOST_PERMITS)
        self.timeout = at_least(timeout, 0, "timeout")
        # Who may not wait has no place in the queue.
        places = max_concurrency if max_queue is None else count(max_queue, "max_queue", least=0)
        self.semaphore = FairSemaphore(max_concurrency, places if timeout else 0, clock=clock)
        self.try_acquire = self.semaphore.try_acquire
        self._give_back = self.semaphore.give_back
        self.finished = 0
        self.full = 0
        self.timed_out = 0

    def acquire(self, rejected: Callable[[str], BulkheadFull | BulkheadTimedOut]) -> object:
        """A permit, for a thread.

        Args:
            rejected: makes the error, of the result it is to be counted as.
        """
        try:
            return self.semaphore.acquire(self._patience(), PRIORITY.get())
        except QueueFull:
            raise rejected("rejected_full") from None
        except WaitTimedOut:
            raise rejected("rejected_timed_out") from None

    async def aacquire(self, rejected: Callable[[str], BulkheadFull | BulkheadTimedOut]) -> object:
        """As `acquire`, in an event loop."""
        try:
            return await self.semaphore.aacquire(self._patience(), PRIORITY.get())
        except QueueFull:
            raise rejected("rejected_full") from None
        except WaitTimedOut:
            raise rejected("rejected_timed_out") from None

    def _patience(self) -> float:
        """Seconds to wait: nobody waits for a turn that its caller's deadline leaves no time for."""
        left = remaining()
        patience = self.timeout or 1.0
        return patience if left is None else min(patience, left)

    def rejection(self, result: str, where: str) -> BulkheadFull | BulkheadTimedOut:
        """Count it, and make the error for it."""
        permits = self.semaphore.permits
        if result == "rejected_full":
            self.full += 1
            return BulkheadFull(
                f"{permits.limit} calls run and {permits.max_queue} wait, which is all that may",
                where=where,
                hint="a higher max_concurrency where the dependency has room, else fewer calls",
            )
        self.timed_out += 1
        return BulkheadTimedOut(
            f"{permits.limit} calls ran for as long as this one might wait: {self.timeout:g} s, or until its deadline",
            where=where,
            hint="a higher max_concurrency where the dependency has room, or a longer timeout",
        )

    def end(self, token: object) -> None:
        """A call has ended."""
        self.finished += 1
        if self._give_back(token):
            self.semaphore.settle()

    def counts(self) -> dict[str, int]:
        """By `RESULTS`."""
        permitted = self.finished + self.semaphore.used
        return {"permitted": permitted, "rejected_full": self.full, "rejected_timed_out": self.timed_out}

    def gauges(self) -> dict[str, float]:
        """By `GAUGES`."""
        permits = self.semaphore.permits
        return {
            "available_concurrent_calls": max(permits.limit - permits.used, 0),
            "max_allowed_concurrent_calls": permits.limit,
            "queue_depth": self.semaphore.waiting,
            "queue_capacity": permits.max_queue,
        }
