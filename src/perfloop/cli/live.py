"""The live view of a load test: a few redrawn lines on a terminal, plain lines elsewhere.

It shares the process with the load generator, so it must not cost the measurement anything: the engine only stores
its latest figures here, a thread of its own draws them (a terminal that stops reading, Ctrl-S, blocks that thread
alone), and a frame is a few formatted strings rather than a rich layout, some hundred times cheaper.
"""

from __future__ import annotations

import shutil
from collections import deque
from typing import NamedTuple, Protocol, TextIO

from ..units import format_duration, format_rate
from .drawn import Drawn

__all__ = ["Figures", "LiveView", "Plan", "frame", "plain_line", "planned", "sparkline", "time_left"]

_BARS = "▁▂▃▄▅▆▇█"
_REDRAW_SECONDS = 0.25
_PLAIN_SECONDS = 2.0
_HISTORY = 240


class Figures(Protocol):
    """What the engine says about a run under way; latencies in milliseconds, None before the first response."""

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""

    @property
    def requests(self) -> int:
        """Finished so far."""

    @property
    def errors(self) -> int:
        """Failed so far."""

    @property
    def in_flight(self) -> int:
        """Sent and not answered."""

    @property
    def backlog(self) -> int:
        """Due and waiting for a connection."""

    @property
    def rate(self) -> float:
        """Finished a second, of late."""

    @property
    def phase(self) -> str:
        """What the arrival profile does; empty without one."""

    @property
    def planned_rate(self) -> float | None:
        """Requests a second the profile plans now."""

    @property
    def p50_ms(self) -> float | None:
        """Median latency of late."""

    @property
    def p99_ms(self) -> float | None:
        """99th percentile of latency of late."""


class Plan(NamedTuple):
    """What the view says of the run itself."""

    title: str
    """For example the URL, without secrets."""
    duration: float | None
    """Seconds; None when only the number of requests ends it."""
    request_limit: int | None
    profile: bool = False
    """The rate varies: the phase and the rate planned are shown."""


class LiveView(Drawn):
    """Shows a run's progress until it is left.

    Args:
        plan: the run.
        stream: stderr by default; redrawn in place when it is a terminal.
        enabled: False shows nothing.
        interval: seconds between two looks; 0.25 on a terminal and 2 elsewhere by default.
    """

    def __init__(
        self, plan: Plan, *, stream: TextIO | None = None, enabled: bool = True, interval: float | None = None
    ) -> None:
        super().__init__("perfloop-live", stream)
        self._plan = plan
        self._draws = enabled
        self._interval = interval or (_REDRAW_SECONDS if self._terminal else _PLAIN_SECONDS)
        self._history: deque[Figures] = deque(maxlen=_HISTORY)
        self._drawn = 0
        self._told = (0.0, 0)
        """Seconds and requests at the last plain line."""

    def update(self, figures: Figures) -> None:
        """Take the latest figures; called by the engine, costs a call."""
        self._history.append(figures)

    @property
    def started(self) -> bool:
        """The run has said something."""
        return bool(self._history)

    def _draw_until_ended(self) -> None:
        while not self._ended.wait(self._interval):
            if self._history:
                self._draw(list(self._history))
        self._write(self._clear())

    def _draw(self, history: list[Figures]) -> None:
        figures = history[-1]
        if not self._terminal:
            # The engine's rate is of late, the line's of all the time since the one before.
            elapsed, requests = self._told
            self._told = figures.elapsed, figures.requests
            passed = figures.elapsed - elapsed
            rate = (figures.requests - requests) / passed if passed > 0 else figures.rate
            self._write(plain_line(figures, self._plan, rate) + "\n")
            return
        width = min(shutil.get_terminal_size((80, 24)).columns, 100) - 1
        lines = frame(history, self._plan, width, coloured=self._coloured)
        text = self._clear() + "\n".join(lines) + "\n"
        self._drawn = len(lines)
        self._write(text)

    def _clear(self) -> str:
        drawn, self._drawn = self._drawn, 0
        return f"\x1b[{drawn}A\r\x1b[J" if drawn else ""


