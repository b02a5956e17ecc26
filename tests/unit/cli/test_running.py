from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from perfloop.cli.running import run_until_stopped

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def heard_hangups() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may have it ignored
    yield
    signal.signal(signal.SIGHUP, before)


def test_a_measurement_that_ends_by_itself() -> None:
    async def measure(stop: asyncio.Event) -> str:
        assert not stop.is_set()
        return "done"

    assert run_until_stopped(measure) == ("done", False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_it_to_end_with_what_it_has(number: signal.Signals) -> None:
    async def measure(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), number)
        await stop.wait()
        return "half"

    assert run_until_stopped(measure) == ("half", True)


def test_a_second_signal_cancels_it_and_its_clean_up_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfloop.cli.running.SAME_SECONDS", -1)
    cleaned = []

    async def measure(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)
        return "never"

    with pytest.raises(KeyboardInterrupt):
        run_until_stopped(measure)
    assert cleaned == [True]


def test_signals_at_the_same_time_are_one() -> None:
    async def measure(stop: asyncio.Event) -> str:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()
        await asyncio.sleep(0)
        return "half"

    assert run_until_stopped(measure) == ("half", True)


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does

    async def measure(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
        return "whole"

    assert run_until_stopped(measure) == ("whole", False)


def test_an_error_comes_out_as_it_is() -> None:
    async def measure(stop: asyncio.Event) -> str:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run_until_stopped(measure)


def test_signals_do_afterwards_what_they_did_before() -> None:
    async def measure(stop: asyncio.Event) -> None:
        return None

    before = signal.getsignal(signal.SIGTERM)
    run_until_stopped(measure)
    assert signal.getsignal(signal.SIGTERM) == before
