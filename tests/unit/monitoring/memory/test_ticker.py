from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

import pytest

from perfloop.monitoring.memory.ticker import Ticker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 30.0


@pytest.fixture
def made() -> Iterator[Callable[..., Ticker]]:
    tickers: list[Ticker] = []

    def make(tick: Callable[[], None], interval: float = 0.001, forked: Callable[[], None] = lambda: None) -> Ticker:
        tickers.append(Ticker(tick, interval, name="perfloop-test-ticker", forked=forked))
        return tickers[-1]

    yield make
    for ticker in tickers:
        ticker.stop()
    assert "perfloop-test-ticker" not in {thread.name for thread in threading.enumerate()}


def test_it_ticks_until_it_is_stopped(made: Callable[..., Ticker]) -> None:
    ticked = threading.Semaphore(0)
    ticker = made(ticked.release)
    assert not ticker.running
    ticker.start()
    for _ in range(3):
        assert ticked.acquire(timeout=PATIENCE)
    assert ticker.running
    ticker.stop()
    assert not ticker.running


def test_starting_and_stopping_twice_is_once(made: Callable[..., Ticker]) -> None:
    ticker = made(lambda: None)
    ticker.stop()
    ticker.start()
    ticker.start()
    assert [thread.name for thread in threading.enumerate()].count("perfloop-test-ticker") == 1
    ticker.stop()
    ticker.stop()


def test_it_can_be_started_again(made: Callable[..., Ticker]) -> None:
    ticked = threading.Semaphore(0)
    ticker = made(ticked.release)
    ticker.start()
    ticker.stop()
    while ticked.acquire(blocking=False):
        pass
    ticker.start()
    assert ticked.acquire(timeout=PATIENCE)


def test_a_tick_that_raises_is_logged_once_and_ticking_goes_on(
    made: Callable[..., Ticker], caplog: pytest.LogCaptureFixture
) -> None:
    ticked = threading.Semaphore(0)

    def tick() -> None:
        ticked.release()
        raise ValueError("broken count of requests")

    with caplog.at_level(logging.ERROR, logger="perfloop.monitoring.memory"):
        made(tick).start()
        for _ in range(4):
            assert ticked.acquire(timeout=PATIENCE)
    assert caplog.text.count("ValueError: broken count of requests") == 1
    assert "perfloop-test-ticker failed, and goes on" in caplog.text


def test_a_tick_may_stop_it(made: Callable[..., Ticker]) -> None:
    stopped = threading.Event()

    def tick() -> None:
        ticker.stop()
        stopped.set()

    ticker = made(tick)
    ticker.start()
    assert stopped.wait(PATIENCE)
    assert not ticker.running


def test_waiting_in_a_tick_ends_when_it_is_stopped(made: Callable[..., Ticker]) -> None:
    waiting, ended = threading.Event(), threading.Event()

    def tick() -> None:
        waiting.set()
        if ticker.wait(10 * PATIENCE):
            ended.set()

    ticker = made(tick)
    ticker.start()
    assert waiting.wait(PATIENCE)
    ticker.stop(timeout=PATIENCE)
    assert ended.is_set()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # 3.12: fork of a process with threads
def test_in_a_forked_child_it_begins_anew(made: Callable[..., Ticker]) -> None:
    reader, writer = os.pipe()
    parent = os.getpid()

    def tick() -> None:
        if os.getpid() != parent:
            os.write(writer, b"t")

    ticker = made(tick, forked=lambda: os.write(writer, b"f") and None)
    ticker.start()
    child = os.fork()
    if not child:
        threading.Event().wait(PATIENCE)
        os._exit(0)
    try:
        assert os.read(reader, 1) == b"f"
        assert os.read(reader, 1) == b"t"
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)
    assert ticker.running


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_one_that_was_stopped_stays_so_in_a_child(made: Callable[..., Ticker]) -> None:
    ticker = made(lambda: None)
    ticker.start()
    ticker.stop()
    child = os.fork()
    if not child:
        os._exit(1 if ticker.running else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
