"""Instrumented calls: the outermost counts, inside a segment only."""

from __future__ import annotations

import time
from queue import Empty
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.agent import events as ev
from perfloop.agent.calls import time_method, time_wait
from perfloop.agent.hooks import sleep, sqlalchemy
from perfloop.agent.state import CURRENT, Request, close_segment, open_segment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def request_in_hand() -> Iterator[Request]:
    """A request with a segment running on this thread."""
    request = Request("GET", None)
    token = CURRENT.set(request)
    segment = open_segment(request, ev.THREAD)
    assert segment is not None
    yield request
    close_segment(segment)
    CURRENT.reset(token)


def kinds(request: Request) -> list[int]:
    return request.events[:: ev.WIDTH]


class Client:
    def outer(self) -> str:
        return self.inner() + "!"

    def inner(self) -> str:
        return "answer"

    async def awaited(self) -> str:
        return "later"

    def fails(self) -> None:
        raise LookupError


def instrumented() -> Client:
    owner: Any = type("Client", (Client,), {})
    time_method(owner, "outer", ev.UPSTREAM)
    time_method(owner, "inner", ev.BLOCKING)
    time_method(owner, "fails", ev.BLOCKING)
    time_method(owner, "missing", ev.BLOCKING)
    time_wait(owner, "awaited", ev.WAIT_UPSTREAM)
    return owner()  # type: ignore[no-any-return]


async def test_calls_and_waits(request_in_hand: Request) -> None:
    client = instrumented()
    assert client.outer() == "answer!"
    assert client.inner() == "answer"
    assert await client.awaited() == "later"
    with pytest.raises(LookupError):
        client.fails()
    assert kinds(request_in_hand) == [ev.UPSTREAM, ev.BLOCKING, ev.WAIT_UPSTREAM, ev.BLOCKING]
    assert not hasattr(client, "missing")


async def test_outside_a_request_nothing_is_recorded() -> None:
    client = instrumented()
    assert client.outer() == "answer!"
    assert await client.awaited() == "later"


def test_time_sleep_may_be_an_attribute_of_a_class(request_in_hand: Request) -> None:
    module = SimpleNamespace(sleep=time.sleep)
    sleep.apply(module)

    class Retry:
        pause = module.sleep

    Retry().pause(0)
    assert kinds(request_in_hand) == [ev.BLOCKING]
    with pytest.raises(TypeError):
        module.sleep("long")


def test_waiting_for_a_pooled_connection(request_in_hand: Request) -> None:
    import sqlalchemy.util.queue as queue

    module = SimpleNamespace(
        Queue=type("Queue", (queue.Queue,), {}),
        AsyncAdaptedQueue=type("AsyncAdaptedQueue", (queue.AsyncAdaptedQueue,), {}),
    )
    sqlalchemy.apply(module)
    pool = module.Queue()
    pool.put("connection")
    assert pool.get() == "connection"
    with pytest.raises((queue.Empty, Empty)):
        pool.get(True, 0.001)
    assert kinds(request_in_hand)[-1] == ev.POOL
