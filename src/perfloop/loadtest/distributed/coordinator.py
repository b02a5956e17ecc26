"""A run that several workers make together: they begin at one moment, and what they recorded becomes one outcome.

Each worker opens its connections and says so; when all have, all are told when to begin. A worker that is lost in the
run does not end it: the others go on, and the outcome is partial, names the worker, and cannot be trusted.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING

import numpy as np
from msgspec import structs

from ... import exceptions
from ..._version import __version__
from ...exceptions import ConfigurationError, PerfloopError, WorkerLost
from ...records import SlowRequest, WorkerResult
from ..checkpoints import WarmUp
from ..outcome import conclude
from ..parts import Part, part_of
from ..recording import SAMPLE_DTYPES, Samples
from ..slowest import MOST
from .merging import Merged
from .messages import Begin, Ended, Failed, Heartbeat, Ready, Report, Stop
from .plan import encode_plan

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from typing import Any

    from ..options import LoadOptions
    from ..outcome import LoadOutcome, OnProgress
    from .channel import Channel

__all__ = ["run_on"]

_PROGRESS_EVERY = 0.25
_LEAD = 0.1
"""Seconds between telling the workers to begin and the beginning, besides the way to them."""
_MOST_REASONS = 6
"""That are told of the whole run: of many workers many say the same."""
_SILENCE = 15.0
"""Seconds without a word, beside the timeout of requests, after which a worker is lost."""


async def run_on(
    channels: Sequence[Channel],
    options: LoadOptions,
    *,
    on_progress: OnProgress | None = None,
    stop: asyncio.Event | None = None,
    files: Mapping[str, bytes] | None = None,
    clock_wait: float = 0.0,
) -> LoadOutcome:
    """Run a load test on workers.

    Args:
        channels: to the workers, each not started yet. They are closed at the end.
        on_progress: called about four times a second.
        stop: set it to end the test at once; the outcome is then partial.
        files: that the scenario needs and the workers' machines may not have.
        clock_wait: seconds that a message takes to any of them at most.

    Raises:
        PerfloopError: what a worker raised before it began, or what broke its run off; a worker that cannot be started.
    """
    options.validate()
    parts = [part_of(options, Part(index, len(channels))) for index in range(len(channels))]
    # When the service was warm shows best in what all of them saw.
    plans = [encode_plan(structs.replace(part, warm_up="none"), files or {}) for part in parts]
    return await _Run(channels, plans, options, on_progress, clock_wait).run(stop)


class _Run:
    def __init__(
        self,
        channels: Sequence[Channel],
        plans: list[bytes],
        options: LoadOptions,
        on_progress: OnProgress | None,
        clock_wait: float,
    ) -> None:
        self._channels = channels
        self._plans = plans
        self._options = options
        self._on_progress = on_progress
        self._clock_wait = clock_wait
        self._merged = Merged(len(channels), options.lasts, options.checkpoints())
        self._ended: dict[int, Ended] = {}
        self._lost: dict[int, str] = {}
        self._start = 0.0

    async def run(self, stop: asyncio.Event | None) -> LoadOutcome:
        # Asyncio and Dask make cycles, and nothing here is in the way of a request.
        collecting = gc.isenabled()
        gc.enable()
        telling = None
        try:
            await _all(channel.start(plan) for channel, plan in zip(self._channels, self._plans, strict=True))
            self._plans.clear()
            telling = asyncio.ensure_future(self._tell())
            await _all(self._until_ready(channel) for channel in self._channels)
            await self._make(stop)
        finally:
            if telling is not None:
                telling.cancel()
            if not collecting:
                gc.disable()
            await asyncio.gather(*(channel.close() for channel in self._channels), return_exceptions=True)
        return self._outcome()

    async def _until_ready(self, channel: Channel) -> None:
        message = await channel.receive()
        if isinstance(message, Failed):
            raise _raised(message, channel)
        if not isinstance(message, Ready) or message.perfloop != __version__:
            raise ConfigurationError(
                f"Expected perfloop {__version__} at each worker",
                got=getattr(message, "perfloop", "another"),
                where=channel.name,
                hint="install the same version there",
            )

    async def _make(self, stop: asyncio.Event | None) -> None:
        self._start = time.monotonic() + _LEAD + self._clock_wait
        for channel in self._channels:
            channel.send(Begin(at=self._start + channel.clock_offset))
        self._merged.recorder.start = self._start
        tasks = [asyncio.ensure_future(self._follow(index)) for index in range(len(self._channels))]
        stopping = None if stop is None else asyncio.ensure_future(self._stop_when(stop))
        try:
            await _all(tasks)
        finally:
            for task in (stopping, *tasks):
                if task is not None:
                    task.cancel()
            await asyncio.gather(*filter(None, (stopping, *tasks)), return_exceptions=True)

    async def _follow(self, index: int) -> None:
        """Take the worker's messages until it has ended or is lost."""
        channel = self._channels[index]
        patience = _SILENCE + self._options.timeout
        while True:
            try:
                async with asyncio.timeout(patience):
                    message = await channel.receive()
            except WorkerLost as lost:
                return self._lose(index, lost.message)
            except TimeoutError:
                return self._lose(index, f"it said nothing for {patience:g} s")
            if isinstance(message, Report):
                self._merged.add(index, message)
            elif isinstance(message, Ended):
                self._ended[index] = message
                return self._merged.leave(index)
            elif isinstance(message, Failed):
                raise _raised(message, channel)

    def _lose(self, index: int, why: str) -> None:
        self._lost[index] = f"lost, last heard of {self._merged.elapsed_at(index):.1f} s into the run: {why}"
        self._merged.leave(index)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_EVERY)
            self._send(Heartbeat())
            progress = self._merged.progress()
            if progress is not None and self._on_progress is not None:
                self._on_progress(progress)

    async def _stop_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._send(Stop())

    def _send(self, message: Heartbeat | Stop) -> None:
        for index, channel in enumerate(self._channels):
            if index not in self._ended and index not in self._lost:
                channel.send(message)

    def _outcome(self) -> LoadOutcome:
        merged, options = self._merged, self._options
        merged.recorder.finish()
        ended = self._ended.values()
        workers = [self._result(index) for index in range(len(self._channels))]
        reasons = [f"{worker.name} was {worker.lost}" for worker in workers if worker.lost is not None]
        reasons += [f"{worker.name}: {reason}" for worker in workers for reason in worker.reasons]
        if len(reasons) > _MOST_REASONS:
            more = len(reasons) - _MOST_REASONS
            reasons[_MOST_REASONS:] = [f"and {more} more like these: the record has them, worker by worker"]
        elapsed = max((one.summary.elapsed_seconds for one in ended), default=0.0)
        if self._lost:
            elapsed = max(elapsed, merged.elapsed)
        checkpoints = merged.recorder.checkpoints
        warm_up = WarmUp() if checkpoints is None else checkpoints.exclude(merged.recorder, elapsed)
        outcome = conclude(
            merged.recorder,
            sum(one.summary.generator_cpu_seconds for one in ended),
            reasons,
            facts=None,
            plan=options.plan(),
            elapsed=max(elapsed - warm_up.seconds, 1e-9),
            warm_up=warm_up,
            partial=bool(self._lost) or any(one.partial for one in ended),
            abandoned=sum(one.abandoned for one in ended),
            events=merged.events,
            openings=merged.openings,
        )
        outcome.results = structs.replace(
            outcome.results,
            groups=merged.groups.results(),
            error_kinds=[*outcome.results.error_kinds, *(kind for one in ended for kind in one.teardown)],
            slowest=_slowest(list(ended), warm_up.seconds),
            workers=workers,
        )
        outcome.samples = self._samples()
        outcome.unmeasured = sum(one.unmeasured for one in ended)
        if (progress := merged.progress()) is not None and self._on_progress is not None:
            self._on_progress(progress)  # whoever watches has seen every request
        return outcome

    def _result(self, index: int) -> WorkerResult:
        channel = self._channels[index]
        ended = self._ended.get(index)
        requests, errors = self._merged.counted(index)
        return WorkerResult(
            name=channel.name,
            requests=requests,
            errors=errors,
            cpu_seconds=None if ended is None else ended.summary.generator_cpu_seconds,
            send_lag_p99_ms=self._merged.send_lag[index].percentile(99) / 1000,
            clock_offset_ms=channel.clock_offset * 1000,
            clock_error_ms=channel.clock_error * 1000,
            lost=self._lost.get(index),
            reasons=[] if ended is None else ended.summary.reasons,
        )

    def _samples(self) -> Samples | None:
        if not self._options.keep_samples:
            return None
        parts = []
        for index, ended in sorted(self._ended.items()):
            if ended.samples is not None:
                parts.append(_samples_of(ended.samples, Part(index, len(self._channels)), self._start))
        if not parts:
            return None
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.argsort(whole["done"], kind="stable")
        return Samples(**{name: column[order] for name, column in whole.items()})


