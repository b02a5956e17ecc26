from __future__ import annotations

import os
import threading

import pytest

from perfloop.telemetry import Registry


@pytest.mark.parametrize("held", ["registry", "family", "event"])
def test_a_lock_that_another_thread_holds_at_a_fork_is_free_in_the_child(held: str) -> None:
    registry = Registry()
    family = registry.counter("c", "C.", labels=["n"])
    event = registry.event("e", "E.")
    lock = {"registry": registry, "family": family, "event": event}[held]._lock  # type: ignore[attr-defined]
    has, ended = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            has.set()
            ended.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert has.wait(30)
    child = os.fork()
    if not child:
        done = threading.Event()

        def use() -> None:
            family.labels("new").inc()
            event.record()
            registry.collect()
            done.set()

        threading.Thread(target=use, daemon=True).start()
        os._exit(0 if done.wait(10) else 1)
    status = os.waitpid(child, 0)[1]
    ended.set()
    thread.join()
    assert status == 0
