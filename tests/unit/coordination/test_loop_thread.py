"""An event loop in a thread of its own, which starts with the first coroutine."""

from __future__ import annotations

import asyncio
import threading

import pytest

from perfloop.coordination.loop_thread import LoopThread


async def name() -> str:
    return threading.current_thread().name


def test_threads_and_event_loops_run_coroutines_in_it() -> None:
    thread = LoopThread("of its own")
    assert thread.run(name()) == asyncio.run(thread.arun(name())) == "of its own"


def test_a_thread_that_could_not_start_is_started_by_the_next(monkeypatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    thread = LoopThread("of its own")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            with pytest.raises(OSError, match="no thread for of its own: can't start new thread"):
                thread.run(name())
    assert thread.run(name()) == "of its own"
