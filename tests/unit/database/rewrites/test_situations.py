"""What once was told apart for some seeds only is met whatever is drawn."""

from __future__ import annotations

import random
import sqlite3
from typing import TYPE_CHECKING

import pytest

from perfloop.database import Database, open_database
from perfloop.database.rewrites import ProofOptions, parse, prove
from perfloop.database.rewrites.adversarial import parents_first
from perfloop.database.rewrites.domains import read_domains
from perfloop.database.rewrites.planned import parameters_for, planned
from perfloop.database.rewrites.situations import MOST, Truths, situations
from perfloop.database.rewrites.sqlite_engine import SQLiteEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from perfloop.database.rewrites.adversarial import Dataset

SCHEMA = """
CREATE TABLE item (id integer PRIMARY KEY, person_id integer, price integer, kind varchar(8) NOT NULL,
    code integer UNIQUE);
CREATE TABLE tag (item_id integer NOT NULL REFERENCES item (id), n integer NOT NULL, value integer,
    PRIMARY KEY (item_id, n));
CREATE TABLE label (id integer PRIMARY KEY, name text COLLATE NOCASE);
"""
CONDITION = "SELECT id FROM item WHERE price > 2 AND NOT (kind = 'a' OR person_id = ?)"


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Database]:
    connection = sqlite3.connect(tmp_path / "items.sqlite3")
    connection.executescript(SCHEMA)
    connection.close()
    with open_database(str(tmp_path / "items.sqlite3"), writable=True) as database:
        yield database


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [
        pytest.param(
            "SELECT x.code FROM item x WHERE EXISTS "
            "(SELECT 1 FROM tag y WHERE y.item_id = x.id AND y.item_id IN (0, 2))",
            "SELECT DISTINCT x.code FROM item x WHERE EXISTS "
            "(SELECT 1 FROM tag y WHERE y.item_id = x.id AND y.item_id IN (0, 2))",
            id="NULL twice in a unique column, of rows that meet a condition",
        ),
        pytest.param(
            "SELECT id, kind FROM item WHERE NOT (price >= 1 OR kind LIKE '%a%') "
            "UNION SELECT id, kind FROM item WHERE code BETWEEN 2 AND 3",
            "SELECT id, kind FROM item WHERE NOT (price >= 1 OR kind LIKE '%a%') "
            "UNION ALL SELECT id, kind FROM item WHERE code BETWEEN 2 AND 3",
            id="a row in both parts of a union",
        ),
        pytest.param(
            "SELECT id FROM item WHERE NOT (person_id BETWEEN 2 AND 3 OR price > 2) ORDER BY id LIMIT 20 OFFSET 35",
            "SELECT id FROM item WHERE NOT (person_id >= 2 AND person_id < 3 OR price > 2) "
            "ORDER BY id LIMIT 20 OFFSET 35",
            id="the border of a condition that alone decides",
        ),
        pytest.param(
            "SELECT DISTINCT x.* FROM item x JOIN tag y ON y.item_id = x.id WHERE y.value + 1 = 3",
            "SELECT x.* FROM item x JOIN tag y ON y.item_id = x.id WHERE y.value + 1 = 3",
            id="two children that meet a condition on a computed value",
        ),
        pytest.param(
            "SELECT count(*) AS n FROM label GROUP BY name",
            "SELECT count(*) AS n FROM label GROUP BY name COLLATE BINARY",
            id="texts that are one group without case",
        ),
    ],
)
def test_it_is_met_whatever_is_drawn(clone: Database, original: str, rewrite: str) -> None:
    for seed in range(12):
        proof = prove(clone, original, rewrite, measured=False, options=ProofOptions(seed=seed))
        assert proof.verdict == "rejected", (seed, proof)
        assert proof.datasets <= MOST


def rows_for(clone: Database, sql: str) -> list[Dataset]:
    statement = parse(sql, "sqlite")
    engine = SQLiteEngine(clone)
    tables = engine.tables([statement])
    domains = read_domains([statement], tables)
    choice = random.Random(1)
    with engine.sandbox(tables) as sandbox:
        parameters = parameters_for(domains, statement.parameters)
        found = situations([statement], tables, domains, Truths(sandbox, statement, parameters), choice)
    return [planned(parents_first(tables), domains, each, parameters, choice) for each in found]


def test_each_condition_is_seen_true_false_and_unknown_where_it_alone_decides(clone: Database) -> None:
    seen: set[tuple[bool, bool | None]] = set()
    for dataset in rows_for(clone, CONDITION):
        asked = dataset.parameters[0]
        for row in dataset.rows["item"]:
            person = None if row["person_id"] is None else row["person_id"] == asked
            if row["kind"] != "a" and person is False:
                seen.add((True, None if row["price"] is None else row["price"] > 2))
            if row["price"] is not None and row["price"] > 2 and row["kind"] != "a":
                seen.add((False, person))
    assert seen == {(decides, truth) for decides in (True, False) for truth in (True, False, None)}


def test_borders_are_met_from_both_sides(clone: Database) -> None:
    prices = {row["price"] for dataset in rows_for(clone, CONDITION) for row in dataset.rows["item"]}
    assert {2, 3, None} <= prices


def test_every_parent_has_two_children_and_rows_are_alike_but_for_their_keys(clone: Database) -> None:
    first, *_ = rows_for(clone, "SELECT x.code FROM item x JOIN tag y ON y.item_id = x.id WHERE y.value = 7")
    items, tags = first.rows["item"], first.rows["tag"]
    assert len(items) >= 2
    assert len({tuple(value for name, value in row.items() if name != "id") for row in items}) == 1
    assert all(sum(tag["item_id"] == item["id"] for tag in tags) == 2 for item in items)
    assert {tag["value"] for tag in tags} == {7}
