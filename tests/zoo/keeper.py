"""Diagnoses an exhibit and judges the diagnosis."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from perfloop.diagnosis import DiagnosisOptions, diagnose
from perfloop.loadtest import Request

if TYPE_CHECKING:
    from perfloop.records import DiagnosisRecord, Finding

    from .catalogue import Exhibit

__all__ = ["Verdict", "examine", "judge"]

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Verdict:
    """What a diagnosis got wrong."""

    exhibit: Exhibit
    record: DiagnosisRecord
    mistakes: list[str] = field(default_factory=list)

    @property
    def correct(self) -> bool:
        return not self.mistakes


def examine(exhibit: Exhibit, directory: Path, *, duration: float = 4.0, step_duration: float = 0.6) -> Verdict:
    """Diagnose one service and judge what was found.

    Args:
        exhibit: the service.
        directory: for its database.
        duration, step_duration: seconds of the judged run, and of each step of the load curve.
    """
    options = DiagnosisOptions(
        command=exhibit.command,
        cwd=REPOSITORY,
        env={"ZOO_DIRECTORY": str(directory)},
        requests=tuple(Request(target=target) for target in exhibit.request.split(",")),
        duration=duration,
        step_duration=step_duration,
    )
    return judge(exhibit, asyncio.run(diagnose(options)))


def judge(exhibit: Exhibit, record: DiagnosisRecord) -> Verdict:
    """Compare findings with what is planted."""
    mistakes = []
    if record.summary.errors:
        mistakes.append(f"{record.summary.errors} requests failed")
    named = [finding for finding in record.findings if finding.rule == exhibit.rule]
    if exhibit.rule is not None and not named:
        mistakes.append(f"did not find {exhibit.rule}")
    for finding in named[:1]:
        mistakes += _place_and_fix(exhibit, finding)
    mistakes += [f"second finding {finding.rule} at {finding.place.file}:{finding.place.line}" for finding in named[1:]]
    mistakes += [
        f"wrongly found {finding.rule} at {finding.place.file}:{finding.place.line}"
        for finding in record.findings
        if finding.rule != exhibit.rule and finding.rule not in exhibit.also
    ]
    return Verdict(exhibit, record, mistakes)


def _place_and_fix(exhibit: Exhibit, finding: Finding) -> list[str]:
    mistakes = []
    place = finding.place
    file = str(exhibit.file.relative_to(REPOSITORY))
    if place.file != file or place.line not in exhibit.planted_lines:
        mistakes.append(f"names {place.file}:{place.line}, planted is {file}:{sorted(exhibit.planted_lines)}")
    if exhibit.fix not in finding.fix:
        mistakes.append(f"the fix says {finding.fix!r}, not {exhibit.fix!r}")
    if exhibit.loop and finding.loop is None:
        mistakes.append("names no loop")
    return mistakes
