"""A gate lets a call in once and hears once how it ended, whatever becomes of it."""

from __future__ import annotations

import asyncio
import functools
import gc

import pytest

from perfloop.exceptions import AsyncMisuse, CallRejected, InvalidValue
from perfloop.resilience import FAILURE, IGNORED, SUCCESS, Classification, Description, Gate, live_parts
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock


class Turnstile(Gate[int]):
    kind = "turnstile"
    results = ("ended",)
    gauge_names = ("inside",)

    def __init__(self, *, closed: bool = False, waits: bool = False, **settings) -> None:
        self.closed, self.waits = closed, waits
        self.admitted, self.ended = 0, []
        super().__init__(**settings)

    def try_acquire(self) -> int | None:
        if self.closed:
            raise CallRejected("closed")
        return None if self.waits else self.acquire()

    def acquire(self) -> int:
        self.admitted += 1
        return self.admitted

    async def aacquire(self) -> int:
        await asyncio.sleep(0)
        return self.acquire()

    def release(self, token, outcome, seconds) -> None:
        self.ended.append((token, outcome, seconds))

    def describe(self) -> Description:
        return Description(self.kind, self.name, {"closed": self.closed})

    def counts(self):
        return {"ended": len(self.ended)}

    def gauges(self):
        return {"inside": self.admitted - len(self.ended)}


def calls(gate: Turnstile):
    """Every way to call something behind a gate, as functions of the something: its result or its error."""

    def guarded(body):
        with gate.guard():
            return body()

    async def awaiting(body):
        return body()

    async def guarding(body):
        async with gate.guard():
            return body()

    return {
        "execute": lambda body: gate.execute(body),
        "decorator": lambda body: gate(lambda: body())(),
        "guard": guarded,
        "aexecute": lambda body: asyncio.run(gate.aexecute(awaiting, body)),
        "async decorator": lambda body: asyncio.run(gate(awaiting)(body)),
        "async guard": lambda body: asyncio.run(guarding(body)),
    }


WAYS = sorted(calls(Turnstile(registry=Registry())))


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("error", "outcome"),
    [(None, SUCCESS), (ValueError("no"), FAILURE), (KeyError("?"), IGNORED), (KeyboardInterrupt(), IGNORED)],
)
def test_every_way_to_call_ends_what_it_began(way, error, outcome, waits) -> None:
    clock = FakeClock()
    gate = Turnstile(waits=waits, classification=Classification(ignored=LookupError), clock=clock, registry=Registry())

    def body():
        clock.advance(0.25)
        if error is not None:
            raise error
        return "result"

    if error is None:
        assert calls(gate)[way](body) == "result"
    else:
        with pytest.raises(type(error)) as raised:
            calls(gate)[way](body)
        assert raised.value is error
    assert gate.ended == [(1, outcome, 0.25)]


@pytest.mark.parametrize("way", WAYS)
def test_who_is_rejected_never_calls(way) -> None:
    gate = Turnstile(closed=True, registry=Registry())
    with pytest.raises(CallRejected, match="closed"):
        calls(gate)[way](lambda: pytest.fail("called"))
    assert gate.ended == []


@pytest.mark.parametrize("way", ["execute", "decorator", "aexecute", "async decorator"])
def test_a_predicate_that_raises_is_heard_and_the_call_says_nothing(way) -> None:
    def broken(_: object) -> bool:
        raise ZeroDivisionError

    gate = Turnstile(classification=Classification(failure=broken, failed_result=broken), registry=Registry())
    for body in (lambda: 1, lambda: [][0]):
        with pytest.raises(ZeroDivisionError):
            calls(gate)[way](body)
    assert [outcome for _, outcome, _ in gate.ended] == [IGNORED, IGNORED]


def test_a_coroutine_is_refused_where_nobody_would_await_it() -> None:
    async def function() -> int:
        return 1

    gate = Turnstile(registry=Registry())
    for call in (lambda: gate.execute(function), gate(lambda: function())):
        with pytest.raises(AsyncMisuse, match=r"function.*'.*function'"):
            call()
    assert [outcome for _, outcome, _ in gate.ended] == [IGNORED, IGNORED]


