"""What runs inside the service: latency breakdown, statements, samples. Standard library only, never in the way.

The launcher puts `inject/` on PYTHONPATH; its sitecustomize loads this package by place and calls `start`. A process
that serves nothing pays for the import hook alone.
"""

from __future__ import annotations

import os

__all__ = ["DETAIL_KEY", "ENVIRONMENT_KEY", "LIGHT", "PARAMETERS", "PARAMETERS_KEY", "start"]

ENVIRONMENT_KEY = "PERFLOOP_AGENT_SOCKET"
"""The environment variable that names the parent's unix socket; without it the agent does nothing."""


DETAIL_KEY = "PERFLOOP_AGENT_DETAIL"
"""`light` leaves out what only a diagnosis needs: stack samples, asking SQLite for its plans, and the processor time of
steps below 1 ms, which count as computing; of longer ones it is known to 1 ms."""

LIGHT = os.environ.get(DETAIL_KEY) == "light"

PARAMETERS_KEY = "PERFLOOP_AGENT_PARAMETERS"
"""`shapes`: tell type and size of some executions' parameters, and whether a transaction was open; `values`: also the
values."""

PARAMETERS = os.environ.get(PARAMETERS_KEY, "")


def start() -> bool:
    """Install the import hook; each library is instrumented when the service imports it. False without a socket."""
    if not os.environ.get(ENVIRONMENT_KEY):
        return False
    from . import imports
    from .hooks import HOOKS

    imports.install(HOOKS)
    return True
