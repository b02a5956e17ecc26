"""Keys that come and go: what is open stays so until its time, unless somebody is told."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from perfloop.exceptions import CircuitOpen
from perfloop.resilience import CircuitBreaker, CircuitState, KeyedCircuitBreaker
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

MAX_KEYS = 3
STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["succeed", "fail"]), st.sampled_from([0.0, 0.0, 0.0, 3.0, 12.0])),
    max_size=80,
)


def call(breaker, outcome: str, key: int) -> bool:
    def body(key: int) -> None:
        if outcome == "fail":
            raise OSError

    try:
        with contextlib.suppress(OSError):
            breaker.execute(body, key)
    except CircuitOpen:
        return False
    return True


@given(STEPS, st.integers(1, 2))
def test_no_key_that_is_open_is_let_in_before_its_time_unless_that_was_told(steps, max_failures) -> None:
    clock = FakeClock()
    keyed = KeyedCircuitBreaker(
        max_failures, 10.0, key=lambda key: key, max_keys=MAX_KEYS, clock=clock, registry=Registry()
    )
    loud = set()
    keyed.on_event(lambda event: event.event == "evicted" and loud.add(event.attributes["key"]))
    open_until: dict[int, float] = {}
    for key, outcome, pause in steps:
        clock.advance(pause)
        own = key in keyed._entries
        let_in = call(keyed, outcome, key)
        if own and key in open_until and clock.now() < open_until[key] and str(key) not in loud:
            assert not let_in
        loud.discard(str(key))
        open_until.pop(key, None)
        if key in keyed._entries and keyed.state(key) is CircuitState.OPEN:
            open_until[key] = keyed._entries[key].circuit.core.open_until
        assert len(keyed._entries) <= MAX_KEYS
        for each, until in open_until.items():  # whoever came
            if clock.now() < until:
                assert keyed.state(each) is CircuitState.OPEN


@given(STEPS, st.integers(1, 3))
def test_with_room_for_all_each_key_has_a_breaker_of_its_own(steps, max_failures) -> None:
    clock, registry = FakeClock(), Registry()
    keyed = KeyedCircuitBreaker(max_failures, 10.0, key=lambda key: key, clock=clock, registry=registry)
    alone = {key: CircuitBreaker(max_failures, 10.0, clock=clock, registry=registry) for key in range(6)}
    for key, outcome, pause in steps:
        clock.advance(pause)
        assert call(keyed, outcome, key) == call(alone[key], outcome, key)
        assert keyed.state(key) is alone[key].state
    assert keyed.counts() == {name: sum(each.counts()[name] for each in alone.values()) for name in keyed.results}
