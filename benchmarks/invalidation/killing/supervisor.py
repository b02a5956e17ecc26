"""Starts the processes, kills them and what they talk to, and has checked what they read."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ...postgresql_server import postgresql_server
from ...progress import say
from ...redis_server import redis_server
from .checker import Process, Verdict, check
from .faults import Faults, access_list, prepare, settled
from .journal import ARM, PHASE, READ, UNSAID, WRITE, Control, rows
from .process import FINAL, KEYS, MOMENTS, Settings, files

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ...postgresql_server import PostgreSQLServer

__all__ = ["BOUND", "figures"]

BOUND = 4.6
"""Seconds after which a change is seen in every process: a backplane's `deaf_after`, one heartbeat, its patience, and
the time between two looks at the clock (see `caching/backplane/watch.py`)."""
_HOLD = 5.0
_SLOTS = 4
_KILL_PAUSE = 1.5
_DIES_WITHIN = 3.0
_SHOWN = 5
_BEFORE = 15.0
"""Seconds: the faults so long before a stale read are told."""


def figures(seconds: float, naive_seconds: float) -> dict[str, Any]:
    """Our cache for so many seconds, and a naive one."""
    ours, told = _run(seconds, naive=False)
    naive, _ = _run(naive_seconds, naive=True)
    return {
        "stale_reads_beyond_bound": len(ours.stale),
        "bound_s": BOUND,
        "reads_under_kill": ours.reads,
        "writes_under_kill": ours.writes,
        **told,
        "writes_without_promise": ours.unpromised,
        "stalest_read_s": ours.stalest,
        "stale_share_of_reads": ours.stale_share,
        "naive_stale_reads": len(naive.stale),
        "naive_reads": naive.reads,
    }


def _run(seconds: float, *, naive: bool) -> tuple[Verdict, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="perfloop-killing-") as name, postgresql_server() as postgresql:
        users = Path(name, "users.acl")
        users.write_text(access_list(_SLOTS))
        prepare(postgresql, _SLOTS, KEYS)
        with redis_server("--aclfile", str(users)) as redis, ThreadPoolExecutor(4) as pool:
            address = f"127.0.0.1:{postgresql.port}/postgres?application_name={{name}}"
            settings = Settings(
                slot=0,
                life=0,
                slots=_SLOTS,
                directory=name,
                redis=f"redis://{{user}}:x@127.0.0.1:{redis.port}/0",
                postgresql=f"postgresql://{{user}}@{address}&options=-c%20statement_timeout%3D2000",
                naive=naive,
                hold=_HOLD,
            )
            processes = _Processes(settings, postgresql, pool)
            seed = random.randrange(1 << 30)
            draw = random.Random(seed)
            faults = Faults(redis, postgresql, _SLOTS, lambda slot: processes.kill(slot, draw), draw)
            try:
                processes.start_all()
                faults.start()
                until = time.monotonic() + seconds
                while (left := until - time.monotonic()) > 0:
                    time.sleep(min(left, draw.uniform(0.5, 1.5) * _KILL_PAUSE))
                    processes.kill(draw.randrange(_SLOTS), draw)
                faults.stop()
                processes.finish()
            finally:
                processes.end()
            lives = processes.lives(faults.silences)
            with postgresql.connect() as connection:
                source = dict(connection.execute("SELECT key, version FROM source").fetchall())
    verdict = check(lives, source, bound=BOUND, hold=_HOLD)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(faults.counts.items()))
    say(f"{'naive' if naive else 'ours'}: {verdict.reads:,} reads, {verdict.writes:,} writes, seed {seed}; {kinds}")
    for stale in verdict.stale[: 0 if naive else _SHOWN]:
        say(f"stale: {stale}")
        for name, began, over in faults.history:
            if began < stale.began and over > stale.began - _BEFORE:
                say(f"  {name} from {began:.3f} to {over:.3f}")
    return verdict, {"kills": processes.kills, "faults": sum(faults.counts.values())}


class _Processes:
    def __init__(self, settings: Settings, postgresql: PostgreSQLServer, pool: ThreadPoolExecutor) -> None:
        self._settings = settings
        self._postgresql = postgresql
        self._pool = pool
        self._control = Control(Path(settings.directory, "control"), _SLOTS, new=True).cells
        self._running: dict[int, tuple[Settings, subprocess.Popen[bytes]]] = {}
        self._ended: list[tuple[Settings, Future[float] | None]] = []
        self._lock = threading.Lock()
        self.kills = 0

    def start_all(self) -> None:
        for slot in range(_SLOTS):
            self._start(slot, 0)

    def _start(self, slot: int, life: int) -> None:
        mine = msgspec.structs.replace(self._settings, slot=slot, life=life)
        with self._log(mine).open("wb") as log:
            command = [sys.executable, "-m", f"{__package__}.process", msgspec.json.encode(mine).decode()]
            self._running[slot] = mine, subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self, slot: int, draw: random.Random) -> None:
        """kill -9, at any time or at a certain moment of a write, and start anew.

        Raises:
            RuntimeError: it has ended by itself.
        """
        with self._lock:
            mine, process = self._running[slot]
            if process.poll() is not None:
                raise RuntimeError(f"a process has ended with {process.returncode}: {self._log(mine).read_text()}")
            moment = draw.choice((0, 0, *MOMENTS, 2, 2))
            self._control[slot, ARM] = moment
            try:
                process.wait(_DIES_WITHIN if moment else 0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._control[slot, ARM] = 0
            self.kills += 1
            name = f"source-{mine.slot}-{mine.life}"
            self._ended.append((mine, self._pool.submit(settled, self._postgresql, name)))
            self._start(slot, mine.life + 1)

    def finish(self) -> None:
        """Let nobody write; then have each read every key, and end.

        Raises:
            RuntimeError: one of them does not.
        """
        self._control[:, PHASE] = 1
        time.sleep(BOUND + 1)
        self._control[:, PHASE] = 2
        for mine, process in self._running.values():
            if process.wait(60) != 0:
                raise RuntimeError(f"a process ended with {process.returncode}: {self._log(mine).read_text()}")
            self._ended.append((mine, None))
        self._running.clear()

    def end(self) -> None:
        for _, process in self._running.values():
            process.kill()
            process.wait()

    def lives(self, silences: list[tuple[int | None, float, float]]) -> list[Process]:
        """What all have written and read.

        Args:
            silences: of which slot, or of all, nothing could be heard, from when until when.

        Raises:
            RuntimeError: one that lived to the end did not read all keys then.
        """
        found = []
        for mine, gone in self._ended:
            writes, reads, unsaid = files(mine)
            life = Process(
                rows(writes, WRITE),
                rows(reads, READ),
                gone.result() if gone else float("inf"),
                tuple(rows(unsaid, UNSAID)["began"].tolist()),
                tuple((began, over) for slot, began, over in sorted(silences, key=_began) if slot in {None, mine.slot}),
                f"{mine.slot}-{mine.life}",
            )
            last = set(life.reads["key"][life.reads["how"] == FINAL].tolist())
            if gone is None and last != set(range(KEYS)):
                raise RuntimeError(f"expected all {KEYS} keys of a process in the end, got {len(last)}")
            found.append(life)
        return found

    def _log(self, mine: Settings) -> Path:
        return Path(self._settings.directory, f"{mine.slot}-{mine.life}.log")


def _began(silence: tuple[int | None, float, float]) -> float:
    return silence[1]
