"""A replay rejects what a breaker of a few lines rejects, whatever calls were recorded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perfloop.resilience import CircuitBreaker
from perfloop.resilience.replay import find_outages
from perfloop.resilience.replay.trial import try_setting

from ...unit.resilience.replay.recorded import recorded

EVERY, TOOK = 1.0, 0.25
LOOSE = {"least_failures": 1, "least_seconds": 1e-9, "gap_seconds": 0.0}


def naive(letters: str, max_failures: int, reset_timeout: float) -> tuple[list[int], list[float]]:
    """Which calls are rejected, and when the circuit opens; one call after the other."""
    rejected, opens = [], []
    row, open_until, probing = 0, 0.0, False
    for place, letter in enumerate(letters):
        began, ended = 1000 + EVERY * place, 1000 + EVERY * place + TOOK
        if began < open_until:
            rejected.append(place)
            continue
        if letter == "-":
            continue
        if letter == "F":
            row += 1
            if probing or row == max_failures:
                opens.append(ended)
                open_until, probing, row = ended + reset_timeout, True, 0
        else:
            row, probing = 0, False
    return rejected, opens


@given(
    letters=st.text(alphabet=".F-", min_size=1, max_size=60),
    max_failures=st.integers(1, 4),
    # Never a whole number of seconds after the end of a call: what happens at the very moment is not the matter here.
    reset_timeout=st.sampled_from([0.5, 2.0, 5.5, 30.0]),
)
def test_it_does_what_a_breaker_of_a_few_lines_does(letters: str, max_failures: int, reset_timeout: float) -> None:
    calls = recorded(letters, every=EVERY, took=TOOK)
    outages = find_outages(calls, **LOOSE)  # type: ignore[arg-type]
    trial = try_setting(
        calls,
        outages,
        lambda clock, registry: CircuitBreaker(max_failures, reset_timeout, clock=clock, registry=registry),
    )
    rejected, opens = naive(letters, max_failures, reset_timeout)
    assert trial.rejected == len(rejected)
    assert trial.false_rejected == sum(letters[place] == "." for place in rejected)
    assert trial.let_through == letters.count("F") - sum(letters[place] == "F" for place in rejected)
    assert [round(each, 3) for each in trial.opens] == [round(each, 3) for each in opens]
    assert trial.outages == len(outages)
    assert 0 <= trial.outages_missed <= trial.outages
    assert all(seconds >= 0 for seconds in (*trial.to_open, *trial.to_close))
