"""What an alert says, and when one begins, gets worse, and is over: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..objectives import Objective

__all__ = ["Alert", "AlertState", "KeptAlert"]

_QUIET_SECONDS = 300.0
_MOST_KEPT = 20


class Alert(Struct, frozen=True, kw_only=True):
    """That a target's error budget burns, or burns no more."""

    target: str
    """As in `Targets`: `latency_p99`."""
    state: Literal["firing", "resolved"]
    window: str
    """The most urgent window it burns in: `fast` or `slow`; of a resolved one, the last it did."""
    summary: str
    """One sentence for whoever is woken by it."""
    burn_rate: float | None
    """How many times too fast the budget is used up, over the long window."""
    measured: float | None
    """In the last five minutes."""
    limit: float
    unit: str
    """Of `measured` and `limit`."""


class KeptAlert(Struct, frozen=True, kw_only=True):
    """An alert that is remembered."""

    at: float
    """When it was sent, in seconds of the clock it was judged by."""
    alert: Alert
    firing: bool
    """Its budget burns still."""


class _Firing:
    def __init__(self, window: str, now: float, alert: Alert) -> None:
        self.window = window
        self.last = now
        self.kept = KeptAlert(at=now, alert=alert, firing=True)


class AlertState:
    """Turns objectives, judged again and again, into alerts: one when a budget begins to burn, one when it gets more
    urgent, one when it has not burnt for a while. A clock that goes back only makes that while longer or shorter.

    Args:
        quiet: seconds without burning after which an alert is over.
    """

    def __init__(self, *, quiet: float = _QUIET_SECONDS) -> None:
        self._quiet = quiet
        self._firing: dict[str, _Firing] = {}
        self._past: tuple[KeptAlert, ...] = ()

    def update(self, now: float, objectives: Sequence[Objective]) -> list[Alert]:
        """The alerts that are new."""
        alerts = []
        for objective in objectives:
            firing = self._firing.get(objective.name)
            burning = objective.burning
            if burning is None:
                if firing is not None:
                    firing.last = min(firing.last, now)
                    if now - firing.last >= self._quiet:
                        del self._firing[objective.name]
                        alerts.append(_alert(objective, "resolved", firing.window))
                        self._keep(firing.kept, KeptAlert(at=now, alert=alerts[-1], firing=False))
            elif firing is None or _urgency(objective, burning) < _urgency(objective, firing.window):
                alerts.append(_alert(objective, "firing", burning))
                self._firing[objective.name] = _Firing(burning, now, alerts[-1])
                if firing is not None:
                    self._keep(firing.kept)
            else:
                firing.last = now
        return alerts

    def kept(self) -> list[KeptAlert]:
        """Those that are firing and the last that are not, the newest first. Any thread may ask."""
        firing = [each.kept for each in list(self._firing.values())]
        return sorted((*firing, *self._past), key=lambda kept: kept.at, reverse=True)

    def _keep(self, *past: KeptAlert) -> None:
        self._past = (*self._past, *(replace(each, firing=False) for each in past))[-_MOST_KEPT:]


def _urgency(objective: Objective, window: str) -> int:
    names = [burn.window.name for burn in objective.burns]
    return names.index(window) if window in names else len(names)


def _alert(objective: Objective, state: Literal["firing", "resolved"], window: str) -> Alert:
    result = objective.result
    burn = next((each for each in objective.burns if each.window.name == window), None)
    measured = "not measured" if result.measured is None else f"{result.measured:.4g} {result.unit}"
    target = f"{result.name} should be at most {result.target:.4g} {result.unit}, and is {measured}"
    if state == "resolved":
        summary = f"{target}: its error budget burns no more"
    else:
        rate = burn.long if burn is not None and burn.long is not None else 0.0
        hours = 0.0 if burn is None else burn.window.long / 3600
        summary = f"{target}: its error budget burns {rate:.3g} times too fast, over {hours:.3g} h"
    return Alert(
        target=result.name,
        state=state,
        window=window,
        summary=summary,
        burn_rate=None if burn is None else burn.long,
        measured=result.measured,
        limit=result.target,
        unit=result.unit,
    )
