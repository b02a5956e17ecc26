"""A breaker opens when it has to, finds out when the service works again, and is otherwise out of the way."""

from __future__ import annotations

import pytest

from perfloop.exceptions import CircuitOpen, InvalidValue
from perfloop.resilience import CircuitBreaker, CircuitState, Classification, CountWindow, TimeWindow
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

CLOSED, OPEN, HALF_OPEN, RECOVERING = list(CircuitState)[:4]


class World:
    """A breaker with a clock, and calls that end as told."""

    def __init__(self, *arguments, **settings) -> None:
        self.clock = settings.setdefault("clock", FakeClock())
        self.registry = settings.setdefault("registry", Registry())
        self.breaker = CircuitBreaker(*arguments, **settings)
        self.told = []
        self._call = self.breaker(self._body)

    def _body(self, error, seconds, inside) -> str:
        self.clock.advance(seconds)
        inside()
        if error is not None:
            raise error
        return "result"

    def succeed(self, times: int = 1, *, seconds: float = 0.0, inside=lambda: None) -> None:
        for _ in range(times):
            assert self._call(None, seconds, inside) == "result"

    def fail(self, times: int = 1, *, error: BaseException | None = None, seconds: float = 0.0, inside=lambda: None):
        for _ in range(times):
            with pytest.raises(type(error or OSError())):
                self._call(error or OSError(), seconds, inside)

    def is_let_in(self) -> bool:
        try:
            self.succeed()
        except CircuitOpen:
            return False
        return True

    def rejected(self) -> CircuitOpen:
        with pytest.raises(CircuitOpen) as raised:
            self._call(None, 0, lambda: pytest.fail("called"))
        return raised.value

    @property
    def state(self) -> CircuitState:
        return self.breaker.state


def test_the_guides_breaker_opens_after_failures_in_a_row_and_closes_after_a_probe() -> None:
    world = World(3, 30.0)
    world.fail(2)
    world.succeed()  # the row ends
    world.fail(2)
    assert world.state is CLOSED
    world.fail()
    assert world.state is OPEN
    world.clock.advance(29.9)
    world.rejected()
    world.clock.advance(0.1)
    world.succeed()
    assert world.state is CLOSED
    world.fail(2)  # counted from nothing
    assert world.state is CLOSED


def test_a_failed_probe_opens_it_again() -> None:
    world = World(1, 10.0)
    world.fail()
    world.clock.advance(10)
    world.fail()
    assert (world.state, world.breaker.retry_after) == (OPEN, 10.0)


def test_a_rejection_tells_why_and_until_when() -> None:
    world = World(window=CountWindow(10, minimum_calls=4), name="payments")
    world.succeed(2)
    world.fail(2)
    world.clock.advance(12)
    rejection = world.rejected()
    assert str(rejection) == (
        "Expected circuit 'payments' to let the call through; it is open: 2 of the last 4 calls failed, 50%; "
        "retry after 18.0 s"
    )
    assert rejection.retry_after == 18.0


@pytest.mark.parametrize(
    ("force", "said"), [("force_open", "it is forced open"), (None, "it is half-open, and as many probes as may")]
)
def test_a_rejection_without_an_end_in_sight_names_none(force, said) -> None:
    world = World(1, 10.0)
    if force:
        world.breaker.force_open()
        rejection = world.rejected()
    else:
        world.fail()
        world.clock.advance(10)
        rejections = []
        world.succeed(inside=lambda: rejections.append(world.rejected()))
        rejection = rejections[0]
    assert said in str(rejection)
    assert rejection.retry_after is None


def test_a_count_window_judges_the_last_calls_only() -> None:
    world = World(window=CountWindow(10, failure_rate=0.5, minimum_calls=4))
    world.fail(3)
    assert world.state is CLOSED  # fewer than the minimum
    world.succeed(8)
    world.fail()
    assert world.breaker.rates == (10, 2, 0)  # of the first three failures the oldest two are forgotten
    world.fail(3)
    assert world.breaker.rates == (10, 4, 0)
    world.fail()
    assert world.state is OPEN


def test_a_time_window_judges_the_last_seconds_only() -> None:
    world = World(window=TimeWindow(10.0, failure_rate=0.5, minimum_calls=4))
    world.fail(3)
    world.clock.advance(11)
    world.succeed(3)
    world.fail(2)
    assert world.breaker.rates == (5, 2, 0)
    assert world.state is CLOSED
    world.fail()
    assert world.state is OPEN


def test_a_time_window_counts_quick_successes_in_the_tenth_they_end_in() -> None:
    world = World(window=TimeWindow(10.0, minimum_calls=100))
    for _ in range(30):
        world.succeed(5)
        world.clock.advance(0.5)
    world.fail()
    calls = world.breaker.rates.calls
    assert 5 * 18 <= calls - 1 <= 5 * 22  # ten seconds, to a tenth


def test_slow_calls_open_it_too() -> None:
    world = World(window=CountWindow(10, minimum_calls=4, slow_call_rate=0.5), slow_call_duration=1.0)
    world.succeed(2)
    world.succeed(2, seconds=1.0)
    assert world.state is OPEN
    assert "2 of the last 4 calls were slow" in str(world.rejected())
    assert world.breaker.counts()["slow_successful"] == 2


def test_slow_calls_count_in_a_row_as_failures_do() -> None:
    world = World(2, slow_call_duration=1.0)
    world.succeed(seconds=2)
    world.fail()
    assert world.state is OPEN


