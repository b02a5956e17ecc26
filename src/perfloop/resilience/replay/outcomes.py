"""Recorded calls, put together from the files of all processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...exceptions import ConfigurationError, UnreadableRecord
from ..outcome import FAILURE, IGNORED, SUCCESS
from .outcome_file import REJECTED, SUFFIX, read_outcome_file

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import numpy.typing as npt

    from .outcome_file import OutcomeFile

__all__ = ["Outcomes", "read_outcomes"]


@dataclass(frozen=True)
class Outcomes:
    """Calls in columns, in the order in which they began."""

    name: str
    started: npt.NDArray[np.float64]
    """Seconds since 1970."""
    took: npt.NDArray[np.float64]
    """Seconds."""
    outcome: npt.NDArray[np.uint8]
    """SUCCESS, FAILURE, IGNORED or REJECTED."""
    process: npt.NDArray[np.int64]
    """Which of `processes`."""
    processes: Sequence[str] = ("",)
    lost: int = 0
    """Calls that the recorders dropped: they happened, and are not here."""
    damage: Sequence[str] = field(default=())
    """Files that end in damage, in words."""

    def __len__(self) -> int:
        return len(self.started)

    @property
    def ended(self) -> npt.NDArray[np.float64]:
        """Seconds since 1970."""
        return self.started + self.took

    def failed(self, slow_seconds: float | None = None) -> npt.NDArray[np.bool_]:
        """Which calls failed; with `slow_seconds`, also those that took longer."""
        failed: npt.NDArray[np.bool_] = self.outcome == FAILURE
        if slow_seconds is not None:
            failed |= (self.outcome == SUCCESS) & (self.took > slow_seconds)
        return failed

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """Which calls say something of the service."""
        judged: npt.NDArray[np.bool_] = self.outcome <= FAILURE
        return judged

    def count(self, outcome: int) -> int:
        """How many ended so."""
        return int(np.count_nonzero(self.outcome == outcome))

    def of_process(self, process: int) -> Outcomes:
        """The calls of one process."""
        return self._take(self.process == process)

    def _take(self, which: npt.NDArray[np.bool_]) -> Outcomes:
        return Outcomes(
            self.name, self.started[which], self.took[which], self.outcome[which], self.process[which], self.processes
        )


def read_outcomes(paths: Sequence[str | os.PathLike[str]], name: str | None = None) -> Outcomes:
    """The calls of one name out of files, and out of all such files in directories.

    Args:
        paths: files and directories.
        name: of the recorder; None where there is but one.

    Raises:
        UnreadableRecord: a path is missing, a directory has no such file, or a file has no proper head.
        ConfigurationError: several names and none given, or none of that name.
    """
    files = [read_outcome_file(path) for path in _files(paths)]
    names = sorted({file.head.name for file in files})
    if name is None and len(names) > 1:
        raise ConfigurationError(
            "Expected the name of one recorder: there are several", got=", ".join(names), hint="give one with --name"
        )
    chosen = [file for file in files if name is None or file.head.name == name]
    if not chosen:
        raise ConfigurationError(f"Expected one of the names recorded: {', '.join(names)}", got=name, where="name")
    return _together(chosen)


def _files(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(path.glob(f"*{SUFFIX}"))
            if not found:
                raise UnreadableRecord(f"Expected files that end in {SUFFIX}, but there are none", where=str(path))
            files += found
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def _together(files: Sequence[OutcomeFile]) -> Outcomes:
    owners = [file.head.process for file in files]
    processes = list(dict.fromkeys(owners))
    started = np.concatenate([np.asarray(file.started, np.float64) / 1e6 + file.head.epoch for file in files])
    took = np.concatenate([np.asarray(file.took, np.float64) / 1e6 for file in files])
    outcome = np.concatenate([np.frombuffer(file.outcomes, np.uint8) for file in files])
    process = np.concatenate(
        [np.full(len(file.started), processes.index(owner)) for file, owner in zip(files, owners, strict=True)]
    )
    order = np.argsort(started, kind="stable")
    return Outcomes(
        name=files[0].head.name,
        started=started[order],
        took=took[order],
        outcome=outcome[order],
        process=process[order],
        processes=processes,
        lost=sum(file.lost for file in files),
        damage=[f"{file.path.name}: {file.damage}" for file in files if file.damage is not None],
    )


assert (SUCCESS, FAILURE, IGNORED, REJECTED) == (0, 1, 2, 3), "files hold these numbers"
