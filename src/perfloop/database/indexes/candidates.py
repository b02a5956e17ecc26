"""Which indexes could help a workload, from how its statements reach their tables.

The order of a composite index is reasoned: what is compared with `=` first, then one range, or what the rows are wanted
in the order of. Among the columns compared with `=`, those that most statements compare lead, so that one index serves
many; then those with more different values. Each index comes also with the columns that let it answer alone (covering),
and with a condition that every execution asks (partial).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import permutations
from typing import TYPE_CHECKING

from .definition import IndexDefinition, IndexKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .access import Access, Constant, Ordering, Pattern, Term
    from .catalogue import Catalogue, Column, Table
    from .definition import Dialect

__all__ = ["CandidateLimits", "WeightedAccess", "candidates", "is_there", "single_column_candidates"]

_FEW_VALUES = 20


@dataclass(frozen=True)
class CandidateLimits:
    """How far the search goes."""

    key_columns: int = 4
    include_columns: int = 6
    include_width_share: float = 0.6
    """Of a row's bytes that a covering index may hold at most."""
    in_all: int = 400


@dataclass(frozen=True)
class WeightedAccess:
    """One access with what its statement costs the workload."""

    access: Access
    weight: float = 1.0


def candidates(
    accesses: Sequence[WeightedAccess],
    catalogue: Catalogue,
    *,
    limits: CandidateLimits | None = None,
) -> list[IndexDefinition]:
    """Every index worth a look, those for the dearest statements first; none that is there already."""
    limits = limits or CandidateLimits()
    dialect = catalogue.dialect
    compared = _compared(accesses)
    weights: Counter[IndexDefinition] = Counter()
    for each in accesses:
        if each.access.table.kind == "view":
            continue
        for found in dict.fromkeys(_of_access(each.access, compared, dialect, limits)):
            weights[found] += each.weight  # type: ignore[assignment]  # a Counter of floats
    for merged in _merged(list(weights), limits):
        weights.setdefault(merged, 0)
    tables = {each.access.table.key: each.access.table for each in accesses}
    fresh = [
        definition for definition in weights if not is_there(definition, tables[definition.schema, definition.table])
    ]
    return sorted(fresh, key=lambda each: (-weights[each], len(each.keys), each.create_sql(dialect)))[: limits.in_all]


def single_column_candidates(found: Iterable[IndexDefinition]) -> list[IndexDefinition]:
    """Those of one plain column and nothing else: what simpler advisors look at."""
    return [
        each
        for each in found
        if len(each.keys) == 1 and each.keys[0].column is not None and each.method == "btree"
        and not each.include and each.where is None
    ]  # fmt: skip


def is_there(definition: IndexDefinition, table: Table) -> bool:
    """Whether a valid index of the table does the same: equal, or longer with these keys in front."""
    for index in table.indexes:
        held = index.definition
        if not index.valid or held.method != definition.method or not _same_where(held.where, definition.where):
            continue
        front = held.keys[: len(definition.keys)]
        if tuple(map(_normal, front)) != tuple(map(_normal, definition.keys)):
            continue
        if definition.method == "btree" and set(definition.include) <= held.held_columns:
            return True
        if definition.method != "btree" and len(held.keys) == len(definition.keys):
            return True
    return False


def _normal(key: IndexKey) -> tuple[str, bool, bool, str | None]:
    subject = key.column if key.column is not None else normal_expression(key.expression or "")
    nulls_first = key.descending if key.nulls_first is None else key.nulls_first
    return subject, key.descending, nulls_first, key.operator_class


def normal_expression(text: str) -> str:
    """An expression without what the catalogue writes otherwise than people: case, spaces, brackets, casts to text."""
    return "".join(text.lower().replace("::text", "").split()).replace("(", "").replace(")", "")


def _same_where(one: str | None, other: str | None) -> bool:
    return (one is None) == (other is None) and normal_expression(one or "") == normal_expression(other or "")


def _compared(accesses: Sequence[WeightedAccess]) -> Counter[tuple[tuple[str | None, str], str]]:
    """How often each term of each table is compared with `=`."""
    counted: Counter[tuple[tuple[str | None, str], str]] = Counter()
    for each in accesses:
        for term in {*each.access.equalities, *each.access.joins}:
            counted[each.access.table.key, term.sql] += 1
    return counted


