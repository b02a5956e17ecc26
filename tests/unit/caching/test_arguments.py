"""What type checkers are told is what there is; what they say of it is in tests/typed."""

from __future__ import annotations

import inspect

from perfloop.caching import MultiLevelCache
from perfloop.caching.arguments import How


def test_every_argument_is_there() -> None:
    names = set(inspect.signature(MultiLevelCache.__init__).parameters) - {"self", "value", "key"}
    assert names == set(How.__annotations__)