def _samples_of(columns: Mapping[str, bytes], part: Part, start: float) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for name, dtype in SAMPLE_DTYPES.items():
        column = np.frombuffer(columns[name], dtype=dtype)
        arrays[name] = column + start if dtype.kind == "f" else column
    arrays["number"] = (arrays["number"] - 1) * part.count + part.index + 1
    return arrays


def _slowest(ended: list[Ended], since: float) -> list[SlowRequest]:
    """Those that finished after so many seconds."""
    found = [one for each in ended for one in each.slowest if one.due_seconds + one.latency_ms / 1000 >= since]
    return sorted(found, key=lambda request: (-request.latency_ms, request.due_seconds))[:MOST]


def _raised(failed: Failed, channel: Channel) -> PerfloopError:
    """The error that a worker raised, with its name."""
    kind = getattr(exceptions, failed.error, None) if failed.error in exceptions.__all__ else None
    where = channel.name if failed.where is None else f"{channel.name}: {failed.where}"
    error: PerfloopError = (kind or PerfloopError)(failed.message, got=failed.got, where=where, hint=failed.hint)
    return error


async def _all(coroutines: Any) -> None:
    """Await all; the first that raises cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in coroutines:
                group.create_task(_awaited(each))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _awaited(each: Coroutine[Any, Any, None] | asyncio.Future[None]) -> None:
    await each
