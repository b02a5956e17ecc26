"""Would a statement answer the same twice on the same rows? If not, no comparison of answers proves anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from .ordering import keys_decide, order_of
from .statement import Sources, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .tables import Table

__all__ = ["CLOCK", "called_functions", "undetermined"]

CLOCK = frozenset(
    {
        "clock_timestamp",
        "current_date",
        "current_time",
        "current_timestamp",
        "localtime",
        "localtimestamp",
        "now",
        "statement_timestamp",
        "timeofday",
        "transaction_timestamp",
    }
)
_RANDOM = frozenset(
    {"currval", "gen_random_uuid", "lastval", "nextval", "random", "randomblob", "setval", "uuid_generate_v4"}
)
_SQLITE_TIME = frozenset({"date", "datetime", "julianday", "strftime", "time", "timediff", "unixepoch"})
_SQLITE_STATE = frozenset({"changes", "last_insert_rowid", "load_extension", "total_changes"})
_POSITIONAL_WINDOWS = (
    exp.RowNumber,
    exp.Lag,
    exp.Lead,
    exp.FirstValue,
    exp.LastValue,
    exp.NthValue,
)
_COLLECTORS = (exp.ArrayAgg, exp.GroupConcat, exp.JSONArrayAgg, exp.JSONObjectAgg)
_COLLECTOR_NAMES = frozenset(
    {
        "array_agg",
        "group_concat",
        "json_agg",
        "json_group_array",
        "json_group_object",
        "json_object_agg",
        "jsonb_agg",
        "jsonb_object_agg",
        "string_agg",
        "xmlagg",
    }
)
_TEXT = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_CALL = re.compile(r'([A-Za-z_]\w*|"[^"]+")\s*\(')
_BARE = re.compile(rf"\b(?:{'|'.join(sorted(CLOCK))})\b", re.IGNORECASE)


def called_functions(sql: str) -> set[str]:
    """Names of what the text calls, lower case; some keywords among them."""
    plain = _TEXT.sub(" ", sql)
    bare = re.sub(r'"(?:[^"]|"")*"', " ", plain)
    return {name.strip('"').lower() for name in _CALL.findall(plain)} | {name.lower() for name in _BARE.findall(bare)}


def undetermined(statement: Statement, tables: Sequence[Table], volatile: frozenset[str]) -> list[str]:
    """Why the statement may answer differently each time, one reason a line; none where it may not.

    Args:
        statement: a SELECT.
        tables: those it reads, and those its views read.
        volatile: names of functions the database calls volatile.
    """
    texts = [statement.sql, *(table.definition or "" for table in tables if table.view)]
    called = set().union(*(called_functions(text) for text in texts))
    reasons = [f"{name}() reads the clock" for name in sorted(called & CLOCK)]
    reasons += [f"{name}() is volatile" for name in sorted(called & (_RANDOM | volatile))]
    if statement.dialect == "sqlite":
        reasons += [f"{name}() depends on the connection" for name in sorted(called & _SQLITE_STATE)]
        if called & _SQLITE_TIME and any(
            re.search(r"'now'|\b(?:date|time|datetime)\(\)", text, re.IGNORECASE) for text in texts
        ):
            reasons.append("'now' reads the clock")
    tree, sources = statement.tree, Sources(statement, tables)
    for query in tree.find_all(exp.Query):
        cut = any(query.args.get(part) is not None for part in ("limit", "offset", "fetch"))
        if cut and not _only_existence(query) and not order_of(query, sources).total:
            reasons.append("LIMIT without a total order: which rows it returns is left to the plan")
        distinct = query.args.get("distinct")
        if (
            isinstance(distinct, exp.Distinct)
            and distinct.args.get("on") is not None
            and not order_of(query, sources).total
        ):
            reasons.append("DISTINCT ON without a total order")
        if isinstance(query, exp.Select) and statement.dialect == "sqlite" and _has_bare_columns(query):
            reasons.append("a column is neither grouped nor aggregated: SQLite takes any row's")
        if query.args.get("sample") is not None:
            reasons.append("TABLESAMPLE")
    if tree.find(exp.TableSample) is not None:
        reasons.append("TABLESAMPLE")
    for window in tree.find_all(exp.Window):
        rows = window.args.get("spec") is not None and (window.args["spec"].args.get("kind") or "").upper() != "RANGE"
        counts = rows or isinstance(window.this, _POSITIONAL_WINDOWS) or window.find(exp.Ntile) is not None
        if counts and not _decided(window, sources):
            reasons.append("a window function that counts rows: ties are left to the plan")
    for node in tree.find_all(exp.AggFunc, exp.Anonymous, *_COLLECTORS):
        name = node.name.lower() if isinstance(node, exp.Anonymous) else node.sql_name().lower()
        collects = isinstance(node, _COLLECTORS) or name in _COLLECTOR_NAMES
        if collects and not _decided(node, sources):
            reasons.append(f"{name} collects rows in the order the plan yields them")
    return list(dict.fromkeys(reasons))


def _decided(node: exp.Expr, sources: Sources) -> bool:
    """Whether the ORDER BY of a window, or in a call, leaves no two rows of a partition or group in the same place."""
    select = node.find_ancestor(exp.Select)
    group = select.args.get("group") if select is not None else None
    if isinstance(node, exp.Window):
        order, within = node.args.get("order"), list(node.args.get("partition_by") or [])
        if group is not None:
            return False
    else:
        order, within = node.this, list(group.expressions) if group is not None else []
        if group is not None and any(group.args.get(part) for part in ("rollup", "cube", "grouping_sets")):
            within = []
    if select is None or not isinstance(order, exp.Order):
        return False
    return keys_decide(select, [*within, *(each.this for each in order.expressions)], sources, aliases=False)


def _only_existence(query: exp.Expr) -> bool:
    return isinstance(query.parent, exp.Exists) and not query.args.get("offset")


def _has_bare_columns(select: exp.Select) -> bool:
    group = select.args.get("group")
    aggregated = any(
        node.find_ancestor(exp.Select) is select and node.find_ancestor(exp.Window) is None
        for projection in [*select.selects, select.args.get("having")]
        if projection is not None
        for node in projection.find_all(exp.AggFunc)
    )
    if group is None and not aggregated:
        return False
    grouped = {expression.sql() for expression in group.expressions} if group is not None else set()
    names = {expression.name for expression in group.expressions} if group is not None else set()
    for position, projection in enumerate(select.selects, start=1):
        bare = projection.unalias()
        if bare.sql() in grouped or str(position) in grouped or projection.alias in names:
            continue
        for column in bare.find_all(exp.Column, exp.Star):
            aggregated_too = column.find_ancestor(exp.AggFunc, exp.Filter) is not None
            if column.find_ancestor(exp.Select) is not select or aggregated_too:
                continue
            if isinstance(column, exp.Star) and isinstance(column.parent, exp.Count):
                continue
            if column.sql() not in grouped and column.name not in names:
                return True
    return False
