"""What rules ask of parts and policies, in calls and seconds: as their descriptions say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..policy import Policy
from ..retry import Retry
from ..timeout import Deadline, Timeout
from .deployment import within
from .pools import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..part import Part

__all__ = ["BREAKERS", "BULKHEADS", "Times", "attempts", "demand", "of_kind", "permits"]

BREAKERS = ("circuit_breaker", "keyed_circuit_breaker")
BULKHEADS = ("bulkhead", "thread_pool_bulkhead")


def settings(part: Part) -> dict[str, Any]:
    return dict(part.describe().settings)


def of_kind(part: Part, *kinds: str) -> Iterator[Part]:
    """The part, or all inside it, that are of these kinds."""
    return (each for each in within(part) if each.kind in kinds)


def attempts(part: Part) -> int:
    """The most attempts that a retry makes, or the retries of a policy together; not those of policies inside it."""
    if isinstance(part, Policy):
        return math.prod(attempts(each) for each in part.parts if not isinstance(each, Policy))
    if not isinstance(part, Retry) or part.idempotent is False:
        return 1
    return part.max_attempts


def permits(part: Part) -> int | None:
    """How many calls a bulkhead admits at one time; None of other parts."""
    return settings(part).get("max_concurrency") if part.kind in BULKHEADS else None


def demand(source: Part | Pool, workers: int) -> float:
    """What so many processes may take of a shared limit by this: connections, calls at one time, or calls a second."""
    if isinstance(source, Pool):
        return source.size * workers
    bulkheads = [number for each in within(source) if (number := permits(each)) is not None]
    if bulkheads:
        return min(bulkheads) * workers
    limiters = list(of_kind(source, "rate_limiter"))
    rates = [_rate(each) * (1 if _is_shared(each) else workers) for each in limiters]
    return min(rates, default=math.inf)


def _rate(limiter: Part) -> float:
    told = settings(limiter)
    return float(told["limit"] / told["per"])


def _is_shared(limiter: Part) -> bool:
    return "store" in settings(limiter)


@dataclass(frozen=True, slots=True)
class Times:
    """How long a policy may take, in seconds."""

    attempts: int
    attempt: float
    """One attempt; infinite where nothing ends it."""
    timeout: float | None
    """After which an attempt, or the call if nothing else bounds it, is given up."""
    waits: float
    """In queues before each attempt, at most."""
    backoff: float
    """Between all attempts together, at most."""
    deadline: float | None

    @classmethod
    def of(cls, policy: Policy) -> Times:
        """Those of a policy's own parts, and of the policies that are parts of it."""
        parts = list(within(policy))
        deadlines = [each.seconds for each in parts if isinstance(each, Deadline)]
        timeouts = [each.seconds for each in parts if isinstance(each, Timeout) and not isinstance(each, Deadline)]
        retries = [each for each in parts if isinstance(each, Retry)]
        waits = [settings(each).get("timeout") or 0.0 for each in parts if each.kind in BULKHEADS]
        waits += [settings(each).get("max_wait") or 0.0 for each in parts if each.kind == "rate_limiter"]
        deadline = min(deadlines, default=None)
        return cls(
            attempts=math.prod(attempts(each) for each in retries),
            attempt=min(timeouts, default=math.inf),
            timeout=min((*timeouts, *deadlines), default=None),
            waits=sum(waits),
            backoff=sum(_backoff(each) for each in retries),
            deadline=deadline,
        )

    @property
    def all_attempts(self) -> float:
        """All attempts with their waits, were there no deadline."""
        return self.attempts * (self.waits + self.attempt) + self.backoff

    @property
    def longest(self) -> float:
        """The whole call."""
        return min(self.all_attempts, math.inf if self.deadline is None else self.deadline)


def _backoff(retry: Retry) -> float:
    waited = before = 0.0
    for failed in range(1, attempts(retry)):
        before = retry.backoff.seconds(failed, before, lambda: 1.0)
        waited += before
    return waited
