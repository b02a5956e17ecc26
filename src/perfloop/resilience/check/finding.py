"""What a rule found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .deployment import Deployment

__all__ = ["Finding", "Rule"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Settings that do not go together."""

    rule: str
    what: str
    """One sentence, with the figures in it."""
    where: str
    """File and line that made the part, the policy, the pool or the limit."""
    fix: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What it was concluded from; seconds, unless the name says otherwise."""

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}\n  where  {self.where}\n  fix    {self.fix}"


class Rule(NamedTuple):
    """One way in which settings do not go together."""

    name: str
    summary: str
    find: Callable[[Deployment], Iterable[Finding]]
