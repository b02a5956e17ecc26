"""Capacity: the highest rate at which a service meets its targets, with an interval; see docs/capacity.md."""

from __future__ import annotations

from .goals import goals_of, parse_goals
from .options import CapacityOptions
from .searching import find_capacity, find_capacity_sync

__all__ = ["CapacityOptions", "find_capacity", "find_capacity_sync", "goals_of", "parse_goals"]
