"""What every report says of a replay, in words and rows; and its charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..units import format_duration
from . import figures
from .charts import Axis, Band, LineChart, Series, line_chart
from .charts.scale import Scale, time_ticks
from .charts.timeline import Timeline, TimelineRow, timeline

if TYPE_CHECKING:
    from perfloop.records import ReplayOutage, ReplayRecord, ReplayResult, SettingValue

    from .charts import Chart

__all__ = [
    "HEADS",
    "SettingRow",
    "calls_over_time",
    "cells",
    "open_over_time",
    "outage_in_words",
    "replayed_in_words",
    "setting_in_words",
    "setting_rows",
]

HEADS = ("setting", "in vain", "let through", "opened", "false", "to open", "to close", "missed")
_DASH = "–"
_TICKS, _TICKS_NARROW = 6, 4


class SettingRow(NamedTuple):
    """One setting of the table; figures as text."""

    result: ReplayResult
    setting: str
    false_rejected: str
    """Calls rejected that had succeeded."""
    let_through: str
    """Calls that failed in an outage all the same."""
    opened: str
    """How often."""
    false_opens: str
    """How often of that outside every outage."""
    to_open: str
    """From an outage's start, median."""
    to_close: str
    """From an outage's end, median."""
    missed: str
    """Outages that it was never open in, of all."""
    values: str
    """Of the settings alone, in order."""
    mark: str
    """`chosen`, `chosen, missed` (an outage), `best` (no other is better in both) or nothing."""


def replayed_in_words(record: ReplayRecord) -> str:
    """What was replayed."""
    failed = record.failures / max(record.successes + record.failures, 1)
    return " · ".join(
        [
            figures.clean(record.name),
            figures.plural(record.calls, "call"),
            format_duration(record.seconds),
            figures.plural(record.processes, "process", "processes"),
            f"{figures.small_share(failed)} failed",
            figures.plural(len(record.outages), "outage"),
        ]
    )


def outage_in_words(outage: ReplayOutage) -> str:
    """When, how long and how bad."""
    length = format_duration(max(outage.end_seconds - outage.start_seconds, 0.0))
    failed = f"{figures.count(outage.failures)} of {figures.plural(outage.calls, 'call')} failed"
    source = "as given" if outage.given else "found"
    return f"{format_duration(max(outage.start_seconds, 0.0))} after the first call, for {length}: {failed} ({source})"


def setting_in_words(settings: dict[str, SettingValue]) -> str:
    """`max_failures=5 reset_timeout=30s`, as `--set` takes them, or that nothing was set."""
    return " ".join(f"{name}={_value(name, value)}" for name, value in settings.items()) or "the defaults"


def setting_rows(record: ReplayRecord) -> list[SettingRow]:
    """The settings, the chosen one first, then by the calls on the wrong side."""
    order = sorted(
        range(len(record.results)),
        key=lambda at: (at != record.chosen, _wrong(record.results[at]), record.results[at].opens, at),
    )
    return [_row(record.results[at], chosen=at == record.chosen) for at in order]


def calls_over_time(record: ReplayRecord) -> Chart | None:
    """Calls and failures a second, the outages shaded."""
    step, course = record.course.step_seconds, record.course
    if len(course.calls) < 2:
        return None
    xs = [step * (at + 0.5) for at in range(len(course.calls))]
    ticks = time_ticks(record.seconds, _TICKS)
    bands = [
        Band(max(each.start_seconds, 0.0), min(each.end_seconds, record.seconds), "outage" if not at else "")
        for at, each in enumerate(record.outages)
    ]
    return line_chart(
        LineChart(
            label=f"Calls and failures a second: {replayed_in_words(record)}",
            x=xs,
            series=[
                Series("calls", [count / step for count in course.calls], "series-rate"),
                Series("failures", [count / step for count in course.failures], "series-errors", "area"),
            ],
            x_axis=Axis("since the first call", format_duration),
            y_axis=Axis("calls a second", figures.number),
            titles=[f"after {format_duration(x)}" for x in xs],
            x_scale=lambda start, end: (Scale(0.0, max(record.seconds, step), start, end), ticks),
            y_log=False,
            bands=bands,
            height=230,
        )
    )


def open_over_time(record: ReplayRecord, rows: list[SettingRow]) -> Chart | None:
    """When each setting would not have been closed, by the share of the processes."""
    steps = len(record.course.calls)
    if not rows or not steps:
        return None
    step = record.course.step_seconds
    return timeline(
        Timeline(
            label=f"When {figures.plural(len(rows), 'setting')} would have been open",
            rows=[
                TimelineRow(
                    row.setting,
                    f"{row.false_rejected} in vain · {row.let_through} let through",
                    row.result.open_share,
                    "chosen" if row.mark.startswith("chosen") else "",
                )
                for row in rows
            ],
            steps=steps,
            spans=[(each.start_seconds / step, each.end_seconds / step) for each in record.outages],
            span_name="shaded: outages",
            ticks=[(tick / step, format_duration(tick)) for tick in time_ticks(record.seconds, _TICKS_NARROW)],
        )
    )


def _row(result: ReplayResult, *, chosen: bool) -> SettingRow:
    to_open = _DASH if result.time_to_open_s is None else format_duration(result.time_to_open_s)
    to_close = "never" if result.never_closed else _DASH
    if result.time_to_close_s is not None:
        to_close = format_duration(result.time_to_close_s)
    return SettingRow(
        result=result,
        setting=figures.clean(setting_in_words(result.settings)),
        false_rejected=figures.count(result.false_rejected),
        let_through=figures.count(result.let_through),
        opened=figures.count(result.opens),
        false_opens=figures.count(result.false_opens),
        to_open=to_open,
        to_close=to_close,
        missed=f"{result.outages_missed} of {result.outages}" if result.outages_missed else _DASH,
        values=figures.clean(" · ".join(_value(*setting) for setting in result.settings.items())),
        mark=_mark(result, chosen=chosen),
    )


def _mark(result: ReplayResult, *, chosen: bool) -> str:
    if chosen:
        return "chosen, missed" if result.outages_missed else "chosen"
    return "best" if result.best else ""


def cells(row: SettingRow) -> tuple[str, ...]:
    """What stands below `HEADS`, but for the setting."""
    return (row.false_rejected, row.let_through, row.opened, row.false_opens, row.to_open, row.to_close, row.missed)


def _wrong(result: ReplayResult) -> int:
    return result.false_rejected + result.let_through


def _value(name: str, value: SettingValue) -> str:
    from ..resilience.replay.breaker_settings import BREAKER_SETTINGS  # here: the other reports need none of it

    kind = BREAKER_SETTINGS.get(name)
    if value is None or isinstance(value, str):
        return str(value)
    if kind == "seconds":
        return f"{value:g}s"
    return f"{100 * value:g}%" if kind == "share" else f"{value:g}"
