"""What a service does now, on a terminal: the figures of the live page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...units import format_bytes, format_duration
from .. import figures
from ..caches import cache_rows, size_words, trouble_words
from ..monitor_page import resource_words, status_words, target_words
from ..parts import part_row, strip
from .paper import Cell, Paper, sparkline

if TYPE_CHECKING:
    from rich.console import Console

    from ...monitoring.live import LiveState, RouteFigures

__all__ = ["monitor_line", "render_monitor"]

_STYLES = {"good": "green", "bad": "bold red", "warning": "yellow", "neutral": "dim"}
_COURSE = 60
_MOST_BURNS = 4
_LONGEST_PART = 28


def render_monitor(state: LiveState, console: Console, *, most: int = 8) -> None:
    """Write the figures of one moment.

    Args:
        state: of the moment.
        console: what to write on.
        most: routes, and slow requests, that are shown at most.
    """
    paper = Paper(console)
    words, tone = status_words(state)
    paper.line((figures.clean(state.title), "bold"), right=(words, _STYLES[tone]))
    for note in state.notes:
        paper.line((figures.clean(note), "yellow"))
    paper.blank()
    everything, points = state.all_routes, state.points
    width = max(paper.width - 30, 10)
    for name, value, course in (
        ("throughput", f"{figures.number(everything.rate)}/s", points.rate if points else []),
        ("p99", figures.milliseconds(everything.p99_ms), points.p99_ms if points else []),
        ("p50", figures.milliseconds(everything.p50_ms), points.p50_ms if points else []),
    ):
        paper.line(f"{name:<11}{value:>11}   ", (sparkline(course[-_COURSE:], width), "cyan"))
    failed = (f"{figures.count(everything.failed):>11}", "red" if everything.failed else "")
    paper.line(f"{'errors':<11}", failed, f"   in the last {format_duration(state.window_seconds)}")
    paper.line(*_resources(state))
    if state.memory is not None:
        paper.line(
            f"{'leak':<11}",
            (state.memory.kind, "red" if state.memory.leaking else "dim"),
            f"   {figures.clean(state.memory.reason)}",
        )
    missed = [target for target in state.targets if target.outcome == "missed"]
    for target in missed:
        paper.line((f"✗ {figures.spaced(target.name)} {target_words(target)}", "red"))
    for alert in state.alerts:
        if alert.firing:
            paper.line(("! ", "bold red"), (figures.clean(alert.summary), "red"))
    _burns(state, paper)
    _saturation(state, paper)
    if state.routes:
        paper.blank()
        rows: list[list[Cell]] = [
            [(head, "dim") for head in ("route", "rate", "p50", "p95", "p99", "errors", "most time in")]
        ]
        rows += [_row(route) for route in state.routes[:most]]
        paper.table(rows, "<>>>>><")
        if len(state.routes) > most:
            paper.line((f"and {figures.plural(len(state.routes) - most, 'route')} more", "dim"))
    _parts(state, paper, most)
    _caches(state, paper, most)
    if state.slowest:
        paper.blank()
        rows = [[(head, "dim") for head in ("slowest requests", "took", "status", "most time in")]]
        rows += [
            [
                figures.clean(f"{request.method} {request.route}"),
                figures.milliseconds(request.duration_ms),
                str(request.status or "–"),
                _largest(request.parts_ms),
            ]
            for request in state.slowest[:most]
        ]
        paper.table(rows, "<>><")


def monitor_line(state: LiveState) -> str:
    """The figures of one moment in one line, for logs."""
    everything, usage = state.all_routes, state.usage
    parts = [
        status_words(state)[0].lower(),
        f"{figures.number(everything.rate)}/s",
        f"p50 {figures.milliseconds(everything.p50_ms)}",
        f"p99 {figures.milliseconds(everything.p99_ms)}",
        figures.plural(everything.failed, "error"),
    ]
    if usage is not None and usage.cpu is not None:
        parts.append(f"cpu {figures.number(round(usage.cpu, 2))}")
    if usage is not None and usage.rss_bytes is not None:
        parts.append(f"memory {format_bytes(usage.rss_bytes)}")
    if state.routes:
        slowest = max(state.routes, key=lambda route: route.p99_ms or 0.0)
        parts.append(f"slowest {figures.clean(slowest.route)} {figures.milliseconds(slowest.p99_ms)}")
    missed = [figures.spaced(target.name) for target in state.targets if target.outcome == "missed"]
    firing = [figures.spaced(alert.target) for alert in state.alerts if alert.firing]
    tail = [f"missed: {', '.join(missed)}"] if missed else []
    tail += [f"alerts: {', '.join(firing)}"] if firing else []
    return "  ".join([*parts, *tail])


def _resources(state: LiveState) -> list[Cell]:
    usage = state.usage
    if usage is None:
        return [f"{'processors':<11}{'–':>11}"]
    cpu = "–" if usage.cpu is None else figures.number(round(usage.cpu, 2))
    words = [figures.plural(usage.processes, "process", "processes")]
    if usage.rss_bytes is not None:
        words.append(f"{format_bytes(usage.rss_bytes)} resident")
    if usage.loop_lag_ms is not None:
        words.append(f"loop lag {figures.milliseconds(usage.loop_lag_ms)}")
    return [f"{'processors':<11}{cpu:>11}   {' · '.join(words)}"]


def _burns(state: LiveState, paper: Paper) -> None:
    """The fastest error budgets to go, where any is used up faster than it may."""
    burns = [
        (f"{figures.spaced(budget.target)} × {figures.number(round(rate, 2))} {name}", budget.burning is not None)
        for budget in state.budgets
        for name, rate in budget.burns.items()
        if rate is not None and rate > 1
    ]
    for words, burning in burns[:_MOST_BURNS]:
        paper.line(f"{'budget':<11}", (words, "red" if burning else "yellow"))


def _parts(state: LiveState, paper: Paper, most: int) -> None:
    """Each part of a policy: its state now and over the last five minutes; below, figures that are bad."""
    if not state.parts:
        return
    paper.blank()
    shown = [(part, part_row(part)) for part in state.parts[:most]]
    names = [figures.shorten(f"{row['name']} {row['kind']}", _LONGEST_PART) for _, row in shown]
    told = [{name: words for name, words, _ in row["told"]} for _, row in shown]
    heads = ("policy part", "state", "turned away")
    columns = [names, [row["state"] for _, row in shown], [each.get("turned away", "") for each in told]]
    widths = [max(map(len, [head, *column])) for head, column in zip(heads, columns, strict=True)]
    room = max(paper.width - sum(widths) - 2 * len(widths) - 2, 10)
    rows: list[list[Cell]] = [[(head, "dim") for head in (*heads, "last 5 min")]]
    notes: list[tuple[str, str]] = []
    for (part, row), *cells in zip(shown, *columns, strict=True):
        tone = {"good": "green", "bad": "red", "warning": "yellow"}.get(row["tone"], "dim")
        rows.append([cells[0], (cells[1], tone), cells[2], (strip(part, room), tone)])
        bad = [f"{name} {words}" for name, words, is_bad in row["told"] if is_bad and name != "turned away"]
        if bad:
            notes.append((f"{row['name']} {row['kind']}: {' · '.join(bad)}", "yellow"))
    paper.table(rows, "<<><")
    for note in notes[:most]:
        paper.line(note)
    if len(state.parts) > most:
        paper.line((f"and {figures.plural(len(state.parts) - most, 'part')} more", "dim"))


def _caches(state: LiveState, paper: Paper, most: int) -> None:
    if not state.caches:
        return
    paper.blank()
    rows: list[list[Cell]] = [[(head, "dim") for head in ("cache", "found", "look-ups", "loads", "kept", "verdict")]]
    notes: list[tuple[str, str]] = []
    for cache in state.caches[:most]:
        row = cache_rows(cache)[0]
        tone = {"good": "green", "bad": "red"}.get(row["tone"], "dim")
        rows.append([row["name"], row["found"], row["lookups"], row["loads"], row["kept"], (row["verdict"], tone)])
        notes += [(f"{row['name']} {words}", "red") for words in trouble_words(cache.whole)]
        if cache.whole.better is not None:
            notes.append((f"{row['name']} {size_words(cache.whole)}", "yellow"))
    paper.table(rows, "<>>>><")
    for note in notes[:most]:
        paper.line(note)
    if len(state.caches) > most:
        paper.line((f"and {figures.plural(len(state.caches) - most, 'cache')} more", "dim"))


def _saturation(state: LiveState, paper: Paper) -> None:
    """Utilisation of every resource; saturation, throughput and errors of those that have any."""
    told = [(use.resource, *resource_words(use)) for use in state.resources]
    waits = {use.resource for use in state.resources if use.saturation}
    fails = {use.resource: use.errors_are for use in state.resources if use.errors}
    lines = (
        ("used", "", [f"{name} {used}" for name, used, *_ in told]),
        ("waits", "yellow", [f"{name} {waiting}" for name, _, waiting, *_ in told if name in waits]),
        ("moves", "", [f"{name} {moved}" for name, *_, moved in told if moved]),
        ("fails", "red", [f"{name} {failed} {fails[name]}" for name, _, _, failed, _ in told if name in fails]),
    )
    for head, style, words in lines:
        for number, line in enumerate(_filled(words, paper.width - 13)):
            paper.line(f"{head if not number else '':<11}", (line, style))


def _filled(words: list[str], width: int) -> list[str]:
    """The words in lines no longer than `width`, as far as each fits alone."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 3 <= width:
            lines[-1] += f" · {word}"
        else:
            lines.append(word)
    return lines


def _row(route: RouteFigures) -> list[Cell]:
    return [
        figures.clean(route.route),
        f"{figures.number(route.rate)}/s",
        figures.milliseconds(route.p50_ms),
        figures.milliseconds(route.p95_ms),
        figures.milliseconds(route.p99_ms),
        (figures.count(route.failed), "red" if route.failed else ""),
        _largest(route.parts_ms),
    ]


def _largest(parts_ms: dict[str, float]) -> str:
    total = sum(parts_ms.values())
    if not total:
        return "–"
    part = max(parts_ms, key=lambda each: parts_ms[each])
    return f"{figures.share(parts_ms[part] / total)} {figures.part_name(part)}"
