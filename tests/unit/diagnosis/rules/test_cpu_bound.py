from __future__ import annotations

import pytest

from perfloop.diagnosis.rules import cpu_bound
from perfloop.monitoring.observations import Frame, Stack

from ..synthetic import MS, Call, Run, Sent, frame, library, source

TEXT = """\
def render(rows):
    out = []
    for row in rows:
        out.append(expensive(row))
    return out

def expensive(row):
    return json.dumps(row)
"""
JSON = Frame("/usr/lib/python3.12/json/encoder.py", 200, "encode", user=False)


def faulty(frames: list[Frame], *, share: float = 0.9, cpu: float = 20 * MS, samples: int = 400) -> Run:
    return Run(
        [Sent(parts={"cpu": cpu})] * 200,
        stacks=[
            Stack(pid=100, route="/orders", frames=frames, samples=int(samples * share), cpu_seconds=4 * share),
            Stack(
                pid=100,
                route="/orders",
                frames=[library("starlette")],
                samples=int(samples * (1 - share)),
                cpu_seconds=4 * (1 - share),
            ),
        ],
        texts=source(TEXT),
        capacity_rps=45,
    )


def test_names_the_function_the_library_call_belongs_to() -> None:
    (finding,) = cpu_bound.RULE.find(faulty([JSON, frame(8, function="expensive"), frame(4)]).evidence())
    assert (finding.place.line, finding.place.function) == (8, "expensive")
    assert "90% of it in expensive" in finding.evidence
    low, estimate, high = finding.predicted.p99_ms
    # Half of 90 % of 20 ms is saved; at most all of it, at least a fifth.
    assert estimate == pytest.approx(11.2, rel=0.15)
    assert low < 9
    assert high > 12


@pytest.mark.parametrize("package", ["pydantic", "sqlalchemy", "django", "fastapi"])
def test_time_in_frameworks_is_no_finding(package) -> None:
    assert cpu_bound.RULE.find(faulty([library(package), frame(4)]).evidence()) == []


def test_other_libraries_work_for_the_line_that_called_them() -> None:
    (finding,) = cpu_bound.RULE.find(faulty([library("pandas"), frame(4, function="render")]).evidence())
    assert finding.place.function == "render"


@pytest.mark.parametrize(
    "changes", [{"share": 0.3}, {"cpu": 1 * MS}, {"samples": 10}], ids=["no culprit", "fast", "few samples"]
)
def test_what_is_not_worth_a_finding(changes) -> None:
    assert cpu_bound.RULE.find(faulty([frame(8)], **changes).evidence()) == []


def test_time_in_the_database_is_not_cpu() -> None:
    run = faulty([frame(8)])
    run.statements, run.sites = ["SELECT 1"], [[frame(2)]]
    for sent in run.requests:
        sent.parts, sent.calls = {"cpu": 5 * MS}, [Call(0, 0, 20 * MS)]
    assert cpu_bound.RULE.find(run.evidence()) == []


def test_samples_on_a_statements_line_are_the_statements() -> None:
    run = faulty([frame(8)])
    run.statements, run.sites = ["SELECT 1"], [[frame(8)]]
    assert cpu_bound.RULE.find(run.evidence()) == []
