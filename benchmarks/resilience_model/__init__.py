"""Area `resilience_model`: do breaker, bulkhead, limiter, retry budget and single flight keep their word in any order?

Three callers of one part, on an event loop that takes its steps one by one: a schedule says who begins when, how each
call ends, who is cancelled at which await, and when time passes (see `world`, `choices`). What must hold is checked
after each step, and what is left at the end. Small worlds are tried out completely, of larger ones schedules are drawn.
For threads, turns change wherever CPython may change threads (see `turns`).

- `schedules`: different ones that were tried; `exhaustive_worlds`: worlds of which that is all there are;
- `violations`: those of them in which something did not hold;
- `naive_total`, `naive_caught`: parts with one fault each, as shipped libraries have them, and those of them of which
  some schedule shows the fault.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from ..progress import say
from .choices import all_schedules, drawn_schedules
from .worlds import TWINS, WORLDS

__all__ = ["run"]

_CHUNK = 2_000
_TWIN_TRIES = 10_000
_MOST = 10_000_000


def run(full: bool) -> dict[str, Any]:
    """Try them all.

    Args:
        full: ten times as many at random.
    """
    times = 10 if full else 1
    tasks = [(name, range(0)) for name, world in WORLDS.items() if not world.drawn]
    for name, world in WORLDS.items():
        tasks += [(name, range(first, first + _CHUNK)) for first in range(0, world.drawn * times, _CHUNK)]
    traces: dict[str, set[int]] = {name: set() for name in WORLDS}
    wrong: list[str] = []
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        caught = list(pool.map(_is_caught, TWINS))
        for done, (name, seen, violations) in enumerate(pool.map(_try, tasks), start=1):
            traces[name] |= seen
            wrong += violations
            say(f"{done} of {len(tasks)} batches: {sum(map(len, traces.values())):,} schedules, {len(wrong)} wrong")
    for story in wrong[:10]:
        say(story)
    for twin in [name for name, found in zip(TWINS, caught, strict=True) if not found]:
        say(f"{twin} was not caught")
    figures = {
        "schedules": sum(map(len, traces.values())),
        "violations": len(wrong),
        "naive_caught": sum(caught),
        "naive_total": len(TWINS),
        "worlds": len(WORLDS),
        "exhaustive_worlds": sum(not world.drawn for world in WORLDS.values()),
    }
    return {"figures": figures, "peers": {name: len(seen) for name, seen in traces.items()}}


def _try(task: tuple[str, range]) -> tuple[str, set[int], list[str]]:
    """The schedules that were played, by their hash, and the stories of those in which something did not hold."""
    name, seeds = task
    play = WORLDS[name].run
    schedules = drawn_schedules(play, seeds) if seeds else all_schedules(play, most=_MOST)
    seen, violations = set(), []
    for choices, violation in schedules:
        seen.add(hash(tuple(choices.taken)))
        if violation is not None:
            violations.append(f"{name}: {violation}; choices {choices.taken}")
    return name, seen, violations


def _is_caught(name: str) -> bool:
    return any(
        violation is not None for play in TWINS[name] for _, violation in drawn_schedules(play, range(_TWIN_TRIES))
    )
