"""How a circuit is set."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidValue
from ..settings import at_least, count, positive

if TYPE_CHECKING:
    from .windows import WindowOptions

__all__ = ["CircuitSettings"]


@dataclass(frozen=True, slots=True)
class CircuitSettings:
    """The arguments of `CircuitBreaker` that its state machine asks for, its defaults filled in."""

    window: WindowOptions
    reset_timeout: float
    reset_backoff: float
    max_reset_timeout: float
    probes: int
    probe_timeout: float
    slow_call_duration: float | None
    recovery_time: float

    def __post_init__(self) -> None:
        at_least(self.reset_backoff, 1, "reset_backoff")
        positive(self.max_reset_timeout, "max_reset_timeout")
        count(self.probes, "probes")
        positive(self.probe_timeout, "probe_timeout")
        if self.slow_call_duration is not None:
            positive(self.slow_call_duration, "slow_call_duration")
        at_least(self.recovery_time, 0, "recovery_time")
        if self.max_reset_timeout < self.reset_timeout:
            raise InvalidValue(
                f"Expected a max_reset_timeout of reset_timeout ({self.reset_timeout:g}) or more",
                got=self.max_reset_timeout,
                where="max_reset_timeout",
            )

    def described(self) -> dict[str, Any]:
        """By name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
