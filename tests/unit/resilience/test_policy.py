"""A policy is its parts, in the documented order, as one."""

from __future__ import annotations

import asyncio
import dataclasses
import gc

import pytest

from perfloop.exceptions import AsyncMisuse, CallRejected, InvalidValue
from perfloop.resilience import FAILURE, IGNORED, SUCCESS, Classification, Description, Part, Policy, Retry
from perfloop.resilience.policy import ORDER
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from .gates import Around, Door


class Again(Around):
    """Calls a second time after an error."""

    kind = "retry"

    def wrap(self, function):
        def twice(*args, **kwargs):
            try:
                return function(*args, **kwargs)
            except ValueError:
                return function(*args, **kwargs)

        return twice

    def awrap(self, function):
        async def twice(*args, **kwargs):
            try:
                return await function(*args, **kwargs)
            except ValueError:
                return await function(*args, **kwargs)

        return twice


def of_kind(kind: str, base: type = Door, **settings) -> Part:
    return type(kind, (base,), {"kind": kind})(**settings)


KINDS = [kind for kind in ORDER if kind != "thread_pool_bulkhead"]  # which would have plain functions only


def one_of_each(log: list[str]) -> list[Part]:
    waits = {"circuit_breaker", "rate_limiter", "bulkhead", "adaptive_limit", "throttle"}
    return [of_kind(kind, Door if kind in waits else Around, log=log) for kind in KINDS]


def call(policy, function, *args):
    """Both ways, one after the other."""

    async def awaited(*args):
        return function(*args)

    return policy.execute(function, *args), asyncio.run(policy.aexecute(awaited, *args))


def test_parts_in_any_order_are_put_into_the_documented_one() -> None:
    log: list[str] = []
    policy = Policy(*reversed(one_of_each(log)))
    assert [part.kind for part in policy.parts] == KINDS
    assert call(policy, lambda x: log.append("call") or x, 7) == (7, 7)
    once = [f"+{kind}" for kind in KINDS] + ["call"] + [f"-{kind}" for kind in reversed(KINDS)]
    assert log == once * 2


def test_order_as_given_is_left_as_it_is() -> None:
    log: list[str] = []
    policy = Policy(*reversed(one_of_each(log)), order="as given")
    call(policy, lambda: log.append("call"))
    once = [f"+{kind}" for kind in reversed(KINDS)] + ["call"] + [f"-{kind}" for kind in KINDS]
    assert log == once * 2


def test_parts_of_one_kind_stay_as_given() -> None:
    first, second = of_kind("bulkhead", name="host"), of_kind("bulkhead", name="all")
    assert Policy(first, second).parts == (first, second)
    assert Policy(second, first).parts == (second, first)


def test_a_policy_is_a_part_of_another() -> None:
    log: list[str] = []
    inner = Policy(of_kind("bulkhead", log=log))
    outer = Policy(inner, of_kind("fallback", Around, log=log))
    call(outer, lambda: log.append("call"))
    assert log == ["+fallback", "+bulkhead", "call", "-bulkhead", "-fallback"] * 2


def test_it_decorates_functions_and_coroutine_functions() -> None:
    gate = Door()
    policy = Policy(gate, of_kind("retry", Again), order="as given")

    @policy
    def plain(x: int) -> int:
        """Doc."""
        return x + 1

    @policy
    async def coroutine(x: int) -> int:
        return x + 1

    assert (plain(1), asyncio.run(coroutine(2)), plain.__doc__) == (2, 3, "Doc.")
    assert gate.open_tokens == set()
    with pytest.raises(AsyncMisuse, match="generator"):
        policy(_generator)


def _generator():
    yield 1


def test_all_gates_hear_the_same_outcome_and_time_in_reverse_order() -> None:
    clock = FakeClock()
    gates = [Door(name=name, clock=clock) for name in "abc"]
    policy = Policy(*gates, order="as given")
    log: list[str] = []
    for gate in gates:
        gate.log = log

    def slow() -> None:
        clock.advance(2)
        raise ValueError

    for run in (lambda: policy.execute(slow), lambda: asyncio.run(policy.aexecute(_awaiting(slow)))):
        log.clear()
        with pytest.raises(ValueError):
            run()
        assert log == ["+a", "+b", "+c", "-c", "-b", "-a"]
        assert [gate.ended[-1] for gate in gates] == [(FAILURE, 2.0)] * 3


def _awaiting(function):
    async def awaiting(*args):
        return function(*args)

    return awaiting


def test_a_wait_at_a_gate_is_no_time_of_the_call() -> None:
    clock = FakeClock()
    outer, inner = Door(clock=clock), Door(clock=clock, waits=3)
    Policy(outer, inner, order="as given").execute(clock.advance, 1)
    assert outer.ended == inner.ended == [(SUCCESS, 1.0)]


