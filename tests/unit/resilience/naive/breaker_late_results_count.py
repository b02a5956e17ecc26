"""Closes on any success: that of a call, too, which began before the service went down."""

from .breaker import PlainBreaker as Naive

__all__ = ["Naive"]
