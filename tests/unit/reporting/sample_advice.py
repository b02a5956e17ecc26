"""Records of advice on a database."""

from __future__ import annotations

from typing import Any

from perfloop.records import (
    AdviceRecord,
    AdviceWorkload,
    AdvisedIndex,
    Alternative,
    Counterexample,
    DroppableIndex,
    IndexAdvice,
    Proof,
    QueryAdvice,
    SequentialScan,
    StatementGain,
    WriteBill,
)

from .sample_runs import ENVIRONMENT
from .sample_workloads import workload

ORDERS = "SELECT * FROM orders WHERE customer_id = ? ORDER BY placed_at DESC LIMIT ?"
COUNTRIES = "SELECT country, count(*) FROM customer GROUP BY country"


def _record(**more: Any) -> AdviceRecord:
    known: dict[str, Any] = {
        "environment": ENVIRONMENT,
        "perfloop": "0.1.0",
        "created": "2026-11-24T10:00:00+00:00",
        "command": ["perfloop", "db", "advise", "postgresql://db.internal/shop"],
        "dialect": "postgresql",
        "database": "postgresql://db.internal/shop",
        "version": "15.14",
        "workload": AdviceWorkload(source="pg_stat_statements", statements=14, calls=48_210, total_ms=91_000.0),
        "clone": "a private server, all of the rows",
    }
    return AdviceRecord(**{**known, **more})


def advice() -> AdviceRecord:
    """One with every kind of advice, and what is not worth doing."""
    index = AdvisedIndex(
        name="orders_customer_id_placed_at_idx",
        schema="public",
        table="orders",
        keys=["customer_id", "placed_at DESC"],
        include=["total"],
        where="status <> 'done'::text",
        create_sql="CREATE INDEX CONCURRENTLY orders_customer_id_placed_at_idx ON public.orders "
        "(customer_id, placed_at DESC) INCLUDE (total) WHERE status <> 'done'::text",
        drop_sql="DROP INDEX CONCURRENTLY public.orders_customer_id_placed_at_idx",
        reason="customer_id is compared with =, then rows are asked for by placed_at",
        cost_before=1_000_000.0,
        cost_after=110_000.0,
        buffers_before=916_201.0,
        buffers_after=5_176.0,
        size_bytes=1_180_000,
        build_seconds=0.0586,
        write_bill=WriteBill(
            insert_us=2.3,
            insert_us_interval=(0.4, 4.0),
            insert_wal_bytes=65.0,
            lost_hot_share=0.3,
            lost_hot_columns=["placed_at"],
            rows=9_000,
            source="captured",
        ),
        statements=[
            StatementGain(
                fingerprint=ORDERS, cost_before=1_819.0, cost_after=7.0, buffers_before=1_819.0, buffers_after=7.0
            ),
            StatementGain(fingerprint="SELECT count(*) FROM orders", cost_before=500.0, cost_after=120.0),
        ],
    )
    drop = DroppableIndex(
        name="orders_id_idx",
        schema="public",
        table="orders",
        kind="duplicate",
        reason="orders_pkey holds the same",
        size_bytes=2_260_000,
        covered_by="orders_pkey",
        create_sql="CREATE INDEX orders_id_idx ON public.orders USING btree (id)",
        drop_sql="DROP INDEX CONCURRENTLY public.orders_id_idx",
        workload_cost_change=0.0,
    )
    page = QueryAdvice(
        rule="offset",
        fingerprint="SELECT * FROM orders ORDER BY id LIMIT ? OFFSET ?",
        what="OFFSET reads and throws away every row before the page",
        where="OFFSET ?",
        evidence=["skips 10000 rows"],
        rewrite="SELECT * FROM orders WHERE id > %(last_id)s ORDER BY id LIMIT 20",
        costs=["pages follow each other: no jumping to page 57"],
        alternatives=[Alternative(what="an approximate count", sql="SELECT reltuples FROM pg_class")],
        proof=Proof(
            verdict="faster",
            reason="the same answers on 60 generated sets of rows; B ÷ A lies in 0.019 … 0.022",
            datasets=60,
            generated_rows=900,
            answered_rows=700,
            mutants_caught=(3, 3),
            order="compared",
            ratio=(0.019, 0.02, 0.022),
            before_buffers=212,
            after_buffers=4,
            assumptions=["the generated rows hold values of their columns' declared types"],
        ),
        calls=500,
        total_ms=9_100.0,
    )
    refused = QueryAdvice(
        rule="not-in-nulls",
        fingerprint="SELECT id FROM customer WHERE id NOT IN (SELECT customer_id FROM orders)",
        what="NOT IN returns nothing once its subquery yields a NULL",
        where="NOT IN",
        rewrite="SELECT id FROM customer WHERE NOT EXISTS (…)",
        proof=Proof(
            verdict="rejected",
            reason="another answer: 1 row too many",
            counterexample=Counterexample(only_rewrite=[["2"]], what="1 row too many"),
        ),
    )
    scan = SequentialScan(
        fingerprint=COUNTRIES, table="customer", reason="every row is wanted", rows=20_000.0, share=1.0
    )
    return _record(
        indexes=IndexAdvice(
            dialect="postgresql",
            advised=[index],
            droppable=[drop],
            sequential_scans=[scan],
            cost_before=1_100_000.0,
            cost_after=210_000.0,
            statements=14,
            candidates=40,
            checked_with="HypoPG",
            values="from statistics",
            notes=["parameters that the workload did not keep got values of the statistics"],
        ),
        queries=[page, refused],
        left_out=[
            "SELEC 1: it cannot be read",
            "SELECT 1: it reads no table of this database",
            "SELECT version(): it reads no table of this database",
            "SELECT 1: pg_catalog.pg_proc is the database's own",
        ],
    )


def no_advice() -> AdviceRecord:
    """One of SQLite that found nothing, and was interrupted."""
    return _record(
        dialect="sqlite",
        database="shop.sqlite3",
        version="3.40.1",
        workload=AdviceWorkload(source="sql", statements=1, calls=1, total_ms=0.0),
        clone="a copy of the file",
        partial=True,
    )


def workload_advice() -> AdviceRecord:
    """For a captured workload that repeats a statement."""
    captured = workload()
    return _record(
        workload=AdviceWorkload(source="service", statements=3, calls=2_499, total_ms=410.0),
        n_plus_one=captured.n_plus_one,
    )
