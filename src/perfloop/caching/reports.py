"""What goes wrong without anybody being hurt is logged and counted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from ..clock import MONOTONIC, Clock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LoggedReport", "Report"]

_LOG = logging.getLogger("perfloop.caching")
_QUIET = 60.0
"""Seconds: a level that refuses one request and answers the next would fill the log."""


class Report(Protocol):
    """Is told what went wrong without anybody being hurt."""

    def level_failed(self, level: str, error: Exception) -> None: ...
    def undecodable(self, level: str, key: str, error: Exception) -> None: ...
    def load_failed(self, key: str, error: BaseException) -> None: ...


class LoggedReport:
    """Writes a warning the first time, of a level once an outage and at most once in a minute, and counts."""

    def __init__(self, cache: str, *, clock: Clock = MONOTONIC) -> None:
        self._cache = cache
        self._now: Callable[[], float] = clock.now
        self._failed: dict[str, float] = {}
        self._out: set[str] = set()
        self.counts: dict[tuple[str, str], int] = {}
        """(What happened, at which level) → how often."""

    def level_failed(self, level: str, error: Exception | None) -> None:
        """A level (or `backplane …`) did not answer, and is left alone for a while; without an error, answers again."""
        if error is None:
            if level in self._out:
                self._out.discard(level)
                _LOG.info("cache %s: %s answers again", self._cache, level)
            return
        self.counts["failed", level] = self.counts.get(("failed", level), 0) + 1
        now, last = self._now(), self._failed.get(level)
        if level not in self._out and (last is None or now - last >= _QUIET):
            self._out.add(level)
            self._failed[level] = now
            _LOG.warning("cache %s: %s failed, and is left alone for a while: %s", self._cache, level, error)

    def undecodable(self, level: str, key: str, error: Exception) -> None:
        """An entry is no value of ours: a miss."""
        self._note("undecodable", level, "cache %s: an entry at level %s cannot be read, and is a miss: %s", error)

    def load_failed(self, key: str, error: BaseException) -> None:
        """A loader raised; whoever waits is told, or given a stale value."""
        self.counts["load failed", ""] = self.counts.get(("load failed", ""), 0) + 1

    def _note(self, what: str, level: str, words: str, error: Exception) -> None:
        count = self.counts[what, level] = self.counts.get((what, level), 0) + 1
        if count == 1:
            _LOG.warning(words, self._cache, level, error)
