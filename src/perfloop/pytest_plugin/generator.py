"""The load of a test, from a process of its own: `perfloop load`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from ..exceptions import PerfloopError
from ..records import LoadRecord, load_record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["GeneratorFailed", "generate"]

# Fine, a broken limit, an untrustworthy measurement: there is a record.
_MEASURED = (0, 1, 3)


class GeneratorFailed(PerfloopError):
    """`perfloop load` measured nothing: the target cannot be reached, or an option is wrong."""

    slug = "generator-failed"


def generate(words: Sequence[str], directory: Path, name: str) -> tuple[LoadRecord, Path, Path]:
    """The record that `perfloop load` with these words writes, and the paths of it and of its HTML report.

    Args:
        words: arguments and options.
        directory: for the files; a configuration file elsewhere has no say.
        name: of the files, without its end.

    Raises:
        GeneratorFailed: nothing was measured; its message is the command's own.
    """
    record, report = directory / f"{name}.json", directory / f"{name}.html"
    command = [sys.executable, "-m", "perfloop", "load", *words, "--no-live"]
    done = subprocess.run(
        [*command, "--output", str(record), "--html", str(report)],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode not in _MEASURED:
        raise GeneratorFailed("The load generator measured nothing", output=done.stderr, where="perfloop_slo")
    loaded = load_record(record)
    assert isinstance(loaded, LoadRecord)
    return loaded, record, report
