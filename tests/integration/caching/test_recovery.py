"""What a level has missed is told to it though its process is idle or was killed: real files, sockets, processes."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from perfloop.caching import EntryOptions, MultiLevelCache, SQLiteLevel
from perfloop.caching.backplane.unix import UnixBackplane
from perfloop.caching.effects import run

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
PATIENCE = 30.0
OPTIONS = EntryOptions(ttl=600, jitter=0)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_idle_process_tells_a_file_that_was_locked(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite3"
    level = SQLiteLevel(path, timeout=0.05)
    cache = MultiLevelCache(str, levels=[level], options=OPTIONS)
    cache.set("key", "old")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        cache.delete("key")
        assert run(level.read(["key"])) != [None]
    eventually(lambda: run(level.read(["key"])) == [None])
    cache.close()
    level.close()


# Can reach the other processes, but not the level, and does nothing more.
CUT_OFF = """
import sys
from perfloop.caching import MultiLevelCache, SQLiteLevel
from perfloop.caching.backplane.unix import UnixBackplane
from tests.unit.caching.test_recovery import Door
door = Door(SQLiteLevel(sys.argv[1]))
cache = MultiLevelCache(str, levels=[door], backplane=UnixBackplane(sys.argv[2]))
door.shut = True
cache.delete("key")
print("changed", flush=True)
sys.stdin.read()
"""


def test_the_others_tell_what_one_that_was_killed_could_not(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite3"
    with tempfile.TemporaryDirectory(prefix="perfloop-") as directory:
        level = SQLiteLevel(path)
        cache = MultiLevelCache(str, levels=[level], backplane=UnixBackplane(directory), options=OPTIONS)
        cache.set("key", "old")
        eventually(lambda: cache.get("key") == "old" and len(cache) == 1)  # by now it hears
        command = [sys.executable, "-c", CUT_OFF, path, directory]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"changed\n"
            process.kill()
        eventually(lambda: run(level.read(["key"])) == [None])
        assert cache.get("key") is None
        cache.close()
        level.close()
