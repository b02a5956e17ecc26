"""Laws that hold for every arrival profile."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.arrivals import (
    PROFILES,
    Constant,
    Poisson,
    Ramp,
    Replay,
    Sequence,
    Sine,
    Spike,
    Steps,
    arrival,
    parse_profile,
)

rates = st.one_of(st.just(0.0), st.floats(0.01, 1e3))
durations = st.floats(0.01, 20.0)

constants = st.builds(Constant, rates, durations)
ramps = st.builds(Ramp, rates, rates, durations)
steps = st.builds(Steps, st.lists(rates, min_size=1, max_size=6).map(tuple), durations)
spikes = st.builds(Spike, rates, rates, durations, st.one_of(st.none(), durations))
sines = st.builds(
    lambda mean, share, period, periods: Sine(mean, mean * share, period, period * periods),
    st.floats(0.01, 1e3),
    st.one_of(st.just(1.0), st.floats(0.0, 1.0)),
    durations,
    st.floats(0.1, 4.0),
)
replays = st.builds(
    Replay, st.lists(st.floats(0, 100), min_size=1, max_size=50).map(tuple), st.floats(0.1, 20), source=st.just("a.txt")
)
single = st.one_of(constants, ramps, steps, spikes, sines)
sequences = st.builds(Sequence, st.lists(single, min_size=1, max_size=4).map(tuple))
curves = st.one_of(single, sequences)
mixed = st.builds(
    Sequence,
    st.lists(st.one_of(single, replays, sequences, st.builds(Poisson, single)), min_size=2, max_size=5).map(tuple),
)
profiles = st.one_of(curves, replays, mixed)
spacings = st.sampled_from(["constant", "poisson"])
shares = st.floats(0, 1)


@settings(deadline=None, max_examples=200)
@given(
    profile=profiles, spacing=spacings, seed=st.integers(0, 99), first=st.integers(0, 1500), length=st.integers(0, 40)
)
@example(Sine(1e3, 1e3, 1.0, 3.0), "constant", 0, 990, 40)
@example(Ramp(0.0, 0.0, 1.0), "constant", 0, 0, 3)
@example(Ramp(1000.0, 0.0, 2.0), "constant", 0, 970, 40)
def test_due_times_rise_and_are_the_same_however_they_are_asked_for(profile, spacing, seed, first, length) -> None:
    profile.validate()
    dues = arrival(profile, spacing, seed).dues(first, first + length)
    one_by_one = arrival(profile, spacing, seed)
    assert [one_by_one.due(number) for number in range(first, first + length)] == dues.tolist()
    assert (dues[1:] >= dues[:-1]).all()
    assert not np.isnan(dues).any()
    assert ((dues <= profile.lasts) | (dues == math.inf)).all()
    counted = arrival(profile, spacing, seed)
    for number, due in enumerate(dues.tolist(), first):
        if due < math.inf:
            assert counted.count(due) <= number
            assert counted.count(np.nextafter(due, math.inf)) >= number + 1
    # It stops: nothing is due after the end.
    total = counted.count(profile.lasts + 1)
    assert counted.due(total) == math.inf
    assert total == 0 or counted.due(total - 1) <= profile.lasts


@settings(deadline=None, max_examples=200)
@given(profile=curves, share=st.tuples(shares, shares))
def test_in_every_interval_come_as_many_as_the_integral_of_the_rate_says(profile, share) -> None:
    schedule, curve = arrival(profile), profile.curve()
    start, end = sorted(part * profile.lasts for part in share)
    expected = curve.expected(end) - curve.expected(start)
    assert abs(schedule.count(end) - schedule.count(start) - expected) <= 1 + 1e-6 * max(1.0, curve.total)
    assert schedule.count(profile.lasts) == pytest.approx(curve.total, abs=1 + 1e-6 * curve.total)


@settings(deadline=None, max_examples=200)
@given(profile=curves, share=shares)
def test_the_integral_is_that_of_the_rate_and_its_inverse_inverts_it(profile, share) -> None:
    curve = profile.curve()
    end = share * curve.lasts
    edges = np.linspace(0, end, 20_001)
    middles = (edges[:-1] + edges[1:]) / 2
    rate = np.array([curve.rate_at(middle) for middle in middles.tolist()])
    assert (rate >= -1e-9).all()
    assert rate.max(initial=0.0) <= curve.peak * (1 + 1e-9)
    # Each jump of the rate may fall within a cell of the sum.
    cell = 40 * curve.peak * end / 20_000
    assert curve.expected(end) == pytest.approx(rate.sum() * end / 20_000, rel=1e-4, abs=cell + 1e-9)
    assume(curve.total > 1e-6)
    counts = np.linspace(0, curve.total, 50, endpoint=False)
    moments = curve.moments(counts)
    assert (np.diff(moments) >= -1e-9 * curve.lasts).all()
    back = [curve.expected(min(moment, curve.lasts)) for moment in moments.tolist()]
    assert back == pytest.approx(counts.tolist(), rel=1e-6, abs=1e-6 * max(1.0, curve.total))


@settings(deadline=None)
@given(pieces=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 5)), min_size=1, max_size=6))
def test_a_sequence_is_its_pieces_one_after_the_other(pieces) -> None:
    constants = [Constant(rate, duration) for rate, duration in pieces]
    start, joined = 0.0, []
    for piece in constants:
        joined += (start + arrival(piece).dues(0, int(piece.total))).tolist()
        start += piece.lasts
    whole = arrival(Sequence(tuple(constants)))
    assert whole.dues(0, len(joined)).tolist() == pytest.approx(joined)
    assert whole.due(len(joined)) == math.inf
    assert whole.count(start) == len(joined)


@settings(deadline=None)
@given(times=st.lists(st.floats(0, 1e6), min_size=1, max_size=40), speed=st.floats(0.1, 50), before=rates)
def test_a_replay_keeps_the_moments_it_recorded(times, speed, before) -> None:
    moments = (np.sort(times) - min(times)) / speed
    assert arrival(Replay(tuple(times), speed)).dues(0, len(times)).tolist() == moments.tolist()
    lead = Constant(before, 3.7)
    schedule = arrival(Sequence((lead, Replay(tuple(times), speed))))
    sent = arrival(lead).count(3.7)
    assert schedule.dues(sent, sent + len(times)) == pytest.approx(3.7 + moments, abs=1e-9)
    assert schedule.due(sent + len(times)) == math.inf


@settings(deadline=None)
@given(profile=profiles)
def test_the_notation_reads_back_as_the_profile(profile) -> None:
    flat = str(profile)
    if "replay" not in flat:
        read = parse_profile(flat)
        assert str(read) == flat
        assert read.lasts == pytest.approx(profile.lasts)
        if not isinstance(profile, Sequence):
            assert read == profile


words = st.one_of(
    st.sampled_from([*PROFILES, "pause", "10", "10..500", "30s", "each", "by", ",", "5±2", "x2", "then"]),
    st.text(max_size=6),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(words, max_size=7).map(" ".join))
def test_any_text_is_a_profile_or_refused_with_a_hint(text) -> None:
    try:
        profile = parse_profile(text)
    except InvalidValue:
        return
    assert profile.lasts > 0