def test_probes_are_judged_by_the_rates_of_the_window() -> None:
    world = World(window=CountWindow(10, minimum_calls=1), probes=4)
    world.fail()
    world.clock.advance(30)
    world.fail()
    world.succeed(3)  # one of four: below one half
    assert world.state is CLOSED
    world.fail()
    world.clock.advance(30)
    world.succeed()
    world.fail(2)
    assert world.state is OPEN


def test_the_reset_timeout_grows_while_probes_fail_and_starts_again_after_a_recovery() -> None:
    world = World(1, 10.0, reset_backoff=2.0, max_reset_timeout=35.0)
    world.fail()
    for expected in (10.0, 20.0, 35.0, 35.0):
        assert world.breaker.retry_after == expected
        world.clock.advance(expected)
        world.fail()
    world.clock.advance(35)
    world.succeed()
    world.fail()
    assert world.breaker.retry_after == 10.0


def test_after_the_probes_a_share_goes_through_that_grows() -> None:
    world = World(1, 10.0, recovery_time=100.0)
    world.fail()
    world.clock.advance(10)
    world.succeed()
    assert world.state is RECOVERING
    shares = []
    for _ in range(10):
        let_in = 0
        for _ in range(100):
            let_in += world.is_let_in()
        shares.append(let_in)
        world.clock.advance(10)
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(11, abs=1)
    assert shares[-1] == pytest.approx(91, abs=1)
    assert world.is_let_in()
    assert world.state is CLOSED


def test_a_failure_while_it_recovers_opens_it_for_longer() -> None:
    world = World(1, 10.0, recovery_time=100.0, reset_backoff=3.0)
    world.fail()
    world.clock.advance(10)
    world.succeed()
    world.fail()
    assert (world.state, world.breaker.retry_after) == (OPEN, 30.0)


def test_forced_and_disabled_it_does_as_told_until_it_is_reset() -> None:
    world = World(1, 10.0)
    breaker = world.breaker
    breaker.force_open()
    world.clock.advance(1000)
    assert not world.is_let_in()
    breaker.force_closed()
    world.fail(5)
    assert (world.state, breaker.rates.failed) == (CircuitState.FORCED_CLOSED, 5)
    breaker.disable()
    world.fail(5)
    assert (world.state, breaker.rates.calls) == (CircuitState.DISABLED, 0)
    breaker.reset()
    assert (world.state, breaker.rates.calls) == (CLOSED, 0)
    world.fail()
    assert world.state is OPEN
    breaker.reset()
    assert world.is_let_in()


def test_results_are_counted_each_under_one_name_and_published() -> None:
    world = World(1, 10.0, slow_call_duration=1.0, classification=Classification(ignored=KeyError))
    world.succeed(3)
    world.fail(error=KeyError())
    world.fail(seconds=2)
    world.rejected()
    world.clock.advance(10)
    world.succeed(seconds=0.5)
    assert world.breaker.counts() == {
        "successful": 4,
        "failed": 0,
        "slow_successful": 0,
        "slow_failed": 1,
        "ignored": 1,
        "not_permitted": 1,
    }
    calls = {family.name: family for family in world.registry.collect()}["perfloop.circuit_breaker.calls"]
    assert {each.labels: each.value for each in calls.series}["circuit_breaker", "successful"] == 4


def test_events_are_told_with_their_reasons() -> None:
    world = World(1, 10.0)
    told = []
    end = world.breaker.on_event(lambda event: told.append((event.event, dict(event.attributes))))
    world.succeed()
    world.fail()
    world.rejected()
    world.clock.advance(10)
    world.succeed()
    assert [event for event, _ in told] == [
        "success", "failure_rate_exceeded", "state_transition", "error", "not_permitted", "state_transition",
        "state_transition", "success",
    ]  # fmt: skip
    assert told[2][1] == {"from_state": "CLOSED", "to_state": "OPEN", "reason": "1 calls in a row failed or were slow"}
    end()
    world.succeed()
    assert len(told) == 8
    assert world.breaker.counts()["successful"] == 3


@pytest.mark.parametrize(
    "settings",
    [
        {"max_failures": 0},
        {"max_failures": -1},
        {"max_failures": 1.5},
        {"max_failures": True},
        {"reset_timeout": 0},
        {"reset_timeout": -1},
        {"reset_timeout": float("nan")},
        {"reset_timeout": float("inf")},
        {"reset_timeout": "30"},
        {"max_failures": 3, "window": CountWindow()},
        {"probes": 0},
        {"probe_timeout": 0},
        {"slow_call_duration": -1},
        {"recovery_time": -1},
        {"reset_backoff": 0.5},
        {"max_reset_timeout": 1.0},
    ],
    ids=str,
)
def test_settings_out_of_their_range_are_refused(settings) -> None:
    with pytest.raises(InvalidValue, match=next(iter(settings))):
        CircuitBreaker(**settings)


@pytest.mark.parametrize(
    ("window", "settings"),
    [
        (CountWindow, {"size": 0}),
        (CountWindow, {"size": 10, "minimum_calls": 11}),
        (CountWindow, {"failure_rate": 0}),
        (TimeWindow, {"seconds": 0}),
        (TimeWindow, {"slow_call_rate": 1.1}),
        (TimeWindow, {"minimum_calls": 0}),
    ],
)
def test_windows_out_of_their_range_are_refused(window, settings) -> None:
    with pytest.raises(InvalidValue, match=next(iter(settings))):
        window(**settings)


def test_an_argument_that_there_is_none_of_is_refused_by_its_name() -> None:
    with pytest.raises(
        TypeError, match=r"^CircuitBreaker got an unexpected keyword argument 'probe'.* probe_timeout, "
    ):
        CircuitBreaker(3, probe=2)  # type: ignore[call-arg]
