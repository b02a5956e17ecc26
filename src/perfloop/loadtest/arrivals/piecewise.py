"""Curves one after the other, as one curve."""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from .curve import Curve, Floats

__all__ = ["PiecewiseCurve"]


class PiecewiseCurve:
    """Curves one after the other.

    Args:
        pieces: in order; each but the last has an end.
        phase: what they do at a moment, in a few words.
        whole: for each piece, whether its requests keep their moments: then it begins with the next whole request.
    """

    def __init__(self, pieces: list[Curve], phase: Callable[[float], str], whole: list[bool] | None = None) -> None:
        self._pieces = pieces
        self.phase = phase
        self._starts = [0.0]
        self._before: list[float] = []
        total = 0.0
        for piece, keeps in zip(pieces, whole or [False] * len(pieces), strict=True):
            self._before.append(math.ceil(total) if keeps else total)
            total = self._before[-1] + piece.total
            self._starts.append(self._starts[-1] + piece.lasts)
        self.total = total
        self.lasts = self._starts.pop()
        self.peak = max(piece.peak for piece in pieces)

    def _at(self, elapsed: float) -> int:
        return max(0, bisect.bisect_right(self._starts, elapsed) - 1)

    def rate_at(self, elapsed: float) -> float:
        piece = self._at(elapsed)
        return self._pieces[piece].rate_at(elapsed - self._starts[piece])

    def expected(self, elapsed: float) -> float:
        piece = self._at(elapsed)
        within = min(elapsed - self._starts[piece], self._pieces[piece].lasts)
        return self._before[piece] + self._pieces[piece].expected(within)

    def moments(self, counts: Floats) -> Floats:
        pieces = np.searchsorted(self._before, counts, side="right") - 1
        moments = np.empty_like(counts)
        for number in np.unique(pieces).tolist():
            piece, start, here = self._pieces[number], self._starts[number], pieces == number
            places = counts[here] - self._before[number]
            within = places < piece.total  # not those in the gap before a piece that begins with a whole request
            inside = np.full(len(places), float(piece.lasts))
            inside[within] = np.minimum(piece.moments(places[within]), piece.lasts)
            moments[here] = start + inside
        return moments
