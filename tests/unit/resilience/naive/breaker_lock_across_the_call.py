"""Holds its lock while the service is called: one call at a time, as many as may wait for it."""

import threading

from .breaker import PlainBreaker


class Naive(PlainBreaker):
    def __init__(self, *arguments, **settings) -> None:
        super().__init__(*arguments, **settings)
        self.lock = threading.Lock()

    def execute(self, function, *arguments):
        with self.lock:
            return super().execute(function, *arguments)
