"""Limits that processes share: the servers decide as the pure algorithms do, and what holds when they are gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis

from perfloop.exceptions import ConfigurationError, InvalidValue, RateLimited
from perfloop.resilience.rate_limiter import (
    GCRA,
    Algorithm,
    RateLimiter,
    SlidingWindow,
    Store,
    StoreFailed,
    TokenBucket,
)
from perfloop.resilience.rate_limiter.postgresql import PostgreSQLStore, numbers
from perfloop.resilience.rate_limiter.postgresql_statements import STATEMENTS, TABLE
from perfloop.resilience.rate_limiter.redis import RedisStore
from perfloop.resilience.rate_limiter.redis_scripts import SCRIPTS
from perfloop.telemetry import Registry

from ...servers.processes import free_port
from ...servers.redis import run_redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...servers.postgresql import PostgreSQL
    from ...servers.redis import Redis

# A busy machine is not what these tests are about, unless they say so.
PATIENT = 20.0
ALGORITHMS: list[Algorithm[Any]] = [
    TokenBucket(3, 0.001),
    TokenBucket(7, 10.0, burst=2),
    TokenBucket(100_000, 86_400.0, burst=50_000),
    GCRA(3, 1.0),
    GCRA(7, 0.003, burst=4),
    GCRA(1_000_000, 1.0, burst=1_000),
    SlidingWindow(1, 0.5),
    SlidingWindow(5, 0.002),
]


def make_store(kind: str, url: str) -> Store:
    if kind == "redis":
        return RedisStore(url, timeout=PATIENT, prefix=f"test {os.urandom(4).hex()}")
    return PostgreSQLStore(url, timeout=PATIENT, table=f"rates_{os.urandom(4).hex()}")


@pytest.fixture(params=["redis", "postgresql"])
def store(request: pytest.FixtureRequest, redis_server: Redis, postgresql: PostgreSQL) -> Iterator[Store]:
    store = make_store(request.param, redis_server.url if request.param == "redis" else postgresql.url)
    yield store
    store.close()


def redis_at(server: Redis) -> Callable[[Algorithm[Any], int], int]:
    """Its scripts, at a time of the test's."""
    client = redis.Redis.from_url(server.url)
    scripts = {}
    for name, text in SCRIPTS.items():
        timed = text.replace("redis.call('TIME')", "{ARGV[6], ARGV[7]}")
        # Keys would expire by another clock than the test's.
        scripts[name] = client.register_script(timed.replace("'PEXPIRE', key", "'ECHO'"))
    key = os.urandom(4).hex()

    def take(algorithm: Algorithm[Any], now: int) -> int:
        seconds, microseconds = divmod(now, 1_000_000)
        settings = (algorithm.gain, algorithm.cost, algorithm.burst, algorithm.set_back, algorithm.per)
        answer: int = scripts[algorithm.name](keys=[key], args=(*settings, seconds, microseconds))
        return answer

    return take


def postgresql_at(cluster: PostgreSQL) -> Callable[[Algorithm[Any], int], int]:
    """Its statements, likewise."""
    connection = psycopg.connect(cluster.url, autocommit=True)
    table = f"rates_{os.urandom(4).hex()}"
    connection.execute(TABLE.format(table=table))

    def take(algorithm: Algorithm[Any], now: int) -> int:
        statement = STATEMENTS[algorithm.name].format(table=table, now="(SELECT %(now)s::numeric AS now) AS clock")
        values = {"key": "key", "now": now, **numbers(algorithm)}
        row = connection.execute(statement, values).fetchone()
        assert row is not None
        return int(row[0])

    return take


