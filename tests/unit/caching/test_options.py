"""What the options of an entry make of its lifetime, and which are refused."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.caching import EntryOptions
from perfloop.caching.options import _TIMES, lifetime, refresh_early
from perfloop.exceptions import InvalidValue


@given(st.floats(0.001, 1e6), st.floats(0, 1), st.floats(0, 1))
def test_jitter_takes_its_share_at_most(ttl: float, jitter: float, drawn: float) -> None:
    life = lifetime(EntryOptions(ttl=ttl, jitter=jitter, stale_on_error=5, stale_while_revalidate=9), "v", drawn)
    assert ttl * (1 - jitter) <= life.fresh * (1 + 1e-9)
    assert life.fresh <= ttl
    assert life.kept == life.fresh + 9


def test_the_ttl_may_depend_on_the_value() -> None:
    options = EntryOptions(ttl=lambda value: len(value), jitter=0, negative_ttl=3)
    assert (lifetime(options, "four", 0).fresh, lifetime(options, None, 0).fresh) == (4, 3)
    with pytest.raises(InvalidValue, match="return 0 seconds or more"):
        lifetime(EntryOptions(ttl=lambda _: -1), "v", 0)


def test_early_refreshes_follow_the_papers_distribution() -> None:
    options = EntryOptions(refresh_early=2.0)
    draws = sorted(refresh_early(options, 0.5, (number + 0.5) / 1000) for number in range(1000))
    assert sum(draws) / 1000 == pytest.approx(1.0, rel=0.01)  # exponential, with β × the load's seconds as its mean
    assert draws[500] == pytest.approx(0.693, rel=0.01)
    assert refresh_early(EntryOptions(), 0.5, 0.1) == 0


@pytest.mark.parametrize("name", ["ttl", "jitter", *_TIMES])
@pytest.mark.parametrize("value", [-1, math.nan, -math.inf, "60", datetime.timedelta(seconds=60)])
def test_what_is_no_time_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidValue, match=name):
        EntryOptions(**{name: value})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ttl": 0}, "a ttl above 0 seconds, got 0"),
        ({"ttl": None}, "a number for ttl"),
        ({"jitter": 2}, "a jitter from 0 to 1, a share of the ttl, got 2"),
        ({"hard_timeout": math.inf}, "a hard_timeout of 0 or more, got inf"),
        ({"tags": "one"}, "tags in a tuple, got 'one'"),
    ],
)
def test_what_is_out_of_range_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        EntryOptions(**options)


@pytest.mark.parametrize("returned", [-1, math.nan, None, "60", datetime.timedelta(seconds=60)])
def test_a_ttl_function_that_returns_no_time_is_told_so(returned: Any) -> None:
    with pytest.raises(InvalidValue, match="the ttl's function to return 0 seconds or more"):
        lifetime(EntryOptions(ttl=lambda _: returned), "v", 0)


@given(st.floats(0, 1e3), st.floats(0, 1e3), st.floats(0, 1e6), st.floats(0, 1, exclude_min=True))
def test_an_early_refresh_is_never_after_the_end(eager: float, load: float, ttl: float, drawn: float) -> None:
    early = refresh_early(EntryOptions(refresh_early=eager, ttl=ttl + 1), load, drawn)
    assert early >= 0
