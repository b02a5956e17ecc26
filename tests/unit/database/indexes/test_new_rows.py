"""Rows made up after a table's newest."""

from __future__ import annotations

from datetime import datetime, timedelta

from perfloop.database.indexes.catalogue import Column, Table
from perfloop.database.indexes.new_rows import copies


def test_what_grows_with_the_table_goes_on_and_the_rest_is_copied() -> None:
    columns = (
        Column("order_id", "integer", correlation=1.0),
        Column("at", "timestamp without time zone", correlation=0.999),
        Column("customer_id", "integer", correlation=0.02),
    )
    table = Table("public", "line", {column.name: column for column in columns})
    start = datetime(2026, 1, 1)
    found = [(100, start, 7), (150, start + timedelta(hours=2), 9)]
    rows = copies(table, [column.name for column in columns], found, lambda _: 0)(4)
    assert rows == [
        (150, start + timedelta(hours=2), 7),
        (200, start + timedelta(hours=4), 9),
        (200, start + timedelta(hours=4), 7),
        (250, start + timedelta(hours=6), 9),
    ]
