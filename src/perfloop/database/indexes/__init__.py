"""Index advice for a whole workload: which to build, which to drop, and what was measured for it."""

from __future__ import annotations

from .advise import advise_indexes
from .options import IndexOptions

__all__ = ["IndexOptions", "advise_indexes"]
