from __future__ import annotations

import base64
import subprocess
import sys

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from perfloop.exceptions import InvalidValue
from perfloop.stats import HIGHEST_US, Histogram

from .test_histogram import latencies, oracle_of

PERCENTILES = (1, 50, 90, 99, 99.9)


def test_hdrhistogram_reads_what_we_write() -> None:
    values = latencies(4000)
    histogram = Histogram(values)
    theirs = HdrHistogram.decode(histogram.encode())
    assert theirs.get_total_count() == 4000
    assert [theirs.get_value_at_percentile(q) for q in PERCENTILES] == histogram.percentiles(PERCENTILES)
    assert histogram.encode().encode() == oracle_of(values).encode()


def test_we_read_what_hdrhistogram_writes() -> None:
    values = latencies(4000, seed=1)
    histogram = Histogram.decode(oracle_of(values).encode())
    assert histogram.percentiles(PERCENTILES) == Histogram(values).percentiles(PERCENTILES)
    assert histogram.mean == Histogram(values).mean
    assert histogram.count == 4000


def test_round_trip_keeps_the_counts() -> None:
    histogram = Histogram(latencies(500, seed=2))
    twin = Histogram.decode(histogram.encode())
    assert np.array_equal(twin._counts, histogram._counts)
    assert twin.max == pytest.approx(histogram.max, rel=1e-3)
    assert twin.min == pytest.approx(histogram.min, rel=1e-3)
    assert Histogram.decode(twin.encode()) == twin


def test_empty_round_trip() -> None:
    assert Histogram.decode(Histogram().encode()) == Histogram()


@pytest.mark.parametrize("value", [0, 1, 2048, HIGHEST_US])
def test_extremes_round_trip(value: int) -> None:
    twin = Histogram.decode(Histogram([value] * 3).encode())
    assert twin.count == 3
    assert twin.percentile(50) == pytest.approx(value, rel=1e-3)


def test_large_counts_survive() -> None:
    histogram = Histogram([5, 6])
    for _ in range(40):
        histogram.merge(histogram.copy())
    assert histogram.count == 2**41
    assert Histogram.decode(histogram.encode()).count == 2**41


def test_other_range_and_digits_are_counted_anew() -> None:
    other = HdrHistogram(1, 24 * HIGHEST_US, 2)
    for value in (100, 5_000, 70_000, 2 * HIGHEST_US):
        other.record_value(value)
    histogram = Histogram.decode(other.encode())
    assert (histogram.count, histogram.overflow, histogram.max) == (4, 1, HIGHEST_US)
    assert histogram.percentile(50) == pytest.approx(5_000, rel=0.01)


GOOD = Histogram([1, 2, 3, 500_000]).encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "not base64 at all!",
        "é" * 8,
        b"\xff\xfe",
        GOOD[: len(GOOD) // 2],
        GOOD[:-4],
        base64.b64encode(b"\x1c\x84\x93\x14\x00\x00\x00\x04abcd").decode(),
        base64.b64encode(b"\x00" * 64).decode(),
    ],
)
def test_what_is_no_histogram_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidValue, match="Expected an HdrHistogram in V2 compressed format"):
        Histogram.decode(text)


def test_every_truncation_is_refused() -> None:
    raw = base64.b64decode(GOOD)
    for length in range(len(raw)):
        with pytest.raises(InvalidValue):
            Histogram.decode(base64.b64encode(raw[:length]))


def test_the_codec_is_loaded_only_when_used() -> None:
    program = (
        "import sys; from perfloop.stats import Histogram; assert 'hdrh' not in sys.modules; "
        "Histogram().encode(); assert 'hdrh' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
