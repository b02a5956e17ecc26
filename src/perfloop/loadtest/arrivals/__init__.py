"""Arrival profiles: how many requests a second, when. One file a profile; all are listed in `PROFILES`."""

from __future__ import annotations

from .closed import Closed
from .constant import Constant
from .curve import Curve
from .notation import PROFILES, parse_profile, profile_of
from .poisson import Poisson
from .profile import Profile
from .ramp import Ramp
from .replay import Replay
from .schedule import Arrival, Schedule
from .sequence import Sequence
from .sine import Sine
from .spike import Spike
from .steps import Steps

__all__ = [
    "PROFILES",
    "SPACINGS",
    "Arrival",
    "Closed",
    "Constant",
    "Curve",
    "Poisson",
    "Profile",
    "Ramp",
    "Replay",
    "Schedule",
    "Sequence",
    "Sine",
    "Spike",
    "Steps",
    "arrival",
    "parse_profile",
    "profile_of",
]

SPACINGS = ("constant", "poisson")
"""How requests follow one another at the rate planned: evenly, or at random."""


def arrival(profile: Profile, spacing: str = "constant", seed: int = 0) -> Schedule:
    """When the requests of a profile are due.

    Args:
        spacing: `poisson` makes any profile random; `constant` leaves it as it is.
        seed: of what is random.
    """
    return (Poisson(profile) if spacing == "poisson" else profile).arrival(seed)
