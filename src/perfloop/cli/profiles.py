"""`--profile` beside `--rate` and `--duration`, which it takes the place of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from .command import in_file, where

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

    from ..loadtest import Profile

__all__ = ["Shape", "shape_of"]


class Shape(NamedTuple):
    """How the rate of a run goes, as the options say together."""

    profile: Profile | None
    rate: str | None
    duration: str | None


def shape_of(context: typer.Context, *, profile: Sequence[str], rate: str | None, duration: str | None) -> Shape:
    """The options that decide the rate. Where they exclude each other, the command line wins over the file.

    Raises:
        ConfigurationError: options that exclude each other in the same place.
        InvalidValue: no profile.
    """
    from ..exceptions import ConfigurationError
    from ..loadtest import parse_profile
    from ..units import format_duration

    if not profile or (rate is not None and in_file(context, "profile") and not in_file(context, "rate")):
        return Shape(None, rate, duration)
    shape = parse_profile(", ".join(profile), where=where(context, "profile"))

    def yields(name: str) -> bool:
        return in_file(context, name) and not in_file(context, "profile")

    if rate is not None and not yields("rate"):
        raise ConfigurationError(
            "Expected a rate or a profile, not both",
            got=rate,
            where=where(context, "rate"),
            hint=f"a constant rate is a profile too: `{rate} 30s`",
        )
    if duration is not None and shape.lasts < math.inf:
        if not yields("duration"):
            raise ConfigurationError(
                f"Expected no duration beside a profile that ends by itself, after {format_duration(shape.lasts)}",
                got=duration,
                where=where(context, "duration"),
                hint="leave it out, or leave out that of the profile's last piece",
            )
        duration = None
    return Shape(shape, None, duration)
