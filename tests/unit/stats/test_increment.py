from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.exceptions import InvalidValue
from perfloop.stats import HIGHEST_US, Histogram, HistogramRows, Increment

durations = st.lists(st.integers(-5, HIGHEST_US + 5), max_size=20)


@given(st.lists(durations, max_size=6))
def test_increments_add_up_to_the_whole(parts) -> None:
    whole, seen, copy = Histogram(), Histogram(), Histogram()
    for part in parts:
        for us in part:
            whole.record(us)
        increment = whole.since(seen)
        assert (increment is None) == (not part)
        if increment is not None:
            copy.add(msgspec.msgpack.decode(msgspec.msgpack.encode(increment), type=Increment))
    assert copy == whole == seen


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, HIGHEST_US)), max_size=20), max_size=4))
def test_the_rows_of_many_are_followed_each(parts) -> None:
    import numpy as np

    rows, copy, seen = HistogramRows(4), HistogramRows(4), [Histogram() for _ in range(4)]
    for part in parts:
        rows.record_many(np.array([row for row, _ in part], dtype=int), np.array([us for _, us in part], dtype=int))
        for row in range(4):
            increment = rows.since(row, seen[row])
            if increment is not None:
                copy.add(row, increment)
    assert [copy.histogram(row) for row in range(4)] == [rows.histogram(row) for row in range(4)]


@given(st.integers(-3, HIGHEST_US + 3), st.integers(0, 50))
def test_a_repeated_value_counts_as_often(us, times) -> None:
    at_once, one_by_one = Histogram(), Histogram([us] * times)
    at_once.record_repeated(us, times)
    assert at_once == one_by_one


@pytest.mark.parametrize(
    "damaged",
    [
        {"cells": b"\1\0\0"},
        {"cells": b""},
        {"counts": b"\0" * 8},
        {"counts": b"\xff" * 8},
        {"cells": (10**6).to_bytes(4, "little")},
        {"cells": b"\xff" * 4},
        {"lowest": 5, "highest": 4},
        {"highest": HIGHEST_US + 1},
        {"cells": b"\1\0\0\0\1\0\0\0", "counts": b"\1\0\0\0\0\0\0\0" * 2},
    ],
)
def test_what_is_no_increment_is_refused(damaged) -> None:
    sound = {"cells": b"\1\0\0\0", "counts": b"\1\0\0\0\0\0\0\0", "lowest": 1, "highest": 1}
    Histogram().add(Increment(**sound))
    with pytest.raises(InvalidValue, match="increment"):
        Histogram().add(Increment(**{**sound, **damaged}))
