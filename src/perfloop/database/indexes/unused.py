"""Indexes to drop: never used, the same twice, contained in another, broken. Pure.

What is never dropped: what stands behind a constraint, unique indexes other than exact copies, an index that is being
built, and a partial or covering index for the sake of one that does not do the same. Of those that are used too seldom
or contained in another the small ones stay, too: nobody would notice that they are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ...records.index_advice import DroppableIndex
from .candidates import normal_expression
from .definition import quote_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .catalogue import Catalogue, ExistingIndex, Table
    from .definition import Dialect, IndexDefinition, IndexKey

__all__ = ["droppable"]

_LONG_ENOUGH_DAYS = 7.0
_MINIMUM_PAGES = 2
# Two pages of PostgreSQL's, four of SQLite's usual ones: some hundred rows.
_SMALL_BYTES = 16_384

Kind = Literal["unused", "duplicate", "redundant", "invalid"]


def droppable(
    catalogue: Catalogue, *, advised: Sequence[IndexDefinition] = (), used: frozenset[str] = frozenset()
) -> list[DroppableIndex]:
    """What could go, the largest first.

    Broken ones and exact copies whatever their size.

    Args:
        advised: indexes about to be built, which may make others redundant.
        used: names of indexes that the workload's plans use: those are not called unused.
    """
    found: list[DroppableIndex] = []
    for table in catalogue.tables.values():
        gone: set[str] = set()
        for index in table.indexes:
            judged = _judge(index, table, catalogue, advised, used, gone)
            if judged is not None:
                gone.add(index.name)
                found.append(judged)
    return sorted(found, key=lambda each: (-each.size_bytes, each.name))


def _judge(
    index: ExistingIndex,
    table: Table,
    catalogue: Catalogue,
    advised: Sequence[IndexDefinition],
    used: frozenset[str],
    gone: set[str],
) -> DroppableIndex | None:
    if index.constraint or index.primary or index.building:
        return None

    def drop(kind: Kind, reason: str, covered_by: str | None = None) -> DroppableIndex:
        return _droppable(index, kind, reason, catalogue.dialect, covered_by)

    if not index.valid:
        return drop("invalid", "a build that failed left it: writes keep it up, no query uses it")
    others = [each for each in table.indexes if each.name != index.name and each.valid and each.name not in gone]
    for other in others:
        if _same(index.definition, other.definition) and (not index.definition.unique or other.definition.unique):
            return drop("duplicate", f"{other.name} holds the same", other.name)
    if index.definition.unique or table.pages < _MINIMUM_PAGES or 0 < index.size_bytes <= _SMALL_BYTES:
        return None
    containing = [(each.name, each.definition) for each in others]
    containing += [(each.name, each) for each in advised if each.table == table.name and each.schema == table.schema]
    for name, definition in containing:
        if _contains(definition, index.definition):
            return drop("redundant", f"{name} starts with the same keys and serves the same queries", name)
    if index.scans == 0 and index.name not in used and not _supports_foreign_key(index, table):
        days = catalogue.statistics_days
        if days is not None and days >= _LONG_ENOUGH_DAYS:
            return drop(
                "unused", f"not used once in the {days:,.0f} days since use is counted here (look at replicas, too)"
            )
    return None


def _droppable(
    index: ExistingIndex, kind: Kind, reason: str, dialect: Dialect, covered_by: str | None
) -> DroppableIndex:
    definition = index.definition
    concurrently = "CONCURRENTLY " if dialect == "postgresql" else ""
    schema = definition.schema if dialect == "postgresql" else None
    return DroppableIndex(
        name=index.name,
        schema=definition.schema,
        table=definition.table,
        kind=kind,
        reason=reason,
        size_bytes=index.size_bytes,
        covered_by=covered_by,
        create_sql=index.sql,
        drop_sql=f"DROP INDEX {concurrently}{quote_name(schema, index.name)}",
    )


def _keys(keys: Iterable[IndexKey]) -> list[tuple[str, bool, bool, str | None]]:
    return [
        (
            each.column if each.column is not None else normal_expression(each.expression or ""),
            each.descending,
            each.descending if each.nulls_first is None else each.nulls_first,
            each.operator_class,
        )
        for each in keys
    ]


def _where(definition: IndexDefinition) -> str | None:
    return None if definition.where is None else normal_expression(definition.where)


def _same(one: IndexDefinition, other: IndexDefinition) -> bool:
    return (
        one.method == other.method
        and _keys(one.keys) == _keys(other.keys)
        and _where(one) == _where(other)
        and set(one.include) == set(other.include)
    )


def _contains(longer: IndexDefinition, shorter: IndexDefinition) -> bool:
    """Whether whatever the shorter one answers, the longer one does as well."""
    if longer.method != "btree" or shorter.method != "btree" or _where(longer) != _where(shorter):
        return False
    keys, front = _keys(longer.keys), _keys(shorter.keys)
    if keys[: len(front)] != front or not set(shorter.include) <= longer.held_columns:
        return False
    return len(keys) > len(front) or set(longer.include) != set(shorter.include)


def _supports_foreign_key(index: ExistingIndex, table: Table) -> bool:
    """A deletion of the row referred to looks for those that refer to it, seldom, but then through this index."""
    columns = index.definition.columns
    return any(set(columns[: len(key.columns)]) == set(key.columns) for key in table.foreign_keys)
