"""Takes the coroutine that a coroutine function returns for its result: success, though nothing has run yet."""

from .breaker import PlainBreaker as Naive

__all__ = ["Naive"]
