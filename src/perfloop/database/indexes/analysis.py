"""How a statement reaches each of its tables: what it compares, joins, orders and groups by, and what it needs of it.

Conditions are taken from WHERE and ON; of `a OR b` each branch stands alone, and what all branches share stands for
all, as the planner factors it out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

from sqlglot import exp

from .access import Access, Analysis, Constant, Ordering, Pattern, Term, Use
from .definition import quote_identifier
from .placeholders import parse_placeholders
from .scopes import Names, Unparsable, own_nodes, parse, query_of, write_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlglot.optimizer.scope import Scope

    from .catalogue import Catalogue, Table
    from .scopes import Occurrence, Write

__all__ = ["analyse"]

_LONGEST_SQL = 200_000


def analyse(sql: str, catalogue: Catalogue) -> Analysis:
    """Resolve a statement, with placeholders in any style.

    Raises:
        Unparsable: it cannot be parsed, or is nothing that an index helps.
    """
    if len(sql) > _LONGEST_SQL:
        raise Unparsable(f"longer than {_LONGEST_SQL:,} characters")
    named = parse_placeholders(sql, operators=catalogue.dialect == "postgresql").named()
    try:
        tree = parse(named, catalogue)
        write = write_of(tree, catalogue)
        query = query_of(tree)
        collector = _Collector(catalogue, query)
        collector.writes(tree, write)
        aliases = {occurrence.alias.lower(): occurrence.table.name for occurrence in collector.main}
        return Analysis(tuple(collector.accesses()), collector.uses, collector.limits, write, aliases)
    except RecursionError as error:
        raise Unparsable("nested too deeply") from error


_RANGES: dict[type[exp.Expr], str] = {exp.GT: ">", exp.GTE: ">", exp.LT: "<", exp.LTE: "<"}
_DISCRETE = (exp.EQ, exp.NEQ, exp.In, exp.Is)
_LONGEST_CONDITION = 200
_CONTAINMENTS = (exp.ArrayContainsAll, exp.ArrayOverlaps, exp.JSONBContainsTopKey)


class _Collector:
    """Gathers accesses block by block. One `Access` without an OR, one more for each branch of one."""

    def __init__(self, catalogue: Catalogue, query: exp.Expr | None) -> None:
        self.catalogue = catalogue
        self.dialect = "postgres" if catalogue.dialect == "postgresql" else "sqlite"
        self.uses: dict[int, Use] = {}
        self.limits: dict[int, str] = {}
        self.main: dict[Occurrence, Access] = {}
        self.branches: list[dict[Occurrence, Access]] = []
        self.into = self.main
        self.names = Names(query, catalogue) if query is not None else None
        for scope in self.names.scopes if self.names is not None else []:
            self._block(scope)

    def accesses(self) -> Iterable[Access]:
        """What was gathered; branches of an OR know the whole statement's columns."""
        yield from self.main.values()
        for branch in self.branches:
            for occurrence, access in branch.items():
                yield replace(access, columns=self.main[occurrence].columns)

    def writes(self, tree: exp.Expr, write: Write | None) -> None:
        """Note which columns the placeholders of SET and VALUES go to."""
        if write is None:
            return
        if isinstance(tree, exp.Update):
            for each in tree.expressions:
                if isinstance(each, exp.EQ) and isinstance(each.this, exp.Column):
                    column = self._written(each.this.this, write.table)
                    for node in each.expression.find_all(exp.Placeholder):
                        self.uses.setdefault(_number(node), Use(write.table, column, column or "", "set"))
        elif isinstance(tree, exp.Insert) and isinstance(tree.expression, exp.Values):
            target = tree.this
            names = list(target.expressions) if isinstance(target, exp.Schema) else []
            columns = [self._written(each, write.table) for each in names] or list(write.table.columns)
            for row in tree.expression.expressions:
                for column, value in zip(
                    columns, row.expressions if isinstance(row, exp.Tuple) else [row], strict=False
                ):
                    for node in value.find_all(exp.Placeholder):
                        self.uses.setdefault(_number(node), Use(write.table, column, column or "", "set"))

    def _written(self, identifier: exp.Expr, table: Table) -> str | None:
        if not isinstance(identifier, exp.Identifier):
            return None
        folded = self.catalogue.fold(identifier.this, quoted=bool(identifier.args.get("quoted")))
        column = self.catalogue.column(table, folded)
        return column.name if column is not None else None

    # A query block.

    def _block(self, scope: Scope) -> None:
        query = scope.expression
        assert self.names is not None
        for occurrence in self.names.occurrences(scope):
            self.main.setdefault(occurrence, Access(occurrence.table))
        if not isinstance(query, exp.Select):
            return
        self._needed(query, scope)
        where = query.args.get("where")
        if where is not None:
            self._condition(where.this, scope)
        if isinstance(query.parent, exp.In) or isinstance(getattr(query.parent, "parent", None), exp.In):
            found = self._term(query.selects[0].unalias(), scope) if query.selects else None
            if found is not None:
                self._add(found[0], joins=(found[1],))
        for join in query.args.get("joins") or []:
            if join.args.get("on") is not None:
                self._condition(join.args["on"], scope)
            for identifier in join.args.get("using") or []:
                self._using(identifier, scope)
        self._order(query, scope)
        self._group(query, scope)
        for name in ("limit", "offset"):
            clause = query.args.get(name)
            for node in clause.find_all(exp.Placeholder) if clause is not None else []:
                self.limits[_number(node)] = name

    def _needed(self, query: exp.Select, scope: Scope) -> None:
        assert self.names is not None
        for node in own_nodes(query):
            if isinstance(node, exp.Column) and not node.is_star:
                found = self.names.resolve(node, scope)
                if found is not None:
                    self._add(found[0], columns=frozenset({found[1].name}))
        asked_for_existence = isinstance(query.parent, exp.Exists)
        for projection in query.selects:
            if projection.is_star and not asked_for_existence and not isinstance(projection, exp.Count):
                alias = projection.table if isinstance(projection, exp.Column) else ""
                for occurrence in self.names.occurrences(scope):
                    if alias in ("", occurrence.alias):
                        self._add(occurrence, columns=frozenset(occurrence.table.columns))

    def _using(self, identifier: exp.Expr, scope: Scope) -> None:
        assert self.names is not None
        for occurrence in self.names.occurrences(scope):
            column = self._written(identifier, occurrence.table)
            if column is not None:
                term = self._column_term(column)
                self._add(occurrence, joins=(term,), columns=term.columns)

    def _order(self, query: exp.Select, scope: Scope) -> None:
        order = query.args.get("order")
        if order is not None:
            self._ordering(order.expressions, query, scope)
        if order is None and query.args.get("group") is None and len(query.selects) == 1:
            aggregate = query.selects[0].unalias()
            if isinstance(aggregate, (exp.Min, exp.Max)):
                found = self._term(aggregate.this, scope)
                if found is not None:
                    self._add(found[0], ordering=(Ordering(found[1]),))
        for window in (node for node in own_nodes(query) if isinstance(node, exp.Window)):
            inner = window.args.get("order")
            parts = [exp.Ordered(this=part.copy()) for part in window.args.get("partition_by") or []]
            self._ordering([*parts, *(inner.expressions if inner is not None else [])], query, scope)

    def _ordering(self, terms: list[exp.Expr], query: exp.Select, scope: Scope) -> None:
        found: list[tuple[Occurrence, Ordering]] = []
        for each in terms:
            inner = each.this if isinstance(each, exp.Ordered) else each
            term = self._term(_projected(inner, query), scope)
            if term is None:
                break
            descending = bool(each.args.get("desc"))
            nulls_first = bool(each.args.get("nulls_first")) if "nulls_first" in each.args else descending
            found.append((term[0], Ordering(term[1], descending, nulls_first)))
        # Only what leads, of one table: rows come out of an index in that order or not at all.
        if found and not (query.args.get("group") is not None and len(found) < len(terms)):
            first = found[0][0]
            leading = tuple(ordering for occurrence, ordering in found if occurrence == first)
            if all(occurrence == first for occurrence, _ in found):
                self._add(first, ordering=leading, replace_ordering=True)

    def _group(self, query: exp.Select, scope: Scope) -> None:
        group = query.args.get("group")
        terms = list(group.expressions) if group is not None else []
        distinct = query.args.get("distinct")
        if distinct is not None:
            on = distinct.args.get("on")
            terms += list(on.expressions) if isinstance(on, exp.Tuple) else [on] if on is not None else query.selects
        found = [self._term(_projected(each.unalias(), query), scope) for each in terms]
        known = [each for each in found if each is not None]
        if known and len({occurrence for occurrence, _ in known}) == 1:
            self._add(known[0][0], grouping=tuple(term for _, term in known))

    # Conditions.

    def _condition(self, node: exp.Expr, scope: Scope) -> None:
        node = node.unnest()
        if isinstance(node, exp.And):
            for each in node.flatten():
                self._condition(each, scope)
        elif isinstance(node, exp.Or):
            self._alternatives([each.unnest() for each in node.flatten()], scope)
        else:
            self._leaf(node, scope)

    def _alternatives(self, branches: list[exp.Expr], scope: Scope) -> None:
        parts = [list(each.flatten()) if isinstance(each, exp.And) else [each] for each in branches]
        texts = [{each.unnest().sql() for each in part} for part in parts]
        shared = set.intersection(*texts)
        for each in parts[0]:
            if each.unnest().sql() in shared:
                self._condition(each, scope)
        if self.into is not self.main:
            return
        for part in parts:
            branch: dict[Occurrence, Access] = {}
            self.into = branch
            for each in part:
                if each.unnest().sql() not in shared:
                    self._condition(each, scope)
            self.into = self.main
            if branch:
                self.branches.append(branch)

    def _leaf(self, node: exp.Expr, scope: Scope) -> None:
        self._constant(node, scope)
        if isinstance(node, exp.Escape):
            node = node.this
        negated = bool(node.args.get("negate"))
        if isinstance(node, (exp.EQ, exp.NullSafeEQ)):
            self._equality(node.this, node.expression, scope)
        elif type(node) in _RANGES:
            self._range(node, scope)
        elif isinstance(node, exp.Between) and not negated:
            self._between(node, scope)
        elif isinstance(node, exp.In) and not negated:
            self._equality(node.this, node, scope)
        elif isinstance(node, (exp.Like, exp.ILike)) and not negated:
            self._pattern(node, scope)
        elif isinstance(node, exp.StartsWith) or (isinstance(node, exp.Glob) and self.dialect == "sqlite"):
            self._compared(node.this, node.expression, "like", scope, "ranges")
        elif isinstance(node, exp.Is) and not negated and isinstance(node.expression, exp.Null):
            self._equality(node.this, node.expression, scope)
        elif isinstance(node, exp.MatchAgainst):
            for each in [node.this, *node.expressions]:
                self._compared(each, None, "@@", scope, "containments")
        elif isinstance(node, _CONTAINMENTS):
            self._compared(node.this, node.expression, "@>", scope, "containments")

    def _equality(self, left: exp.Expr, right: exp.Expr, scope: Scope) -> None:
        left, right = left.unnest(), right.unnest() if not isinstance(right, exp.In) else right
        if isinstance(left, exp.Tuple):
            others = right.expressions if isinstance(right, exp.Tuple) else [right] * len(left.expressions)
            for one, other in zip(left.expressions, others, strict=False):
                self._equality(one, other, scope)
            return
        sides = [self._term(left, scope), None if isinstance(right, exp.In) else self._term(right, scope)]
        ours, theirs = sides
        if ours is not None and theirs is not None:
            if ours[0] != theirs[0]:
                self._add(ours[0], joins=(ours[1],))
                self._add(theirs[0], joins=(theirs[1],))
            return
        for side, other in ((ours, right), (theirs, left)):
            if side is None:
                continue
            if self._refers(other, scope):
                self._add(side[0], joins=(side[1],))
            else:
                self._add(side[0], equalities=(side[1],))
            self._note(other, side, "=")

    def _range(self, node: exp.Expr, scope: Scope) -> None:
        left, right, operator = node.this.unnest(), node.expression.unnest(), _RANGES[type(node)]
        if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
            for number, (one, other) in enumerate(zip(left.expressions, right.expressions, strict=False)):
                self._compared(one, other, operator, scope, "ranges" if number == 0 else None)
            return
        self._compared(left, right, operator, scope, "ranges")
        self._compared(right, left, "<" if operator == ">" else ">", scope, "ranges")

    def _between(self, node: exp.Between, scope: Scope) -> None:
        low, high = node.args["low"], node.args["high"]
        self._compared(node.this, low, ">", scope, "ranges")
        self._compared(node.this, high, "<", scope, "ranges")
        ends = [_number(each) for each in (low, high) if isinstance(each, exp.Placeholder)]
        if len(ends) == 2 and all(end in self.uses for end in ends):
            for end, other in (ends, ends[::-1]):
                self.uses[end] = replace(self.uses[end], partner=other)

    def _compared(
        self, subject: exp.Expr, other: exp.Expr | None, operator: str, scope: Scope, kind: str | None
    ) -> None:
        found = self._term(subject, scope)
        if found is None:
            return
        if kind is not None:
            self._add(found[0], **cast("dict[str, Any]", {kind: (found[1],)}))
        if other is not None:
            self._note(other, found, operator)

    def _pattern(self, node: exp.Expr, scope: Scope) -> None:
        found = self._term(node.this, scope)
        if found is None:
            return
        shape, affix = _shape(node.expression.unnest())
        self._add(found[0], patterns=(Pattern(found[1], shape, isinstance(node, exp.ILike)),))
        self._note(node.expression, found, "like", affix)

    def _constant(self, node: exp.Expr, scope: Scope) -> None:
        """A condition on one table's columns and literals alone; joins and big lists are none."""
        if node.find(exp.Query, exp.Placeholder, exp.Parameter, exp.Anonymous, exp.CurrentTimestamp, exp.CurrentDate):
            return
        found = self._term(node, scope)
        if found is None or len(found[1].sql) > _LONGEST_CONDITION:
            return
        subject = node.this.unnest() if isinstance(node, (*_DISCRETE, exp.Not)) else node
        subject = subject.this.unnest() if isinstance(subject, exp.Is) else subject
        column = next(iter(found[1].columns)) if isinstance(subject, exp.Column) else None
        self._add(found[0], constants=(Constant(found[1].sql, found[1].columns, column),))

    # Terms.

    def _term(self, node: exp.Expr | None, scope: Scope) -> tuple[Occurrence, Term] | None:
        """What a node is about, where it is columns of one table and nothing else that varies."""
        if node is None:
            return None
        node = node.unnest()
        assert self.names is not None
        if isinstance(node, exp.Column):
            found = self.names.resolve(node, scope)
            if found is None:
                return None
            return found[0], self._column_term(found[1].name)
        if node.find(exp.Query, exp.Placeholder, exp.AggFunc, exp.Window, exp.Star):
            return None
        columns = list(node.find_all(exp.Column))
        resolved = [self.names.resolve(column, scope) for column in columns]
        known = [each for each in resolved if each is not None]
        if not known or len(known) < len(resolved) or len({occurrence for occurrence, _ in known}) > 1:
            return None
        text = self._unqualified(
            node, {id(column): found[1].name for column, found in zip(columns, known, strict=True)}
        )
        return known[0][0], Term(text, frozenset(column.name for _, column in known))

    def _unqualified(self, node: exp.Expr, names: dict[int, str]) -> str:
        """The node's SQL with each column by its own name alone: a derived table may have called it otherwise."""
        order = [names[id(column)] for column in node.find_all(exp.Column)]
        copy = node.copy()
        for column, name in zip(list(copy.find_all(exp.Column)), order, strict=True):
            term = self._column_term(name)
            column.replace(exp.column(exp.to_identifier(name, quoted=term.sql.startswith('"'))))
        return str(copy.sql(dialect=self.dialect))

    def _column_term(self, name: str) -> Term:
        return Term(quote_identifier(name), frozenset({name}), name)

    def _refers(self, node: exp.Expr, scope: Scope) -> bool:
        """Whether another table's column is in it, or comes out of it."""
        if isinstance(node, exp.In):
            query = node.args.get("query")
            return query is not None
        assert self.names is not None
        return any(
            self.names.resolve(column, scope) is not None for column in node.find_all(exp.Column)
        ) and not node.find(exp.Query)

    def _note(
        self, other: exp.Expr, side: tuple[Occurrence, Term], operator: str, affix: tuple[str, str] = ("", "")
    ) -> None:
        operator = "any" if isinstance(other, exp.Any) else operator
        for node in own_nodes(other):
            if isinstance(node, exp.Placeholder):
                self.uses.setdefault(
                    _number(node), Use(side[0].table, side[1].column, side[1].sql, operator, affix=affix)
                )

    def _add(self, occurrence: Occurrence, *, replace_ordering: bool = False, **found: Any) -> None:
        access = self.into.get(occurrence) or Access(occurrence.table)
        changed: dict[str, Any] = {}
        for name, value in found.items():
            held = getattr(access, name)
            if isinstance(held, frozenset):
                changed[name] = held | value
            elif replace_ordering and name == "ordering":
                changed[name] = value
            else:
                changed[name] = tuple(dict.fromkeys((*held, *value)))
        self.into[occurrence] = replace(access, **changed)
        if self.into is not self.main:
            self.main.setdefault(occurrence, Access(occurrence.table))


