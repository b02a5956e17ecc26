"""How long to wait before a call is tried again. Pure: the attempts, the wait before, and randomness come in.

Full and decorrelated jitter as in Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015: callers
that failed together do not come back together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol

from .settings import at_least, positive

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backoff", "ConstantBackoff", "DecorrelatedBackoff", "ExponentialBackoff", "retry_after"]


class Backoff(Protocol):
    """Gives the wait before the next attempt."""

    @property
    def jittered(self) -> bool:
        """Whether callers that fail together wait differently."""

    def seconds(self, failed: int, before: float, random: Callable[[], float]) -> float:
        """The wait.

        Args:
            failed: attempts so far, 1 or more.
            before: the wait before this one in seconds, 0 at first.
            random: gives numbers from 0 up to but without 1.
        """


@dataclass(frozen=True, slots=True)
class ExponentialBackoff:
    """Up to `first`, then up to `factor` times as long each time, at most `most`: any share of it ("full jitter").

    Raises:
        InvalidValue: seconds not above 0, a factor below 1.
    """

    first: float = 0.1
    most: float = 10.0
    factor: float = 2.0
    jittered: bool = True

    def __post_init__(self) -> None:
        positive(self.first, "first")
        at_least(self.most, self.first, "most")
        at_least(self.factor, 1, "factor")

    def seconds(self, failed: int, before: float, random: Callable[[], float]) -> float:
        """The wait, as `Backoff` says."""
        try:
            wait = min(self.most, self.first * self.factor ** (failed - 1))
        except OverflowError:
            wait = self.most
        return wait * random() if self.jittered else wait


@dataclass(frozen=True, slots=True)
class DecorrelatedBackoff:
    """Between `first` and three times the wait before, at most `most`.

    Raises:
        InvalidValue: seconds not above 0.
    """

    first: float = 0.1
    most: float = 10.0

    def __post_init__(self) -> None:
        positive(self.first, "first")
        at_least(self.most, self.first, "most")

    @property
    def jittered(self) -> bool:
        """True."""
        return True

    def seconds(self, failed: int, before: float, random: Callable[[], float]) -> float:
        """The wait, as `Backoff` says."""
        longest = max(self.first, before * 3)
        return min(self.most, self.first + (longest - self.first) * random())


@dataclass(frozen=True, slots=True)
class ConstantBackoff:
    """Always `wait` seconds, 0 or more; with jitter from half of it to one and a half.

    Raises:
        InvalidValue: a negative number.
    """

    wait: float
    jittered: bool = True

    def __post_init__(self) -> None:
        at_least(self.wait, 0, "wait")

    def seconds(self, failed: int, before: float, random: Callable[[], float]) -> float:
        """The wait, as `Backoff` says."""
        return self.wait * (0.5 + random()) if self.jittered else self.wait


def retry_after(answer: object, wall: Callable[[], float]) -> float | None:
    """When the service asks to be called again, in seconds from now, 0 or more. None: it does not say.

    Args:
        answer: an exception or a result. Asked are its `retry_after` in seconds, and the header Retry-After of itself
            or its `response`, as seconds or as a date (RFC 9110, 10.2.3). What is malformed is not there.
        wall: gives the seconds of the epoch; only asked for a date.
    """
    seconds = getattr(answer, "retry_after", None)
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool):
        return max(0.0, seconds) if math.isfinite(seconds) else None
    text = _header(answer) or _header(getattr(answer, "response", None))
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:18])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - wall())
    except (ValueError, OverflowError):
        return None


def _header(answer: Any) -> str | None:
    headers = getattr(answer, "headers", None)
    get = getattr(headers, "get", None)
    if not callable(get):
        return None
    value = get("retry-after") or get("Retry-After")
    return value if isinstance(value, str) else None
