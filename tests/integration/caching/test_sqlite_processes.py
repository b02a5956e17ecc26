"""A file shared by processes, some of which are killed in the middle of a change."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from perfloop.caching.effects import run
from perfloop.caching.levels import LeaseState, SQLiteLevel, Stored
from perfloop.exceptions import LevelFailed

from .truth import started

if TYPE_CHECKING:
    from pathlib import Path


def test_no_reader_finds_what_was_removed_whoever_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite3"
    with started(f"sqlite:{path}", tmp_path / "processes") as processes:
        processes.wait_for_hits(200)
        for role in processes.roles * 2:
            processes.kill(role)
            processes.start(role)
            processes.wait_for_hits(100)
        output = processes.output()
    assert "STALE" not in output
    assert "Traceback" not in output
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_who_holds_the_lock_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite3"
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE');"
        "print('locked', flush=True); sys.stdin.read()"
    )
    with contextlib.closing(SQLiteLevel(path, timeout=0.05)) as level:
        run(level.write({"a": Stored(b"x", 60, 60)}))
        with subprocess.Popen(
            [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            with pytest.raises(LevelFailed, match=rf"by process {holder.pid} \("):
                run(level.delete(["a"]))
            holder.kill()
        run(level.delete(["a"]))
        assert run(level.read(["a"])) == [None]


def test_many_processes_that_make_the_file_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from perfloop.caching.effects import run; from perfloop.caching.levels import SQLiteLevel;"
        "[lease] = run(SQLiteLevel(sys.argv[1], timeout=30).lease(['a'], sys.argv[2], 60)); print(lease.state.value)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cache.sqlite3")]
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE))
            for number in range(6)
        ]
        answers = [process.communicate()[0].decode().strip() for process in processes]
    assert sorted(answers) == ["busy"] * 5 + ["granted"]


def test_a_child_has_connections_of_its_own(tmp_path: Path) -> None:
    with contextlib.closing(SQLiteLevel(tmp_path / "cache.sqlite3")) as level:
        run(level.lease(["a"], "parent", 60))
        child = os.fork()
        if child == 0:
            try:
                [lease] = run(level.lease(["a"], "child", 60))
                run(level.write({"b": Stored(b"x", 60, 60)}))
                os._exit(0 if lease.state is LeaseState.BUSY else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert run(level.fill({"a": Stored(b"x", 60, 60)}, "parent")) == [True]
        assert run(level.read(["b"])) != [None]


def test_a_stopped_writer_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite3"
    with started(f"sqlite:{path}", tmp_path / "processes") as processes:
        processes.wait_for_hits(50)
        writer = processes._running["0"]
        writer.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        writer.send_signal(signal.SIGCONT)
        processes.wait_for_hits(50)
        assert "STALE" not in processes.output()
