"""Processes that share a circuit, in any order of what each does: they probe one at a time, and come to agree."""

from __future__ import annotations

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from perfloop.exceptions import CircuitOpen
from perfloop.resilience import FAILURE, IGNORED, SUCCESS, CircuitState

from ...unit.resilience.circuit_breaker.processes import World

SETTLED = (CircuitState.CLOSED, CircuitState.OPEN)
NUMBERS = st.integers(0, 2)


class Sharing(RuleBasedStateMachine):
    @initialize(probes=st.integers(1, 2))
    def begin(self, probes) -> None:
        self.probes = probes
        self.world = World(3, probes=probes, probe_timeout=4.0)
        self.under_way = []

    @rule(number=NUMBERS)
    def call_begins(self, number) -> None:
        breaker = self.world.processes[number].breaker
        try:
            self.under_way.append((breaker, breaker.try_acquire()))
        except CircuitOpen:
            pass

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), outcome=st.sampled_from([SUCCESS, FAILURE, IGNORED]))
    def call_ends(self, data, outcome) -> None:
        breaker, token = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        breaker.release(token, outcome, 0.0)

    @rule(numbers=st.permutations(range(3)))
    def all_call_look_and_call(self, numbers) -> None:
        for step in (self.call_begins, self.looks, self.call_begins):
            for number in numbers:
                step(number)

    @rule(number=NUMBERS)
    def the_service_fails_and_time_passes(self, number) -> None:
        breaker = self.world.processes[number].breaker
        with contextlib.suppress(CircuitOpen):
            breaker.release(breaker.try_acquire(), FAILURE, 0.0)
        self.time_passes(1.0, 11)

    @rule(number=NUMBERS)
    def looks(self, number) -> None:
        self.world.processes[number].sharing.attempt()

    @rule(number=NUMBERS)
    def is_reset(self, number) -> None:
        self.world.processes[number].breaker.reset()

    @rule(seconds=st.sampled_from([0.25, 1.0, 1.75]), parts=st.integers(1, 6))
    def time_passes(self, seconds, parts) -> None:
        for _ in range(parts):
            self.world.clock.advance(seconds)
            self.world.step()  # nobody's view gets too old

    @rule()
    def all_come_to_agree(self) -> None:
        for _ in range(4):
            self.world.step()
        states = self.world.states
        if CircuitState.HALF_OPEN in states:
            assert states.count(CircuitState.HALF_OPEN) <= 2  # one whose right is over need not have asked again
            assert CircuitState.CLOSED not in states
        else:
            assert len(set(states)) == 1

    @invariant()
    def few_probe_at_one_time(self) -> None:
        if not hasattr(self, "world"):
            return
        now = self.world.clock.now()
        young = [
            began
            for process in self.world
            for began in process.breaker._core._probes.values()
            if now - began < 4.0  # an older one is given up when the next asks
        ]
        assert len(young) <= self.probes


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
