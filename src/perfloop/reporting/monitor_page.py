"""The live page of a service, and what it is sent: `perfloop monitor` and the mounted application show the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..units import format_bytes, format_duration
from . import figures
from .assets import live_page, script, style
from .caches import cache_rows
from .parts import LEGEND, part_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..monitoring import Use
    from ..monitoring.live import AlertShown, Budget, LiveState, Memory, RouteFigures, SlowRequest
    from ..records import TargetResult

__all__ = ["page_state", "render_monitor_page", "resource_words", "shown_request", "status_words", "target_words"]

_TILES = (
    ("throughput", "Throughput"),
    ("typical", "Typical request (p50)"),
    ("slow", "Slow request (p99)"),
    ("failures", "Errors"),
    ("processors", "Processors"),
    ("resident", "Memory"),
)
_CHARTS = (
    ("rate", "Throughput"),
    ("latency", "Latency"),
    ("errors", "Errors"),
    ("cpu", "Processors"),
    ("memory", "Memory"),
)
_MOST_ROUTES = 50
_STATUS = {
    "starting": ("Starting", "neutral"),
    "running": ("Running", "good"),
    "idle": ("No requests", "neutral"),
    "ended": ("Ended", "bad"),
}


_SATURATION: dict[str, Callable[[float], str]] = {
    "share": figures.share,
    "s": lambda seconds: figures.milliseconds(seconds * 1000),
    "/s": lambda rate: f"{figures.number(round(rate, 2))}/s",
    "": figures.number,
}
"""How the saturation of a resource is written, by its unit."""


def render_monitor_page() -> tuple[str, str]:
    """The page, which holds nothing of the service, and its content security policy.

    The script takes the state from `events` beside the page, and writes it as text, never as markup.
    """
    css, js = style("live.css", "monitor.css"), script("charts.js", "monitor.js")
    return live_page("monitor.html.j2", css, js, tiles=_TILES, charts=_CHARTS, states=LEGEND)


def status_words(state: LiveState) -> tuple[str, str]:
    """The state in words, and its tone: good, bad, warning or neutral."""
    words, tone = _STATUS[state.status]
    if state.status == "running" and (_missed(state) or state.all_routes.failed or _leaks(state)):
        tone = "warning"
    return words, "bad" if any(alert.firing for alert in state.alerts) else tone


def page_state(state: LiveState) -> dict[str, Any]:
    """What the page is sent. Pure."""
    words, tone = status_words(state)
    missed = [figures.spaced(target.name) for target in _missed(state)]
    notes = [*([f"Targets missed: {', '.join(missed)}"] if missed else []), *state.notes]
    routes = state.routes[:_MOST_ROUTES]
    parts = dict.fromkeys(part for route in routes for part, *_ in _parts(route.parts_ms))
    budgets = {budget.target: budget for budget in state.budgets}
    points = state.points
    last = points.at[-1] if points and points.at else 0.0
    return {
        "state": words,
        "tone": tone,
        "title": figures.clean(state.title),
        "note": figures.clean(" · ".join(notes)),
        "tiles": _tiles(state),
        "window": f"In the last {format_duration(state.window_seconds)}, those that take the most time first.",
        "routes": [_route(route) for route in routes],
        "legend": [(part, figures.part_name(part.replace("-", "_"))) for part in parts],
        "slowest": [shown_request(request) for request in state.slowest],
        "resources": [_resource(use) for use in state.resources],
        "targets": [
            _target(target, budgets.get(target.name))
            for target in state.targets
            if target.configured or target.outcome != "not measured"
        ],
        "caches": [row for cache in state.caches for row in cache_rows(cache)],
        "parts": [part_row(part) for part in state.parts],
        "alerts": [_alert(alert) for alert in state.alerts],
        "memory": None if state.memory is None else _memory(state.memory),
        "events": [(at, figures.clean(event)) for at, event in reversed(state.events)],
        "points": {
            "at": [] if points is None else [round(at - last, 1) for at in points.at],
            **{
                name: [] if points is None else getattr(points, name)
                for name in ("rate", "p50_ms", "p99_ms", "errors", "cpu", "rss_bytes")
            },
        },
    }


def shown_request(request: SlowRequest) -> dict[str, Any]:
    """A slow request as the page shows it. Pure."""
    return {
        "key": f"{request.pid}-{request.ended}-{request.duration_ms}",
        "at": request.ended,
        "request": figures.clean(f"{request.method} {request.route}"),
        "answer": f"status {request.status}" if request.status else "no answer",
        "failed": request.status >= 500 or request.error is not None,
        "error": None if request.error is None else figures.clean(request.error),
        "took": figures.milliseconds(request.duration_ms),
        "first_byte": figures.milliseconds(request.first_byte_ms),
        "parts": _parts(request.parts_ms),
        "statements": [
            {
                "sql": figures.clean(each.sql),
                "place": None if each.place is None else figures.clean(each.place),
                "calls": figures.plural(each.calls, "call"),
                "total": figures.milliseconds(each.total_ms),
            }
            for each in request.statements
        ],
        "span": request.span_id,
        "pid": request.pid,
    }


def _tiles(state: LiveState) -> list[tuple[str, str, str, bool]]:
    """Name, figure and remark of each tile, and whether it is bad."""
    everything, usage = state.all_routes, state.usage
    window = f"in the last {format_duration(state.window_seconds)}"
    failed = everything.failed / everything.requests if everything.requests else 0.0
    missed = {target.name for target in _missed(state)}
    seen = f"{figures.plural(state.requests, 'request')} seen"
    running = (
        ""
        if usage is None
        else f"{figures.plural(usage.processes, 'process', 'processes')}, {figures.plural(usage.threads, 'thread')}"
    )
    taken = next((use.utilisation for use in state.resources if use.resource == "processors"), None)
    others = "" if taken is None else f", {figures.share(taken)} in use"
    lag = "" if usage is None or usage.loop_lag_ms is None else f" · loop lag {figures.milliseconds(usage.loop_lag_ms)}"
    return [
        ("throughput", f"{figures.number(everything.rate)}/s", seen, False),
        ("typical", figures.milliseconds(everything.p50_ms), window, "latency_p50" in missed),
        ("slow", figures.milliseconds(everything.p99_ms), window, "latency_p99" in missed),
        (
            "failures",
            figures.count(everything.failed),
            f"{figures.share(failed)} {window} · {figures.count(state.failed)} in all",
            everything.failed > 0,
        ),
        (
            "processors",
            "–" if usage is None or usage.cpu is None else figures.number(round(usage.cpu, 2)),
            "" if usage is None or usage.cpu_share is None else f"{figures.share(usage.cpu_share)} of all{others}{lag}",
            "cpu" in missed,
        ),
        (
            "resident",
            "–" if usage is None or usage.rss_bytes is None else format_bytes(usage.rss_bytes),
            running,
            "memory" in missed,
        ),
    ]


def _route(route: RouteFigures) -> dict[str, Any]:
    return {
        "route": figures.clean(route.route),
        "rate": f"{figures.number(route.rate)}/s",
        "p50": figures.milliseconds(route.p50_ms),
        "p95": figures.milliseconds(route.p95_ms),
        "p99": figures.milliseconds(route.p99_ms),
        "errors": figures.count(route.failed),
        "failing": route.failed > 0,
        "parts": _parts(route.parts_ms),
    }


def _parts(parts_ms: Mapping[str, float]) -> list[tuple[str, str, str, float]]:
    """Class, name, figure and share of each part, the largest first and unaccounted time last."""
    total = sum(parts_ms.values())
    return [
        (part.replace("_", "-"), figures.part_name(part), figures.milliseconds(spent), round(spent / total, 4))
        for part, spent in sorted(parts_ms.items(), key=lambda entry: (entry[0] == "unaccounted", -entry[1]))
        if spent > 0.001 * total
    ]


def _target(target: TargetResult, budget: Budget | None) -> dict[str, Any]:
    default = "" if target.configured else " (a default)"
    return {
        "name": figures.spaced(target.name),
        "outcome": {"met": "✓ met", "missed": "✗ missed"}.get(target.outcome, "–"),
        "tone": {"met": "good", "missed": "bad"}.get(target.outcome, ""),
        "words": target_words(target) + default,
        "budget": "" if budget is None else _budget_words(budget),
        "burning": budget is not None and budget.burning is not None,
    }


def target_words(target: TargetResult) -> str:
    """What was measured, and what should be: `1.21 s, target 1 s`."""
    measured = figures.with_unit(target.measured, target.unit, short=True)
    return f"{measured}, target {figures.with_unit(target.target, target.unit, short=True)}"


def _budget_words(budget: Budget) -> str:
    """`budget of 1 % burns × 20 fast, × 3.5 slow`; empty where too little happened to say."""
    rates = [f"× {figures.number(round(rate, 2))} {name}" for name, rate in budget.burns.items() if rate is not None]
    return f"budget of {figures.share(budget.share)} burns {', '.join(rates)}" if rates else ""


def _resource(use: Use) -> dict[str, Any]:
    used, waiting, failed, moved = resource_words(use)
    return {
        "name": figures.sentence(use.resource),
        "used": used,
        "waiting": waiting,
        "waiting_is": use.saturation_is,
        "failed": failed,
        "failed_are": use.errors_are,
        "failing": bool(use.errors),
        "moved": moved,
    }


def resource_words(use: Use) -> tuple[str, str, str, str]:
    """Utilisation, saturation, errors and throughput of a resource; a dash, or nothing, for what is not told."""
    used = "–" if use.utilisation is None else figures.share(use.utilisation)
    waiting = "–" if use.saturation is None else _SATURATION[use.saturation_unit](use.saturation)
    failed = "–" if use.errors is None else figures.count(use.errors)
    moved = " · ".join(f"{format_bytes(rate)}/s {name}" for name, rate in use.throughput.items())
    return used, waiting, failed, moved


def _alert(alert: AlertShown) -> dict[str, Any]:
    return {
        "at": alert.at,
        "state": "firing" if alert.firing else "resolved" if alert.state == "resolved" else "fired",
        "tone": "bad" if alert.firing else "good" if alert.state == "resolved" else "",
        "words": figures.clean(alert.summary),
    }


def _memory(memory: Memory) -> dict[str, str]:
    where = "" if memory.pid is None else f" (process {memory.pid})"
    tone = "bad" if memory.leaking else "unknown" if memory.kind == "not enough data" else ""
    verdict = "No leak" if memory.kind == "none" else figures.sentence(memory.kind)
    return {"verdict": verdict, "words": figures.clean(memory.reason) + where, "tone": tone}


def _missed(state: LiveState) -> list[TargetResult]:
    return [target for target in state.targets if target.outcome == "missed"]


def _leaks(state: LiveState) -> bool:
    return state.memory is not None and state.memory.leaking
