"""However many keys there are, memory is bounded and no key gets more than its budget."""

from __future__ import annotations

import pytest

from perfloop.resilience.rate_limiter import GCRA, SlidingWindow, TokenBucket
from perfloop.resilience.rate_limiter.local import LocalLimits

SECOND = 1_000_000
ALGORITHMS = [TokenBucket(2), GCRA(2, burst=2), SlidingWindow(2)]


def limits(algorithm, max_keys: int = 3) -> LocalLimits:
    limits.crowded = 0

    def crowded() -> None:
        limits.crowded += 1

    return LocalLimits(algorithm, max_keys, crowded=crowded)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_each_key_has_its_own_budget(algorithm) -> None:
    local = limits(algorithm)
    assert [local.take(key, 0) == 0 for key in "aababb"] == [True, True, True, False, True, False]
    assert local.wait("a", 0) > 0
    assert (local.wait("new", 0), len(local)) == (0, 2)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_idle_keys_make_room(algorithm) -> None:
    local = limits(algorithm)
    for number in range(1_000):
        assert local.take(str(number), number * SECOND) == 0
    assert len(local) <= 3
    assert limits.crowded == 0


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_no_key_is_forgotten_before_it_is_idle(algorithm) -> None:
    local = limits(algorithm)
    for key in "abc":
        local.take(key, 0)
        local.take(key, 0)
    # Three newcomers share one budget.
    assert [local.take(key, 0) == 0 for key in "defd"] == [True, True, False, False]
    assert [local.take(key, 0) == 0 for key in "abc"] == [False] * 3
    assert (len(local), limits.crowded) == (3, 1)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_a_key_that_shared_a_budget_begins_with_what_was_used_of_it(algorithm) -> None:
    local = limits(algorithm, max_keys=1)
    local.take("a", 0)
    now = algorithm.idle_at(algorithm.take(None, 0)[0]) - 1
    assert [local.take("b", now), local.take("b", now)] == [0, 0]
    assert local.take("b", now + 1) > 0  # a is idle now, and b has a state of its own
    assert local.take("a", now + 1) > 0  # and a shares what b has used up


def test_a_million_keys_are_bounded() -> None:
    local = limits(GCRA(1, 3_600.0), max_keys=1_000)
    admitted = sum(local.take(str(number), number) == 0 for number in range(1_000_000))
    assert (admitted, len(local), limits.crowded) == (1_001, 1_000, 1)
