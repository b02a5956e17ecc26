"""`steps 100 200 400 each 30s`: rates one after the other, each for as long."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from ...exceptions import InvalidValue
from .constant import Constant
from .piecewise import PiecewiseCurve
from .profile import Profile, check_duration, check_rate, duration_in_words, number_in_words
from .words import Form, Words

if TYPE_CHECKING:
    from .curve import Curve

__all__ = ["Steps"]

_MOST = 1000


class Steps(Profile, frozen=True):
    """Rates one after the other, each for as long.

    Args:
        rates: requests a second of each step.
        each: seconds of each step.
    """

    form: ClassVar = Form(
        "steps RATE RATE … each TIME, or steps FROM..TO by RATE each TIME", "steps 100..500 by 100 each 30s"
    )

    rates: tuple[float, ...]
    each: float

    @classmethod
    def parse(cls, words: Words) -> Self:
        span = words.span()
        if span is None:
            rates = [words.rate()]
            while words.more_rates():
                rates.append(words.rate())
        else:
            start, end = span
            if not words.keyword("by", "step"):
                words.fail("the rate from one step to the next, such as by 100,")
            by = words.rate() or words.fail("a rate above 0 from one step to the next")
            count = round(abs(end - start) / by) if abs(end - start) <= by * _MOST else _MOST
            if abs(count * by - abs(end - start)) > 1e-9 * max(start, end, 1.0):
                words.fail(f"at most {_MOST} steps that end at {number_in_words(end)}")
            rates = [start + (by if end > start else -by) * step for step in range(count)] + [end]
        words.keyword("each", "every")
        return cls(tuple(rates), words.time())

    def __str__(self) -> str:
        return f"steps {' '.join(number_in_words(rate) for rate in self.rates)} each {duration_in_words(self.each)}"

    def validate(self, where: str = "profile") -> None:
        if not self.rates:
            raise InvalidValue("Expected at least one rate for steps", where=where)
        for rate in self.rates:
            check_rate(rate, "steps", where)
        check_duration(self.each, "each of steps", where)

    @property
    def lasts(self) -> float:
        return self.each * len(self.rates)

    def phase(self, elapsed: float) -> str:
        step = min(len(self.rates) - 1, max(0, int(elapsed / self.each)))
        return f"step {step + 1} of {len(self.rates)}: {number_in_words(self.rates[step])}/s"

    def curve(self) -> Curve:
        pieces: list[Curve] = [Constant(rate, self.each) for rate in self.rates]
        return PiecewiseCurve(pieces, self.phase)
