"""Open file descriptors and threads of this process, and how many it may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psutil

from .use import Use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...telemetry import Registry

__all__ = ["DescriptorReading", "Descriptors", "OpenDescriptors", "read_descriptors"]


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


def _scarcest(pids: Iterable[int]) -> float | None:
    """The share of its descriptors that the process has open which has the fewest left (Linux); None: not told."""
    shares = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            limit = process.rlimit(psutil.RLIMIT_NOFILE)[0]
            shares.append(process.num_fds() / limit if limit > 0 else 0.0)
        except (psutil.Error, OSError, AttributeError):  # it has ended, or is somebody else's; macOS has no limits
            continue
    return min(max(shares), 1.0) if shares else None


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


class OpenDescriptors:
    """How many of its descriptors the process has open, of several, that has the fewest left. Publishes nothing."""

    def __init__(self, processes: Callable[[], Iterable[int]]) -> None:
        self._processes = processes

    def start(self) -> None:
        """Nothing to begin with."""

    def stop(self) -> None:
        """Nothing to give back."""

    def sample(self, elapsed: float) -> list[Use]:
        """What is open now."""
        return [Use(resource="descriptors", utilisation=_scarcest(self._processes()))]
