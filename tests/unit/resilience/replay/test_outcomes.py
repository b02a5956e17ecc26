"""Files of several processes come together in the order in which calls began."""

from __future__ import annotations

import pytest

from perfloop.exceptions import ConfigurationError, UnreadableRecord
from perfloop.resilience.replay import OutcomeRecorder, read_outcomes
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from .recorded import recorded


def record(directory, name: str, *starts: float) -> OutcomeRecorder:
    recorder = OutcomeRecorder(directory, name, every=3600, clock=FakeClock(0.0), registry=Registry())
    for start in starts:
        recorder.record(start, 0.5, 0)
    recorder.close()
    return recorder


def test_processes_are_told_apart_and_merged(tmp_path) -> None:
    record(tmp_path, "pay", 1.0, 300.0)
    record(tmp_path, "pay", 150.0)
    found = read_outcomes([tmp_path])
    assert found.process.tolist() in ([0, 1, 0], [1, 0, 1])
    assert len(found.processes) == 2
    assert [len(found.of_process(each)) for each in (0, 1)] in ([2, 1], [1, 2])
    assert (found.ended - found.started).tolist() == pytest.approx([0.5] * 3, abs=1e-6)


def test_a_name_is_asked_for_where_there_are_several(tmp_path) -> None:
    record(tmp_path, "pay", 1.0)
    record(tmp_path, "mail", 2.0, 3.0)
    with pytest.raises(ConfigurationError, match="there are several"):
        read_outcomes([tmp_path])
    assert len(read_outcomes([tmp_path], "mail")) == 2
    with pytest.raises(ConfigurationError, match="mail, pay"):
        read_outcomes([tmp_path], "post")


def test_an_empty_directory_is_refused(tmp_path) -> None:
    with pytest.raises(UnreadableRecord, match="there are none"):
        read_outcomes([tmp_path])


def test_damage_is_said(tmp_path) -> None:
    [path] = record(tmp_path, "pay", 1.0, 2.0).paths
    path.write_bytes(path.read_bytes()[:-3])
    found = read_outcomes([path])
    assert len(found) == 0
    assert "cut off" in found.damage[0]


def test_slow_successes_are_failures_where_they_are_asked_for() -> None:
    calls = recorded("..F-", took=[0.1, 3.0, 0.1, 9.0])
    assert calls.failed().tolist() == [False, False, True, False]
    assert calls.failed(1.0).tolist() == [False, True, True, False]
    assert calls.judged.tolist() == [True, True, True, False]
