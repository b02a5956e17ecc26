"""A parsed statement's names resolved against the catalogue: aliases, CTEs, derived tables, views, outer queries."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...exceptions import MissingExtra

try:
    import sqlglot
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope, traverse_scope
except ImportError as error:
    raise MissingExtra(
        "index advice parses SQL with sqlglot, which is not installed", hint="pip install 'perfloop[database]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .catalogue import Catalogue, Column, Table

__all__ = ["Names", "Occurrence", "Unparsable", "Write", "own_nodes", "parse", "query_of", "write_of"]

_DEEPEST_VIEW = 5
_READS_OR_WRITES = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:select|with|insert|update|delete|replace)\b", re.IGNORECASE | re.DOTALL
)
_READ = {"postgresql": "postgres", "sqlite": "sqlite"}


class Unparsable(Exception):
    """A statement that the parser does not take, or that has no place for an index; its text says why."""


@dataclass(frozen=True)
class Occurrence:
    """One table of the database under one alias in one query block."""

    scope: int
    alias: str
    table: Table = field(compare=False)


@dataclass(frozen=True)
class Write:
    """What a statement changes."""

    kind: str
    table: Table
    columns: frozenset[str]
    """Those it sets; of an insert, those it names, or all."""


def parse(sql: str, catalogue: Catalogue) -> exp.Expr:
    """Parse one statement, with views put in place.

    Raises:
        Unparsable: sqlglot does not take it.
    """
    if not _READS_OR_WRITES.match(sql):
        raise Unparsable("no SELECT, INSERT, UPDATE or DELETE")
    try:
        trees = sqlglot.parse(sql, dialect=_READ[catalogue.dialect])
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise Unparsable(_first_line(error)) from error
    found = [tree for tree in trees if tree is not None]
    if len(found) != 1 or isinstance(found[0], exp.Command):
        raise Unparsable(f"expected one statement that reads or writes rows, got {len(found)}")
    return _with_views(found[0], catalogue, _DEEPEST_VIEW)


def query_of(tree: exp.Expr) -> exp.Expr | None:
    """The part that reads rows, as a query; None where nothing is read (INSERT … VALUES)."""
    if isinstance(tree, exp.Query):
        return tree
    if isinstance(tree, exp.Insert):
        source = tree.expression
        return source if isinstance(source, exp.Query) and not isinstance(source, exp.Values) else None
    if isinstance(tree, (exp.Update, exp.Delete)):
        return _as_select(tree)
    raise Unparsable(f"{tree.key.upper()} is no statement that an index can help")


def write_of(tree: exp.Expr, catalogue: Catalogue) -> Write | None:
    """What it changes, where that is a table of the catalogue."""
    if not isinstance(tree, (exp.Insert, exp.Update, exp.Delete)):
        return None
    target = tree.this
    named = target.expressions if isinstance(target, exp.Schema) else []
    node = target.find(exp.Table) if target is not None else None
    table = _table(node, catalogue) if node is not None else None
    if table is None:
        return None
    if isinstance(tree, exp.Update):
        left = [each.this for each in tree.expressions if isinstance(each, exp.EQ)]
        named = [column for side in left for column in side.find_all(exp.Column)]
    names = frozenset(
        found.name
        for each in named
        if isinstance(each, (exp.Column, exp.Identifier)) and (found := _column(each, table, catalogue)) is not None
    )
    return Write(tree.key, table, names if named else frozenset(table.columns))


class Names:
    """Resolves the columns of one query."""

    def __init__(self, query: exp.Expr, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        try:
            self.scopes: list[Scope] = list(traverse_scope(query))
        except (sqlglot.errors.SqlglotError, RecursionError) as error:
            raise Unparsable(_first_line(error)) from error
        self._tables: dict[tuple[int, str], Occurrence | None] = {}

    def occurrence(self, scope: Scope, alias: str) -> Occurrence | None:
        """The table behind an alias; None for derived tables and unknown names."""
        place = (id(scope), alias)
        if place not in self._tables:
            source = scope.sources.get(alias)
            table = _table(source, self.catalogue) if isinstance(source, exp.Table) else None
            usable = table is not None and table.kind != "view"
            self._tables[place] = Occurrence(id(scope), alias, table) if table is not None and usable else None
        return self._tables[place]

    def occurrences(self, scope: Scope) -> list[Occurrence]:
        """The tables that a query block reads itself."""
        return [found for alias in _own_aliases(scope) if (found := self.occurrence(scope, alias)) is not None]

    def resolve(self, column: exp.Column, scope: Scope | None) -> tuple[Occurrence, Column] | None:
        """The table's column that a name means, through derived tables, and outwards."""
        while scope is not None:
            found = self._resolve_here(column, scope)
            if found is not None:
                return found
            if column.table and _alias(column.table, scope) in scope.sources:
                return None
            scope = scope.parent
        return None

    def _resolve_here(self, column: exp.Column, scope: Scope) -> tuple[Occurrence, Column] | None:
        aliases = [_alias(column.table, scope)] if column.table else _own_aliases(scope)
        for alias in aliases:
            source = scope.sources.get(alias)
            if isinstance(source, Scope):
                found = self._through(column, source)
            else:
                occurrence = self.occurrence(scope, alias) if source is not None else None
                held = _column(column, occurrence.table, self.catalogue) if occurrence is not None else None
                found = (occurrence, held) if occurrence is not None and held is not None else None
            if found is not None:
                return found
        return None

    def _through(self, column: exp.Column, scope: Scope) -> tuple[Occurrence, Column] | None:
        """The column behind a derived table's, where it hands it on unchanged."""
        query = scope.expression
        if isinstance(query, exp.Lateral):
            inner = [source for source in scope.sources.values() if isinstance(source, Scope)]
            return next((found for each in inner if (found := self._through(column, each)) is not None), None)
        if not isinstance(query, exp.Select):
            return None
        for projection in query.selects:
            if projection.alias_or_name.lower() == column.name.lower():
                plain = projection.unalias()
                return self.resolve(plain, scope) if isinstance(plain, exp.Column) else None
        if any(projection.is_star for projection in query.selects):
            return self._resolve_here(exp.column(column.this.copy()), scope)
        return None


