"""Two plans of a statement: what changed between them, and whether it got better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ...agent.fingerprint import fingerprint
from ...records import ComparisonRecord, MetricComparison, current_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...records import PlanNode, PlanRecord

__all__ = ["compare_plans"]

_SAME = 0.1
"""Pages and costs that differ by less are called alike: caches and statistics move them by as much."""
_ESTIMATE_CHANGED = 3.0

_NO_STEPS = ("Hash", "QUERY PLAN", "Bitmap Index Scan", "BitmapAnd", "BitmapOr")

_Judged = Literal["faster", "slower", "no difference", "not enough data"]


def compare_plans(a: PlanRecord, b: PlanRecord, *, name_a: str = "A", name_b: str = "B") -> ComparisonRecord:
    """What B's plan changed against A's; its verdict is that of pages touched, else of estimated costs.

    One execution of each says nothing about time: it is shown, and not judged.
    """
    metrics = list(_metrics(a, b))
    changes = [*_obstacles(a, b), *_changes(a, b)]
    verdict: _Judged = metrics[0].verdict if metrics else "not enough data"
    if not metrics and not changes:
        verdict = "no difference"
    if not changes:
        changes = ["both have the same plan"]
    if metrics and metrics[0].metric == "estimated_cost":
        changes.append("judged by estimated costs, since not both were executed (--analyze)")
    return ComparisonRecord(
        environment=current_environment(),
        a=name_a,
        b=name_b,
        runs=1,
        confidence=0.95,
        metrics=metrics,
        verdict=verdict,
        reasons=changes,
    )


def _metrics(a: PlanRecord, b: PlanRecord) -> Iterator[MetricComparison]:
    pages = [each.root.buffers.touched if each.root.buffers is not None else None for each in (a, b)]
    if pages[0] is not None and pages[1] is not None:
        yield _metric("pages_touched", "pages", pages[0], pages[1])
    if a.root.cost is not None and b.root.cost is not None:
        yield _metric("estimated_cost", "", a.root.cost, b.root.cost)
    if a.execution_ms is not None and b.execution_ms is not None:
        yield MetricComparison(
            metric="execution_time",
            unit="ms",
            a=a.execution_ms,
            b=b.execution_ms,
            ratio=None,
            verdict="not enough data",
        )


def _metric(name: str, unit: str, a: float, b: float) -> MetricComparison:
    ratio = b / a if a else (1.0 if not b else None)
    verdict: _Judged = "no difference"
    if ratio is None or ratio > 1 + _SAME:
        verdict = "slower"
    elif ratio < 1 - _SAME:
        verdict = "faster"
    interval = None if ratio is None else (ratio, ratio, ratio)
    return MetricComparison(metric=name, unit=unit, a=a, b=b, ratio=interval, verdict=verdict)


def _obstacles(a: PlanRecord, b: PlanRecord) -> Iterator[str]:
    if fingerprint(a.sql) != fingerprint(b.sql):
        yield "A and B are different statements"
    if a.dialect != b.dialect:
        yield f"A is of {a.dialect}, B of {b.dialect}"
    elif a.version != b.version:
        yield f"A was planned by version {a.version}, B by {b.version}"
    if a.analyzed != b.analyzed:
        yield f"only {'A' if a.analyzed else 'B'} was executed, so pages cannot be compared"
    if a.generic != b.generic:
        yield f"only {'A' if a.generic else 'B'} was planned without its placeholders' values"
    for name in sorted(a.settings.keys() | b.settings.keys()):
        before, after = a.settings.get(name, "the default"), b.settings.get(name, "the default")
        if before != after:
            yield f"{name} was {before}, is {after}"


def _changes(a: PlanRecord, b: PlanRecord) -> Iterator[str]:
    before, after = _accesses(a), _accesses(b)
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield f"{name} is {'no longer' if new is None else 'now'} read"
        elif _access(old) != _access(new):
            yield f"{name}: {_access(old)} → {_access(new)}"
        elif old.rows_estimated is not None and new.rows_estimated is not None:
            low, high = sorted((max(old.rows_estimated, 1.0), max(new.rows_estimated, 1.0)))
            if high >= _ESTIMATE_CHANGED * low:
                yield f"{name}: {old.rows_estimated:,.0f} rows estimated → {new.rows_estimated:,.0f}"
    steps = [_steps(record) for record in (a, b)]
    if steps[0] != steps[1]:
        yield f"steps: {', '.join(steps[0]) or 'none'} → {', '.join(steps[1]) or 'none'}"
    spilled = [sum(node.spill_bytes for node in record.nodes) for record in (a, b)]
    if bool(spilled[0]) != bool(spilled[1]):
        yield "B goes through temporary files, A did not" if spilled[1] else "B no longer goes through temporary files"


def _accesses(record: PlanRecord) -> dict[str, PlanNode]:
    """The nodes that read a relation, by what the statement calls it; a second of one name is numbered."""
    found: dict[str, PlanNode] = {}
    for node in record.nodes:
        if node.relation is None:
            continue
        name = node.relation if node.alias in (None, node.relation) else f"{node.relation} {node.alias}"
        number = 2
        while name in found:
            name, number = f"{name.split(' #')[0]} #{number}", number + 1
        found[name] = node
    return found


def _access(node: PlanNode) -> str:
    """`Index Scan by orders_pkey`; a bitmap's indexes stand below it."""
    below = [each.index for each in node.walk()[1:] if each.kind == "Bitmap Index Scan" and each.index]
    names = [node.index] if node.index else below if node.kind.endswith("Bitmap Heap Scan") else []
    shown = [name for name in names if name not in node.kind]
    return f"{node.kind} by {' and '.join(shown)}" if shown else node.kind


def _steps(record: PlanRecord) -> list[str]:
    """The nodes that read no relation, from the top."""
    return [node.kind for node in record.nodes if node.relation is None and node.kind not in _NO_STEPS]
