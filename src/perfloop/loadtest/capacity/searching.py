"""Carrying a capacity search out: runs the probes that are decided on, lets the service recover, writes the record."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import msgspec

from ...exceptions import UnreachableTarget
from ...records import CapacityRecord, current_environment, redact_url
from ..running import quiet_collector, run, run_interruptibly
from .curve import curve, scalability
from .decision import NextProbe, decide
from .goals import parse_goals
from .judging import OverloadWatch, closed_probe, errors_allowed, open_probe, recovered
from .resuming import common_plan, earlier_probes, goal_texts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from ...records import AnyRecord, CapacityProbe
    from ..outcome import LoadOutcome, Progress
    from .decision import Conclusion
    from .options import CapacityOptions

__all__ = ["find_capacity", "find_capacity_sync"]

_RECOVERY_SECONDS = 10.0
_RECOVERY_REQUESTS = 5
_RECOVERY_PAUSE = 0.2
_RECONNECT_SECONDS = 10.0


async def find_capacity(
    options: CapacityOptions,
    *,
    on_probe: Callable[[CapacityProbe], None] | None = None,
    stop: asyncio.Event | None = None,
    resume: AnyRecord | None = None,
) -> CapacityRecord:
    """Find the highest rate at which a service meets its targets, on the running event loop.

    Args:
        options: the service, the targets, how precisely, how long.
        on_probe: told of each probe when it is done.
        stop: set it to end early: the record is partial, and can be resumed.
        resume: the record of an earlier search with the same options, whose probes count as done.

    Raises:
        InvalidValue: an option is out of range.
        ConfigurationError: `resume` is no record of such a search.
        UnreachableTarget: no connection can be opened before anything was measured.
        CancelledError: stopped before anything was measured.
    """
    options.validate()
    earlier = [] if resume is None else earlier_probes(resume, options)
    return await _Search(options, earlier, on_probe or (lambda _: None), stop or asyncio.Event()).run()


def find_capacity_sync(
    options: CapacityOptions,
    *,
    on_probe: Callable[[CapacityProbe], None] | None = None,
    stop_on_interrupt: bool = False,
    resume: AnyRecord | None = None,
) -> CapacityRecord:
    """The same as `find_capacity` on an event loop of its own.

    Args:
        stop_on_interrupt: let the first Ctrl-C end the search with a partial record. In the main thread only.
    """
    return run_interruptibly(
        lambda stop: find_capacity(options, on_probe=on_probe, stop=stop, resume=resume),
        stop_on_interrupt=stop_on_interrupt,
    )


class _Search:
    def __init__(
        self,
        options: CapacityOptions,
        earlier: list[CapacityProbe],
        on_probe: Callable[[CapacityProbe], None],
        stop: asyncio.Event,
    ) -> None:
        self._options = options
        self._goals = parse_goals(options.targets)
        self._settings = options.settings(sum(probe.seconds + probe.recovery_seconds for probe in earlier))
        self._probes = earlier
        self._on_probe = on_probe
        self._stop = stop

    async def run(self) -> CapacityRecord:
        """Probe until there is an answer."""
        decided = decide(self._settings, self._probes)
        if isinstance(decided, NextProbe):
            # What starts, compiles and connects on the first requests is not what is measured.
            await self._closed(NextProbe(rate=None, connections=2, seconds=self._settings.probe / 8))
        while isinstance(decided, NextProbe) and not self._stop.is_set():
            try:
                probe = await self._probe(decided)
            except UnreachableTarget as error:
                if not self._probes:
                    raise
                return self._record(self._so_far(), [f"the service took no more connections: {error}"], partial=True)
            if probe is None:
                break
            self._probes.append(probe)
            self._on_probe(probe)
            decided = decide(self._settings, self._probes)
        if not isinstance(decided, NextProbe):
            return self._record(decided, decided.reasons)
        if not self._probes:
            raise asyncio.CancelledError
        return self._record(self._so_far(), ["interrupted before the answer was as precise as asked"], partial=True)

    async def _probe(self, wanted: NextProbe) -> CapacityProbe | None:
        """One probe, and the service's recovery after it; None when the search was stopped meanwhile."""
        if wanted.rate is None:
            outcome = await self._closed(wanted)
            return None if outcome.partial else closed_probe(outcome)
        allowed = errors_allowed(self._goals)
        baseline = next(probe.latency_ms.p50 for probe in self._probes if probe.model == "closed") / 1000
        watch = OverloadWatch(wanted.rate, wanted.seconds, latency=baseline, errors=allowed)
        async with self._halting() as halt:

            def look(progress: Progress) -> None:
                if watch.update(progress):
                    halt.set()

            outcome = await self._run(wanted, halt, look)
        if self._stop.is_set():
            return None
        probe = open_probe(outcome, goals=self._goals, seconds=wanted.seconds, lost=watch.reason)
        if probe.verdict != "missed":
            return probe
        return msgspec.structs.replace(probe, recovery_seconds=await self._recovery(baseline))

    async def _closed(self, wanted: NextProbe) -> LoadOutcome:
        async with self._halting() as halt:
            return await self._run(wanted, halt)

    async def _run(
        self,
        wanted: NextProbe,
        halt: asyncio.Event,
        on_progress: Callable[[Progress], None] | None = None,
        request_limit: int | None = None,
    ) -> LoadOutcome:
        load = self._options.sending(wanted.connections)
        options = msgspec.structs.replace(
            load,
            rate=wanted.rate,
            profile=None,
            think_time=None,
            pacing=None,
            duration=wanted.seconds,
            request_limit=request_limit,
            # Other random arrivals in each probe, the same in each search.
            seed=load.seed + len(self._probes),
            keep_samples=wanted.rate is not None,
            warm_up="none",  # a probe leaves out its own beginning
        )
        deadline = time.monotonic() + _RECONNECT_SECONDS
        while True:
            try:
                with quiet_collector():
                    return await run(options, on_progress=on_progress, stop=halt)
            except UnreachableTarget:
                # After overload a service may need a while to take connections again.
                if not self._probes or time.monotonic() > deadline or halt.is_set():
                    raise
                await asyncio.sleep(_RECOVERY_PAUSE)

    async def _recovery(self, baseline: float) -> float:
        """Seconds until a single request is answered as fast as at first, at most ten.

        A service that is still busy with what a probe left behind would fail the next one for it.
        """
        began = time.monotonic()
        single = NextProbe(rate=None, connections=1, seconds=1.0)
        async with self._halting() as halt:
            while time.monotonic() - began < _RECOVERY_SECONDS and not halt.is_set():
                outcome = await self._run(single, halt, request_limit=_RECOVERY_REQUESTS)
                if recovered(outcome.summary, baseline):
                    break
                await asyncio.sleep(_RECOVERY_PAUSE)
        return time.monotonic() - began

    @contextlib.asynccontextmanager
    async def _halting(self) -> AsyncIterator[asyncio.Event]:
        """An event that ends one run, set when the whole search is stopped."""
        halt = asyncio.Event()

        async def pass_on() -> None:
            await self._stop.wait()
            halt.set()

        waiting = asyncio.ensure_future(pass_on())
        try:
            yield halt
        finally:
            waiting.cancel()

    def _so_far(self) -> Conclusion:
        """What the probes say if there are no more."""
        conclusion = decide(msgspec.structs.replace(self._settings, budget=0.0), self._probes)
        assert not isinstance(conclusion, NextProbe)
        return conclusion

    def _record(self, conclusion: Conclusion, reasons: Iterable[str], *, partial: bool = False) -> CapacityRecord:
        options, probes = self._options, self._probes
        fit = scalability(probes, seed=options.load.seed)
        return CapacityRecord(
            environment=current_environment(),
            partial=partial,
            target=redact_url(options.load.url),
            plan=common_plan(options),
            goals=goal_texts(options),
            precision=options.precision,
            confidence=self._settings.confidence,
            verdict=conclusion.verdict,
            capacity_rps=conclusion.capacity,
            highest_met_rps=max((probe.rate or 0.0 for probe in probes if probe.verdict == "met"), default=None),
            limited_by="interruption" if partial else conclusion.limited_by,
            reasons=[*reasons],
            probes=probes,
            curve=curve(probes),
            usl=None if isinstance(fit, str) else fit,
            usl_missing=fit if isinstance(fit, str) else None,
        )
