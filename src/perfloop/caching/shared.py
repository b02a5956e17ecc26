"""A shared level as the cache uses it: left alone while it is out of order, and told afterwards what it has missed."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Protocol, TypeVar

from ..clock import MONOTONIC
from ..exceptions import LevelFailed
from ..telemetry.forks import renew_lock_in_forks
from .missed import Missed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..clock import Clock
    from .backplane import Invalidation
    from .effects import Program
    from .insight import LevelCounts
    from .levels import Level, Stored

__all__ = ["Breaker", "SharedLevel", "SimpleBreaker"]

T = TypeVar("T")


class Breaker(Protocol):
    """Keeps callers from a level that is out of order."""

    def allows(self) -> bool:
        """Whether to try."""

    def succeeded(self) -> None: ...
    def failed(self) -> None: ...


class SimpleBreaker:
    """Lets nobody through for a while after a failure, and then one at a time until one succeeds."""

    def __init__(self, clock: Clock, *, reset_timeout: float = 1.0) -> None:
        self._clock = clock
        self._reset_timeout = reset_timeout
        self._until: float | None = None

    def allows(self) -> bool:
        if self._until is None:
            return True
        now = self._clock.now()
        if now < self._until:
            return False
        self._until = now + self._reset_timeout  # the next one only if this one never comes back
        return True

    def succeeded(self) -> None:
        self._until = None

    def failed(self) -> None:
        self._until = self._clock.now() + self._reset_timeout


class SharedLevel:
    """A level, its breaker, and what it has missed."""

    told_late: Callable[[Missed], Program[None]]
    """Told again, to whoever may have taken it from this level since: the levels above, other processes."""
    fell_behind: Callable[[], None] = staticmethod(lambda: None)
    """Called when it has missed something."""

    def __init__(
        self,
        level: Level,
        breaker: Breaker,
        *,
        report: Callable[[str, LevelFailed | None], None],
        clock: Clock = MONOTONIC,
    ) -> None:
        self.level = level
        self._now = clock.now
        self.missed = Missed()
        self.counts: LevelCounts | None = None
        self._telling: Missed | None = None
        self._breaker = breaker
        self._report = report
        self._failing = False
        self._lock = RLock()
        renew_lock_in_forks(self)

    @property
    def is_behind(self) -> bool:
        """Whether it has not been told of all it missed."""
        return bool(self.missed) or self._telling is not None

    def ask(self, question: Callable[[Level], Program[T]], *, anyway: bool = False) -> Program[T | None]:
        """Ask the level; None when it cannot answer, or has not been told yet of all it missed.

        Args:
            anyway: though the breaker says no.
        """
        if self._telling is not None or not (anyway or self._breaker.allows()):
            return None
        with self._lock:
            if self._telling is not None:
                return None
            missed = self.missed
            if missed:
                self._telling, self.missed = missed, Missed()
        try:
            if missed:
                yield from self._catch_up(missed)
            answer = yield from question(self.level)
        except LevelFailed as error:
            if self.counts is not None:
                self.counts.failures.inc()
            self._breaker.failed()
            self._failing = True
            self._report(f"level {self.level.name}", error)
            return None
        self._breaker.succeeded()
        if self._failing:
            self._failing = False
            self._report(f"level {self.level.name}", None)
        return answer

    def read(self, keys: Sequence[str], now: Callable[[], float]) -> Program[list[Stored | None] | None]:
        """What the level has; None when it cannot answer."""
        began = now()
        found = yield from self.ask(lambda level: level.read(keys))
        if self.counts is not None:
            self.counts.seconds.inc(max(now() - began, 0.0))
            if found is not None:
                hits = sum(stored is not None and stored.fresh > 0 for stored in found)
                self.counts.hits.inc(hits)
                self.counts.misses.inc(len(found) - hits)
        return found

    def change(self, request: Callable[[Level], Program[None]], change: Invalidation) -> Program[bool]:
        """Tell the level of a change; if it does not hear it (False), it is told before it is asked again."""
        told: bool | None = None
        try:
            told = yield from self.ask(lambda level: _told(request(level)))
        finally:
            if not told:
                self.miss(change)
        return bool(told)

    def miss(self, change: Invalidation) -> None:
        """Have it told of a change before it is asked again."""
        with self._lock:
            self.missed.add(change, self._now())
        self.fell_behind()

    def forget_hold(self, token: str) -> None:
        """Who held has said that he has done so: it is not told to hold any more."""
        with self._lock:
            self.missed.holds.pop(token, None)

    def recover(self, *, anyway: bool = False) -> Program[None]:
        """Tell it what it missed, if it can be told now.

        Args:
            anyway: though the breaker says no.
        """
        if self.missed:
            yield from self.ask(_nothing, anyway=anyway)

    def begin_in_fork(self) -> None:
        """Whoever was telling it what it missed is not in this process."""
        with self._lock:
            missed, self._telling = self._telling, None
            if missed is not None:
                self.missed.merge(missed)

    def _catch_up(self, missed: Missed) -> Program[None]:
        told = False
        try:
            yield from missed.tell(self.level)
            yield from missed.hold(self.level, self._now())
            yield from self.told_late(missed)
            told = True
        finally:
            with self._lock:
                if not told:
                    self.missed.merge(missed)
                self._telling = None
            if not told:
                self.fell_behind()


def _nothing(level: Level) -> Program[None]:
    return
    yield


def _told(program: Program[None]) -> Program[bool]:
    yield from program
    return True