@pytest.mark.parametrize("kind", ["redis", "postgresql"])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.signature)
def test_a_server_decides_as_the_algorithm_does(
    kind: str, algorithm: Algorithm[Any], redis_server: Redis, postgresql: PostgreSQL
) -> None:
    take = redis_at(redis_server) if kind == "redis" else postgresql_at(postgresql)
    chance = random.Random(algorithm.signature)
    now, state, wait = 1_764_550_000_000_000, None, 0
    waits = []
    for _ in range(400):
        step = chance.choice(["no time", "exactly", "too early", "a little", "long", "little back", "set back"])
        now += {
            "no time": 0,
            "exactly": wait,
            "too early": max(wait - 1, 0),
            "a little": chance.randrange(algorithm.per // algorithm.limit + 2),
            "long": chance.randrange(3 * algorithm.fill),
            "little back": -chance.randrange(100),
            "set back": -(algorithm.set_back + chance.randrange(10**9)) if chance.random() < 0.1 else 0,
        }[step]
        state, wait = algorithm.take(state, now)
        waits.append(wait)
        assert take(algorithm, now) == wait, step
    assert waits.count(0) > 50


@pytest.mark.parametrize("algorithm", ["token_bucket", "gcra", "sliding_window"])
def test_threads_and_event_loops_of_two_limiters_share_one_budget(store: Store, algorithm: str) -> None:
    limiters = [
        RateLimiter(
            20,
            3_600,
            algorithm=algorithm,  # type: ignore[arg-type]
            burst=20,
            store=store,
            on_store_failure="fail_closed",
            registry=Registry(),
        )
        for _ in range(2)
    ]
    admitted: list[int] = []

    def work(limiter: RateLimiter, in_loop: bool) -> None:
        for _ in range(10):
            with contextlib.suppress(RateLimited):
                asyncio.run(limiter.aacquire()) if in_loop else limiter.acquire()
                admitted.append(1)

    threads = [threading.Thread(target=work, args=(limiters[number % 2], number > 3)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 20
    with pytest.raises(RateLimited) as caught:
        limiters[0].acquire()
    wait = caught.value.retry_after
    assert wait is not None
    assert 0 < wait <= (3_600 if algorithm == "sliding_window" else 180)
    assert [limiter.counts()["unlimited"] for limiter in limiters] == [0, 0]
    limiters[0].acquire("another key")


def test_limiters_of_other_names_have_budgets_of_their_own(store: Store) -> None:
    def admits(name: str, key: str) -> bool:
        limiter = RateLimiter(1, 3_600, store=store, on_store_failure="fail_closed", name=name, registry=Registry())
        with contextlib.suppress(RateLimited):
            return limiter.acquire(key)
        return False

    keys = [("logins", "7"), ("tenants", "7"), ("a", "b:c"), ("a:b", "c"), ("ü" * 300, "7"), ("ü" * 299, "7")]
    assert [admits(*each) for each in keys] == [True] * 6
    assert [admits(*each) for each in keys] == [False] * 6


def test_who_waits_is_admitted_when_the_server_says(store: Store) -> None:
    limiter = RateLimiter(20, 1.0, burst=1, max_wait=PATIENT, store=store, registry=Registry())
    served = []

    async def call(number: int) -> None:
        await limiter.aacquire()
        served.append(number)

    async def main() -> float:
        started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number in range(6):
                tasks.create_task(call(number))
                while len(served) + limiter.gauges()["waiting_calls"] <= number:
                    await asyncio.sleep(0)
        return time.monotonic() - started

    assert asyncio.run(main()) > 0.2
    assert served == [0, 1, 2, 3, 4, 5]


def test_a_forked_child_has_connections_of_its_own(store: Store) -> None:
    algorithm = TokenBucket(3, 3_600.0)
    assert store.take("key", algorithm) == 0
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if store.take("key", algorithm) == 0 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    child = os.fork()
    if child == 0:
        try:
            store.close()
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.take("key", algorithm) == 0
    assert store.take("key", algorithm) > 0


def test_keys_are_gone_from_redis_when_they_no_longer_matter(redis_server: Redis) -> None:
    store = RedisStore(redis_server.url, timeout=PATIENT, prefix=f"test {os.urandom(4).hex()}")
    client = redis.Redis.from_url(redis_server.url)
    for algorithm in (TokenBucket(10, 5.0), GCRA(10, 5.0), SlidingWindow(10, 5.0)):
        store.take("key", algorithm)
        [key] = client.keys(f"{store._prefix}:{algorithm.name}:*")
        longest = 5_000 if algorithm.name == "sliding_window" else 500
        assert 0 < client.pttl(key) <= longest + 2
    store.close()


def test_a_key_that_is_full_and_from_before_the_clock_was_set_back_goes_too(redis_server: Redis) -> None:
    store = RedisStore(redis_server.url, timeout=PATIENT, prefix=f"test {os.urandom(4).hex()}")
    client = redis.Redis.from_url(redis_server.url)
    algorithm = SlidingWindow(1, 5.0)
    place = f"{store._prefix}:{algorithm.signature}:key"
    client.rpush(place, round((time.time() + 3_600) * 1e6))
    assert store.take("key", algorithm) > 0
    assert 0 < client.pttl(place) <= 5_002
    store.close()


def test_rows_that_no_longer_matter_are_deleted_in_passing(postgresql: PostgreSQL, monkeypatch) -> None:
    monkeypatch.setattr("perfloop.resilience.rate_limiter.postgresql._FORGET_EVERY", 10)
    store = PostgreSQLStore(postgresql.url, timeout=PATIENT, table="rates_forgotten")
    algorithm = TokenBucket(1_000, 0.001)
    for number in range(50):
        store.take(f"key {number}", algorithm)
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        while connection.execute("SELECT count(*) FROM rates_forgotten").fetchone() > (20,):
            store.take("key", algorithm)
    store.close()


def test_a_call_neither_waits_for_the_deletion_of_rows_nor_fails_by_it(postgresql: PostgreSQL, monkeypatch) -> None:
    monkeypatch.setattr("perfloop.resilience.rate_limiter.postgresql._FORGET_EVERY", 1)
    monkeypatch.setattr("perfloop.resilience.rate_limiter.postgresql.FORGET", "SELECT pg_sleep(60), %(after)s::text")
    store = PostgreSQLStore(postgresql.url, timeout=1.0, table=f"rates_{os.urandom(4).hex()}", max_connections=2)
    assert [store.take("key", GCRA(3, 3_600.0, burst=3)) for _ in range(2)] == [0, 0]
    assert store.take("key", GCRA(3, 3_600.0, burst=3)) == 0
    store.close()


def test_a_restarted_postgresql_costs_one_call_and_not_one_a_connection(postgresql: PostgreSQL) -> None:
    store = PostgreSQLStore(postgresql.url, timeout=PATIENT, table=f"rates_{os.urandom(4).hex()}")
    algorithm = GCRA(1_000, 3_600.0, burst=1_000)
    barrier = threading.Barrier(4)

    def ask() -> None:
        while len(store._idle) < 4:
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(1)
            store.take("key", algorithm)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid = ANY(%s)",
            [[each.info.backend_pid for each in store._idle]],
        )
    with pytest.raises(StoreFailed):
        store.take("key", algorithm)
    assert store.take("key", algorithm) == 0
    store.close()


def test_who_may_not_make_tables_can_use_one_that_is_there(postgresql: PostgreSQL) -> None:
    name = f"rates_{os.urandom(4).hex()}"
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN")
        store = PostgreSQLStore(
            postgresql.url.replace("perfloop@", f"{name}@"), timeout=PATIENT, table=f"public.{name}"
        )
        with pytest.raises(StoreFailed, match="permission denied for schema public"):
            store.take("key", GCRA(1, 3_600.0))
        connection.execute(TABLE.format(table=name))
        connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {name}")
    assert store.take("key", GCRA(1, 3_600.0)) == 0
    assert store.take("key", GCRA(1, 3_600.0)) > 0
    store.close()


def test_many_at_once_make_the_table(postgresql: PostgreSQL) -> None:
    table = f"rates_{os.urandom(4).hex()}"
    stores = [PostgreSQLStore(postgresql.url, timeout=PATIENT, table=table) for _ in range(6)]
    waits: list[int] = []
    threads = [
        threading.Thread(target=lambda store=store: waits.append(store.take("key", GCRA(3, 3_600.0, burst=3))))
        for store in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(waits), waits.count(0)) == (6, 3)
    for store in stores:
        store.close()


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of something that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def lost(kind: str, port: int) -> Store:
    if kind == "redis":
        return RedisStore(f"redis://127.0.0.1:{port}/0", timeout=0.05)
    return PostgreSQLStore(f"postgresql://perfloop@127.0.0.1:{port}/postgres", timeout=0.05)


@pytest.mark.parametrize("kind", ["redis", "postgresql"])
@pytest.mark.parametrize("gone", [True, False], ids=["gone", "deaf"])
@pytest.mark.parametrize("in_loop", [True, False], ids=["in a loop", "in a thread"])
@pytest.mark.parametrize("instead", ["fail_open", "fail_closed", "local_share"])
def test_without_an_answer_what_was_stated_holds_and_is_told(
    kind: str, gone: bool, in_loop: bool, instead: str, deaf: int, caplog
) -> None:
    limiter = RateLimiter(
        4,
        3_600,
        store=lost(kind, free_port() if gone else deaf),
        on_store_failure=instead,  # type: ignore[arg-type]
        local_share=0.5,
        pause=1_000.0,
        name="orders",
        registry=Registry(),
    )
    events = []
    limiter.on_event(lambda event: events.append((event.event, event.attributes.get("instead"))))
    admitted, retry_after = 0, []
    for _ in range(6):
        try:
            asyncio.run(limiter.aacquire()) if in_loop else limiter.acquire()
            admitted += 1
        except RateLimited as error:
            retry_after.append(error.retry_after)
    assert admitted == {"fail_open": 6, "fail_closed": 0, "local_share": 2}[instead]
    assert limiter.counts()["unlimited"] == (6 if instead == "fail_open" else 0)
    assert limiter.gauges()["store_lost"] == 1
    assert [event for event in events if event[0] != "failed_acquire"] == [("store_lost", instead)]
    assert all(wait is not None and 0 < wait <= 1_800 for wait in retry_after)
    [line] = [record.getMessage() for record in caplog.records if record.name == "perfloop.resilience"]
    assert line.startswith(f"rate_limiter orders: {instead}, for its store is lost: ")


@pytest.mark.parametrize("kind", ["redis", "postgresql"])
def test_a_store_that_refuses_is_one_that_fails(kind: str, redis_server: Redis, postgresql: PostgreSQL) -> None:
    if kind == "redis":
        store: Store = RedisStore(f"redis://nobody:wrong@127.0.0.1:{redis_server.port}/0", timeout=PATIENT)
    else:
        store = PostgreSQLStore(postgresql.url.replace("perfloop@", "nobody@"), timeout=PATIENT)
    with pytest.raises(StoreFailed, match=r'WRONGPASS|AuthenticationError|role "nobody"') as caught:
        store.take("key", TokenBucket(1))
    assert "wrong" not in str(caught.value)


def test_a_redis_that_stops_and_comes_back() -> None:
    port = free_port()
    with run_redis(port=port) as server:
        store = RedisStore(server.url, timeout=PATIENT)
        limiter = RateLimiter(4, 3_600, store=store, on_store_failure="fail_open", pause=1e-6, registry=Registry())
        events: list[str] = []
        limiter.on_event(lambda event: events.append(event.event))
        limiter.acquire()
        os.kill(server.pid, signal.SIGSTOP)
        store.timeout = 0.05
        limiter.acquire()
        os.kill(server.pid, signal.SIGCONT)
        store.timeout = PATIENT
        limiter.acquire()
        assert events == ["store_lost", "store_back"]
        limiter.acquire()
        # What timed out may have been counted all the same.
        with contextlib.suppress(RateLimited):
            limiter.acquire()
        with pytest.raises(RateLimited):
            limiter.acquire()
    store.timeout = 0.05
    limiter.acquire()
    assert events[-1] == "store_lost"
    with run_redis(port=port):
        store.timeout = PATIENT
        limiter.acquire()  # a new server knows of no call
        assert events[-1] == "store_back"


def test_a_cancelled_call_leaves_no_answer_for_the_next(store: Store) -> None:
    slow = TokenBucket(1, 3_600.0)
    assert store.take("used up", slow) == 0

    async def main() -> None:
        for _ in range(30):
            task = asyncio.create_task(store.atake("used up", slow))
            for _ in range(random.randrange(4)):
                await asyncio.sleep(0.0002)
            task.cancel()
            await asyncio.wait((task,))

    asyncio.run(main())
    assert store.take("fresh", slow) == 0
    assert store.take("used up", slow) > 0


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        (RedisStore, "nonsense://:secret@host"),
        (RedisStore, 7),
        (PostgreSQLStore, "postgresql:/user:secret@host/db"),
        (PostgreSQLStore, "postgresql://user:secret@[host/db"),
        (PostgreSQLStore, "postgresql://user:secret/@host/db"),
        (PostgreSQLStore, "postgresql://user:%secret@host/db"),
        (PostgreSQLStore, b"postgresql://user:secret@host/db"),
    ],
)
def test_a_url_that_is_none_is_refused_without_its_password(kind: Any, url: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        kind(url)
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None or "secret" not in str(caught.value.__context__)


@pytest.mark.parametrize("settings", [{"timeout": 0}, {"max_connections": 0}])
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    for kind in ("redis", "postgresql"):
        with pytest.raises(InvalidValue):
            (RedisStore if kind == "redis" else PostgreSQLStore)(f"{kind}://127.0.0.1:1/0", **settings)
    for table in ('x"; DROP TABLE y; --', "", "A", "a.b.c"):
        with pytest.raises(InvalidValue):
            PostgreSQLStore("postgresql:///", table=table)
