"""What the interpreter promises: whether a few steps without a call are one for other threads."""

from __future__ import annotations

import sys

__all__ = ["EVERY_CALL_LOCKS"]

EVERY_CALL_LOCKS = not getattr(sys, "_is_gil_enabled", lambda: True)()
"""Without a global interpreter lock also what is done at every call has to take a lock of its own."""
