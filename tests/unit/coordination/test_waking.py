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


@pytest.mark.parametrize("in_loop", [False, True], ids=["a thread", "another event loop"])
def test_who_is_elsewhere_ends_it(in_loop: bool) -> None:
    async def run() -> None:
        future, wake = waking_future()

        async def elsewhere() -> None:
            wake()

        thread = threading.Thread(target=(lambda: asyncio.run(elsewhere())) if in_loop else wake)
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
