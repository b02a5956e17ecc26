"""What the numbers in records stand for: bounded tables that remember which entries the parent has not heard of yet."""

from __future__ import annotations

from .originals import RLock

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["TABLES", "Table", "Tables"]


class Table:
    """Numbers keys from 1; a full table answers 0, which stands for "one too many"."""

    def __init__(self, name: str, limit: int, owner: Tables) -> None:
        self.name = name
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}
        self._limit = limit
        self._owner = owner

    def get(self, key: Any) -> int | None:
        """The number of a known key."""
        return self._numbers.get(key)

    def number(self, key: Any, value: Any = None) -> int:
        """The number of `key`, entering it if it is new. `value` is what the parent is told (by default the key)."""
        known = self._numbers.get(key)
        if known is not None:
            return known
        with self._owner.lock:
            known = self._numbers.get(key)
            if known is not None:
                return known
            if len(self.values) >= self._limit:
                self._owner.overflows += 1
                return 0
            told = key if value is None else value
            self.values.append(told)
            number = len(self.values)
            self._owner.pending.append((self.name, number, told))
            self._numbers[key] = number
            return number

    def alias(self, key: Any, number: int) -> None:
        """Remember another key for an entry, as far as there is room."""
        if len(self._numbers) < 2 * self._limit:
            self._numbers[key] = number


class Tables:
    """All tables of this process."""

    def __init__(self) -> None:
        # Re-entrant: a signal handler of the service may run anywhere.
        self.lock = RLock()
        self.pending: list[tuple[str, int, Any]] = []
        self.overflows = 0
        self.texts = Table("text", 20_000, self)
        self.statements = Table("statement", 5_000, self)
        self.frames = Table("frame", 50_000, self)
        self.sites = Table("site", 20_000, self)
        self.stacks = Table("stack", 20_000, self)
        self._all = (self.texts, self.statements, self.frames, self.sites, self.stacks)

    def take_pending(self) -> list[tuple[str, int, Any]]:
        """The entries the parent has not heard of, oldest first."""
        with self.lock:
            pending, self.pending = self.pending, []
            return pending

    def start_over(self) -> None:
        """In a forked child: a new lock, and everything is news to the child's own connection."""
        self.lock = RLock()
        self.pending = [
            (table.name, number, value) for table in self._all for number, value in enumerate(table.values, 1)
        ]


TABLES = Tables()
