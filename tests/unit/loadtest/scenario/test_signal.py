"""What a user's task waits for."""

from __future__ import annotations

import asyncio

import pytest

from perfloop.loadtest.scenario.signal import Signal


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
