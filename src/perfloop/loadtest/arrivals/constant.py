"""`constant 500 1m`: the same rate all the time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Self

from .profile import Profile, check_duration, check_rate, duration_in_words, number_in_words
from .schedule import PlannedArrival, Schedule, UniformArrival
from .words import Form, Words

if TYPE_CHECKING:
    from .curve import Curve, Floats

__all__ = ["Constant"]


class Constant(Profile, frozen=True):
    """The same rate all the time.

    Args:
        rate: requests a second; 0 is a pause.
        duration: seconds; None: until the run ends.
    """

    form: ClassVar = Form("constant RATE [TIME]", "constant 500 1m")

    rate: float
    duration: float | None = None

    @classmethod
    def parse(cls, words: Words) -> Self:
        return cls(words.rate(), words.final_time())

    def __str__(self) -> str:
        lasting = "" if self.duration is None else f" {duration_in_words(self.duration)}"
        return f"constant {number_in_words(self.rate)}{lasting}"

    def validate(self, where: str = "profile") -> None:
        check_rate(self.rate, "constant", where)
        check_duration(self.duration, "constant", where)

    def curve(self) -> Curve:
        return self

    def arrival(self, seed: int) -> Schedule:
        return UniformArrival(self) if self.rate else PlannedArrival(self)

    @property
    def lasts(self) -> float:
        return math.inf if self.duration is None else self.duration

    @property
    def total(self) -> float:
        return self.rate * self.lasts if self.rate else 0.0

    @property
    def peak(self) -> float:
        return self.rate

    def rate_at(self, elapsed: float) -> float:
        return self.rate

    def expected(self, elapsed: float) -> float:
        return self.rate * elapsed

    def moments(self, counts: Floats) -> Floats:
        return counts / self.rate if self.rate else counts
