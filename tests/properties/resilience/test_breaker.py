"""Whatever happens to a breaker, in whatever order: it does as a simple model does."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from perfloop.exceptions import CircuitOpen
from perfloop.resilience import FAILURE, IGNORED, SUCCESS, CircuitBreaker, CircuitState, CountWindow, TimeWindow
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from .breaker_model import ModelBreaker

OUTCOMES = st.sampled_from([SUCCESS, SUCCESS, FAILURE, FAILURE, IGNORED])
FORCED = {
    "force_open": CircuitState.FORCED_OPEN,
    "force_closed": CircuitState.FORCED_CLOSED,
    "disable": CircuitState.DISABLED,
    "reset": CircuitState.CLOSED,
}


class AsTheModel(RuleBasedStateMachine):
    @initialize(
        size=st.none() | st.integers(1, 8),
        max_failures=st.integers(1, 4),
        minimum=st.integers(1, 8),
        rate=st.sampled_from([0.25, 0.5, 1.0]),
        probes=st.integers(1, 3),
        watched=st.booleans(),
    )
    def begin(self, size, max_failures, minimum, rate, probes, watched) -> None:
        self.clock = FakeClock()
        minimum = min(minimum, size or minimum)
        if size is None:
            window = {"max_failures": max_failures}
        else:
            window = {"window": CountWindow(size, minimum_calls=minimum, failure_rate=rate, slow_call_rate=rate)}
        self.breaker = CircuitBreaker(
            reset_timeout=8.0,
            probes=probes,
            probe_timeout=4.0,
            slow_call_duration=2.0,
            clock=self.clock,
            registry=Registry(),
            **window,
        )
        if watched:
            self.breaker.on_event(lambda _: None)
        self.model = ModelBreaker(max_failures, size, minimum, rate, 8.0, probes, 4.0, 2.0)
        self.under_way = []
        self.ended = dict.fromkeys((SUCCESS, FAILURE, IGNORED), 0)
        self.rejected = 0

    @precondition(lambda self: len(self.under_way) < 6)
    @rule()
    def call_begins(self) -> None:
        token, error = None, None
        try:
            token = self.breaker.try_acquire()
        except CircuitOpen as rejection:
            error = rejection
            self.rejected += 1
        call = self.model.admit(self.clock.now())
        if error and self.breaker.state is CircuitState.OPEN:
            assert error.retry_after == max(self.model.until - self.clock.now(), 0)
        assert (token is None) == (call is None)
        if call is not None:
            self.under_way.append((token, call))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), outcome=OUTCOMES, slow=st.booleans())
    def call_ends(self, data, outcome, slow) -> None:
        token, call = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        seconds = 2.0 if slow else 1.0
        self.breaker.release(token, outcome, seconds)
        self.model.end(call, outcome, self.clock.now(), seconds)
        self.ended[outcome] += 1

    @rule(data=OUTCOMES, slow=st.booleans())
    def whole_call(self, data, slow) -> None:
        self.call_begins()
        if self.under_way:
            token, call = self.under_way.pop()
            self.breaker.release(token, data, 2.0 * slow)
            self.model.end(call, data, self.clock.now(), 2.0 * slow)
            self.ended[data] += 1

    @rule(seconds=st.sampled_from([0.5, 2.0, 4.0, 8.0]))
    def time_passes(self, seconds) -> None:
        self.clock.advance(seconds)

    @rule(order=st.sampled_from(sorted(FORCED)))
    def somebody_orders(self, order) -> None:
        getattr(self.breaker, order)()
        self.model.move(FORCED[order])

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.breaker.state is self.model.state
        window = self.model.in_window()
        calls, failed, slow = self.breaker.rates
        assert (calls, failed, slow) == (len(window), *(sum(each[kind] for each in window) for kind in (0, 1)))
        assert self.breaker._core.probes_in_flight <= self.model.probes
        counts = self.breaker.counts()
        assert counts["successful"] + counts["slow_successful"] == self.ended[SUCCESS]
        assert counts["failed"] + counts["slow_failed"] == self.ended[FAILURE]
        assert (counts["ignored"], counts["not_permitted"]) == (self.ended[IGNORED], self.rejected)


TestAsTheModel = AsTheModel.TestCase
TestAsTheModel.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)


@given(
    st.lists(st.tuples(st.floats(0.0, 6.0), st.sampled_from([SUCCESS, FAILURE]), st.booleans()), max_size=60),
    st.floats(0.0, 12.0),
)
def test_a_time_window_holds_what_ended_in_its_seconds_to_a_tenth(calls, rest) -> None:
    clock = FakeClock()
    window = TimeWindow(10.0, minimum_calls=1000)
    breaker = CircuitBreaker(window=window, slow_call_duration=1.0, clock=clock, registry=Registry())

    @breaker
    def call(outcome: int, slow: bool) -> None:
        clock.advance(1.5 * slow)
        if outcome == FAILURE:
            raise OSError

    ends = []
    for pause, outcome, slow in calls:
        clock.advance(pause)
        try:
            call(outcome, slow)
        except OSError:
            pass
        ends.append((clock.now(), True, outcome == FAILURE, slow))
    clock.advance(rest)
    now = clock.now()
    for kind, counted in enumerate(breaker.rates, 1):
        surely = sum(each[kind] for each in ends if now - each[0] < 9.0 - 1e-6)
        at_most = sum(each[kind] for each in ends if now - each[0] <= 10.0 + 1e-6)
        assert surely <= counted <= at_most
