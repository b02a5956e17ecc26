"""What is logged of levels that fail and come back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from perfloop.caching import MemoryLevel, MultiLevelCache
from perfloop.exceptions import LevelFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from perfloop.caching import Stored
    from perfloop.caching.effects import Program


class Time:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds


class Failing(MemoryLevel):
    out = False

    def read(self, keys: Sequence[str]) -> Program[list[Stored | None]]:
        if self.out:
            raise LevelFailed("It is gone", where="here")
        return (yield from super().read(keys))


def test_each_outage_is_told_and_its_end_but_no_more_than_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "perfloop.caching")
    time = Time()
    level = Failing(clock=time)
    cache: MultiLevelCache[str, int] = MultiLevelCache(int, levels=[level], clock=time, name="users")

    def asked(*, out: bool, after: float) -> list[str]:
        caplog.clear()
        level.out = out
        time.seconds += after
        cache.get("k")
        return [f"{record.levelname} {record.getMessage()}" for record in caplog.records]

    failed = ["WARNING cache users: level memory failed, and is left alone for a while: It is gone (here)"]
    back = ["INFO cache users: level memory answers again"]
    assert asked(out=True, after=2) == failed
    assert asked(out=True, after=600) == []
    assert asked(out=False, after=2) == back
    assert asked(out=False, after=2) == []
    assert asked(out=True, after=2) == failed
    assert asked(out=False, after=2) == back
    assert asked(out=True, after=2) == []
    assert asked(out=False, after=2) == []
    assert asked(out=True, after=60) == failed
