"""Which values to try in which column, taken from what the statements compare: columns that meet share their values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from .ordering import conjuncts
from .statement import SQLGLOT, Sources, Statement, parameter_number
from .values import common_values, fits, from_literal, matching_texts, neighbours

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping, Sequence

    from .tables import Column, Table

__all__ = ["Domains", "read_domains"]

_WITH_TWINS = frozenset({"decimal", "float", "text"})

# Of two texts put together: which was whose is forgotten.
_PARTS = ("", "a", "b", "ab", "ba")

_MOST_TRIED = 24

# Table label, column name.
Place = tuple[str, str]

# What compares; EXISTS, ANY and ALL only carry what is compared.
_PREDICATES = tuple(
    kind
    for kind in vars(exp).values()
    if isinstance(kind, type)
    and issubclass(kind, exp.Predicate)
    and kind is not exp.Predicate
    and not issubclass(kind, exp.SubqueryPredicate)
)


@dataclass
class _Group:
    """Columns that are compared with each other, directly or through a parameter."""

    constants: list[Any] = field(default_factory=list)
    columns: list[tuple[Place, Column]] = field(default_factory=list)


@dataclass(frozen=True)
class Domains:
    """The values to choose from."""

    groups: dict[Place, int]
    constants: dict[int, list[Any]]
    """By group, in the order met."""
    allowed: dict[Place, list[Any]]
    """All values that a CHECK allows, where it lists them."""
    satisfying: dict[Place, list[Any]]
    """Values that some comparison of the column with a constant holds for."""
    columns: dict[Place, Column]
    parameters: dict[int, Place | Literal["count", "skip"] | None]
    """The column a parameter is compared with, or that it is a LIMIT or OFFSET."""
    patterns: frozenset[int]
    """Parameters that are LIKE patterns."""

    def fitting(self, place: Place) -> list[Any]:
        """What the statements compare a column, or one it is compared with, with; and its neighbours."""
        column = self.columns[place]
        special = [value for value in self.constants.get(self.groups[place], ()) if _same_kind(value, column)]
        return [value for value in {repr(value): value for value in special}.values() if fits(value, column)]

    def tried(self, place: Place) -> list[Any]:
        """All that a column is worth being tried with, the statements' own first, without NULL."""
        if place in self.allowed:
            return list(self.allowed[place])
        column = self.columns[place]
        found = [*self.fitting(place), *common_values(column)]
        if found:
            found = [*found[: _MOST_TRIED - 4], *(each for each in neighbours(found[0]) if fits(each, column))]
        return list({repr(value): value for value in found}.values())[:_MOST_TRIED]

    def pool(self, place: Place, choice: random.Random) -> list[Any]:
        """Some values for one column of one set of rows: few, so that rows meet."""
        column = self.columns[place]
        special = self.fitting(place)
        common = common_values(column)
        few = choice.sample(special, min(len(special), choice.randint(2, 6)))
        if len(few) < 2 or choice.random() >= 0.4:
            few += choice.sample(common, min(len(common), choice.randint(2, 4) if few else choice.randint(3, 6)))
        if column.kind in _WITH_TWINS and few and choice.random() < 0.5:  # what is easily taken for another of them
            twins = [value for value in neighbours(choice.choice(few)) if fits(value, column)]
            few.append(choice.choice(twins))
        return few

    def shared_pools(self, choice: random.Random) -> dict[Place, list[Any]]:
        """A pool for each column; columns of one group and kind draw from one pool."""
        pools: dict[Place, list[Any]] = {}
        by_group: dict[tuple[int, str, str], list[Any]] = {}
        for place, column in self.columns.items():
            if place in self.allowed:
                pools[place] = self.allowed[place]
                continue
            key = (self.groups[place], column.kind, column.declared)
            if key not in by_group:
                relatives = [pool for (group, kind, _), pool in by_group.items() if (group, kind) == key[:2]]
                by_group[key] = (
                    [value for value in relatives[0] if fits(value, column)] if relatives else []
                ) or self.pool(place, choice)
            pools[place] = by_group[key]
        return pools

    def hot_values(self, pools: Mapping[Place, list[Any]], choice: random.Random) -> dict[Place, list[Any]]:
        """By column, the value that many rows of a set should have, so that several conditions hold for one row.

        After it others that would do: a key's column cannot hold one twice.
        """
        hot: dict[Place, list[Any]] = {}
        for place, values in self.satisfying.items():
            fitting = [value for value in values if fits(value, self.columns[place])]
            if place in self.allowed:
                fitting = [value for value in fitting if value in self.allowed[place]]
            if fitting and choice.random() < 0.8:
                hot[place] = [choice.choice(fitting), *fitting]
        for use in self.parameters.values():  # whatever the parameter is, more rows than one should have it
            if isinstance(use, tuple) and use not in hot and pools.get(use) and choice.random() < 0.6:
                hot[use] = [choice.choice(pools[use])]
        return hot

    def parameter_values(
        self,
        rows: Mapping[str, Sequence[Mapping[str, Any]]],
        pools: Mapping[Place, list[Any]],
        choice: random.Random,
        count: int,
    ) -> list[Any]:
        """Values for the statement's parameters, mostly such as the rows hold, and often such as one row holds."""
        anchors = {label: choice.choice(held) for label, held in rows.items() if held}
        together = choice.random() < 0.5
        values: list[Any] = []
        for number in range(1, count + 1):
            use = self.parameters.get(number)
            if use == "count":
                values.append(choice.randint(1, 4))
            elif use == "skip":
                values.append(choice.randint(0, 3))
            elif not isinstance(use, tuple):
                values.append(choice.choice([0, 1, 2]))
            else:
                held = [row[use[1]] for row in rows.get(use[0], ()) if row.get(use[1]) is not None]
                value = anchors.get(use[0], {}).get(use[1]) if together else None
                if value is None:
                    candidates = held if held and choice.random() < 0.7 else pools.get(use) or [0]
                    value = choice.choice(candidates)
                values.append(_pattern(value, choice) if number in self.patterns else value)
        return values


