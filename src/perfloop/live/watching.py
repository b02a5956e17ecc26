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
from ..monitoring.resources.cgroup import Cgroup

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..monitoring import Service
    from ..monitoring.live import LiveState, Reading
    from ..targets import Targets

__all__ = ["recorder_of_this_machine", "watch"]

_EVERY = 0.5
_READINGS_EVERY = 1.0


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
    seconds: float | None = None,
) -> None:
    """Start the service, and say twice a second what it does; stop it at the end.

    Args:
        service: not started yet, with `light=True`.
        recorder: takes what is seen.
        stop: set to end.
        publish: called with the state of the moment, and once with the last.
        started: called when it answers.
        seconds: end by itself so long after that.

    Raises:
        ServiceLost: the service has ended after it had started.
        ConfigurationError, NoServer, PortInUse, ServiceDied, ServiceNotReady: it did not start, see `Service`.
    """
    ready = False

    def tell(*, ended: bool = False) -> None:
        publish(recorder.state(time.monotonic(), ready=ready, ended=ended, notes=service.notes))

    try:
        if not await _start(service, stop, tell):
            return
        ready = True
        started()
        end = None if seconds is None else time.monotonic() + seconds
        read = 0.0
        while not stop.is_set() and (end is None or time.monotonic() < end):
            _check_alive(service)
            recorder.add(await service.take_observations(), time.monotonic())
            now = time.monotonic()
            if now - read >= _READINGS_EVERY:
                read = now
                recorder.add_reading(await asyncio.to_thread(_read, service, now))
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


def _read(service: Service, now: float) -> Reading:
    return read_processes(service.processes(), now)


async def _pause(stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), _EVERY)
