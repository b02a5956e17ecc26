"""What a rate limiter asks of a store that several processes share."""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from ...coordination.loop_thread import LoopThread
from ...redaction import redact_text
from ..settings import positive

if TYPE_CHECKING:
    from .algorithm import Algorithm

__all__ = ["Store", "StoreFailed"]


_LONGEST_KEY = 200
_HASHED = "sha256:"


def _place(key: str) -> str:
    """The key as every store can keep it. Keys come from callers: what no store takes would have it count as lost, and
    the limit of everybody with it."""
    if len(key) <= _LONGEST_KEY and key.isprintable() and not key.startswith(_HASHED):
        return key
    return _HASHED + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class StoreFailed(Exception):
    """The store cannot be reached, is too slow, or refuses. A limiter turns it into what it was told to do then."""


class Store(ABC):
    """Limits of all processes that name the same store. Its client lives in one event loop of its own, for all threads
    and event loops of a process: that has a few connections, whoever asks, and a time limit that holds."""

    failures: ClassVar[tuple[type[Exception], ...]] = (OSError, TimeoutError)
    """What the client raises, and an event loop."""

    def __init__(self, timeout: float) -> None:
        """`timeout`: seconds for an answer, connecting included."""
        self.timeout = positive(timeout, "timeout")
        self._thread = LoopThread("perfloop-rate-limiter")

    @abstractmethod
    async def ask(self, key: str, algorithm: Algorithm[Any]) -> int:
        """Admit a call by the server's own clock, in one round trip.

        Returns:
            the microseconds after which it would be admitted, or 0.
        """

    @abstractmethod
    async def disconnect(self) -> None:
        """Close what is open."""

    def take(self, key: str, algorithm: Algorithm[Any]) -> int:
        """`ask`, from a thread.

        Raises:
            StoreFailed: there is no answer.
        """
        try:
            return self._thread.run(self._bounded(key, algorithm))
        except self.failures as error:
            raise self._failed(error) from error

    async def atake(self, key: str, algorithm: Algorithm[Any]) -> int:
        """`ask`, from an event loop. Cancelled, it may have used up a call."""
        try:
            return await self._thread.arun(self._bounded(key, algorithm))
        except self.failures as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the connections; the next call opens others."""
        self._thread.run(self.disconnect())

    async def _bounded(self, key: str, algorithm: Algorithm[Any]) -> int:
        async with asyncio.timeout(self.timeout):
            return await self.ask(_place(key), algorithm)

    def _failed(self, error: Exception) -> StoreFailed:
        if isinstance(error, TimeoutError):
            return StoreFailed(f"no answer within {self.timeout:g} s")
        return StoreFailed(f"{type(error).__name__}: {redact_text(str(error))[:200]}")
