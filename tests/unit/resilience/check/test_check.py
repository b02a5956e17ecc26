"""All rules together."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.resilience import Bulkhead, CircuitBreaker, Deadline, Policy, Retry, Timeout, check_all
from perfloop.resilience.check import RULES, check
from perfloop.resilience.check import rules as package

HERE = Path(__file__).parent


def test_each_rule_is_a_file_with_a_test_and_a_summary() -> None:
    files = {path.stem for path in Path(package.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {rule.name.replace("-", "_") for rule in RULES}
    for rule in RULES:
        assert (HERE / f"test_{rule.name.replace('-', '_')}.py").exists()
        assert rule.summary.endswith(".")


def test_a_policy_set_well_has_no_findings() -> None:
    policy = Policy(Deadline(3), Retry(3, idempotent=True), CircuitBreaker(20), Bulkhead(10, timeout=0.1), Timeout(0.5))
    assert policy.check(workers=8) == []


def test_a_policy_checks_itself_and_those_it_calls() -> None:
    inner = Policy(Bulkhead(3), name="inner")
    outer = Policy(CircuitBreaker(), calls=[inner], name="outer")
    assert [finding.what.split("'")[1] for finding in outer.check()] == ["outer", "inner"]


def test_policies_of_one_line_are_one_finding() -> None:
    hosts = [Policy(CircuitBreaker(name=host), name="host") for host in "abc"]
    assert len(check(hosts)) == 1


def test_all_that_is_alive_is_checked() -> None:
    gc.collect()
    before = {finding.where for finding in check_all()}
    policy = Policy(CircuitBreaker())
    assert {finding.where for finding in check_all()} - before == {policy.made_at}
    del policy
    gc.collect()
    assert {finding.where for finding in check_all()} == before


def test_a_finding_reads_as_text() -> None:
    (finding,) = Policy(CircuitBreaker(), name="pay").check()
    lines = str(finding).splitlines()
    assert lines[0] == "no-timeout: policy 'pay' waits for its calls for as long as they take"
    assert lines[1].startswith("  where  ")
    assert lines[2].startswith("  fix    ")


def test_no_workers_are_refused() -> None:
    with pytest.raises(InvalidValue, match="workers"):
        Policy(Timeout(1)).check(workers=0)
