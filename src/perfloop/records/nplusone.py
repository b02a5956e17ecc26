"""What a record says of statements that a request repeats for each of many rows."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from .kinds import Place  # noqa: TC001  # a Struct's types are read at run time

__all__ = ["Loader", "NPlusOne", "RoundTripSaving"]

Loader = Literal["joinedload", "selectinload", "select_related", "prefetch_related", "batch"]


class RoundTripSaving(Struct, frozen=True, kw_only=True):
    """What the loader saves a request where one round trip to the database takes so long."""

    round_trip_ms: float
    saved_ms: float


class NPlusOne(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement that a request repeats for each of many rows."""

    route: str | None = None
    statement: str
    """The fingerprint."""
    calls: int
    """Repetitions in a request; over several requests the median."""
    rows: int = 0
    """Rows of all of them in one request; 0 also where the source does not tell."""
    place: Place | None = None
    """The line that issues it; None: there was no line of the user's own on the stack."""
    loop: Place | None = None
    """The loop or comprehension that repeats it."""
    asked_at: Place | None = None
    """The line in the loop that calls the one that issues it, where it is another."""
    other_places: list[Place] = field(default_factory=list)
    """Further lines that repeat the same statement."""
    relationship: str | None = None
    """`Order.items`; None for plain SQL, or where no model class near the line declares it."""
    to_many: bool | None = None
    loader: Loader
    advice: str
    statements_saved: int
    saved: list[RoundTripSaving]
    """As a function of the round trip: a database on the same machine hides what one further away costs."""
