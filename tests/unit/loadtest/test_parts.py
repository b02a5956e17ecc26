from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfloop.exceptions import InvalidValue
from perfloop.loadtest import LoadOptions, Request, parse_profile
from perfloop.loadtest.parts import Part, part_of

URL = "http://127.0.0.1/"
PROFILES = ["constant 300 2s", "poisson 300 2s", "ramp 0..400 2s", "steps 50 200 each 1s", "poisson ramp 10..300 2s"]


def parts_of(options: LoadOptions, count: int) -> list[LoadOptions]:
    return [part_of(options, Part(index, count)) for index in range(count)]


@given(st.integers(0, 1000), st.integers(1, 20))
def test_shares_add_up_and_differ_by_one_at_most(total, count) -> None:
    shares = [Part(index, count).share(total) for index in range(count)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


@pytest.mark.parametrize("profile", PROFILES)
@settings(max_examples=10, deadline=None)
@given(count=st.integers(1, 5), seed=st.integers(0, 9))
def test_together_they_send_what_one_would(profile, count, seed) -> None:
    options = LoadOptions(url=URL, profile=parse_profile(profile), seed=seed)
    whole = options.arrivals()
    total, until = whole.plan(2.0, math.inf)
    expected = whole.dues(0, int(total))
    dues, counted = [], 0
    for part in parts_of(options, count):
        arrivals = part.arrivals()
        own, own_until = arrivals.plan(2.0, math.inf)
        assert own_until == until
        dues.append(arrivals.dues(0, int(own)))
        assert [arrivals.due(number) for number in range(int(own))] == dues[-1].tolist()
        counted += part.arrivals().count(1.0)
    assert np.array_equal(np.sort(np.concatenate(dues)), expected)
    assert counted == options.arrivals().count(1.0)


@settings(deadline=None)
@given(st.integers(1, 7), st.lists(st.integers(1, 4), min_size=2, max_size=5))
def test_in_the_open_model_the_mix_is_dealt_out(count, weights) -> None:
    requests = tuple(Request(target=f"/{index}", weight=weight) for index, weight in enumerate(weights))
    options = LoadOptions(url=URL, requests=requests, rate=10, connections=count)
    whole = list(itertools.islice(options.sending_order(requests), 40 * count))
    parts = [itertools.islice(part.sending_order(requests), 40) for part in parts_of(options, count)]
    assert [index for turn in zip(*parts, strict=True) for index in turn] == whole


def test_in_the_closed_model_each_has_the_whole_mix() -> None:
    requests = (Request(target="/a"), Request(target="/b"))
    for part in parts_of(LoadOptions(url=URL, requests=requests), 2):
        assert set(itertools.islice(part.sending_order(requests), 2)) == {0, 1}


def test_connections_requests_and_users_are_dealt_out() -> None:
    parts = parts_of(LoadOptions(url=URL, connections=8, request_limit=7, pacing=1.2), 3)
    assert [part.connections for part in parts] == [3, 3, 2]
    assert [part.request_limit for part in parts] == [3, 2, 2]
    parts = parts_of(LoadOptions(url=URL, connections=9, pacing=1.8), 3)
    begins = sorted(due for part in parts for due in part.users().dues(0, 9))
    assert begins == pytest.approx([0.2 * number for number in range(9)])


@pytest.mark.parametrize(
    ("options", "where"), [({"connections": 2}, "connections"), ({"request_limit": 2}, "requests")]
)
def test_each_needs_a_connection_and_a_request(options, where) -> None:
    with pytest.raises(InvalidValue, match=f"as many {where}") as caught:
        parts_of(LoadOptions(url=URL, **options), 3)
    assert caught.value.where == where
