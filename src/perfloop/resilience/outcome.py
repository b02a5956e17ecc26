"""How a call ended, and what counts as what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

from ..exceptions import AsyncMisuse, CallRejected, DeadlineExceeded, InvalidValue

__all__ = ["FAILURE", "IGNORED", "SUCCESS", "Classification", "ErrorTest", "Outcome", "error_test", "holds"]

Outcome: TypeAlias = Literal[0, 1, 2]
SUCCESS: Final = 0
FAILURE: Final = 1
IGNORED: Final = 2
"""Says nothing of the service that was called: cancelled, interrupted, rejected before it began, or excluded."""

ErrorTest: TypeAlias = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]
"""Which errors: a class, several, or a predicate."""
_OF_PREDICATE: Final = "_perfloop_of_predicate"


class Classification:
    """Tells the outcome of a call from what it returned or raised.

    What is no Exception (KeyboardInterrupt, asyncio.CancelledError, SystemExit, GeneratorExit) is always ignored, and
    so is a CallRejected of a part further inside, AsyncMisuse, what a predicate has raised, and a DeadlineExceeded that
    is `inherited`: callers in a hurry must not open a circuit for all. An error that is none of the three is ignored,
    too: to narrow `failure` does not make successes of the others.
    """

    __slots__ = ("_failed_result", "_failure", "_ignored", "_success")

    def __init__(
        self,
        *,
        failure: ErrorTest = Exception,
        ignored: ErrorTest = (),
        success: ErrorTest = (),
        failed_result: Callable[[Any], bool] | None = None,
    ) -> None:
        """What counts as what; `ignored` is asked first, then `success`, then `failure`.

        Args:
            failure: errors that speak against the service.
            ignored: errors that say nothing of it: a caller's mistake.
            success: errors that are proper answers of it: not found.
            failed_result: whether a value returned is a failure after all: a response with status 503.

        Raises:
            InvalidValue: something that is no exception class, no tuple of them and not callable.
        """
        self._failure = error_test(failure, "failure")
        self._ignored = error_test(ignored, "ignored")
        self._success = error_test(success, "success")
        if failed_result is not None and not callable(failed_result):
            raise InvalidValue("Expected a predicate of results", got=failed_result, where="failed_result")
        self._failed_result = failed_result

    @property
    def judges_results(self) -> bool:
        """Whether a call that returned may be anything but a success."""
        return self._failed_result is not None

    def of_error(self, error: BaseException) -> Outcome:
        """The outcome of a call that raised. What a predicate raises passes through."""
        if not isinstance(error, Exception) or isinstance(error, (CallRejected, AsyncMisuse)):
            return IGNORED
        if _OF_PREDICATE in error.__dict__ or (isinstance(error, DeadlineExceeded) and error.inherited):
            return IGNORED
        try:
            if holds(self._ignored, error):
                return IGNORED
            if holds(self._success, error):
                return SUCCESS
            return FAILURE if holds(self._failure, error) else IGNORED
        except Exception as broken:
            broken.__dict__[_OF_PREDICATE] = True
            raise

    def of_result(self, result: object) -> Outcome:
        """The outcome of a call that returned. What the predicate raises passes through."""
        try:
            return FAILURE if self._failed_result is not None and self._failed_result(result) else SUCCESS
        except Exception as broken:
            broken.__dict__[_OF_PREDICATE] = True
            raise

    def repeats(self, error: BaseException) -> bool:
        """Whether a call that raised this is made again by a Retry, and is no answer to a Hedge: failures are."""
        return self.of_error(error) == FAILURE


def holds(test: ErrorTest, error: Exception) -> bool:
    """Whether the error is one of them. What a predicate raises passes through."""
    if isinstance(test, (type, tuple)):
        return isinstance(error, test)
    return bool(test(error))


def error_test(test: ErrorTest, where: str) -> ErrorTest:
    """The test, if it is one.

    Raises:
        InvalidValue: no exception class, no tuple of them and not callable.
    """
    classes = test if isinstance(test, tuple) else (test,) if isinstance(test, type) else None
    if classes is None and callable(test):
        return test
    if classes is None or not all(isinstance(each, type) and issubclass(each, BaseException) for each in classes):
        raise InvalidValue("Expected exception classes or a predicate", got=test, where=where)
    return test
