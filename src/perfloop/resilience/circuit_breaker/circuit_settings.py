"""How a circuit is set."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypedDict

from ...exceptions import InvalidValue
from ..settings import at_least, count, positive
from .consecutive import Consecutive

if TYPE_CHECKING:
    from .windows import WindowOptions

__all__ = ["MAX_FAILURES", "CircuitOptions", "CircuitSettings", "circuit_settings"]

MAX_FAILURES: Final = 5


class CircuitOptions(TypedDict, total=False):
    """The keyword arguments that breakers of one circuit and of one a key have in common."""

    window: WindowOptions | None
    """`CountWindow` or `TimeWindow` to judge rates, instead of calls in a row."""
    slow_call_duration: float | None
    """Seconds from which on a call is slow; None: none is."""
    probes: int
    """Calls that are let through half-open, 1 unless given. All succeed, or as many as the window's rates want: it
    closes."""
    probe_timeout: float | None
    """Seconds after which a probe that has not ended counts as failed; `reset_timeout` unless given."""
    recovery_time: float
    """Seconds after the probes in which a share of the calls goes through that grows from a tenth to all of them; 0, or
    not given: all at once."""
    reset_backoff: float
    """What the reset timeout is multiplied by each time that probes fail, 1 unless given."""
    max_reset_timeout: float | None
    """What it never rises above, in seconds; 300, or `reset_timeout` if that is more, unless given."""


@dataclass(frozen=True, slots=True)
class CircuitSettings:
    """What the state machine asks for, the defaults filled in."""

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


def circuit_settings(max_failures: int, reset_timeout: float, options: CircuitOptions, of: type) -> CircuitSettings:
    """The settings of one circuit, with their defaults; `of` which breaker, for messages.

    Raises:
        InvalidValue: a setting out of its range; both `max_failures` and `window`.
        TypeError: no such argument.
    """
    for name in options:
        if name not in CircuitOptions.__optional_keys__:
            known = ", ".join(sorted(CircuitOptions.__optional_keys__))
            raise TypeError(
                f"{of.__name__} got an unexpected keyword argument {name!r}; of its circuit it takes {known}"
            )
    window = options.get("window")
    probe_timeout, max_reset_timeout = options.get("probe_timeout"), options.get("max_reset_timeout")
    if window is not None and max_failures != MAX_FAILURES:
        raise InvalidValue(
            "Expected either max_failures or a window",
            got=max_failures,
            where="max_failures",
            hint="failures in a row do not count where a window's rates do",
        )
    if window is not None and not callable(getattr(window, "start", None)):
        raise InvalidValue("Expected a CountWindow or a TimeWindow", got=window, where="window")
    positive(reset_timeout, "reset_timeout")
    return CircuitSettings(
        window=Consecutive(max_failures) if window is None else window,
        reset_timeout=reset_timeout,
        reset_backoff=options.get("reset_backoff", 1.0),
        max_reset_timeout=max(300.0, reset_timeout) if max_reset_timeout is None else max_reset_timeout,
        probes=options.get("probes", 1),
        probe_timeout=reset_timeout if probe_timeout is None else probe_timeout,
        slow_call_duration=options.get("slow_call_duration"),
        recovery_time=options.get("recovery_time", 0.0),
    )
