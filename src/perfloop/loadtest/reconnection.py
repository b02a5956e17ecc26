"""What opening a connection again depends on: how long to wait, and what is to be sent on it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Retry", "backoff"]

_FIRST = 0.01
_LONGEST = 0.25


class Retry(NamedTuple):
    """A request that a closing keep-alive connection swallowed: it is sent once more."""

    number: int
    request_index: int
    due: float


def backoff(failed_attempts: int) -> float:
    """Seconds to wait before connecting again after so many failures in a row: 0, 10, 20, 40 … 250 ms."""
    # The exponent is bounded too: a power of two of any size does not fit a float.
    return min(_LONGEST, _FIRST * 2 ** min(failed_attempts - 1, 5)) if failed_attempts else 0.0
