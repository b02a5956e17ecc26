"""A whole policy: retry, breaker, rate limiter, bulkhead and timeout round a coroutine that never waits.

`policy_of_five_vs_nopanic` is what ours adds to a call ÷ what the same five of nopanic add, composed by its `compose`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import nopanic

from perfloop.resilience import Bulkhead, CircuitBreaker, CountWindow, Policy, RateLimiter, Retry, Timeout

from .added import added, aloop, nothing_async

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["measure"]

_CALLS = 2_000
_RATE = 10_000_000


def measure(rounds: int) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Figure and peer."""
    ours = Policy(
        Retry(3, idempotent=True),
        CircuitBreaker(window=CountWindow(100)),
        RateLimiter(_RATE, 1.0),
        Bulkhead(100),
        Timeout(10),
        name="benchmark",
    )
    theirs = nopanic.compose(
        nopanic.retry(attempts=3),
        nopanic.circuit_breaker(failure_threshold=0.5),
        nopanic.rate_limit(_RATE, per=1.0),
        nopanic.bulkhead(100),
        nopanic.timeout(10),
    )
    bare, wrapped, composed = aloop(nothing_async), aloop(ours(nothing_async)), aloop(theirs(nothing_async))
    times = added(bare, wrapped, composed, rounds=rounds, calls=_CALLS)
    figures = {"policy_of_five_vs_nopanic": times.ratio, "policy_of_five_ns": times.ours_ns}
    return figures, {"nopanic_policy_of_five_ns": times.theirs_ns}
