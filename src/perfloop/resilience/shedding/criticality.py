"""How important a call is, in the terms of Google's SRE book."""

from __future__ import annotations

import enum

from ...exceptions import InvalidValue

__all__ = ["Criticality"]


class Criticality(enum.IntEnum):
    """Site Reliability Engineering, chapter 21. Given as a `priority`: the higher, the more important."""

    CRITICAL_PLUS = 1
    """Grave, visible to users, should it fail."""
    CRITICAL = 0
    """Visible to users should it fail: what all calls are, unless they say otherwise."""
    SHEDDABLE_PLUS = -1
    """May fail at times: batch work that is tried again."""
    SHEDDABLE = -2
    """May fail often and for long."""

    @classmethod
    def of(cls, priority: int) -> Criticality:
        """That of a priority: beyond the highest and the lowest these count.

        Raises:
            InvalidValue: no whole number.
        """
        found = _PRIORITIES.get(priority)
        if found is None:
            if not isinstance(priority, int):
                raise InvalidValue("Expected a Criticality", got=priority, where="priority")
            return cls.CRITICAL_PLUS if priority > cls.CRITICAL_PLUS else cls.SHEDDABLE
        return found

    @classmethod
    def of_text(cls, text: str) -> Criticality | None:
        """That of a text as a header has it, `critical+` and `CRITICAL_PLUS` alike; None: there is no such one."""
        return _TEXTS.get(text.strip().lower().replace("+", "_plus").replace("-", "_"))


_PRIORITIES = {int(each): each for each in Criticality}
_TEXTS = {each.name.lower(): each for each in Criticality}
