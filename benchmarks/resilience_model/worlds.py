"""Every world that schedules are tried in: a part of ours under one scene, and the naive parts that must fail there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from perfloop.resilience import (
    FAILURE,
    SUCCESS,
    Bulkhead,
    CircuitBreaker,
    Classification,
    Collapse,
    ConstantBackoff,
    RateLimiter,
    Retry,
    RetryBudget,
)
from perfloop.telemetry import Registry

from .breaker_threads import NAIVE_THREAD_BREAKERS, run_breaker_threads
from .breaker_twins import BREAKER_TWINS
from .breakers import MAX_FAILURES, PROBE_TIMEOUT, RESET_TIMEOUT, BreakerScene
from .budgets import BACKOFF, BUDGET_TWINS, BURST, MAX_ATTEMPTS, BudgetScene
from .bulkhead_threads import NAIVE_THREAD_BULKHEADS, run_bulkhead_threads, thread_bulkhead
from .bulkhead_twins import BULKHEAD_TWINS
from .bulkheads import LIMIT, TIMEOUT, BulkheadScene
from .choices import Choices
from .flights import FLIGHT_TWINS, FlightScene
from .limiter_threads import LIMIT as THREAD_LIMIT
from .limiter_threads import NAIVE_THREAD_LIMITERS, run_limiter_threads
from .limiters import LIMITER_TWINS, MAX_WAIT, PER, LimiterScene
from .turns import TurnLock, Turns
from .world import Excluded, Scene, run_schedule

if TYPE_CHECKING:
    from perfloop.testing import FakeClock

    from .stepped_loop import SteppedLoop

__all__ = ["TWINS", "WORLDS", "Run", "World"]

Run: TypeAlias = Callable[[Choices], "str | None"]
_EXCLUDED = Classification(ignored=Excluded)
_REGISTRY = Registry()


@dataclass(frozen=True)
class World:
    """A scene with a part of ours."""

    run: Run
    drawn: int = 0
    """Schedules drawn at random; 0: every one there is."""


class _SmallBreakerScene(BreakerScene):
    """Small enough to try everything."""

    passing = ()
    outcomes = (SUCCESS, FAILURE)
    afterwards = ((FAILURE,), (SUCCESS,))


class _HalfOpenScene(BreakerScene):
    passing = (RESET_TIMEOUT,)
    outcomes = (SUCCESS, FAILURE)
    afterwards = ((FAILURE,), (SUCCESS,))


class _SlowBudgetScene(BudgetScene):
    passing = (BACKOFF,)


class _ManyCancelled(BulkheadScene):
    cancellations = 2


class _Late(BulkheadScene):
    passing = (TIMEOUT,)
    cancellations = 1


def _breaker(loop: SteppedLoop) -> CircuitBreaker:
    return CircuitBreaker(
        MAX_FAILURES,
        RESET_TIMEOUT,
        probe_timeout=PROBE_TIMEOUT,
        classification=_EXCLUDED,
        clock=loop,
        registry=_REGISTRY,
    )


def _bulkhead(loop: SteppedLoop, max_queue: int) -> Bulkhead:
    return Bulkhead(LIMIT, TIMEOUT, max_queue=max_queue, clock=loop, registry=_REGISTRY)


def _limiter(loop: SteppedLoop, algorithm: str) -> RateLimiter:
    return RateLimiter(1, PER, algorithm=algorithm, max_wait=MAX_WAIT, clock=loop, registry=_REGISTRY)  # type: ignore[arg-type]


def _retry(loop: SteppedLoop) -> Retry:
    return Retry(
        MAX_ATTEMPTS,
        idempotent=True,
        backoff=ConstantBackoff(BACKOFF, jittered=False),
        budget=RetryBudget(0, min_per_second=0, burst=BURST),
        clock=loop,
        registry=_REGISTRY,
    )


def _collapse(loop: SteppedLoop) -> Collapse:
    return Collapse(lambda who, body: "the same", clock=loop, registry=_REGISTRY)


def _thread_breaker(clock: FakeClock, turns: Turns) -> CircuitBreaker:
    breaker = CircuitBreaker(MAX_FAILURES, RESET_TIMEOUT, clock=clock, registry=_REGISTRY)
    breaker._circuit._lock = TurnLock(turns)  # type: ignore[assignment]
    return breaker


def _thread_limiter(clock: FakeClock, turns: Turns) -> RateLimiter:
    return RateLimiter(THREAD_LIMIT, PER, clock=clock, registry=_REGISTRY)


def _in_loop(scene: Callable[..., Scene], *arguments: Any) -> Run:
    return partial(run_schedule, partial(_made, scene, *arguments))


def _made(scene: Callable[..., Scene], *arguments: Any) -> Scene:
    *settings, loop = arguments
    return scene(loop, *settings)


WORLDS: dict[str, World] = {
    "breaker, closed, everything": World(_in_loop(_SmallBreakerScene, _breaker, 0)),
    "breaker, one failure before, everything": World(_in_loop(_SmallBreakerScene, _breaker, 1)),
    "breaker, half-open, everything": World(_in_loop(_HalfOpenScene, _breaker, MAX_FAILURES)),
    **{f"breaker, {n} failures before": World(_in_loop(BreakerScene, _breaker, n), 8_000) for n in range(3)},
    **{
        f"breaker, threads, {n} failures before": World(partial(run_breaker_threads, _thread_breaker, n), 4_000)
        for n in range(3)
    },
    "bulkhead, two cancelled, everything": World(_in_loop(_ManyCancelled, partial(_bulkhead, max_queue=2), 2)),
    "bulkhead, short queue, everything": World(_in_loop(_ManyCancelled, partial(_bulkhead, max_queue=1), 1)),
    "bulkhead, late, everything": World(_in_loop(_Late, partial(_bulkhead, max_queue=2), 2)),
    "bulkhead, threads": World(partial(run_bulkhead_threads, thread_bulkhead), 6_000),
    **{
        f"limiter, {algorithm}": World(_in_loop(LimiterScene, partial(_limiter, algorithm=algorithm)), 10_000)
        for algorithm in ("token_bucket", "gcra", "sliding_window")
    },
    "limiter, threads": World(partial(run_limiter_threads, _thread_limiter), 4_000),
    "retry budget, everything": World(_in_loop(BudgetScene, _retry)),
    "retry budget, time passes": World(_in_loop(_SlowBudgetScene, _retry), 8_000),
    "single flight": World(_in_loop(FlightScene, _collapse), 20_000),
}
"""Our parts: nothing may fail to hold here."""

TWINS: dict[str, tuple[Run, ...]] = {
    **{
        twin.__name__: tuple(_in_loop(BreakerScene, twin, failed_before) for failed_before in (2, 1, 0))
        for twin in BREAKER_TWINS
    },
    **{
        twin.__name__: tuple(partial(run_breaker_threads, twin, failed_before) for failed_before in (2, 0))
        for twin in NAIVE_THREAD_BREAKERS
    },
    **{twin.__name__: (partial(run_bulkhead_threads, twin),) for twin in NAIVE_THREAD_BULKHEADS},
    **{twin.__name__: (partial(run_limiter_threads, twin),) for twin in NAIVE_THREAD_LIMITERS},
    **{twin.__name__: (_in_loop(_Late, twin, 9), _in_loop(_ManyCancelled, twin, 9)) for twin in BULKHEAD_TWINS},
    **{twin.__name__: (_in_loop(LimiterScene, twin),) for twin in LIMITER_TWINS},
    **{twin.__name__: (_in_loop(BudgetScene, twin), _in_loop(_SlowBudgetScene, twin)) for twin in BUDGET_TWINS},
    **{twin.__name__: (_in_loop(FlightScene, twin),) for twin in FLIGHT_TWINS},
}
"""Naive parts, and the worlds in which one schedule must show what is wrong with them."""
