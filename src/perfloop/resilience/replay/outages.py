"""Outages in recorded calls: where, from whichever end one counts, at least half of the calls failed. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..settings import at_least, count, positive, share

if TYPE_CHECKING:
    import numpy.typing as npt

    from .outcomes import Outcomes

__all__ = ["Outage", "find_outages", "given_outage"]


class Outage(NamedTuple):
    """A time in which calls failed."""

    started: float
    """Seconds since 1970: when the first call began that failed in it."""
    ended: float
    """When the last call ended that failed in it."""
    calls: int
    """Judged calls that ended in it."""
    failures: int
    given: bool = False
    """By the user, not found in the record."""


def find_outages(
    outcomes: Outcomes,
    *,
    failure_share: float = 0.5,
    least_failures: int = 10,
    least_seconds: float = 1.0,
    gap_seconds: float = 5.0,
    slow_seconds: float | None = None,
) -> list[Outage]:
    """The outages that the record itself shows, of all processes together, in order.

    With the calls in the order in which they ended, a failure counts 1 - failure_share and a success -failure_share.
    An outage is a maximal scoring stretch (Ruzzo and Tompa, 1999; here the longest of equal ones): every beginning and
    every end of it has at least that share of failures. No window and no bin is in the definition,
    so that it favours no kind of breaker; but the share is, and who sets a breaker to the same share agrees with it.

    Args:
        outcomes: all calls.
        failure_share: the least share of failures.
        least_failures: a stretch with fewer is none.
        least_seconds: a shorter one is none.
        gap_seconds: what lies closer together is one.
        slow_seconds: a success that took longer is a failure here.

    Raises:
        InvalidValue: a setting out of its range.
    """
    share(failure_share, "failure_share")
    count(least_failures, "least_failures")
    positive(least_seconds, "least_seconds")
    at_least(gap_seconds, 0, "gap_seconds")
    judged = outcomes.judged
    ended = outcomes.ended[judged]
    order = np.argsort(ended, kind="stable")
    ended, started = ended[order], outcomes.started[judged][order]
    failed = outcomes.failed(slow_seconds)[judged][order]
    found = []
    for first, last in _heaviest(failed, failure_share):
        failures = int(np.count_nonzero(failed[first:last]))
        if failures >= least_failures:
            began = float(started[first:last][failed[first:last]].min())
            found.append(Outage(began, float(ended[last - 1]), last - first, failures))
    merged: list[Outage] = []
    for outage in sorted(found):
        if merged and outage.started - merged[-1].ended <= gap_seconds:
            outage = given_outage(outcomes, merged.pop().started, outage.ended, slow_seconds)._replace(given=False)
        merged.append(outage)
    return [each for each in merged if each.ended - each.started >= least_seconds]


def given_outage(outcomes: Outcomes, started: float, ended: float, slow_seconds: float | None = None) -> Outage:
    """An outage whose time somebody knows, with the calls that ended in it."""
    inside = outcomes.judged & (outcomes.ended >= started) & (outcomes.ended <= ended)
    failures = int(np.count_nonzero(outcomes.failed(slow_seconds) & inside))
    return Outage(started, ended, int(np.count_nonzero(inside)), failures, given=True)


def _heaviest(failed: npt.NDArray[np.bool_], failure_share: float) -> list[tuple[int, int]]:
    """All maximal scoring stretches as (first, behind the last), by runs of equal outcomes."""
    if not len(failed):
        return []
    edges = [0, *(np.flatnonzero(np.diff(failed)) + 1).tolist(), len(failed)]
    # Each candidate: first and last call, the sum before it, the sum with it.
    stack: list[tuple[int, int, float, float]] = []
    final: list[tuple[int, int]] = []
    total = 0.0
    for first, last in pairwise(edges):
        before = total
        if not failed[first]:
            total -= failure_share * (last - first)
            continue
        total += (1 - failure_share) * (last - first)
        now = (first, last, before, total)
        while True:
            at = next((i for i in range(len(stack) - 1, -1, -1) if stack[i][2] <= now[2]), None)
            if at is None:
                # The sum has never been lower: nothing before can be part of what comes.
                final += [(start, end) for start, end, _, _ in stack]
                stack = [now]
                break
            if stack[at][3] > now[3]:
                stack.append(now)
                break
            now = (stack[at][0], last, stack[at][2], now[3])
            del stack[at:]
    return final + [(start, end) for start, end, _, _ in stack]
