"""Metrics of a service that runs as several processes: uvicorn's, gunicorn's or granian's workers.

Each process keeps its counts in a file of its own, mapped into its memory: recording is a store to memory, and what was
counted is there for whoever scrapes, also after `kill -9`. Any process of the service answers a scrape with the sum.
"""

from __future__ import annotations

from .directory import read_processes
from .merging import merge

__all__ = ["merge", "read_processes"]
