"""`ramp 10..500 30s, constant 500 1m`: profiles one after the other."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, ClassVar

from ...exceptions import InvalidValue
from .closed import Closed
from .piecewise import PiecewiseCurve
from .poisson import Poisson
from .profile import Profile
from .replay import Replay
from .schedule import ChainedArrival, PlannedArrival, Schedule
from .words import Form

if TYPE_CHECKING:
    from .curve import Curve

__all__ = ["Sequence"]


class Sequence(Profile, frozen=True):
    """Profiles one after the other. Only the last may go on until the run ends.

    Where a piece ends between two requests, the next piece takes up from there: the whole makes as many requests as the
    integral of its rate says.

    Args:
        pieces: in order, of any kinds.
    """

    form: ClassVar = Form("PROFILE, PROFILE, …", "ramp 10..500 30s, constant 500 1m")

    pieces: tuple[Profile, ...]

    def __str__(self) -> str:
        return ", ".join(str(piece) for piece in self.pieces)

    def validate(self, where: str = "profile") -> None:
        if not self.pieces:
            raise InvalidValue("Expected at least one piece of a profile", where=where)
        for number, piece in enumerate(self.pieces, 1):
            if isinstance(piece, Closed):
                raise InvalidValue(
                    "Expected profiles of an open model in a sequence: closed stands alone", got=str(piece), where=where
                )
            piece.validate(where)
            if piece.lasts == math.inf and number < len(self.pieces):
                raise InvalidValue(
                    "Expected a duration of every piece but the last",
                    got=str(piece),
                    where=where,
                    hint=f"for example `{piece} 30s`",
                )

    @property
    def lasts(self) -> float:
        return sum(piece.lasts for piece in self.pieces)

    def phase(self, elapsed: float) -> str:
        for number, piece in enumerate(self.pieces, 1):
            if elapsed < piece.lasts or number == len(self.pieces):
                return f"{number}/{len(self.pieces)} {piece.phase(elapsed)}"
            elapsed -= piece.lasts
        raise AssertionError("validate() saw to it that there is a piece")

    def curve(self) -> Curve:
        whole = [isinstance(piece, Replay) for piece in self.pieces]
        return PiecewiseCurve([piece.curve() for piece in self.pieces], self.phase, whole)

    def arrival(self, seed: int) -> Schedule:
        pieces = [
            inner for piece in self.pieces for inner in (piece.pieces if isinstance(piece, Sequence) else (piece,))
        ]
        groups = [
            (random, tuple(group)) for random, group in itertools.groupby(pieces, lambda p: isinstance(p, Poisson))
        ]
        if groups == [(False, tuple(pieces))]:
            return PlannedArrival(self.curve())
        parts: list[Schedule] = []
        for random, group in groups:
            if random:
                parts += [piece.arrival(seed + len(parts) + number) for number, piece in enumerate(group)]
            else:
                parts.append(Sequence(group).arrival(seed))
        return ChainedArrival(self.curve(), parts)
