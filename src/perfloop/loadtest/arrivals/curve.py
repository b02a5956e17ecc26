"""The rate of a profile over time: what every profile comes down to, as pure functions of the elapsed seconds."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curve", "Floats"]

Floats = NDArray[np.float64]


class Curve(Protocol):
    """A rate that varies over time, with its integral and the inverse of that. Times are seconds from its start."""

    @property
    def lasts(self) -> float:
        """Seconds until its end; infinite when it has none."""

    @property
    def total(self) -> float:
        """The integral of the rate over all of it: about how many requests it makes."""

    @property
    def peak(self) -> float:
        """The highest rate, in requests a second."""

    def rate_at(self, elapsed: float) -> float:
        """Requests a second planned at that moment, from 0 up to, without, the end."""

    def expected(self, elapsed: float) -> float:
        """The integral of the rate from 0 to `elapsed`, which lies between 0 and the end."""

    def moments(self, counts: Floats) -> Floats:
        """When the integral passes each of `counts`: the last moment at which it is not above it.

        Args:
            counts: rising, each from 0 up to, without, `total`.
        """

    def phase(self, elapsed: float) -> str:
        """What the profile does at that moment, in a few words."""
