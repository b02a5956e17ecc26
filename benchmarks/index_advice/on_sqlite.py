"""The music shop on SQLite: what is advised against the designer's indexes, by what SQLite counts while it executes.

Cost is that of `docs/database.md`: steps of the virtual machine, and ten for each page asked for. `ANALYZE` comes after
each set of indexes; writes are executed, too, and taken back.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from perfloop.database import capture_sql, clone_database, open_database
from perfloop.database.indexes import advise_indexes
from perfloop.database.indexes.sqlite_library import CountingConnection

from ..progress import say
from .databases import here
from .music_shop import TABLES, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfloop.records import WorkloadStatement

__all__ = ["sqlite_figures"]

_STEPS_OF_A_PAGE = 10


def sqlite_figures() -> dict[str, float]:
    """Cost and pages against the expert's, indexes advised, and those that pay for nothing."""
    workload = capture_sql(here("music", "workload.sql"), "sqlite")
    with tempfile.TemporaryDirectory(prefix="perfloop-index-advice-") as directory:
        path = Path(directory) / "music.sqlite3"
        _create(path)
        with open_database(str(path)) as database, clone_database(database) as clone:
            advised = advise_indexes(database, workload, clone=clone.database).advised
        expert = [each for each in here("music", "expert.sql").split(";") if "CREATE" in each]
        expert_cost, expert_pages = _counted(path, expert, workload.statements)
        cost, pages = _counted(path, [each.create_sql for each in advised], workload.statements)
        saved = {}
        for left_out in advised:
            others = [each.create_sql for each in advised if each is not left_out]
            saved[left_out.create_sql] = _counted(path, others, workload.statements)[0] - cost
    for sql, each in saved.items():
        say(f"  {sql}; saves {each:,.0f} steps")
    return {
        "cost_vs_expert": cost / expert_cost,
        "pages_vs_expert": pages / expert_pages,
        "indexes": len(advised),
        "expert_indexes": len(expert),
        "false_advice": sum(each <= 0 for each in saved.values()),
    }


def _create(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(here("music", "schema.sql"))
        for table in TABLES:
            rows = list(rows_of(table))
            places = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
        connection.commit()
        connection.execute("ANALYZE")


def _counted(path: Path, ddl: Sequence[str], statements: Sequence[WorkloadStatement]) -> tuple[float, float]:
    """The workload's cost and pages, by calls, with these indexes."""
    cost = pages = 0.0
    with CountingConnection(str(path)) as connection:
        connection.execute("BEGIN")
        for each in ddl:
            connection.execute(each)
        connection.execute("ANALYZE")
        for statement in statements:
            connection.execute("SAVEPOINT before")
            connection.count(statement.sql)  # the first reads the schema
            connection.execute("ROLLBACK TO before")
            counts = connection.count(statement.sql)
            connection.execute("ROLLBACK TO before")
            cost += statement.calls * (counts.steps + _STEPS_OF_A_PAGE * counts.pages)
            pages += statement.calls * counts.pages
        connection.execute("ROLLBACK")
    return cost, pages
