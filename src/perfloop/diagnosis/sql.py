"""Just enough SQL to name the index a scanned table lacks: conditions and ordering of one SELECT.

No parser for everything: what is not understood gives no advice. The index proposed is tried before it is believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["IndexProposal", "propose_index", "scanned_tables"]

_TOKEN = re.compile(
    r"""\s*(?:(?P<name>(?:"[^"]+"|`[^`]+`|\[[^\]]+\]|[A-Za-z_][\w$]*)
            (?:\s*\.\s*(?:"[^"]+"|`[^`]+`|\[[^\]]+\]|[A-Za-z_][\w$]*))*)
        |(?P<value>'(?:[^']|'')*'|\d+(?:\.\d+)?|\?\d*|[:@$][A-Za-z_]\w*|%s|%\(\w+\)s)
        |(?P<symbol><>|<=|>=|!=|==|\|\||[^\sA-Za-z_"`'\[\]]))""",
    re.VERBOSE,
)
_READ = re.compile(r"^(?:SCAN|SEARCH) (?:TABLE )?(?P<what>\S.*)$")
_AUTOMATIC = re.compile(r"AUTOMATIC (?:PARTIAL )?(?:COVERING )?INDEX \((?P<terms>[^)]*)\)")
_CLAUSES = ("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "WINDOW", "UNION", "EXCEPT", "INTERSECT", "RETURNING")
_WORDS = """
SELECT FROM WHERE AND OR NOT IN IS NULL LIKE GLOB BETWEEN ORDER BY GROUP HAVING LIMIT OFFSET ASC DESC JOIN LEFT INNER
OUTER CROSS NATURAL ON USING AS CASE WHEN THEN ELSE END EXISTS DISTINCT UNION ALL COLLATE NULLS FIRST LAST TRUE FALSE
ESCAPE RIGHT FULL UPDATE SET DELETE EXCEPT INTERSECT RETURNING WINDOW
"""
_KEYWORDS = frozenset(_WORDS.split())
_MOST_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class IndexProposal:
    """An index that might help."""

    table: str
    columns: tuple[str, ...]
    """In index order; `name DESC` where the ordering needs it."""

    @property
    def name(self) -> str:
        words = [self.table, *(column.removesuffix(" DESC") for column in self.columns)]
        return "ix_" + "_".join(re.sub(r"\W+", "_", word) for word in words)

    @property
    def statement(self) -> str:
        """The DDL, quoted where the names need it."""
        columns = ", ".join(
            _quote(column.removesuffix(" DESC")) + (" DESC" if column.endswith(" DESC") else "")
            for column in self.columns
        )
        return f"CREATE INDEX {self.name} ON {_quote(self.table)} ({columns})"


def scanned_tables(plan: Iterable[str], names: Iterable[str] = ()) -> list[str]:
    """Tables (or aliases) that a plan reads from end to end, in the plan's order.

    Args:
        plan: detail lines of EXPLAIN QUERY PLAN.
        names: tables and aliases of the statement, to recognise those with blanks in them.
    """
    known = list(names)
    scanned = (line for line in plan if line.strip().startswith("SCAN") or _AUTOMATIC.search(line))
    return [table for line in scanned if (table := _table(line, known)) is not None]


def _table(line: str, names: Iterable[str]) -> str | None:
    """The table a plan's line reads, as the statement calls it."""
    found = _READ.match(line.strip())
    if found is None:
        return None
    for name in names:
        if f"{found['what']} ".startswith(f"{name} "):
            return name
    words = found["what"].split()
    table = words[2] if words[1:2] == ["AS"] else words[0]
    return None if table in ("SUBQUERY", "CONSTANT") or table.startswith("(") else table


def propose_index(
    statement: str, plan: Sequence[str], columns_of: Mapping[str, Sequence[str]] | None = None
) -> IndexProposal | None:
    """The index a statement seems to lack, judged by its plan; None when none suggests itself.

    Args:
        statement: SQL, or its fingerprint.
        plan: detail lines of SQLite's EXPLAIN QUERY PLAN.
        columns_of: columns by table, where the schema is known; its rowid alias (INTEGER PRIMARY KEY) is `rowid:NAME`.
    """
    sorts = any("USE TEMP B-TREE FOR ORDER BY" in line for line in plan)
    tokens = _tokens(statement)
    tables = _tables(tokens)
    scanned = scanned_tables(plan, tables)
    searched = [table for line in plan if (table := _table(line, tables)) is not None]
    for table in scanned or (searched[:1] if sorts else []):
        automatic = next((found for line in plan if table in line and (found := _AUTOMATIC.search(line))), None)
        real = tables.get(table, table)
        known = (columns_of or {}).get(real)
        if automatic:
            terms = automatic["terms"].split(" AND ")
            return IndexProposal(real, tuple(re.split(r"[=<>]", term)[0].strip() for term in terms))
        conditions = _Conditions(tokens, table, single=len(tables) == 1, known=known)
        # A plain scan in the order wanted has no TEMP B-TREE; with an index on the condition the order still matters.
        proposed = conditions.index_columns()
        if proposed:
            return IndexProposal(real, proposed)
    return None


class _Conditions:
    """The columns of one table that a statement's WHERE, ON and ORDER BY name."""

    def __init__(self, tokens: list[tuple[str, str]], table: str, *, single: bool, known: Sequence[str] | None) -> None:
        self.table = table
        self.single = single
        self.rowid = next((name.removeprefix("rowid:") for name in known or () if name.startswith("rowid:")), None)
        self.known = [name.removeprefix("rowid:") for name in known] if known is not None else None
        self.equal: list[str] = []
        self.ranged: list[str] = []
        self.ordered: list[tuple[str, bool]] = []
        self.order_is_ours = True
        self._read(tokens)

    def index_columns(self) -> tuple[str, ...]:
        equal = [column for column in dict.fromkeys(self.equal) if column != self.rowid]
        tail: list[str] = []
        ordered = list(self.ordered) if self.order_is_ours else []
        # Every index ends with the rowid.
        while ordered and ordered[-1][0] == (self.rowid or "id"):
            ordered.pop()
        ordered = [(column, down) for column, down in ordered if column not in equal]
        if ordered:
            mixed = len({down for _, down in ordered}) > 1
            tail = [f"{column} DESC" if mixed and down else column for column, down in ordered]
        elif self.ranged:
            tail = [next((column for column in self.ranged if column not in equal and column != self.rowid), "")]
        return tuple([*equal, *(column for column in tail if column)][:_MOST_COLUMNS])

    def _column(self, token: tuple[str, str]) -> str | None:
        kind, text = token
        if kind != "name":
            return None
        parts = [_unquote(part) for part in re.split(r"\s*\.\s*", text)]
        if len(parts) == 1:
            name = parts[0]
            if self.known is not None:
                return name if name in self.known else None
            return name if self.single else None
        return parts[-1] if parts[-2] == self.table else None

    def _read(self, tokens: list[tuple[str, str]]) -> None:
        clause = ""
        disjunction = _has_top_level_or(tokens)
        for at, token in enumerate(tokens):
            word = token[1].upper() if token[0] == "word" else ""
            if word in (*_CLAUSES, "ON", "FROM", "SELECT", "SET"):
                clause = word
            if clause in ("WHERE", "ON") and not disjunction:
                self._condition(tokens, at)
            elif clause == "ORDER" and token[0] == "name":
                before = tokens[at - 1][1].upper()
                if before not in ("BY", ","):
                    continue
                column = self._column(token)
                following = tokens[at + 1][1].upper() if at + 1 < len(tokens) else ""
                if column is None or following not in ("", ",", "ASC", "DESC", "LIMIT", ")"):
                    self.order_is_ours = False
                else:
                    self.ordered.append((column, following == "DESC"))

    def _condition(self, tokens: list[tuple[str, str]], at: int) -> None:
        kind, text = tokens[at]
        left = tokens[at - 1] if at else ("", "")
        right = tokens[at + 1] if at + 1 < len(tokens) else ("", "")
        before = tokens[at - 2][1].upper() if at > 1 else ""
        if (kind == "symbol" and text in ("=", "==")) or (kind == "word" and text.upper() == "IS"):
            for side, other in ((left, right), (right, left)):
                column = self._column(side)
                if column is not None and other[0] in ("value", "name", "word") and before != "NOT":
                    self.equal.append(column)
        elif kind == "word" and text.upper() == "IN":
            column = self._column(left)
            if column is not None:
                self.equal.append(column)
        elif (kind == "symbol" and text in ("<", ">", "<=", ">=")) or (kind == "word" and text.upper() == "BETWEEN"):
            for side in (left, right):
                column = self._column(side)
                if column is not None:
                    self.ranged.append(column)


def _tokens(statement: str) -> list[tuple[str, str]]:
    """(kind, text): name (maybe qualified), word (a keyword), value, symbol."""
    tokens = []
    for found in _TOKEN.finditer(statement):
        if found["name"]:
            text = found["name"]
            plain = text.upper() in _KEYWORDS
            tokens.append(("word" if plain else "name", text))
        elif found["value"]:
            tokens.append(("value", found["value"]))
        elif found["symbol"]:
            symbol = found["symbol"]
            tokens.append(("value" if symbol == "?" else "symbol", symbol))
    return tokens


def _tables(tokens: list[tuple[str, str]]) -> dict[str, str]:
    """Tables by the name the statement calls them."""
    tables: dict[str, str] = {}
    at = 0
    while at < len(tokens):
        word = tokens[at][1].upper()
        if tokens[at][0] == "word" and word in ("FROM", "JOIN", "UPDATE"):
            at += 1
            while at < len(tokens) and tokens[at][0] == "name":
                name = _unquote(re.split(r"\s*\.\s*", tokens[at][1])[-1])
                at += 1
                if at < len(tokens) and tokens[at][1].upper() == "AS":
                    at += 1
                if at < len(tokens) and tokens[at][0] == "name":
                    tables[_unquote(tokens[at][1])] = name
                    at += 1
                else:
                    tables[name] = name
                if at < len(tokens) and tokens[at][1] == ",":
                    at += 1
                else:
                    break
        else:
            at += 1
    return tables


def _has_top_level_or(tokens: list[tuple[str, str]]) -> bool:
    depth = 0
    for kind, text in tokens:
        if text == "(":
            depth += 1
        elif text == ")":
            depth -= 1
        elif kind == "word" and text.upper() == "OR" and depth == 0:
            return True
    return False


def _unquote(name: str) -> str:
    return name[1:-1] if name[:1] in '"`[' else name


def _quote(name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z_]\w*", name) is not None and name.upper() not in _KEYWORDS
    return name if plain else '"' + name.replace('"', '""') + '"'
