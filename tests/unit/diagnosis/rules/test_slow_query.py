from __future__ import annotations

import pytest

from perfloop.diagnosis.index_trial import IndexTrial, NoTrial, scan_is_right
from perfloop.diagnosis.rules import slow_query
from perfloop.diagnosis.service_indexes import AdvisedTrial
from perfloop.diagnosis.sql import IndexProposal
from perfloop.monitoring.observations import Explain
from perfloop.records.index_advice import AdvisedIndex, StatementGain, WriteBill

from ..synthetic import MS, Call, Run, Sent, frame

PROPOSAL = IndexProposal("orders", ("customer_id",))
SQL = "SELECT * FROM orders WHERE customer_id = ?"


def trial(before: float = 20 * MS, after: float = 0.2 * MS, *, used: bool = True) -> IndexTrial:
    return IndexTrial(PROPOSAL, before, after, used, 20, 50_000, 800_000, 0.04, 2e-6)


def advised(ms: tuple[float, float] = (18.0, 0.2), *, sampled: bool = False) -> AdvisedTrial:
    gain = StatementGain(
        fingerprint=SQL,
        cost_before=900.0,
        cost_after=9.0,
        buffers_before=1_819.0,
        buffers_after=7.0,
        ms_before=ms[0],
        ms_after=ms[1],
    )
    index = AdvisedIndex(
        name="orders_customer_id_idx",
        schema="public",
        table="orders",
        keys=["customer_id"],
        create_sql="CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id)",
        drop_sql="DROP INDEX CONCURRENTLY public.orders_customer_id_idx",
        reason="customer_id is compared with =",
        cost_before=900.0,
        cost_after=9.0,
        size_bytes=800_000,
        build_seconds=0.04,
        write_bill=WriteBill(insert_us=2.3, source="generated"),
        statements=[gain],
    )
    return AdvisedTrial(index, gain, sampled)


def faulty(found: IndexTrial | NoTrial | AdvisedTrial, seconds: float = 20 * MS) -> Run:
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


def test_measured_on_a_clone_of_the_database_that_was_named() -> None:
    run = faulty(advised())
    run.explains = []
    (finding,) = slow_query.RULE.find(run.evidence())
    assert finding.title == "missing index on orders(customer_id)"
    assert finding.fix == "CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id)"
    assert (
        "customer_id is compared with =; on a clone of the database 1,819 pages without and 7 with the index, 18 ms"
        in (finding.evidence)
    )
    assert "SQLite" not in finding.evidence
    assert finding.cost == "800 kB of disk, 40 ms to build, +2.3 µs for each row inserted"
    assert finding.measures["measured"] == "on a copy"
    assert "with a sample of its rows" in slow_query.RULE.find(faulty(advised(sampled=True)).evidence())[0].evidence
    assert slow_query.RULE.find(faulty(advised((18.0, 12.0))).evidence()) == []


def test_that_a_scan_is_right_is_said() -> None:
    assert scan_is_right(SQL, trial()) == []
    assert scan_is_right(SQL, NoTrial(PROPOSAL, "it is in memory")) == []
    (unused,) = scan_is_right(SQL, trial(used=False))
    assert unused == f"a scan of orders is right here, SQLite does not use an index on orders(customer_id): {SQL}"
    (little,) = scan_is_right(SQL, trial(before=1.1 * MS, after=1 * MS))
    assert "20 of 50,000 rows are wanted: 1.1 ms without and 1 ms with an index" in little


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
