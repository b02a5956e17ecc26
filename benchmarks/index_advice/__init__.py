"""Area `index_advice`: are the indexes advised as good as an expert's, and does each of them pay?

Three databases on private PostgreSQL servers: TPC-H at scale 0.1 with its primary keys alone and its 22 queries, a shop
for music whose rows are as unequal as such are, with 34 statements of which six write, and pgbench's without its keys.
Each is advised on through a clone, as `perfloop db advise` does; what is advised is then built on the database itself,
and judged by code that shares nothing with the advice.

- `workload_cost_vs_expert`: the workload's cost as the planner has it with the advised indexes built, by calls, ÷ that
  with those of `expert.sql` (for TPC-H keys and dates by rule, otherwise the designer's); the worst of the databases;
- `worse_than_single_column_greedy`: databases on which the advice costs more than indexes of one column each, taken one
  after another, the best first;
- `indexes_advised`: in all;
- `false_advice`: advised indexes without which the whole workload touches no more pages while the others are there;
  each is dropped, the workload executed, and the index brought back; writes count, with what they pay for the index;
- `write_bill_error`: see `inserts.py`; the worst of three tables;
- `sqlite_…`: the shop on SQLite, see `on_sqlite.py`; its false advice counts, too;
- `NAME_…`: by database: cost and pages against the expert's, and what did not end in five seconds with either.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg

from perfloop.database import clone_database, open_database, run_local_server
from perfloop.database.indexes import advise_indexes

from ..progress import say
from .databases import SCHEMAS, create
from .inserts import bill_errors
from .measuring import Workload
from .on_sqlite import sqlite_figures
from .single_columns import single_columns

if TYPE_CHECKING:
    from perfloop.records.index_advice import IndexAdvice

    from .databases import Schema

__all__ = ["run"]


def run(full: bool) -> dict[str, Any]:
    """Advise, build, judge."""
    figures: dict[str, Any] = {}
    judged: list[dict[str, float]] = []
    with run_local_server() as server, run_local_server() as clones:
        for schema in SCHEMAS:
            began = time.monotonic()
            address = create(schema, server.dsn)
            say(f"index_advice: {schema.name} filled after {time.monotonic() - began:.0f} s")
            advice = _advise(schema, address, clones.dsn())
            say(f"index_advice: {schema.name} advised after {time.monotonic() - began:.0f} s")
            judged.append(_judge(schema, address, advice))
            if schema.name == "music":
                with psycopg.connect(address, autocommit=True) as connection:
                    bills = bill_errors(connection, advice.advised)
            say(f"index_advice: {schema.name} judged after {time.monotonic() - began:.0f} s")
            figures |= {f"{schema.name}_{name}": value for name, value in judged[-1].items()}
    on_sqlite = sqlite_figures()
    figures |= {f"sqlite_{name}": value for name, value in on_sqlite.items()}
    return {
        "figures": {
            "workload_cost_vs_expert": max(each["cost_vs_expert"] for each in judged),
            "worse_than_single_column_greedy": sum(each["cost_vs_single_columns"] > 1.0 for each in judged),
            "indexes_advised": sum(each["indexes"] for each in judged),
            "false_advice": sum(each["false_advice"] for each in [*judged, on_sqlite]),
            "write_bill_error": max(each["error"] for each in bills.values()),
            **figures,
            **{f"{table}_{name}": value for table, each in bills.items() for name, value in each.items()},
        },
        "peers": {},
    }


def _advise(schema: Schema, address: str, clones: str) -> IndexAdvice:
    with open_database(address) as database, clone_database(database, onto=clones) as clone:
        return advise_indexes(database, schema.workload(), clone=clone.database)


def _judge(schema: Schema, address: str, advice: IndexAdvice) -> dict[str, float]:
    statements = schema.workload().statements
    with psycopg.connect(address, autocommit=True) as connection:
        workload = Workload(connection, statements)
        with workload.having([schema.expert]):
            expert_cost = workload.cost()
            expert_pages, expert_unended = workload.pages()
        with workload.having(single_columns(connection, statements)):
            single_cost = workload.cost()
        with workload.having([each.create_sql for each in advice.advised]):
            cost = workload.cost()
            pages, unended = workload.pages()
            saved = workload.saved_by([each.name for each in advice.advised])
    for each in advice.advised:
        say(f"  {each.create_sql}; saves {saved[each.name]:,.0f} pages")
    for line in [*advice.left_out, *unended]:
        say(f"  {line}")
    return {
        "cost_vs_expert": cost / expert_cost,
        "pages_vs_expert": pages / expert_pages,
        "cost_vs_single_columns": cost / single_cost,
        "indexes": len(advice.advised),
        "expert_indexes": schema.expert.count(";"),
        "false_advice": sum(each <= 0 for each in saved.values()),
        "unended": len(unended),
        "expert_unended": len(expert_unended),
    }
