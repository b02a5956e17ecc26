"""Bulkheads: no more than so many calls of one kind at one time, so that a slow dependency sinks nothing else."""

from .bulkhead import Bulkhead
from .thread_pool import ThreadPoolBulkhead

__all__ = ["Bulkhead", "ThreadPoolBulkhead"]
