"""`closed 30s`: no schedule; each connection sends its next request when the last is answered."""

from __future__ import annotations

import math
from typing import ClassVar, Self

from .profile import Profile, check_duration, duration_in_words
from .words import Form, Words

__all__ = ["Closed"]


class Closed(Profile, frozen=True):
    """The closed model: no schedule; each connection sends its next request when the last is answered.

    It has no rate of its own, so that it stands alone: not in a sequence.

    Args:
        duration: seconds; None: until the run ends.
    """

    form: ClassVar = Form("closed [TIME]", "closed 30s")

    duration: float | None = None

    def __str__(self) -> str:
        return "closed" if self.duration is None else f"closed {duration_in_words(self.duration)}"

    @classmethod
    def parse(cls, words: Words) -> Self:
        return cls(words.final_time())

    def validate(self, where: str = "profile") -> None:
        check_duration(self.duration, "closed", where)

    @property
    def lasts(self) -> float:
        return math.inf if self.duration is None else self.duration
