"""The interpreter's own threads, locks and sleep, taken when it starts: gevent and friends replace them later.

The agent's threads must be real ones: a greenlet in the place of the flush thread would stop the service's hub.
"""

from __future__ import annotations

from _thread import RLock, _local, allocate_lock, get_ident, get_native_id, start_new_thread
from time import sleep

__all__ = ["RLock", "_local", "allocate_lock", "get_ident", "get_native_id", "sleep", "start_new_thread"]
