"""Network interfaces, but for loopback: what goes through them, what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psutil

from .use import Use

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...telemetry import Registry

__all__ = ["Network", "NetworkReading", "read_network"]


class NetworkReading(NamedTuple):
    """Of all interfaces together, since some beginning."""

    received: int
    sent: int
    errors: int
    dropped: int
    bytes_per_second: float | None
    """What they can carry in each direction; None where one does not tell."""


def read_network() -> NetworkReading:
    """What the system tells now."""
    try:
        interfaces = psutil.net_io_counters(pernic=True)
        states = psutil.net_if_stats()
    except (psutil.Error, OSError):
        interfaces, states = {}, {}
    loops = {name for name, state in states.items() if "loopback" in getattr(state, "flags", "").split(",")} | {"lo"}
    used = {name: counted for name, counted in interfaces.items() if name not in loops}
    speeds = [states[name].speed for name in used if name in states and states[name].isup]
    return NetworkReading(
        received=sum(each.bytes_recv for each in used.values()),
        sent=sum(each.bytes_sent for each in used.values()),
        errors=sum(each.errin + each.errout for each in used.values()),
        dropped=sum(each.dropin + each.dropout for each in used.values()),
        bytes_per_second=sum(speeds) * 125_000
        if speeds and all(speed not in (0, 65_535) for speed in speeds)
        else None,
    )


class Network:
    """Publishes `system.network.throughput`, of the process' network namespace: no process is counted by itself."""

    def __init__(self, registry: Registry, read: Callable[[], NetworkReading] = read_network) -> None:
        self._read = read
        # The largest, and no sum: all workers see the same interfaces.
        directions = registry.gauge(
            "system.network.throughput",
            "Bytes a second through the network interfaces, but for loopback.",
            unit="By/s",
            labels=["network.io.direction"],
            merge="max",
        )
        self._received, self._sent = directions.labels("receive"), directions.labels("transmit")

    def start(self) -> None:
        """Count from here."""
        self._before = self._first = self._read()

    def stop(self) -> None:
        """Nothing to give back."""

    def sample(self, elapsed: float) -> list[Use]:
        """Publish what happened in the `elapsed` seconds since the last sample."""
        before, after = self._before, self._read()
        self._before = after
        if elapsed <= 0:
            return []
        received = max(after.received - before.received, 0) / elapsed
        sent = max(after.sent - before.sent, 0) / elapsed
        self._received.set(received)
        self._sent.set(sent)
        can = after.bytes_per_second
        return [
            Use(
                resource="network",
                utilisation=None if not can else min(max(received, sent) / can, 1.0),
                saturation=max(after.dropped - before.dropped, 0) / elapsed,
                saturation_is="packets dropped a second",
                saturation_unit="/s",
                errors=max(after.errors - self._first.errors, 0),
                errors_are="packets that were damaged or could not be sent",
                throughput={"received": received, "sent": sent},
            )
        ]
