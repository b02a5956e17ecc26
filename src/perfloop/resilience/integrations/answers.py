"""What adapters of databases share: an error that is an answer of the service is none for the parts of a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...exceptions import InvalidValue, PerfloopError
from ..check.deployment import within
from ..policy import Policy
from ..retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Answer", "Policies", "given", "statement_timeout"]

_MOST_MILLISECONDS: Final = 2**31 - 1
_REPEATING: Final = ("retry", "hedging")


class Answer:
    """An error that says that the service works: a constraint, a syntax error; or one of the caller's own code."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error

    @classmethod
    def of(cls, error: Exception, is_failure: Callable[[Exception], bool]) -> Answer:
        """The error as an answer.

        Raises:
            Exception: itself, if it is a failure of the service, or perfloop's own.
        """
        if isinstance(error, PerfloopError) or is_failure(error):
            raise error
        return cls(error)


def given(result: Any) -> Any:
    """What the caller gets.

    Raises:
        Exception: the result is an answer that is an error.
    """
    if type(result) is Answer:
        raise result.error
    return result


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
