from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.units import (
    format_bytes,
    format_duration,
    format_rate,
    parse_bytes,
    parse_duration,
    parse_duration_range,
    parse_fraction,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5),
        ("5", 5),
        ("0", 0),
        (" 1.5 s ", 1.5),
        (".5s", 0.5),
        ("2m", 120),
        ("2min", 120),
        ("1h", 3600),
        ("250us", 250e-6),
        ("250µs", 250e-6),
        ("10ns", 1e-8),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "ends"),
    [("0.5s..2s", (0.5, 2)), ("0 .. 250ms", (0, 0.25)), ("10ms..1s", (0.01, 1)), ("3s..1s", (3, 1))],
)
def test_ranges_of_durations(text: str, ends: tuple[float, float]) -> None:
    assert parse_duration_range(text) == ends


@pytest.mark.parametrize("text", ["10..30", "10..30ms", "10s..30", "10 .. 30 ms"])
def test_a_range_without_a_unit_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(InvalidValue, match="a unit at both ends") as caught:
        parse_duration_range(text, where="think")
    assert (caught.value.got, caught.value.where) == (text, "think")
    assert caught.value.hint == "10s..30s are seconds, 10ms..30ms milliseconds"


@pytest.mark.parametrize("text", ["..", "1s..", "..1s", "a..b", "1s..2s..3s"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="Expected a duration"):
        parse_duration_range(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512", 512), ("64KB", 64_000), ("64kb", 64_000), ("10MB", 10**7), ("1.5 GiB", 3 * 2**29), ("2TB", 2 * 10**12)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(("text", "share"), [("0.1%", 0.001), ("0.001", 0.001), ("100%", 1), ("1", 1), ("0", 0)])
def test_shares(text: str, share: float) -> None:
    assert parse_fraction(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("parse", "texts"),
    [
        (parse_duration, ["", "fast", "-1s", "1e3", "5 parsecs", "5S", "1s2", "%", "5%", "1..5s", "nan", "inf"]),
        (parse_bytes, ["", "big", "-1", "10M", "5s", "1,000"]),
        (parse_fraction, ["", "1.5", "101%", "-1%", "5ms", "half"]),
    ],
)
def test_what_is_no_quantity_is_refused_with_its_place(parse: Callable[..., float], texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(InvalidValue, match="such as") as caught:
            parse(text, where="--option")
        assert caught.value.got == text
        assert caught.value.where == "--option"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (2e-9, "2 ns"),
        (850e-6, "850 µs"),
        (0.0702, "70.2 ms"),
        (0.0005, "500 µs"),
        (1.414, "1.41 s"),
        (0.99996, "1 s"),
        (0.9994, "999 ms"),
        (119.4, "119 s"),
        (120, "2 min"),
        (125.2, "2 min 5 s"),
        (-0.25, "-250 ms"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (812, "812 B"), (1_000, "1 kB"), (1_234_567, "1.23 MB"), (50_000_000, "50 MB"), (2.5e9, "2.5 GB")],
)
def test_sizes_for_people(size: float, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.5, "0.5 requests/s"), (1, "1 request/s"), (58.34, "58.3 requests/s"), (12_345.6, "12,346 requests/s")],
)
def test_rates_are_written_out(rate: float, text: str) -> None:
    assert format_rate(rate) == text
