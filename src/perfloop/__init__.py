"""perfloop: make a Python backend fast, and prove it."""

from ._version import __version__

__all__ = ["__version__"]
