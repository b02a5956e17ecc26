"""The three databases, each with its workload and with what an expert would build for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from perfloop.database import capture_sql
from perfloop.database.local_server import find_program

from .music_shop import TABLES, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from perfloop.records import WorkloadRecord

__all__ = ["SCHEMAS", "Schema", "create", "here"]

_TPCH_SCALE = "0.1"
_PGBENCH_SCALE = "5"


def here(schema: str, name: str) -> str:
    """A file's text that is committed beside this one."""
    return (Path(__file__).parent / schema / name).read_text()


@dataclass(frozen=True)
class Schema:
    """One database: `NAME/workload.sql`, `NAME/expert.sql`, and how it is filled."""

    name: str
    fill: Callable[[psycopg.Connection[Any], str], None]

    def workload(self, dialect: Literal["postgresql", "sqlite"] = "postgresql") -> WorkloadRecord:
        """Its statements with their values and how often each is asked."""
        return capture_sql(here(self.name, "workload.sql"), dialect, database=self.name)

    @property
    def expert(self) -> str:
        """DDL."""
        return here(self.name, "expert.sql")


def create(schema: Schema, dsn: Callable[[str], str]) -> str:
    """Create and fill it; its URL.

    Args:
        dsn: the URL of one of a server's databases, by name.
    """
    with psycopg.connect(dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {schema.name}".encode())
    address = dsn(schema.name)
    with psycopg.connect(address, autocommit=True) as connection:
        schema.fill(connection, address)
        # VACUUM marks pages as visible to all only where commits are on disk, as they are where they are durable.
        connection.execute("CHECKPOINT")
        connection.execute("VACUUM (ANALYZE)")
    return address


def _fill_tpch(connection: psycopg.Connection[Any], _: str) -> None:
    connection.execute(here("tpch", "schema.sql").encode())
    program = shutil.which("tpchgen-cli") or str(Path(sys.executable).with_name("tpchgen-cli"))
    with tempfile.TemporaryDirectory(prefix="perfloop-tpch-") as directory:
        subprocess.run([program, "csv", "-s", _TPCH_SCALE, f"--output-dir={directory}"], check=True)
        for file in sorted(Path(directory).glob("*.csv")):
            copying = f"COPY {file.stem} FROM STDIN (FORMAT csv, HEADER)"
            with connection.cursor() as cursor, cursor.copy(copying.encode()) as copy:
                copy.write(file.read_bytes())
    connection.execute(here("tpch", "keys.sql").encode())


def _fill_music(connection: psycopg.Connection[Any], _: str) -> None:
    connection.execute(here("music", "schema.sql").encode())
    for table in TABLES:
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
            for row in rows_of(table):
                copy.write_row(row)


def _fill_pgbench(connection: psycopg.Connection[Any], address: str) -> None:
    command = [find_program("pgbench"), "-i", "-q", "-n", "-s", _PGBENCH_SCALE, address]
    subprocess.run(command, check=True, capture_output=True)
    keys = connection.execute(
        "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint"
        " WHERE contype = 'p' AND conrelid::regclass::text LIKE 'pgbench%'"
    ).fetchall()
    for (statement,) in keys:
        connection.execute(statement.encode())


SCHEMAS = (Schema("tpch", _fill_tpch), Schema("music", _fill_music), Schema("pgbench", _fill_pgbench))
