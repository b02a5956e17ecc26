"""Options of the memory monitor and of the leak detector."""

from __future__ import annotations

from msgspec import Struct, field

from ...exceptions import InvalidValue
from .verdict import LeakRule

__all__ = ["LeakOptions", "MemoryOptions"]


class MemoryOptions(Struct, frozen=True, kw_only=True):
    """What `MemoryMonitor` does.

    Raises:
        InvalidValue: a number out of range.
    """

    interval: float = 30.0
    """Seconds from one reading to the next."""
    alert_bytes: float = 100 * 2**20
    """Resident memory above this is high: 100 MiB, as small services have it. Set it to what yours may use."""
    pss: bool = False
    """Read the proportional set size as well: about 2 ms for each 100 MB of memory."""

    def __post_init__(self) -> None:
        _above_zero(interval=self.interval, alert_bytes=self.alert_bytes)


class LeakOptions(Struct, frozen=True, kw_only=True):
    """What `MemoryLeakDetector` does.

    Raises:
        InvalidValue: a number out of range.
    """

    interval: float = 30.0
    """Seconds from one sample to the next, more where full collections would cost too much."""
    growth_bytes: float = 100 * 2**20
    """Resident memory that grew so far since the baseline is reported, whatever the reason."""
    warm_up: float = 60.0
    """Seconds after the start before the baseline and the first sample; 0 or more."""
    pause_budget: float = 0.001
    """Share of the time that forced full collections may take, 0 to 1: one that takes 60 ms happens once a minute at
    most, and samples come no more often, which the log says. 0: none is forced, only those of the interpreter count."""
    rule: LeakRule = field(default_factory=LeakRule)
    """When growth counts as a leak."""
    capacity: int = 120
    """Samples that are judged together: the last hour, at the usual interval. Twice `rule.samples` or more is wise."""
    confirmations: int = 8
    """A leak is reported when so many samples in a row say so."""
    looks: int = 3
    """How often at most a leak is investigated (types, holders, lines); 0: never."""
    window_seconds: float = 2.0
    """How long allocations are traced in an investigation; 0: not at all."""
    window_memory: float = 32 * 2**20
    """Bytes that the notes of tracing may take; the window then ends early."""
    frames: int = 12
    """Callers noted in a second, shorter window, when the first found a library's line."""

    def __post_init__(self) -> None:
        _above_zero(interval=self.interval, growth_bytes=self.growth_bytes, window_memory=self.window_memory)
        for name in ("warm_up", "pause_budget", "looks", "window_seconds"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InvalidValue("Expected a finite number of 0 or more", got=getattr(self, name), where=name)
        if self.pause_budget > 1:
            raise InvalidValue("Expected a share of 1 or less", got=self.pause_budget, where="pause_budget")
        for name, least in (("capacity", self.rule.samples), ("confirmations", 1), ("frames", 1)):
            if getattr(self, name) < least:
                raise InvalidValue(f"Expected {least} or more", got=getattr(self, name), where=name)


def _above_zero(**numbers: float) -> None:
    for name, number in numbers.items():
        if not 0 < number < float("inf"):
            raise InvalidValue("Expected a finite number above 0", got=number, where=name)