def _of_access(
    access: Access,
    compared: Counter[tuple[tuple[str | None, str], str]],
    dialect: Dialect,
    limits: CandidateLimits,
) -> Iterator[IndexDefinition]:
    table = access.table

    def rank(term: Term) -> tuple[int, float, str]:
        column = table.columns.get(term.column or "")
        return -compared[table.key, term.sql], -(column.distinct or 0 if column is not None else 0), term.sql

    plain: list[IndexDefinition] = []
    for keys in dict.fromkeys(_keys(access, rank, dialect, limits)):
        referred = _referred(keys, access)
        plain.append(IndexDefinition(table.schema, table.name, keys, referred=referred))
    plain = [each for each in map(_without_carried, plain, [table] * len(plain)) if each is not None]
    for definition in plain:
        yield definition
        yield from _covering(definition, access, dialect, limits)
    for constant in access.constants:
        if not _worth_a_predicate(constant, table):
            continue
        bases: list[IndexDefinition | None] = [*plain] or [None]
        for base in bases:
            partial = _partial(base, constant, access)
            if partial is not None:
                yield partial
                yield from _covering(partial, access, dialect, limits)
    if dialect == "postgresql":
        yield from _inverted(access)


def _keys(access: Access, rank: object, dialect: Dialect, limits: CandidateLimits) -> Iterator[tuple[IndexKey, ...]]:
    """Key lists, without what goes into the leaves and without predicates."""
    assert callable(rank)
    equal = sorted(access.equalities, key=rank)[: limits.key_columns - 1]
    joined = sorted(access.joins, key=rank)
    fronts: list[tuple[Term, ...]] = [(), tuple(equal)]
    fronts += [(term,) for term in (*access.equalities, *joined)]
    fronts += list(permutations(equal, 2))
    for term in joined:
        fronts += [(*equal, term), (term, *equal)]
    fronts += list(permutations(joined[:4], 2))
    tails: list[tuple[IndexKey, ...]] = [(), *((_key(term),) for term in access.ranges)]
    tails += [_ordering_keys(access.ordering, dialect)] if access.ordering else []
    tails += [tuple(_key(term) for term in access.grouping)] if access.grouping else []
    tails += [(_pattern_key(each, access.table, dialect),) for each in access.patterns if _is_prefix(each, dialect)]
    tails += [(_key(each),) for each in access.grouping]
    for front in dict.fromkeys(fronts):
        leading = tuple(_key(term) for term in front)
        subjects = {key.subject for key in leading}
        for tail in tails:
            keys = leading + tuple(key for key in tail if key.subject not in subjects)
            if keys and len(keys) <= limits.key_columns:
                yield keys


def _without_carried(definition: IndexDefinition, table: Table) -> IndexDefinition | None:
    """Without the columns at its end that it holds there anyway; None where it starts with what the table is ordered
    by."""
    keys, carried = definition.keys, table.carried
    for count in range(min(len(carried), len(keys)), 0, -1):
        if keys[-count:] == tuple(IndexKey(column=name) for name in carried[:count]):
            keys = keys[:-count]
            break
    if not keys or (carried and keys[0].column == carried[0]):
        return None
    return replace(definition, keys=keys)


def _key(term: Term) -> IndexKey:
    return IndexKey(column=term.column) if term.column is not None else IndexKey(expression=term.sql)


def _ordering_keys(ordering: tuple[Ordering, ...], dialect: Dialect) -> tuple[IndexKey, ...]:
    """As an index holds them: it is read backwards as well, so the first is ascending where that can be."""
    flip = all(each.descending and (each.nulls_first or dialect == "sqlite") for each in ordering)
    keys: list[IndexKey] = []
    for each in ordering:
        descending = each.descending and not flip
        nulls_first = None if flip or dialect == "sqlite" else each.nulls_first
        keys.append(
            replace(_key(each.term), descending=descending, nulls_first=_unless_natural(nulls_first, descending))
        )
    return tuple(keys)


def _unless_natural(nulls_first: bool | None, descending: bool) -> bool | None:
    return None if nulls_first == descending else nulls_first


def _is_prefix(pattern: Pattern, dialect: Dialect) -> bool:
    # SQLite looks at the parameter's value when it plans; PostgreSQL's custom plans do too, but an unknown pattern may
    # begin with a wildcard: only a trigram index serves it then.
    return (pattern.shape == "prefix" and not pattern.any_case) or (dialect == "sqlite" and pattern.shape == "unknown")


