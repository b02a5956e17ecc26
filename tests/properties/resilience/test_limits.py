"""Whatever calls end how: limits stay in their bounds, throttles and shedders keep count."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from perfloop.exceptions import CallThrottled, LoadShed
from perfloop.resilience import Aimd, ClientThrottle, Criticality, Gradient, LoadShedder, priority
from perfloop.resilience.shedding.line import Line
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

OUTCOMES = st.sampled_from([0, 1, 2])
UPDATES = st.lists(
    st.tuples(
        st.floats(0, 1e5),
        st.one_of(st.floats(0, 100), st.sampled_from([0.0, -1.0, math.nan, math.inf])),
        st.integers(1, 2000),
        st.booleans(),
    ),
    max_size=400,
)


@given(UPDATES, st.sampled_from(["gradient", "aimd"]))
def test_a_limit_stays_within_its_bounds(updates, kind):
    limit = (
        Gradient(initial=10, minimum=2, maximum=50)
        if kind == "gradient"
        else Aimd(target=1, initial=10, minimum=2, maximum=50)
    )
    now = 0.0
    for wait, rtt, inflight, dropped in updates:
        now += wait
        limit.update(now, rtt, inflight, dropped)
        assert 2 <= limit.limit <= 50


@given(
    st.lists(
        st.tuples(st.floats(0, 200), st.floats(0, 1, exclude_max=True), OUTCOMES, st.integers(0, 5)), max_size=200
    ),
    st.floats(1, 10),
)
def test_a_throttle_keeps_count(calls, multiplier):
    clock, draws = FakeClock(), []
    throttle = ClientThrottle(multiplier=multiplier, clock=clock, random=lambda: draws[-1], registry=Registry())
    under_way = []
    asked = 0
    for wait, draw, outcome, keep in calls:
        clock.advance(wait)
        draws.append(draw)
        asked += 1
        try:
            under_way.append((throttle.try_acquire(), outcome))
        except CallThrottled:
            assert draw < 0.9
        while len(under_way) > keep:
            throttle.release(*under_way.pop(0), 0.0)
        requests, accepts = throttle._window.judged()
        assert 0 <= accepts <= requests + throttle._window._young <= asked
        assert 0 <= throttle.gauges()["rejection_probability"] <= 0.9
    for each in under_way:
        throttle.release(*each, 0.0)
    assert sum(throttle.counts().values()) == asked
    clock.advance(1000)
    throttle.gauges()
    assert throttle._window.judged() == (0, 0)


@given(
    st.lists(
        st.tuples(st.floats(0, 0.2), st.sampled_from(Criticality), st.sampled_from(["join", "next", "expire", "leave"]))
    )
)
def test_a_line_loses_nobody(steps):
    line, waiting, now = Line(size=5, target=0.01, interval=0.1), [], 0.0
    for wait, criticality, action in steps:
        now += wait
        if action == "join":
            waiter, evicted = line.join(now, criticality)
            if evicted is not None:
                assert evicted.criticality < criticality
                waiting.remove(evicted)
            if waiter is not None:
                waiting.append(waiter)
            else:
                assert all(each.criticality >= criticality for each in waiting)
        elif action == "next" and waiting:
            taken = line.next(now, "token")
            assert taken.admitted == "token"
            assert taken.criticality == max(each.criticality for each in waiting)
            waiting.remove(taken)
        elif action == "expire":
            longest = line.longest_wait(now)
            for each in line.expired(now):
                assert now - each.since > longest
                waiting.remove(each)
        elif action == "leave" and waiting:
            line.leave(waiting.pop(0))
        assert len(line) == len(waiting) <= 5
        assert all(not each.over for each in waiting)


class Shedding(RuleBasedStateMachine):
    """Calls of all priorities come and go while the limit moves."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.algorithm = Gradient(initial=10, minimum=1, maximum=30)
        self.shedder = LoadShedder(
            self.algorithm, max_waiting=0, clock=self.clock, registry=Registry(), random=lambda: 0.5
        )
        self.inside: list[int] = []
        self.asked = 0

    @rule(important=st.sampled_from(Criticality))
    def ask(self, important):
        self.asked += 1
        share = self.shedder._shares[important]
        fits = len(self.inside) < max(1, int(self.algorithm.limit * share))
        try:
            with priority(important):
                self.inside.append(self.shedder.try_acquire())
        except LoadShed:
            assert not fits
        else:
            assert fits

    @precondition(lambda self: self.inside)
    @rule(outcome=OUTCOMES, seconds=st.floats(0, 10))
    def end(self, outcome, seconds):
        self.clock.advance(seconds)
        self.shedder.release(self.inside.pop(), outcome, seconds)

    @invariant()
    def counted(self):
        assert self.shedder.gauges()["in_flight"] == len(self.inside)
        assert sum(self.shedder.counts().values()) + len(self.inside) == self.asked


TestShedding = Shedding.TestCase
TestShedding.settings = settings(max_examples=50, deadline=None)
