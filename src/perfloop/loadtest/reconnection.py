"""What opening a connection again depends on: how long to wait, and what is to be sent on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["IDLE_LONG", "Retry", "backoff", "worth_retrying"]

IDLE_LONG = 1.0
"""Seconds: a connection that was never used but idle for so long may have been closed for its idleness."""

_MOST_ATTEMPTS = 5
_FIRST = 0.01
_LONGEST = 0.25


class Retry(NamedTuple):
    """A request that a closing keep-alive connection swallowed: it is sent once more."""

    number: int
    request_index: int
    due: float
    attempts: int = 1
    """How often it was sent before."""

    @classmethod
    def of(cls, connection: Connection) -> Retry:
        """The request in flight on the connection."""
        before = connection.attempts if connection.retried == connection.number else 0
        return cls(connection.number, connection.index, connection.due, before + 1)


def backoff(failed_attempts: int) -> float:
    """Seconds to wait before connecting again after so many failures in a row: 0, 10, 20, 40 … 250 ms."""
    # The exponent is bounded too: a power of two of any size does not fit a float.
    return min(_LONGEST, _FIRST * 2 ** min(failed_attempts - 1, 5)) if failed_attempts else 0.0


def worth_retrying(connection: Connection, *, idempotent: bool) -> bool:
    """The connection's request may be sent once more, when not a byte of a response came (RFC 9112 §9.3.1).

    Only an idempotent request, only once, and only on a connection that had been in use or idle for long: a fresh one
    that closes is a failure of the service. One that the server says it did nothing with may be of any kind (RFC 9113
    §8.7), and sent several times: a connection that ends after so many requests turns away what else is in flight.
    """
    attempts = Retry.of(connection).attempts
    if connection.unprocessed:
        return attempts < _MOST_ATTEMPTS
    stale = connection.served or connection.written - connection.opened > IDLE_LONG
    return stale and attempts == 1 and idempotent
