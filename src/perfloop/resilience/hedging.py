"""Begins a slow call a second time, and takes whichever is good first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

from ..clock import MONOTONIC
from ..exceptions import AsyncMisuse, InvalidValue
from ..telemetry import DEFAULT_REGISTRY
from .budget import RetryBudget
from .gate import EVERY_EXCEPTION
from .judging import Judging
from .outcome import FAILURE, Classification
from .part import Description, target_of
from .recent_latencies import RecentLatencies
from .settings import count, instance, positive, share
from .tasks import end

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from ..clock import Clock
    from ..telemetry import Registry

__all__ = ["Hedge"]

P = ParamSpec("P")
R = TypeVar("R")


class Hedge(Judging):
    """A call that has no answer after a while is made once more, beside the first (Dean, Barroso: The Tail at Scale).

    The first good answer counts; the other attempts are cancelled, and have ended when it is given.
    An attempt that fails is not repeated, that is Retry's business, and the call fails when all attempts have. Only in
    event loops: a thread that loses could not be stopped.
    """

    kind = "hedging"
    results = ("successful_without_hedge", "first_won", "hedge_won", "failed_without_hedge", "failed_with_hedge")
    gauge_names = ("delay_seconds",)

    def __init__(
        self,
        delay: float | None = None,
        *,
        idempotent: bool | Callable[..., bool],
        percentile: float = 0.95,
        window: int = 200,
        max_hedges: int = 1,
        classification: Classification = EVERY_EXCEPTION,
        budget: RetryBudget | None = None,
        name: str = "",
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """Hedges. Other arguments as in `Part`.

        Args:
            delay: seconds before each hedge; what `percentile` of recent calls did not exceed if None, and no hedge
                until a tenth of the window is known.
            idempotent: whether calls may be made twice, at the same time even; or a function of their arguments.
            percentile: a share, up to 1.
            window: how many calls are recent.
            max_hedges: attempts beside the first one.
            classification: an answer is good unless it is a failure. Without it that of the Policy it is in.
            budget: shared with the retries of the same service; one of its own if None.

        Raises:
            InvalidValue: a setting out of range.
        """
        self.delay = None if delay is None else positive(delay, "delay")
        if not isinstance(idempotent, bool) and not callable(idempotent):
            raise InvalidValue(
                "Expected True, False or a function of the call's arguments", got=idempotent, where="idempotent"
            )
        self.idempotent = idempotent
        self.sees_arguments = callable(idempotent)
        self.percentile = share(percentile, "percentile")
        self.window = count(window, "window", most=1_000_000)
        self.max_hedges = count(max_hedges, "max_hedges")
        self.classification = instance(classification, Classification, "classification")
        self.budget = RetryBudget() if budget is None else instance(budget, RetryBudget, "budget")
        self._recent = RecentLatencies(window)
        self._counts = dict.fromkeys(self.results, 0)
        super().__init__(name, clock=clock, registry=registry)

    def describe(self) -> Description:
        after = f"p{self.percentile * 100:g} of {self.window}" if self.delay is None else self.delay
        idempotent = self.idempotent if isinstance(self.idempotent, bool) else "by arguments"
        settings = {"delay": after, "max_hedges": self.max_hedges, "budget": str(self.budget), "idempotent": idempotent}
        return Description(self.kind, self.name, settings)

    def counts(self) -> Mapping[str, int]:
        """`first_won`, `hedge_won`: whose answer it was that counted, of calls that were hedged."""
        return dict(self._counts)

    def gauges(self) -> Mapping[str, float]:
        """`delay_seconds`: after which a call is hedged; 0 while it is not known."""
        return {"delay_seconds": self._delay() or 0}

    def wrap_judging(self, function: Callable[P, R], classification: Classification, /) -> NoReturn:
        """Not for threads.

        Raises:
            AsyncMisuse: always.
        """
        raise AsyncMisuse(
            "Expected a coroutine function: what loses is cancelled, and a thread cannot be",
            got=getattr(function, "__qualname__", function),
            where=f"{self.kind} {self.name!r}",
            hint="use aexecute, or a Retry with a Timeout",
        )

    def awrap_judging(
        self, function: Callable[P, Awaitable[R]], classification: Classification, /
    ) -> Callable[P, Coroutine[Any, Any, R]]:
        """The coroutine function, hedged. Cancelled, it has ended all attempts."""

        async def hedged(*args: P.args, **kwargs: P.kwargs) -> R:
            self.budget.calls += 1
            repeatable = self.idempotent
            if callable(repeatable):
                repeatable = repeatable(*target_of(function, args)[1], **kwargs)
            delay = self._delay() if repeatable else None
            if delay is not None:
                return await self._race(delay, classification, function, *args, **kwargs)
            started = self._now()
            try:
                result = await function(*args, **kwargs)
            except Exception:
                self._counts["failed_without_hedge"] += 1
                raise
            self._recent.record(self._now() - started)
            self._counts["successful_without_hedge"] += 1
            return result

        return hedged

    def _delay(self) -> float | None:
        return self._recent.percentile(self.percentile) if self.delay is None else self.delay

    async def _race(
        self,
        delay: float,
        classification: Classification,
        function: Callable[P, Awaitable[R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        async def attempt() -> R:
            return await function(*args, **kwargs)

        started = self._now()
        loop = asyncio.get_running_loop()
        running = [loop.create_task(attempt())]
        attempts = list(running)
        failed: list[Task[R]] = []
        next_hedge: float | None = loop.time() + delay
        won: Task[R] | None = None
        try:
            while running and won is None:
                timeout = None if next_hedge is None else max(0.0, next_hedge - loop.time())
                await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in running if task.done()]:
                    running.remove(task)
                    if not _is_good(task, classification):
                        failed.append(task)
                    elif won is None:
                        won = task
                if won is None and running and next_hedge is not None and loop.time() >= next_hedge:
                    next_hedge = None
                    if self.budget.try_spend(self._now()):
                        running.append(loop.create_task(attempt()))
                        attempts.append(running[-1])
                        self._emit("hedge", after=delay, attempts=len(attempts))
                        if len(attempts) <= self.max_hedges:
                            next_hedge = loop.time() + delay
                    else:
                        self._emit("budget_spent", attempts=len(attempts))
        finally:
            await end(attempts)
        self._judge(attempts, won, self._now() - started)
        return (won or failed[-1]).result()

    def _judge(self, attempts: list[Task[R]], won: Task[R] | None, seconds: float) -> None:
        first, hedges = attempts[0], attempts[1:]
        if first.cancelled() or won is first:
            self._recent.record(seconds)
        if won is None or won.cancelled() or won.exception() is not None:
            self._counts["failed_with_hedge" if hedges else "failed_without_hedge"] += 1
        elif not hedges:
            self._counts["successful_without_hedge"] += 1
        else:
            self._counts["first_won" if won is first else "hedge_won"] += 1


def _is_good(task: Task[Any], classification: Classification) -> bool:
    if task.cancelled():
        return True
    error = task.exception()
    if error is not None:
        return not classification.repeats(error)
    return classification.of_result(task.result()) != FAILURE
