"""What perfloop resilience check says, in a process of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Perfloop

GOOD = """\
from perfloop import CircuitBreaker, Deadline, Policy, Retry, Timeout

payments = Policy(Deadline(5), Retry(3, idempotent=True), CircuitBreaker(10), Timeout(1), name="payments")
"""
BAD = """\
from perfloop import Bulkhead, CircuitBreaker, Policy, Retry, Timeout
from perfloop.resilience import register_limit, register_pool

database = Policy(Retry(3, idempotent=True), Bulkhead(30, name="database"), Timeout(1), name="database")
pool = register_pool("orders", size=20, guards=[database])
register_limit("PostgreSQL", most=100, of=[pool])
orders = Policy(Retry(3, idempotent=True), CircuitBreaker(), name="orders", calls=[database])
"""


@pytest.fixture(autouse=True)
def modules(workplace: Path) -> None:
    (workplace / "shop").mkdir()
    (workplace / "shop" / "__init__.py").touch()
    (workplace / "shop" / "policies.py").write_text(GOOD)
    (workplace / "bad.py").write_text(BAD)
    (workplace / "lonely.py").write_text("from perfloop import CircuitBreaker\n\nbreaker = CircuitBreaker()\n")
    (workplace / "empty.py").touch()
    (workplace / "broken.py").write_text("\n\n1 / 0\n")


@pytest.mark.parametrize("module", ["shop.policies", "shop/policies.py"])
def test_policies_that_fit_have_no_findings(perfloop: Perfloop, module: str) -> None:
    run = perfloop("resilience", "check", module)
    assert (run.returncode, run.stderr) == (0, "")
    assert "no findings in 5 parts" in run.stdout


def test_no_policy_is_not_passed_off_as_one_without_findings(perfloop: Perfloop) -> None:
    run = perfloop("resilience", "check", "lonely")
    assert run.returncode == 0
    assert "no findings in 1 part\n\n  !        no policy among them" in run.stdout


def test_findings_say_what_where_and_how_to_fix(perfloop: Perfloop) -> None:
    run = perfloop("resilience", "check", "bad", "--workers", "8")
    assert (run.returncode, run.stderr) == (1, "")
    assert "bad · 8 processes" in run.stdout
    for text in (
        "FINDING  nested-retries",
        "what     one call may become 9 attempts: orders (3) → database (3)",
        "where    bad.py:7",
        "FINDING  bulkhead-larger-than-pool",
        "where    bad.py:4",
        "FINDING  limits-times-workers",
        "together may ask 160 of 'PostgreSQL', which gives 100",
        "where    bad.py:6",
        "FINDING  no-timeout",
        "4 findings in 7 parts, 1 pool, 1 limit",
    ):
        assert " ".join(text.split()) in " ".join(run.stdout.split())
    assert max(len(line) for line in run.stdout.splitlines()) <= 80


def test_as_json_it_is_all_there(perfloop: Perfloop) -> None:
    run = perfloop("resilience", "check", "bad.py", "--json", "--workers", "2")
    assert (run.returncode, run.stderr) == (1, "")
    told = json.loads(run.stdout)
    assert told["workers"] == 2
    assert [finding["rule"] for finding in told["findings"]] == [
        "nested-retries",
        "bulkhead-larger-than-pool",
        "no-timeout",
    ]
    assert told["findings"][1]["numbers"] == {"permits": 30, "pool": 20}
    orders = next(policy for policy in told["policies"] if policy["name"] == "orders")
    assert orders["calls"] == ["database"]
    assert [part["kind"] for part in orders["parts"]] == ["retry", "circuit_breaker"]
    assert (told["pools"][0]["size"], told["limits"][0]["most"]) == (20, 100)


def test_policies_are_shown_as_trees(perfloop: Perfloop) -> None:
    run = perfloop("resilience", "check", "shop.policies", "--tree")
    assert run.returncode == 0
    assert "  policy 'payments'\n  └ deadline" in run.stdout
    assert "└ the call" in run.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "a module that can be imported"),
        (["nowhere.py"], "there is none"),
        (["broken"], "ZeroDivisionError: division by zero (broken.py:3)"),
        (["broken.py"], "ZeroDivisionError"),
        (["empty"], "makes policies when it is imported"),
        (["not a module"], "a module that can be imported"),
        (["shop.policies", "--workers", "0"], "1 or more"),
        (["shop.policies", "--workers", "many"], "1 or more"),
    ],
)
def test_wrong_use_says_what_was_expected(perfloop: Perfloop, words: list[str], message: str) -> None:
    run = perfloop("resilience", "check", *words)
    assert run.returncode == 2, run.stderr
    assert message in run.stderr
    assert run.stdout == ""
