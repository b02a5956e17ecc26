"""Outcomes of real processes: killed, forked, several at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from perfloop.resilience.replay import read_outcomes

if TYPE_CHECKING:
    from pathlib import Path

WRITES = """\
import sys, time
from perfloop.resilience.replay import OutcomeRecorder

recorder = OutcomeRecorder(sys.argv[1], "pay", every=0.05)
call = recorder(lambda number: number)
for number in range(5000):
    call(number)
recorder.flush()
print("written", flush=True)
while True:
    call(0)
    time.sleep(0.0001)
"""
FORKS = """\
import os, sys
from perfloop.resilience.replay import OutcomeRecorder

recorder = OutcomeRecorder(sys.argv[1], "pay", every=0.05)
call = recorder(lambda number: number)
for number in range(100):
    call(number)
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        for number in range(200):
            call(number)
        recorder.close()
        os._exit(0)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
recorder.close()
"""

FORKS_AMID_WRITING = """\
import gc, os, sys
from perfloop.resilience.replay import OutcomeRecorder

recorder = OutcomeRecorder(sys.argv[1], "pay", every=0.0001)
call = recorder(lambda number: number)
for number in range(60):
    for each in range(300):
        call(each)
    child = os.fork()
    if not child:
        gc.collect()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
recorder.close()
"""


def test_what_was_written_before_a_kill_is_read(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITES, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    found = read_outcomes([tmp_path])
    assert len(found) >= 5000
    assert set(found.outcome.tolist()) == {0}


def test_forked_processes_write_their_own_calls(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKS, tmp_path], check=True, timeout=60)
    found = read_outcomes([tmp_path])
    assert sorted(len(found.of_process(each)) for each in range(len(found.processes))) == [100, 200, 200, 200]


def test_a_process_that_ends_writes_the_rest(tmp_path: Path) -> None:
    code = WRITES.partition("recorder.flush()")[0].replace("0.05", "3600")
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, timeout=60)
    assert len(read_outcomes([tmp_path])) == 5000


def test_a_fork_amid_writing_damages_nothing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKS_AMID_WRITING, tmp_path], check=True, timeout=60)
    found = read_outcomes([tmp_path])
    assert (len(found), len(found.processes), list(found.damage)) == (60 * 300, 1, [])
