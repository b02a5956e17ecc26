"""The shortest diagnoses of the zoo that name one bottleneck of each kind; `python -m tests.zoo` runs them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfloop.diagnosis.rules import RULES
from tests.zoo.catalogue import EXHIBITS, SERVICES
from tests.zoo.keeper import examine

if TYPE_CHECKING:
    from perfloop.records import DiagnosisRecord

SUBSET = (
    "n_plus_one_orm",
    "n_plus_one_django",
    "missing_index",
    "cpu_in_async",
    "sleep_in_async",
    "cpu_bound_json",
    "cache_too_small",
    "cache_loses",
)


@pytest.mark.alone
@pytest.mark.parametrize("exhibit", [each for each in EXHIBITS if each.name in SUBSET], ids=lambda each: each.name)
def test_names_what_is_planted(exhibit, tmp_path) -> None:
    for _ in range(4):
        verdict = examine(exhibit, tmp_path, duration=2.0, step_duration=0.3)
        # A machine that was busy with other work may hide it, and says so: then again.
        if verdict.correct or verdict.record.summary.trustworthy:
            break
    named = [finding for finding in verdict.record.findings if finding.rule == exhibit.rule]
    record = verdict.record
    assert named, _what_happened(record)
    assert named[0].place.line in exhibit.planted_lines
    assert exhibit.fix in named[0].fix
    assert not verdict.mistakes


def _what_happened(record: DiagnosisRecord) -> str:
    """All of the record that tells why nothing was found, on lines that pytest does not cut."""
    facts = [record.summary, record.notes, record.findings]
    facts += [
        fact for route in record.routes for fact in (route.latency_ms, route.typical, route.slowest, route.statements)
    ]
    return "\n".join(map(str, facts))


def test_the_zoo_is_complete() -> None:
    files = {path.stem for path in SERVICES.glob("*.py") if not path.stem.startswith("_")}
    assert {exhibit.name for exhibit in EXHIBITS} == files
    assert {exhibit.rule for exhibit in EXHIBITS} == {None, *(rule.name for rule in RULES)}
    for exhibit in EXHIBITS:
        assert bool(exhibit.planted_lines) is (exhibit.rule is not None), exhibit.name
