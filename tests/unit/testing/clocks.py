"""Time that passes when it is told to."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MovingClock", "Passing"]


class MovingClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Passing:
    """The effect of time going by."""

    clock: MovingClock
    by: float

    def run(self) -> None:
        self.clock.seconds += self.by

    async def run_async(self) -> None:
        self.run()
