"""How processes tell each other what has changed, one file each."""

from .protocol import Backplane, Invalidation

__all__ = ["Backplane", "Invalidation"]
