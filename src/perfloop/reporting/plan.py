"""A plan as rows of a table: what the terminal, the page and Markdown show of each of its nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from perfloop.units import format_bytes

from . import figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfloop.records import PlanNode, PlanRecord

__all__ = ["PlanRow", "explained_in_words", "node_title", "plan_rows"]

_PAGE = 8_192
_WORTH_A_LINE = 3
"""Pages that a node touched; fewer tell nothing."""


class PlanRow(Struct, frozen=True):
    """One node in words."""

    place: int
    guide: str
    """What is drawn before it: `│ ├ `."""
    below: str
    """What is drawn before the lines that belong to it: `│ │ `."""
    title: str
    lines: Sequence[str]
    """Its conditions, and what it did: pages, spills, rows thrown away."""
    own: str
    """What it takes by itself: `24.9 ms`, or a cost; empty where that is not known."""
    share: float | None
    """Of all nodes' own time or cost."""
    estimated: str
    actual: str
    loops: str
    """`×3` where it was executed more than once."""


def plan_rows(record: PlanRecord) -> list[PlanRow]:
    """All nodes, in order. SQLite's root is ours and not shown."""
    roots = [record.root] if record.dialect == "postgresql" else record.root.children
    first = 0 if record.dialect == "postgresql" else 1
    whole = sum(_own(node) or 0.0 for node in record.nodes)
    found: list[PlanRow] = []

    def add(node: PlanNode, guide: str, below: str) -> None:
        own = _own(node)
        inside = below + ("│ " if node.children else "  ")
        found.append(
            PlanRow(
                place=first + len(found),
                guide=guide,
                below=inside,
                title=node_title(node),
                lines=[*node.conditions, *_facts(node)],
                own=_own_in_words(node),
                share=own / whole if own is not None and whole > 0 else None,
                estimated="" if node.rows_estimated is None else figures.number(round(node.rows_estimated)),
                actual="never" if node.loops == 0 else "" if node.rows is None else figures.number(round(node.rows, 1)),
                loops=f"×{figures.number(node.loops)}" if node.loops is not None and node.loops > 1 else "",
            )
        )
        for number, child in enumerate(node.children, 1):
            last = number == len(node.children)
            add(child, below + ("└ " if last else "├ "), below + ("  " if last else "│ "))

    for root in roots:
        add(root, "", "")
    return found


def node_title(node: PlanNode) -> str:
    """`Index Scan on orders o by orders_pkey`; SQLite's lines say so themselves."""
    words = figures.clean(node.kind)
    if node.cost is not None or node.rows_estimated is not None:
        if node.relation is not None:
            words += f" on {figures.clean(node.relation)}"
            words += f" {figures.clean(node.alias)}" if node.alias not in (None, node.relation) else ""
        if node.index is not None:
            words += f" by {figures.clean(node.index)}" if node.relation else f" on {figures.clean(node.index)}"
    return f"{figures.clean(node.name)}: {words}" if node.name else words


def explained_in_words(record: PlanRecord) -> str:
    """What was explained, and how: `PostgreSQL 15.18 · executed in 59.6 ms, planned in 0.2 ms`."""
    name = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}[record.dialect]
    words = [f"{name} {figures.clean(record.version)}"]
    if record.execution_ms is not None:
        rows = "" if record.rows_returned is None else f" for {figures.plural(record.rows_returned, 'row')}"
        planned = "" if record.planning_ms is None else f", planned in {figures.milliseconds(record.planning_ms)}"
        words.append(f"executed in {figures.milliseconds(record.execution_ms)}{rows}{planned}")
    else:
        words.append("not executed")
    if record.root.cost is not None:
        words.append(f"estimated cost {figures.number(record.root.cost)}")
    if record.root.buffers is not None and record.root.buffers.touched:
        words.append(f"{format_bytes(record.root.buffers.touched * _PAGE)} touched")
    return " · ".join(words)


def _own(node: PlanNode) -> float | None:
    return node.self_ms if node.self_ms is not None else node.self_cost


def _own_in_words(node: PlanNode) -> str:
    if node.self_ms is not None:
        return "" if node.loops == 0 else figures.milliseconds(node.self_ms)
    return "" if node.self_cost is None else figures.number(round(node.self_cost, 1))


def _facts(node: PlanNode) -> Iterator[str]:
    if node.removed:
        yield f"{figures.number(node.removed)} rows thrown away"
    if node.buffers is not None and not node.children and node.buffers.touched >= _WORTH_A_LINE:
        read = f", {format_bytes(node.buffers.read * _PAGE)} of it from outside the cache" if node.buffers.read else ""
        yield f"touched {format_bytes(node.buffers.touched * _PAGE)}{read}"
    if node.spill_bytes:
        yield f"{format_bytes(node.spill_bytes)} through temporary files"
    if node.heap_fetches:
        yield f"{figures.number(node.heap_fetches)} rows looked up in the table"
    if node.workers:
        yield f"{figures.plural(node.workers, 'process', 'processes')} helped"
