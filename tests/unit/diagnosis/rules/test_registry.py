from __future__ import annotations

from pathlib import Path

import pytest

import perfloop.diagnosis.rules as package
from perfloop.diagnosis.rules import RULES, find

from ..synthetic import MS, Call, Run, Sent, frame
from . import test_n_plus_one

RULE_FILES = {path.stem for path in Path(package.__file__).parent.glob("*.py")} - {"__init__", "rule"}
REPOSITORY = Path(__file__).parents[4]


def test_each_file_is_registered_once() -> None:
    assert sorted(rule.name.replace("-", "_") for rule in RULES) == sorted(RULE_FILES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_has_a_test_and_a_paragraph(rule) -> None:
    assert Path(__file__).with_name(f"test_{rule.name.replace('-', '_')}.py").exists()
    assert f"`{rule.name}`" in (REPOSITORY / "docs" / "diagnosis.md").read_text()


@pytest.mark.parametrize(
    "run",
    [
        Run([Sent(parts={"cpu": 0.4 * MS})] * 500, interval=0.002, capacity_rps=1_000),
        Run([Sent(parts={"cpu": 3 * MS}, is_async=True)] * 500, interval=0.006, capacity_rps=300),
        # Saturated: requests queue for a worker and for the interpreter.
        Run(
            [Sent(parts={"cpu": 4 * MS, "interpreter_wait": 30 * MS}, before=50 * MS)] * 500,
            interval=0.004,
            capacity_rps=240,
        ),
        Run(
            [Sent(calls=[Call(0, 0, 0.4 * MS), Call(1, 0, 0.4 * MS)])] * 300,
            statements=["SELECT 1", "SELECT 2"],
            sites=[[frame(1)]],
        ),
        Run([]),
    ],
    ids=["fast", "async", "saturated", "some statements", "nothing"],
)
def test_healthy_services_have_no_findings(run) -> None:
    assert find(run.evidence()) == []


def test_findings_are_ranked_by_what_they_save() -> None:
    run = test_n_plus_one.faulty()
    # A second, smaller one on the same route.
    run.statements.append("SELECT * FROM customer WHERE id = ?")
    run.sites.append([frame(7)])
    for sent in run.requests[:1]:
        sent.calls += [Call(2, 2, 0.4 * MS)] * 12
        sent.parts["cpu"] += 12 * 0.2 * MS
    findings = find(run.evidence())
    assert [finding.measures["statements_per_request"] for finding in findings] == [30, 12]
    assert findings[0].share_of_time > findings[1].share_of_time
