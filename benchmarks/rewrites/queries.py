"""Queries drawn at random over one small schema: selections, joins, subqueries, groups, unions and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

__all__ = ["SCHEMA", "TABLES", "draw_query"]

SCHEMA = """
CREATE TABLE person (
    id integer PRIMARY KEY,
    age integer,
    score integer NOT NULL,
    name varchar(8),
    born timestamp
);
CREATE TABLE item (
    id integer PRIMARY KEY,
    person_id integer REFERENCES person (id),
    price integer,
    kind varchar(8) NOT NULL,
    code integer UNIQUE
);
CREATE TABLE tag (
    item_id integer NOT NULL REFERENCES item (id),
    n integer NOT NULL,
    value integer,
    PRIMARY KEY (item_id, n)
);
"""

# Columns by table; (name, type, may be NULL).
TABLES: dict[str, tuple[tuple[str, str, bool], ...]] = {
    "person": (
        ("id", "integer", False),
        ("age", "integer", True),
        ("score", "integer", False),
        ("name", "text", True),
        ("born", "timestamp", True),
    ),
    "item": (
        ("id", "integer", False),
        ("person_id", "integer", True),
        ("price", "integer", True),
        ("kind", "text", False),
        ("code", "integer", True),
    ),
    "tag": (("item_id", "integer", False), ("n", "integer", False), ("value", "integer", True)),
}
_JOINS = {"person": ("item", "person_id"), "item": ("tag", "item_id")}
_TEXTS = ("'a'", "'b'", "'A'", "'ab'")
_DAYS = ("'2024-02-29'", "'2024-03-01'")


def draw_query(choice: random.Random) -> str:
    """One query; every kind is as likely."""
    kinds = (_selection, _join, _in_subquery, _exists, _group, _union, _page, _scalar, _count, _distinct_join)
    return choice.choice(kinds)(choice)


def _columns(table: str, kind: str | None = None) -> list[str]:
    return [name for name, own, _ in TABLES[table] if kind in (None, own)]


def _condition(table: str, choice: random.Random, alias: str = "", depth: int = 0) -> str:
    if depth < 2 and choice.random() < 0.35:
        parts = [_condition(table, choice, alias, depth + 1) for _ in range(2)]
        joined = f" {choice.choice(['AND', 'OR', 'OR'])} ".join(parts)
        return f"({joined})" if choice.random() < 0.8 else f"NOT ({joined})"
    name, kind, _ = choice.choice(TABLES[table])
    column = f"{alias}.{name}" if alias else name
    number = choice.randint(0, 3)
    if kind == "integer":
        return choice.choice(
            [
                f"{column} {choice.choice(['=', '<>', '<', '<=', '>', '>='])} {number}",
                f"{column} BETWEEN {number} AND {number + 1}",
                f"{column} IN ({number}, {number + 2})",
                f"{column} IS {choice.choice(['', 'NOT '])}NULL",
                f"COALESCE({column}, {choice.choice([0, 1])}) = {choice.choice([0, 1])}",
                f"{column} + 1 {choice.choice(['=', '>', '<='])} {number}",
                f"CAST({column} AS text) = '{number}'",
            ]
        )
    if kind == "text":
        text = choice.choice(_TEXTS)
        return choice.choice(
            [
                f"{column} = {text}",
                f"{column} LIKE '{choice.choice(['a%', '%b', '%a%', '_b'])}'",
                f"lower({column}) = {text.lower()}",
                f"substr({column}, 1, 1) = 'a'",
                f"COALESCE({column}, 'a') = {text}",
                f"{column} <> {text}",
            ]
        )
    day = choice.choice(_DAYS)
    return choice.choice([f"date({column}) = {day}", f"date({column}) >= {day}", f"{column} < {day}"])


def _table(choice: random.Random) -> str:
    return choice.choice(["person", "item", "item", "tag"])


def _list(table: str, choice: random.Random, alias: str = "") -> str:
    names = _columns(table)
    chosen = choice.sample(names, choice.randint(1, min(3, len(names))))
    if choice.random() < 0.4 and names[0] not in chosen:
        chosen.insert(0, names[0])
    return ", ".join(f"{alias}.{name}" if alias else name for name in chosen)


def _selection(choice: random.Random) -> str:
    table = _table(choice)
    distinct = "DISTINCT " if choice.random() < 0.3 else ""
    order = " ORDER BY id" if table != "tag" and not distinct and choice.random() < 0.2 else ""
    return f"SELECT {distinct}{_list(table, choice)} FROM {table} WHERE {_condition(table, choice)}{order}"


def _join(choice: random.Random) -> str:
    table = choice.choice(["person", "item"])
    other, key = _JOINS[table]
    side = choice.choice(["JOIN", "LEFT JOIN", "LEFT JOIN"])
    on = f"y.{key} = x.id"
    if choice.random() < 0.4:
        on += f" AND {_condition(other, choice, 'y', 1)}"
    filtered = choice.choice([(table, "x"), (other, "y"), None])
    where = f" WHERE {_condition(filtered[0], choice, filtered[1], 1)}" if filtered is not None else ""
    columns = f"{_list(table, choice, 'x')}, y.{choice.choice(_columns(other))} AS other"
    return f"SELECT {columns} FROM {table} x {side} {other} y ON {on}{where}"


def _in_subquery(choice: random.Random) -> str:
    table = choice.choice(["person", "item"])
    other, key = _JOINS[table]
    left = choice.choice(["x.id", "x.id", f"x.{choice.choice(_columns(table, 'integer'))}"])
    right = choice.choice([key, key, choice.choice(_columns(other, "integer"))])
    conditions = []
    if choice.random() < 0.5:
        conditions.append(_condition(other, choice, "y", 1))
    if choice.random() < 0.4:
        conditions.append(f"y.{right} IS NOT NULL")
    inner = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    negated = "NOT " if choice.random() < 0.5 else ""
    more = f" AND {_condition(table, choice, 'x', 1)}" if choice.random() < 0.3 else ""
    return (
        f"SELECT {_list(table, choice, 'x')} FROM {table} x "
        f"WHERE {left} {negated}IN (SELECT y.{right} FROM {other} y{inner}){more}"
    )


def _exists(choice: random.Random) -> str:
    table = choice.choice(["person", "item"])
    other, key = _JOINS[table]
    negated = "NOT " if choice.random() < 0.4 else ""
    return (
        f"SELECT {_list(table, choice, 'x')} FROM {table} x WHERE {negated}EXISTS "
        f"(SELECT 1 FROM {other} y WHERE y.{key} = x.id AND {_condition(other, choice, 'y', 1)})"
    )


def _group(choice: random.Random) -> str:
    table = _table(choice)
    key = choice.choice(_columns(table)[1:])
    aggregate = choice.choice(
        ["count(*)", *(f"{name}({choice.choice(_columns(table, 'integer'))})" for name in ("count", "max", "min"))]
    )
    having = ""
    if choice.random() < 0.4:
        having = choice.choice([f" HAVING count(*) > {choice.randint(0, 1)}", f" HAVING {key} IS NOT NULL"])
    where = f" WHERE {_condition(table, choice, '', 1)}" if choice.random() < 0.4 else ""
    return f"SELECT {key}, {aggregate} AS figure FROM {table}{where} GROUP BY {key}{having}"


def _union(choice: random.Random) -> str:
    table = _table(choice)
    columns = _list(table, choice)
    parts = [f"SELECT {columns} FROM {table} WHERE {_condition(table, choice, '', 1)}" for _ in range(2)]
    return f" {choice.choice(['UNION', 'UNION ALL'])} ".join(parts)


def _page(choice: random.Random) -> str:
    table = choice.choice(["person", "item"])
    first = choice.choice(["", "", "score, " if table == "person" else "kind, "])
    down = choice.choice(["", " DESC"])
    order = f"{first.replace(', ', f'{down}, ')}id{down}"
    where = f" WHERE {_condition(table, choice, '', 1)}" if choice.random() < 0.4 else ""
    return (
        f"SELECT id, {choice.choice(_columns(table)[1:])} FROM {table}{where} ORDER BY {order} "
        f"LIMIT {choice.choice([2, 10, 20])} OFFSET {choice.choice([1, 20, 35])}"
    )


def _scalar(choice: random.Random) -> str:
    table = choice.choice(["person", "item"])
    other, key = _JOINS[table]
    value = choice.choice(_columns(other, "integer"))
    aggregate = choice.choice(["count(*)", f"count(y.{value})", f"max(y.{value})", f"sum(y.{value})"])
    more = f" AND {_condition(other, choice, 'y', 1)}" if choice.random() < 0.4 else ""
    return (
        f"SELECT {_list(table, choice, 'x')}, (SELECT {aggregate} FROM {other} y WHERE y.{key} = x.id{more}) AS figure "
        f"FROM {table} x"
    )


def _count(choice: random.Random) -> str:
    table = choice.choice(["person", "item"])
    other, key = _JOINS[table]
    value = choice.choice(["*", f"y.{choice.choice(_columns(other))}"])
    compare = choice.choice(["> 0", ">= 1", "= 0", "<> 0", "> 1"])
    return (
        f"SELECT {_list(table, choice, 'x')} FROM {table} x "
        f"WHERE (SELECT count({value}) FROM {other} y WHERE y.{key} = x.id) {compare}"
    )


def _distinct_join(choice: random.Random) -> str:
    table = choice.choice(["person", "item"])
    other, key = _JOINS[table]
    columns = choice.choice(["x.*", _list(table, choice, "x")])
    return (
        f"SELECT DISTINCT {columns} FROM {table} x JOIN {other} y ON y.{key} = x.id "
        f"WHERE {_condition(other, choice, 'y', 1)}"
    )
