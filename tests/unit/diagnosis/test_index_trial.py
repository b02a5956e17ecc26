from __future__ import annotations

import json
import sqlite3

import pytest

from perfloop.diagnosis import index_trial
from perfloop.diagnosis.index_trial import IndexTrial, NoTrial, try_index
from perfloop.monitoring.observations import Explain

SQL = "SELECT * FROM item WHERE order_id = ?"


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, order_id INT, name TEXT)")
    rows = ((number % 4_000, "x" * 20) for number in range(20_000))
    connection.executemany("INSERT INTO item (order_id, name) VALUES (?, ?)", rows)
    connection.commit()
    yield path
    connection.close()


def explain(database, sql: str = SQL, parameters: str | None = "[7]", plan=("SCAN item",)) -> Explain:
    path = str(database) if database else None
    return Explain(statement=0, plan=list(plan), database=path, parameters=parameters, sql=sql)


def test_measures_gain_size_and_cost_and_leaves_the_original_alone(database) -> None:
    before = database.read_bytes()
    trial = try_index(explain(database), SQL)
    assert isinstance(trial, IndexTrial)
    assert trial.proposal.statement == "CREATE INDEX ix_item_order_id ON item (order_id)"
    assert trial.used
    assert trial.before_seconds > trial.after_seconds
    assert (trial.rows, trial.table_rows) == (5, 20_000)
    assert trial.index_bytes > 100_000
    assert trial.build_seconds > 0
    assert trial.write_seconds is not None
    assert database.read_bytes() == before


def test_the_copy_is_removed(database, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert try_index(explain(database), SQL) is not None
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("perfloop-")] == []


def test_the_fingerprint_serves_where_the_text_was_not_kept(database) -> None:
    found = Explain(statement=0, plan=["SCAN item"], database=str(database), parameters="[7]")
    assert isinstance(try_index(found, SQL), IndexTrial)


def test_named_parameters(database) -> None:
    sql = "SELECT * FROM item WHERE order_id = :key"
    trial = try_index(explain(database, sql, json.dumps({"key": 7})), SQL)
    assert isinstance(trial, IndexTrial)
    assert trial.rows == 5


def test_schema_knows_the_rowid(database) -> None:
    sql = "SELECT * FROM item WHERE order_id = ? ORDER BY id DESC LIMIT 3"
    trial = try_index(explain(database, sql), sql)
    assert isinstance(trial, IndexTrial)
    assert trial.proposal.columns == ("order_id",)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"database": None}, "in memory"),
        ({"parameters": None}, "parameters are not known"),
        ({"parameters": "[1, 2]"}, "parameters are not known"),
        (
            {
                "parameters": "[",
            },
            "parameters are not known",
        ),
        ({"sql": "SELECT * FROM item WHERE my_function(order_id) = 1 AND order_id = ?"}, "could not be used"),
    ],
)
def test_says_why_it_could_not_try(database, changes, why) -> None:
    arguments = {"database": database, **changes}
    found = try_index(explain(**arguments), SQL)
    assert isinstance(found, NoTrial)
    assert why in found.why
    assert found.proposal.table == "item"


def test_a_large_database_is_not_copied(database, monkeypatch) -> None:
    monkeypatch.setattr(index_trial, "LARGEST_DATABASE", 1_000)
    found = try_index(explain(database), SQL)
    assert isinstance(found, NoTrial)
    assert "larger than" in found.why


def test_a_slow_copy_or_trial_is_given_up(database, monkeypatch) -> None:
    monkeypatch.setattr(index_trial, "STATEMENT_SECONDS", -1.0)
    found = try_index(explain(database), SQL)
    assert isinstance(found, NoTrial)
    assert "took more than" in found.why
    monkeypatch.setattr(index_trial, "COPY_SECONDS", -1.0)
    found = try_index(explain(database), SQL)
    assert isinstance(found, NoTrial)
    assert "copying took" in found.why


def test_a_missing_file_is_no_crash(tmp_path) -> None:
    found = try_index(explain(tmp_path / "gone.db"), SQL)
    assert isinstance(found, NoTrial)


@pytest.mark.parametrize(
    ("sql", "plan"),
    [
        ("SELECT * FROM item WHERE id = ?", ["SEARCH item USING INTEGER PRIMARY KEY (rowid=?)"]),
        ("UPDATE item SET name = '' WHERE order_id = ?", ["SCAN item"]),
    ],
)
def test_nothing_to_try(database, sql, plan) -> None:
    assert try_index(explain(database, sql, plan=plan), sql) is None
