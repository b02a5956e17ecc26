"""What a closed circuit remembers of its calls: the shapes that all windows have."""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["Breach", "Rates", "Window", "WindowOptions"]


class Rates(NamedTuple):
    """What is in a window."""

    calls: int
    failed: int
    slow: int

    @property
    def failure_rate(self) -> float:
        """Share of the calls that failed; 0 without calls."""
        return self.failed / self.calls if self.calls else 0.0

    @property
    def slow_call_rate(self) -> float:
        """Share of the calls that took too long; 0 without calls."""
        return self.slow / self.calls if self.calls else 0.0


class Breach(NamedTuple):
    """Why a circuit has to open."""

    event: str
    reason: str


class Window(Protocol):
    """The calls of one closed period. Knows each only by its number: `calls` counts all that have ended so far.

    A success tells a window nothing, unless `tick` has passed: that calls without a failure lie between two others is
    seen from their numbers. So a success costs its circuit one addition, and only a failure can open it.
    """

    tick: float
    """When time makes a difference next, in seconds of the clock; infinity: never."""

    def turn(self, calls: int, now: float) -> None:
        """The clock shows `now`, and so many calls had ended before."""

    def record(self, calls: int, *, failed: bool, slow: bool) -> Breach | None:
        """Call number `calls` failed, was slow, or both. Whether that is too much."""

    def rates(self, calls: int) -> Rates:
        """What is in the window as of the last `turn`."""


class WindowOptions(Protocol):
    """How a circuit judges its calls."""

    def start(self, calls: int, now: float) -> Window:
        """An empty window; so many calls ended before it."""

    def fails(self, probes: int, failed: int, slow: int) -> bool:
        """Whether so many failed and slow ones of all `probes` are too many, however the others end."""
