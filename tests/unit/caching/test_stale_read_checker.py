"""The checker of `python -m benchmarks invalidation` finds what is planted, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from benchmarks.invalidation.killing.checker import Process, Verdict, check
from benchmarks.invalidation.killing.journal import DELETE, HELD, READ, TOLD, WRITE, Journal, rows

BOUND, HOLD = 4.0, 5.0


def writes(*made: tuple[int, float, float, float], way: int = HELD) -> np.ndarray[Any, Any]:
    """Of key 1: version, when the commit was asked for, when it was answered, when the cache had been told."""
    found = np.zeros(len(made), WRITE)
    for row, (version, asked, committed, ended) in zip(found, made, strict=True):
        row["key"], row["way"], row["version"] = 1, way, version
        row["held"], row["asked"], row["committed"], row["ended"] = asked - 0.5, asked, committed, ended
    return found


def reads(*made: tuple[float, int]) -> np.ndarray[Any, Any]:
    """Of key 1: when it began, and the version."""
    found = np.zeros(len(made), READ)
    for row, (began, version) in zip(found, made, strict=True):
        row["key"], row["began"], row["version"] = 1, began, version
    return found


def checked(*processes: Process, source: int = 2) -> Verdict:
    return check(processes, {1: source}, bound=BOUND, hold=HOLD)


def stale(*processes: Process, source: int = 2) -> list[float]:
    """When the reads began that were staler than promised."""
    return [each.began for each in checked(*processes, source=source).stale]


NOTHING = writes()


def test_a_planted_stale_read_is_found() -> None:
    writer = Process(writes((2, 10.0, 10.1, 10.2)), reads())
    reader = Process(NOTHING, reads((9.0, 1), (11.0, 1), (14.0, 1), (14.2, 1), (14.3, 2), (20.0, 1)))
    verdict = checked(writer, reader)
    assert [each.began for each in verdict.stale] == [14.2, 20.0]
    assert (verdict.reads, verdict.writes, verdict.unpromised) == (6, 1, 0)
    assert verdict.stalest == pytest.approx(9.9)
    assert verdict.stale_share == 4 / 6


def test_the_process_that_wrote_must_see_it_at_once() -> None:
    assert stale(Process(writes((2, 10.0, 10.1, 10.2)), reads((10.15, 1), (10.25, 1), (10.3, 2)))) == [10.25]
    assert stale(Process(writes((2, 10.0, 10.1, 10.2), way=TOLD), reads((10.25, 1)))) == []
    behind = writes((2, 10.0, 10.1, 10.2))
    behind["behind"] = 1
    assert stale(Process(behind, reads((10.25, 1), (14.25, 1)))) == [14.25]


def test_a_writer_that_was_killed_promises_as_much() -> None:
    reader = Process(NOTHING, reads((14.2, 1), (14.6, 1)))
    assert stale(Process(writes((2, 10.0, 10.1, 0.0)), reads(), gone=10.5), reader) == [14.2, 14.6]
    # It was killed while it waited for the answer: committed when the server was done with it, at the latest.
    assert stale(Process(writes((2, 10.0, 0.0, 0.0)), reads(), gone=10.5), reader) == [14.6]
    assert stale(Process(writes((2, 10.0, 0.0, 0.0)), reads(), gone=10.5), reader, source=1) == []


def test_of_two_who_may_have_made_a_version_the_one_that_did_counts() -> None:
    killed = Process(writes((2, 10.0, 0.0, 0.0)), reads(), gone=10.5)
    other = Process(writes((2, 20.0, 20.1, 20.2)), reads())
    assert stale(killed, other, Process(NOTHING, reads((15.0, 1), (24.0, 1), (24.2, 1)))) == [24.2]


def test_a_plain_delete_promises_from_the_call_on() -> None:
    reader = Process(NOTHING, reads((14.5, 1), (16.5, 1)))
    assert stale(Process(writes((2, 10.0, 10.1, 12.0), way=DELETE), reads()), reader) == [16.5]
    died = checked(Process(writes((2, 10.0, 10.1, 0.0), way=DELETE), reads(), gone=10.5), reader)
    assert (died.stale, died.unpromised) == ([], 1)


def test_what_was_promised_later_holds_for_what_came_before() -> None:
    died = Process(writes((2, 10.0, 10.1, 0.0), way=DELETE), reads(), gone=10.5)
    other = Process(writes((3, 20.0, 20.1, 20.2)), reads())
    assert stale(died, other, Process(NOTHING, reads((19.0, 1), (25.0, 1), (25.0, 2), (25.0, 3))), source=3) == [
        25.0,
        25.0,
    ]


def test_a_write_that_outlasts_its_hold_promises_from_its_end_on() -> None:
    late = writes((2, 10.0, 10.1, 12.0))
    late["held"] = 4.0
    reader = Process(NOTHING, reads((14.5, 1), (16.5, 1)))
    assert stale(Process(late, reads()), reader) == [16.5]


def test_what_could_not_be_told_is_promised_from_when_the_process_is_heard_again() -> None:
    made, reader = writes((2, 10.0, 10.1, 10.2)), Process(NOTHING, reads((18.9, 1), (19.1, 1)))
    silent = {"unsaid": (9.6,), "silences": ((1.0, 2.0), (9.0, 12.0))}
    assert stale(Process(made, reads(), **silent), reader) == [19.1]  # type: ignore[arg-type]
    died = checked(Process(made, reads(), gone=13.0, **silent), reader)  # type: ignore[arg-type]
    assert (died.stale, died.unpromised) == ([], 1)
    assert stale(Process(made, reads(), unsaid=(3.0,), silences=((9.0, 12.0),)), reader) == [18.9, 19.1]


def test_a_journal_outlives_its_process(tmp_path: Any) -> None:
    assert len(rows(tmp_path / "none", READ)) == 0
    journal = Journal(tmp_path / "reads", READ)
    journal.append(key=1, version=7, began=3.0)
    journal.append(key=2, version=8, began=4.0)
    assert [(row["key"], row["version"], row["began"]) for row in rows(tmp_path / "reads", READ)] == [
        (1, 7, 3.0),
        (2, 8, 4.0),
    ]
