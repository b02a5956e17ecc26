"""One statement as the rules and the proof read it: numbered parameters, a tree, and which table a column is of."""

from __future__ import annotations

import contextlib
import logging
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from ...exceptions import MissingExtra, UnreadableStatement

try:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
except ImportError as error:
    raise MissingExtra(
        "Reading SQL needs sqlglot, which is not installed", hint="pip install 'perfloop[database]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .tables import Column, Table

__all__ = [
    "SQLGLOT",
    "Dialect",
    "Sources",
    "Statement",
    "generate",
    "normal",
    "parameter",
    "parameter_number",
    "parse",
    "quoted",
]

Dialect = Literal["postgresql", "sqlite"]

SQLGLOT = {"postgresql": "postgres", "sqlite": "sqlite"}
LONGEST = 200_000
"""Characters; a longer statement is not read."""

_PLACEHOLDER = re.compile(
    r"""
    (?P<comment> --[^\n]*(?:\n|\Z) | /\*.*?(?:\*/|\Z) )
  | (?P<quoted> "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[A-Za-z_][^\]\n]*\] | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
  | (?P<text> [eE]'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*' )
  | (?P<json> \?[|&] | (?<=[\w"')\]])\s*\?(?=\s*') | @\? )
  | (?P<numbered> \$(?P<dollar>\d+) | (?<![:\w]):p(?P<ours>\d+)\b | \?(?P<question>\d+) )
  | (?P<named> %\((?P<pyformat>\w+)\)s | (?<![:\w])[:@$](?P<name>[A-Za-z_]\w*) )
  | (?P<next> %s | \? )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Statement:
    """One parsed statement."""

    sql: str
    """As written, but with numbered parameters and without a final semicolon."""
    dialect: Dialect
    tree: exp.Expr
    parameters: int = 0
    """How many there are."""

    @property
    def is_select(self) -> bool:
        """It only reads: a SELECT or a set operation of them, without locks or data-modifying parts."""
        return (
            isinstance(self.tree, exp.Query)
            and self.tree.find(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Lock, exp.Into) is None
        )

    @cached_property
    def table_names(self) -> tuple[tuple[str | None, str], ...]:
        """(schema, name) of each table it reads, folded as the database folds them; CTEs are none."""
        ctes = {cte.alias_or_name.lower() for cte in self.tree.find_all(exp.CTE)}
        names = (
            (normal(table.args.get("db"), self.dialect), normal(table.this, self.dialect))
            for table in self.tree.find_all(exp.Table)
            if isinstance(table.this, exp.Identifier)
            and (table.args.get("db") is not None or table.name.lower() not in ctes)
        )
        return tuple(dict.fromkeys((schema, name) for schema, name in names if name is not None))

    def with_tree(self, tree: exp.Expr) -> Statement:
        """The statement that a changed tree stands for."""
        return Statement(generate(tree, self.dialect), self.dialect, tree, self.parameters)


def generate(tree: exp.Expr, dialect: Dialect) -> str:
    """The tree as SQL."""
    return tree.sql(dialect=SQLGLOT[dialect], comments=False, unsupported_level=sqlglot.ErrorLevel.IGNORE)


def parse(sql: str, dialect: Dialect) -> Statement:
    """Read one statement; whatever style its parameters are written in, they are numbered afterwards.

    Raises:
        UnreadableStatement: it does not parse, is too long, or is more than one.
    """
    if len(sql) > LONGEST:
        raise UnreadableStatement(f"Expected a statement of at most {LONGEST:,} characters", got=f"{len(sql):,}")
    text, parameters = numbered(sql, dialect)
    text = text.strip().rstrip(";").rstrip()
    try:
        with _silent():
            trees = [tree for tree in sqlglot.parse(text, dialect=SQLGLOT[dialect]) if tree is not None]
    except (SqlglotError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableStatement(
            f"Expected one {dialect} statement, and it cannot be parsed: {first}", got=text[:80]
        ) from error
    if len(trees) != 1:
        raise UnreadableStatement(f"Expected one statement, found {len(trees)}", got=text[:80])
    return Statement(text, dialect, trees[0], parameters)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The parser logs statements it does not know in full, values and all: it must not."""
    logger = logging.getLogger("sqlglot")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def numbered(sql: str, dialect: Dialect) -> tuple[str, int]:
    """The text with `$1` (PostgreSQL) or `:p1` (SQLite) for each parameter, and their number."""
    style = "$%d" if dialect == "postgresql" else ":p%d"
    names: dict[str, int] = {}
    count = 0

    def written_as(number: int, found: re.Match[str]) -> str:
        # sqlglot takes `$1,$2` for the beginning of a dollar-quoted text, and `$1 ,$2` for what it is.
        follows = sql[found.end() : found.end() + 1]
        return style % number + (" " if dialect == "postgresql" and follows and not follows.isspace() else "")

    def replace(found: re.Match[str]) -> str:
        nonlocal count
        if found.lastgroup in ("comment", "quoted", "text", "json", "tag"):
            return found.group()
        written = found["dollar"] or found["ours"] or found["question"]
        if written:
            number = int(written)
            count = max(count, number)
            return written_as(number, found)
        name = found["pyformat"] or found["name"]
        if name is not None and name in names:
            return written_as(names[name], found)
        count += 1
        if name is not None:
            names[name] = count
        return written_as(count, found)

    text = _PLACEHOLDER.sub(replace, sql)
    # psycopg's texts double their percent signs where they have parameters.
    return (text.replace("%%", "%") if re.search(r"%s|%\(\w+\)s", sql) else text), count


def parameter_number(node: exp.Expr) -> int | None:
    """Which parameter a node is; None where it is none."""
    if isinstance(node, exp.Parameter) and node.name.isdigit():
        return int(node.name)
    if isinstance(node, exp.Placeholder) and re.fullmatch(r"p\d+", node.name):
        return int(node.name[1:])
    return None


def parameter(number: int, dialect: Dialect) -> exp.Expr:
    """The node of a numbered parameter."""
    if dialect == "postgresql":
        return exp.Parameter(this=exp.Literal.number(number))
    return exp.Placeholder(this=exp.to_identifier(f"p{number}"))


def normal(identifier: exp.Expr | None, dialect: Dialect) -> str | None:
    """An identifier as the database stores it: PostgreSQL folds what is not quoted."""
    if identifier is None or not identifier.name:
        return None
    quoted = isinstance(identifier, exp.Identifier) and identifier.args.get("quoted")
    return identifier.name if quoted or dialect == "sqlite" else identifier.name.lower()


def quoted(name: str) -> str:
    """An identifier that means exactly this name."""
    return '"' + name.replace('"', '""') + '"'


class Sources:
    """Finds the table that a column of a statement belongs to."""

    def __init__(self, statement: Statement, tables: Iterable[Table]) -> None:
        self.dialect = statement.dialect
        self._tables: Mapping[tuple[str | None, str], Table] = {
            key: table for table in tables for key in self._keys(table)
        }

    def table(self, node: exp.Expr | None) -> Table | None:
        """The stored table (or view) that a node of FROM names."""
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            return None
        schema, name = normal(node.args.get("db"), self.dialect), normal(node.this, self.dialect)
        if name is None:
            return None
        if schema is None and self._is_cte(node):
            return None
        return self._tables.get((schema, name)) or self._tables.get((schema, name.lower()))

    def of(self, column: exp.Expr) -> tuple[Table, Column] | None:
        """The table and column that a column reference means; None where that is not certain."""
        if not isinstance(column, exp.Column) or isinstance(column.this, exp.Star):
            return None
        select = column.find_ancestor(exp.Select, exp.Update, exp.Delete)
        wanted = normal(column.args.get("table"), self.dialect)
        name = normal(column.this, self.dialect)
        while select is not None and name is not None:
            found = self._within(select, wanted, name)
            if found is not None:
                return found
            select = select.find_ancestor(exp.Select, exp.Update, exp.Delete)
        return None

    def sources(self, select: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
        """(name, node) of what a SELECT reads: its FROM and its JOINs."""
        start = select.args.get("from_") or select.args.get("from")
        nodes = [start.this] if start is not None else []
        if isinstance(select, exp.Update | exp.Delete):
            nodes.append(select.this)
        nodes += [join.this for join in select.args.get("joins") or ()]
        for node in nodes:
            alias = node.args.get("alias")
            identifier = alias.this if alias is not None and alias.this is not None else node.this
            name = normal(identifier, self.dialect) if isinstance(identifier, exp.Identifier) else None
            if name is not None:
                yield name, node

    def _within(self, select: exp.Expr, wanted: str | None, name: str) -> tuple[Table, Column] | None:
        for source, node in self.sources(select):
            if wanted is not None and source.lower() != wanted.lower():
                continue
            table = self.table(node)
            if table is not None:
                column = table.column(name)
                if column is not None:
                    return table, column
            elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select):
                for projection in node.this.selects:
                    inner = projection.unalias()
                    if projection.alias_or_name.lower() == name.lower() and isinstance(inner, exp.Column):
                        return self.of(inner)
        return None

    def _is_cte(self, node: exp.Table) -> bool:
        parent = node.parent
        while parent is not None:
            with_ = parent.args.get("with_") or parent.args.get("with")
            if with_ is not None and any(
                cte.alias_or_name.lower() == node.name.lower() for cte in with_.expressions if cte is not node
            ):
                return True
            parent = parent.parent
        return False

    @staticmethod
    def _keys(table: Table) -> Iterator[tuple[str | None, str]]:
        for name in (table.name, table.name.lower()):
            yield None, name
            yield table.schema or "main", name
