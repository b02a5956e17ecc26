"""The thread that listens, over a hub in this process."""

from __future__ import annotations

import gc
import logging
import os
import queue
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from perfloop.caching.backplane import Backplane, Invalidation
from perfloop.caching.backplane.listening import ListeningBackplane
from perfloop.caching.effects import Call, Program, run
from perfloop.exceptions import LevelFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30.0


class Hub:
    """Carries what is sent to all that are connected."""

    def __init__(self) -> None:
        self.channels: list[HubChannel] = []
        self.up = True

    def send(self, payload: bytes) -> None:
        if not self.up:
            raise LevelFailed("the hub is down")
        for channel in list(self.channels):
            channel.inbox.put(payload)

    async def send_async(self, payload: bytes) -> None:
        self.send(payload)

    def open(self) -> HubChannel:
        if not self.up:
            raise LevelFailed("the hub is down")
        return HubChannel(self)

    def publish(self, payload: bytes) -> Program[None]:
        yield Call(self, payload)

    def fall(self) -> None:
        self.up = False
        for channel in list(self.channels):
            channel.inbox.put(None)


class HubChannel:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.inbox: queue.Queue[bytes | None] = queue.Queue()
        hub.channels.append(self)

    def send(self, payload: bytes) -> None:
        self.hub.send(payload)

    def receive(self, timeout: float) -> bytes | None:
        try:
            payload = self.inbox.get(timeout=timeout)
        except queue.Empty:
            return None
        if payload is None:
            raise LevelFailed("the hub is down")
        return payload

    def close(self) -> None:
        self.hub.channels.remove(self)


class Ear:
    """A backplane and what it has told."""

    def __init__(self, hub: Hub, **options: Any) -> None:
        self.backplane = ListeningBackplane("hub", open_channel=hub.open, send=hub.publish, **options)
        self.told: queue.Queue[Any] = queue.Queue()

    def listen(self) -> None:
        self.backplane.listen(self.told.put, lambda: self.told.put("gap"), lambda: self.told.put("deaf"))

    def next(self) -> Any:
        return self.told.get(timeout=PATIENCE)

    def until(self, wanted: Any) -> list[Any]:
        found = [self.next()]
        while found[-1] != wanted:
            found.append(self.next())
        return found


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def ears(hub: Hub) -> Iterator[list[Ear]]:
    ears = [Ear(hub), Ear(hub)]
    for ear in ears:
        ear.listen()
        assert [ear.next(), ear.next()] == ["deaf", "gap"]
    yield ears
    for ear in ears:
        ear.backplane.close()


def test_it_is_a_backplane(ears: list[Ear]) -> None:
    assert isinstance(ears[0].backplane, Backplane)


def test_others_are_told_and_oneself_is_not(ears: list[Ear]) -> None:
    one, two = ears
    said = Invalidation(("a", "b"), ("tag",))
    run(one.backplane.publish(said))
    assert two.until(said)[-1] == said
    run(two.backplane.publish(Invalidation(all=True)))
    assert one.until(Invalidation(all=True))
    assert said not in list(one.told.queue)


