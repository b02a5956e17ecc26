"""What a registry's requests were since the last look: the middleware's own counts, for a recorder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..agent.protocol import UNMATCHED
from ..monitoring.live import SlowRequest
from ..telemetry import Distribution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..monitoring.live import LiveRecorder
    from ..monitoring.requests import SlowRequest as Slow
    from ..telemetry import FamilySnapshot

__all__ = ["DURATIONS", "RegistryFeed", "shown_slow"]

DURATIONS = "http.server.request.duration"
_METHOD, _ROUTE, _STATUS, _ERROR = (
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "error.type",
)
_LONGEST_GAP = 5.0
"""Seconds: after a longer one nobody knows when what was counted meanwhile happened, and it is left out."""


class RegistryFeed:
    """Gives a recorder the difference between two looks at the metrics of requests. Pure.

    Args:
        recorder: takes the requests.
        hidden: routes that are not to be shown.
    """

    def __init__(self, recorder: LiveRecorder, *, hidden: Callable[[str], bool] = lambda route: False) -> None:
        self._recorder = recorder
        self._hidden = hidden
        self._seen: dict[tuple[str, ...], dict[int, int]] = {}
        self._looked: float | None = None
        self._seen_slow: set[tuple[int, float, float, str]] = set()

    def look(self, families: Iterable[FamilySnapshot], slow: Sequence[Slow], now: float, epoch: float) -> None:
        """Take what has come since the last look; the first one only notes where counting begins.

        Args:
            families: of the registry, now.
            slow: the last slow requests, of all processes, in any order.
            now: the moment, seconds of the recorder's clock.
            epoch: seconds since 1970 at zero of that clock.
        """
        counts = self._looked is not None and now - self._looked <= _LONGEST_GAP
        self._looked = now
        family = next((each for each in families if each.name == DURATIONS), None)
        seen: dict[tuple[str, ...], dict[int, int]] = {}
        for series in family.series if family is not None else ():
            assert family is not None
            if not isinstance(series.value, Distribution):
                continue
            seen[series.labels] = series.value.cells
            labels = dict(zip(family.label_names, series.labels, strict=True))
            route = labels.get(_ROUTE) or UNMATCHED
            if counts and not self._hidden(route):
                self._count(labels, route, series.value, self._seen.get(series.labels, {}), now)
        self._seen = seen
        listed = {(each.pid, each.at, each.duration, each.route): each for each in slow}
        for key, each in sorted(listed.items(), key=lambda entry: entry[1].at):
            if key not in self._seen_slow and not self._hidden(each.route):
                self._recorder.add_slow(each.at - epoch, shown_slow(each))
        self._seen_slow = set(listed)

    def _count(
        self, labels: dict[str, str], route: str, value: Distribution, before: dict[int, int], now: float
    ) -> None:
        name = f"{labels.get(_METHOD, '')} {route}"
        status = labels.get(_STATUS, "")
        failed = status.startswith("5") or (not status and bool(labels.get(_ERROR)))
        for cell, count in value.cells.items():
            more = count - before.get(cell, 0)
            if more > 0:
                duration = value.bounds[min(cell, len(value.bounds) - 1)]
                self._recorder.count(name, now, duration, failed=failed, count=more)


def shown_slow(slow: Slow) -> SlowRequest:
    """The middleware's slow request as the live page shows one."""
    return SlowRequest(
        method=slow.method,
        route=slow.route,
        status=slow.status,
        error=slow.error or None,
        ended=round(slow.at, 3),
        duration_ms=round(slow.duration * 1000, 3),
        first_byte_ms=round((slow.duration if slow.first_byte is None else slow.first_byte) * 1000, 3),
        parts_ms={part: round(seconds * 1000, 3) for part, seconds in slow.breakdown.items()},
        statements=[],
        span_id=slow.span_id,
        pid=slow.pid,
    )
