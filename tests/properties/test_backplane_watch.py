"""Whatever a network does to messages, nobody goes on serving what was invalidated."""

from __future__ import annotations

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from perfloop.caching.backplane import Invalidation
from perfloop.caching.backplane.watch import Kind, Message, Numbers, Signal, Watch

DEAF_AFTER, PATIENCE, STEP = 3.0, 0.5, 0.25
BOUND = DEAF_AFTER + 1.0 + PATIENCE + 4 * STEP

ANY = random.Random(1)
fates = st.sampled_from(["comes", "comes", "comes", "twice", "late", "lost"])
moments = st.lists(
    st.tuples(
        st.integers(0, 2),  # invalidations published
        fates,
        st.sampled_from(["", "", "", "", "reconnect", "garbled", "dies", "goodbye", "starts", "stalls"]),
        st.randoms(use_true_random=False),
    ),
    min_size=1,
    max_size=80,
)


@settings(max_examples=300, deadline=None)
@given(moments)
@example([(0, "comes", "starts", ANY), (1, "comes", "", ANY), (1, "lost", "dies", ANY)])  # only its silence tells
def test_what_is_published_is_heard_or_a_gap_or_it_is_deaf(moments: list) -> None:  # type: ignore[type-arg]
    now = 0.0
    watch = Watch("me", deaf_after=DEAF_AFTER, patience=PATIENCE)
    watch.connected(now)
    publishers, names = [], 0
    wire: list[tuple[float, Message]] = []
    unheard: dict[str, float] = {}
    deaf, stalled_until, beat = True, 0.0, 0.0

    def tell(events: list) -> None:  # type: ignore[type-arg]
        nonlocal deaf
        for event in events:
            if isinstance(event, Invalidation):
                unheard.pop(event.keys[0], None)
            elif event is Signal.GAP:
                deaf = False
                unheard.clear()
            else:
                assert not deaf
                deaf = True

    def send(message: Message, fate: str) -> None:
        if fate != "lost":
            wire.append((now + (1.5 * STEP if fate == "late" else 0.0), message))
        if fate == "twice":
            wire.append((now + 5 * STEP, message))

    for count, fate, event, shuffler in moments + [(0, "comes", "", None)] * int(BOUND / STEP + 5):
        if event == "starts" and len(publishers) < 3:
            names += 1
            publishers.append((f"peer {names}", Numbers()))
        for name, numbers in publishers:
            for _ in range(count):
                number = numbers.take()
                key = f"{name}: {number}"
                unheard[key] = now
                send(Message(name, number, Kind.INVALIDATION, now, Invalidation((key,))), fate)
                numbers.settle(number)
        if now >= beat:
            beat = now + 1.0
            for name, numbers in publishers:
                send(Message(name, numbers.settled(), Kind.HEARTBEAT, now), fate)
            send(Message("me", 0, Kind.HEARTBEAT, now), fate)
        if event in {"dies", "goodbye"} and publishers:
            name, numbers = publishers.pop()
            if event == "goodbye":
                send(Message(name, numbers.settled(), Kind.GOODBYE, now), fate)
            if name not in watch._peers:  # nobody can miss whom he has never heard
                unheard = {key: when for key, when in unheard.items() if not key.startswith(f"{name}:")}
        if event == "reconnect":
            tell(watch.lost())
            tell(watch.connected(now))
        if event == "garbled":
            tell(watch.undecodable())
        if event == "stalls":
            stalled_until = now + 2.0
        if now >= stalled_until:
            due = [message for when, message in wire if when <= now]
            wire = [(when, message) for when, message in wire if when > now]
            if shuffler is not None:
                shuffler.shuffle(due)
            for message in due:
                tell(watch.heard(message, now))
            tell(watch.tick(now))
        assert watch.deaf == deaf
        if not deaf and now >= stalled_until:
            assert all(now - published <= BOUND for published in unheard.values())
        now += STEP


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=40), st.randoms(use_true_random=False))
def test_order_and_repetition_cost_nothing(published: list, shuffler) -> None:  # type: ignore[type-arg, no-untyped-def]
    """As long as all comes in time, there is no gap."""
    watch = Watch("me")
    watch.connected(0.0)
    assert watch.heard(Message("me", 0, Kind.HEARTBEAT, 0.0), 0.0) == [Signal.GAP]
    assert watch.heard(Message("peer", 0, Kind.HEARTBEAT, 0.0), 0.0) == []
    messages, number = [], 0
    for count, beats in published:
        for _ in range(count):
            number += 1
            messages.append(Message("peer", number, Kind.INVALIDATION, 0.0, Invalidation((str(number),))))
        if beats:
            messages.append(Message("peer", number, Kind.HEARTBEAT, 0.0))
    messages += messages[::3]
    shuffler.shuffle(messages)
    events = [event for message in messages for event in [*watch.heard(message, 0.1), *watch.tick(0.1)]]
    events += watch.tick(1.0)
    assert Signal.GAP not in events
    assert {event.keys for event in events} == {(str(each),) for each in range(1, number + 1)}
