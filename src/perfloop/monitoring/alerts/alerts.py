"""Sends the alerts that objectives give rise to through every channel."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from ...clock import MONOTONIC, Clock
from ...telemetry import DEFAULT_REGISTRY, Registry
from .alert import Alert, AlertState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..objectives import Objective

__all__ = ["Alerts", "Channel"]

_LOGGER = logging.getLogger("perfloop.alerts")


class Channel(Protocol):
    """A way to tell somebody."""

    def send(self, alert: Alert) -> None:
        """Tell of an alert, or that one is over. Quickly: what takes long is done elsewhere."""

    def close(self) -> None:
        """Finish what is under way."""


class Alerts:
    """Give its `update` to an `ObjectiveMonitor`. A channel that fails is logged, and costs the others nothing.

    Args:
        channels: told of each alert, in this order.
        registry: where `perfloop.alerts` is counted.
        state: decides when an alert begins and ends.
        clock: what time it is.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        *,
        registry: Registry = DEFAULT_REGISTRY,
        state: AlertState | None = None,
        clock: Clock = MONOTONIC,
    ) -> None:
        self._channels = list(channels)
        self._state = state or AlertState()
        self._clock = clock
        self._count = registry.counter("perfloop.alerts", "Alerts.", labels=["target", "state"])

    def update(self, objectives: Sequence[Objective]) -> list[Alert]:
        """Send what is new about the objectives, and give it."""
        alerts = self._state.update(self._clock.now(), objectives)
        for alert in alerts:
            self._count.labels(alert.target, alert.state).inc()
            for channel in self._channels:
                try:
                    channel.send(alert)
                except Exception as error:
                    _LOGGER.warning("an alert was not sent by %s: %s", type(channel).__name__, type(error).__name__)
        return alerts

    def close(self) -> None:
        """Let every channel finish what is under way."""
        for channel in self._channels:
            try:
                channel.close()
            except Exception as error:
                _LOGGER.warning("%s was not closed: %s", type(channel).__name__, type(error).__name__)
