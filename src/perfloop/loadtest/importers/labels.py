"""Labels of endpoints out of recorded paths: `/items/123` and `/items/124` are both `/items/{id}`. Pure.

Query strings are left out. A segment of digits becomes `{id}`, a UUID `{uuid}`, a date `{date}`, 16 and more
hexadecimal digits `{hash}`. Where that leaves too many labels, the place in the tree of paths that branches most has
its segments replaced by `{any}`, again and again; where nothing branches any more, the rarest labels become `other`.
The same paths always give the same labels.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MOST_LABELS", "OTHER", "templated_labels"]

MOST_LABELS = 100
"""Labels of one import: what a page of results can show."""

OTHER = "other"

# A place that branches less than this is not worth a template: its branches are endpoints.
_FEWEST_BRANCHES = 5
_MOST_ROUNDS = 200
_SEGMENTS = (
    (re.compile(r"\d+"), "{id}"),
    (re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"), "{uuid}"),
    (re.compile(r"\d{4}-\d{2}-\d{2}"), "{date}"),
    (re.compile(r"[0-9a-fA-F]{16,}"), "{hash}"),
)

Segments = tuple[str, ...]


def templated_labels(
    requests: Sequence[tuple[str, str]], counts: Sequence[float], most: int = MOST_LABELS
) -> list[str]:
    """The label of each request, at most `most` distinct ones.

    Args:
        requests: method and target of each.
        counts: how often each came: the rarest lose their label first.
        most: 2 or more.
    """
    paths = [(method, *_templated(target)) for method, target in requests]
    renamed = _bounded(set(paths), most)
    labels = [_label(renamed[path]) for path in paths]
    weights: dict[str, float] = defaultdict(float)
    for label, count in zip(labels, counts, strict=True):
        weights[label] += count
    if len(weights) <= most:
        return labels
    kept = set(sorted(weights, key=lambda label: (-weights[label], label))[: most - 1])
    return [label if label in kept else OTHER for label in labels]


def _label(path: Segments) -> str:
    method, *segments = path
    return f"{method} {'/'.join(segments)}"


def _templated(target: str) -> Segments:
    return tuple(map(_segment, target.partition("?")[0].split("/")))


def _segment(segment: str) -> str:
    for pattern, name in _SEGMENTS:
        if pattern.fullmatch(segment):
            return name
    return segment


def _bounded(paths: set[Segments], most: int) -> dict[Segments, Segments]:
    """Each path with segments replaced where the tree branches most, until few enough are left or nothing branches."""
    renamed = {path: path for path in paths}
    current = paths
    for _ in range(_MOST_ROUNDS):
        if len(current) <= most:
            break
        branches: dict[Segments, set[str]] = defaultdict(set)
        for path in current:
            for depth in range(2, len(path)):
                branches[path[:depth]].add(path[depth])
        widest = min(branches, key=lambda prefix: (-len(branches[prefix]), len(prefix), prefix), default=())
        if not widest or len(branches[widest]) < _FEWEST_BRANCHES:
            break
        step = {path: _joined(path, widest) for path in current}
        renamed = {path: step[now] for path, now in renamed.items()}
        current = set(step.values())
    return renamed


def _joined(path: Segments, prefix: Segments) -> Segments:
    depth = len(prefix)
    if len(path) <= depth or path[:depth] != prefix:
        return path
    return (*prefix, "{any}", *path[depth + 1 :])
