"""Alerts to the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .alert import Alert

__all__ = ["LogChannel"]


class LogChannel:
    """Logs an alert as an error, and that it is over as information; `record.alert` has all of it.

    Args:
        logger: where to; `perfloop.alerts` unless given.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("perfloop.alerts")

    def send(self, alert: Alert) -> None:
        """Log it."""
        level = logging.ERROR if alert.state == "firing" else logging.INFO
        self._logger.log(level, "%s: %s", alert.state, alert.summary, extra={"alert": alert})

    def close(self) -> None:
        """Nothing to end."""
