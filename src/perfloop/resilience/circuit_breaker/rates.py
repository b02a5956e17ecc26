"""Rates above which a circuit opens: what the two sliding windows have in common."""

from __future__ import annotations

from dataclasses import dataclass

from ..settings import count, share
from .windows import Breach, Rates

__all__ = ["RateLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """When the calls in a window are too bad.

    Args:
        failure_rate: share of failed calls from which on the circuit opens.
        slow_call_rate: likewise of calls that took the breaker's `slow_call_duration` or longer.
        minimum_calls: with fewer calls in the window it stays closed.

    Raises:
        InvalidValue: a share that is not above 0 and at most 1; less than one call.
    """

    failure_rate: float = 0.5
    slow_call_rate: float = 1.0
    minimum_calls: int = 20

    def __post_init__(self) -> None:
        share(self.failure_rate, "failure_rate")
        share(self.slow_call_rate, "slow_call_rate")
        count(self.minimum_calls, "minimum_calls")

    def judge(self, rates: Rates) -> Breach | None:
        """Whether it has to open."""
        if rates.calls < self.minimum_calls:
            return None
        if rates.failure_rate >= self.failure_rate:
            return Breach(
                "failure_rate_exceeded",
                f"{rates.failed} of the last {rates.calls} calls failed, {rates.failure_rate:.0%}",
            )
        if rates.slow_call_rate >= self.slow_call_rate:
            return Breach(
                "slow_call_rate_exceeded",
                f"{rates.slow} of the last {rates.calls} calls were slow, {rates.slow_call_rate:.0%}",
            )
        return None

    def fails(self, probes: int, failed: int, slow: int) -> bool:
        """Probes are judged by the same rates, out of all that are let through."""
        return failed / probes >= self.failure_rate or slow / probes >= self.slow_call_rate
