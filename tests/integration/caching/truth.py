"""Processes that change a source and processes that cache it in one level; a reader who finds an old value says so.

The source is a file of counters. A writer holds, counts up, and releases; a loader leases, reads the source and fills.
So what a level gives is never older than the source was before it was asked, whoever was killed in between.
"""

from __future__ import annotations

import contextlib
import mmap
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from perfloop.caching.effects import run
from perfloop.caching.levels import LeaseState, Level, SQLiteLevel, Stored
from perfloop.exceptions import LevelFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Processes", "started"]

KEYS = 4
TAGS = 2
HOLD_SECONDS = 4.0


class Source:
    """A counter a key and one a tag, each counted up by one process only. A key's version is the sum of its own and its
    tag's."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(8 * (KEYS + TAGS)))
        with path.open("r+b") as file:
            self.counts = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")

    def version(self, key: int) -> int:
        return self.counts[key] + self.counts[KEYS + key % TAGS]


def open_level(target: str) -> Level:
    kind, _, place = target.partition(":")
    if kind == "sqlite":
        return SQLiteLevel(place, timeout=10)
    from perfloop.caching.levels.postgresql import PostgreSQLLevel

    return PostgreSQLLevel(place, timeout=10)


def write(level: Level, source: Source, number: int, choice: random.Random) -> None:
    key, tag = choice.randrange(KEYS // 2) * 2 + number, number
    keys, tags, place = ([str(key)], [], key) if choice.random() < 0.5 else ([], [f"tag {tag}"], KEYS + tag)
    token, began = uuid.uuid4().hex, time.monotonic()
    run(level.hold(keys, tags, token, HOLD_SECONDS))
    if time.monotonic() - began < HOLD_SECONDS / 2:  # later the hold may end before the source is changed
        source.counts[place] += 1
    run(level.release(keys, tags, token))


def load(level: Level, source: Source, choice: random.Random) -> int:
    key, token = choice.randrange(KEYS), uuid.uuid4().hex
    before = source.version(key)
    [stored] = run(level.read([str(key)]))
    if stored is not None:
        if int(stored.data) < before:
            print(f"STALE {key}: {int(stored.data)} after {before}", flush=True)
        return 1
    [lease] = run(level.lease([str(key)], token, 5))
    if lease.state is LeaseState.GRANTED:
        version = source.version(key)
        time.sleep(choice.random() * 0.002)
        run(level.fill({str(key): Stored(b"%d" % version, 60, 60, (f"tag {key % TAGS}",))}, token))
    return 0


def main(role: str, target: str, path: str) -> None:
    level, source, choice = open_level(target), Source(Path(path)), random.Random()
    print("READY", flush=True)
    hits = 0
    while True:
        try:
            if role == "load":
                hits += load(level, source, choice)
                if hits >= 50:
                    print(f"HITS {hits}", flush=True)
                    hits = 0
            else:
                write(level, source, int(role), choice)
                time.sleep(0.003)
        except LevelFailed as error:
            print(f"FAILED {error}", flush=True)
            time.sleep(0.05)


class Processes:
    """Two writers and two loaders."""

    def __init__(self, target: str, directory: Path) -> None:
        self._target = target
        self._directory = directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.roles = [*(str(number) for number in range(TAGS)), "load", "load "]
        for role in self.roles:
            self.start(role)

    def start(self, role: str) -> None:
        with (self._directory / f"{role}.log").open("ab") as log:
            command = [sys.executable, "-m", __spec__.name, role.strip(), self._target, str(self._directory / "source")]
            self._running[role] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def kill(self, role: str) -> None:
        """As the kernel does when memory is short."""
        self._running[role].send_signal(signal.SIGKILL)
        self._running.pop(role).wait()

    def output(self) -> str:
        return "".join(path.read_text() for path in sorted(self._directory.glob("*.log")))

    def wait_for_hits(self, more: int) -> None:
        """Until the loaders have found so many values more.

        Raises:
            AssertionError: they do not.
        """
        expected, deadline = self._hits() + more, time.monotonic() + 60
        while self._hits() < expected:
            assert time.monotonic() < deadline, self.output()[-4000:]
            time.sleep(0.02)

    def _hits(self) -> int:
        return sum(int(line.split()[1]) for line in self.output().splitlines() if line.startswith("HITS"))

    def stop(self) -> None:
        for role in list(self._running):
            self.kill(role)


@contextlib.contextmanager
def started(target: str, directory: Path) -> Iterator[Processes]:
    """Them, until the block ends."""
    directory.mkdir()
    Source(directory / "source")
    processes = Processes(target, directory)
    try:
        yield processes
    finally:
        processes.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
