"""aiosqlite: a statement on its connection's thread belongs to the request that awaits it, and to its line of code."""

from __future__ import annotations

import sys
from time import monotonic_ns
from typing import Any

from ..channel import CHANNEL
from ..events import WAIT_WORKER
from ..frames import call_site
from ..originals import get_ident
from ..state import CARRIED_SITE, CURRENT

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Carry the request into the connection's thread."""
    execute = module.Connection._execute

    def traced_execute(self: Any, fn: Any, *args: Any, **options: Any) -> Any:
        request = CURRENT.get()
        if request is None or not request.live:
            return execute(self, fn, *args, **options)
        try:
            site = call_site(sys._getframe(1))
        except Exception as error:
            CHANNEL.hook_failed("aiosqlite", error)
            site = 0
        queued = monotonic_ns()

        def on_thread(*args: Any, **options: Any) -> Any:
            request.add(WAIT_WORKER, queued, monotonic_ns() - queued)
            token = CURRENT.set(request)
            thread = get_ident()
            CARRIED_SITE[thread] = site
            try:
                return fn(*args, **options)
            finally:
                CARRIED_SITE.pop(thread, None)
                CURRENT.reset(token)

        return execute(self, on_thread, *args, **options)

    module.Connection._execute = traced_execute
