"""Watching a service: started with the light agent inside, its figures kept up to date until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
import time
from typing import TYPE_CHECKING

import psutil

from ..exceptions import ServiceDied, ServiceLost
from ..monitoring.live import LiveRecorder, read_processes
from ..monitoring.resources import ResourceSampler, machine_kinds
from ..monitoring.resources.cgroup import Cgroup
from ..telemetry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..monitoring import Objective, Service
    from ..monitoring.live import LiveState
    from ..targets import Targets

__all__ = ["Readings", "recorder_of_this_machine", "watch"]

_EVERY = 0.5
_READINGS_EVERY = 1.0
_SAMPLES_EVERY = 2.0
_JUDGED_EVERY = 5.0
_LONGEST_GAP = 10.0
"""Seconds: a resource that was sampled before a longer one begins anew: its mean would tell nothing of now."""


class Readings:
    """What the kernel says of a service's processes and of the machine, for a recorder.

    Args:
        recorder: takes it.
    """

    def __init__(self, recorder: LiveRecorder) -> None:
        self._recorder = recorder
        self._pids: Sequence[int] = ()
        self._sampler = ResourceSampler(Registry(), machine_kinds(lambda: self._pids))
        self._sampled: float | None = None

    def read(self, pids: Sequence[int], now: float) -> None:
        """Read what is due; takes some milliseconds, and is not to be done by two threads at once."""
        self._pids = pids
        self._recorder.add_reading(read_processes(pids, now))
        if self._sampled is None or now - self._sampled > _LONGEST_GAP:
            self._sampler.start()
            self._sampled = now
            self._recorder.set_resources(())
        elif now - self._sampled >= _SAMPLES_EVERY:
            self._sampled = now
            self._recorder.set_resources(self._sampler.sample())


def recorder_of_this_machine(title: str, targets: Targets | None) -> LiveRecorder:
    """A recorder that begins now, with the processors and the memory that this process' control group may use.

    Args:
        title: what is watched, without secrets.
        targets: what it should achieve; None: the defaults.
    """
    now = time.monotonic()
    group = Cgroup()
    return LiveRecorder(
        title,
        targets=targets,
        processors=min(_processors(), group.cpu().limit or math.inf),
        memory_bytes=min(psutil.virtual_memory().total, group.memory().limit or sys.maxsize),
        now=now,
        epoch=time.time() - now,
    )


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def watch(
    service: Service,
    recorder: LiveRecorder,
    *,
    stop: asyncio.Event,
    publish: Callable[[LiveState], None],
    started: Callable[[], None] = lambda: None,
    judged: Callable[[list[Objective]], object] = lambda _: None,
    notes: Callable[[], Sequence[str]] = lambda: (),
    seconds: float | None = None,
) -> None:
    """Start the service, and say twice a second what it does; stop it at the end.

    Args:
        service: not started yet, with `light=True`.
        recorder: takes what is seen.
        stop: set to end.
        publish: called with the state of the moment, and once with the last.
        started: called when it answers.
        judged: called with the targets each time they were judged, every five seconds; quickly.
        notes: what else the figures lack.
        seconds: end by itself so long after that.

    Raises:
        ServiceLost: the service has ended after it had started.
        ConfigurationError, NoServer, PortInUse, ServiceDied, ServiceNotReady: it did not start, see `Service`.
    """
    ready = False

    def tell(*, ended: bool = False) -> None:
        publish(recorder.state(time.monotonic(), ready=ready, ended=ended, notes=[*service.notes, *notes()]))

    try:
        if not await _start(service, stop, tell):
            return
        ready = True
        started()
        end = None if seconds is None else time.monotonic() + seconds
        read = judged_at = 0.0
        readings = Readings(recorder)
        while not stop.is_set() and (end is None or time.monotonic() < end):
            _check_alive(service)
            recorder.add(await service.take_observations(), time.monotonic())
            now = time.monotonic()
            if now - read >= _READINGS_EVERY:
                read = now
                await asyncio.to_thread(_read, readings, service, now)
            if now - judged_at >= _JUDGED_EVERY:
                judged_at = now
                judged(recorder.judge(now))
            tell()
            await _pause(stop)
    finally:
        await service.stop()
        # What its processes said when they ended.
        recorder.add(await service.take_observations(), time.monotonic())
        tell(ended=True)


async def _start(service: Service, stop: asyncio.Event, tell: Callable[[], None]) -> bool:
    """Whether it answers; False when it was told to stop before."""
    entering = asyncio.ensure_future(service.__aenter__())
    try:
        while not entering.done() and not stop.is_set():
            tell()
            await asyncio.wait({entering}, timeout=_EVERY)
        if not entering.done():
            return False
        entering.result()
        return True
    finally:
        if not entering.done():
            entering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await entering


def _check_alive(service: Service) -> None:
    try:
        service.check_alive()
    except ServiceDied as died:
        raise ServiceLost.keeping(died, None) from died


def _read(readings: Readings, service: Service, now: float) -> None:
    readings.read(service.processes(), now)


async def _pause(stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), _EVERY)
