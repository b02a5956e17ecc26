"""Rate limiters: so many calls in so many seconds, of one process or of all, fairly waited for.

Stores that processes share are in modules of their own, each with its library: `redis.RedisStore` (extra `redis`),
`postgresql.PostgreSQLStore` (extra `postgres`).
"""

from .algorithm import Algorithm
from .gcra import GCRA
from .rate_limiter import RateLimiter, StoreFailure
from .sliding_window import SlidingWindow
from .store import Store, StoreFailed
from .token_bucket import TokenBucket

__all__ = ["GCRA", "Algorithm", "RateLimiter", "SlidingWindow", "Store", "StoreFailed", "StoreFailure", "TokenBucket"]
