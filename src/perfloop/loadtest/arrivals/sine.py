"""`sine 50..150 24h`: a rate that swings, as over a day."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from ...exceptions import InvalidValue
from .profile import Profile, check_duration, check_rate, duration_in_words, number_in_words
from .words import Form, Words

if TYPE_CHECKING:
    from .curve import Curve, Floats

__all__ = ["Sine"]

_ENOUGH_STEPS = 60


class Sine(Profile, frozen=True):
    """A rate that swings as the traffic of a day does, beginning at its lowest: mean − amplitude · cos(2πt ÷ period).

    Args:
        mean: requests a second.
        amplitude: how far the rate goes above and below the mean, at most the mean.
        period: seconds from one low to the next.
        duration: seconds; None: one period.
    """

    form: ClassVar = Form("sine LOW..HIGH PERIOD [for TIME]", "sine 50..150 24h")

    mean: float
    amplitude: float
    period: float
    duration: float | None = None

    @classmethod
    def parse(cls, words: Words) -> Self:
        swing = words.swing()
        if swing is None:
            low, high = words.expect_span()
            swing = (low + high) / 2, abs(high - low) / 2
        words.keyword("every", "period")
        return cls(*swing, words.time(), words.final_time())

    def __str__(self) -> str:
        lasting = "" if self.duration is None else f" for {duration_in_words(self.duration)}"
        swing = f"{number_in_words(self.mean)}±{number_in_words(self.amplitude)}"
        return f"sine {swing} every {duration_in_words(self.period)}{lasting}"

    def validate(self, where: str = "profile") -> None:
        check_rate(self.mean, "the mean of sine", where)
        check_rate(self.amplitude, "the amplitude of sine", where)
        check_duration(self.period, "the period of sine", where)
        check_duration(self.duration, "sine", where)
        if self.amplitude > self.mean:
            raise InvalidValue(
                f"Expected an amplitude of sine of at most its mean, {number_in_words(self.mean)}: no rate is below 0",
                got=self.amplitude,
                where=where,
            )

    @property
    def lasts(self) -> float:
        return self.period if self.duration is None else self.duration

    def curve(self) -> Curve:
        return self

    @property
    def total(self) -> float:
        return self.expected(self.lasts)

    @property
    def peak(self) -> float:
        return self.mean + self.amplitude

    def rate_at(self, elapsed: float) -> float:
        return self.mean - self.amplitude * math.cos(math.tau * (elapsed / self.period % 1.0))

    def expected(self, elapsed: float) -> float:
        swing = self.amplitude * self.period / math.tau * math.sin(math.tau * (elapsed / self.period % 1.0))
        return self.mean * elapsed - swing

    def moments(self, counts: Floats) -> Floats:
        # In the angle θ = 2πt ÷ period the integral is Kepler's equation, θ − e·sin θ = M with e = amplitude ÷ mean:
        # a period at a time, by Newton's method from Danby's start (Fundamentals of Celestial Mechanics, 1988, 6.6),
        # halving the bracket instead wherever a step would leave it.
        if not len(counts):
            return counts
        whole, rest = np.divmod(counts, self.mean * self.period)
        mean_angle = rest * (math.tau / (self.mean * self.period))
        share = self.amplitude / self.mean
        low, high = np.maximum(0.0, mean_angle - share), np.minimum(math.tau, mean_angle + share)
        angle = np.clip(mean_angle + 0.85 * share * np.sign(np.sin(mean_angle)), low, high)
        for _ in range(_ENOUGH_STEPS):
            beyond = angle - share * np.sin(angle) - mean_angle
            low, high = np.where(beyond < 0, angle, low), np.where(beyond > 0, angle, high)
            slope = 1 - share * np.cos(angle)
            step = np.divide(beyond, slope, out=np.full_like(angle, math.inf), where=slope > 0)
            following = angle - step
            following = np.where((following >= low) & (following <= high), following, (low + high) / 2)
            following = np.where(beyond == 0, angle, following)
            moved = np.abs(following - angle).max()
            angle = following
            if moved < 1e-9:  # steps shrink to their square: the next is less than rounding
                break
        moments: Floats = (whole + angle / math.tau) * self.period
        return moments
