"""Error budgets of a watched service, and the alerts they give rise to. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..alerts.alert import AlertState
from ..objectives import Objective, Objectives, Requests
from .state import AlertShown, Budget
from .window import BOUNDS, cell_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...targets import Targets
    from ..alerts.alert import KeptAlert
    from ..resources import Use

__all__ = ["BudgetWatch", "shown_alerts", "shown_budgets"]


class BudgetWatch:
    """Counts requests, and judges the targets by them now and then.

    Args:
        targets: what should be achieved.
    """

    def __init__(self, targets: Targets) -> None:
        self._objectives = Objectives(targets)
        self._state = AlertState()
        self._cells: Counter[int] = Counter()
        self._failed = 0

    def count(self, duration: float, *, failed: bool, count: int) -> None:
        """Take requests that took as long, in seconds."""
        if failed:
            self._failed += count
        else:
            self._cells[cell_of(duration)] += count

    def judge(self, now: float, uses: Sequence[Use]) -> list[Objective]:
        """The targets now.

        Args:
            now: seconds of a clock that rises.
            uses: how the resources fare.
        """
        found = self._objectives.update(now, Requests(dict(self._cells), BOUNDS, self._failed), uses)
        self._state.update(now, found)
        return found

    def alerts(self) -> list[KeptAlert]:
        """Those that are firing and those of late, the newest first."""
        return self._state.kept()


def shown_budgets(objectives: Iterable[Objective]) -> list[Budget]:
    """The budgets of those targets that have one."""
    return [
        Budget(
            target=each.name,
            share=each.budget,
            burns={burn.window.name: None if burn.long is None else round(burn.long, 3) for burn in each.burns},
            burning=each.burning,
        )
        for each in objectives
        if each.budget is not None
    ]


def shown_alerts(alerts: Iterable[KeptAlert], epoch: float) -> list[AlertShown]:
    """Alerts with their moments in seconds since 1970.

    Args:
        alerts: to be shown.
        epoch: seconds since 1970 at zero of their clock.
    """
    return [
        AlertShown(
            at=round(epoch + each.at, 1),
            target=each.alert.target,
            state=each.alert.state,
            window=each.alert.window,
            summary=each.alert.summary,
            firing=each.firing,
        )
        for each in alerts
    ]
