"""Three processes' ends of a backplane, of two namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .ears import Ear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfloop.caching import Backplane


@pytest.fixture
def ears(make_backplane: Callable[[str], Backplane]) -> Iterator[list[Ear]]:
    """Two that share a namespace and one that does not; `make_backplane`, of one, is each test file's own."""
    ears = [Ear(make_backplane(namespace)) for namespace in ("shop", "shop", "other")]
    yield ears
    for ear in ears:
        ear.backplane.close()
