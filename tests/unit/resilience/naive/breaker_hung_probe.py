"""Waits for its probe for ever: one that hangs, and nobody is let in again."""

from .breaker import PlainBreaker as Naive

__all__ = ["Naive"]