def test_a_plain_function_is_refused_where_it_would_be_awaited() -> None:
    gate = Turnstile(registry=Registry())
    with pytest.raises(AsyncMisuse, match="to await"):
        asyncio.run(gate.aexecute(lambda: 1))
    assert [outcome for _, outcome, _ in gate.ended] == [IGNORED]


def test_generators_are_refused() -> None:
    def numbers():
        yield 1

    async def anumbers():
        yield 1

    for function in (numbers, anumbers):
        with pytest.raises(AsyncMisuse, match="generator"):
            Turnstile(registry=Registry())(function)


def test_a_decorated_function_keeps_its_name_and_is_seen_to_be_async_in_any_clothes() -> None:
    class Callable:
        async def __call__(self) -> str:
            return "callable"

    async def function(word: str) -> str:
        """What it does."""
        return word

    gate = Turnstile(registry=Registry())
    assert (gate(function).__name__, gate(function).__doc__) == ("function", "What it does.")
    assert asyncio.run(gate(functools.partial(function, "partial"))()) == "partial"
    assert asyncio.run(gate(Callable())()) == "callable"


def test_cancelled_in_the_call_it_is_left_and_says_nothing() -> None:
    gate = Turnstile(registry=Registry())

    async def scene() -> None:
        task = asyncio.ensure_future(gate.aexecute(asyncio.sleep, 3600))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert [outcome for _, outcome, _ in gate.ended] == [IGNORED]


def test_parts_of_one_name_are_counted_together_and_a_part_that_is_gone_stays_counted() -> None:
    registry = Registry()
    one, other = (Turnstile(name="doors", registry=registry) for _ in range(2))
    one.execute(int)
    other.execute(int)
    other.acquire()

    def value(name: str) -> float:
        return {family.name: family.series[0].value for family in registry.collect()}[name]

    assert (value("perfloop.turnstile.calls"), value("perfloop.turnstile.inside")) == (2, 1)
    del other
    gc.collect()
    one.execute(int)
    assert (value("perfloop.turnstile.calls"), value("perfloop.turnstile.inside")) == (3, 0)


def test_listeners_hear_events_until_they_stop_and_harm_nobody(caplog) -> None:
    registry, heard = Registry(), []
    gate = Turnstile(name="doors", clock=FakeClock(7.0), registry=registry)

    def broken(_: object) -> None:
        raise ZeroDivisionError

    gate.on_event(broken)
    end = gate.on_event(heard.append)
    gate._emit("stuck", door=2)
    end()
    gate._emit("free")
    assert [(event.at, event.kind, event.name, event.event, event.attributes) for event in heard] == [
        (7.0, "turnstile", "doors", "stuck", {"door": 2})
    ]
    assert "a listener of turnstile 'doors' raised on 'stuck'" in caplog.text


def test_live_parts_are_those_in_use() -> None:
    gate = Turnstile(name="kept", registry=Registry())
    Turnstile(name="gone", registry=Registry())
    gc.collect()
    names = {part.name for part in live_parts()}
    assert gate.name in names
    assert "gone" not in names


def test_a_name_is_text() -> None:
    with pytest.raises(InvalidValue, match="name"):
        Turnstile(name=3, registry=Registry())
    assert Turnstile(registry=Registry()).name == "turnstile"


def test_interrupted_by_the_reading_of_its_clock_it_is_released() -> None:
    class Interrupting:
        def __init__(self) -> None:
            self.left = 0

        def now(self) -> float:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return 0.0

    clock = Interrupting()
    gate = Turnstile(clock=clock, registry=Registry())
    clock.left = 1
    with pytest.raises(KeyboardInterrupt):
        gate(int)()
    assert gate.admitted == 1
    assert gate.gauges() == {"inside": 0}
