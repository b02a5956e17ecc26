from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.exceptions import InvalidValue
from perfloop.testing import Fault, parse_fault
from perfloop.testing.faults.fault import Cut


@pytest.mark.parametrize(
    ("text", "fault", "kind"),
    [
        ("latency=200ms", Fault(latency=0.2), "latency"),
        (" status = 503 ,latency=1s,probability=0.5", Fault(latency=1, status=503, probability=0.5), "status"),
        ("reset", Fault(reset=True), "reset"),
        ("partial=1kB", Fault(partial=1000), "partial"),
        ("probability=0%", Fault(probability=0), "latency"),
    ],
)
def test_a_header_says_a_fault(text, fault, kind) -> None:
    assert parse_fault(text) == fault
    assert fault.kind == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "explode",
        "reset=1",
        "latency",
        "latency=",
        "latency=soon",
        "latency=61s",
        "latency=-1s",
        "latency=1s,latency=2s",
        "status=200",
        "status=600",
        "status=٥٠٣",
        "status=5e2",
        "status=503,reset",
        "partial=-1B",
        "partial=0B",
        "probability=2",
        "status=503;reset",
        "x" * 10_000,
    ],
)
def test_a_bad_header_says_where(text) -> None:
    with pytest.raises(InvalidValue):
        parse_fault(text, where="X-Perfloop-Fault")


@pytest.mark.parametrize(
    "settings",
    [
        {"latency": float("nan")},
        {"latency": "1s"},
        {"status": 399},
        {"status": "503"},
        {"error": "OSError"},
        {"partial": 1.5},
        {"probability": -0.1},
        {"status": 503, "error": OSError},
        {"reset": True, "partial": 3},
    ],
)
def test_settings_are_checked(settings) -> None:
    with pytest.raises(InvalidValue):
        Fault(**settings)


@given(st.lists(st.binary(max_size=20), max_size=10), st.integers(1, 100))
def test_a_cut_lets_a_beginning_through_and_never_the_end(chunks, size) -> None:
    cut, passed, whole = Cut(size), b"", b"".join(chunks)
    for chunk in chunks:
        passed += cut.feed(chunk)
        if cut.over:
            break
    assert passed == whole[: min(size, max(0, len(whole) - 1))]
    assert cut.cuts == bool(whole)
