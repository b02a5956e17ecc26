"""`--fail-if "p99>500ms"`: a condition on the result of a load test, parsed and judged. Pure.

A condition is a metric, an operator and a limit. Metrics:

- `mean`, `max` and any percentile (`p50`, `p95`, `p99`, `p999`, `p99.9`) of latency, and with the prefixes
  `service_time_`, `queue_` and `send_lag_` of those; limits are durations with their unit: `500ms`;
- `errors`: a count (`errors>0`) or a share of the requests (`errors>0.1%`);
- `requests` (a count), `rate` (requests a second: `rate<950`), `bytes_per_second` (`bytes_per_second<10MB`).
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from .exceptions import InvalidValue
from .records import Figures, LoadSummary, Threshold
from .units import parse_bytes, parse_duration, parse_fraction

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Condition", "enough_for", "holds", "judge", "parse_condition", "parse_limit", "quantile", "too_few"]

_OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_CONDITION = re.compile(r"\s*([A-Za-z][\w.]*?)\s*(>=|<=|==|!=|=|>|<)\s*(.+?)\s*")
_PERCENTILE = re.compile(r"p(\d{1,2})(?:\.(\d+))?|p(\d{3,6})")
_FIGURES = ("mean", "p50", "p95", "p99", "p999", "max")
_DISTRIBUTIONS = ("service_time", "queue", "send_lag")
_COUNTS = ("requests", "errors")

Distribution = Literal["latency", "service_time", "queue", "send_lag"]


class Condition(NamedTuple):
    """One parsed `--fail-if`."""

    expression: str
    """As the user wrote it."""
    metric: str
    comparison: str
    limit: float
    """In `unit`."""
    unit: str
    """`ms`, `%`, `requests/s`, `bytes/s`, or empty for counts."""


def parse_condition(text: str, *, where: str | None = None) -> Condition:
    """The condition in `p99>500ms`, `errors > 0.1%` or `rate<950`.

    Args:
        text: as on the command line.
        where: the option, for messages.

    Raises:
        InvalidValue: no condition, an unknown metric or operator, or a limit without the unit its metric needs.
    """
    match = _CONDITION.fullmatch(text)
    if match is None or match[2] not in _OPERATORS:
        raise InvalidValue(
            "Expected a condition: a metric, one of > >= < <=, and a limit",
            got=text,
            where=where,
            hint='for example "p99>500ms", "errors>0.1%" or "rate<950"',
        )
    metric, limit = match[1], match[3]
    unit, value = _limit(text, metric, limit, where)
    return Condition(text, metric, match[2], value, unit)


def parse_limit(text: str, *, where: str | None = None) -> Condition:
    """The condition of a `--fail-if`, as `parse_condition` reads it.

    Raises:
        InvalidValue: as for `parse_condition`, or it fails what is fast or has few errors: `p99<50ms` is a goal, and
            as a limit it would let every slow run pass.
    """
    condition = parse_condition(text, where=where)
    if "<" in condition.comparison and (condition.unit == "ms" or condition.metric == "errors"):
        good = "is fast" if condition.unit == "ms" else "has few errors"
        opposite = text.replace(condition.comparison, ">" if condition.comparison == "<=" else ">=", 1)
        raise InvalidValue(
            f"Expected a limit: this would fail a run that {good}, and pass every other",
            got=text,
            where=where,
            hint=f'to fail where "{text}" is not met, write "{opposite}"',
        )
    return condition


def judge(condition: Condition, summary: LoadSummary, percentile: Callable[[Distribution, float], float]) -> Threshold:
    """Whether the condition holds for a result: it fails when it holds, or when nothing was measured to judge by.

    Args:
        condition: the parsed `--fail-if`.
        summary: the load test's summary.
        percentile: gives any percentile (0 to 100) of a distribution in milliseconds.
    """
    measured = _measured(condition, summary, percentile)
    failed = measured is None or holds(condition, measured)
    return Threshold(expression=condition.expression, measured=measured, unit=condition.unit, failed=failed)


def holds(condition: Condition, measured: float) -> bool:
    """Whether the condition holds for a value in the condition's unit."""
    return bool(_OPERATORS[condition.comparison](measured, condition.limit))


def too_few(
    condition: Condition, count: Callable[[Distribution], int], percentile: Callable[[Distribution, float], float]
) -> str | None:
    """Why so few requests cannot tell whether the condition holds; None when they can.

    A percentile needs values beyond it. With fewer than `enough_for` it can only be broken beyond doubt: when its lower
    95 % confidence limit (an order statistic: David and Nagaraja, Order Statistics, 7.1) breaks the condition too.

    Args:
        count: how many values a distribution holds.
        percentile: as for `judge`.
    """
    if condition.unit != "ms":
        return None
    name, figure = _distribution(condition.expression, condition.metric, None)
    q = quantile(figure)
    if q is None or q >= 100:
        return None
    have, need = count(name), enough_for(q)
    if not 0 < have < need:
        return None
    surely_below = _at_least(have, q / 100)
    if surely_below and holds(condition, percentile(name, 100 * (surely_below - 0.5) / have)):
        return None
    return (
        f"too few requests for {condition.metric}: {have:,} were timed, {need:,} are needed to say with 95 % "
        f"confidence where {100 - q:.3g} % of them are slower: run {need / have:.2g} times as long"
    )


