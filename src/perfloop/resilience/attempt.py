"""One attempt behind all gates of a policy: one shell, one classification and two clock reads feed them all."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from .nesting import INSIDE, Nesting
from .outcome import FAILURE, IGNORED, SUCCESS, Classification, Outcome
from .part import refuse_coroutine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Sequence

    from .gate import Gate
    from .timeout import Deadline

__all__ = ["Attempt", "Recorder"]

P = ParamSpec("P")
R = TypeVar("R")
Recorder: TypeAlias = Callable[[float, float, Outcome], object]
"""Takes when an attempt started and how long it took, in seconds of the policy's clock, and its outcome."""
_Step: TypeAlias = tuple[Callable[[], Any], Callable[[], Any], Callable[[Any, Outcome, float], None]]
_Held: TypeAlias = list[tuple[Callable[[Any, Outcome, float], None], Any]]
_LOG = logging.getLogger("perfloop.resilience")


class Attempt:
    """The gates, in the order in which a call passes them; it leaves them in the reverse order.

    What was admitted is released exactly once, whatever happens: a gate further inside rejects, the wait for one is
    cancelled, the function or the classification raises.
    """

    __slots__ = ("_classification", "_deadline", "_gates", "_nesting", "_now", "_recorders")

    def __init__(
        self,
        gates: Sequence[Gate[Any]],
        classification: Classification,
        now: Callable[[], float],
        recorders: list[Recorder],
        nesting: Nesting | None,
        deadline: Deadline | None = None,
    ) -> None:
        """An attempt.

        Args:
            gates: outermost first; none is one whose `alone` is true.
            classification: in place of the gates' own ones.
            now: a clock.
            recorders: who is told of each attempt; others may come later.
            nesting: of a policy that repeats attempts.
            deadline: round all attempts. The one that it ends has failed: the call had the time it was to have.
        """
        self._gates, self._classification, self._now = tuple(gates), classification, now
        self._recorders, self._nesting, self._deadline = recorders, nesting, deadline

    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        """The function behind the gates, for threads."""
        more, ((try_a, wait_a, end_a), (try_b, wait_b, end_b), (try_c, wait_c, end_c)) = self._steps("acquire")
        of_error, of_result = self._classification.of_error, self._classification.of_result
        judges_results, now, recorders = self._classification.judges_results, self._now, self._recorders
        nesting, inside = self._nesting, INSIDE.get

        def attempt(*args: P.args, **kwargs: P.kwargs) -> R:
            outcome: Outcome = IGNORED  # and stays so should a gate reject or a predicate raise
            seconds = 0.0
            held: _Held = []
            try:
                for try_acquire, acquire, release in more:
                    token = try_acquire()
                    if token is None:
                        token = acquire()
                    held.append((release, token))
                if (a := try_a()) is None:
                    a = wait_a()
                try:
                    if (b := try_b()) is None:
                        b = wait_b()
                    try:
                        if (c := try_c()) is None:
                            c = wait_c()
                        try:
                            mark = None
                            if nesting is not None:
                                if (outer := inside()) is not None:
                                    nesting.entered_from(outer)
                                if next(nesting.shows):
                                    mark = INSIDE.set(nesting)
                            started = now()
                            try:
                                result = function(*args, **kwargs)
                                if type(result) is CoroutineType:
                                    refuse_coroutine(result)
                            except BaseException as error:
                                seconds = now() - started
                                outcome = of_error(error)
                                raise
                            else:
                                seconds = now() - started
                                outcome = of_result(result) if judges_results else SUCCESS
                                return result
                            finally:
                                if mark is not None:
                                    try:
                                        INSIDE.reset(mark)
                                    except ValueError:  # dropped unfinished, it is closed in somebody else's context
                                        pass
                                if recorders:
                                    _record(recorders, started, seconds, outcome)
                        finally:
                            end_c(c, outcome, seconds)
                    finally:
                        end_b(b, outcome, seconds)
                finally:
                    end_a(a, outcome, seconds)
            finally:
                if held:
                    _release(held, outcome, seconds)

        return attempt

    def awrap(self, function: Callable[P, Awaitable[R]], /) -> Callable[P, Coroutine[Any, Any, R]]:
        """As `wrap`, for an event loop."""
        more, ((try_a, wait_a, end_a), (try_b, wait_b, end_b), (try_c, wait_c, end_c)) = self._steps("aacquire")
        of_error, of_result = self._classification.of_error, self._classification.of_result
        judges_results, now, recorders = self._classification.judges_results, self._now, self._recorders
        nesting, inside, ended = self._nesting, INSIDE.get, self._ended_by_deadline

        async def attempt(*args: P.args, **kwargs: P.kwargs) -> R:
            outcome: Outcome = IGNORED  # and stays so should a gate reject or a predicate raise
            seconds = 0.0
            held: _Held = []
            try:
                for try_acquire, acquire, release in more:
                    token = try_acquire()
                    if token is None:
                        token = await acquire()
                    held.append((release, token))
                if (a := try_a()) is None:
                    a = await wait_a()
                try:
                    if (b := try_b()) is None:
                        b = await wait_b()
                    try:
                        if (c := try_c()) is None:
                            c = await wait_c()
                        try:
                            mark = None
                            if nesting is not None:
                                if (outer := inside()) is not None:
                                    nesting.entered_from(outer)
                                if next(nesting.shows):
                                    mark = INSIDE.set(nesting)
                            started = now()
                            try:
                                result = await function(*args, **kwargs)
                            except BaseException as error:
                                seconds = now() - started
                                outcome = FAILURE if ended(error, seconds) else of_error(error)
                                raise
                            else:
                                seconds = now() - started
                                outcome = of_result(result) if judges_results else SUCCESS
                                return result
                            finally:
                                if mark is not None:
                                    try:
                                        INSIDE.reset(mark)
                                    except ValueError:  # dropped unfinished, it is closed in somebody else's context
                                        pass
                                if recorders:
                                    _record(recorders, started, seconds, outcome)
                        finally:
                            end_c(c, outcome, seconds)
                    finally:
                        end_b(b, outcome, seconds)
                finally:
                    end_a(a, outcome, seconds)
            finally:
                if held:
                    _release(held, outcome, seconds)

        return attempt

    def _ended_by_deadline(self, error: BaseException, seconds: float) -> bool:
        deadline = self._deadline
        return deadline is not None and isinstance(error, CancelledError) and deadline.has_ended(seconds)

    def _steps(self, acquire: str) -> tuple[list[_Step], tuple[_Step, _Step, _Step]]:
        """What is called for each gate: of the three innermost ones for themselves, which a loop would slow down."""
        steps: list[_Step] = [(gate.try_acquire, getattr(gate, acquire), gate.release) for gate in self._gates]
        nobody: _Step = (_admit, _admit, _forget)
        first, second, third = [*[nobody] * (3 - len(steps)), *steps[-3:]]
        return steps[:-3], (first, second, third)


def _admit() -> bool:
    """In the place of a gate that is not there."""
    return True


def _forget(token: object, outcome: Outcome, seconds: float) -> None:
    """Likewise."""


def _release(held: _Held, outcome: Outcome, seconds: float) -> None:
    try:
        while held:
            release, token = held.pop()
            release(token, outcome, seconds)
    finally:  # one was interrupted, as by KeyboardInterrupt
        if held:
            _release(held, outcome, seconds)


def _record(recorders: list[Recorder], started: float, seconds: float, outcome: Outcome) -> None:
    for recorder in tuple(recorders):
        try:
            recorder(started, seconds, outcome)
        except Exception:
            _LOG.exception("a recorder of outcomes raised")
