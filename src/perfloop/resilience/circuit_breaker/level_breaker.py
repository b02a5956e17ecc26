"""A circuit breaker for whoever asks first and says afterwards how it was: the levels of a cache."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from ...exceptions import CircuitOpen
from ..outcome import FAILURE, SUCCESS, Outcome

if TYPE_CHECKING:
    from .breaker import CircuitBreaker

__all__ = ["LevelBreaker"]


class LevelBreaker:
    """What `MultiLevelCache(breaker=…)` makes for each level: `lambda level: LevelBreaker(CircuitBreaker(3, 1.0))`.

    A caller is a thread or a task: what it says belongs to what it last asked. One that asked and says nothing is given
    up after the breaker's `probe_timeout`, where it was a probe; otherwise it does not matter.
    """

    def __init__(self, breaker: CircuitBreaker) -> None:
        """Asks `breaker`, which may be used for other calls, too."""
        self.breaker = breaker
        self._token: ContextVar[tuple[int, float]] = ContextVar("perfloop_level_breaker", default=(0, 0.0))

    def allows(self) -> bool:
        """Whether to try."""
        try:
            token = self.breaker.try_acquire()
        except CircuitOpen:
            return False
        self._token.set((token, self.breaker._now()))
        return True

    def succeeded(self) -> None:
        """It went well."""
        self._ended(SUCCESS)

    def failed(self) -> None:
        """It did not."""
        self._ended(FAILURE)

    def _ended(self, outcome: Outcome) -> None:
        breaker = self.breaker
        now = breaker._now()
        token, began = self._token.get()
        if token:
            self._token.set((0, 0.0))
        else:  # tried without asking: as good as any other call, while those are let in
            token, began = breaker._core.admitting, now
        if token:
            breaker.release(token, outcome, now - began)
