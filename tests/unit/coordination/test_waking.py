"""A future that is ended from any thread, and from its own event loop without a detour."""

from __future__ import annotations

import asyncio
import threading

import pytest

from perfloop.coordination import waking_future


def test_in_its_own_loop_it_is_done_at_once_and_may_be_woken_again() -> None:
    async def run() -> None:
        future, wake = waking_future()
        assert not future.done()
        wake()
        assert future.done()
        wake()
        await future

    asyncio.run(run())


def test_another_thread_ends_it() -> None:
    async def run() -> None:
        future, wake = waking_future()
        thread = threading.Thread(target=wake)
        thread.start()
        await asyncio.wait_for(future, 30)
        thread.join()

    asyncio.run(run())


def test_another_event_loop_ends_it() -> None:
    async def run() -> None:
        future, wake = waking_future()

        async def elsewhere() -> None:
            wake()

        thread = threading.Thread(target=asyncio.run, args=(elsewhere(),))
        thread.start()
        await asyncio.wait_for(future, 30)
        thread.join()

    asyncio.run(run())


def test_one_that_was_cancelled_stays_so() -> None:
    async def run() -> None:
        future, wake = waking_future()
        future.cancel()
        wake()
        assert future.cancelled()

    asyncio.run(run())


def test_a_closed_loop_says_so() -> None:
    async def run() -> object:
        return waking_future()[1]

    wake = asyncio.run(run())
    with pytest.raises(RuntimeError, match="closed"):
        wake()  # type: ignore[operator]
