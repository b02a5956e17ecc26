"""The load of a diagnosis, phase by phase: warm-up until stable, the load curve, the open run."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..exceptions import UnreachableTarget
from ..loadtest import LoadOptions, LoadOutcome, Request, run
from ..records import CurvePoint, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from ..monitoring import Service

__all__ = ["Curve", "Driver", "WarmUp", "answered_rate", "is_stable"]

T = TypeVar("T")

_SLICE_SECONDS = 0.5
_WARM_UP_CONNECTIONS = 4
_LONGEST_WARM_UP = 5.0
# Two slices in a row within this of the one before: the noise of half-second slices on a busy machine.
_STABLE = 0.1
IN_FLIGHT = (1, 2, 4, 8, 16, 32, 64)
_GROWTH = 1.05
# Steps without growth before the curve is over; a single one may be an unlucky second.
_FLAT_STEPS = 2
_WATCH_SECONDS = 0.2
_ENDING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How long the service needed until its throughput was steady."""

    seconds: float
    stable: bool
    rate: float
    """Of the last slice, requests a second."""
    failed: tuple[ErrorKind, ...] = ()
    """How requests failed, where all of the last slice did."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The closed-loop load curve."""

    points: tuple[CurvePoint, ...]
    capacity_rps: float
    """The best rate of successful answers."""
    trustworthy: bool
    bytes_a_request: float


@dataclass(frozen=True)
class Driver:
    """Loads one running service; every phase ends when the service dies or the user stops it."""

    service: Service
    requests: tuple[Request, ...]
    timeout: float
    stop: asyncio.Event

    async def warm_up(self, *, longest: float = _LONGEST_WARM_UP) -> WarmUp:
        """Closed-loop slices of half a second until the rate is steady, at most `longest` seconds."""
        began = time.monotonic()
        rates: list[float] = []
        while time.monotonic() - began < longest:
            outcome = await self.closed(_WARM_UP_CONNECTIONS, _SLICE_SECONDS)
            rates.append(answered_rate(outcome))
            if is_stable(rates):
                return WarmUp(time.monotonic() - began, True, rates[-1], _all_failed(outcome))
        return WarmUp(time.monotonic() - began, False, rates[-1] if rates else 0.0)

    async def curve(self, points: list[CurvePoint], steps: Sequence[int] = IN_FLIGHT, *, seconds: float) -> Curve:
        """Throughput with more and more requests in flight, until it no longer grows.

        Args:
            points: each step's is added when it is done.
            steps: requests in flight.
            seconds: of each step.
        """
        best = flat = 0.0
        trustworthy, weight = True, 0.0
        for in_flight in steps:
            outcome = await self.closed(in_flight, seconds)
            summary, rate = outcome.summary, answered_rate(outcome)
            points.append(
                CurvePoint(in_flight=in_flight, rate=rate, p50_ms=summary.latency_ms.p50, p99_ms=summary.latency_ms.p99)
            )
            flat = 0 if rate > _GROWTH * best else flat + 1
            if rate > best:
                best, trustworthy = rate, summary.trustworthy
                weight = summary.bytes_received / max(summary.requests, 1)
            if flat >= _FLAT_STEPS:
                break
        return Curve(tuple(points), best, trustworthy, weight)

    async def closed(self, connections: int, seconds: float) -> LoadOutcome:
        """A short closed-loop run."""
        return await self.until_stopped(run(self._options(connections, seconds)))

    async def open(
        self,
        rate: float,
        seconds: float,
        *,
        connections: int,
        arrival: Literal["constant", "poisson"] = "constant",
        seed: int = 0,
        trace: bool = False,
    ) -> LoadOutcome:
        """An open run. When the user stops it or the service dies, what was measured until then comes back as a partial
        outcome."""
        options = LoadOptions(
            url=self.service.url,
            requests=self.requests,
            connections=connections,
            rate=rate,
            arrival=arrival,
            duration=seconds,
            timeout=self.timeout,
            insecure=True,
            seed=seed,
            trace=trace,
            keep_samples=trace,
            warm_up="none",  # a diagnosis warms the service up beforehand
        )
        ended = asyncio.Event()
        task = asyncio.ensure_future(run(options, stop=ended))
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_WATCH_SECONDS)
                if self.stop.is_set() or not self.service.alive:
                    ended.set()
            return task.result()
        except UnreachableTarget:
            await self._check_alive()
            raise
        finally:
            await _finish(task)

    async def until_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`.

        Raises:
            CancelledError: the user stopped the diagnosis first; nothing is kept of this phase.
            ServiceDied: the service ended first.
        """
        task = asyncio.ensure_future(self._watched(work))
        stopped = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise asyncio.CancelledError
            return task.result()
        finally:
            await _finish(task, stopped)

    async def _watched(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_WATCH_SECONDS)
                self.service.check_alive()
            return task.result()
        except UnreachableTarget:
            await self._check_alive()
            raise
        finally:
            await _finish(task)

    async def _check_alive(self) -> None:
        """As `Service.check_alive`, of a service that no longer listens: it may be about to end."""
        deadline = time.monotonic() + _ENDING_SECONDS
        while self.service.alive and time.monotonic() < deadline:  # noqa: ASYNC110 - only the kernel knows
            await asyncio.sleep(_WATCH_SECONDS / 10)
        self.service.check_alive()

    def _options(self, connections: int, seconds: float) -> LoadOptions:
        return LoadOptions(
            url=self.service.url,
            requests=self.requests,
            connections=connections,
            duration=seconds,
            timeout=self.timeout,
            insecure=True,
            warm_up="none",
        )


async def _finish(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _all_failed(outcome: LoadOutcome) -> tuple[ErrorKind, ...]:
    summary = outcome.summary
    return tuple(outcome.results.error_kinds) if summary.requests and summary.errors == summary.requests else ()


def answered_rate(outcome: LoadOutcome) -> float:
    """Requests answered without error a second."""
    summary = outcome.summary
    if summary.elapsed_seconds <= 0:
        return 0.0
    return (summary.requests - summary.errors) / summary.elapsed_seconds


def is_stable(rates: Sequence[float]) -> bool:
    """The last two rates are each within a tenth of the one before."""
    if len(rates) < 3:
        return False
    return all(abs(rates[at] - rates[at - 1]) <= _STABLE * max(rates[at - 1], 1e-9) for at in (-1, -2))
