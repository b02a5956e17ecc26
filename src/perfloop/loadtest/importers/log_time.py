"""Times as access logs write them, in seconds since 1970. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["log_seconds"]

_COMMON = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d)")
_ZONE = re.compile(r" ([+-])(\d\d)(\d\d)")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# From so much on, a number counts in finer units: the year 5138 in seconds is 1973 in milliseconds.
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
# Before 1973 it is no time of a request but how long one took.
_TOO_SMALL, _TOO_LARGE = 1e8, 1e20
_BAD = "no time that is understood"


def log_seconds(value: object) -> float:
    """Seconds since 1970 of `10/Oct/2000:13:55:36 -0700`, ISO 8601, or a number of s, ms, µs or ns.

    Raises:
        ValueError: none of these.
    """
    if isinstance(value, str):
        if value[2:3] == "/":
            try:
                return _minute(value[:17], value[20:]) + int(value[18:20])
            except ValueError:
                raise ValueError(_BAD) from None
        if _NUMBER.fullmatch(value):
            return _scaled(float(value))
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(_BAD) from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _scaled(value)
    raise ValueError(_BAD)


@lru_cache(1024)
def _minute(minute: str, zone: str) -> float:
    """The start of a minute; remembered, for the next line is of the same."""
    match, offset = _COMMON.fullmatch(minute), _ZONE.fullmatch(zone)
    if match is None or offset is None or match[2] not in _MONTHS:
        raise ValueError(_BAD)
    moment = datetime(int(match[3]), _MONTHS[match[2]], int(match[1]), int(match[4]), int(match[5]), tzinfo=UTC)
    seconds = int(offset[2]) * 3600 + int(offset[3]) * 60
    return moment.timestamp() - (seconds if offset[1] == "+" else -seconds)


def _scaled(number: float) -> float:
    if not _TOO_SMALL <= number < _TOO_LARGE:
        raise ValueError(_BAD)
    for least, units in _UNITS:
        if number >= least:
            return number / units
    return float(number)
