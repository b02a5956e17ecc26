"""What is checked: parts, policies, pools and limits of a process, and how many processes there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..part import Part
    from .pools import Pool, SharedLimit

__all__ = ["Deployment", "within"]


def within(part: Part) -> Iterator[Part]:
    """The part, and all parts of it if it is a policy."""
    yield part
    if isinstance(part, Policy):
        for each in part.parts:
            yield from within(each)


@dataclass(frozen=True)
class Deployment:
    """Everything a rule may look at."""

    roots: Sequence[Part]
    """Parts and policies that are in no other policy."""
    pools: Sequence[Pool]
    limits: Sequence[SharedLimit]
    workers: int

    @cached_property
    def policies(self) -> list[Policy]:
        """Every policy, those that are parts of others too."""
        return [each for each in self.parts if isinstance(each, Policy)]

    @cached_property
    def parts(self) -> list[Part]:
        """Every part and policy once."""
        return list(dict.fromkeys(each for root in self.roots for each in within(root)))

    @cached_property
    def callers(self) -> dict[Part, list[Policy]]:
        """The policies that enter one in turn, or have it as a part."""
        found: dict[Part, list[Policy]] = {}
        for policy in self.policies:
            for called in (*policy.called, *(each for each in policy.parts if isinstance(each, Policy))):
                found.setdefault(called, []).append(policy)
        return found

    def paths(self) -> Iterator[tuple[Policy, ...]]:
        """Every way through policies that enter each other, from one that none enters to one that enters none.

        A policy that is entered again ends the way, as its last one too.
        """
        starts = [policy for policy in self.policies if policy not in self.callers]
        reached: set[Policy] = set()
        for start in (*starts, *self.policies):
            if start in starts or start not in reached:
                for path in _from((start,)):
                    reached.update(path)
                    yield path


def _from(path: tuple[Policy, ...]) -> Iterator[tuple[Policy, ...]]:
    last = path[-1]
    inner = [each for each in (*last.parts, *last.called) if isinstance(each, Policy)]
    if not inner or last in path[:-1]:
        yield path
        return
    for each in inner:
        yield from _from((*path, each))
