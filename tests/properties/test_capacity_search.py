"""Laws of the capacity search, against simulated services of known capacity."""

from __future__ import annotations

import random

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perfloop.loadtest.capacity.posterior import Posterior

from ..unit.loadtest.capacity.simulated import SETTINGS, Service, search

CAPACITIES = st.floats(40.0, 100_000.0)
SLOTS = st.sampled_from([1, 2, 4, 8, 32])


@given(CAPACITIES, SLOTS, st.sampled_from([0.05, 0.1, 0.2]))
@settings(max_examples=15, deadline=None)
def test_a_sharp_capacity_is_found_and_always_inside(capacity: float, slots: int, precision: float) -> None:
    asked = msgspec.structs.replace(SETTINGS, precision=precision)
    conclusion, history = search(Service(capacity, slots=slots), asked)
    assert conclusion.verdict == "found"
    low, middle, high = conclusion.capacity
    assert low <= capacity <= high
    assert high - low <= precision * middle
    assert abs(middle / capacity - 1) <= precision / 2
    assert len(history) <= 40
    # It never asks for what the closed probes and the rates met give no reason to ask for.
    assert max(probe.rate or 0.0 for probe in history) <= 1.5 * capacity


@given(
    CAPACITIES,
    SLOTS,
    st.floats(0.0, 0.1),
    st.floats(0.0, 0.3),
    st.floats(0.05, 2.0),
    st.floats(0.1, 3.0),
    st.integers(),
)
@example(capacity=40.0, slots=1, blur=0.0625, fails=0.0, target=2.0, generator=3.0, seed=2)
@settings(max_examples=15, deadline=None)
def test_it_ends_whatever_the_service_does(
    capacity: float, slots: int, blur: float, fails: float, target: float, generator: float, seed: int
) -> None:
    service = Service(
        capacity,
        slots=slots,
        blur=blur,
        fails=fails,
        target=target * capacity,
        generator=generator * capacity,
        seed=seed,
    )
    conclusion, history = search(service)
    opened = [probe.rate for probe in history if probe.rate]
    assert len(opened) <= 60
    assert len(history) - len(opened) <= 10
    # A blurred target is met somewhat above it, too: the next rate is taken from what was met.
    met = [probe.rate for probe in history if probe.rate and probe.verdict == "met"]
    throughputs = [probe.throughput for probe in history if probe.rate is None]
    assert max(opened, default=0.0) <= 2 * max(met + throughputs, default=0.0)
    if conclusion.capacity is not None:
        low, middle, high = conclusion.capacity
        assert 0 < low <= middle <= high
    else:
        assert conclusion.reasons or conclusion.verdict == "at least"


def test_the_interval_covers_a_blurred_capacity_about_as_often_as_it_says() -> None:
    generator = random.Random(7)
    covered = 0
    for seed in range(30):
        capacity = 10 ** generator.uniform(2, 4)
        blur = generator.choice([0.005, 0.01, 0.02])
        conclusion, _ = search(Service(capacity, blur=blur, fails=0.03, seed=seed))
        assert conclusion.capacity is not None
        low, _, high = conclusion.capacity
        covered += low <= capacity <= high
    # The seeds are fixed, so this does not depend on luck.
    assert covered >= 28


@given(st.lists(st.tuples(st.floats(1.0, 1e5), st.booleans()), min_size=1, max_size=20))
@settings(max_examples=15, deadline=None)
def test_the_interval_is_in_order_and_the_next_rate_within_reach(outcomes: list[tuple[float, bool]]) -> None:
    posterior = Posterior(outcomes, 0.1)
    low, middle, high = posterior.interval(0.95)
    assert low <= middle <= high
    tried = [rate for rate, _ in outcomes]
    assert min(tried) / 2.1 <= posterior.most_telling_rate() <= max(tried) * 2.1
