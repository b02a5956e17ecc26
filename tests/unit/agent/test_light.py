"""The light agent: fewer looks at the processor's clock, and parts that still sum to the wall time."""

from __future__ import annotations

import os
import subprocess
import sys

from perfloop.agent import DETAIL_KEY

PROGRAM = """
import time
from perfloop.agent import LIGHT, state
from perfloop.agent.accounting import account
from perfloop.agent.events import STEP

assert LIGHT
reads = []
real = state.thread_time_ns
state.thread_time_ns = lambda: reads.append(None) or real()
request = state.Request("GET", None)

def step(work):
    segment = state.open_segment(request, STEP)
    work()
    state.close_segment(segment)

begun = time.monotonic_ns()
step(lambda: time.sleep(0.02))   # looks at its end, and at its beginning where the last look was a while ago
assert 1 <= len(reads) <= 2, reads
before = len(reads)
while True:
    request.events.clear()
    state._THREAD.others_at = begun = time.monotonic_ns()
    step(lambda: None)
    if request.events[3] < 1_000_000:  # not one that the machine held up
        break
    before = len(reads)
assert len(reads) == before, "a short step looks at no processor clock"
assert request.events[4] == request.events[3]
short = list(request.events)
while True:
    request.events[:] = short
    step(lambda: time.sleep(0.02))
    ended = time.monotonic_ns()
    _, _, _, wall, cpu, others, *_ = request.events[8:16]
    assert 0 <= cpu < wall, (cpu, wall)
    if others < wall // 10:  # not one that waited for a processor: such a wait is the machine's, no blocking call
        break
parts = account(begun, ended, request.events)
assert sum(parts.values()) == ended - begun, parts
assert parts["blocking"] > 0, parts
"""


def test_short_steps_look_at_no_processor_clock_and_long_ones_tell_blocking_from_computing() -> None:
    env = {**os.environ, DETAIL_KEY: "light"}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
