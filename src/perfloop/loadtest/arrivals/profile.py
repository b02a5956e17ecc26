"""What all arrival profiles share."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Self

from msgspec import Struct

from ...exceptions import InvalidValue
from ...units import parse_duration
from .schedule import PlannedArrival
from .words import Form  # noqa: TC001  # msgspec reads it

if TYPE_CHECKING:
    from .curve import Curve
    from .schedule import Schedule
    from .words import Words

__all__ = ["Profile", "check_duration", "check_rate", "duration_in_words", "number_in_words"]

_UNITS = (("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3))


class Profile(Struct, frozen=True, tag_field="kind", tag=str.lower, forbid_unknown_fields=True):
    """The rate of an open model over time. `str` gives it in the notation of `--profile`."""

    form: ClassVar[Form]
    """How it is written."""

    @classmethod
    def parse(cls, words: Words) -> Self:
        """The profile in the words behind its name.

        Raises:
            InvalidValue: they are not in its form.
        """
        raise NotImplementedError

    @property
    def lasts(self) -> float:
        """Seconds until its end; infinite when it goes on until the run ends."""
        raise NotImplementedError

    def validate(self, where: str = "profile") -> None:
        """Check every field.

        Raises:
            InvalidValue: names the field, what was expected and what was got.
        """
        raise NotImplementedError

    def curve(self) -> Curve:
        """Its rate as a function of time."""
        raise NotImplementedError

    def arrival(self, seed: int) -> Schedule:
        """When its requests are due: request n when the integral of the rate passes n.

        Args:
            seed: of what is random in it.
        """
        return PlannedArrival(self.curve())

    def phase(self, elapsed: float) -> str:
        """What it does at that moment, in a few words."""
        return str(self)


def check_rate(value: float, name: str, where: str) -> None:
    """A rate may be zero: then nothing is sent."""
    if not (math.isfinite(value) and value >= 0):
        raise InvalidValue(f"Expected a rate of 0 or more requests a second for {name}", got=value, where=where)


def check_duration(value: float | None, name: str, where: str) -> None:
    """A length of time is above zero, where there is one."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise InvalidValue(f"Expected seconds above 0 for {name}", got=value, where=where)


def number_in_words(value: float) -> str:
    """The number itself, without exponent: `500`, `0.25`."""
    return f"{Decimal(repr(float(value))):f}".removesuffix(".0")


def duration_in_words(seconds: float) -> str:
    """Exactly that time in the greatest unit that writes it as a whole number: `90s`, `2m`, `500ms`."""
    for unit, size in _UNITS:
        text = f"{round(seconds / size)}{unit}"
        if seconds >= size and parse_duration(text) == seconds:
            return text
    return f"{number_in_words(seconds)}s"
