from __future__ import annotations

import logging
import os
import threading

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.monitoring.periodic import Periodic


def threads(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_it_works_until_it_is_stopped_and_again() -> None:
    done, said = threading.Event(), []
    periodic = Periodic(
        done.set, 0.001, name="p-again", begin=lambda: said.append("begin"), end=lambda: said.append("end")
    )
    periodic.stop()
    for _ in range(2):
        done.clear()
        periodic.start()
        periodic.start()
        assert threads("p-again") == 1
        assert done.wait(30)
        periodic.stop()
        periodic.stop()
        assert threads("p-again") == 0
    assert said == ["begin", "end"] * 2


def test_the_work_may_stop_it() -> None:
    ended = threading.Event()
    periodic = Periodic(lambda: periodic.stop(), 0.001, name="p-itself", end=ended.set)
    periodic.start()
    assert ended.wait(30)


def test_work_that_raises_is_logged_once_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Semaphore(0)

    def work() -> None:
        done.release()
        raise ValueError("broken count of requests")

    periodic = Periodic(work, 0.001, name="p-raises")
    with caplog.at_level(logging.ERROR, logger="perfloop.monitoring"):
        periodic.start()
        for _ in range(4):
            assert done.acquire(timeout=30)
        periodic.stop()
    assert caplog.text.count("ValueError: broken count of requests") == 1
    assert "p-raises failed, and goes on" in caplog.text


def test_waiting_in_the_work_ends_when_it_is_stopped() -> None:
    waiting, ended = threading.Event(), threading.Event()

    def work() -> None:
        waiting.set()
        if periodic.wait(300):
            ended.set()

    periodic = Periodic(work, 0.001, name="p-waits")
    periodic.start()
    assert periodic.running
    assert waiting.wait(30)
    periodic.stop()
    assert not periodic.running
    assert ended.is_set()


@pytest.mark.parametrize("in_forks", [True, False])
def test_a_fork(in_forks: bool) -> None:
    done = threading.Event()
    forked = threading.Event()
    periodic = Periodic(lambda: done.set(), 0.001, name="p-fork", forked=forked.set if in_forks else None)
    periodic.start()
    assert done.wait(30)
    child = os.fork()
    if not child:
        status = 1
        try:
            if in_forks:
                done = threading.Event()
                status = 0 if done.wait(30) and forked.is_set() else 2
            elif threads("p-fork") == 0:
                periodic.stop()
                periodic.start()
                status = 0 if threads("p-fork") == 1 else 3
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    periodic.stop()
    assert status == 0


@pytest.mark.parametrize("interval", [0, -1.0, float("nan")])
def test_a_useless_interval_is_refused(interval: float) -> None:
    with pytest.raises(InvalidValue, match="Expected an interval above 0 seconds"):
        Periodic(list, interval, name="p")
