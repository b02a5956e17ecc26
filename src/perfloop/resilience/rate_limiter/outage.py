"""Whether a shared store is to be asked. Without a clock of its own."""

from __future__ import annotations

__all__ = ["Outage"]


class Outage:
    """After a failure the store is left alone for a while; then one call asks it, and the others as soon as that has
    had an answer: nobody waits for a store that is gone, but one call in so many seconds."""

    __slots__ = ("_ask_again_at", "_pause")

    def __init__(self, pause: float) -> None:
        """`pause`: seconds without asking."""
        self._pause = pause
        self._ask_again_at: float | None = None

    @property
    def lasts(self) -> bool:
        """Whether the last answer was a failure."""
        return self._ask_again_at is not None

    def may_ask(self, now: float) -> bool:
        """Whether this call is to ask the store."""
        if self._ask_again_at is None:
            return True
        if now < self._ask_again_at:
            return False
        self._ask_again_at = now + self._pause
        return True

    def left(self, now: float) -> float:
        """Seconds until a call asks again."""
        return 0.0 if self._ask_again_at is None else max(self._ask_again_at - now, 0.0)

    def failed(self, now: float) -> bool:
        """The store has failed. True: it is the first time."""
        first = self._ask_again_at is None
        self._ask_again_at = now + self._pause
        return first

    def answered(self) -> bool:
        """The store has answered. True: it had not before."""
        before, self._ask_again_at = self._ask_again_at, None
        return before is not None
