"""Which reads were staler than promised: a pure function of what was written and read, and when.

A write promises that who begins to read so many seconds after its commit is given its version or a later one. In the
process that wrote, it promises that as soon as the cache has been told, if no level was out of reach. A write whose
cache is told after the commit, by a plain `delete`, promises that from then on, and nothing if its process dies before.
What could not be told to the others is promised from when the process is heard again, and not at all if it dies before.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .journal import DELETE, TOLD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["RECONNECTS", "Process", "Stale", "Verdict", "check"]


RECONNECTS = 3.0
"""Seconds after the end of a silence in which a process comes back to the backplane: its longest pause between two
attempts, and the time to connect and to say how far it has come."""


class Process(NamedTuple):
    """One life of one process."""

    writes: np.ndarray[Any, Any]
    reads: np.ndarray[Any, Any]
    gone: float = np.inf
    """When everything it had asked of the source was over; infinite for one that was not killed."""
    unsaid: tuple[float, ...] = ()
    """When it could not tell the others."""
    silences: tuple[tuple[float, float], ...] = ()
    """From when until when it cannot have been heard."""
    name: str = ""


class Stale(NamedTuple):
    """A read that was staler than promised."""

    process: int
    key: int
    began: float
    version: int
    promised: int
    how: int
    written: str
    """The write it did not see: by whom, who did not see it, and when what was done."""


class Verdict(NamedTuple):
    """What came of it."""

    stale: list[Stale]
    reads: int
    writes: int
    """That were committed."""
    unpromised: int
    """Of these: plain deletes whose process died before the call, what a process that died could not tell the others,
    and writes that outlasted their hold."""
    stalest: float
    """Seconds from a promised commit to the last read that began after it and did not see it."""
    stale_share: float
    """Of all reads, those that began after a promised commit they did not see."""


class _Commit(NamedTuple):
    version: int
    at: float
    """At the latest."""
    process: int
    row: Any


def check(processes: Iterable[Process], source: Mapping[int, int], *, bound: float, hold: float) -> Verdict:
    """All reads against all writes.

    Args:
        source: the version of each key that the source has in the end.
        bound: seconds after which a commit is seen in every process.
        hold: seconds for which `writing` holds.
    """
    lives = list(processes)
    commits = _commits(lives, source)
    stale: list[Stale] = []
    unpromised, stalest, late = 0, 0.0, 0
    for key, committed in commits.items():
        everywhere: list[tuple[float, int]] = []
        seen: list[_Commit] = []
        within: dict[int, list[tuple[float, int]]] = defaultdict(list)
        for commit in committed:
            ended, way = float(commit.row["ended"]), int(commit.row["way"])
            since = _since(commit, lives[commit.process], hold=hold)
            if since is None:
                unpromised += 1
            else:
                everywhere.append((since + bound, commit.version))
                seen.append(commit)
            if ended and way != TOLD and not commit.row["behind"]:
                within[commit.process].append((ended, commit.version))
        for number, life in enumerate(lives):
            reads = life.reads[life.reads["key"] == key]
            promised = _promised(everywhere + within.get(number, []), reads["began"])
            for place in np.flatnonzero(reads["version"] < promised):
                read = reads[place]
                began, version, how = float(read["began"]), int(read["version"]), int(read["how"])
                missed = next(commit for commit in committed if commit.version == promised[place])
                stale.append(Stale(number, key, began, version, missed.version, how, _told(missed, life, lives)))
            after = reads["began"] - _next_commit(seen, reads["version"])
            late += int(np.count_nonzero(after > 0))
            stalest = max(stalest, float(after.max(initial=0.0)))
    reads_made = sum(len(life.reads) for life in lives)
    made = sum(map(len, commits.values()))
    return Verdict(stale, reads_made, made, unpromised, stalest, late / max(reads_made, 1))


def _told(commit: _Commit, reader: Process, lives: list[Process]) -> str:
    row, writer = commit.row, lives[commit.process]
    moments = ", ".join(f"{name} {row[name]:.3f}" for name in ("held", "asked", "committed", "failed", "ended"))
    unsaid = [round(at, 3) for at in writer.unsaid if row["held"] <= at <= (row["ended"] or writer.gone)]
    return f"{writer.name}, not {reader.name}: way {row['way']}, {moments}, behind {row['behind']}, unsaid {unsaid}"


def _since(commit: _Commit, life: Process, *, hold: float) -> float | None:
    """From when the bound counts; None if nothing is promised."""
    row, way = commit.row, int(commit.row["way"])
    since, ended = commit.at, float(commit.row["ended"])
    if way == TOLD:
        return since
    if way == DELETE or commit.at - row["held"] >= hold:
        if not ended:
            return None
        since = ended
    if any(row["held"] <= at <= (ended or life.gone) for at in life.unsaid):
        for began, over in life.silences:
            if began <= since and over + RECONNECTS > since:
                since = over + RECONNECTS
        if since > life.gone:
            return None
    return since


def _commits(lives: list[Process], source: Mapping[int, int]) -> dict[int, list[_Commit]]:
    """Of each key, by version."""
    sure: dict[tuple[int, int], _Commit] = {}
    doubtful: dict[tuple[int, int], _Commit] = {}
    for number, life in enumerate(lives):
        for row in life.writes[life.writes["asked"] > 0]:
            name = int(row["key"]), int(row["version"])
            if row["committed"]:
                sure[name] = _Commit(name[1], float(row["committed"]), number, row)
                continue
            # Of several that may have made a version the last is taken: it promises least.
            each = _Commit(name[1], float(row["failed"]) or life.gone, number, row)
            doubtful[name] = max(each, doubtful.get(name, each), key=lambda commit: commit.at)
    found = sure | {
        name: each for name, each in doubtful.items() if name not in sure and name[1] <= source.get(name[0], 0)
    }
    by_key: dict[int, list[_Commit]] = defaultdict(list)
    for (key, _), commit in sorted(found.items()):
        by_key[key].append(commit)
    return by_key


def _promised(promises: list[tuple[float, int]], moments: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The version promised at each moment."""
    ordered = sorted(promises)
    since = np.array([at for at, _ in ordered])
    versions = np.maximum.accumulate(np.array([0, *(version for _, version in ordered)]))
    found: np.ndarray[Any, Any] = versions[np.searchsorted(since, moments, side="right")]
    return found


def _next_commit(committed: list[_Commit], versions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """When the version after each was committed; infinite after the last."""
    known = np.array([commit.version for commit in committed])
    at = np.array([*(commit.at for commit in committed), np.inf])
    found: np.ndarray[Any, Any] = at[np.searchsorted(known, versions, side="right")]
    return found
