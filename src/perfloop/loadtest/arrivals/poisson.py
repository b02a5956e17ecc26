"""`poisson 500 1m`, `poisson ramp 10..500 30s`: another profile's rate, with random gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ...exceptions import InvalidValue
from .closed import Closed
from .profile import Profile
from .schedule import PoissonArrival, Schedule
from .words import Form

if TYPE_CHECKING:
    from .curve import Curve

__all__ = ["Poisson"]


class Poisson(Profile, frozen=True):
    """Another profile's rate, with requests as they come of independent users: random, the same ones for the same seed.

    Args:
        of: the profile whose rate it has.
    """

    form: ClassVar = Form("poisson RATE [TIME], or poisson before any other profile", "poisson ramp 10..500 30s")

    of: Profile

    def __str__(self) -> str:
        pieces = getattr(self.of, "pieces", (self.of,))
        return ", ".join(str(piece) if isinstance(piece, Poisson) else f"poisson {piece}" for piece in pieces)

    def validate(self, where: str = "profile") -> None:
        if isinstance(self.of, Closed):
            raise InvalidValue("Expected a profile with a rate for poisson", got=str(self.of), where=where)
        self.of.validate(where)

    @property
    def lasts(self) -> float:
        return self.of.lasts

    def curve(self) -> Curve:
        return self.of.curve()

    def phase(self, elapsed: float) -> str:
        return self.of.phase(elapsed)

    def arrival(self, seed: int) -> Schedule:
        return PoissonArrival(self.curve(), seed)
