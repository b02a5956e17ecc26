"""The limits of this process alone."""

from __future__ import annotations

from collections import OrderedDict
from threading import RLock
from typing import TYPE_CHECKING, Any

from ...telemetry.forks import renew_lock_in_forks
from ..interpreter import EVERY_CALL_LOCKS
from .token_bucket import TokenBucket
from .unkeyed import UnkeyedBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from .algorithm import Algorithm

__all__ = ["LocalLimits"]


class LocalLimits:
    """A state a key, for keys that were used lately, and a bounded number of them.

    A key is forgotten when its state is worth no more than none. Beyond the bound nobody is forgotten, which would give
    that key its whole budget anew: further keys share one budget until others have been forgotten.
    """

    def __init__(self, algorithm: Algorithm[Any], max_keys: int, *, crowded: Callable[[], object]) -> None:
        """Limits by one algorithm.

        Args:
            crowded: told when keys begin to share a budget, without the lock.
        """
        self.algorithm = algorithm
        self.unkeyed = UnkeyedBucket(algorithm) if isinstance(algorithm, TokenBucket) and not EVERY_CALL_LOCKS else None
        """The state of the empty key, where it can do without the lock."""
        self._max_keys = max_keys
        self._crowded = crowded
        self._states: OrderedDict[str, Any] = OrderedDict()  # the key that was not used for longest comes first
        self._shared: Any = None
        # Reentrant: a finaliser or a signal handler may come here while its thread is inside.
        self._take = algorithm.take
        self._lock = RLock()
        renew_lock_in_forks(self)

    def __len__(self) -> int:
        return len(self._states) + (self.unkeyed is not None and self.unkeyed.state is not None)

    def take(self, key: str, now: int) -> int:
        """Admit a call.

        Args:
            now: in microseconds.

        Returns:
            the microseconds after which it would be admitted, or 0.
        """
        if not key and self.unkeyed is not None:
            return self.unkeyed.take(now)
        begins_to_share = False
        states = self._states
        with self._lock:
            state = states.get(key)
            if state is not None:
                states[key], wait = self._take(state, now)
                if len(states) > 1:
                    states.move_to_end(key)
            else:
                self._forget(now)
                if len(states) >= self._max_keys:
                    begins_to_share = self._shared is None
                    self._shared, wait = self.algorithm.take(self._shared, now)
                else:
                    # It may have had a part of what those that share have used.
                    before = None if self._shared is None else self.algorithm.copy(self._shared)
                    states[key], wait = self._take(before, now)
        if begins_to_share:
            self._crowded()
        return wait

    def wait(self, key: str, now: int) -> int:
        """As `take`, without admitting anything."""
        with self._lock:
            state = self._states.get(key) if key or self.unkeyed is None else self.unkeyed.state
            return 0 if state is None else self.algorithm.take(self.algorithm.copy(state), now)[1]

    def _forget(self, now: int) -> None:
        """Forget those at the front that are idle: each new key makes room for itself, and a little more."""
        idle_at = self.algorithm.idle_at
        if self._shared is not None and idle_at(self._shared) <= now:
            self._shared = None
        for _ in range(3):
            key = next(iter(self._states), None)
            if key is None or idle_at(self._states[key]) > now:
                return
            del self._states[key]
