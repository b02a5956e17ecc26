"""Raises the same error again and again: its traceback grows with each, and keeps every frame it went through alive."""

from perfloop.exceptions import CircuitOpen

from .breaker import PlainBreaker

ERROR = CircuitOpen("open")


class Naive(PlainBreaker):
    def rejection(self) -> CircuitOpen:
        return ERROR
