"""A Timeout does what `asyncio.timeout` does, however timeouts are nested and whenever the task is cancelled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from perfloop.resilience import Timeout
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock
from tests.unit.resilience.virtual_time import run

SECONDS = st.integers(1, 6)


@dataclass(frozen=True)
class Sleep:
    seconds: int


@dataclass(frozen=True)
class Raise:
    """ValueError."""


@dataclass(frozen=True)
class Bounded:
    seconds: int
    body: tuple[object, ...]
    swallows: bool
    """Whether the timeout is caught and the work goes on."""


@dataclass(frozen=True)
class Cleanup:
    body: tuple[object, ...]
    seconds: int
    """Slept when the body is over, however it ended."""


PROGRAMS = st.recursive(
    st.one_of(st.builds(Sleep, SECONDS), st.builds(Raise)),
    lambda body: st.one_of(
        st.builds(Bounded, SECONDS, st.lists(body, max_size=3).map(tuple), st.booleans()),
        st.builds(Cleanup, st.lists(body, max_size=2).map(tuple), SECONDS),
    ),
    max_leaves=8,
)


class _Ours:
    def __init__(self, clock: FakeClock) -> None:
        self.parts = {
            seconds: Timeout(seconds, clock=clock, registry=Registry(), name=str(seconds)) for seconds in range(1, 7)
        }

    async def bounded(self, seconds, body) -> None:
        await self.parts[seconds].aexecute(body)


class _Theirs:
    def __init__(self, clock: FakeClock) -> None:
        pass

    async def bounded(self, seconds, body) -> None:
        async with asyncio.timeout(seconds):
            await body()


def outcome(kind, program, cancels) -> list[object]:
    clock, log = FakeClock(), []
    timeouts = kind(clock)

    async def execute(step) -> None:
        if isinstance(step, Sleep):
            await asyncio.sleep(step.seconds)
            log.append(("slept", clock.now()))
        elif isinstance(step, Raise):
            raise ValueError
        elif isinstance(step, Cleanup):
            try:
                for each in step.body:
                    await execute(each)
            finally:
                await asyncio.sleep(step.seconds)
                log.append(("cleaned up", clock.now()))
        else:

            async def body() -> None:
                for each in step.body:
                    await execute(each)

            try:
                await timeouts.bounded(step.seconds, body)
            except TimeoutError:
                log.append(("timed out", clock.now(), asyncio.current_task().cancelling()))
                if not step.swallows:
                    raise

    async def main() -> None:
        task = asyncio.ensure_future(execute(program))
        for delay in cancels:
            asyncio.get_running_loop().call_later(delay / 2, task.cancel)
        await asyncio.wait([task])
        error = None if task.cancelled() else task.exception()
        end = "cancelled" if task.cancelled() else "timed out" if isinstance(error, TimeoutError) else repr(error)
        log.append((end, clock.now(), task.cancelling()))

    run(main(), clock)
    return log


@settings(max_examples=300)
@given(PROGRAMS, st.lists(st.integers(1, 20), max_size=2, unique=True))
def test_the_same_happens_at_the_same_time(program, cancels) -> None:
    assert outcome(_Ours, program, cancels) == outcome(_Theirs, program, cancels)