def _pattern_key(pattern: Pattern, table: Table, dialect: Dialect) -> IndexKey:
    key = _key(pattern.term)
    if dialect == "sqlite":  # its LIKE is blind to case
        return replace(key, operator_class="COLLATE NOCASE")
    column = table.columns.get(pattern.term.column or "")
    return key if column is not None and column.byte_order else replace(key, operator_class="text_pattern_ops")


def _referred(keys: tuple[IndexKey, ...], access: Access) -> frozenset[str]:
    expressions = {key.expression for key in keys if key.expression is not None}
    if not expressions:
        return frozenset()
    terms = [*access.equalities, *access.joins, *access.ranges, *access.grouping]
    terms += [pattern.term for pattern in access.patterns] + [ordering.term for ordering in access.ordering]
    return frozenset(column for term in terms if term.sql in expressions for column in term.columns)


def _covering(
    definition: IndexDefinition, access: Access, dialect: Dialect, limits: CandidateLimits
) -> Iterator[IndexDefinition]:
    """The same with every column that the statement needs, so that it need not look at the table."""
    table = access.table
    missing = sorted(access.columns - definition.held_columns - set(table.carried))
    if not missing or len(missing) > limits.include_columns or any(key.column is None for key in definition.keys):
        return
    held = sum(table.columns[name].width for name in (*definition.held_columns, *missing))
    if held > limits.include_width_share * table.width:
        return
    if dialect == "postgresql":
        yield replace(definition, include=tuple(missing))
    else:
        yield replace(definition, keys=(*definition.keys, *(IndexKey(column=name) for name in missing)))


def _worth_a_predicate(constant: Constant, table: Table) -> bool:
    """A literal in the statement's text may be another the next time: only what has few values, or NULL, is taken."""
    column = table.columns.get(constant.column or "")
    if column is None:
        return False
    if " IS " in constant.sql.upper() or column.type == "boolean":
        return True
    return column.distinct is not None and column.distinct <= _FEW_VALUES


def _partial(definition: IndexDefinition | None, constant: Constant, access: Access) -> IndexDefinition | None:
    table = access.table
    keys = tuple(key for key in definition.keys if key.column != constant.column) if definition is not None else ()
    if not keys:
        first = next(iter(table.primary_key), constant.column)
        if first is None:
            return None
        keys = (IndexKey(column=first),)
    referred = constant.columns | (definition.referred if definition is not None else frozenset())
    return IndexDefinition(table.schema, table.name, keys, where=constant.sql, referred=referred)


def _inverted(access: Access) -> Iterator[IndexDefinition]:
    """GIN: words, documents, arrays, and trigrams for patterns that begin anywhere."""
    table = access.table
    for term in access.containments:
        column = table.columns.get(term.column or "")
        classes: tuple[str | None, ...] = (
            ("jsonb_path_ops", None) if column is not None and column.type == "jsonb" else (None,)
        )
        if column is not None and column.is_text:
            continue
        for each in classes:
            yield _gin(table, replace(_key(term), operator_class=each), term)
    for pattern in access.patterns:
        if (pattern.shape != "prefix" or pattern.any_case) and _holds_text(pattern, table):
            yield _gin(table, replace(_key(pattern.term), operator_class="gin_trgm_ops"), pattern.term)


def _gin(table: Table, key: IndexKey, term: Term) -> IndexDefinition:
    referred = term.columns if term.column is None else frozenset()
    return IndexDefinition(table.schema, table.name, (key,), method="gin", referred=referred)


def _holds_text(pattern: Pattern, table: Table) -> bool:
    column: Column | None = table.columns.get(pattern.term.column or "")
    return column is None or column.is_text


def _merged(found: list[IndexDefinition], limits: CandidateLimits) -> Iterator[IndexDefinition]:
    """One index in place of two on the same table: the longer keys, with what either holds in its leaves."""
    groups: dict[tuple[str | None, str, str | None], list[IndexDefinition]] = {}
    for each in found:
        if each.method == "btree" and each.include:
            groups.setdefault((each.schema, each.table, each.where), []).append(each)
    for group in groups.values():
        for one in group:
            for other in group:
                if one is not other and other.keys[: len(one.keys)] == one.keys:
                    include = tuple(
                        sorted((set(one.include) | set(other.include)) - {key.column for key in other.keys})
                    )
                    if len(include) <= limits.include_columns and include != other.include:
                        yield replace(other, include=include)
