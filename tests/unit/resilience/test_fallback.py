from __future__ import annotations

import asyncio

import pytest

from perfloop.caching import EntryOptions, MemoryLevel, MultiLevelCache, SQLiteLevel
from perfloop.exceptions import AsyncMisuse, CallTimedOut, CircuitOpen, InvalidValue
from perfloop.resilience import Policy, Timeout
from perfloop.resilience.fallback import Fallback
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock


def made(**settings) -> Fallback:
    return Fallback(name="shop", registry=Registry(), **settings)


@pytest.fixture(params=["execute", "decorator", "aexecute", "async decorator", "in a policy", "async in a policy"])
def call(request):
    """Calls `body` with arguments through a fallback."""

    def through(part, body, *args, **kwargs):
        async def awaited(*args, **kwargs):
            await asyncio.sleep(0)
            return body(*args, **kwargs)

        if "policy" in request.param:
            part = Policy(part, Timeout(60, registry=Registry()), registry=Registry())
        if "async" not in request.param and request.param != "aexecute":
            return part(body)(*args, **kwargs) if request.param == "decorator" else part.execute(body, *args, **kwargs)
        if request.param == "async decorator":
            return asyncio.run(part(awaited)(*args, **kwargs))
        return asyncio.run(part.aexecute(awaited, *args, **kwargs))

    return through


def fails_with(error):
    def body(*args, **kwargs):
        raise error

    return body


@pytest.mark.parametrize("error", [CircuitOpen("open"), CallTimedOut("late"), ConnectionRefusedError(), TimeoutError()])
def test_a_service_that_is_away_is_answered_for(call, error) -> None:
    part = made(value=[])
    assert call(part, fails_with(error)) == []
    assert part.counts() == {"successful": 0, "fallback": 1, "failed": 0}


def test_a_success_is_left_alone(call) -> None:
    part = made(function=lambda *_: pytest.fail("called"))
    assert call(part, lambda: "result") == "result"
    assert part.counts() == {"successful": 1, "fallback": 0, "failed": 0}


@pytest.mark.parametrize("errors", [ConnectionError, (ConnectionError, KeyError), lambda error: False])
def test_errors_it_does_not_name_pass(call, errors) -> None:
    part, error = made(value=1, errors=errors), ValueError("a defect")
    with pytest.raises(ValueError) as raised:
        call(part, fails_with(error))
    assert raised.value is error
    assert part.counts() == {"successful": 0, "fallback": 0, "failed": 1}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_what_is_no_error_passes(error) -> None:
    part = made(value=1, errors=lambda error: True)
    with pytest.raises(error):
        part.execute(fails_with(error()))
    assert part.counts() == {"successful": 0, "fallback": 0, "failed": 0}


def test_a_function_is_given_the_error_and_the_arguments(call) -> None:
    error = ConnectionError("gone")
    part = made(function=lambda error, name, *, page: (str(error), name, page))
    assert call(part, fails_with(error), "ada", page=2) == ("gone", "ada", 2)


async def test_a_coroutine_function_is_awaited() -> None:
    async def other(error, name) -> str:
        await asyncio.sleep(0)
        return f"{name} from elsewhere"

    async def fails(name) -> str:
        raise ConnectionError

    assert await made(function=other)(fails)("ada") == "ada from elsewhere"
    assert await made(function=other).aexecute(fails, "ada") == "ada from elsewhere"


def test_a_coroutine_function_is_refused_in_threads() -> None:
    async def other(error) -> None: ...

    part = made(function=other)
    with pytest.raises(AsyncMisuse, match="other"):
        part.execute(fails_with(ConnectionError()))
    assert part.counts()["failed"] == 1


def test_misuse_is_never_answered_for() -> None:
    async def function() -> None: ...

    with pytest.raises(AsyncMisuse):
        made(value=1, errors=Exception)(lambda: function())()


def test_a_fallback_that_fails_raises_its_own_error_and_keeps_the_first(call) -> None:
    first = ConnectionError("first")
    part = made(function=lambda error: [][0])
    with pytest.raises(IndexError) as raised:
        call(part, fails_with(first))
    assert raised.value.__context__ is first
    assert part.counts() == {"successful": 0, "fallback": 0, "failed": 1}


def test_a_predicate_that_raises_is_heard(call) -> None:
    part = made(value=1, errors=lambda error: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call(part, fails_with(ConnectionError()))
    assert part.counts()["failed"] == 1


def test_what_a_cache_still_has_is_an_answer(call) -> None:
    part = made(cache={"user:7": "ada"}, key=lambda number: f"user:{number}")
    assert call(part, fails_with(ConnectionError()), 7) == "ada"
    error = ConnectionError()
    with pytest.raises(ConnectionError) as raised:
        call(part, fails_with(error), 8)
    assert raised.value is error
    assert part.counts() == {"successful": 0, "fallback": 1, "failed": 1}


@pytest.mark.parametrize("below", ["nothing", "memory", "sqlite"])
def test_a_multi_level_cache_answers_with_what_is_stale(call, below, tmp_path) -> None:
    clock = FakeClock()
    options = EntryOptions(ttl=10, jitter=0, stale_on_error=60)
    levels = {
        "nothing": [],
        "memory": [MemoryLevel("second", clock=clock)],
        "sqlite": [SQLiteLevel(tmp_path / "cache.sqlite3", clock=clock)],
    }[below]
    cache = MultiLevelCache(str, key=int, levels=levels, options=options, clock=clock)
    cache.get_or_load(7, lambda: "ada")
    # Another process has nothing of its own: the level answers.
    other = MultiLevelCache(str, key=int, levels=levels, options=options, clock=clock) if levels else cache
    parts = [made(cache=each, key=lambda number: number) for each in (cache, other)]
    assert [call(part, fails_with(ConnectionError()), 7) for part in parts] == ["ada", "ada"]
    clock.advance(11)
    assert cache.get(7) is None
    assert [call(part, fails_with(ConnectionError()), 7) for part in parts] == ["ada", "ada"]
    with pytest.raises(ConnectionError):
        call(parts[0], fails_with(ConnectionError()), 8)
    clock.advance(60)
    for part in parts:
        with pytest.raises(ConnectionError):
            call(part, fails_with(ConnectionError()), 7)
    for level in levels:
        getattr(level, "close", bool)()


def test_events_tell_what_was_answered_for() -> None:
    part, told = made(value=1), []
    part.on_event(lambda event: told.append((event.event, dict(event.attributes))))
    part.execute(fails_with(ConnectionResetError()))
    assert told == [("fallback", {"error": "ConnectionResetError"})]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"value": 1, "function": print},
        {"cache": {}},
        {"value": 1, "key": print},
        {"function": "print"},
        {"cache": {}, "key": "id"},
        {"cache": object(), "key": print},
        {"cache": type("Cache", (), {"get_stale": None, "get": print})(), "key": print},
        {"value": 1, "errors": "OSError"},
    ],
)
def test_settings_are_checked(settings) -> None:
    with pytest.raises(InvalidValue):
        Fallback(**settings)


def test_none_is_a_value() -> None:
    assert made(value=None).execute(fails_with(ConnectionError())) is None


def test_it_says_what_it_is() -> None:
    assert str(made(value=1, errors=OSError).describe()) == "fallback 'shop': to=value, errors=<class 'OSError'>"
