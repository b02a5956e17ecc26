"""`ramp 10..500 30s`: a rate that rises or falls evenly."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from .profile import Profile, check_duration, check_rate, duration_in_words, number_in_words
from .words import Form, Words

if TYPE_CHECKING:
    from .curve import Curve, Floats

__all__ = ["Ramp"]


class Ramp(Profile, frozen=True):
    """A rate that rises or falls evenly.

    Args:
        start: requests a second at the beginning.
        end: requests a second at the end.
        duration: seconds from one to the other.
    """

    form: ClassVar = Form("ramp FROM..TO TIME", "ramp 10..500 30s")

    start: float
    end: float
    duration: float

    @classmethod
    def parse(cls, words: Words) -> Self:
        return cls(*words.expect_span(), words.time())

    def __str__(self) -> str:
        return f"ramp {number_in_words(self.start)}..{number_in_words(self.end)} {duration_in_words(self.duration)}"

    def validate(self, where: str = "profile") -> None:
        check_rate(self.start, "the start of ramp", where)
        check_rate(self.end, "the end of ramp", where)
        check_duration(self.duration, "ramp", where)

    def curve(self) -> Curve:
        return self

    @property
    def lasts(self) -> float:
        return self.duration

    @property
    def total(self) -> float:
        return (self.start + self.end) / 2 * self.duration

    @property
    def peak(self) -> float:
        return max(self.start, self.end)

    def rate_at(self, elapsed: float) -> float:
        share = min(1.0, max(0.0, elapsed / self.duration))
        return self.start + (self.end - self.start) * share

    def expected(self, elapsed: float) -> float:
        return (self.start + self.rate_at(elapsed)) / 2 * elapsed

    def moments(self, counts: Floats) -> Floats:
        # The root of start·t + slope·t²/2 = n in the form that neither cancels nor divides by a slope of zero.
        slope = (self.end - self.start) / self.duration
        rate = np.sqrt(np.maximum(0.0, self.start**2 + 2 * slope * counts))
        moments: Floats = np.divide(2 * counts, self.start + rate, out=np.zeros_like(counts), where=counts > 0)
        return moments
