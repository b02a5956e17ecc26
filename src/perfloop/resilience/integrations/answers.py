"""What adapters of databases share: an error that is an answer of the service is none for the parts of a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...exceptions import InvalidValue, PerfloopError
from ..check.deployment import within
from ..policy import Policy
from ..retry import Retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["AnsweredCalls", "Policies", "statement_timeout"]

_MOST_MILLISECONDS: Final = 2**31 - 1
_REPEATING: Final = ("retry", "hedging")


class _Answer:
    """An error that says that the service works: a constraint, a syntax error; or one of the caller's own code."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


def statement_timeout(left: float) -> str:
    """PostgreSQL's setting for so many seconds: whole milliseconds, of which 0 would mean no limit at all."""
    return str(round(min(max(left * 1e3, 1), _MOST_MILLISECONDS)))


class Policies:
    """A policy, and what is left of it for calls that must not be repeated."""

    def __init__(self, policy: Policy) -> None:
        """Both.

        Raises:
            InvalidValue: no policy, or one whose retry would never repeat anything.
        """
        if not isinstance(policy, Policy):
            raise InvalidValue("Expected a Policy", got=policy, where="policy")
        if any(isinstance(part, Retry) and part.idempotent is False for part in within(policy)):
            raise InvalidValue(
                "Expected Retry(idempotent=True): what is not idempotent is sent once in any case",
                got=policy.name,
                where="policy",
            )
        self.repeating, self._once = policy, policy.without(*_REPEATING)

    def of(self, *, repeat: bool) -> Policy | None:
        """The policy of a call; None: nothing is left of it."""
        return self.repeating if repeat else self._once


class AnsweredCalls(Policies):
    """Calls in a policy whose parts see failures of the service only: what is an answer of it is raised round them."""

    def __init__(self, policy: Policy, is_failure: Callable[[Exception], bool]) -> None:
        """As `Policies`; `is_failure` tells a failure of the service from an answer. perfloop's own errors are none."""
        super().__init__(policy)
        self._is_failure = is_failure

    def execute(self, attempt: Callable[[], Any], *, repeat: bool) -> Any:
        """What an attempt gives, in this thread."""

        def answered() -> Any:
            try:
                return attempt()
            except Exception as error:
                return self._answer(error)

        policy = self.of(repeat=repeat)
        return _given(answered() if policy is None else policy.execute(answered))

    async def aexecute(self, attempt: Callable[[], Awaitable[Any]], *, repeat: bool) -> Any:
        """As `execute`, in an event loop."""

        async def answered() -> Any:
            try:
                return await attempt()
            except Exception as error:
                return self._answer(error)

        policy = self.of(repeat=repeat)
        return _given(await (answered() if policy is None else policy.aexecute(answered)))

    def _answer(self, error: Exception) -> _Answer:
        if isinstance(error, PerfloopError) or self._is_failure(error):
            raise error
        return _Answer(error)


def _given(result: Any) -> Any:
    if type(result) is _Answer:
        raise result.error
    return result
