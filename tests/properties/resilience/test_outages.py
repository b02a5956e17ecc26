"""Outages are what a search through all stretches finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perfloop.resilience.replay import find_outages

from ...unit.resilience.replay.recorded import recorded

CALLS = st.text(alphabet=".F-", max_size=40)


def naive(letters: str) -> list[tuple[int, int]]:
    """The longest stretches of which every beginning and every end has as many failures as successes, or more."""
    judged = [(place, 1 if each == "F" else -1) for place, each in enumerate(letters) if each != "-"]
    good = []
    for first in range(len(judged)):
        for last in range(first + 1, len(judged) + 1):
            signs = [sign for _, sign in judged[first:last]]
            sums = [sum(signs[:end]) for end in range(1, len(signs) + 1)]
            ends = [sum(signs[start:]) for start in range(len(signs))]
            if min(sums + ends) >= 0 and signs[0] == signs[-1] == 1:
                good.append((first, last))
    longest = [a for a in good if not any(b != a and b[0] <= a[0] and a[1] <= b[1] for b in good)]
    return [(judged[first][0], judged[last - 1][0]) for first, last in longest]


@given(CALLS)
def test_they_are_the_longest_stretches_of_failure(letters: str) -> None:
    found = find_outages(recorded(letters), least_failures=1, least_seconds=1e-9, gap_seconds=0.0)
    assert [(round(each.started - 1000), round(each.ended - 1000.1)) for each in found] == naive(letters)
    assert sum(each.failures for each in found) == letters.count("F")