def own_nodes(node: exp.Expr) -> Iterator[exp.Expr]:
    """A clause's nodes without those of the queries inside it."""
    yield node
    for child in node.iter_expressions():
        if not isinstance(child, (exp.Query, exp.Subquery)):
            yield from own_nodes(child)


def _own_aliases(scope: Scope) -> list[str]:
    """The names of FROM and JOIN: a scope's sources also hold the CTEs that it could use."""
    return list(scope.selected_sources) or [name for name in scope.sources if name]


def _alias(name: str, scope: Scope) -> str:
    """A table's name before a column as FROM has it: `Orders.id` means `orders`."""
    return (
        name if name in scope.sources else next((each for each in scope.sources if each.lower() == name.lower()), name)
    )


def _table(node: exp.Expr, catalogue: Catalogue) -> Table | None:
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        return None
    schema = node.args.get("db")
    folded = catalogue.fold(schema.this, quoted=bool(schema.args.get("quoted"))) if schema is not None else None
    return catalogue.find(folded, catalogue.fold(node.this.this, quoted=bool(node.this.args.get("quoted"))))


def _column(node: exp.Expr, table: Table, catalogue: Catalogue) -> Column | None:
    identifier = node.this if isinstance(node, exp.Column) else node
    if not isinstance(identifier, exp.Identifier):
        return None
    return catalogue.column(table, catalogue.fold(identifier.this, quoted=bool(identifier.args.get("quoted"))))


def _as_select(tree: exp.Update | exp.Delete) -> exp.Expr:
    """An UPDATE or DELETE as the SELECT that finds its rows and what it sets them to."""
    source = tree.args.get("from_") or tree.args.get("from")
    others = [source.this] if source is not None else list(tree.args.get("using") or [])
    values = [each.expression for each in tree.expressions if isinstance(each, exp.EQ)] or [exp.Literal.number(1)]
    select = exp.select(*(value.copy() for value in values)).from_(tree.this.copy())
    for other in others:
        select = select.join(other.copy(), join_type="cross")
    condition = tree.args.get("where")
    if condition is not None:
        select = select.where(condition.this.copy())
    with_ = tree.args.get("with_") or tree.args.get("with")
    if with_ is not None:
        for each in with_.expressions:
            select = select.with_(each.alias, as_=each.this.copy())
    return select


def _with_views(tree: exp.Expr, catalogue: Catalogue, depth: int) -> exp.Expr:
    """Views as derived tables of their definition."""
    names = {each.alias_or_name for each in tree.find_all(exp.CTE)}
    for node in list(tree.find_all(exp.Table)) if depth else []:
        table = _table(node, catalogue) if node.name not in names or node.args.get("db") else None
        if table is None or table.kind != "view" or table.view_sql is None:
            continue
        try:
            inner = sqlglot.parse_one(table.view_sql, dialect=_READ[catalogue.dialect])
        except (sqlglot.errors.SqlglotError, RecursionError):
            continue
        if isinstance(inner, exp.Query) and node is not tree:
            _with_views(inner, catalogue, depth - 1)
            node.replace(inner.subquery(node.alias_or_name))
    return tree


def _first_line(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