def _projected(node: exp.Expr, query: exp.Select) -> exp.Expr:
    """What `ORDER BY 2` and `ORDER BY alias` mean."""
    if isinstance(node, exp.Literal) and not node.is_string:
        number = int(node.this) if node.this.isdigit() else 0
        return query.selects[number - 1].unalias() if 0 < number <= len(query.selects) else node
    if isinstance(node, exp.Column) and not node.table:
        for each in query.selects:
            if isinstance(each, exp.Alias) and each.alias.lower() == node.name.lower():
                return cast("exp.Expr", each.this)
    return node


def _shape(node: exp.Expr) -> tuple[Literal["prefix", "infix", "unknown"], tuple[str, str]]:
    """Of a LIKE's pattern, literal, parameter, or both joined by `||`, and what surrounds the parameter."""
    parts = list(node.flatten()) if isinstance(node, exp.DPipe) else [node]
    if isinstance(node, exp.Concat):
        parts = list(node.expressions)
    leading, trailing = (part.this if isinstance(part, exp.Literal) else None for part in (parts[0], parts[-1]))
    if len(parts) == 1:
        if leading is None:
            return "unknown", ("", "")
        return ("infix" if leading[:1] in ("%", "_") else "prefix"), ("", "")
    affix = (leading or "", trailing or "")
    if leading is not None and leading[:1] in ("%", "_"):
        return "infix", affix
    return ("prefix" if trailing is not None else "unknown"), affix


def _number(node: exp.Expr) -> int:
    """Of `:p3`, 3."""
    return int(str(node.this)[1:])
