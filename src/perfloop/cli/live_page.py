"""The live view of a load test as a local page: `--live-web`.

The engine only leaves its latest figures here; the thread of the server looks at them once a second, keeps what the
charts need, and sends it to whoever watches.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..http_server import HttpServer
from ..reporting import figures
from ..units import format_duration
from .live import planned, time_left
from .streams import note
from .telemetry import parse_address, short_turns

if TYPE_CHECKING:
    from types import TracebackType

    from ..loadtest import Progress
    from ..records import LoadSummary
    from .live import Plan

__all__ = ["History", "LivePage", "Point", "state"]

_MOST_POINTS = 240
_WORST_SHOWN = 2
# Figures of less time than this say nothing of a second.
_SHORTEST = 0.5


class Point(NamedTuple):
    """What charts show of a second, or of several; None where nothing was measured."""

    at: float
    """Seconds since the start, at its end."""
    rate: float
    """Finished requests a second."""
    planned: float | None
    p50: float | None
    """ms, as `p99`."""
    p99: float | None
    errors: float
    """A second."""
    waiting: float


class History:
    """The run so far in a bounded number of points: over twice the time each covers twice as many seconds."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._pending: list[Point] = []
        self._step = 1
        self._last: Progress | None = None

    def add(self, progress: Progress) -> None:
        """Take the figures of now, about a second after those before."""
        last, passed = self._last, progress.elapsed - (self._last.elapsed if self._last else 0.0)
        if passed < _SHORTEST:
            return
        self._last = progress
        self._pending.append(
            Point(
                at=round(progress.elapsed, 2),
                rate=round((progress.requests - (last.requests if last else 0)) / passed, 2),
                planned=None
                if progress.elapsed >= (progress.duration or math.inf)
                else _rounded(progress.planned_rate),
                p50=_rounded(progress.p50_ms),
                p99=_rounded(progress.p99_ms),
                errors=round((progress.errors - (last.errors if last else 0)) / passed, 2),
                waiting=float(progress.backlog),
            )
        )
        if len(self._pending) < self._step:
            return
        self._points.append(_merged(self._pending))
        self._pending = []
        if len(self._points) >= _MOST_POINTS:
            self._points = [_merged(self._points[index : index + 2]) for index in range(0, _MOST_POINTS, 2)]
            self._step *= 2

    def columns(self) -> dict[str, list[Any]]:
        """The points so far, by what they say."""
        points = [*self._points, _merged(self._pending)] if self._pending else self._points
        return {name: [getattr(point, name) for point in points] for name in Point._fields}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _merged(points: list[Point]) -> Point:
    """Several points as one: means, and the worst of p99 and backlog."""
    at, rates, plans, p50s, p99s, errors, waiting = zip(*points, strict=True)
    return Point(
        at[-1], _mean(rates) or 0.0, _mean(plans), _mean(p50s), _worst(p99s), _mean(errors) or 0.0, max(waiting)
    )


def _mean(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 3) if known else None


def _worst(values: tuple[float | None, ...]) -> float | None:
    return max((value for value in values if value is not None), default=None)


