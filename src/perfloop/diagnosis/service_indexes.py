"""Index advice for what a service asks: tried on a clone of its database, for the statements it was seen to issue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..database import clone_database, open_database
from ..database.indexes import advise_indexes
from ..exceptions import PerfloopError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..records import WorkloadRecord
    from ..records.index_advice import AdvisedIndex, SequentialScan, StatementGain

__all__ = ["AdvisedTrial", "ServiceIndexes", "advise_service", "check_database"]


@dataclass(frozen=True, slots=True)
class AdvisedTrial:
    """One statement on a clone of the database, with and without an index that is advised for the whole workload."""

    index: AdvisedIndex
    gain: StatementGain
    sampled: bool
    """The clone had a sample of the rows."""

    @property
    def part(self) -> float:
        """Of the statement's time that remains with the index: by its time, else its pages, else its cost."""
        gain = self.gain
        for before, after in (
            (gain.ms_before, gain.ms_after),
            (gain.buffers_before, gain.buffers_after),
            (gain.cost_before, gain.cost_after),
        ):
            if before and after is not None:
                return min(after / before, 1.0)
        return 1.0


@dataclass(frozen=True)
class ServiceIndexes:
    """What was found, by the statement's fingerprint."""

    trials: dict[str, AdvisedTrial] = field(default_factory=dict)
    scans: dict[str, SequentialScan] = field(default_factory=dict)
    """Statements that are right to read a whole table."""
    notes: list[str] = field(default_factory=list)


def check_database(dsn: str) -> None:
    """Connect once, before anything is measured.

    Raises:
        ConfigurationError, DatabaseUnreachable, NoPrivilege: see `open_database`.
    """
    with open_database(dsn):
        pass


def advise_service(dsn: str, workload: WorkloadRecord, progress: Callable[[str], None]) -> ServiceIndexes:
    """Look for indexes on a clone of the database; the database itself is only read. Blocks: call it off the loop.

    What goes wrong is a note: the diagnosis stands without it.

    Args:
        dsn: the service's database.
        workload: what the service was seen to ask.
        progress: told a line for each step; what it raises ends the search.
    """
    try:
        with open_database(dsn) as database, clone_database(database, progress=progress) as clone:
            progress("looking for indexes on the clone")
            advice = advise_indexes(database, workload, clone=clone.database)
            sampled = clone.sampled
    except PerfloopError as error:
        return ServiceIndexes(notes=[f"indexes were not looked for: {error.message}"])
    trials: dict[str, AdvisedTrial] = {}
    for index in advice.advised:
        for gain in index.statements:
            trial = AdvisedTrial(index, gain, sampled)
            known = trials.get(gain.fingerprint)
            if known is None or trial.part < known.part:
                trials[gain.fingerprint] = trial
    scans = {scan.fingerprint: scan for scan in advice.sequential_scans if scan.fingerprint not in trials}
    return ServiceIndexes(trials, scans)
