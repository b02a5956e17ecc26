"""What goes wrong with a Redis, and that nothing removed ever comes back."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis as Client

from perfloop import MultiLevelCache
from perfloop.caching import LeaseState, Stored
from perfloop.caching.effects import Program, run, run_async
from perfloop.caching.levels.redis import RedisLevel, RedisOptions
from perfloop.caching.levels.redis_scripts import HEAD
from perfloop.exceptions import ConfigurationError, LevelFailed

from ...servers.processes import free_port
from ...servers.redis import run_redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ...servers.redis import Redis

VALUE = Stored(b"value", 60.0, 120.0, ("tag",))
PLAIN = Stored(b"value", 60.0, 120.0)
SHELLS = [run, lambda program: asyncio.run(run_async(program))]


# A busy machine is not what these tests are about, unless they say so.
PATIENT = RedisOptions(connect_timeout=20.0, answer_timeout=20.0)


def fails(program: Program[Any], words: str, shell: Callable[[Program[Any]], Any] = run) -> LevelFailed:
    with pytest.raises(LevelFailed, match=words) as caught:
        shell(program)
    assert str(caught.value).endswith(")")
    return caught.value


@pytest.fixture
def level(redis_server: Redis) -> Iterator[RedisLevel]:
    level = RedisLevel(redis_server.url, namespace=f"faults {os.urandom(4).hex()}", options=PATIENT)
    yield level
    level.close()


@pytest.fixture
def client(redis_server: Redis) -> Iterator[Client]:
    with Client.from_url(redis_server.url) as client:
        yield client


def part(level: RedisLevel, name: str) -> bytes:
    return level._prefix + name.encode()


@pytest.mark.parametrize("stored", [VALUE, PLAIN])
def test_without_its_fence_nothing_is_there(level: RedisLevel, client: Client, stored: Stored) -> None:
    run(level.write({"key": stored}))
    run(level.lease(["other"], "one", 60.0))
    client.delete(part(level, "f"))
    assert run(level.read(["key"])) == [None]
    assert run(level.lease(["key"], "two", 60.0))[0].stored is None
    assert run(level.fill({"other": stored}, "one")) == [False]
    assert run(level.read(["key", "other"])) == [None, None]


def test_without_its_removed_tags_nothing_tagged_from_before_is_there(level: RedisLevel, client: Client) -> None:
    run(level.write({"key": VALUE, "plain": PLAIN}))
    run(level.lease(["leased"], "one", 60.0))
    run(level.remove_tags(["tag"]))
    client.delete(part(level, "g"))
    assert run(level.read(["key", "plain"])) == [None, PLAIN_NOW]
    assert run(level.fill({"leased": VALUE}, "one")) == [False]
    run(level.remove_tags(["other"]))
    assert run(level.read(["key", "plain"])) == [None, PLAIN_NOW]
    run(level.write({"key": VALUE}))
    assert run(level.read(["key"]))[0] is not None


class Now:
    """Equal to what was just put in."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stored) and other.data == b"value"


PLAIN_NOW = Now()


def test_many_removed_tags_are_forgotten_but_not_undone(level: RedisLevel, client: Client) -> None:
    run(level.write({"key": VALUE, "plain": PLAIN, "kept": Stored(b"value", 60.0, 120.0, ("else",))}))
    run(level.remove_tags(["tag"]))
    assert run(level.read(["key", "kept"])) == [None, PLAIN_NOW]
    for batch in range(11):
        run(level.remove_tags([f"tag {batch} {number}" for number in range(1000)]))
    assert client.hlen(part(level, "g")) < 10_000
    assert run(level.read(["key", "plain"])) == [None, PLAIN_NOW]
    run(level.write({"key": VALUE}))
    assert run(level.read(["key"])) == [PLAIN_NOW]


def test_everything_ends_by_itself(level: RedisLevel, client: Client) -> None:
    run(level.write({"key": VALUE}))
    run(level.lease(["leased"], "one", 60.0))
    run(level.hold(["held"], ["tag"], "one", 60.0))
    run(level.remove_tags(["other"]))
    names = list(client.scan_iter(match=part(level, "*").replace(b"[", b"\\[")))
    assert len(names) == 6
    assert all(client.pttl(name) > 0 for name in names)


