from __future__ import annotations

import os

from perfloop.monitoring.live.resources import ProcessReading, Reading, read_processes, usage


def test_this_process_is_read_and_one_that_is_gone_left_out() -> None:
    reading = read_processes([os.getpid(), 2**22 + 7], 5.0)
    assert [*reading.processes] == [os.getpid()]
    own = reading.processes[os.getpid()]
    assert own.cpu_seconds > 0
    assert own.rss_bytes > 1_000_000
    assert own.threads >= 1


def test_processors_are_not_known_from_one_reading() -> None:
    now = Reading(5.0, {1: ProcessReading(1.0, 10, 1)})
    assert usage(None, now, processors=1, memory_bytes=100).cpu is None
    assert usage(now, now, processors=1, memory_bytes=100).cpu is None
    assert usage(now, now, processors=1, memory_bytes=100).memory_share == 0.1


def test_no_process_uses_nothing() -> None:
    used = usage(Reading(4.0, {}), Reading(5.0, {}), processors=1, memory_bytes=100)
    assert (used.processes, used.cpu, used.rss_bytes) == (0, 0.0, 0)
