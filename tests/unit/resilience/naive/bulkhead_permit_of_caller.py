"""Trap 9. Gives the permit back when the caller leaves: the work whose caller timed out runs on, uncounted."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PermitOfCaller"]


class PermitOfCaller:
    """As the usual example has it: a semaphore, and a select over the result and a timer."""

    def __init__(self, max_concurrency: int, call_timeout: float) -> None:
        self._semaphore = threading.Semaphore(max_concurrency)
        self._call_timeout = call_timeout
        self._threads = ThreadPoolExecutor(32)

    def execute(self, function: Callable[[], Any]) -> Any:
        with self._semaphore:
            return self._threads.submit(function).result(self._call_timeout)