def test_a_rejection_further_inside_is_nobodys_failure() -> None:
    outer, inner, last = Door(), Door(rejects=True), Door()
    policy = Policy(outer, inner, last, order="as given")
    with pytest.raises(CallRejected):
        policy.execute(lambda: 1)
    with pytest.raises(CallRejected):
        asyncio.run(policy.aexecute(_awaiting(lambda: 1)))
    assert outer.ended == [(IGNORED, 0.0)] * 2
    assert (last.admitted, inner.ended) == (0, [])


def test_a_wait_that_is_cancelled_gives_back_what_was_admitted() -> None:
    outer, inner = Door(), Door(waits=1)
    policy = Policy(outer, inner, order="as given")

    async def main() -> None:
        task = asyncio.ensure_future(policy.aexecute(_awaiting(lambda: 1)))
        await asyncio.sleep(0)
        assert len(outer.open_tokens) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert (outer.ended, inner.admitted) == ([(IGNORED, 0.0)], 0)


def test_the_policys_classification_decides_for_all_gates() -> None:
    strict = Classification(failed_result=lambda result: result == 503)
    gates = Door(), Door(classification=strict)
    assert Policy(*gates).classification is strict
    call(Policy(*gates), lambda: 503)
    assert [gate.ended[-1][0] for gate in gates] == [FAILURE, FAILURE]
    lenient = Classification(ignored=ValueError)
    with pytest.raises(ValueError):
        Policy(*gates, classification=lenient).execute(int, "x")
    assert [gate.ended[-1][0] for gate in gates] == [IGNORED, IGNORED]
    with pytest.raises(InvalidValue, match="one classification"):
        Policy(Door(classification=strict), Door(classification=lenient))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_an_interruption_is_no_failure_and_leaves_nothing_held(error: type[BaseException]) -> None:
    gates = Door(), Door()

    def interrupted() -> None:
        raise error

    with pytest.raises(error):
        Policy(*gates).execute(interrupted)
    assert [gate.ended for gate in gates] == [[(IGNORED, 0.0)]] * 2


def test_a_predicate_that_raises_leaves_nothing_held() -> None:
    def broken(_: object) -> bool:
        raise RuntimeError("predicate")

    gates = Door(), Door()
    policy = Policy(*gates, classification=Classification(failed_result=broken, ignored=broken))
    for function in (int, lambda: int("x")):
        with pytest.raises(RuntimeError, match="predicate"):
            policy.execute(function)
        with pytest.raises(RuntimeError, match="predicate"):
            asyncio.run(policy.aexecute(_awaiting(function)))
    assert [[outcome for outcome, _ in gate.ended] for gate in gates] == [[IGNORED] * 4] * 2


