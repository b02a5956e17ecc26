"""What runs inside the service: latency breakdown, statements, samples. Standard library only, never in the way.

The launcher puts `inject/` on PYTHONPATH; its sitecustomize loads this package by place and calls `start`.
"""

from __future__ import annotations

__all__ = ["ENVIRONMENT_KEY", "start"]

ENVIRONMENT_KEY = "PERFLOOP_AGENT_SOCKET"
"""The environment variable that names the parent's unix socket; without it the agent does nothing."""


def start() -> bool:
    """Install the import hook; each library is instrumented when the service imports it. False without a socket."""
    import os

    path = os.environ.get(ENVIRONMENT_KEY)
    if not path:
        return False
    from . import imports
    from .channel import CHANNEL
    from .hooks import HOOKS
    from .sampler import SAMPLER

    SAMPLER.attach(CHANNEL)
    CHANNEL.configure(path)
    imports.install(HOOKS)
    return True
