"""`replay arrivals.txt x2`: requests at the times of a recorded series."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from ...exceptions import InvalidValue
from ...files import read_within
from .curve import Floats  # noqa: TC001  # msgspec reads it
from .profile import Profile, check_duration, duration_in_words, number_in_words
from .words import Form, Words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .curve import Curve

__all__ = ["Replay"]

_SINGLE = 1e-3
_LARGEST = 256_000_000
_HINT = "one arrival a line, as seconds (12.5) or as a time (2025-03-01T12:00:00.25+01:00); # begins a comment"


class Replay(Profile, frozen=True, eq=False):
    """Requests at the times of a recorded series, the first at 0. The times are held in memory, 8 bytes a request.

    Args:
        times: seconds of each recorded arrival, in any order, on any clock: only the differences count.
        speed: how many times faster than recorded.
        duration: seconds after which it ends; None: one mean gap after the last arrival.
        source: where the series came from, for reports.
    """

    form: ClassVar = Form("replay FILE [xSPEED] [TIME]", "replay arrivals.txt x2")

    times: tuple[float, ...] | Floats
    speed: float = 1.0
    duration: float | None = None
    source: str = ""

    @classmethod
    def read(
        cls, path: str | Path, speed: float = 1.0, duration: float | None = None, *, where: str = "profile"
    ) -> Self:
        """The series of a file: one arrival a line, in seconds or as ISO 8601 timestamps (UTC where they do not say).

        Raises:
            InvalidValue: the file cannot be read or has no arrivals; names the line that is none.
        """
        try:
            text = read_within(path, _LARGEST).decode()
        except OSError as error:
            raise InvalidValue(
                f"Expected a readable file of arrivals: {error.strerror}", got=str(path), where=where, hint=_HINT
            ) from error
        except UnicodeDecodeError as error:
            raise InvalidValue(
                f"Expected UTF-8 text in a file of arrivals: {error}", got=str(path), where=where, hint=_HINT
            ) from error
        times = []
        for number, line in enumerate(text.splitlines(), 1):
            entry = line.partition("#")[0].strip()
            if entry:
                times.append(_seconds(entry, f"{path}:{number}"))
        if not times:
            raise InvalidValue("Expected at least one arrival in the file", got=str(path), where=where, hint=_HINT)
        return cls(np.array(times), speed, duration, str(path))

    @classmethod
    def parse(cls, words: Words) -> Self:
        path = words.text("a file of arrivals")
        speed = words.matching(r"[x×](\d+\.?\d*|\.\d+)") or words.matching(r"(\d+\.?\d*|\.\d+)[x×]")
        return cls.read(path, float(speed or 1), words.final_time(), where=words.where)

    def __str__(self) -> str:
        source = f"'{self.source}'" if not self.source or any(c in self.source for c in " ,;'") else self.source
        if not self.source:
            source = f"<{len(self.times):,} recorded arrivals>"
        lasting = "" if self.duration is None else f" {duration_in_words(self.duration)}"
        return f"replay {source} x{number_in_words(self.speed)}{lasting}"

    def validate(self, where: str = "profile") -> None:
        if not len(self.times) or not np.isfinite(np.asarray(self.times)).all():
            raise InvalidValue("Expected at least one arrival for replay, each a number of seconds", where=where)
        if not (math.isfinite(self.speed) and self.speed > 0):
            raise InvalidValue("Expected a speed above 0 for replay", got=self.speed, where=where)
        check_duration(self.duration, "replay", where)

    @property
    def lasts(self) -> float:
        if self.duration is not None:
            return self.duration
        span = float(np.max(self.times) - np.min(self.times)) / self.speed
        return span + (span / (len(self.times) - 1) if span > 0 else _SINGLE)

    def curve(self) -> Curve:
        return _Recorded(self.times, self.speed, self.lasts, str(self))


class _Recorded:
    """Arrival n stands at n on the integral of the rate, and between two the rate is even."""

    def __init__(self, times: Sequence[float] | Floats, speed: float, lasts: float, phase: str) -> None:
        ordered = np.sort(np.asarray(times, dtype=np.float64))
        ordered = (ordered - ordered[0]) / speed
        self._moments = np.append(ordered[ordered < lasts], lasts)
        self.lasts = lasts
        self.total = float(len(self._moments) - 1)
        within_a_second = np.searchsorted(ordered, ordered + 1.0) - np.arange(len(ordered))
        self.peak = float(within_a_second.max())
        self._phase = phase

    def rate_at(self, elapsed: float) -> float:
        """The arrivals of the second around it."""
        low, high = np.searchsorted(self._moments[:-1], (elapsed - 0.5, elapsed + 0.5))
        return float(high - low)

    def expected(self, elapsed: float) -> float:
        after = int(np.searchsorted(self._moments, elapsed, side="right"))
        if after > self.total:
            return self.total
        start, end = self._moments[after - 1], self._moments[after]
        return after - 1 + float((elapsed - start) / (end - start))

    def moments(self, counts: Floats) -> Floats:
        before = counts.astype(np.int64)
        start, end = self._moments[before], self._moments[before + 1]
        moments: Floats = start + (counts - before) * (end - start)
        return moments

    def phase(self, elapsed: float) -> str:
        return self._phase


def _seconds(entry: str, where: str) -> float:
    try:
        seconds = float(entry)
    except ValueError:
        try:
            moment = datetime.fromisoformat(entry)
        except ValueError:
            seconds = math.nan
        else:
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(seconds):
        raise InvalidValue("Expected an arrival in seconds or as a timestamp", got=entry, where=where, hint=_HINT)
    return seconds
