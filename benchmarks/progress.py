"""What a benchmark says while it runs: on stderr, so that stdout stays for results."""

from __future__ import annotations

import sys

__all__ = ["say"]


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)
