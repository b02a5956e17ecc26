from __future__ import annotations

import pytest

from perfloop.diagnosis.index_trial import IndexTrial, NoTrial
from perfloop.diagnosis.rules import slow_query
from perfloop.diagnosis.sql import IndexProposal
from perfloop.monitoring.observations import Explain

from ..synthetic import MS, Call, Run, Sent, frame

PROPOSAL = IndexProposal("orders", ("customer_id",))
SQL = "SELECT * FROM orders WHERE customer_id = ?"


def trial(before: float = 20 * MS, after: float = 0.2 * MS, *, used: bool = True) -> IndexTrial:
    return IndexTrial(PROPOSAL, before, after, used, 20, 50_000, 800_000, 0.04, 2e-6)


def faulty(found: IndexTrial | NoTrial, seconds: float = 20 * MS) -> Run:
    return Run(
        [Sent(route="/customers/{id}", calls=[Call(0, 0, seconds, rows=20)])] * 200,
        statements=[SQL],
        sites=[[frame(12)]],
        explains=[Explain(statement=0, plan=["SCAN orders"], database="/srv/shop.db")],
        trials={0: found},
    )


def test_measured_on_a_copy() -> None:
    (finding,) = slow_query.RULE.find(faulty(trial()).evidence())
    assert finding.fix == "CREATE INDEX ix_orders_customer_id ON orders (customer_id)"
    assert "SCAN orders" in finding.evidence
    assert "20 ms without and 200 µs with the index (50000 rows" in finding.evidence
    assert finding.cost == "800 kB of disk, 40 ms to build, about 2 µs more for each row written"
    assert finding.place.line == 12
    low, estimate, high = finding.predicted.p99_ms
    assert 1.5 < low <= estimate <= high < 8
    assert finding.measures["measured"] == "on a copy"


@pytest.mark.parametrize(
    "found",
    [trial(before=1.1 * MS, after=1 * MS), trial(used=False)],
    ids=["returns most rows", "SQLite does not want it"],
)
def test_a_scan_that_is_right_is_no_finding(found) -> None:
    assert slow_query.RULE.find(faulty(found).evidence()) == []


def test_a_fast_statement_is_no_finding() -> None:
    assert slow_query.RULE.find(faulty(trial(0.5 * MS, 0.01 * MS), seconds=0.5 * MS).evidence()) == []


def test_without_a_copy_the_gain_is_bounded_and_says_so() -> None:
    (finding,) = slow_query.RULE.find(faulty(NoTrial(PROPOSAL, "the database is in memory")).evidence())
    assert "because the database is in memory: the gain is bounded" in finding.evidence
    low, estimate, high = finding.predicted.p99_ms
    assert low < estimate < high
    assert finding.measures["measured"] == "bounded"


def test_one_statement_on_two_routes_is_one_finding() -> None:
    run = faulty(trial())
    run.requests = run.requests + [Sent(route="/export", calls=[Call(0, 0, 20 * MS)])] * 50
    (finding,) = slow_query.RULE.find(run.evidence())
    assert finding.route == "GET /customers/{id}"
    assert "also on GET /export" in finding.evidence
