"""What type checkers are told is what there is."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING

from perfloop.caching import MultiLevelCache
from perfloop.caching.arguments import How

if TYPE_CHECKING:
    from pathlib import Path

USES = """
from typing import assert_type
from perfloop.caching import AsyncCached, Cached, MultiLevelCache, cached

prices = MultiLevelCache(float)
assert_type(prices, MultiLevelCache[str, float])
assert_type(MultiLevelCache(str, key=int, name="users").get(1), str | None)
names: MultiLevelCache[int, str | None] = MultiLevelCache(str | None, key=int)
prices.set(1, 1.0)  # type: ignore[arg-type]
MultiLevelCache(float, ttl=5)  # type: ignore[call-overload]


class Shop:
    @cached(60, key="{number}")
    def article(self, number: int) -> str:
        return ""

    @cached(60, key="{number}")
    async def stock(self, number: int) -> int:
        return 0


async def use(shop: Shop) -> None:
    assert_type(shop.article(1), str)
    assert_type(await shop.stock(1), int)
    shop.article.invalidate(1)
    await shop.stock.invalidate(number=1)
    shop.article("1")  # type: ignore[arg-type]
"""


def test_every_argument_is_there() -> None:
    names = set(inspect.signature(MultiLevelCache.__init__).parameters) - {"self", "value", "key"}
    assert names == set(How.__annotations__)


def test_types(tmp_path: Path) -> None:
    (tmp_path / "uses.py").write_text(USES)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", tmp_path, "uses.py"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