def test_an_outage_is_deaf_and_then_a_gap(hub: Hub, ears: list[Ear], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        hub.fall()
        for ear in ears:
            ear.until("deaf")
        with pytest.raises(LevelFailed):
            run(ears[0].backplane.publish(Invalidation(("lost",))))
        hub.up = True
        for ear in ears:
            assert ear.until("gap")
    assert [record.getMessage() for record in caplog.records if "trying again" in record.getMessage()]


def test_what_failed_is_missed_by_the_others(hub: Hub, ears: list[Ear]) -> None:
    one, two = ears
    run(one.backplane.publish(Invalidation(("first",))))
    two.until(Invalidation(("first",)))
    channels, hub.channels = hub.channels, []  # nobody hears this
    run(one.backplane.publish(Invalidation(("lost",))))
    hub.channels = channels
    two.until("gap")


@pytest.mark.parametrize(
    "payload",
    [b"\xc1nonsense", *(msgspec.msgpack.encode(("other", number, 1, 0.0)) for number in (-1, 2**53, 2**64 - 1))],
)
def test_what_cannot_be_read_is_reported_and_a_gap(
    hub: Hub, ears: list[Ear], caplog: pytest.LogCaptureFixture, payload: bytes
) -> None:
    with caplog.at_level(logging.WARNING):
        hub.send(payload)
        for ear in ears:
            ear.until("gap")
    assert "cannot be read" in caplog.text


class Deafened(Ear):
    """A listener that cannot take some of what it is told."""

    def __init__(self, hub: Hub, fails_at: str, times: int = 1) -> None:
        super().__init__(hub)
        self.fails_at, self.times = fails_at, times

    def take(self, event: Any) -> None:
        self.told.put(event)
        if self.times and self.fails_at in {event, type(event).__name__}:
            self.times -= 1
            raise ValueError("no")

    def listen(self) -> None:
        self.backplane.listen(self.take, lambda: self.take("gap"), lambda: self.take("deaf"))


def test_what_a_listener_could_not_take_is_reported_and_a_gap(
    hub: Hub, ears: list[Ear], caplog: pytest.LogCaptureFixture
) -> None:
    third, said = Deafened(hub, "Invalidation", times=2), Invalidation(("a",))
    third.listen()
    third.until("gap")
    for _ in range(2):
        run(ears[0].backplane.publish(said))
        assert third.until(said) == [said]
        assert third.next() == "gap"
    run(ears[0].backplane.publish(Invalidation(("b",))))
    assert third.next() == Invalidation(("b",))
    third.backplane.close()
    assert third.next() == "deaf"
    assert "a listener failed" in caplog.text


def test_a_listener_that_could_not_take_a_gap_is_deaf_until_it_can(hub: Hub, ears: list[Ear]) -> None:
    third = Deafened(hub, "gap", times=2)
    third.listen()
    told = ["deaf", "gap", "deaf", "gap", "deaf", "gap"]
    assert [third.next() for _ in told] == told
    run(ears[0].backplane.publish(Invalidation(("a",))))
    assert third.until(Invalidation(("a",)))[:-1] == []
    third.backplane.close()


def test_a_listener_that_could_not_take_being_deaf_is_told_again(hub: Hub) -> None:
    ear = Deafened(hub, "deaf", times=0)
    ear.listen()
    ear.until("gap")
    ear.times = 1
    hub.fall()
    assert [ear.next(), ear.next()] == ["deaf", "deaf"]
    ear.backplane.close()


def test_who_listens_later_is_told_that_it_hears(hub: Hub) -> None:
    ear = Ear(hub)
    run(ear.backplane.publish(Invalidation(("a",))))
    ear.listen()
    assert [ear.next(), ear.next()] == ["deaf", "gap"]
    ear.backplane.close()


def test_close_ends_the_thread_and_publishing_starts_it_anew(hub: Hub) -> None:
    ear = Ear(hub)
    ear.listen()
    ear.until("gap")
    ear.backplane.close()
    ear.backplane.close()
    assert ear.until("deaf")
    assert hub.channels == []
    run(ear.backplane.publish(Invalidation(("a",))))
    assert ear.until("gap")
    ear.backplane.close()


def test_large_invalidations_go_in_parts(hub: Hub) -> None:
    one, two = Ear(hub, largest=1000), Ear(hub)
    two.listen()
    two.until("gap")
    keys = tuple(f"key {number}" for number in range(300))
    run(one.backplane.publish(Invalidation(keys, ("tag",), holder="token", held_for=2.0, missed=("redis",))))
    run(one.backplane.publish(Invalidation(("k" * 2000,), missed=("redis",))))
    last = Invalidation(all=True, missed=("redis",))
    heard = [each for each in two.until(last) if isinstance(each, Invalidation)][:-1]
    assert sorted(key for each in heard for key in each.keys) == sorted(keys)
    assert [each.tags for each in heard if each.tags] == [("tag",)]
    assert {(each.holder, each.held_for, each.missed) for each in heard} == {("token", 2.0, ("redis",))}
    for ear in (one, two):
        ear.backplane.close()


def test_a_forked_child_has_a_thread_of_its_own(hub: Hub) -> None:
    ear = Ear(hub)
    ear.listen()
    ear.until("gap")
    thread = ear.backplane._thread
    assert thread is not None
    read, write = os.pipe()
    gc.collect()
    pid = os.fork()
    if pid == 0:  # pragma: no cover
        try:
            hub.channels.clear()
            ear.told = queue.Queue()
            ear.listen()
            found = ear.until("gap")
            mine = ear.backplane._thread
            fine = found == ["deaf", "gap"] and mine is not None and mine.publisher != thread.publisher
            os.write(write, b"fine" if fine else repr(found).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    assert os.read(read, 100) == b"fine"
    os.close(read)
    ear.backplane.close()
