from __future__ import annotations

import re

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.arrivals import Replay, arrival, parse_profile


def test_a_series_in_seconds_begins_with_its_first_arrival_at_its_speed(tmp_path) -> None:
    series = tmp_path / "arrivals of monday.txt"
    series.write_text("# recorded on Monday\n1700000010.5\n1700000010\n\n1700000012  # the last\n")
    profile = parse_profile(f"replay '{series}' x2")
    assert arrival(profile).dues(0, 3).tolist() == [0, 0.25, 1]
    assert profile.lasts == 1.5  # a mean gap after the last
    assert arrival(profile).count(profile.lasts) == 3
    assert str(parse_profile(str(profile))) == str(profile)
    assert arrival(parse_profile(f"replay '{series}' 1s")).count(9) == 2


def test_a_series_of_timestamps(tmp_path) -> None:
    series = tmp_path / "arrivals.txt"
    series.write_text("2025-03-01T12:00:00+01:00\n2025-03-01 11:00:00.25\n2025-03-01T11:00:01Z\n")
    assert arrival(Replay.read(series)).dues(0, 3) == pytest.approx([0, 0.25, 1])


def test_arrivals_at_the_same_moment_stay_together() -> None:
    profile = Replay((3, 3, 3, 4))
    assert arrival(profile).dues(0, 5).tolist()[:4] == [0, 0, 0, 1]
    curve = profile.curve()
    assert (curve.total, curve.peak, curve.rate_at(0.2)) == (4, 3, 3)
    assert arrival(Replay((7.0,))).count(1) == 1


@pytest.mark.parametrize(
    ("content", "where"),
    [("1\nsoon\n", r":2"), ("1\n2\nnan\n", r":3"), ("# nothing\n", ""), (b"\xff\xfe", ""), ("1;2\n", ":1")],
)
def test_a_file_that_is_no_series_is_named_with_its_line(tmp_path, content, where) -> None:
    series = tmp_path / "bad.txt"
    series.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidValue, match=re.escape(f"bad.txt{where}")) as caught:
        Replay.read(series)
    assert "one arrival a line" in caught.value.hint


@pytest.mark.parametrize(
    "profile", [Replay(()), Replay((1.0, float("nan"))), Replay((1.0,), 0.0), Replay((1.0,), 1, 0)]
)
def test_a_series_that_makes_no_sense_is_refused(profile) -> None:
    with pytest.raises(InvalidValue):
        profile.validate()