def frame(history: list[Figures], plan: Plan, width: int, *, coloured: bool) -> list[str]:
    """The lines of one redraw, none wider than `width`; `history` ends with the figures of now. Pure."""
    figures = history[-1]
    left = time_left(figures, plan)
    head = f"{format_duration(round(figures.elapsed, 1))}{f' · {left}' if left else ''}"
    title_width = max(0, width - len(head) - 4)
    title = plan.title if len(plan.title) <= title_width else plan.title[: max(0, title_width - 1)] + "…"
    errors = f"{figures.errors:,} error{'' if figures.errors == 1 else 's'}"
    counts = f"  requests  {figures.requests:>9,}     {errors} · {figures.in_flight:,} in flight"
    if figures.backlog:
        counts += f" · {figures.backlog:,} waiting"

    def course(name: str, value: str, values: list[float]) -> str:
        line = f"  {name:<8}  {value:>11}   "
        return (line + sparkline(values, max(0, min(40, width - len(line)))))[:width].rstrip()

    lines = [
        f"  {title}{' ' * max(2, width - len(title) - len(head) - 2)}{head}"[:width],
        course("rate", f"{figures.rate:,.0f}/s", [each.rate for each in history]),
        course("p99", _milliseconds(figures.p99_ms), [each.p99_ms or 0.0 for each in history]),
        course("p50", _milliseconds(figures.p50_ms), []),
        counts[:width],
    ]
    if plan.profile:
        lines.insert(1, f"  profile   {planned(figures):>9}/s   {figures.phase}"[:width])
    if coloured:
        lines[0] = f"\x1b[1m{lines[0]}\x1b[0m"
        if figures.errors:
            lines[-1] = lines[-1].replace(errors, f"\x1b[31m{errors}\x1b[0m", 1)
    return lines


def plain_line(figures: Figures, plan: Plan, rate: float) -> str:
    """One line of progress for logs; `rate`: requests finished a second since the line before. Pure."""
    left = time_left(figures, plan)
    parts = [
        f"{figures.elapsed:.0f} s",
        format_rate(rate),
        f"p50 {_milliseconds(figures.p50_ms)}",
        f"p99 {_milliseconds(figures.p99_ms)}",
        f"{figures.errors:,} error{'' if figures.errors == 1 else 's'}",
    ]
    if figures.backlog:
        parts.append(f"{figures.backlog:,} waiting")
    if plan.profile:
        parts.append(f"{figures.phase} ({planned(figures)}/s planned)")
    if left:
        parts.append(left)
    return "  ".join(parts)


def sparkline(values: list[float], width: int) -> str:
    """The last `width` values as bars from zero to the greatest of them. Pure."""
    shown = values[-width:] if width > 0 else []
    top = max(shown, default=0.0)
    if top <= 0:
        return _BARS[0] * len(shown)
    return "".join(_BARS[min(7, int(8 * max(0.0, value) / top))] for value in shown)


def time_left(figures: Figures, plan: Plan) -> str:
    """How long until the run's end, or what it waits for; empty where nobody can say. Pure."""
    estimates = []
    if plan.duration is not None:
        estimates.append(plan.duration - figures.elapsed)
    if plan.request_limit is not None and figures.rate > 0:
        estimates.append((plan.request_limit - figures.requests) / figures.rate)
    if not estimates:
        return ""
    left = min(estimates)
    # From then on it only waits for what is under way.
    return format_duration(max(1, round(left))) + " left" if left > 0 else f"waiting for {figures.in_flight:,}"


def planned(figures: Figures) -> str:
    """The rate that the profile plans now, without its unit. Pure."""
    rate = figures.planned_rate or 0.0
    return f"{rate:,.0f}" if rate >= 10 or not rate else f"{rate:.1f}"


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else format_duration(value / 1000)
