"""What redis-py raises, said in the words of the cache."""

from __future__ import annotations

from ...exceptions import LevelFailed, MissingExtra

try:
    import redis
    import redis.asyncio
    import redis.backoff
    import redis.retry
    from redis import exceptions as failures
except ImportError as error:
    raise MissingExtra(
        "A cache in Redis needs redis-py, which is not installed", hint="pip install 'perfloop[redis]'"
    ) from error

__all__ = ["explained", "failures", "redis"]

_CLUSTER = (failures.AskError, failures.ClusterError, failures.ClusterCrossSlotError, failures.TryAgainError)
_CLUSTER_WORDS = ("MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT", "TRYAGAIN")  # redis-py before 6 gives the text alone
_LONGEST = 200


def explained(error: BaseException, where: str, answer_timeout: float) -> LevelFailed:
    """The error of a level for one of redis-py.

    Args:
        where: the server, without its password.
        answer_timeout: the seconds that an answer may take, for the message.
    """
    text = str(error)[:_LONGEST]
    message, hint = f"Redis refuses the command: {text}", None
    if isinstance(error, (failures.AuthenticationError, failures.AuthenticationWrongNumberOfArgsError)):
        message, hint = "Redis refuses this user and password", "user and password in the URL: redis://user:password@…"
    elif isinstance(error, failures.NoPermissionError):
        message, hint = f"The user may not do this in Redis: {text}", "ACL SETUSER … +@all, or at least +@scripting"
    elif isinstance(error, failures.OutOfMemoryError) or "OOM" in text:
        message = "Redis is out of memory, and evicts nothing to make room"
        hint = "CONFIG SET maxmemory-policy allkeys-lru, or more memory"
    elif isinstance(error, failures.ReadOnlyError) or "READONLY" in text:
        message, hint = "Expected a Redis that can be written to, got a read-only replica", "the address of the primary"
    elif isinstance(error, _CLUSTER) or text.startswith(_CLUSTER_WORDS):
        message = f"Expected one Redis server, but this is a cluster: {text}"
        hint = "a server of its own for the cache, or a proxy that speaks for the cluster"
    elif isinstance(error, failures.BusyLoadingError):
        message = "Redis is loading its data and does not answer yet"
    elif isinstance(error, (failures.TimeoutError, TimeoutError)):
        message = f"Redis did not answer in time ({text})" if text else "Redis did not answer in time"
        hint = f"answers may take {answer_timeout:g} s (answer_timeout)"
    elif isinstance(error, (failures.ConnectionError, OSError)):
        message = f"Redis cannot be reached: {text}"
    return LevelFailed(message, where=where, hint=hint)
