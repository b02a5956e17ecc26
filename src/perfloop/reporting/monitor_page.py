"""The live page of a service, and what it is sent: `perfloop monitor` and the mounted application show the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..units import format_bytes, format_duration
from . import figures
from .assets import content_policy, script, style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..monitoring.live import LiveState, Memory, RouteFigures, SlowRequest
    from ..records import TargetResult

__all__ = ["page_state", "render_monitor_page", "shown_request", "status_words"]

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


def render_monitor_page() -> tuple[str, str]:
    """The page, which holds nothing of the service, and its content security policy.

    The script takes the state from `events` beside the page, and writes it as text, never as markup.
    """
    css, js = style("live.css", "monitor.css"), script("charts.js", "monitor.js")
    environment = Environment(
        loader=PackageLoader("perfloop.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("monitor.html.j2").render(style=css, script=js, tiles=_TILES, charts=_CHARTS)
    return page, content_policy(css, js, "connect-src 'self'", "frame-ancestors 'none'")


def status_words(state: LiveState) -> tuple[str, str]:
    """The state in words, and its tone: good, bad, warning or neutral."""
    words, tone = _STATUS[state.status]
    if state.status == "running" and (_missed(state) or state.all_routes.failed or _leaks(state)):
        tone = "warning"
    return words, tone


def page_state(state: LiveState) -> dict[str, Any]:
    """What the page is sent. Pure."""
    words, tone = status_words(state)
    missed = [figures.spaced(target.name) for target in _missed(state)]
    notes = [*([f"Targets missed: {', '.join(missed)}"] if missed else []), *state.notes]
    routes = state.routes[:_MOST_ROUTES]
    parts = dict.fromkeys(part for route in routes for part, *_ in _parts(route.parts_ms))
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
        "targets": [
            _target(target) for target in state.targets if target.configured or target.outcome != "not measured"
        ],
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
            "" if usage is None or usage.cpu_share is None else f"{figures.share(usage.cpu_share)} of all{lag}",
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


def _target(target: TargetResult) -> dict[str, str]:
    measured = figures.with_unit(target.measured, target.unit, short=True)
    wanted = figures.with_unit(target.target, target.unit, short=True)
    default = "" if target.configured else " (a default)"
    return {
        "name": figures.spaced(target.name),
        "outcome": {"met": "✓ met", "missed": "✗ missed"}.get(target.outcome, "–"),
        "tone": {"met": "good", "missed": "bad"}.get(target.outcome, ""),
        "words": f"{measured}, target {wanted}{default}",
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
