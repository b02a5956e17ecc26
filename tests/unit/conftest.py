"""What every unit test has."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(scope="module", autouse=True)
def own_heap() -> None:
    """Collections, and whoever walks the heap, look at what the module's tests make.

    All that the tests' process has beside it, hundreds of modules, takes a quarter of a second each time.
    """
    gc.collect()
    gc.freeze()
