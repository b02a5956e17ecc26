"""Metrics as text: Prometheus' text exposition format 0.0.4, and OpenMetrics 1.0.

Sources: prometheus.io/docs/instrumenting/exposition_formats and the OpenMetrics specification 1.0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..names import exposition_label, exposition_name
from ..snapshots import Distribution, Occurrences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..snapshots import FamilySnapshot

__all__ = ["OPENMETRICS_CONTENT_TYPE", "TEXT_CONTENT_TYPE", "render_families"]

TEXT_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def render_families(families: Iterable[FamilySnapshot], *, openmetrics: bool = False) -> str:
    """The exposition of what was collected."""
    lines: list[str] = []
    for family in families:
        lines.extend(_family(family, openmetrics))
    if openmetrics:
        lines.append("# EOF")
    return "".join(f"{line}\n" for line in lines)


def _family(family: FamilySnapshot, openmetrics: bool) -> Iterator[str]:
    name = exposition_name(family.name, family.unit, family.kind)
    counts = family.kind in ("counter", "event")
    title = f"{name}_total" if counts and not openmetrics else name
    escaped = family.description.replace("\\", r"\\").replace("\n", r"\n")
    if openmetrics:
        escaped = escaped.replace('"', r"\"")
    yield f"# HELP {title} {escaped}"
    yield f"# TYPE {title} {'counter' if counts else family.kind}"
    names = [exposition_label(label) for label in family.label_names]
    for series in family.series:
        labels = [f'{label}="{_escape(value)}"' for label, value in zip(names, series.labels, strict=True)]
        value = series.value
        if isinstance(value, Distribution):
            yield from _histogram(name, labels, value)
        elif isinstance(value, Occurrences):
            yield _sample(f"{name}_total", labels, value.count)
        else:
            yield _sample(f"{name}_total" if counts else name, labels, value)


def _histogram(name: str, labels: list[str], value: Distribution) -> Iterator[str]:
    for bound, count in zip(value.buckets, value.cumulative(), strict=True):
        yield _sample(f"{name}_bucket", [*labels, f'le="{_number(bound)}"'], count)
    yield _sample(f"{name}_bucket", [*labels, 'le="+Inf"'], value.count)
    yield _sample(f"{name}_sum", labels, value.sum)
    yield _sample(f"{name}_count", labels, value.count)


def _sample(name: str, labels: list[str], value: float) -> str:
    return f"{name}{{{','.join(labels)}}} {_number(value)}" if labels else f"{name} {_number(value)}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    # float(): a subclass, numpy's for one, may show itself otherwise.
    return str(value) if type(value) is int else repr(float(value))
