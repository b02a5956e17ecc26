"""Area `invalidation`: does any reader, or any level, keep an old value for good after it was changed?

The cache's own programs run on three nodes over none, one or two shared levels, stepped in one thread: which step is
next is the schedule's choice (see `world`, `schedules`, `situations`). A schedule is lost if a reader is given less
than what he who began it could know to be there, or if an old value is still taken for fresh when everything has ended.

- `interleavings`: different schedules that were tried, drawn at random, and all there are of some small worlds;
- `lost_invalidations`: those of them that lost something;
- `naive_lost`: as many of a cache without any defence, out of `naive_interleavings`;
- `twins`, `twins_caught`: caches that lack one defence each, and those of them that were seen to lose something.

Then four real processes share a Redis and a PostgreSQL for a minute (see `killing`), and are killed, cut off and
started anew, as are the servers. A write's promise is checked against every read (see `killing.checker`).

- `stale_reads_beyond_bound`: reads that were staler than promised; `bound_s` is the longest that is promised;
- `naive_stale_reads`: as many of a cache-aside without any defence, a quarter of the time.
"""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from ..progress import say
from .killing import supervisor
from .schedules import enumerate_schedules, run_schedule
from .twins import NAIVE, TWINS, without

if TYPE_CHECKING:
    from collections.abc import Callable

    from .world import World

__all__ = ["run"]

_SCHEDULES = 205_000
_NAIVE_SCHEDULES = 2_000
_TWIN_TRIES = 10_000
_CHUNK = 1_000
_KILLING_SECONDS = 60.0
_NAIVE_SECONDS = 15.0


def run(full: bool) -> dict[str, Any]:
    """Try them all.

    Args:
        full: ten times as many at random, and killing for ten times as long.
    """
    killed = supervisor.figures(_KILLING_SECONDS * (10 if full else 1), _NAIVE_SECONDS)
    chunks = [range(first, first + _CHUNK) for first in range(0, _SCHEDULES * (10 if full else 1), _CHUNK)]
    traces: set[int] = set()
    lost: list[str] = []
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        twins = {name: pool.submit(_find_loss, name) for name in TWINS}
        naive = pool.submit(_count_naive)
        for done, (seen, stories) in enumerate(itertools.chain(pool.map(_enumerate, _SMALL), pool.map(_try, chunks))):
            traces.update(seen)
            lost += stories
            if done % 20 == 0:
                say(f"{len(traces):,} interleavings, {len(lost)} lost")
        for story in lost[:3]:
            say(story)
        caught = {name: future.result() for name, future in twins.items()}
        naive_lost = naive.result()
    return {
        "figures": {
            "interleavings": len(traces),
            "lost_invalidations": len(lost),
            "naive_lost": naive_lost,
            "naive_interleavings": _NAIVE_SCHEDULES,
            "twins": len(TWINS),
            "twins_caught": sum(tries is not None for tries in caught.values()),
            **killed,
        },
        "peers": {f"tries until a loss, {name}": tries for name, tries in caught.items()},
    }


def _try(seeds: range) -> tuple[list[int], list[str]]:
    verdicts = [(seed, run_schedule(seed)) for seed in seeds]
    lost = [f"seed {seed}: {verdict.lost}: {verdict.story}" for seed, verdict in verdicts if verdict.lost]
    return [verdict.trace for _, verdict in verdicts], lost


def _enumerate(number: int) -> tuple[list[int], list[str]]:
    verdicts = list(enumerate_schedules(*_WORLDS[number]))
    lost = [f"small world {number}: {verdict.lost}: {verdict.story}" for verdict in verdicts if verdict.lost]
    return [verdict.trace for verdict in verdicts], lost


def _count_naive() -> int:
    with without(NAIVE):
        return sum(bool(run_schedule(seed).lost) for seed in range(_NAIVE_SCHEDULES))


def _find_loss(name: str) -> int | None:
    """The number of schedules until the twin loses something."""
    with without(name):
        for tries in range(_TWIN_TRIES):
            if run_schedule(tries, in_situations=0.5).lost:
                return tries + 1
    return None


def _read_and_change(world: World, kind: str) -> None:
    world.change(world.nodes[0], "a", kind)
    world.read(world.nodes[1], ["a"])


def _read_and_write(world: World) -> None:
    world.write(world.nodes[0], "a")
    world.read(world.nodes[1], ["a"])


def _read_refresh_and_change(world: World) -> None:
    world.change(world.nodes[0], "a", "delete")
    world.refresh(world.nodes[0], "a")
    world.read(world.nodes[1], ["a"])


_WORLDS: list[tuple[int, Callable[[World], None]]] = [
    *((levels, partial(_read_and_change, kind=kind)) for levels in (0, 1, 2) for kind in ("delete", "tags", "clear")),
    (1, _read_and_write),
    (0, _read_refresh_and_change),
]
_SMALL = range(len(_WORLDS))
