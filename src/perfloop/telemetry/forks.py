"""Locks in forked processes: another thread of the parent may have held one, and nobody in the child would let go."""

from __future__ import annotations

import os
import weakref
from threading import RLock
from typing import Any

__all__ = ["renew_lock_in_forks"]

_owners: weakref.WeakSet[Any] = weakref.WeakSet()


def renew_lock_in_forks(owner: object) -> None:
    """Give `owner` a new `_lock` in every process that is forked from this one."""
    _owners.add(owner)


def _after_fork() -> None:
    for owner in list(_owners):
        owner._lock = RLock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_after_fork)
