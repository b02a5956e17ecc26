"""The search for indexes after a run: on copies of SQLite's files, and on a clone of the database that was named."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..sources import Sources
from .index_trial import IndexTrial, NoTrial, scan_is_right, try_index
from .service_indexes import AdvisedTrial, advise_service
from .workload import workload_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..monitoring import Observations
    from .matching import Match
    from .options import DiagnosisOptions

__all__ = ["Trials", "not_looked_at", "search_clone", "try_indexes"]

Trials: TypeAlias = dict[int, IndexTrial | NoTrial | AdvisedTrial]
_MOST_TRIALS = 5
# Statements below this many seconds a request are not worth a trial.
_WORTH_A_TRIAL = 1e-3


async def try_indexes(observations: Observations, found: Match, stop: asyncio.Event) -> tuple[Trials, list[str]]:
    """Propose and try an index for each statement that takes long enough, the dearest first; notes where none helps."""
    explains = {explain.statement: explain for explain in observations.explains}
    trials: Trials = {}
    notes: list[str] = []
    for statement in [each for each in _dear(found) if each in explains][:_MOST_TRIALS]:
        if stop.is_set():
            break
        text = observations.statements[statement]
        trial = await asyncio.to_thread(try_index, explains[statement], text)
        if trial is not None:
            trials[statement] = trial
            notes += scan_is_right(text, trial)
    return trials, notes


async def search_clone(
    options: DiagnosisOptions,
    observations: Observations,
    found: Match,
    trials: Trials,
    tell: Callable[[str], None],
    stop: asyncio.Event,
) -> list[str]:
    """Look for indexes on a clone of the database: into `trials` what was found, and notes."""
    assert options.dsn is not None
    loop = asyncio.get_running_loop()

    def progress(step: str) -> None:
        if stop.is_set():
            raise _Stopped
        loop.call_soon_threadsafe(tell, step)

    workload = workload_of(observations, Sources(options.cwd or Path.cwd()))
    try:
        advised = await asyncio.to_thread(advise_service, options.dsn, workload, progress)
    except _Stopped:
        return ["indexes were not looked for: stopped before"]
    notes = list(advised.notes)
    for statement in _dear(found):
        text = observations.statements[statement]
        if text in advised.trials:
            trials[statement] = advised.trials[text]
        elif text in advised.scans:
            scan = advised.scans[text]
            notes.append(f"a scan of {scan.table} is right here, {scan.reason}: {text}")
    return notes


def not_looked_at(observations: Observations, found: Match) -> list[str]:
    """A note that statements of PostgreSQL take long, where its database was not named; the dearest is named."""
    names = " ".join(name for info in observations.processes.values() for name in info.frameworks).lower()
    dear = _dear(found)
    if not dear or not ("psycopg" in names or "asyncpg" in names):
        return []
    return [f"whether an index would help is not known without the database, --dsn: {observations.statements[dear[0]]}"]


class _Stopped(Exception):
    """The search for indexes is to end."""


def _dear(found: Match) -> list[int]:
    """The statements that take long enough to be looked at, the dearest first."""
    seconds: dict[int, float] = {}
    for request in found.requests:
        for call in request.trace.statements:
            seconds[call.statement] = seconds.get(call.statement, 0.0) + call.duration
    ordered = sorted(seconds, key=seconds.__getitem__, reverse=True)
    return [statement for statement in ordered if _mean_over_users(found, statement) >= _WORTH_A_TRIAL]


def _mean_over_users(found: Match, statement: int) -> float:
    """Seconds of the statement a request, over the requests that issue it."""
    each = [
        total
        for request in found.requests
        if (total := sum(call.duration for call in request.trace.statements if call.statement == statement)) > 0
    ]
    return sum(each) / len(each) if each else 0.0
