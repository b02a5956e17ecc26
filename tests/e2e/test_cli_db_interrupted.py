"""`perfloop db advise` that is interrupted or killed: nothing stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from .conftest import PERFLOOP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..servers.postgresql import PostgreSQL

# For each order all orders are read: measuring and proving it takes far longer than a signal.
SQL = "SELECT p.id, (SELECT count(*) FROM orders o WHERE o.customer_id = p.customer_id) AS n FROM orders p;\n"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A directory for temporary files that PostgreSQL's user may enter, with a short path for its socket."""
    path = Path(tempfile.mkdtemp(prefix="pl-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def sqlite(workplace: Path) -> str:
    connection = sqlite3.connect(workplace / "shop.sqlite3")
    connection.executescript(
        """CREATE TABLE orders(id INTEGER PRIMARY KEY, customer_id INTEGER);
        WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 4000)
        INSERT INTO orders SELECT n, n % 2000 FROM c"""
    )
    connection.close()
    return "shop.sqlite3"


@pytest.fixture
def postgres(postgresql: PostgreSQL) -> Iterator[str]:
    with psycopg.connect(postgresql.url, autocommit=True) as server:
        server.execute("CREATE DATABASE interrupted")
        url = postgresql.url.replace("/postgres", "/interrupted")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders(id serial PRIMARY KEY, customer_id int)")
            connection.execute("INSERT INTO orders(customer_id) SELECT i % 2000 FROM generate_series(1, 40000) i")
            connection.execute("ANALYZE")
        yield url
        server.execute("DROP DATABASE interrupted WITH (FORCE)")


def advised(database: str, step: str, number: signal.Signals, temporary: Path, workplace: Path) -> tuple[int, str]:
    """Exit status and standard error of a run that gets a signal in a step; none of its processes is left."""
    (workplace / "workload.sql").write_text(SQL)
    with subprocess.Popen(
        [PERFLOOP, "db", "advise", database, "--sql", "workload.sql"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=workplace,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:
        assert process.stderr is not None
        lines = ""
        while step not in lines:
            line = process.stderr.readline()
            assert line, lines
            lines += line
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        errors = process.communicate(timeout=60)[1]
    _, alive = psutil.wait_procs(started, 60)
    assert alive == []
    return process.returncode, lines + errors


def test_interrupted_on_sqlite_it_says_so_and_leaves_nothing(sqlite: str, temporary: Path, workplace: Path) -> None:
    status, errors = advised(sqlite, "looking for rewrites", signal.SIGINT, temporary, workplace)
    assert status == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in workplace.iterdir()) == ["shop.sqlite3", "workload.sql"]


@pytest.mark.services
@pytest.mark.parametrize("step", ["starting a private", "reading the schema", "looking for indexes"])
def test_interrupted_on_postgresql_it_says_so_and_leaves_no_server(
    postgres: str, step: str, temporary: Path, workplace: Path
) -> None:
    status, errors = advised(postgres, step, signal.SIGINT, temporary, workplace)
    assert status == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert list(temporary.iterdir()) == []


@pytest.mark.services
@pytest.mark.parametrize(
    ("step", "on_sqlite"),
    [("starting a private", "looking for indexes"), ("looking for indexes", "looking for rewrites")],
)
def test_killed_it_leaves_no_server_and_the_next_run_cleans_up(
    postgres: str, sqlite: str, step: str, on_sqlite: str, temporary: Path, workplace: Path
) -> None:
    assert advised(postgres, step, signal.SIGKILL, temporary, workplace)[0] == -signal.SIGKILL
    # The file's clone has nobody to remove it.
    assert advised(sqlite, on_sqlite, signal.SIGKILL, temporary, workplace)[0] == -signal.SIGKILL
    assert list(temporary.iterdir()) != []
    assert advised(sqlite, "looking for indexes", signal.SIGINT, temporary, workplace)[0] == 130
    assert list(temporary.iterdir()) == []