def _pattern(value: Any, choice: random.Random) -> str:
    text = str(value)
    return choice.choice([f"%{text}", f"{text}%", f"%{text[:2]}%", text, "%"])


def _same_kind(value: Any, column: Column) -> bool:
    expected = {
        "integer": "int",
        "decimal": "Decimal",
        "float": "float",
        "text": "str",
        "boolean": "bool",
        "date": "date",
        "timestamp": "datetime",
        "timestamptz": "datetime",
        "time": "time",
        "binary": "bytes",
    }.get(column.kind)
    return expected is None or type(value).__name__ == expected


def read_domains(statements: Sequence[Statement], tables: Sequence[Table]) -> Domains:
    """What the statements, and the tables' CHECK constraints, compare each column with."""
    reader = _Reader(tables)
    for statement in statements:
        reader.read(statement.tree, Sources(statement, tables))
    for table in tables:
        for check in table.checks:
            reader.read_check(check, table, SQLGLOT[statements[0].dialect])
    return reader.domains()


class _Reader:
    def __init__(self, tables: Iterable[Table]) -> None:
        self.columns = {(table.label, column.name): column for table in tables for column in table.columns}
        self._parent = {place: place for place in self.columns}
        self._constants: dict[Place, list[Any]] = {place: [] for place in self.columns}
        self._allowed: dict[Place, list[Any]] = {}
        self._satisfying: dict[Place, list[Any]] = {}
        self._parameters: dict[int, Any] = {}
        self._patterns: set[int] = set()
        for table in tables:
            for key in table.foreign_keys:
                for child, parent in zip(key.columns, key.parent_columns, strict=False):
                    self._join((table.label, child), (key.parent, parent))

    def read(self, tree: exp.Expr, sources: Sources) -> None:
        for node in tree.find_all(exp.Limit, exp.Offset, exp.Fetch):
            self._count(node)
        for predicate in tree.find_all(*_PREDICATES):
            places = [
                (found[0].label, found[1].name)
                for column in self._columns_of(predicate)
                if (found := sources.of(column)) is not None
            ]
            self._meet(predicate, [place for place in places if place in self.columns])

    def read_check(self, check: str, table: Table, dialect: str) -> None:
        try:
            tree = sqlglot.parse_one(check, dialect=dialect)
        except (SqlglotError, RecursionError):
            return
        for part in conjuncts(tree):
            self._read_list(part, table)
        for predicate in tree.find_all(*_PREDICATES):
            names = [table.column(column.name) for column in predicate.find_all(exp.Column)]
            self._meet(predicate, [(table.label, column.name) for column in names if column is not None])

    def _read_list(self, condition: exp.Expr, table: Table) -> None:
        """A column IN (list), or = ANY (array), as PostgreSQL writes it: no other values can be stored."""
        is_list = isinstance(condition, exp.In) and condition.args.get("query") is None
        is_any = isinstance(condition, exp.EQ) and isinstance(condition.args["expression"], exp.Any)
        columns = list(condition.find_all(exp.Column))
        column = table.column(columns[0].name) if len(columns) == 1 else None
        computed = any(not isinstance(node, exp.Cast | exp.Array) for node in condition.find_all(exp.Func, exp.Not))
        if column is None or not (is_list or is_any) or computed:
            return
        literals = [node for node in condition.find_all(exp.Literal) if node.find_ancestor(exp.DataType) is None]
        found = [next(from_literal(node.name, node.is_string, column), None) for node in literals]
        if found and None not in found:
            self._allowed[table.label, column.name] = found

    def _meet(self, predicate: exp.Expr, places: list[Place]) -> None:
        for place in places:
            if self.columns[place].kind == self.columns[places[0]].kind:
                self._join(places[0], place)
        pattern = isinstance(predicate, exp.Like | exp.ILike)
        joined = predicate.find(exp.DPipe, exp.Concat) is not None
        if joined:
            for place in places:
                self._constants[place] += _PARTS
        for literal in predicate.find_all(exp.Literal, exp.Boolean):
            if literal.find_ancestor(*_PREDICATES) is not predicate:
                continue  # of a condition inside it
            text = literal.name if isinstance(literal, exp.Literal) else str(literal.this)
            text = f"-{text}" if isinstance(literal.parent, exp.Neg) else text
            for place in places:
                values = list(from_literal(text, bool(literal.args.get("is_string")), self.columns[place]))
                for value in values:
                    near = matching_texts(value) if pattern else list(neighbours(value))
                    if joined and isinstance(value, str):  # what each of two columns may add to it
                        near += [part for at in range(min(len(value), 8) + 1) for part in (value[:at], value[at:])]
                    self._constants[place] += near
                    self._satisfying.setdefault(place, []).extend(_holding(predicate, literal, value, near))
        for node in predicate.find_all(exp.Parameter, exp.Placeholder):
            number = parameter_number(node)
            if number is not None and places and node.find_ancestor(*_PREDICATES) is predicate:
                self._parameters.setdefault(number, places[0])
                if pattern:
                    self._patterns.add(number)

    def _columns_of(self, predicate: exp.Expr) -> list[exp.Expr]:
        """Its columns, and those a subquery in it returns; not those that other predicates in the subquery compare."""
        found: list[exp.Expr] = []
        for child in predicate.iter_expressions():
            self._collect(child, found)
        return found

    def _collect(self, node: exp.Expr, found: list[exp.Expr]) -> None:
        if isinstance(node, exp.Column):
            found.append(node)
        elif isinstance(node, exp.Query):
            for select in node.find_all(exp.Select):
                for projection in select.selects:
                    found.extend(projection.find_all(exp.Column))
                break
        else:
            for child in node.iter_expressions():
                self._collect(child, found)

    def _count(self, node: exp.Expr) -> None:
        for parameter in node.find_all(exp.Parameter, exp.Placeholder):
            number = parameter_number(parameter)
            if number is not None:
                self._parameters[number] = "skip" if isinstance(node, exp.Offset) else "count"

    def _root(self, place: Place) -> Place:
        while self._parent[place] != place:
            place = self._parent[place]
        return place

    def _join(self, one: Place, other: Place) -> None:
        if one in self._parent and other in self._parent:
            self._parent[self._root(one)] = self._root(other)

    def domains(self) -> Domains:
        numbers: dict[Place, int] = {}
        groups = {place: numbers.setdefault(self._root(place), len(numbers)) for place in self.columns}
        constants: dict[int, list[Any]] = {}
        for place, values in self._constants.items():
            constants.setdefault(groups[place], []).extend(values)
        return Domains(
            groups,
            constants,
            self._allowed,
            self._satisfying,
            self.columns,
            self._parameters,
            frozenset(self._patterns),
        )


def _holding(predicate: exp.Expr, literal: exp.Expr, value: Any, near: list[Any]) -> list[Any]:
    """Those of the values for which a comparison with the literal holds, as far as that is plain."""
    if isinstance(predicate, exp.Like | exp.ILike):
        return near[:3]
    if isinstance(predicate, exp.GT | exp.GTE | exp.LT | exp.LTE):
        greater = isinstance(predicate, exp.GT | exp.GTE)
        if predicate.left is literal or literal in predicate.left.walk():
            greater = not greater
        try:
            beyond = [
                each for each in near if type(each) is type(value) and (each > value if greater else each < value)
            ]
        except TypeError:
            beyond = []
        return beyond + ([value] if isinstance(predicate, exp.GTE | exp.LTE) else [])
    return [value, -value] if isinstance(value, float) and value == 0 else [value]  # there are two zeros
