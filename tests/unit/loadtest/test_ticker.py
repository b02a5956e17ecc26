"""Wake-ups come, and stop coming. When exactly is for the benchmark to say."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from perfloop.loadtest import new_event_loop
from perfloop.loadtest.ticker import LoopTicker, SpinTicker, TimerfdTicker, open_ticker

KINDS = [LoopTicker, SpinTicker, *([TimerfdTicker] if sys.platform == "linux" else [])]


def descriptors() -> set[str]:
    """The open descriptors of this process, where the system lists them."""
    return {entry.name for entry in Path("/proc/self/fd").glob("*")}


@pytest.fixture(params=[asyncio.new_event_loop, new_event_loop], ids=["asyncio", "uvloop"])
def loop(request):
    made = request.param()
    yield made
    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_periodic_wake_ups_come_until_the_ticker_is_closed(kind, loop) -> None:
    async def main() -> None:
        woken = 0
        enough = asyncio.Event()

        def wake() -> None:
            nonlocal woken
            woken += 1
            if woken == 5:
                enough.set()

        ticker = kind(loop, wake)
        ticker.start_periodic()
        await asyncio.wait_for(enough.wait(), 10)
        ticker.close()
        ticker.close()
        at_close = woken
        for _ in range(5):
            await asyncio.sleep(0)
        assert woken == at_close

    loop.run_until_complete(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("delay", [0.01, 0.0, -5.0])
def test_an_armed_wake_up_comes_once_and_not_early(kind, delay, loop) -> None:
    async def main() -> None:
        woken: list[float] = []
        came = asyncio.Event()

        def wake() -> None:
            woken.append(time.monotonic())
            came.set()

        ticker = kind(loop, wake)
        at = time.monotonic() + delay
        ticker.arm(at + 1000)
        ticker.arm(at)  # the later call counts
        await asyncio.wait_for(came.wait(), 10)
        assert len(woken) == 1
        assert woken[0] >= at - 0.001
        ticker.close()

    loop.run_until_complete(main())


def test_the_best_ticker_of_the_system_is_used_and_leaves_no_descriptor(loop) -> None:
    open_ticker(loop, lambda: None).close()  # what the loop itself opens at its first use stays
    before = len(descriptors())
    ticker = open_ticker(loop, lambda: None)
    assert isinstance(ticker, KINDS[-1])
    ticker.close()
    assert len(descriptors()) <= before


def test_a_system_without_timerfd_falls_back_to_the_loop(loop, monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert isinstance(open_ticker(loop, lambda: None), LoopTicker)


def test_spinning_is_for_those_who_ask_for_it(loop) -> None:
    assert isinstance(open_ticker(loop, lambda: None, spin=True), SpinTicker)
