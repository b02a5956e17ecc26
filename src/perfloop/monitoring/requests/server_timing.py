"""The `Server-Timing` response header, which browsers show beside a request (W3C Server Timing)."""

from __future__ import annotations

__all__ = ["SERVER_TIMING", "server_timing"]

SERVER_TIMING = "Server-Timing"


def server_timing(seconds: float) -> str:
    """The header's value: how long the application took until the response's head; the format counts milliseconds."""
    return f"app;dur={max(seconds, 0.0) * 1e3:.3f}"
