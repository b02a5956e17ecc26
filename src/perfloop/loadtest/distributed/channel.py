"""How the coordinator reaches one worker: on this machine by pipes, on others through a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .messages import FromWorker, ToWorker

__all__ = ["Channel"]


class Channel(Protocol):
    """One worker."""

    name: str
    """As reports name it."""
    clock_offset: float
    """Seconds its monotonic clock is ahead of ours."""
    clock_error: float
    """Seconds the offset may be wrong by."""

    async def start(self, plan: bytes) -> None:
        """Start it with its plan.

        Raises:
            PerfloopError: it cannot be started.
        """

    async def receive(self) -> FromWorker:
        """Its next message.

        Raises:
            WorkerLost: none will come.
        """

    def send(self, message: ToWorker) -> None:
        """Tell it something; what does not arrive is a loss that `receive` tells."""

    async def close(self) -> None:
        """End it, if it has not ended, and leave nothing of it behind."""
