"""`spike 500..2000 5s`: a rate that jumps up and falls back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from ...exceptions import InvalidValue
from .constant import Constant
from .piecewise import PiecewiseCurve
from .profile import Profile, check_duration, check_rate, duration_in_words, number_in_words
from .words import Form, Words

if TYPE_CHECKING:
    from .curve import Curve

__all__ = ["Spike"]


class Spike(Profile, frozen=True):
    """A rate that jumps up and falls back.

    Args:
        base: requests a second before and after.
        peak: requests a second in the spike.
        length: seconds of the spike.
        at: seconds from the beginning to the spike; None: as many as it is long.
        duration: seconds in all; None: as long after the spike as before it.
    """

    form: ClassVar = Form("spike BASE..PEAK LENGTH [at TIME] [in DURATION]", "spike 500..2000 5s at 20s in 1m")

    base: float
    peak: float
    length: float
    at: float | None = None
    duration: float | None = None

    @classmethod
    def parse(cls, words: Words) -> Self:
        base, peak = words.expect_span()
        length = words.time()
        at = words.time() if words.keyword("at", "after") else None
        return cls(base, peak, length, at, words.final_time())

    def __str__(self) -> str:
        at = "" if self.at is None else f" at {duration_in_words(self.at)}"
        lasting = "" if self.duration is None else f" in {duration_in_words(self.duration)}"
        rates = f"{number_in_words(self.base)}..{number_in_words(self.peak)}"
        return f"spike {rates} {duration_in_words(self.length)}{at}{lasting}"

    def validate(self, where: str = "profile") -> None:
        check_rate(self.base, "the base of spike", where)
        check_rate(self.peak, "the peak of spike", where)
        check_duration(self.length, "the length of spike", where)
        check_duration(self.at, "the beginning of spike", where)
        check_duration(self.duration, "spike", where)
        if self.lasts < self._begins + self.length:
            raise InvalidValue(
                f"Expected a spike that is over within its {duration_in_words(self.lasts)}",
                got=f"{duration_in_words(self.length)} from {duration_in_words(self._begins)} on",
                where=where,
            )

    @property
    def _begins(self) -> float:
        return self.length if self.at is None else self.at

    @property
    def lasts(self) -> float:
        return 2 * self._begins + self.length if self.duration is None else self.duration

    def phase(self, elapsed: float) -> str:
        within = elapsed - self._begins
        return "before the spike" if within < 0 else "spike" if within < self.length else "after the spike"

    def curve(self) -> Curve:
        after = self.lasts - self._begins - self.length
        pieces: list[Curve] = [Constant(self.base, self._begins), Constant(self.peak, self.length)]
        return PiecewiseCurve([*pieces, Constant(self.base, after)] if after > 0 else pieces, self.phase)
