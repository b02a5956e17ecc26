"""One service out of the metrics of its processes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..family import OVERFLOW
from ..histogram import cell_bounds
from ..names import sample_names
from ..snapshots import Distribution, FamilySnapshot, Occurrences, Series
from .cells import SUM

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .cells import Definition

__all__ = ["MOST_SERIES", "families_of", "merge", "overflow_of"]

MOST_SERIES = 10_000
"""Series of a metric that many processes make together: what comes beyond is added to the overflow series."""


def overflow_of(definition: Definition) -> Definition:
    """The series for what is beyond the bound."""
    return replace(definition, labels=(OVERFLOW,) * len(definition.label_names))


def families_of(series: Iterable[tuple[Definition, dict[int, float]]], *, alive: bool) -> list[FamilySnapshot]:
    """What one process recorded, as families; two of one name where the file is of several that did not agree.

    Args:
        series: definitions and cells of its file.
        alive: of a process that has ended counts are all that remains: its gauges mean nothing any more.
    """
    families: dict[tuple[object, ...], FamilySnapshot] = {}
    for definition, cells in series:
        if definition.kind == "gauge" and not alive:
            continue
        key = definition.name, *_shape(definition)
        family = families.get(key)
        if family is None:
            family = families[key] = FamilySnapshot(
                name=definition.name,
                kind=definition.kind,
                description=definition.description,
                unit=definition.unit,
                label_names=definition.label_names,
                series=[],
                merge=definition.merge,
            )
        family.series.append(Series(labels=definition.labels, value=_value(definition, cells)))
    return list(families.values())


def _value(definition: Definition, cells: dict[int, float]) -> float | Distribution | Occurrences:
    if definition.kind == "histogram":
        counts = {index: int(count) for index, count in sorted(cells.items()) if index != SUM and count}
        return Distribution(
            buckets=definition.buckets,
            bounds=cell_bounds(definition.buckets),
            cells=counts,
            count=sum(counts.values()),
            sum=cells.get(SUM, 0.0),
        )
    value = whole(cells.get(0, 0.0))
    return Occurrences(count=int(value), dropped=0, kept=[]) if definition.kind == "event" else value


def whole(value: float) -> float:
    """A whole number as an int, as counters show it."""
    return int(value) if value.is_integer() else value


def merge(processes: Iterable[Sequence[FamilySnapshot]]) -> list[FamilySnapshot]:
    """The families of all processes, by name: counts, histograms and gauges added, or the largest gauge taken.

    Where processes do not agree what a metric is, after a deployment say, the first one's word counts, and the others'
    series of it are left out; so is a metric that an exposition would write like another one. A gauge that is NaN in
    one process counts for nothing there. Beyond `MOST_SERIES`, or as many as the first process has, series of a metric
    are one.

    Args:
        processes: the families of each, the most recent first.
    """
    families: dict[str, FamilySnapshot] = {}
    written: set[str] = set()
    merged: dict[str, dict[tuple[str, ...], float | Distribution | Occurrences]] = {}
    for process in processes:
        for family in process:
            first = families.get(family.name)
            if first is None:
                samples = sample_names(family.name, family.unit, family.kind)
                if not samples.isdisjoint(written):
                    continue
                written |= samples
                first = families[family.name] = family
            if _shape(family) != _shape(first):
                continue
            values = merged.setdefault(family.name, {})
            most = max(MOST_SERIES, len(first.series))
            for series in family.series:
                full = series.labels not in values and len(values) >= most
                labels = (OVERFLOW,) * len(first.label_names) if full else series.labels
                known = values.get(labels)
                together = series.value if known is None else _together(known, series.value, first)
                if together is not None:
                    values[labels] = together
    return [
        FamilySnapshot(
            name=name,
            kind=family.kind,
            description=family.description,
            unit=family.unit,
            label_names=family.label_names,
            series=[Series(labels=labels, value=value) for labels, value in merged[name].items()],
            merge=family.merge,
        )
        for name, family in sorted(families.items())
    ]


def _shape(family: FamilySnapshot | Definition) -> tuple[object, ...]:
    return family.kind, family.unit, family.label_names


def _together(
    one: float | Distribution | Occurrences, other: float | Distribution | Occurrences, family: FamilySnapshot
) -> float | Distribution | Occurrences | None:
    """Both in one; None where they cannot be: buckets that differ."""
    if isinstance(one, Distribution) and isinstance(other, Distribution):
        if one.buckets != other.buckets:
            return None
        cells = dict(one.cells)
        for index, count in other.cells.items():
            cells[index] = cells.get(index, 0) + count
        return Distribution(
            buckets=one.buckets,
            bounds=one.bounds,
            cells=dict(sorted(cells.items())),
            count=one.count + other.count,
            sum=one.sum + other.sum,
        )
    if isinstance(one, Occurrences) and isinstance(other, Occurrences):
        return Occurrences(count=one.count + other.count, dropped=one.dropped + other.dropped, kept=one.kept)
    if isinstance(one, int | float) and isinstance(other, int | float):
        if math.isnan(one) or math.isnan(other):
            return other if math.isnan(one) else one
        return max(one, other) if family.merge == "max" else one + other
    return None
