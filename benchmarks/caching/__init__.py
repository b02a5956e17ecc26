"""Area `caching`: what a hit costs, and what the process' own level keeps, beside the field's caches in the same run.

Every figure is the median over rounds of the ratio to the peer in the same round, the order turning. Hits are of 1,000
keys in turn; the values are short texts. Ours has a deadline, a count of hits and a policy told of them each time.

- `l1_sync_hit_vs_cachetools`: `MultiLevelCache.get` ÷ `TTLCache[key]`, without a lock there;
- `l1_async_hit_vs_cashews`: `await MultiLevelCache.aget` ÷ cashews' `await cache.get` in memory;
- `decorator_hit_vs_cashews`: `await` of a coroutine function with `@cached` ÷ with cashews' decorator, the key by the
  same template;
- `get_or_load_hit_vs_dogpile`: `MultiLevelCache.get_or_load` ÷ dogpile's `get_or_create` in memory;
- `l2_hit_vs_redis_py`: `MultiLevelCache.get` of what only Redis has ÷ redis-py's `get` of the same bytes, out of its
  pool, with hiredis;
- `hit_ratio_vs_theine`: the worst of four traces (`traces.py`) of the share of keys found, ÷ theine's, in 10,000
  entries, a million accesses; `access_vs_theine`: the worst of them of the time of one get-or-put.
"""

from __future__ import annotations

from typing import Any

from . import hits, policies, shared_hits

__all__ = ["run"]


def run(full: bool) -> dict[str, Any]:
    """Measure every figure.

    Args:
        full: four times the rounds.
    """
    figures, peers = hits.measure(full)
    for area in (shared_hits, policies):
        more_figures, more_peers = area.measure(full)
        figures |= more_figures
        peers |= more_peers
    return {"figures": figures, "peers": peers}
