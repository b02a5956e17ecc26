from __future__ import annotations

import os
from typing import TYPE_CHECKING

from perfloop.telemetry import Registry
from perfloop.telemetry.multiprocess.notes import LONGEST, Notes, read_notes

from .test_store import in_child

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_others_find_the_last_notes_of_each_process(tmp_path: Path) -> None:
    one, other = Notes(tmp_path), Notes(tmp_path)
    for number in range(100):
        one.leave(b"one %d" % number)
    other.leave(b"other")
    other.leave(b"x" * LONGEST)
    other.leave(b"x" * (LONGEST + 1))
    assert set(read_notes(tmp_path)) == {*(b"one %d" % number for number in range(68, 100)), b"other", b"x" * LONGEST}
    assert set(read_notes(tmp_path, without=one.name)) == {b"other", b"x" * LONGEST}


def test_a_note_that_is_half_written_or_none_is_left_out(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.leave(b"whole")
    notes.leave(b"half of it")
    os.pwrite(notes.descriptor, b"H", 2048 + 8)
    os.pwrite(notes.descriptor, b"\xff" * 2048, 3 * 2048)
    assert read_notes(tmp_path) == [b"whole"]
    for length in (1, 7, 2047):
        os.ftruncate(notes.descriptor, length)
        read_notes(tmp_path)


def test_those_of_processes_that_ended_long_ago_are_removed_by_a_scrape(tmp_path: Path) -> None:
    living, ended, latest = Notes(tmp_path), Notes(tmp_path), Notes(tmp_path)
    for notes in (living, ended, latest):
        notes.leave(notes.name.encode())
        if notes is not latest:
            os.utime(tmp_path / notes.name, (0, 0))
        if notes is not living:
            os.close(notes.descriptor)
    Registry(directory=tmp_path).collect_all()
    assert set(read_notes(tmp_path)) == {living.name.encode(), latest.name.encode()}
    assert read_notes(tmp_path / "missing") == []


def test_processes_hear_of_each_other_and_a_child_speaks_for_itself(tmp_path: Path) -> None:
    registry, other = Registry(directory=tmp_path), Registry(directory=tmp_path)
    registry.counter("c", "C.").inc()
    registry.leave_note(b"the parent's")

    def work() -> None:
        registry.leave_note(b"the child's")
        assert registry.notes() == [b"the parent's"]

    in_child(work)
    assert registry.notes() == [b"the child's"]
    assert set(other.notes()) == {b"the parent's", b"the child's"}
    assert other.processes() == [os.getpid()]
    assert registry.processes() == []
    assert (Registry().notes(), Registry().processes()) == ([], [])
    Registry().leave_note(b"to nobody")


def test_where_it_cannot_be_written_it_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(directory=tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    for _ in range(2):
        registry.leave_note(b"a note")
    (record,) = caplog.records
    assert "No space left on device" in record.message
