"""Samples every kind of resource now and then, from a thread of its own."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol

from ...clock import MONOTONIC, Clock
from ...telemetry import DEFAULT_REGISTRY, Registry
from ..periodic import Periodic, PeriodicMonitor
from .cgroup import Cgroup
from .cpu import Cpu, read_cpu
from .descriptors import Descriptors, OpenDescriptors
from .disk import Disk, read_disk
from .garbage import Garbage
from .loop_lag import LoopLag, LoopWatch
from .memory import Memory
from .network import Network

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Sequence

    from .use import Use

__all__ = ["KINDS", "Kind", "ResourceMonitor", "ResourceSampler", "machine_kinds"]

_LOGGER = logging.getLogger("perfloop.monitoring")
_INTERVAL_SECONDS = 5.0


class Kind(Protocol):
    """One kind of resource: made with a registry, it publishes what it sees there."""

    def start(self) -> None:
        """Begin to count; again in a child process."""

    def sample(self, elapsed: float) -> list[Use]:
        """Publish what happened in the seconds since the last sample, and say how the resource fared."""

    def stop(self) -> None:
        """Give back what `start` took."""


KINDS: tuple[Callable[[Registry], Kind], ...] = (
    Cpu,
    Memory,
    Disk,
    Network,
    Descriptors,
    Garbage,
)


def machine_kinds(processes: Callable[[], Iterable[int]]) -> tuple[Callable[[Registry], Kind], ...]:
    """What is sampled of a machine and of a service's processes from outside of them.

    Args:
        processes: gives their numbers.
    """
    cgroup = Cgroup()
    return (
        lambda registry: Cpu(registry, lambda: read_cpu(cgroup, children=False)),
        Memory,
        lambda registry: Disk(registry, lambda: read_disk(cgroup, processes())),
        Network,
        lambda _: OpenDescriptors(processes),
    )


class ResourceSampler:
    """Samples kinds of resources when it is told to. One that fails is left out of that sample, and said once.

    Args:
        registry: where they publish.
        kinds: what is sampled.
        clock: tells how far samples are apart.
    """

    def __init__(
        self, registry: Registry, kinds: Sequence[Callable[[Registry], Kind]], *, clock: Clock = MONOTONIC
    ) -> None:
        self._clock = clock
        self._kinds = [kind(registry) for kind in kinds]
        self._running: list[Kind] = []
        self._failed: set[str] = set()
        self._uses: list[Use] = []
        self._sampling = threading.Lock()

    def start(self) -> None:
        """Count from here; again in a child process."""
        self._sampling = threading.Lock()
        self._running = [kind for kind in self._kinds if self._done(kind, kind.start)]
        self._last = self._clock.now()

    def stop(self) -> None:
        """Give back what `start` took."""
        for kind in self._running:
            self._done(kind, kind.stop)

    def uses(self) -> list[Use]:
        """How every resource fared in the last sample; empty before the first."""
        return self._uses

    def sample(self) -> list[Use]:
        """Take a sample now, in this thread, between `start` and `stop`."""
        with self._sampling:
            now = self._clock.now()
            elapsed, self._last = now - self._last, now
            uses: list[Use] = []
            for kind in self._running:
                self._done(kind, lambda kind=kind: uses.extend(kind.sample(elapsed)))  # type: ignore[misc]
            self._uses = uses
            return uses

    def _done(self, kind: Kind, work: Callable[[], object]) -> bool:
        """Do it; False, said once, where it fails: one figure the system does not give must not cost the others."""
        try:
            work()
        except Exception as error:
            name = type(kind).__name__
            if name not in self._failed:
                self._failed.add(name)
                _LOGGER.warning("resources: %s cannot be sampled: %s: %s", name, type(error).__name__, error)
            return False
        return True


class ResourceMonitor(PeriodicMonitor):
    """Publishes the resources of this process and its machine, from `start` to `stop`.

    In a process forked meanwhile it goes on, from zero. A kind that fails is left out of that sample, and said once.

    Args:
        registry: where it publishes.
        interval: seconds between samples.
        kinds: what is sampled beside the event loop.
        clock: tells how far samples are apart.

    Raises:
        InvalidValue: an interval that is not above 0.
    """

    def __init__(
        self,
        registry: Registry = DEFAULT_REGISTRY,
        *,
        interval: float = _INTERVAL_SECONDS,
        kinds: Sequence[Callable[[Registry], Kind]] = KINDS,
        clock: Clock = MONOTONIC,
    ) -> None:
        self._lag = LoopLag(registry)
        self._sampler = sampler = ResourceSampler(registry, [*kinds, lambda _: self._lag], clock=clock)
        super().__init__(
            Periodic(
                sampler.sample,
                interval,
                name="perfloop-resources",
                begin=sampler.start,
                end=sampler.stop,
                forked=lambda: None,
            )
        )

    def watch_loop(self, loop: asyncio.AbstractEventLoop | None = None) -> LoopWatch:
        """Watch how late an event loop is, the running one unless another is given, until the watch is stopped.

        Raises:
            RuntimeError: no loop is running, and none was given.
        """
        return self._lag.watch(loop)

    def uses(self) -> list[Use]:
        """Utilisation, saturation and errors of every resource in the last sample; empty before the first."""
        return self._sampler.uses()

    def sample(self) -> list[Use]:
        """Take a sample now, in this thread, between `start` and `stop`. The monitor takes its own by itself."""
        return self._sampler.sample()