def test_a_release_that_is_interrupted_does_not_keep_the_others() -> None:
    outer, inner = Door(), Door(interrupted=KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        Policy(outer, inner, order="as given").execute(int)
    assert outer.ended == inner.ended == [(SUCCESS, 0.0)]


def test_a_coroutine_in_a_thread_is_refused_and_counts_for_nothing() -> None:
    gate = Door()
    with pytest.raises(AsyncMisuse, match="not a coroutine"):
        Policy(gate).execute(_awaiting(int))
    with pytest.raises(AsyncMisuse, match="something to await"):
        asyncio.run(Policy(gate).aexecute(int))
    assert [outcome for outcome, _ in gate.ended] == [IGNORED, IGNORED]


def test_recorders_hear_of_each_attempt() -> None:
    clock = FakeClock(50)
    policy = Policy(of_kind("retry", Again, clock=clock), Door(clock=clock))
    heard: list[tuple[float, float, int]] = []
    end = policy.on_outcome(lambda *told: heard.append(told))
    results = iter([ValueError, 1])

    def flaky() -> int:
        clock.advance(1)
        result = next(results)
        if result is ValueError:
            raise ValueError
        return result

    assert policy.execute(flaky) == 1
    assert heard == [(50.0, 1.0, FAILURE), (51.0, 1.0, SUCCESS)]
    end()
    end()
    policy.execute(int)
    assert len(heard) == 2


def test_recorders_hear_of_policies_without_gates_and_not_of_rejections() -> None:
    heard: list[object] = []
    policies = Policy(of_kind("retry", Again)), Policy(of_kind("timeout", Around)), Policy(Door(rejects=True))
    for policy in policies:
        policy.on_outcome(lambda *told: heard.append(told[2]))
    for policy in policies[:2]:
        call(policy, int)
    with pytest.raises(CallRejected):
        policies[2].execute(int)
    assert heard == [SUCCESS] * 4


def test_a_recorder_that_raises_is_logged_and_the_call_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    policy = Policy(Door())
    policy.on_outcome(lambda *_: 1 / 0)
    assert policy.execute(int) == 0
    assert "recorder" in caplog.text


def test_a_gate_that_runs_calls_itself_is_called_by_its_wrap() -> None:
    class Pool(Door):
        kind = "bulkhead"
        alone = True

        def wrap(self, function):
            self.log.append("pool")
            return super().wrap(function)

    log: list[str] = []
    pool, breaker = Pool(log=log, name="pool"), of_kind("circuit_breaker", name="breaker")
    assert Policy(pool, breaker).execute(int) == 0
    assert log == ["pool", "+pool", "-pool"]
    assert len(breaker.ended) == 1


def test_policies_that_repeat_calls_see_each_other() -> None:
    inner, outer = Policy(of_kind("retry", Again)), Policy(of_kind("retry", Again))
    between, plain = Policy(Door()), Policy(Door())
    assert outer.called == ()
    outer.execute(between.execute, inner.execute, int)
    plain.execute(inner.execute, int)
    assert (outer.called, between.called, plain.called, inner.called) == ((inner,), (), (), ())
    told = Policy(Door(), calls=[inner])
    assert told.called == (inner,)

    asyncio.run(inner.aexecute(outer.aexecute, _awaiting(int)))
    assert inner.called == (outer,)


def test_a_policy_that_is_gone_is_not_called_any_more() -> None:
    outer = Policy(of_kind("retry", Again))
    outer.execute(Policy(of_kind("retry", Again)).execute, int)
    gc.collect()
    assert outer.called == ()


def test_a_coroutine_dropped_in_the_middle_leaves_no_trace() -> None:
    gate = Door()
    policy = Policy(of_kind("retry", Again), gate)

    async def main() -> None:
        import contextvars

        running = policy.aexecute(asyncio.sleep, 60)
        contextvars.copy_context().run(running.send, None)
        running.close()

    asyncio.run(main())
    assert [outcome for outcome, _ in gate.ended] == [IGNORED]


def test_it_describes_itself_as_a_tree_and_as_data() -> None:
    registry = Registry()
    parts = [of_kind(kind, name="shop", registry=registry) for kind in ("circuit_breaker", "bulkhead")]
    policy = Policy(of_kind("timeout", Around), *parts, of_kind("retry", Again), name="shop", registry=registry)
    described = policy.describe()
    assert str(described) == (
        "policy 'shop'\n"
        "└ retry 'retry': waits=0\n"
        "  ├ circuit_breaker 'shop': waits=0\n"
        "  └ bulkhead 'shop': waits=0\n"
        "    └ timeout 'timeout': waits=0\n"
        "      └ the call"
    )
    real = Retry(3, idempotent=True, name="shop", registry=registry)
    long = Policy(policy, real, order="as given", registry=registry)
    assert max(map(len, str(long.describe()).splitlines())) <= 78
    assert repr(policy) == "<Policy 'shop'>"
    data = dataclasses.asdict(described)
    assert [part["kind"] for part in data["parts"]] == ["retry", "circuit_breaker", "bulkhead", "timeout"]
    assert data["settings"]["made_at"].startswith(__file__)
    outer = str(Policy(Door(name="all"), policy, order="as given").describe())
    assert outer.startswith("policy 'policy'\n└ bulkhead 'all': waits=0\n  └ policy 'shop'\n    └ retry 'retry'")


@pytest.mark.parametrize(
    ("parts", "settings", "message"),
    [
        ([], {}, "at least one part"),
        ([7], {}, "Expected parts"),
        ([of_kind("retry", Again), of_kind("retry", Again)], {}, "Expected one retry"),
        ([of_kind("sieve")], {}, "whose place is known"),
        ([Door()], {"order": "any"}, "as given"),
        ([Door()], {"calls": [int]}, "policies"),
        ([Door(), Door(clock=FakeClock())], {}, "one clock"),
        ([Door()], {"name": 7}, "a name"),
    ],
)
def test_what_makes_no_policy_is_refused(parts: list, settings: dict, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        Policy(*parts, **settings)


def test_one_part_twice_is_refused() -> None:
    gate = Door()
    with pytest.raises(InvalidValue, match="once"):
        Policy(gate, gate)


def test_its_clock_is_that_of_its_parts() -> None:
    clock = FakeClock()
    gate = Door(clock=clock)
    Policy(gate).execute(clock.advance, 4)
    Policy(gate, Door(), clock=clock).execute(clock.advance, 5)
    assert gate.ended == [(SUCCESS, 4.0), (SUCCESS, 5.0)]


def test_description_of_a_part_is_one_line() -> None:
    assert str(Description("door", "a", {"x": 1})) == "door 'a': x=1"
