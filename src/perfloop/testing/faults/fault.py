"""What goes wrong, and how it is written in a header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ...exceptions import InvalidValue
from ...units import parse_bytes, parse_duration, parse_fraction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Cut", "Fault", "parse_fault"]

_LONGEST: Final = 60.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A delay, and then at most one of the others.

    Raises:
        InvalidValue: a value out of range, or several of `status`, `error`, `reset` and `partial`.
    """

    latency: float = 0.0
    """Seconds before anything else happens, up to 60."""
    status: int | None = None
    """Of a response, 400 to 599, instead of calling the application."""
    error: Callable[[], Exception] | None = None
    """An exception class, or a function that makes one; an application's server answers 500."""
    reset: bool = False
    """The connection is reset without a response; for functions ConnectionResetError."""
    partial: int | None = None
    """Bytes of the body, 1 or more, after which the connection is closed; at the latest before the last one."""
    probability: float = 1.0
    """The share of calls it happens to."""

    def __post_init__(self) -> None:
        if not _is_number(self.latency) or not 0 <= self.latency <= _LONGEST:
            raise InvalidValue(f"Expected 0 to {_LONGEST:g} seconds", got=self.latency, where="latency")
        if self.status is not None and (not _is_number(self.status) or self.status not in range(400, 600)):
            raise InvalidValue("Expected a status from 400 to 599", got=self.status, where="status")
        if self.error is not None and not callable(self.error):
            raise InvalidValue("Expected an exception class", got=self.error, where="error")
        if self.partial is not None and (not isinstance(self.partial, int) or self.partial < 1):
            raise InvalidValue("Expected 1 or more bytes", got=self.partial, where="partial")
        if not _is_number(self.probability) or not 0 <= self.probability <= 1:
            raise InvalidValue("Expected a share from 0 to 1", got=self.probability, where="probability")
        if (self.status is not None) + (self.error is not None) + self.reset + (self.partial is not None) > 1:
            raise InvalidValue("Expected at most one of status, error, reset and partial", where="fault")

    @property
    def kind(self) -> str:
        """What it is counted as."""
        if self.reset:
            return "reset"
        names = ("status", "error", "partial")
        return next((name for name in names if getattr(self, name) is not None), "latency")


def parse_fault(text: str, *, where: str | None = None) -> Fault:
    """The fault in `latency=200ms, status=503, probability=0.5`, `reset`, `partial=1kB`.

    Args:
        text: as above; the order is free.
        where: what to call it in an error.

    Raises:
        InvalidValue: an unknown word, a bad value, or one twice.
    """
    settings: dict[str, Any] = {}
    for each in text.split(","):
        word, _, value = (part.strip() for part in each.partition("="))
        parse = _WORDS.get(word)
        if parse is None or word in settings or (word == "reset") == bool(value):
            raise InvalidValue(
                "Expected latency=200ms, status=503, reset, partial=1kB or probability=0.5, each once, with commas",
                got=each.strip(),
                where=where,
            )
        settings[word] = parse(value, where)
    return Fault(**settings)


def _status(text: str, where: str | None) -> int:
    if not (text.isascii() and text.isdigit() and len(text) == 3):
        raise InvalidValue("Expected a status from 400 to 599", got=text, where=where)
    return int(text)


_WORDS: Mapping[str, Callable[[str, str | None], Any]] = {
    "latency": lambda text, where: parse_duration(text, where=where),
    "status": _status,
    "reset": lambda text, where: True,
    "partial": lambda text, where: parse_bytes(text, where=where),
    "probability": lambda text, where: parse_fraction(text, where=where),
}


class Cut:
    """Lets so many bytes of a body through, and never the last one."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What of it may be sent now."""
        data = self._held + chunk
        passed = data[: min(self._left, max(0, len(data) - 1))]
        self._left -= len(passed)
        self._held = data[len(passed) :][:1]
        return passed

    @property
    def over(self) -> bool:
        """Nothing more may be sent, and something was held back."""
        return not self._left and bool(self._held)

    @property
    def cuts(self) -> bool:
        """Whether a body that ends now is cut; an empty one cannot be."""
        return bool(self._held)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