def test_a_script_that_was_flushed_is_loaded_again(level: RedisLevel, client: Client) -> None:
    client.script_flush()
    run(level.write({"key": PLAIN}))
    client.script_flush()
    asyncio.run(run_async(level.delete(["key"])))
    assert run(level.read(["key"])) == [None]


def test_a_flush_empties(client: Client) -> None:
    with run_redis() as server:
        level = RedisLevel(server.url, options=PATIENT)
        run(level.write({"key": VALUE}))
        run(level.lease(["leased"], "one", 60.0))
        with Client.from_url(server.url) as here:
            here.flushall()
        assert run(level.read(["key"])) == [None]
        assert run(level.fill({"leased": VALUE}, "one")) == [False]
        assert run(level.lease(["key"], "two", 60.0))[0].state is LeaseState.GRANTED


def test_an_old_snapshot_brings_nothing_back(tmp_path: Path) -> None:
    port = free_port()
    with run_redis(port=port, directory=tmp_path) as server, Client.from_url(server.url) as client:
        level = RedisLevel(server.url, options=PATIENT)
        run(level.write({"removed": PLAIN, "kept": PLAIN, "tagged": VALUE}))
        client.save()
        run(level.delete(["removed"]))
        run(level.remove_tags(["tag"]))
        os.kill(server.pid, signal.SIGKILL)
    with run_redis(port=port, directory=tmp_path) as server, Client.from_url(server.url) as client:
        assert client.exists(part(level, "vremoved"))
        old = client.get(part(level, "f"))
        assert run(level.read(["removed", "kept", "tagged"])) == [None, None, None]
        assert client.get(part(level, "f"))[:24] != old[:24]  # the former server's run is no longer in it
        assert asyncio.run(run_async(level.read(["removed"]))) == [None]
        assert run(level.lease(["removed"], "one", 60.0))[0].stored is None
        assert run(level.fill({"removed": PLAIN}, "one")) == [True]
        assert run(level.read(["removed", "kept", "tagged"])) == [PLAIN_NOW, None, None]


def test_eviction_brings_nothing_back() -> None:
    with run_redis("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-random") as server:
        level = RedisLevel(server.url, options=PATIENT)
        for round_ in range(40):
            keys = [f"{round_} {number}" for number in range(100)]
            run(level.write({key: Stored(b"old" * 500, 60.0, 60.0, (f"tag {round_}",)) for key in keys}))
            run(level.lease(["leased"], f"token {round_}", 60.0))
            run(level.delete(keys[:50]))
            run(level.remove_tags([f"tag {round_}"]))
            run(level.fill({"leased": Stored(b"old", 60.0, 60.0, (f"tag {round_}",))}, f"token {round_}"))
            assert run(level.read([*keys, "leased"])) == [None] * 101
        for round_ in range(40):
            assert run(level.read([f"{round_} {number}" for number in range(100)])) == [None] * 100
        with Client.from_url(server.url) as client:
            assert client.info("stats")["evicted_keys"] > 0


@pytest.mark.parametrize("shell", SHELLS)
def test_out_of_memory(shell: Callable[[Program[Any]], Any]) -> None:
    with run_redis("--maxmemory", "2mb", "--maxmemory-policy", "noeviction") as server:
        level = RedisLevel(server.url, options=PATIENT)
        run(level.write({"key": PLAIN, "plain": PLAIN, "tagged": VALUE}))
        run(level.lease(["leased"], "one", 60.0))
        with Client.from_url(server.url) as client:
            client.config_set("maxmemory", "1kb")
        assert "evicts nothing" in fails(level.write({"key": PLAIN}), "out of memory", shell).message
        assert run(level.read(["key", "plain"])) == [None, PLAIN_NOW]  # it is not what was to be written, so it went
        fails(level.lease(["other"], "two", 60.0), "out of memory", shell)
        fails(level.fill({"leased": PLAIN}, "one"), "out of memory", shell)
        run(level.remove_tags(["tag"]))  # what is removed still can be
        assert run(level.read(["tagged", "plain"])) == [None, PLAIN_NOW]
        run(level.hold(["plain"], [], "one", 60.0))
        assert run(level.read(["plain"])) == [None]
        run(level.clear())
        run(level.delete(["key"]))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_replica(redis_server: Redis, shell: Callable[[Program[Any]], Any]) -> None:
    with run_redis("--replicaof", "127.0.0.1", str(redis_server.port)) as replica:
        level = RedisLevel(replica.url, options=PATIENT)
        fails(level.write({"key": PLAIN}), "read-only replica", shell)
        fails(level.delete(["key"]), "read-only replica", shell)
        assert shell(level.read(["key"])) == [None]


