"""State of this process alone: in a forked child nobody else's thread is there to give back what it had."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["begin_anew_in_forks"]


class _Owner(Protocol):
    def begin_anew(self) -> None: ...


_owners: weakref.WeakSet[_Owner] = weakref.WeakSet()


def begin_anew_in_forks(owner: _Owner) -> None:
    """Call `owner.begin_anew()` in every process that is forked from this one, while the owner lives."""
    _owners.add(owner)


def _after_fork() -> None:
    for owner in list(_owners):
        owner.begin_anew()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_after_fork)
