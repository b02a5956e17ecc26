"""Rows for a situation: alike where nothing says otherwise, and each parent with two children."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .adversarial import Dataset, Row, comparable
from .values import common_values, fits

if TYPE_CHECKING:
    import random
    from collections.abc import Container, Iterator, Mapping, Sequence

    from .domains import Domains, Place
    from .situations import Situation
    from .tables import Column, ForeignKey, Table

__all__ = ["parameters_for", "planned"]

_MOST_PARENTS = 10
_MOST_CHILDREN = 24


def parameters_for(domains: Domains, count: int) -> list[Any]:
    """Values for a statement's parameters out of those to try: of several for one column each larger than the last."""
    found: list[Any] = []
    used: dict[Place, int] = {}
    for number in range(1, count + 1):
        use = domains.parameters.get(number)
        if not isinstance(use, tuple):
            found.append({"count": 2, "skip": 1}.get(use or "", 1))
            continue
        few = domains.tried(use)[:5] or [1]
        try:
            few = sorted(few)
        except TypeError:
            pass
        value = few[min(used.get(use, 0) + (len(few) > 2), len(few) - 1)]
        used[use] = used.get(use, 0) + 1
        found.append(f"{str(value)[:1]}%" if number in domains.patterns else value)
    return found


def planned(
    tables: Sequence[Table], domains: Domains, situation: Situation, parameters: list[Any], choice: random.Random
) -> Dataset:
    """The rows.

    Args:
        tables: parents before their children.
        domains: which values there are.
        situation: what they are to be like.
        parameters: the statement's.
        choice: of what the situation leaves open.
    """
    pools = domains.shared_pools(choice)
    size = min(max([2, *(len(values) for values in situation.varied.values())]), _MOST_PARENTS)
    rows: dict[str, list[Row]] = {}
    for table in tables:
        rows[table.label] = list(_rows(table, situation, pools, rows, size))
    return Dataset(rows, parameters)


def _rows(
    table: Table,
    situation: Situation,
    pools: Mapping[Place, Sequence[Any]],
    rows: dict[str, list[Row]],
    size: int,
) -> Iterator[Row]:
    made: list[Row] = []
    rows[table.label] = made
    anchor = next((key for key in table.foreign_keys if key.parent != table.label and rows.get(key.parent)), None)
    count = size if anchor is None else min(max(size, 2 * len(rows[anchor.parent])), _MOST_CHILDREN)
    seen: dict[tuple[str, ...], set[tuple[Any, ...]]] = {key: set() for key in table.keys}
    for number in range(count + 1):
        # The last one has nobody, where that may be.
        row = _row(table, situation, pools, number, alone=number == count)
        if row is None or (number == count and anchor is None):
            return
        asked = {*situation.held, *situation.varied}
        if not all(
            _refer(row, key, table, rows, number // 2, asked=asked, alone=number == count) for key in table.foreign_keys
        ):
            continue
        taken = {key: tuple(comparable(row.get(name)) for name in key) for key in table.keys}
        if any(None not in own and own in seen[key] for key, own in taken.items()):
            continue
        for key, own in taken.items():
            seen[key].add(own)
        made.append(row)
        yield row


def _row(
    table: Table, situation: Situation, pools: Mapping[Place, Sequence[Any]], number: int, *, alone: bool
) -> Row | None:
    row: Row = {}
    referring = {name for key in table.foreign_keys for name in key.columns}
    step = number // 2 if referring else number
    for column in table.columns:
        if column.generated:
            continue
        place = table.label, column.name
        unique = any(column.name in key for key in table.keys)
        pool = list(pools.get(place, ()))
        values = list(situation.varied.get(place, ()))
        if values:
            row[column.name] = values[step % len(values)]
        elif held := list(situation.held.get(place, ())):
            row[column.name] = held[number % len(held)] if unique else held[0]
        elif column.nullable and (unique or situation.absent or (alone and column.name in referring)):
            row[column.name] = None
        elif unique:
            row[column.name] = _fresh(column, number, pool)
        else:
            row[column.name] = pool[0] if pool else None
        if row[column.name] is None and not column.nullable:
            return None
    return row


def _fresh(column: Column, number: int, pool: list[Any]) -> Any:
    """A value for a key that no row has yet, as far as the type has so many."""
    if column.kind == "integer":
        return number + 1
    if column.kind == "text" and fits(f"k{number}", column):
        return f"k{number}"
    several = [*pool, *common_values(column)]
    return several[number % len(several)] if several else None


def _refer(
    row: Row,
    key: ForeignKey,
    table: Table,
    rows: Mapping[str, list[Row]],
    number: int,
    *,
    asked: Container[Place],
    alone: bool,
) -> bool:
    """Have the row refer to a parent: to one that has the values asked for, else to the next in turn."""
    nullable = [name for name in key.columns if (column := table.column(name)) is not None and column.nullable]
    if key.parent not in rows or any(row.get(name) is None for name in key.columns):
        return True
    parents = [each for each in rows[key.parent] if all(each.get(name) is not None for name in key.parent_columns)]
    if not parents or alone:
        if nullable:
            row[nullable[0]] = None
        return bool(nullable)
    pairs = list(zip(key.columns, key.parent_columns, strict=True))
    pairs_asked = [(own, theirs) for own, theirs in pairs if (table.label, own) in asked]
    same = [each for each in parents if pairs_asked and all(each[theirs] == row[own] for own, theirs in pairs_asked)]
    parent = same[0] if same else parents[number % len(parents)]
    row.update({own: parent[theirs] for own, theirs in pairs})
    return True
