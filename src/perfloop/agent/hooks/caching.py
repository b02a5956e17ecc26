"""perfloop's own caches, in a diagnosis: what requests spend on loading and on looking up at shared levels."""

from __future__ import annotations

from time import monotonic_ns
from typing import Any

from .. import LIGHT
from ..events import CACHE
from ..state import CURRENT
from ..tables import TABLES

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Note loads and look-ups in the request that waits for them, and have every cache estimate other sizes."""
    if LIGHT:
        return
    name = module.__name__.rpartition(".")[2]
    if name == "insight":
        _note_loads(module.Insight)
    elif name == "shared":
        _note_look_ups(module.SharedLevel)
    else:
        _watch_sizes(module.MultiLevelCache)


def _note(cache: str, started: int, duration: int, keys: int) -> None:
    request = CURRENT.get()
    if request is not None and request.live:
        request.add(CACHE, started, duration, 0, TABLES.texts.number(cache), keys)


def _note_loads(kind: Any) -> None:
    loaded = kind.loaded

    def noted(self: Any, keys: Any, seconds: float) -> None:
        loaded(self, keys, seconds)
        duration = int(seconds * 1e9)
        _note(self.cache, monotonic_ns() - duration, duration, len(keys))

    kind.loaded = noted


def _note_look_ups(kind: Any) -> None:
    read = kind.read

    def noted(self: Any, keys: Any, now: Any) -> Any:
        began = monotonic_ns()
        found = yield from read(self, keys, now)
        if self.counts is not None:
            _note(self.counts.cache, began, monotonic_ns() - began, 0)
        return found

    kind.read = noted


def _watch_sizes(kind: Any) -> None:
    make = kind.__init__

    def watched(self: Any, *args: Any, **options: Any) -> None:
        options.setdefault("ghosts", True)
        make(self, *args, **options)

    kind.__init__ = watched