def test_a_replica_that_lagged_brings_nothing_back_when_it_takes_over_nor_when_it_gives_back() -> None:
    with (
        run_redis() as first,
        run_redis() as second,
        Client.from_url(first.url) as at_first,
        Client.from_url(second.url) as at_second,
    ):
        level, over = (RedisLevel(server.url, options=PATIENT) for server in (first, second))
        run(level.write({"key": PLAIN}))
        follow(at_second, first)
        at_second.replicaof("NO", "ONE")
        run(level.delete(["key"]))
        assert at_second.exists(part(level, "vkey"))
        assert run(over.read(["key"])) == [None]
        follow(at_first, second)
        at_first.replicaof("NO", "ONE")
        assert at_first.exists(part(level, "vkey"))
        assert run(level.read(["key"])) == [None]


def follow(client: Client, primary: Redis) -> None:
    client.replicaof("127.0.0.1", str(primary.port))
    while client.info("replication").get("master_link_status") != "up":
        time.sleep(0.01)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_wrong_password_is_not_told(shell: Callable[[Program[Any]], Any]) -> None:
    with run_redis("--requirepass", "right") as server:
        for login in (":wr0ng-secret@", "someone:wr0ng-secret@", ""):
            level = RedisLevel(f"redis://{login}127.0.0.1:{server.port}/0", options=PATIENT)
            error = fails(level.read(["key"]), "user and password", shell)
            said = f"{error} {error.hint} {error.message}"
            assert "wr0ng-secret" not in said
            assert f"127.0.0.1:{server.port}" in said
        level = RedisLevel(f"redis://:right@127.0.0.1:{server.port}/0", options=PATIENT)
        assert shell(level.read(["key"])) == [None]


