"""What goes wrong without anybody being hurt is logged and counted."""

from __future__ import annotations

import logging

__all__ = ["LoggedReport"]

_LOG = logging.getLogger("perfloop.caching")


class LoggedReport:
    """Writes a warning the first time, and counts."""

    def __init__(self, cache: str) -> None:
        self._cache = cache
        self.counts: dict[tuple[str, str], int] = {}
        """(What happened, at which level) → how often."""

    def level_failed(self, level: str, error: Exception) -> None:
        """A level did not answer; it is left alone for a while."""
        self._note("failed", level, "cache %s: level %s failed, and is left alone for a while: %s", error)

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
