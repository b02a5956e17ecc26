"""Calls again what failed, if the call may be repeated, the budget allows it and somebody still waits."""

from __future__ import annotations

import asyncio
import random as random_module
import time
from threading import RLock
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ..clock import MONOTONIC
from ..exceptions import DeadlineExceeded, InvalidValue
from ..telemetry import DEFAULT_REGISTRY
from ..telemetry.forks import renew_lock_in_forks
from .backoff import ExponentialBackoff, retry_after
from .budget import RetryBudget
from .deadline import remaining
from .gate import EVERY_EXCEPTION
from .judging import Judging
from .outcome import FAILURE, Classification
from .part import Description, refuse_coroutine, target_of
from .settings import at_least, count, instance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from ..clock import Clock
    from ..telemetry import Registry
    from .backoff import Backoff

__all__ = ["Retry"]

P = ParamSpec("P")
R = TypeVar("R")
_FULL_JITTER = ExponentialBackoff()


class Retry(Judging):
    """Up to `max_attempts` attempts. The last error is raised as it is, with a note that tells what was tried.

    Only calls that may be done twice are repeated: whoever makes the Retry says so by `idempotent`. Never repeated are
    calls that did not begin (CallRejected: wait in the limiter instead), that nobody waits for any more
    (DeadlineExceeded), that were cancelled or interrupted, and those whose wait would outlast the deadline round them.
    """

    kind = "retry"
    results = ("successful_without_retry", "successful_with_retry", "failed_without_retry", "failed_with_retry")
    gauge_names = ("waiting", "budget")

    def __init__(
        self,
        max_attempts: int = 3,
        *,
        idempotent: bool | Callable[..., bool] = False,
        backoff: Backoff = _FULL_JITTER,
        classification: Classification = EVERY_EXCEPTION,
        budget: RetryBudget | None = None,
        max_retry_after: float = 30.0,
        name: str = "",
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
        random: Callable[[], float] = random_module.random,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """A retry. `random`, `wall` and `sleep` are for tests; others as in `Part`.

        Args:
            max_attempts: with the first one.
            idempotent: whether doing a call twice is as good as once; or a function of its arguments that tells.
            backoff: the wait between attempts.
            classification: which errors and results are failures; the last such result is given if none is better.
                Without it that of the Policy it is in; alone, every error.
            budget: one for all that call the same service; one of its own if None.
            max_retry_after: a service that asks for a longer wait, in seconds, is not called again.

        Raises:
            InvalidValue: a setting out of range.
        """
        self.max_attempts = count(max_attempts, "max_attempts")
        if not isinstance(idempotent, bool) and not callable(idempotent):
            raise InvalidValue(
                "Expected True, False or a function of the call's arguments", got=idempotent, where="idempotent"
            )
        self.idempotent = idempotent
        self.sees_arguments = callable(idempotent)
        if not callable(getattr(backoff, "seconds", None)):
            raise InvalidValue("Expected a back-off, such as ExponentialBackoff()", got=backoff, where="backoff")
        self.backoff = backoff
        self.classification = instance(classification, Classification, "classification")
        self.budget = RetryBudget() if budget is None else instance(budget, RetryBudget, "budget")
        self.max_retry_after = at_least(max_retry_after, 0, "max_retry_after")
        self._random, self._wall, self._sleep = random, wall, sleep
        self._at_once = 0
        self._with_retry = self._failed = self._failed_with_retry = self._waiting = 0
        self._lock = RLock()
        renew_lock_in_forks(self)
        super().__init__(name, clock=clock, registry=registry)

    def describe(self) -> Description:
        settings: dict[str, Any] = {
            "max_attempts": self.max_attempts,
            "backoff": self.backoff,
            "budget": str(self.budget),
        }
        settings["idempotent"] = self.idempotent if isinstance(self.idempotent, bool) else "by arguments"
        return Description(self.kind, self.name, settings | {"max_retry_after": self.max_retry_after})

    def counts(self) -> Mapping[str, int]:
        """Calls, not attempts. Those that were cancelled or interrupted are in none."""
        return {
            "successful_without_retry": self._at_once,
            "successful_with_retry": self._with_retry,
            "failed_without_retry": self._failed,
            "failed_with_retry": self._failed_with_retry,
        }

    def gauges(self) -> Mapping[str, float]:
        """`waiting`: calls between two attempts; `budget`: repetitions it would pay for."""
        return {"waiting": self._waiting, "budget": self.budget.held(self._now())}

    def wrap_judging(self, function: Callable[P, R], classification: Classification, /) -> Callable[P, R]:
        """The function, called again where it may be."""
        budget, judges, of_result = self.budget, classification.judges_results, classification.of_result

        def retried(*args: P.args, **kwargs: P.kwargs) -> R:
            budget.calls += 1
            try:
                result = function(*args, **kwargs)
                if type(result) is CoroutineType:
                    refuse_coroutine(result)
            except Exception as error:
                wait = self._failing(call := _Call(classification, args, kwargs), error)
            else:
                if not judges or of_result(result) != FAILURE:
                    self._at_once += 1
                    return result
                wait = self._failing(call := _Call(classification, args, kwargs), None, result)
            while wait is not None:
                self._add_waiting(1)
                try:
                    self._sleep(wait)
                finally:
                    self._add_waiting(-1)
                try:
                    result = function(*args, **kwargs)
                except Exception as error:
                    wait = self._failing(call, error)
                else:
                    wait = self._returned(call, result)
            return call.end()  # type: ignore[no-any-return]

        return retried

    def awrap_judging(
        self, function: Callable[P, Awaitable[R]], classification: Classification, /
    ) -> Callable[P, Coroutine[Any, Any, R]]:
        """As `wrap`. Cancelled while it waits, it makes no more attempts."""
        budget, judges, of_result = self.budget, classification.judges_results, classification.of_result

        async def retried(*args: P.args, **kwargs: P.kwargs) -> R:
            budget.calls += 1
            try:
                result = await function(*args, **kwargs)
            except Exception as error:
                wait = self._failing(call := _Call(classification, args, kwargs), error)
            else:
                if not judges or of_result(result) != FAILURE:
                    self._at_once += 1
                    return result
                wait = self._failing(call := _Call(classification, args, kwargs), None, result)
            while wait is not None:
                self._add_waiting(1)
                try:
                    await asyncio.sleep(wait)
                finally:
                    self._add_waiting(-1)
                try:
                    result = await function(*args, **kwargs)
                except Exception as error:
                    wait = self._failing(call, error)
                else:
                    wait = self._returned(call, result)
            return call.end()  # type: ignore[no-any-return]

        return retried

    def _returned(self, call: _Call, result: Any) -> float | None:
        """As `_failing`, of a later attempt that has returned something."""
        if call.classification.of_result(result) == FAILURE:
            return self._failing(call, None, result)
        call.result = result
        with self._lock:
            self._with_retry += 1
        return None

    def _failing(self, call: _Call, error: Exception | None, result: Any = None) -> float | None:
        """An attempt failed: the seconds until the next one, or None: the call ends as this attempt did."""
        call.attempts += 1
        reason = None
        if error is None or (call.classification.repeats(error) and not isinstance(error, DeadlineExceeded)):
            wait = self.backoff.seconds(call.attempts, call.before, self._random)
            call.before = wait
            asked = retry_after(result if error is None else error, self._wall)
            wait += asked or 0
            reason = self._refusal(call, wait, asked)
            if reason is None:
                self._emit("retry", attempts=call.attempts, wait=wait, error=type(error).__name__ if error else "")
                return wait
        call.error, call.result = error, result
        with self._lock:
            if call.attempts > 1:
                self._failed_with_retry += 1
            else:
                self._failed += 1
        if reason is not None:
            self._emit("gave_up", attempts=call.attempts, reason=reason)
            note = f"{self.kind} {self.name!r}: gave up after attempt {call.attempts}: {reason}"
            if error is not None and note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        return None

    def _refusal(self, call: _Call, wait: float, asked: float | None) -> str | None:
        """Why there is no other attempt after that wait; None: there is one, and it is paid for."""
        if call.attempts >= self.max_attempts:
            return f"max_attempts is {self.max_attempts}"
        repeatable = self.idempotent
        if callable(repeatable):
            repeatable = repeatable(*target_of(_Call, call.args)[1], **call.kwargs)
        if not repeatable:
            return "the call is not said to be idempotent"
        if asked is not None and asked > self.max_retry_after:
            return f"the service asks to wait for {asked:g} s"
        left = remaining()
        if left is not None and wait >= left:
            return f"the deadline comes in {left:.3g} s, the next attempt would in {wait:.3g} s"
        if not self.budget.try_spend(self._now()):
            return f"the retry budget is spent ({self.budget})"
        return None

    def _add_waiting(self, calls: int) -> None:
        with self._lock:
            self._waiting += calls


class _Call:
    """A call whose first attempt failed, and how its last one ended."""

    __slots__ = ("args", "attempts", "before", "classification", "error", "kwargs", "result")

    def __init__(self, classification: Classification, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.classification = classification
        self.args = args
        self.kwargs = kwargs
        self.attempts = 0
        self.before = 0.0
        self.error: Exception | None = None
        self.result: Any = None

    def end(self) -> Any:
        """What the last attempt gave.

        Raises:
            Exception: what it raised.
        """
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
            return self.result
        finally:
            del error  # its traceback refers to this frame