@pytest.mark.parametrize("url", ["http://:wr0ng-secret@host", "redis://:wr0ng/secret@host", "redis://h:wr0ng-secret"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RedisLevel(url)
    assert "wr0ng" not in f"{caught.value}"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_cluster(tmp_path: Path, shell: Callable[[Program[Any]], Any]) -> None:
    bus = free_port()

    def node(name: str, port: int) -> tuple[str, ...]:
        options = {"enabled": "yes", "config-file": str(tmp_path / name), "port": str(port)}
        return tuple(part for option, value in options.items() for part in (f"--cluster-{option}", value))

    with (
        run_redis(*node("one", free_port())) as one,
        run_redis(*node("two", bus)) as two,
        Client.from_url(one.url) as client,
    ):
        level = RedisLevel(one.url, options=PATIENT)
        fails(level.clear(), "this is a cluster: .*Hash slot not served", shell)
        with Client.from_url(two.url) as other:
            other.execute_command("CLUSTER ADDSLOTSRANGE 0 16383")
        client.execute_command("CLUSTER MEET", "127.0.0.1", two.port, bus)
        deadline = time.monotonic() + 30.0
        while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            assert time.monotonic() < deadline
        fails(level.clear(), "this is a cluster: .*127.0.0.1", shell)
        fails(level.read(["key"]), "this is a cluster", shell)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_slow_server(shell: Callable[[Program[Any]], Any]) -> None:
    with run_redis() as server, Client.from_url(server.url) as client:
        level = RedisLevel(server.url, options=RedisOptions(answer_timeout=1.0))
        run(level.write({"key": PLAIN}))
        client.client_pause(3000)
        assert "answer_timeout" in str(fails(level.read(["key"]), "did not answer in time", shell).hint)
        client.ping()  # answered when the pause is over
        assert shell(level.read(["key"])) == [PLAIN_NOW]  # and no answer meant for another


@pytest.mark.parametrize("shell", SHELLS)
def test_nobody_there(shell: Callable[[Program[Any]], Any]) -> None:
    level = RedisLevel(f"redis://127.0.0.1:{free_port()}/0", options=PATIENT)
    for program in (level.read(["key"]), level.delete(["key"]), level.clear()):
        fails(program, "cannot be reached", shell)


@pytest.mark.parametrize("shell", SHELLS)
def test_whoever_accepts_and_says_nothing(shell: Callable[[Program[Any]], Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        level = RedisLevel(f"redis://127.0.0.1:{port}/0", options=RedisOptions(answer_timeout=0.1))
        fails(level.read(["key"]), "did not answer in time", shell)


def test_a_server_killed_and_started_again_is_used_at_once() -> None:
    port = free_port()

    async def twice(level: RedisLevel) -> None:
        with run_redis(port=port) as server:
            await run_async(level.write({"key": PLAIN}))
            run(level.write({"key": PLAIN}))
            os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(LevelFailed, match="cannot be reached"):
            await run_async(level.read(["key"]))
        with run_redis(port=port):
            assert await run_async(level.read(["key"])) == [None]
            assert run(level.read(["key"])) == [None]
        await level.aclose()

    asyncio.run(twice(RedisLevel(f"redis://127.0.0.1:{port}/0", options=PATIENT)))


def test_connections_cut_by_the_server_are_opened_again(level: RedisLevel, client: Client) -> None:
    async def cut() -> None:
        await run_async(level.write({"key": PLAIN}))
        run(level.read(["key"]))
        client.client_kill_filter(_type="normal", skipme=True)
        assert await run_async(level.read(["key"])) == [PLAIN_NOW]
        assert run(level.read(["key"])) == [PLAIN_NOW]
        await level.aclose()

    asyncio.run(cut())


def test_threads_share_few_connections(redis_server: Redis) -> None:
    level = RedisLevel(
        redis_server.url, namespace="threads", options=RedisOptions(max_connections=3, answer_timeout=60.0)
    )
    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(50):
            key, data = f"{number}", f"{number} {turn}".encode()
            run(level.write({key: Stored(data, 60.0, 60.0)}))
            [stored] = run(level.read([key]))
            if stored is None or stored.data != data:
                wrong.append((data, stored))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(level.transport._made) <= 3


def test_tasks_that_are_cancelled_leave_no_answer_behind(level: RedisLevel) -> None:
    async def main() -> None:
        await run_async(level.write({str(number): Stored(b"%d" % number, 60.0, 60.0) for number in range(20)}))
        for turn in range(100):
            tasks = [asyncio.create_task(run_async(level.read([str(number)]))) for number in range(20)]
            for _ in range(turn % 5):
                await asyncio.sleep(0)
            for task in tasks[turn % 3 :: 3]:
                task.cancel()
            for number, found in enumerate(await asyncio.gather(*tasks, return_exceptions=True)):
                if isinstance(found, list):
                    assert found[0].data == b"%d" % number
                else:
                    assert isinstance(found, asyncio.CancelledError)
        await level.aclose()

    asyncio.run(main())


def test_a_request_needs_no_task_of_its_own(level: RedisLevel) -> None:
    async def main() -> None:
        await run_async(level.write({"key": PLAIN}))
        made = []

        def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
            made.append(coroutine)
            return asyncio.Task(coroutine, loop=loop, **options)

        asyncio.get_running_loop().set_task_factory(factory)
        assert (await run_async(level.read(["key"])))[0] is not None
        assert made == []
        await level.aclose()

    asyncio.run(main())


def test_all_connections_in_use(redis_server: Redis) -> None:
    options = RedisOptions(max_connections=1, answer_timeout=1.0)
    with run_redis() as server, Client.from_url(server.url) as client:
        level = RedisLevel(server.url, options=options)
        run(level.read(["key"]))

        async def both() -> None:
            client.client_pause(3000)
            found = await asyncio.gather(*(run_async(level.read(["key"])) for _ in range(3)), return_exceptions=True)
            assert any("were in use" in str(each) for each in found)
            client.ping()  # answered when the pause is over
            assert await run_async(level.read(["key"])) == [None]

        asyncio.run(both())


def test_each_event_loop_has_connections_of_its_own_and_they_go_with_it(level: RedisLevel, client: Client) -> None:
    def connections() -> int:
        gc.collect()
        return len(client.client_list(_type="normal"))

    run(level.write({"key": PLAIN}))
    before = connections()
    for _ in range(5):
        assert asyncio.run(run_async(level.read(["key"]))) == [PLAIN_NOW]
    assert connections() <= before + 1
    level.close()
    assert connections() < before + 1


def test_a_forked_child_leaves_the_parents_connections_alone(level: RedisLevel) -> None:
    async def main() -> None:
        await run_async(level.write({"key": PLAIN}))
        run(level.read(["key"]))
        pid = os.fork()
        if pid == 0:  # pragma: no cover
            status = 1
            try:
                fine = [run(level.read(["key"])) for _ in range(100)] == [[PLAIN_NOW]] * 100
                level.close()
                status = 0 if fine else 2
            finally:
                os._exit(status)
        for _ in range(100):
            assert await run_async(level.read(["key"])) == [PLAIN_NOW]
            assert run(level.read(["key"])) == [PLAIN_NOW]
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert await run_async(level.read(["key"])) == [PLAIN_NOW]
        await level.aclose()

    asyncio.run(main())


def test_a_value_over_the_limit_is_not_kept_and_said_to_be(caplog: pytest.LogCaptureFixture) -> None:
    with run_redis("--proto-max-bulk-len", "1mb") as server:
        level = RedisLevel(server.url, options=RedisOptions(max_value_bytes=1 << 19, answer_timeout=20.0))
        run(level.write({"key": PLAIN, "other": PLAIN}))
        run(level.write({"key": Stored(bytes(1 << 20), 60.0, 60.0), "other": PLAIN}))
        assert "1048576 bytes is too long" in caplog.text
        assert run(level.read(["key", "other"])) == [None, PLAIN_NOW]
        beyond = RedisLevel(server.url, options=PATIENT)
        with pytest.raises(LevelFailed):
            run(beyond.write({"key": Stored(bytes(2 << 20), 60.0, 60.0)}))
        assert run(beyond.read(["other"])) == [PLAIN_NOW]


def test_what_is_no_entry_of_ours_is_not_there(level: RedisLevel, client: Client) -> None:
    run(level.write({"other": PLAIN}))
    for junk in (b"", b"short", b"\x02" + bytes(60), bytes(60)):
        client.set(part(level, "vkey"), junk)
        assert run(level.read(["key"])) == [None]
        assert run(level.lease(["key"], "one", 60.0))[0].stored is None
    client.delete(part(level, "vkey"))
    client.lpush(part(level, "vkey"), "a list")
    assert run(level.read(["key"])) == [None]
    assert run(level.lease(["key"], "one", 60.0))[0].state is LeaseState.GRANTED
    assert run(level.fill({"key": PLAIN}, "one")) == [True]
    assert run(level.read(["key"])) == [PLAIN_NOW]


@pytest.mark.parametrize("tags", [b"\xc1", b"\x93\x01", b"\xa1a", b"\x91\x01"])
def test_an_entry_with_damaged_tags_is_a_miss_and_filled_in_anew(
    level: RedisLevel, client: Client, tags: bytes
) -> None:
    cache: MultiLevelCache[str, str] = MultiLevelCache(str, levels=[level])
    other: MultiLevelCache[str, str] = MultiLevelCache(str, levels=[level])
    cache.set("key", "value")
    head = list(HEAD.unpack_from(client.get(part(level, "vkey"))))  # type: ignore[arg-type]
    client.set(part(level, "vkey"), HEAD.pack(*head[:-1], len(tags)) + tags)
    assert cache.get("key") is None
    assert cache.get_or_load("key", lambda: "new") == "new"
    assert other.get("key") == "new"


def test_a_damaged_fence_is_none(level: RedisLevel, client: Client) -> None:
    run(level.write({"key": PLAIN}))
    client.append(part(level, "f"), "more")
    assert run(level.read(["key"])) == [None]
    run(level.write({"key": PLAIN}))
    assert run(level.read(["key"])) == [PLAIN_NOW]
