"""Which of the planted faults are repaired in this process: `SHOP_FIX=n_plus_one,index`."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

__all__ = ["FIXES", "Fixes", "parse_fixes"]


@dataclass(frozen=True)
class Fixes:
    """One switch a planted fault; False keeps the fault."""

    n_plus_one: bool = False
    """Load the items of a page of orders with one statement instead of one an order (orders.py)."""
    index: bool = False
    """Index orders by customer (models.py)."""
    blocking_call: bool = False
    """Ask the carrier off the event loop (shipping.py)."""


def parse_fixes(text: str) -> Fixes:
    """The switches named in `text`, separated by commas.

    Raises:
        ValueError: a name that is no fix; lists the names that are.
    """
    known = [field.name for field in fields(Fixes)]
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise ValueError(f"SHOP_FIX: expected a list of {', '.join(known)}; got {name!r}")
    return Fixes(**dict.fromkeys(names, True))


try:
    FIXES = parse_fixes(os.environ.get("SHOP_FIX", ""))
except ValueError as error:
    raise SystemExit(f"shop: {error}") from None
