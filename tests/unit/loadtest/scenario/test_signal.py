"""What a user's task waits for."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfloop.loadtest.scenario.signal import Driven, Signal

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def test_sending_runs_the_task_at_once() -> None:
    signal = Signal(asyncio.get_running_loop())
    seen: list[int] = []

    async def wait() -> None:
        for turn in range(2):
            await signal
            seen.append(turn)

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    sent = loop.create_future()

    def send() -> None:
        signal.send()
        assert seen == [0], "it has run on when send returns"
        signal.send()
        sent.set_result(None)

    loop.call_soon(send)
    await sent
    assert seen == [0, 1]
    await task
    signal.send()  # nobody waits


async def test_a_cancelled_wait_ends_once() -> None:
    signal = Signal(asyncio.get_running_loop())
    woken: list[str] = []

    async def wait() -> None:
        try:
            await signal
        except asyncio.CancelledError:
            woken.append("cancelled")
        await signal
        woken.append("sent")

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert woken == ["cancelled"]
    signal.send_soon()
    await task
    assert woken == ["cancelled", "sent"]


async def test_a_timeout_works_as_with_any_future() -> None:
    signal = Signal(asyncio.get_running_loop())

    async def wait() -> None:
        await signal

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait(), 0.001)


class Scene:
    """A coroutine in a task, waiting for what a list says; and what happens to it."""

    def __init__(self, waits: list[str], *, driven: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self.signals = {"first": Signal(self.loop), "second": Signal(self.loop)}
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.seen: list[object] = []
        coroutine = self._wait(waits)
        self.task = asyncio.ensure_future(self._drive(coroutine) if driven else coroutine)

    async def _drive(self, coroutine: Coroutine[Any, Any, object]) -> object:
        return await Driven(coroutine, self.loop)

    async def _wait(self, waits: list[str]) -> str:
        variable.set(waits)
        for wait in waits:
            try:
                if wait in self.signals:
                    await self.signals[wait]
                elif wait == "future":
                    await self.future
                elif wait == "round":
                    await asyncio.sleep(0)
                elif wait == "cancels itself":
                    self.task.cancel()
                elif wait == "timeout":
                    async with asyncio.timeout(0):
                        await self.signals["first"]
                elif wait == "task":
                    await asyncio.ensure_future(asyncio.sleep(0, "done"))
                else:
                    raise ValueError(wait)
            except (asyncio.CancelledError, TimeoutError, RuntimeError) as error:
                self.seen.append(type(error).__name__)
            assert asyncio.current_task() is self.task
            assert variable.get() is waits
            self.seen.append(wait)
        return "ended"

    def happen(self, event: str) -> None:
        if event == "send":
            self.signals["first"].send()
        elif event == "send second":
            self.signals["second"].send()
        elif event == "soon":
            self.signals["first"].send_soon()
        elif event == "cancel":
            self.task.cancel()
        elif not self.future.done():
            self.future.set_exception(RuntimeError(event)) if event == "fail" else self.future.set_result(None)


variable: ContextVar[object] = ContextVar("variable")
WAITS = ["first", "second", "future", "round", "cancels itself", "timeout", "task", "raises"]
EVENTS = ["send", "send second", "soon", "cancel", "resolve", "fail"]


@given(
    st.lists(st.sampled_from(WAITS), max_size=6), st.lists(st.lists(st.sampled_from(EVENTS), max_size=3), max_size=8)
)
@settings(max_examples=300)
def test_a_driven_coroutine_sees_what_it_sees_in_a_task_of_its_own(waits: list[str], rounds: list[list[str]]) -> None:
    async def play(*, driven: bool) -> list[object]:
        scene = Scene(waits, driven=driven)
        await asyncio.sleep(0)
        for events in rounds:
            played = scene.loop.create_future()

            def happen(events: list[str] = events, played: asyncio.Future[None] = played) -> None:
                for event in events:
                    scene.happen(event)
                played.set_result(None)

            scene.loop.call_soon(happen)
            await played
            # A timeout may end in another round of the loop: then both come to rest before they are compared.
            for _ in range(60 if "timeout" in waits else 6):
                await asyncio.sleep(0)
            scene.seen.append("|")
        if scene.task.done():
            scene.seen.append(
                "cancelled" if scene.task.cancelled() else repr(scene.task.exception() or scene.task.result())
            )
        if scene.future.done() and not scene.future.cancelled():
            scene.future.exception()
        while not scene.task.done():
            scene.task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([scene.task])
        scene.task.cancelled() or scene.task.exception()
        return scene.seen

    assert asyncio.run(play(driven=True)) == asyncio.run(play(driven=False))


async def test_a_driven_coroutine_runs_on_inside_the_callback() -> None:
    scene = Scene(["first", "second", "first"], driven=True)
    await asyncio.sleep(0)
    steps: list[int] = []

    def send() -> None:
        for name in ("first", "second", "first"):
            scene.signals[name].send()
            steps.append(len(scene.seen))

    scene.loop.call_soon(send)
    assert await scene.task == "ended"
    assert steps == [1, 2, 3]


async def test_another_task_may_wait_for_the_signal_of_a_driven_one() -> None:
    scene = Scene(["first", "second"], driven=True)
    await asyncio.sleep(0)
    scene.loop.call_soon(scene.signals["first"].send)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    other = Scene([], driven=False)
    other.signals = scene.signals
    task = asyncio.ensure_future(other._wait(["first"]))
    other.task = task
    await asyncio.sleep(0)
    scene.loop.call_soon(scene.signals["first"].send)
    assert await task == "ended"
    scene.loop.call_soon(scene.signals["second"].send)
    assert await scene.task == "ended"
