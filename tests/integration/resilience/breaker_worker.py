"""A process that calls a service through a shared breaker, as fast as it may, until the service's key says stop.

`python -m tests.integration.resilience.breaker_worker URL NAME RESET_TIMEOUT`: prints how often it got through.
"""

from __future__ import annotations

import sys
import time

import redis

from perfloop.exceptions import CircuitOpen
from perfloop.resilience import CircuitBreaker, RedisSharedState


class Down(Exception):
    pass


def main(url: str, name: str, reset_timeout: float) -> None:
    service = redis.Redis.from_url(url)
    breaker = CircuitBreaker(
        1,
        reset_timeout,
        name=name,
        shared_state=RedisSharedState(lambda: redis.Redis.from_url(url)),
        shared_interval=0.05,
    )

    def call() -> None:
        service.incr(f"{name}:calls")
        if service.get(f"{name}:state") == b"down":
            raise Down

    answered = 0
    service.incr(f"{name}:ready")
    while service.get(f"{name}:state") != b"stop":
        try:
            breaker.execute(call)
            answered += 1
        except (CircuitOpen, Down):
            pass
        time.sleep(0.005)
    print(answered, breaker.state.name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
