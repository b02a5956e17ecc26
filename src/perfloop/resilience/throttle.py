"""A client that holds back calls of which the service would reject most: adaptive throttling of Google's SRE book.

Beyond `requests = multiplier × accepts`, a call is rejected with the probability
`max(0, (requests − multiplier × accepts) ÷ (requests + 1))` (Site Reliability Engineering, chapter 21, Handling
Overload), over the last two minutes. A request counts when it is made, not when it is answered: of a service that
hangs no answer ever comes.
"""

from __future__ import annotations

import math
import random
from threading import RLock
from typing import TYPE_CHECKING

from ..clock import MONOTONIC
from ..exceptions import CallThrottled
from ..telemetry import DEFAULT_REGISTRY
from ..telemetry.forks import renew_lock_in_forks
from .gate import EVERY_EXCEPTION, Gate
from .outcome import IGNORED, SUCCESS, Outcome
from .part import Description
from .settings import at_least, count, positive, share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..clock import Clock
    from ..telemetry import Registry
    from .outcome import Classification

__all__ = ["ClientThrottle", "RequestWindow", "rejection_probability"]


def rejection_probability(requests: float, accepts: float, multiplier: float) -> float:
    """The share of calls to hold back, 0 to below 1."""
    return max(0.0, (requests - multiplier * accepts) / (requests + 1))


class RequestWindow:
    """Requests and accepts of the last seconds, in buckets. Not safe for threads: whoever has it holds a lock."""

    def __init__(self, seconds: float, buckets: int) -> None:
        self._bucket_seconds = seconds / buckets
        self._requests = [0] * buckets
        self._accepts = [0] * buckets
        self._requests_sum = self._accepts_sum = 0
        self._newest: int | None = None
        self._young = 0

    def advance(self, now: float) -> int:
        """Forget what is too old; the number of the bucket of now. A clock that went backwards stays in the newest."""
        number = math.floor(now / self._bucket_seconds)
        newest, buckets = self._newest, len(self._requests)
        if newest is not None:
            if number <= newest:
                return newest
            for old in range(max(newest, number - buckets) + 1, number + 1):
                place = old % buckets
                self._requests_sum -= self._requests[place]
                self._accepts_sum -= self._accepts[place]
                self._requests[place] = self._accepts[place] = 0
        self._newest, self._young = number, 0
        return number

    def judged(self) -> tuple[int, int]:
        """Requests and accepts of the window; without those under way that began in the newest bucket.

        These had no time to be answered: a burst after silence would throttle itself.
        """
        return self._requests_sum - self._young, self._accepts_sum

    def request(self, bucket: int, under_way: bool) -> None:
        """A request is made, or was throttled."""
        self._requests[bucket % len(self._requests)] += 1
        self._requests_sum += 1
        self._young += under_way

    def end(self, bucket: int, accepted: bool, counts: bool) -> None:
        """A request that began in `bucket` ended; one that says nothing of the service is taken out again."""
        assert self._newest is not None
        buckets, age = len(self._requests), self._newest - bucket
        if age == 0:
            self._young -= 1
        if age >= buckets:
            return
        place = bucket % buckets
        if not counts:
            self._requests[place] -= 1
            self._requests_sum -= 1
        elif accepted:
            self._accepts[place] += 1
            self._accepts_sum += 1


class ClientThrottle(Gate[int]):
    """Rejects calls in the client, at once and for nothing, while the service rejects most of them."""

    kind = "throttle"
    results = ("successful", "failed", "ignored", "not_permitted")
    gauge_names = ("rejection_probability",)

    def __init__(
        self,
        *,
        multiplier: float = 2.0,
        window: float = 120.0,
        buckets: int = 24,
        max_rejection: float = 0.9,
        classification: Classification = EVERY_EXCEPTION,
        random: Callable[[], float] = random.random,
        name: str = "",
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """A throttle.

        Args:
            multiplier: calls the client may make for each that the service accepts, 1 or more; the lower, the more is
                held back.
            window: seconds that are looked at.
            buckets: parts of the window, 2 or more; a call has one of them to be answered before it counts as not
                accepted.
            max_rejection: at most this share is held back. With 1, as in the book, a service that has been down for
                the whole window would be asked once in two minutes.
            classification: a failure is a call that was not accepted: tell it which are. Other arguments as in `Gate`.
            random: gives numbers from 0 to below 1.

        Raises:
            InvalidValue: a value out of range.
        """
        self._multiplier = at_least(multiplier, 1, "multiplier")
        self._seconds = positive(window, "window")
        self._window = RequestWindow(window, count(buckets, "buckets", least=2, most=10_000))
        self._max_rejection = share(max_rejection, "max_rejection")
        self._buckets = buckets
        self._random = random
        self._ended = [0, 0, 0]
        self._rejected = 0
        self._lock = RLock()
        renew_lock_in_forks(self)
        super().__init__(name, classification=classification, clock=clock, registry=registry)

    def try_acquire(self) -> int:
        """Admit a call, or hold it back by chance.

        Raises:
            CallThrottled: it is held back.
        """
        draw = self._random()
        with self._lock:
            bucket = self._window.advance(self._now())
            throttled = draw < self._probability()
            self._window.request(bucket, under_way=not throttled)
            self._rejected += throttled
        if not throttled:
            return bucket
        if self._listeners:
            self._tell("not_permitted")
        raise CallThrottled(f"Expected a service that accepts calls: throttle {self.name!r} holds this one back")

    def release(self, token: int, outcome: Outcome, seconds: float) -> None:
        """The call ended: accepted, not accepted, or as if it had never been made."""
        with self._lock:
            self._window.advance(self._now())
            self._window.end(token, outcome == SUCCESS, outcome != IGNORED)
            self._ended[outcome] += 1

    def _probability(self) -> float:
        return min(self._max_rejection, rejection_probability(*self._window.judged(), self._multiplier))

    def describe(self) -> Description:
        """The settings."""
        settings = {"multiplier": self._multiplier, "window": self._seconds, "buckets": self._buckets}
        return Description(self.kind, self.name, {**settings, "max_rejection": self._max_rejection})

    def counts(self) -> Mapping[str, int]:
        """Calls by how they ended."""
        return dict(zip(self.results, (*self._ended, self._rejected), strict=True))

    def gauges(self) -> Mapping[str, float]:
        """The share of calls that is held back now."""
        with self._lock:
            self._window.advance(self._now())
            return {"rejection_probability": self._probability()}
