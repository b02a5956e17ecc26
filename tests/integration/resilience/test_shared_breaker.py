"""Breakers of several processes and one Redis: slow, stopped, gone and back."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from perfloop.exceptions import CircuitOpen
from perfloop.resilience import CircuitBreaker, CircuitState, RedisSharedState
from perfloop.telemetry import Registry

from ...servers.redis import run_redis

ROOT = Path(__file__).parents[3]
OPEN, CLOSED = CircuitState.OPEN, CircuitState.CLOSED
PATIENCE = 20.0


def wait_until(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def make(url: str, name: str, reset_timeout: float = 3600.0, **settings) -> CircuitBreaker:
    state = RedisSharedState(lambda: redis.Redis.from_url(url, socket_timeout=5))
    return CircuitBreaker(
        1, reset_timeout, name=name, shared_state=state, shared_interval=0.05, registry=Registry(), **settings
    )


def fail(breaker: CircuitBreaker) -> None:
    with pytest.raises(ZeroDivisionError):
        breaker.execute(lambda: 1 / 0)


def is_let_in(breaker: CircuitBreaker) -> bool:
    try:
        breaker.execute(int)
    except CircuitOpen:
        return False
    return True


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name


def test_breakers_of_one_name_open_and_close_together(redis_server, name) -> None:
    first, second, other = (make(redis_server.url, each) for each in (name, name, f"{name}-other"))
    fail(first)
    wait_until(lambda: second.state is OPEN)
    assert second.retry_after == pytest.approx(first.retry_after, abs=PATIENCE)
    assert other.state is CLOSED
    with pytest.raises(CircuitOpen, match="1 calls in a row failed"):
        second.execute(int)
    second.reset()
    wait_until(lambda: first.state is CLOSED)


def test_with_text_for_answers_it_is_the_same(redis_server, name) -> None:
    state = RedisSharedState(lambda: redis.Redis.from_url(redis_server.url, decode_responses=True))
    assert state.open(name, "me", 0, 60.0, "why ✓").done
    view = state.read(name)
    assert (view.version, view.is_open, view.reason) == (1, True, "why ✓")
    assert 0 < view.remaining <= 60
    assert not state.open(name, "me", 0, 60.0, "again").done
    assert not state.claim(name, "me", 1.0).done
    assert state.close(name, 1).done
    assert not state.close(name, 1).done
    assert state.open(name, "me", 2, 0.0, "over at once").done
    assert [state.claim(name, who, 60.0).done for who in ("me", "you", "me")] == [True, False, True]
    assert not state.open(name, "you", 3, 60.0, "while another may probe").done
    client = redis.Redis.from_url(redis_server.url)
    assert 0 < client.pttl(f"perfloop:circuit:{name}") <= 2 * 86_400_000  # nothing is kept for ever


def test_while_the_service_is_down_few_calls_of_all_processes_reach_it(redis_server, name) -> None:
    workers, reset_timeout = 3, 0.5
    client = redis.Redis.from_url(redis_server.url)
    command = [sys.executable, "-m", "tests.integration.resilience.breaker_worker"]
    with contextlib.ExitStack() as stack:
        stack.callback(client.set, f"{name}:state", "stop")
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, redis_server.url, name, str(reset_timeout)], stdout=subprocess.PIPE, text=True, cwd=ROOT
                )
            )
            for _ in range(workers)
        ]
        wait_until(lambda: int(client.get(f"{name}:ready") or 0) == workers)
        wait_until(lambda: int(client.get(f"{name}:calls") or 0) >= 100)
        client.set(f"{name}:state", "down")
        client.set(f"{name}:calls", 0)
        began = time.monotonic()
        time.sleep(3)
        calls = int(client.get(f"{name}:calls"))
        seconds = time.monotonic() - began
        # One or two of each until all have heard, and then one probe of all each time the timeout is over.
        assert 1 <= calls <= 2 * workers + seconds / reset_timeout
        client.set(f"{name}:state", "up")
        wait_until(lambda: int(client.get(f"{name}:calls")) >= calls + 300)
        client.set(f"{name}:state", "stop")
        for process in processes:
            answered, state = process.communicate()[0].split()
            assert int(answered) > 0
            assert state == "CLOSED"


def test_no_call_waits_for_a_redis_that_has_stopped(name) -> None:
    with run_redis() as server:
        breaker = make(server.url, name, 0.5)
        wait_until(lambda: breaker._core.gated_until > time.monotonic())
        os.kill(server.pid, signal.SIGSTOP)
        try:
            slowest = 0.0
            for call in (lambda: fail(breaker), *[lambda: is_let_in(breaker)] * 200):
                began = time.perf_counter()
                call()
                slowest = max(slowest, time.perf_counter() - began)
            assert breaker.state is OPEN
            assert slowest < 4  # less than the client would wait
            wait_until(lambda: is_let_in(breaker))  # on its own, when what it has heard is too old
            assert breaker.state is CLOSED
        finally:
            os.kill(server.pid, signal.SIGCONT)


def test_redis_goes_and_comes_back_empty(name) -> None:
    told = []
    with run_redis() as server:
        breakers = [make(server.url, name) for _ in range(2)]
        breakers[0].on_event(lambda event: told.append(event.event))
        fail(breakers[0])
        wait_until(lambda: breakers[1].state is OPEN)
    wait_until(lambda: "shared_state_lost" in told)
    assert not any(is_let_in(breaker) for breaker in breakers)
    breakers[0].reset()
    with run_redis(port=server.port):
        wait_until(lambda: "shared_state_back" in told)
        wait_until(lambda: breakers[1].state is CLOSED)
        fail(breakers[1])
        wait_until(lambda: breakers[0].state is OPEN)


def test_a_fork_shares_on(redis_server, name) -> None:
    breaker = make(redis_server.url, name)
    child = os.fork()
    if child == 0:
        try:
            with contextlib.suppress(ZeroDivisionError):
                breaker.execute(lambda: 1 / 0)
            deadline = time.monotonic() + PATIENCE
            while breaker.state is OPEN and time.monotonic() < deadline:  # until the parent resets it
                time.sleep(0.01)
            os._exit(breaker.state)
        finally:
            os._exit(99)
    wait_until(lambda: breaker.state is OPEN)
    breaker.reset()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == CLOSED
