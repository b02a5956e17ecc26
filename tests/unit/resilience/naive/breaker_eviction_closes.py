"""Forgets the key that was used longest ago, though its circuit is open: the next call finds a new, closed one."""

from collections import OrderedDict

from .breaker import PlainBreaker


class Naive:
    def __init__(self, max_failures: int, reset_timeout: float, *, max_keys: int, clock) -> None:
        self.make = lambda: PlainBreaker(max_failures, reset_timeout, clock=clock)
        self.max_keys, self.breakers = max_keys, OrderedDict()

    def execute(self, function, key):
        breaker = self.breakers.setdefault(key, self.make())
        self.breakers.move_to_end(key)
        if len(self.breakers) > self.max_keys:
            self.breakers.popitem(last=False)
        return breaker.execute(function, key)
