"""Runs of a service with a cache that never was: what it counted, and which requests waited for its loads."""

from __future__ import annotations

from perfloop.monitoring.observations import CacheLoad, CacheSample
from perfloop.telemetry.caches import CacheAbout, CacheReport, KeyPart

from .synthetic import MS, Run, Sent

__all__ = ["LOAD", "PLACE", "cached_run", "sample"]

PLACE = ("/srv/shop/orders.py", 12, "<module>")
LOAD = 30 * MS


def sample(
    at: float,
    *,
    hits: float = 0,
    misses: float = 0,
    far: tuple[float, float, float] | None = None,
    load_seconds: float = LOAD,
    ghosts: dict[tuple[str, str], float] | None = None,
    parts: list[KeyPart] | None = None,
    sampled: int = 0,
) -> CacheSample:
    """What the cache `prices` says at a moment.

    Args:
        far: hits, misses and seconds of a shared level.
        ghosts: (policy, size) → hit ratio, of 2,000 look-ups.
    """
    loads = misses if far is None else far[1]
    counts: list[tuple[str, list[str], float]] = [
        ("entries", ["prices"], 100),
        ("entries.limit", ["prices"], 100),
        ("hits", ["prices", "process"], hits),
        ("misses", ["prices", "process"], misses),
        ("loads", ["prices"], loads),
        ("load.seconds", ["prices"], loads * load_seconds),
    ]
    if far is not None:
        counts += [
            ("hits", ["prices", "far"], far[0]),
            ("misses", ["prices", "far"], far[1]),
            ("lookup.seconds", ["prices", "far"], far[2]),
        ]
    for (policy, size), ratio in (ghosts or {}).items():
        counts.append(("ghost.hits", ["prices", policy, size], ratio * 2000))
        counts.append(("ghost.lookups", ["prices", policy, size], 2000))
    about = CacheAbout(
        name="prices",
        policy="lru",
        file=PLACE[0],
        line=PLACE[1],
        function=PLACE[2],
        levels=["process"] if far is None else ["process", "far"],
        keys=["report:{region}:{request_id}"],
        sampled=sampled,
        parts=parts or [],
    )
    return CacheSample(pid=100, at=at, report=CacheReport(counts, [about]))


def cached_run(
    last: CacheSample, *, loading: float, seconds: float = LOAD, keys: int = 1, before: CacheSample | None = None
) -> Run:
    """A run of 200 requests, a part of which waits so long for a load, or, with no `keys`, for a look-up."""
    waits = Sent(
        parts={"cpu": 1 * MS, "sleep": seconds}, is_async=True, cache_loads=[CacheLoad("prices", 0.0, seconds, keys)]
    )
    found = Sent(parts={"cpu": 1 * MS}, is_async=True)
    requests = [waits if number % 100 < 100 * loading else found for number in range(200)]
    return Run(requests, caches=[*([before] if before else []), last], capacity_rps=400)
