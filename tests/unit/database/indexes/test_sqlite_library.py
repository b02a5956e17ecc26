"""Pages and steps, counted through SQLite's own library."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from perfloop.database.indexes.sqlite_library import CountingConnection, SQLiteRefusal
from perfloop.exceptions import DatabaseFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[CountingConnection]:
    path = tmp_path / "t.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, note TEXT)")
        connection.executemany("INSERT INTO t (name, note) VALUES (?, ?)", [("é", "x" * 400)] * 500)
        connection.commit()
    with CountingConnection(str(path)) as opened:
        yield opened


def test_a_scan_asks_for_every_page_and_a_look_up_for_its_way(counting: CountingConnection) -> None:
    pages = int(counting.rows("PRAGMA page_count")[0][0] or 0)
    scan = counting.count("SELECT count(note) FROM t")
    found = counting.count("SELECT note FROM t WHERE id = 77")
    assert pages - 3 <= scan.pages <= pages + 3
    assert found.pages <= 4
    assert scan.steps > 500 > found.steps
    again = counting.count("SELECT count(note) FROM t")
    assert (again.pages, again.steps) == (scan.pages, scan.steps)


def test_rows_are_text(counting: CountingConnection) -> None:
    assert counting.rows("SELECT id, name, NULL FROM t LIMIT 1") == [("1", "é", None)]


def test_what_takes_too_long_is_ended(counting: CountingConnection) -> None:
    assert not counting.count("SELECT count(*) FROM t a, t b, t c", seconds=0.01).ended


def test_the_declared_collation(counting: CountingConnection) -> None:
    assert (counting.collation("t", "name"), counting.collation("t", "note")) == ("NOCASE", "BINARY")


@pytest.mark.parametrize(("sql", "said"), [("SELEC 1", "syntax error"), ("", "empty"), ("SELECT x FROM t", "no such")])
def test_sqlites_words(sql: str, said: str, counting: CountingConnection) -> None:
    with pytest.raises(SQLiteRefusal, match=said):
        counting.count(sql)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(DatabaseFailed, match="cannot open"):
        CountingConnection(str(tmp_path / "none.sqlite3"))
