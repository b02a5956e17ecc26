"""What parts of policies say of themselves, as those read it who know no part: the live page and the agent.

A part counts in instruments of a registry: `perfloop.<kind>.calls` with the labels `name` and `result`, gauges as
`perfloop.<kind>.<gauge>` with the label `name`, and `perfloop.<kind>.state` with `name` and `state`. What has these
shapes is a part; nobody lists the kinds.
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .registry import Registry
    from .snapshots import FamilySnapshot, Merge

__all__ = [
    "EVENTS",
    "PartFigures",
    "PartReport",
    "Transition",
    "Values",
    "added",
    "announce",
    "counted",
    "figures_of",
    "is_rejection",
    "report",
    "transitions",
    "values_of",
    "values_told",
]

EVENTS = "perfloop.resilience.events"
"""What happened to parts of policies."""
_PREFIX = "perfloop."
_CALLS, _STATE = "calls", "state"
_SHAPES = {("name", "result"), ("name", "state"), ("name",)}
_MOST_TRANSITIONS = 200

Key: TypeAlias = tuple[str, str, str, str]
"""Kind, name, gauge (`calls` for counts), and the result or state; empty for other gauges."""
Values: TypeAlias = "dict[Key, float]"


class Transition(msgspec.Struct, frozen=True, array_like=True):
    """A part came to another state."""

    at: float
    """Seconds of this machine's monotonic clock."""
    kind: str
    name: str
    state: str


class PartReport(msgspec.Struct, frozen=True):
    """All parts of one process."""

    values: list[tuple[str, str, str, str, float, str]]
    """Kind, name, gauge, result or state, number, and how the numbers of several processes are put together."""
    transitions: list[Transition]
    """The latest, oldest first."""


class PartFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One part, of all processes that have one of its name."""

    kind: str
    name: str
    results: dict[str, float]
    """Calls by how they ended."""
    gauges: dict[str, float]
    states: dict[str, int]
    """How many parts, or keys of one, are in each state; only those with any. Empty where it has none."""


_metrics: weakref.WeakKeyDictionary[Registry, set[str]] = weakref.WeakKeyDictionary()


def announce(registry: Registry, metrics: Iterable[str]) -> None:
    """Take the registry that a new part counts in, and its metrics there. It is let go of when nobody else holds it."""
    _metrics.setdefault(registry, set()).update(metrics)


def report() -> bytes:
    """A `PartReport` of this process as JSON; empty where there is no part. The agent asks for it by its name."""
    rows: dict[Key, tuple[float, Merge]] = {}
    moved: list[Transition] = []
    for registry, metrics in list(_metrics.items()):
        families = [registry.read(name) for name in list(metrics)]  # and no gauge of anybody else
        for key, number, merge in _rows(family for family in families if family is not None):
            rows[key] = _together(rows.get(key), number, merge), merge
        moved += transitions(registry)
    if not rows:
        return b""
    values = [(*key, number, str(merge)) for key, (number, merge) in rows.items()]
    return msgspec.json.encode(PartReport(values, sorted(moved, key=lambda each: each.at)[-_MOST_TRANSITIONS:]))


def transitions(registry: Registry) -> list[Transition]:
    """The state transitions of this process that are still kept, oldest first."""
    family = registry.read(EVENTS)
    if family is None or not family.series:
        return []
    kept = getattr(family.series[0].value, "kept", ())
    return [
        Transition(each.at, str(told.get("kind")), str(told.get("name")), str(told["to_state"]).lower())
        for each in kept
        if (told := each.attributes).get("event") == "state_transition" and "to_state" in told
    ][-_MOST_TRANSITIONS:]


def values_of(families: Iterable[FamilySnapshot]) -> Values:
    """The parts' numbers among all families of a registry."""
    return {key: number for key, number, _ in _rows(families)}


def values_told(told: PartReport) -> list[tuple[Key, float, Merge]]:
    """The numbers of a report, as far as a part could have counted them: it comes from elsewhere."""
    return [
        ((kind, name, gauge, which), number, "max" if merge == "max" else "sum")
        for kind, name, gauge, which, number, merge in told.values
        if 0 <= number < math.inf
    ]


def added(reports: Iterable[Iterable[tuple[Key, float, Merge]]]) -> Values:
    """The numbers of several processes together."""
    total: Values = {}
    for rows in reports:
        for key, number, merge in rows:
            total[key] = _together((total[key], merge) if key in total else None, number, merge)
    return total


def counted(values: Mapping[Key, float]) -> Values:
    """Counts alone: gauges are only true of a process that lives."""
    return {key: number for key, number in values.items() if key[2] == _CALLS}


def is_rejection(result: str) -> bool:
    """Whether a call that ended so did not begin."""
    return result in ("not_permitted", "failed_acquire") or result.startswith(("rejected", "shed"))


def figures_of(values: Mapping[Key, float], before: Mapping[Key, float] | None = None) -> list[PartFigures]:
    """Figures of each part, by kind and name.

    Args:
        values: of all processes.
        before: counts are of what has come since; None: of all.
    """
    parts: dict[tuple[str, str], PartFigures] = {}
    for (kind, name, gauge, which), number in values.items():
        part = parts.get((kind, name))
        if part is None:
            part = parts[kind, name] = PartFigures(kind=kind, name=name, results={}, gauges={}, states={})
        if gauge == _CALLS:
            part.results[which] = max(number - (before or {}).get((kind, name, gauge, which), 0), 0)
        elif not which:
            part.gauges[gauge] = number
        elif number >= 1:
            part.states[which] = int(number)
    for part in parts.values():
        keys, unclosed = part.gauges.get("keys", 0), part.gauges.get("open")
        if unclosed is not None and keys and not part.states:
            counts = {"open": int(unclosed), "closed": int(keys - unclosed)}
            part.states.update((state, count) for state, count in counts.items() if count > 0)
    return [parts[key] for key in sorted(parts)]


def _rows(families: Iterable[FamilySnapshot]) -> list[tuple[Key, float, Merge]]:
    shaped = [
        (*family.name.removeprefix(_PREFIX).rpartition(".")[::2], family)
        for family in families
        if family.name.startswith(_PREFIX) and family.label_names in _SHAPES
    ]
    kinds = {kind for kind, gauge, family in shaped if gauge == _CALLS and len(family.label_names) == 2}
    rows: list[tuple[Key, float, Merge]] = []
    for kind, gauge, family in shaped:
        if kind in kinds and (gauge in (_CALLS, _STATE)) == (len(family.label_names) == 2):
            for series in family.series:
                if isinstance(series.value, int | float):
                    name, which = (*series.labels, "")[:2]
                    rows.append(((kind, name, gauge, which), series.value, family.merge))
    return rows


def _together(so_far: tuple[float, Merge] | None, number: float, merge: Merge) -> float:
    if so_far is None:
        return number
    return max(so_far[0], number) if merge == "max" else so_far[0] + number
