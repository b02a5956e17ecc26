"""The parts of a service's policies as the live page and the terminal show them. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..telemetry.resilience import is_rejection
from ..units import format_duration
from . import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..monitoring.live import PartState
    from ..telemetry.resilience import PartFigures

__all__ = ["LEGEND", "part_row", "state_words", "strip"]

LEGEND = (
    ("closed", "closed"),
    ("open", "open"),
    ("half-open", "half-open"),
    ("recovering", "recovering"),
    ("disabled", "forced closed or disabled"),
    ("rejected", "calls turned away"),
)
"""Class and name of what a timeline shows."""
_TONES = {"open": "bad", "forced_open": "bad", "half_open": "warning", "recovering": "warning", "closed": "good"}
_CSS = {"forced_open": "open", "forced_closed": "disabled"}
_STRIP = {"open": "█", "forced_open": "█", "half_open": "▄", "recovering": "▃"}
_CLOSED = "▁"


def part_row(part: PartState) -> dict[str, Any]:
    """A part as one row: its name, its state, its figures, and its timeline as runs of equal seconds."""
    words, tone = state_words(part.whole)
    told = _told(part)
    course = part.course
    turned_away = _rejected(part.late)
    return {
        "name": figures.clean(part.whole.name),
        "kind": figures.spaced(part.whole.kind),
        "state": words or ("turns calls away" if turned_away else ""),
        "tone": tone or ("warning" if turned_away else ""),
        "told": told,
        "runs": [] if course is None else _runs(course.states, course.shares),
        "rejected": [] if course is None else [(at, number) for at, number in enumerate(course.rejected) if number],
        "seconds": 0 if course is None else len(course.states),
        "timeline": course is not None and (any(course.states) or any(course.rejected)),
    }


def state_words(part: PartFigures) -> tuple[str, str]:
    """Its state, or how many of several are in the worst one; and whether that is good. Empty where it has none."""
    if not part.states:
        return "", ""
    total = sum(part.states.values())
    worst = min(part.states, key=lambda state: list(_TONES).index(state) if state in _TONES else len(_TONES))
    words = worst.replace("_", "-" if worst == "half_open" else " ")
    if part.states[worst] < total:
        words = f"{figures.number(part.states[worst])} of {figures.number(total)} {words}"
    elif total > 1:
        words = f"all {total} {words}"
    return words, _TONES.get(worst, "")


def strip(part: PartState, width: int) -> str:
    """The timeline in `width` columns: high where it was open, low where it was closed, blank where nobody looked. Of a
    part without states, where it turned calls away."""
    course = part.course
    if course is None:
        return ""
    line = ""
    for column in range(width):
        span = slice(column * len(course.states) // width, (column + 1) * len(course.states) // width)
        seen = [state for state in course.states[span] if state]
        rejected = [number for number in course.rejected[span] if number is not None]
        if seen:
            line += next((_STRIP[state] for state in _STRIP if state in seen), _CLOSED)
        else:
            line += " " if not rejected else "▄" if any(rejected) else _CLOSED
    return line


def _runs(states: Sequence[str], shares: Sequence[float]) -> list[tuple[int, int, str, float]]:
    """First second, seconds, class and share of each stretch that looks alike."""
    runs: list[tuple[int, int, str, float]] = []
    at = 0
    for (state, share), seconds in groupby(zip(states, shares, strict=True)):
        count = len(list(seconds))
        if state:
            runs.append((at, count, _CSS.get(state, state).replace("_", "-"), share))
        at += count
    return runs


def _rejected(part: PartFigures) -> float:
    return sum(count for result, count in part.results.items() if is_rejection(result))


def _told(part: PartState) -> list[tuple[str, str, bool]]:
    """What, how much, and whether that is bad, of a part; what all parts have at the end."""
    make = _KINDS.get(part.whole.kind)
    told = [] if make is None else make(part.whole.gauges, part)
    turned_away = _rejected(part.late)
    calls = sum(part.late.results.values()) - turned_away
    told.append(("calls", _rate(calls, part.seconds), False))
    failed = sum(
        count for result, count in part.late.results.items() if "failed" in result and not is_rejection(result)
    )
    if failed:
        told.append(("failed", figures.share(min(failed / max(calls, 1), 1)), True))
    if turned_away or _rejected(part.whole):
        told.append(("turned away", _rate(turned_away, part.seconds), turned_away > 0))
        told.append(("turned away in all", figures.number(_rejected(part.whole)), False))
    return told


def _breaker(gauges: Mapping[str, float], part: PartState) -> list[tuple[str, str, bool]]:
    if not gauges.get("buffered_calls"):
        return []
    return [("failure rate", figures.share(gauges.get("failure_rate", 0)), gauges.get("failure_rate", 0) > 0)]


def _bulkhead(gauges: Mapping[str, float], part: PartState) -> list[tuple[str, str, bool]]:
    most, free = gauges.get("max_allowed_concurrent_calls", 0), gauges.get("available_concurrent_calls", 0)
    waiting, room = gauges.get("queue_depth", 0), gauges.get("queue_capacity", 0)
    told = [("in use", f"{figures.number(most - free)} of {figures.number(most)}", most > 0 and not free)]
    if room or waiting:
        told.append(("waiting", f"{figures.number(waiting)} of {figures.number(room)}", waiting > 0))
    if "abandoned" in gauges:
        told.append(("abandoned", figures.number(gauges["abandoned"]), gauges["abandoned"] > 0))
    return told


def _limit(gauges: Mapping[str, float], part: PartState) -> list[tuple[str, str, bool]]:
    in_flight, limit = gauges.get("in_flight", 0), gauges.get("limit", 0)
    told = [("in flight", f"{figures.number(in_flight)} of {figures.number(round(limit, 1))}", in_flight >= limit > 0)]
    if gauges.get("waiting"):
        told.append(("waiting", figures.number(gauges["waiting"]), True))
    return told


def _retry(gauges: Mapping[str, float], part: PartState) -> list[tuple[str, str, bool]]:
    again = sum(count for result, count in part.late.results.items() if result.endswith("with_retry"))
    told = [("tried again", _rate(again, part.seconds), False)]
    if "budget" in gauges:
        told.append(("budget", f"{figures.number(round(gauges['budget'], 1))} left", gauges["budget"] < 1))
    return told


def _hedging(gauges: Mapping[str, float], part: PartState) -> list[tuple[str, str, bool]]:
    again = sum(count for result, count in part.late.results.items() if result != "successful_without_hedge")
    return [
        ("begun twice", _rate(again, part.seconds), False),
        ("after", format_duration(gauges["delay_seconds"]), False),
    ]


def _rate_limiter(gauges: Mapping[str, float], part: PartState) -> list[tuple[str, str, bool]]:
    waiting, lost = gauges.get("waiting_calls", 0), gauges.get("store_lost", 0) > 0
    told = [("waiting", figures.number(waiting), waiting > 0)] if waiting else []
    return [*told, *([("store", "lost: each process limits alone", True)] if lost else [])]


def _throttle(gauges: Mapping[str, float], part: PartState) -> list[tuple[str, str, bool]]:
    held = gauges.get("rejection_probability", 0)
    return [("held back", figures.share(held), held > 0)]


_KINDS: dict[str, Callable[[Mapping[str, float], PartState], list[tuple[str, str, bool]]]] = {
    "circuit_breaker": _breaker,
    "bulkhead": _bulkhead,
    "thread_pool_bulkhead": _bulkhead,
    "adaptive_limit": _limit,
    "load_shedder": _limit,
    "retry": _retry,
    "hedging": _hedging,
    "rate_limiter": _rate_limiter,
    "throttle": _throttle,
}
"""What is told of a kind beside its calls."""


def _rate(count: float, seconds: float) -> str:
    return f"{figures.number(round(count / seconds, 2) if seconds else 0)}/s"
