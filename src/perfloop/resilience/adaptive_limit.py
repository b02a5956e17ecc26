"""A limit of calls in flight that finds its own size: a bulkhead where nobody knows what the service can take."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Protocol

from ..clock import MONOTONIC
from ..coordination.forks import begin_anew_in_forks
from ..exceptions import BulkheadFull, InvalidValue
from ..telemetry import DEFAULT_REGISTRY
from .gate import EVERY_EXCEPTION, Gate
from .gradient import Gradient
from .outcome import FAILURE, IGNORED, Outcome
from .part import Description

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..clock import Clock
    from ..telemetry import Registry
    from .outcome import Classification

__all__ = ["AdaptiveLimit", "LimitAlgorithm"]


class LimitAlgorithm(Protocol):
    """Decides how many calls may be in flight. `Gradient` and `Aimd` are such; it need not be safe for threads."""

    @property
    def limit(self) -> int:
        """Calls that may be in flight now, 1 or more."""

    def update(self, now: float, rtt: float, inflight: int, dropped: bool) -> None:
        """A call ended `now` that took `rtt` seconds, `inflight` were under way, and it may have got no answer."""

    def describe(self) -> Mapping[str, float]:
        """The settings."""


class AdaptiveLimit(Gate[int]):
    """Lets in as many calls as the service does without a queue, and rejects the others at once.

        limit = AdaptiveLimit()                             # a gradient: from what calls take
        limit = AdaptiveLimit(Aimd(target=0.2))             # as much as is done within 0.2 s

    A call that failed after as long as calls usually take, or longer, makes the limit fall, as a timeout does; one that
    failed quicker says nothing of the load. The limit does not rise while not half of it is used.
    """

    kind = "adaptive_limit"
    results = ("successful", "failed", "ignored", "not_permitted")
    gauge_names = ("limit", "in_flight")

    def __init__(
        self,
        algorithm: LimitAlgorithm | None = None,
        *,
        classification: Classification = EVERY_EXCEPTION,
        name: str = "",
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """A limit.

        Args:
            algorithm: decides the limit; `Gradient()` unless given. Each limit needs its own.
            name, classification, clock, registry: as in `Gate`.

        Raises:
            InvalidValue: something that is no algorithm.
        """
        self._algorithm = usable(Gradient() if algorithm is None else algorithm)
        self._inflight = self._generation = 0
        self._ended = [0, 0, 0]
        self._rejected = 0
        self._lock = RLock()
        begin_anew_in_forks(self)
        super().__init__(name, classification=classification, clock=clock, registry=registry)

    def begin_anew(self) -> None:
        """This process is a fork: what is in flight in its parent ends there."""
        self._lock = RLock()
        self._inflight = 0
        self._generation += 1

    def try_acquire(self) -> int:
        """Admit a call.

        Raises:
            BulkheadFull: as many are in flight as may.
        """
        with self._lock:
            if self._inflight < self._algorithm.limit:
                self._inflight += 1
                return self._generation
            self._rejected += 1
        if self._listeners:
            self._tell("not_permitted")
        raise BulkheadFull(f"Expected fewer calls in flight: adaptive limit {self.name!r} lets no more in now")

    def release(self, token: int, outcome: Outcome, seconds: float) -> None:
        """The call ended, and what it took moves the limit."""
        with self._lock:
            self._ended[outcome] += 1
            if token != self._generation:  # admitted before this process was forked
                return
            inflight = self._inflight
            self._inflight -= 1  # first: an algorithm of somebody else's may raise
            if outcome != IGNORED:
                self._algorithm.update(self._now(), seconds, inflight, outcome == FAILURE)

    def describe(self) -> Description:
        """The algorithm and its settings."""
        return Description(
            self.kind, self.name, {"algorithm": type(self._algorithm).__name__, **self._algorithm.describe()}
        )

    def counts(self) -> Mapping[str, int]:
        """Calls by how they ended."""
        return dict(zip(self.results, (*self._ended, self._rejected), strict=True))

    def gauges(self) -> Mapping[str, float]:
        """The limit and what is in flight."""
        return {"limit": self._algorithm.limit, "in_flight": self._inflight}


def usable(algorithm: LimitAlgorithm) -> LimitAlgorithm:
    """An algorithm that has what is asked of one.

    Raises:
        InvalidValue: it does not.
    """
    if not callable(getattr(algorithm, "update", None)) or not isinstance(getattr(algorithm, "limit", None), int):
        raise InvalidValue("Expected an algorithm with `limit` and `update`: Gradient() or Aimd(…)", got=algorithm)
    return algorithm
