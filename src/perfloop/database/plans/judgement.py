"""What is dear in a plan, and why. Pure: a tree of nodes in, problems in words out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...records import PlanProblem
from ...units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...records import PlanNode

__all__ = ["find_problems", "worst_node"]

# An estimate that is wrong by less rarely changes a plan; of few rows, neither.
_WRONG_TIMES, _WRONG_ROWS = 10.0, 100.0
_REMOVED_SHARE, _REMOVED_ROWS = 0.9, 1_000.0
_MANY_LOOPS, _LOOPS_SHARE = 1_000.0, 0.3
# The planner's cpu_tuple_cost; a scan is dear from some hundred pages on, and reads too much for what it keeps.
_TUPLE_COST, _DEAR, _READ_FOR_KEPT = 0.01, 100.0, 50.0
_READ_SHARE, _READ_PAGES = 0.5, 1_000
# A problem of a node that takes less is not worth a line.
_LEAST_SHARE = 0.05
# They read all their input before they give their first row.
_BLOCKING = ("Sort", "Aggregate", "Hash")
_ROOM = 1.5  # a sort needs somewhat more in memory than on disk


def worst_node(nodes: Sequence[PlanNode]) -> int | None:
    """The place of the node that takes most by itself: of the time where there is one, else of the cost."""
    for figure in ("self_ms", "self_cost"):
        values = [getattr(node, figure) for node in nodes]
        if any(values):
            return max(range(len(nodes)), key=lambda place: values[place] or 0.0)
    return None


def find_problems(root: PlanNode) -> list[PlanProblem]:
    """The problems of a plan: those of the worst node first, then by the time their nodes take.

    A plan of SQLite is judged by what it does; one of PostgreSQL by its figures, where it has some.
    """
    nodes = root.walk()
    parents = {id(child): node for node in nodes for child in node.children}
    limited = _limited(root, below_limit=False)
    whole = _figure(root) or sum(_own(node) for node in nodes) or 1.0
    found: list[tuple[float, PlanProblem]] = []
    for place, node in enumerate(nodes):
        share = _own(node) / whole
        for judge, own in _RULES:
            for kind, words, advice in judge(node, parents.get(id(node))):
                if kind == "misestimate" and id(node) in limited and (node.rows or 0) < (node.rows_estimated or 0):
                    continue  # it was stopped when there were enough rows
                if own and root.cost is not None and share < _LEAST_SHARE and kind != "misestimate":
                    continue
                found.append((share, PlanProblem(kind=kind, node=place, words=words, advice=advice)))  # type: ignore[arg-type]
    worst = worst_node(nodes)
    found.sort(key=lambda each: (each[1].node != worst, -each[0]))
    return [problem for _, problem in found]


def _limited(node: PlanNode, *, below_limit: bool) -> set[int]:
    """The nodes, by identity, that a LIMIT may stop before they have given all their rows."""
    found = {id(node)} if below_limit else set()
    inside = node.kind == "Limit" or (below_limit and not node.kind.endswith(_BLOCKING))
    for child in node.children:
        found |= _limited(child, below_limit=inside)
    return found


def _figure(node: PlanNode) -> float:
    return (node.time_ms if node.time_ms is not None else node.cost) or 0.0


def _own(node: PlanNode) -> float:
    return (node.self_ms if node.self_ms is not None else node.self_cost) or 0.0


def _is_wrong(node: PlanNode) -> bool:
    if node.rows is None or node.rows_estimated is None or not node.loops:
        return False
    low, high = sorted((max(node.rows, 1.0), max(node.rows_estimated, 1.0)))
    return high >= _WRONG_TIMES * low and high * node.loops >= _WRONG_ROWS


def _misestimate(node: PlanNode, parent: PlanNode | None) -> Iterator[tuple[str, str, str]]:
    # Where the estimate went wrong first, not everywhere above; a merge join may end one side early, rightly.
    if not _is_wrong(node) or any(map(_is_wrong, node.children)):
        return
    assert node.rows is not None
    assert node.rows_estimated is not None
    if node.rows < node.rows_estimated and parent is not None and parent.kind.startswith("Merge"):
        return
    low, high = sorted((max(node.rows, 1.0), max(node.rows_estimated, 1.0)))
    words = (
        f"{_rows(node.rows)} where {_count(node.rows_estimated)} {'was' if node.rows_estimated == 1 else 'were'} "
        f"estimated, {_times(high / low)} {'more' if node.rows > node.rows_estimated else 'fewer'}"
    )
    what = f"ANALYZE {node.relation}" if node.relation else "ANALYZE the tables below"
    yield (
        "misestimate",
        words,
        f"{what}; where columns depend on each other, CREATE STATISTICS on them",
    )


def _spill(node: PlanNode, parent: PlanNode | None) -> Iterator[tuple[str, str, str]]:
    if node.spill_bytes:
        wanted = max(1, round(node.spill_bytes * _ROOM / 2**20))
        yield (
            "spill",
            f"{format_bytes(node.spill_bytes)} did not fit in work_mem and went through temporary files",
            f"SET LOCAL work_mem = '{wanted}MB' for this statement, or have an index give the rows in order",
        )


def _removed(node: PlanNode, parent: PlanNode | None) -> Iterator[tuple[str, str, str]]:
    if node.removed < _REMOVED_ROWS or node.rows is None or node.loops is None:
        return
    read = node.removed + node.rows * node.loops
    if node.removed >= _REMOVED_SHARE * read:
        where = next((each for each in node.conditions if each.startswith(("filter", "join filter"))), "the filter")
        yield (
            "rows removed",
            f"{_count(node.removed)} of {_count(read)} rows read were thrown away by the {where}",
            f"an index on the columns of that filter{f' on {node.relation}' if node.relation else ''} may read only "
            "what is kept; `perfloop db advise` tries it",
        )


def _whole_table(node: PlanNode, parent: PlanNode | None) -> Iterator[tuple[str, str, str]]:
    """What follows from estimates alone."""
    if node.rows is not None or node.self_cost is None or not node.kind.endswith("Seq Scan"):
        return
    where = next((each for each in node.conditions if each.startswith("filter")), None)
    kept = max(node.rows_estimated or 0.0, 1.0)
    if where is not None and node.self_cost >= _DEAR and node.self_cost >= _READ_FOR_KEPT * kept * _TUPLE_COST:
        yield (
            "rows removed",
            f"all of {node.relation} is read for an estimated {_rows(kept)} that the {where} keeps",
            "an index on the columns of that filter may read only these; `perfloop db advise` tries it",
        )


def _repeated(node: PlanNode, parent: PlanNode | None) -> Iterator[tuple[str, str, str]]:
    if node.loops is None or node.loops < _MANY_LOOPS or parent is None or node.time_ms is None:
        return
    inner = parent.kind.startswith("Nested Loop") and len(parent.children) > 1 and parent.children[1] is node
    if node.time_ms < _LOOPS_SHARE * (parent.time_ms or 0.0):
        return
    if inner:
        outer = parent.children[0]
        estimated = f" ({_count(outer.rows_estimated)} estimated)" if outer.rows_estimated is not None else ""
        yield (
            "repeated",
            f"the nested loop executes this {_count(node.loops)} times, once for each row of its outer side{estimated}",
            "a hash join reads it once: see why fewer rows were expected, or filter the outer side first",
        )
    elif (node.name or "").startswith("SubPlan"):
        yield (
            "repeated",
            f"the subquery is executed {_count(node.loops)} times, once for each row",
            "write it as a join or with LATERAL, or give it an index that finds its rows at once",
        )


def _visibility(node: PlanNode, parent: PlanNode | None) -> Iterator[tuple[str, str, str]]:
    rows = (node.rows or 0.0) * (node.loops or 0.0)
    if node.heap_fetches >= _REMOVED_ROWS and node.heap_fetches >= _READ_SHARE * rows:
        yield (
            "heap fetches",
            f"{_count(node.heap_fetches)} rows of the index-only scan had to be looked up in the table",
            f"VACUUM {node.relation}: its visibility map is out of date",
        )
    if node.lossy_pages:
        yield (
            "lossy bitmap",
            f"the bitmap kept whole pages for {_count(node.lossy_pages)} of them, since work_mem was full",
            "SET LOCAL work_mem to twice as much for this statement",
        )


def _disk(node: PlanNode, parent: PlanNode | None) -> Iterator[tuple[str, str, str]]:
    if node.buffers is None or node.children or node.buffers.read < _READ_PAGES:
        return
    share = node.buffers.read / max(node.buffers.touched, 1)
    if share >= _READ_SHARE:
        yield (
            "disk reads",
            f"{format_bytes(node.buffers.read * 8_192)} came from outside PostgreSQL's cache, {share:.0%} of it",
            "execute it again to see it warm; if it stays so, read less, or give shared_buffers more",
        )


def _sqlite(node: PlanNode, parent: PlanNode | None) -> Iterator[tuple[str, str, str]]:
    if re.match(r"SCAN (?!CONSTANT ROW|\(|SUBQUERY)", node.kind) and node.index is None and "VIRTUAL" not in node.kind:
        yield (
            "full scan",
            f"every row of {node.relation} is read",
            "an index on the columns it is searched by, unless most of its rows are wanted",
        )
    if node.kind.startswith("USE TEMP B-TREE"):
        yield (
            "sort",
            f"rows are sorted in a temporary B-tree{node.kind.removeprefix('USE TEMP B-TREE').lower()}",
            "an index that ends in these columns gives the rows in order",
        )
    if "AUTOMATIC" in node.kind:
        yield (
            "automatic index",
            f"SQLite builds an index on {node.relation} for this one execution, each time anew",
            "create that index once",
        )
    if node.kind.startswith("CORRELATED"):
        yield ("repeated", "the subquery is executed once for each row", "write it as a join, or give it an index")


# Each with whether it is judged by what the node takes by itself.
_RULES: tuple[tuple[Callable[[PlanNode, PlanNode | None], Iterator[tuple[str, str, str]]], bool], ...] = (
    (_repeated, True),
    (_removed, True),
    (_whole_table, True),
    (_spill, False),
    (_misestimate, True),
    (_visibility, True),
    (_disk, True),
    (_sqlite, False),
)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _rows(value: float) -> str:
    return f"{_count(value)} row{'' if value == 1 else 's'}"


def _times(value: float) -> str:
    return f"{value:,.0f} times"
