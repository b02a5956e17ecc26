"""What a server counted in a load test."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["ServerCount"]


class ServerCount(Struct, frozen=True, kw_only=True):
    """How many requests of a run the server counted, beside what perfloop says."""

    source: str
    """The page, and which metric of it."""
    counted: int | None
    """None: it could not be read after the run."""
    answered: int
    """Requests with an answer: it must have counted as many."""
    sent: int
    """It cannot have counted more, but for reads of the page itself."""
    reason: str | None = None
    """Why the two disagree, or cannot be compared; None: they agree."""
