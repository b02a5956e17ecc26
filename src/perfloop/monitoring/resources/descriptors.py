"""Open file descriptors and threads of this process, and how many it may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psutil

from .use import Use

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...telemetry import Registry

__all__ = ["DescriptorReading", "Descriptors", "read_descriptors"]


class DescriptorReading(NamedTuple):
    """What the process has open."""

    descriptors: int
    most_descriptors: int | None
    """The soft limit (`ulimit -n`); None for no limit."""
    threads: int


def read_descriptors() -> DescriptorReading:
    """What the system tells now."""
    import resource

    process = psutil.Process()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return DescriptorReading(
        process.num_fds(), None if limit == resource.RLIM_INFINITY else limit, process.num_threads()
    )


class Descriptors:
    """Publishes `process.open_file_descriptor.count` and `process.thread.count`."""

    def __init__(self, registry: Registry, read: Callable[[], DescriptorReading] = read_descriptors) -> None:
        self._read = read
        self._descriptors = registry.gauge(
            "process.open_file_descriptor.count", "Open file descriptors.", unit="{descriptor}"
        )
        self._limit = registry.gauge(
            "process.open_file_descriptor.limit",
            "Most descriptors the process may open.",
            unit="{descriptor}",
            merge="max",
        )
        self._threads = registry.gauge("process.thread.count", "Threads of the process.", unit="{thread}")

    def start(self) -> None:
        """Nothing to begin with."""

    def stop(self) -> None:
        """Nothing to give back."""

    def sample(self, elapsed: float) -> list[Use]:
        """Publish what is open now."""
        found = self._read()
        self._descriptors.set(found.descriptors)
        self._threads.set(found.threads)
        share = None
        if found.most_descriptors:
            self._limit.set(found.most_descriptors)
            share = min(found.descriptors / found.most_descriptors, 1.0)
        return [Use(resource="descriptors", utilisation=share)]
