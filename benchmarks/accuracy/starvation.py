"""Does a starved generator say so?

Starved on purpose, in two ways: other programs want its core at a higher priority (`by_others`), and it is asked for a
rate no Python process can send (`by_its_rate`). Either run must be called untrustworthy.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from perfloop.loadtest import LoadOptions, run_sync

from ..machine import may_go_ahead, on_core
from ..nginx import nginx
from ..progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["run"]

_RATE = 2000
_IMPOSSIBLE_RATE = 300_000
_SECONDS = 3.0
_CONNECTIONS = 64


def run(core: int, client_core: int, rounds: int) -> dict[str, bool]:
    """Whether every run was flagged, by how the generator was starved.

    Args:
        core: the server's.
        client_core: the generator's.
        rounds: how often each.
    """
    flagged = {"by_others": True, "by_its_rate": True}
    affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {client_core})
    try:
        with nginx(core) as server:
            for _ in range(rounds):
                with _hogs(client_core):
                    flagged["by_others"] &= _flagged(server.url, _RATE)
                flagged["by_its_rate"] &= _flagged(server.url, _IMPOSSIBLE_RATE)
    finally:
        os.sched_setaffinity(0, affinity)
    return flagged


def _flagged(url: str, rate: float) -> bool:
    summary = run_sync(
        LoadOptions(url=url, rate=rate, connections=_CONNECTIONS, duration=_SECONDS, timeout=1.0, warm_up="none")
    ).summary
    say(f"starved at {rate:,}/s: {summary.reasons or 'NOT FLAGGED'}")
    return not summary.trustworthy


@contextlib.contextmanager
def _hogs(core: int) -> Iterator[None]:
    """Programs that never rest, on that core: one ahead of the generator, or as many as leave it little."""
    command = on_core(core, [sys.executable, "-c", "while True: pass"])
    hogs = [subprocess.Popen(command) for _ in range(2 if may_go_ahead() else 12)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
        for hog in hogs:
            hog.wait()
