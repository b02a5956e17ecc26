"""How many calls may be repeated, so that retries do not multiply the load on what is overloaded already."""

from __future__ import annotations

from threading import RLock

from ..telemetry.forks import renew_lock_in_forks
from .settings import at_least

__all__ = ["RetryBudget"]


class RetryBudget:
    """Second attempts are at most a share of first ones, and a few more. One for all that call the same service.

    Paid for when a repetition is decided on, before the back-off: a hundred calls that fail together must not all find
    the budget untouched because none has gone out yet. In this process; each of several has its own.

    Over any time: repetitions ≤ burst + ratio × calls + min_per_second × seconds. The budget never holds more than
    `burst` (the retry throttling of gRPC's A6, with Finagle's floor for services of few calls).
    """

    def __init__(self, ratio: float = 0.2, *, min_per_second: float = 1.0, burst: float = 10.0) -> None:
        """A full budget.

        Args:
            ratio: repetitions a call earns, 0 or more.
            min_per_second: repetitions earned by time alone, 0 or more.
            burst: as many as it can hold, 1 or more.

        Raises:
            InvalidValue: a negative number; a burst below 1.
        """
        self.ratio = at_least(ratio, 0, "ratio")
        self.min_per_second = at_least(min_per_second, 0, "min_per_second")
        self.burst = at_least(burst, 1, "burst")
        self.calls = 0
        """First attempts. Whoever makes one adds 1, which no lock has to guard: nothing is called in between."""
        self._held = float(burst)
        self._settled_calls = 0
        self._settled_at: float | None = None
        self._lock = RLock()
        renew_lock_in_forks(self)

    def __str__(self) -> str:
        return f"{self.ratio:g} of calls + {self.min_per_second:g}/s, at most {self.burst:g}"

    def try_spend(self, now: float) -> bool:
        """Pay for one repetition, if there is enough.

        Args:
            now: seconds of a clock that is the same each time; one that goes backwards earns nothing.
        """
        with self._lock:
            self._settle(now)
            if self._held < 1:
                return False
            self._held -= 1
            return True

    def held(self, now: float) -> float:
        """How many repetitions it would pay for."""
        with self._lock:
            self._settle(now)
            return self._held

    def _settle(self, now: float) -> None:
        calls = self.calls
        latest = now if self._settled_at is None else max(now, self._settled_at)
        passed = 0.0 if self._settled_at is None else latest - self._settled_at
        earned = (calls - self._settled_calls) * self.ratio + passed * self.min_per_second
        self._held = min(self.burst, self._held + earned)
        self._settled_calls = calls
        self._settled_at = latest
