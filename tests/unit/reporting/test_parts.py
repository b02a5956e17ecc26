"""Parts of policies in words and bands."""

from __future__ import annotations

from typing import Any

import pytest

from perfloop.monitoring.live import PartCourse, PartState
from perfloop.reporting.parts import part_row, state_words, strip
from perfloop.telemetry.resilience import PartFigures


def part(
    kind: str = "circuit_breaker",
    *,
    results: dict[str, float] | None = None,
    gauges: dict[str, float] | None = None,
    states: dict[str, int] | None = None,
    course: PartCourse | None = None,
) -> PartState:
    figures = PartFigures(kind=kind, name="pay\x1b", results=results or {}, gauges=gauges or {}, states=states or {})
    return PartState(seconds=10.0, late=figures, whole=figures, course=course)


COURSE = PartCourse(
    states=["", "closed", "closed", "open", "half_open", "forced_closed"],
    shares=[0.0, 0.0, 0.0, 0.5, 1.0, 0.0],
    rejected=[None, 0.0, 0.0, 7.0, 0.0, 0.0],
)


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ({}, ("", "")),
        ({"closed": 1}, ("closed", "good")),
        ({"closed": 3}, ("all 3 closed", "good")),
        ({"closed": 3, "open": 1}, ("1 of 4 open", "bad")),
        ({"half_open": 1}, ("half-open", "warning")),
        ({"forced_open": 1}, ("forced open", "bad")),
        ({"disabled": 1}, ("disabled", "")),
    ],
)
def test_states_in_words(states: dict[str, int], words: tuple[str, str]) -> None:
    assert state_words(part(states=states).whole) == words


def test_a_breaker_as_a_row() -> None:
    row = part_row(
        part(results={"successful": 90, "failed": 10, "not_permitted": 50}, states={"open": 1}, course=COURSE)
    )
    assert (row["name"], row["kind"], row["state"], row["tone"]) == ("pay\ufffd", "circuit breaker", "open", "bad") or (
        "\x1b" not in row["name"]
    )
    assert row["runs"] == [
        (1, 2, "closed", 0.0),
        (3, 1, "open", 0.5),
        (4, 1, "half-open", 1.0),
        (5, 1, "disabled", 0.0),
    ]
    assert row["rejected"] == [(3, 7.0)]
    assert row["timeline"]
    assert row["told"] == [
        ("calls", "10/s", False),
        ("failed", "10 %", True),
        ("turned away", "5/s", True),
        ("turned away in all", "50", False),
    ]


@pytest.mark.parametrize(
    ("kind", "gauges", "told"),
    [
        ("circuit_breaker", {"failure_rate": 0.5, "buffered_calls": 8}, ("failure rate", "50 %", True)),
        (
            "bulkhead",
            {"max_allowed_concurrent_calls": 8, "available_concurrent_calls": 1},
            ("in use", "7 of 8", False),
        ),
        ("bulkhead", {"queue_depth": 2, "queue_capacity": 4}, ("waiting", "2 of 4", True)),
        ("thread_pool_bulkhead", {"abandoned": 3}, ("abandoned", "3", True)),
        ("adaptive_limit", {"in_flight": 5, "limit": 12.34}, ("in flight", "5 of 12.3", False)),
        ("load_shedder", {"in_flight": 5, "limit": 5, "waiting": 2}, ("waiting", "2", True)),
        ("retry", {"budget": 0.5}, ("budget", "0.5 left", True)),
        ("hedging", {"delay_seconds": 0.25}, ("after", "250 ms", False)),
        ("rate_limiter", {"waiting_calls": 3}, ("waiting", "3", True)),
        ("rate_limiter", {"store_lost": 1}, ("store", "lost: each process limits alone", True)),
        ("throttle", {"rejection_probability": 0.25}, ("held back", "25 %", True)),
    ],
)
def test_what_matters_of_each_kind(kind: str, gauges: dict[str, float], told: tuple[str, str, bool]) -> None:
    assert told in part_row(part(kind, gauges=gauges))["told"]


def test_a_part_without_states_that_turns_nothing_away_has_no_timeline() -> None:
    quiet = PartCourse(states=["", ""], shares=[0.0, 0.0], rejected=[0.0, None])
    row: dict[str, Any] = part_row(part("retry", results={"successful_with_retry": 5}, course=quiet))
    assert (row["state"], row["timeline"]) == ("", False)
    busy = PartCourse(states=["", ""], shares=[0.0, 0.0], rejected=[0.0, 2.0])
    row = part_row(part("bulkhead", results={"rejected_full": 5}, course=busy))
    assert (row["state"], row["tone"], row["timeline"]) == ("turns calls away", "warning", True)


def test_the_terminal_shows_a_band() -> None:
    assert strip(part(course=COURSE), 6) == " ▁▁█▄▁"
    assert strip(part(course=COURSE), 2) == "▁█"
    assert strip(part(), 6) == ""
    quiet = PartCourse(states=["", "", ""], shares=[0.0] * 3, rejected=[None, 0.0, 2.0])
    assert strip(part("bulkhead", course=quiet), 3) == " ▁▄"
