"""Checks of what parts are made with."""

from __future__ import annotations

import sys
from typing import TypeVar

from ..exceptions import InvalidValue

__all__ = ["at_least", "count", "instance", "positive", "share"]

T = TypeVar("T")
_MOST = sys.float_info.max
"""Whole numbers beyond it are as bad as infinity: no clock can add them."""


def positive(value: float, where: str) -> float:
    """A finite number above 0.

    Raises:
        InvalidValue: anything else.
    """
    if not _is_number(value) or not 0 < value <= _MOST:
        raise InvalidValue("Expected a finite number above 0", got=value, where=where)
    return value


def at_least(value: float, least: float, where: str) -> float:
    """A finite number of `least` or more.

    Raises:
        InvalidValue: anything else.
    """
    if not _is_number(value) or not least <= value <= _MOST:
        raise InvalidValue(f"Expected a finite number of {least:g} or more", got=value, where=where)
    return value


def count(value: int, where: str, *, least: int = 1, most: int = sys.maxsize) -> int:
    """A whole number of `least` or more, and of `most` or less.

    Raises:
        InvalidValue: anything else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidValue(f"Expected a whole number of {least} or more", got=value, where=where)
    if value > most:
        raise InvalidValue(f"Expected a whole number of {most} or less", got=value, where=where)
    return value


def share(value: float, where: str) -> float:
    """A share above 0, at most 1.

    Raises:
        InvalidValue: anything else.
    """
    if not _is_number(value) or not 0 < value <= 1:
        raise InvalidValue("Expected a share above 0 and at most 1", got=value, where=where)
    return value


def instance(value: T, kind: type[T], where: str) -> T:
    """Something of this class.

    Raises:
        InvalidValue: anything else.
    """
    if not isinstance(value, kind):
        raise InvalidValue(f"Expected a {kind.__name__}", got=value, where=where)
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
