"""What an answer is ordered by, and whether that decides every row's place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .statement import Sources
    from .tables import Table

__all__ = ["Order", "conjuncts", "keys_decide", "order_of"]


@dataclass(frozen=True, slots=True)
class Order:
    """The ORDER BY of a query."""

    keys: tuple[str | int, ...]
    """Names or positions (from 0) of the output columns that are the order's first keys, up to one not returned."""
    ordered: bool
    """There is an ORDER BY."""
    total: bool
    """Rows with the same keys are the same row: the answer has one order only."""

    def positions(self, names: Sequence[str]) -> list[int] | None:
        """Where the keys stand in an answer with these column names: empty: everywhere; None: nowhere that tells."""
        if not self.ordered:
            return None
        if self.total:
            return []
        found = []
        folded = [name.lower() for name in names]
        for key in self.keys:
            if isinstance(key, str) and folded.count(key.lower()) == 1:
                found.append(folded.index(key.lower()))
            elif isinstance(key, int) and key < len(names):
                found.append(key)
            else:
                break  # keys before it still order the rows
        return found or None


def conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    """The parts of a condition that must all hold."""
    if condition is None:
        return
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from conjuncts(condition.left)
        yield from conjuncts(condition.right)
    else:
        yield condition


def order_of(query: exp.Expr, sources: Sources) -> Order:
    """Read a query's ORDER BY."""
    order = query.args.get("order")
    keys = [ordered.this for ordered in order.expressions] if order is not None else []
    named = []
    for key in keys:
        name = _output(key, query)
        if name is None:
            break  # the keys before it order the answer all the same
        named.append(name)
    return Order(tuple(named), order is not None, _is_total(query, keys, sources))


def _output(key: exp.Expr, query: exp.Expr) -> str | int | None:
    outputs = query.selects if isinstance(query, exp.Query) else []
    if isinstance(key, exp.Literal) and not key.is_string:
        return int(key.name) - 1
    if not isinstance(key, exp.Column):
        for position, projection in enumerate(outputs):
            if projection.unalias().sql() == key.sql() and not any(each.is_star for each in outputs):
                return position
        return None
    # A star's columns have the tables' names; an alias hides the column it is called like.
    for projection in outputs:
        if projection.alias == key.name and not key.table:
            return key.name
        if projection.is_star or (isinstance(projection.unalias(), exp.Column) and projection.output_name == key.name):
            return key.name
    return None


def _is_total(query: exp.Expr, keys: list[exp.Expr], sources: Sources) -> bool:
    if not isinstance(query, exp.Query):
        return False
    if not isinstance(query, exp.Select):
        outputs = [projection.output_name.lower() for projection in query.selects]
        covered = {_name_of(key, query).lower() for key in keys}
        return bool(outputs) and "*" not in outputs and set(outputs) <= covered
    group = query.args.get("group")
    if group is None and query.args.get("having") is None and _aggregates(query):
        return True  # one row
    texts = {key.sql() for key in keys} | {_meant(key, query).sql() for key in keys}
    if not any(projection.is_star for projection in query.selects) and all(
        projection.unalias().sql() in texts or projection.alias in texts for projection in query.selects
    ):
        return True  # every column is a key: rows that tie are alike
    if group is not None:
        return bool(group.expressions) and all(
            _meant(expression, query).sql() in texts or expression.sql() in texts for expression in group.expressions
        )
    if query.args.get("distinct") is not None:
        return False
    return keys_decide(query, keys, sources)


def _name_of(key: exp.Expr, query: exp.Expr) -> str:
    found = _output(key, query)
    if isinstance(found, int):
        selects = query.selects if isinstance(query, exp.Query) else []
        return str(selects[found].output_name) if found < len(selects) else ""
    return found or ""


def _meant(key: exp.Expr, query: exp.Select) -> exp.Expr:
    """The expression that a position or an alias stands for."""
    if isinstance(key, exp.Literal) and not key.is_string and int(key.name) <= len(query.selects):
        return query.selects[int(key.name) - 1].unalias()
    if isinstance(key, exp.Column) and not key.table:
        for projection in query.selects:
            if projection.alias == key.name:
                return projection.unalias()
    return key


def _aggregates(query: exp.Select) -> bool:
    return any(
        node.find_ancestor(exp.Select) is query and node.find_ancestor(exp.Window) is None
        for projection in query.selects
        for node in projection.find_all(exp.AggFunc)
    )


def keys_decide(query: exp.Select, keys: list[exp.Expr], sources: Sources, *, aliases: bool = True) -> bool:
    """The keys name one row of each table read: by its own key, or by a join to it on its key.

    Args:
        aliases: the keys may be positions and aliases of what the query returns.
    """
    tables: dict[str, Table] = {}
    for name, node in sources.sources(query):
        table = sources.table(node)
        if table is None or table.view or name in tables:
            return False
        tables[name] = table
    joins = query.args.get("joins") or []
    if not tables or any((join.side or "").upper() in ("RIGHT", "FULL") for join in joins):
        return False
    if any(join.args.get("using") or (join.method or "").upper() == "NATURAL" for join in joins):
        return False

    def place(node: exp.Expr) -> tuple[str, str] | None:
        node = node.unnest()
        found = sources.of(node)
        if found is None or not isinstance(node, exp.Column):
            return None
        wanted = node.table.lower()
        names = [name for name, table in tables.items() if table is found[0] and wanted in ("", name.lower())]
        return (names[0], found[1].name) if len(names) == 1 else None

    fixed = {found for key in keys if (found := place(_meant(key, query) if aliases else key)) is not None}
    where = query.args.get("where")
    # An outer join's condition says nothing of the rows it keeps without a partner: there it fixes the partner only.
    equals = [(part, None) for part in conjuncts(where.this if where is not None else None)]
    for join in joins:
        only = join.this.alias_or_name.lower() if join.side else None
        equals += [(part, only) for part in conjuncts(join.args.get("on"))]
    decided: set[str] = set()
    while True:
        for part, only in equals:
            if not isinstance(part, exp.EQ):
                continue
            for one, other in ((part.left, part.right), (part.right, part.left)):
                target, source = place(one), place(other)
                if target is None or (only is not None and target[0].lower() != only):
                    continue
                constant = isinstance(other, exp.Literal | exp.Parameter | exp.Placeholder)
                if constant or (source is not None and (source in fixed or source[0] in decided)):
                    fixed.add(target)
        now = {
            name for name, table in tables.items() if table.is_key({column for owner, column in fixed if owner == name})
        }
        if now <= decided:
            return set(tables) <= decided
        decided |= now