def enough_for(q: float) -> int:
    """The fewest values from which the percentile `q` (0 to 100, without) can be bounded with 95 % confidence.

    From fewer, not even the largest is above it with that confidence: q^n > 5 %. (Wilks, Determination of Sample Sizes
    for Setting Tolerance Limits, 1941.) 5 for p50, 59 for p95, 299 for p99, 2,995 for p99.9.
    """
    return math.ceil(math.log(0.05) / math.log(q / 100)) if q > 0 else 1


def _at_least(count: int, share: float) -> int:
    """So many of `count` values lie below the quantile `share` with 95 % confidence: the binomial's 5 % quantile."""
    above, passed, chance = 0, 0.0, share**count
    while passed + chance < 0.95:
        passed += chance
        above += 1
        chance *= (count - above + 1) / above * (1 - share) / share
    return count - above


def quantile(name: str) -> float | None:
    """50.0 for `p50`, 99.9 for `p999` and `p99.9`; None for any other word."""
    match = _PERCENTILE.fullmatch(name)
    if match is None:
        return None
    if match[3]:
        if not match[3].startswith("9"):  # p101 is a slip and no p10.1, as p999 is p99.9
            return 100.0 if match[3] == "100" else None
        return float(f"{match[3][:2]}.{match[3][2:]}")
    return float(f"{match[1]}.{match[2] or 0}")


def _limit(text: str, metric: str, limit: str, where: str | None) -> tuple[str, float]:
    if metric in _COUNTS:
        if metric == "errors" and limit.endswith("%"):
            return "%", float(f"{100 * parse_fraction(limit, where=where):.12g}")
        if not re.fullmatch(r"[0-9]{1,18}", limit):
            hint = "a share is written with %: errors>0.1%" if metric == "errors" else None
            raise InvalidValue(f"Expected a whole number after {metric}", got=text, where=where, hint=hint)
        return "", float(limit)
    if metric == "rate":
        return "requests/s", _number(text, limit.removesuffix("/s"), where)
    if metric == "bytes_per_second":
        return "bytes/s", float(parse_bytes(limit.removesuffix("/s"), where=where))
    _distribution(text, metric, where)
    if not re.search(r"[A-Za-zµ]", limit) and float(limit if _is_number(limit) else 1):
        raise InvalidValue(
            f"Expected a duration with its unit after {metric}", got=text, where=where, hint=f'write "{metric}>500ms"'
        )
    # Twelve digits: 0.12 s is 120 ms, whatever binary fractions make of it.
    return "ms", float(f"{1000 * parse_duration(limit, where=where):.12g}")


def _distribution(text: str, metric: str, where: str | None) -> tuple[Distribution, str]:
    for name in _DISTRIBUTIONS:
        if metric.startswith(name + "_"):
            figure = metric[len(name) + 1 :]
            if figure in _FIGURES or quantile(figure) is not None:
                return name, figure  # type: ignore[return-value]
    if metric in _FIGURES or quantile(metric) is not None:
        return "latency", metric
    known = [*_FIGURES, *_COUNTS, "rate", "bytes_per_second"]
    known += [f"{name}_{figure}" for name in _DISTRIBUTIONS for figure in _FIGURES]
    near = difflib.get_close_matches(metric, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"metrics are {', '.join(known[:10])}, and {known[10]} and its like"
    raise InvalidValue(f"Expected a metric, got {metric!r}", got=text, where=where, hint=hint)


def _measured(
    condition: Condition, summary: LoadSummary, percentile: Callable[[Distribution, float], float]
) -> float | None:
    metric = condition.metric
    if metric == "requests":
        return float(summary.requests)
    if summary.all_requests == 0:
        return None
    if metric == "errors":
        return 100 * summary.error_share if condition.unit == "%" else float(summary.errors)
    if metric == "rate":
        return summary.rate
    if metric == "bytes_per_second":
        return summary.bytes_per_second
    name, figure = _distribution(condition.expression, metric, None)
    figures: Figures = getattr(summary, f"{name}_ms")
    if figure in _FIGURES:
        return float(getattr(figures, figure))
    q = quantile(figure)
    assert q is not None
    return figures.p999 if q == 99.9 else percentile(name, q)


def _number(text: str, number: str, where: str | None) -> float:
    if not (_is_number(number) and math.isfinite(float(number))):
        raise InvalidValue("Expected a number of requests a second", got=text, where=where)
    return float(number)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text) is not None
