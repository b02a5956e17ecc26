"""What a service does now: the figures that the live page, the terminal and `--json` show alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from ...records import TargetResult
    from ...telemetry.caches import CacheFigures
    from ...telemetry.resilience import PartFigures
    from ..resources import Use
    from .resources import Usage
    from .slowest import SlowRequest

__all__ = [
    "AlertShown",
    "Budget",
    "CacheState",
    "LiveState",
    "Memory",
    "PartCourse",
    "PartState",
    "Points",
    "RouteFigures",
]


class RouteFigures(Struct, frozen=True, kw_only=True):
    """One route, or all of them, in the window."""

    route: str
    """`GET /orders/{id}`; `all routes` for the sum."""
    requests: int
    failed: int
    """Answered with 5xx, or ended by an exception."""
    rate: float
    """Requests a second."""
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    parts_ms: dict[str, float]
    """Milliseconds of a mean request by part of the latency breakdown; empty where nothing tells."""


class Points(Struct, frozen=True, kw_only=True):
    """The last minutes by second, in columns; None where nothing was measured."""

    at: list[float]
    """Seconds since 1970, at the start of each."""
    rate: list[float]
    p50_ms: list[float | None]
    p99_ms: list[float | None]
    errors: list[float]
    cpu: list[float | None]
    """Processors in use."""
    rss_bytes: list[float | None]


class Memory(Struct, frozen=True, kw_only=True):
    """Whether memory leaks, of the process of which that is the surest."""

    kind: str
    """`python leak`, `native leak`, `fragmentation`, `cache fill`, `none`, or `not enough data`."""
    leaking: bool
    reason: str
    """In words."""
    pid: int | None = None


class Budget(Struct, frozen=True, kw_only=True):
    """How fast the error budget of a target is used up."""

    target: str
    """As in `Targets`."""
    share: float
    """Share of the requests, or of the time, that may miss it."""
    burns: dict[str, float | None]
    """How many times too fast, over the long window of `fast` and `slow`; None: too little happened to say."""
    burning: str | None
    """The most urgent window in which it is too fast."""


class AlertShown(Struct, frozen=True, kw_only=True):
    """An alert that is firing, or was of late."""

    at: float
    """Seconds since 1970."""
    target: str
    state: str
    """`firing` or `resolved`."""
    window: str
    summary: str
    firing: bool
    """It is not over."""


class CacheState(Struct, frozen=True, kw_only=True):
    """One cache, of all processes that have one of its name."""

    seconds: float
    """How many of the window were seen."""
    late: CacheFigures
    """In the window; sizes, and what other sizes would find, as they are now."""
    whole: CacheFigures
    """Since it was made, or since the service is watched."""


class PartCourse(Struct, frozen=True, kw_only=True):
    """The last five minutes of a part by second, in columns, the present one last."""

    states: list[str]
    """The worst that one of its name was in; empty where nobody looked, or it has none."""
    shares: list[float]
    """Of those of its name, how many are not closed."""
    rejected: list[float | None]
    """Calls that did not begin; None where nobody looked."""


class PartState(Struct, frozen=True, kw_only=True):
    """One part of a policy, of all processes that have one of its name."""

    seconds: float
    """How many of the window were seen."""
    late: PartFigures
    """Counts of the window; gauges and states as they are now."""
    whole: PartFigures
    """Since it was made, or since the service is watched."""
    course: PartCourse | None = None


class LiveState(Struct, frozen=True, kw_only=True):
    """Everything at one moment."""

    at: float
    """Seconds since 1970."""
    title: str
    """What is watched."""
    status: str
    """`starting`, `running`, `idle` (no request in the window) or `ended`."""
    uptime_seconds: float
    """Since it is watched."""
    window_seconds: int
    """What rates, percentiles and errors are of."""
    requests: int
    """All that were seen."""
    failed: int
    all_routes: RouteFigures
    routes: list[RouteFigures]
    """Those that took the most time first."""
    usage: Usage | None
    resources: list[Use]
    """Utilisation, saturation and errors of the machine, or of what the control group may use of it."""
    targets: list[TargetResult]
    budgets: list[Budget]
    """Of those targets that have one; empty before they were judged, or where nobody does."""
    alerts: list[AlertShown]
    """The newest first."""
    memory: Memory | None
    """None where it is not watched."""
    caches: list[CacheState]
    """Those of perfloop, with the most look-ups first."""
    parts: list[PartState]
    """Of policies, those that let nobody through first."""
    slowest: list[SlowRequest]
    """Of the last minutes, slowest first."""
    events: list[tuple[float, str]]
    """Processes that came and went, oldest first, each with its moment in seconds since 1970."""
    notes: list[str]
    """What the figures lack, in words."""
    points: Points | None = None
