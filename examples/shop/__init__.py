"""A web shop with three performance faults planted in it: what `make demo` diagnoses, fixes and compares.

    uvicorn examples.shop:app

Environment:
    SHOP_FIX: comma-separated faults to repair: `n_plus_one`, `index`, `blocking_call`. Responses stay the same.
    SHOP_DATABASE: path of the SQLite file, generated when it is not there; by default below the user's cache.
"""

from __future__ import annotations

from .application import app

__all__ = ["app"]
