from __future__ import annotations

import numpy as np
import pytest

from perfloop.diagnosis.simulation import first_come_first_served, processor_sharing


def times(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(
    ("arrivals", "work", "servers", "expected"),
    [
        ((0, 1, 2), (3, 3, 3), 1, (3, 6, 9)),
        ((0, 1, 2), (3, 3, 3), 3, (3, 4, 5)),
        ((0, 0, 0, 0), (2, 1, 1, 2), 2, (2, 1, 2, 4)),
        ((5, 0), (1, 1), 1, (6, 1)),
        ((), (), 1, ()),
    ],
)
def test_first_come_first_served(arrivals, work, servers, expected) -> None:
    assert first_come_first_served(times(*arrivals), times(*work), servers) == pytest.approx(times(*expected))


@pytest.mark.parametrize(
    ("arrivals", "work", "servers", "expected"),
    [
        # Alone; two at once take twice as long; the short one leaves first and frees the server.
        ((0,), (3,), 1, (3,)),
        ((0, 0), (2, 2), 1, (4, 4)),
        ((0, 0), (1, 3), 1, (2, 4)),
        ((0, 1), (2, 2), 1, (3, 4)),
        ((0, 0), (2, 2), 2, (2, 2)),
        # Three on two servers: 2/3 each until one leaves.
        ((0, 0, 0), (2, 2, 2), 2, (3, 3, 3)),
        ((0, 10), (1, 1), 1, (1, 11)),
        ((), (), 2, ()),
    ],
)
def test_processor_sharing(arrivals, work, servers, expected) -> None:
    assert processor_sharing(times(*arrivals), times(*work), servers) == pytest.approx(times(*expected))


def test_sharing_matches_the_theory_of_a_random_queue() -> None:
    # M/M/1-PS: mean time in the system is S ÷ (1 − ρ).
    random = np.random.default_rng(1)
    arrivals = np.cumsum(random.exponential(1.0, 40_000))
    work = random.exponential(0.5, 40_000)
    stay = processor_sharing(arrivals, work, 1) - arrivals
    assert stay.mean() == pytest.approx(1.0, rel=0.05)
