"""What counts as heard, as missed and as deaf."""

from __future__ import annotations

import pytest

from perfloop.caching.backplane import Invalidation
from perfloop.caching.backplane.watch import MOST_MISSING, Event, Kind, Message, Numbers, Signal, Watch

GAP, DEAF = Signal.GAP, Signal.DEAF


def said(number: int, publisher: str = "peer") -> Message:
    return Message(publisher, number, Kind.INVALIDATION, 0.0, Invalidation((str(number),)))


def beat(number: int, publisher: str = "peer", kind: Kind = Kind.HEARTBEAT) -> Message:
    return Message(publisher, number, kind, 0.0)


def mine(sent: float) -> Message:
    return Message("me", 0, Kind.HEARTBEAT, sent)


@pytest.fixture
def watch() -> Watch:
    watch = Watch("me", deaf_after=3.0, patience=0.5)
    assert watch.deaf
    assert watch.connected(0.0) == []
    assert watch.heard(mine(0.0), 0.0) == [GAP]
    return watch


def heard(watch: Watch, *messages: Message) -> list[Event]:
    return [event for message in messages for event in watch.heard(message, 0.0)]


def keys(*numbers: int) -> list[Invalidation]:
    return [Invalidation((str(number),)) for number in numbers]


def test_whoever_begins_now_is_heard_without_a_gap(watch: Watch) -> None:
    assert heard(watch, beat(0), said(1), said(2), beat(2)) == keys(1, 2)
    assert watch.tick(1.0) == []


@pytest.mark.parametrize("first", [said(2), beat(1)])
def test_whoever_had_begun_before_counts_as_a_gap(watch: Watch, first: Message) -> None:
    assert heard(watch, first)[-1] == GAP
    assert GAP not in heard(watch, said(3), said(2))


@pytest.mark.parametrize("after", [said(3), beat(2)])
def test_a_number_that_does_not_come_is_a_gap(watch: Watch, after: Message) -> None:
    assert GAP not in heard(watch, said(1), after)
    assert watch.tick(0.4) == []
    assert watch.tick(0.6) == [GAP]
    assert watch.tick(1.0) == []


def test_a_number_that_comes_late_is_none(watch: Watch) -> None:
    assert heard(watch, said(1), said(3), said(2), said(2)) == keys(1, 3, 2, 2)
    assert watch.tick(1.0) == []


def test_a_heartbeat_is_not_what_it_counts(watch: Watch) -> None:
    assert heard(watch, said(1), beat(2), beat(2)) == keys(1)
    assert watch.tick(0.6) == [GAP]


def test_too_many_missing_are_not_waited_for(watch: Watch) -> None:
    assert heard(watch, said(1), said(MOST_MISSING + 3))[-1] == GAP


def test_a_gap_covers_all_that_is_missing(watch: Watch) -> None:
    heard(watch, said(1), said(3))
    assert watch.undecodable() == [GAP]
    assert watch.tick(1.0) == []


def test_who_does_not_hear_itself_is_deaf(watch: Watch) -> None:
    assert watch.tick(3.0) == []
    assert watch.tick(3.1) == [DEAF]
    assert watch.tick(9.0) == []
    assert watch.heard(mine(9.0), 9.0) == [GAP]
    assert watch.tick(9.1) == []


def test_its_own_old_messages_do_not_count() -> None:
    watch = Watch("me")
    assert watch.connected(10.0) == []
    assert watch.heard(mine(9.9), 10.0) == []  # sent over another connection
    assert watch.heard(mine(10.0), 14.0) == []  # older than it may be
    assert watch.heard(mine(13.0), 14.0) == [GAP]


def test_a_lost_connection_is_deaf_at_once_and_the_new_one_a_gap(watch: Watch) -> None:
    assert watch.lost() == [DEAF]
    assert watch.lost() == []
    assert watch.connected(5.0) == []
    assert heard(watch, said(1)) == keys(1)
    assert watch.undecodable() == []
    assert watch.heard(mine(5.0), 5.0) == [GAP]
    assert watch.tick(7.0) == []


def test_whoever_falls_silent_may_have_said_something(watch: Watch) -> None:
    heard(watch, said(1))
    watch.heard(mine(3.0), 3.0)
    assert watch.tick(3.1) == [GAP]
    assert watch.tick(3.2) == []
    assert heard(watch, said(2))[-1] == GAP


def test_a_hold_that_was_lost_is_a_gap_again_when_its_holder_falls_silent(watch: Watch) -> None:
    """What was loaded after the first gap may be old: the holder may have changed something before he died."""
    watch.heard(beat(0), 1.1)
    watch.heard(beat(1), 1.2)  # the hold, its first message, did not come
    assert watch.tick(1.8) == [Signal.GAP]
    watch.heard(mine(4.0), 4.0)
    assert watch.tick(4.3) == [Signal.GAP]


def test_a_goodbye_is_not_silence(watch: Watch) -> None:
    assert heard(watch, said(1), beat(1, kind=Kind.GOODBYE)) == keys(1)
    watch.heard(mine(9.0), 9.0)
    assert watch.tick(9.1) == []


@pytest.mark.parametrize("before", [[said(1)], [said(1), said(3)], []])
def test_a_goodbye_that_tells_of_more_is_a_gap(watch: Watch, before: list[Message]) -> None:
    heard(watch, *before)
    assert heard(watch, beat(3, kind=Kind.GOODBYE)) == [GAP]


def test_what_is_under_way_is_not_said_to_be_sent() -> None:
    numbers = Numbers()
    assert numbers.settled() == 0
    assert [numbers.take() for _ in range(3)] == [1, 2, 3]
    numbers.settle(3)
    numbers.settle(1)
    assert numbers.settled() == 1
    numbers.settle(2)
    assert numbers.settled() == 3


def test_what_has_no_publisher_is_told_and_never_missed() -> None:
    watch = Watch("me")
    watch.connected(0.0)
    watch.heard(Message("me", 0, Kind.HEARTBEAT, 0.0), 0.0)
    said = Invalidation(("a",))
    assert watch.heard(Message("", 0, Kind.INVALIDATION, 0.0, said), 0.1) == [said]
    watch.heard(Message("me", 0, Kind.HEARTBEAT, 9.0), 9.0)
    assert watch.tick(9.1) == []


def test_what_a_listener_cannot_take_is_a_gap_unless_it_is_deaf_anyway(watch: Watch) -> None:
    assert watch.failed(Invalidation(("k",))) == [Signal.GAP]
    assert watch.failed(Signal.GAP) == [Signal.DEAF]
    assert watch.failed(Invalidation(("k",))) == []
    assert watch.failed(Signal.DEAF) == []