class LivePage:
    """Serves the page from entering to leaving; does nothing where it was not asked for.

    Args:
        plan: the run.
        address: where to serve it: `8089` or `127.0.0.1:8089`.

    Raises:
        InvalidValue: no such address.
        ConfigurationError: the address cannot be listened on.
    """

    def __init__(self, plan: Plan, address: str | None) -> None:
        self._plan = plan
        self._server: HttpServer | None = None
        self._stack = contextlib.ExitStack()
        self._latest: Progress | None = None
        self._summary: LoadSummary | None = None
        self._partial = self._over = False
        self._history = History()
        if address is None:
            return
        from ..live.event_page import EventPage
        from ..live.token import access_to
        from ..reporting.live_page import render_live_page

        host, port = parse_address(address, where="--live-web")
        access, self._query = access_to(host)
        page = EventPage(render_live_page(), access, event=self._event)
        self._server = HttpServer(host, port, page.answer, tick=self._tick, serves="the live page", where="--live-web")

    def update(self, progress: Progress) -> None:
        """Take the latest progress; called by the engine."""
        self._latest = progress

    def conclude(self, summary: LoadSummary, *, partial: bool) -> None:
        """Say at the end what the whole run measured."""
        self._summary, self._partial = summary, partial

    def __enter__(self) -> LivePage:
        if self._server is not None:
            self._stack.enter_context(short_turns())
            self._stack.enter_context(self._server)
            note(f"live     {self._server.url}/{self._query}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._stack.close()

    def _tick(self) -> bytes:
        if self._latest is not None:
            self._history.add(self._latest)
        return self._event()

    def _event(self) -> bytes:
        now = state(self._plan, self._latest, self._history, self._summary, partial=self._partial, over=self._over)
        return b"data: " + msgspec.json.encode(now) + b"\n\n"


def state(
    plan: Plan,
    progress: Progress | None,
    history: History,
    summary: LoadSummary | None = None,
    *,
    partial: bool = False,
    over: bool = False,
) -> dict[str, Any]:
    """What the page shows now. Pure.

    Args:
        progress: None before the first.
        summary: of the whole run, once it is known.
        partial: it ended before its time.
        over: nothing comes after this.
    """
    words, tone = ("Connecting", "neutral") if progress is None else ("Running", "neutral")
    remark = ""
    if over:
        words, tone = ("Run over", "good") if summary is not None and not partial else ("Ended early", "warning")
        if summary is not None and not summary.trustworthy:
            tone, remark = "warning", f"Untrustworthy: {'; '.join(summary.reasons)}"
        elif summary is not None and summary.errors:
            tone = "bad"
    return {
        "state": words,
        "tone": tone,
        "note": figures.clean(remark),
        "title": figures.clean(plan.title),
        "elapsed": "" if progress is None else format_duration(round(progress.elapsed, 1)),
        "left": "" if progress is None or over else time_left(progress, plan),
        "share": _share(plan, progress, over=over),
        "phase": figures.clean(f"{progress.phase} · {planned(progress)}/s planned")
        if progress is not None and plan.profile and not over
        else "",
        "tiles": []
        if progress is None
        else _tiles(progress, history)
        if summary is None
        else _totals(progress, summary),
        "failing": progress is not None and progress.errors > 0,
        "points": history.columns(),
        "over": over,
    }


def _share(plan: Plan, progress: Progress | None, *, over: bool) -> float | None:
    """How much of the run is done; None where nobody can say."""
    if progress is None or (over and plan.duration is None and plan.request_limit is None):
        return 0.0 if progress is None else 1.0
    shares = []
    if plan.duration:
        shares.append(progress.elapsed / plan.duration)
    if plan.request_limit:
        shares.append(progress.requests / plan.request_limit)
    return round(min(1.0, max(shares)), 4) if shares else None


def _tiles(progress: Progress, history: History) -> list[tuple[str, str, str]]:
    """Name, figure and remark of each tile, of late."""
    lately = history.columns()["rate"]
    kinds = sorted(progress.error_kinds.items(), key=lambda kind: -kind[1])[:_WORST_SHOWN]
    return [
        (
            "rate",
            f"{figures.number(lately[-1] if lately else progress.rate)}/s",
            f"{progress.requests:,} requests so far",
        ),
        ("p50", figures.milliseconds(progress.p50_ms), "in the last second"),
        ("p99", figures.milliseconds(progress.p99_ms), "in the last second"),
        ("errors", f"{progress.errors:,}", figures.clean(", ".join(f"{kind} × {count:,}" for kind, count in kinds))),
        ("in-flight", f"{progress.in_flight:,}", f"{figures.plural(progress.connections, 'connection')} open"),
        ("waiting", f"{progress.backlog:,}", ""),
    ]


def _totals(progress: Progress, summary: LoadSummary) -> list[tuple[str, str, str]]:
    """The tiles of a run that is over."""
    latency = summary.latency_ms
    some = summary.requests > 0
    cold = summary.warm_up_seconds
    of = f"without the first {format_duration(cold)}" if cold else "of the whole run"
    _, *_, errors, in_flight, waiting = _tiles(progress, History())
    return [
        ("rate", f"{figures.number(summary.rate)}/s", f"{figures.plural(summary.all_requests, 'request')} in all"),
        ("p50", figures.milliseconds(latency.p50 if some else None), of),
        ("p99", figures.milliseconds(latency.p99 if some else None), of),
        ("errors", f"{summary.errors:,}", errors[2]),
        (in_flight[0], in_flight[1], ""),
        waiting,
    ]
