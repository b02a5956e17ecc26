"""A shedder turns away the least important first, makes a burst wait, and loses no place, whoever leaves."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from types import NoneType

import pytest

from perfloop.exceptions import InvalidValue, LoadShed
from perfloop.resilience import FAILURE, IGNORED, SUCCESS
from perfloop.resilience.aimd import Aimd
from perfloop.resilience.priority import priority
from perfloop.resilience.shedding import Criticality, LoadShedder
from perfloop.resilience.shedding.line import Line
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

PLUS, CRITICAL, SHEDDABLE_PLUS, SHEDDABLE = Criticality


def a_shedder(limit=1, **settings) -> LoadShedder:
    return LoadShedder(limit, registry=Registry(), random=lambda: 0.5, **settings)


def admitted(shedder: LoadShedder, important: int) -> int:
    """How many calls of one priority find a place."""
    count = 0
    with priority(important):
        while True:
            try:
                shedder.try_acquire()
            except LoadShed:
                return count
            count += 1


class TestPriorities:
    @pytest.mark.parametrize(
        ("important", "places"), [(PLUS, 100), (CRITICAL, 95), (SHEDDABLE_PLUS, 80), (SHEDDABLE, 60)]
    )
    def test_each_may_fill_its_share(self, important, places):
        assert admitted(a_shedder(100, max_waiting=0), important) == places

    def test_the_least_important_are_turned_away_first(self):
        shedder = a_shedder(100, max_waiting=0)
        assert [admitted(shedder, each) for each in reversed(Criticality)] == [60, 20, 15, 5]
        assert shedder.counts() == {
            "successful": 0,
            "failed": 0,
            "ignored": 0,
            "shed_critical_plus": 1,
            "shed_critical": 1,
            "shed_sheddable_plus": 1,
            "shed_sheddable": 1,
        }

    def test_one_call_always_finds_a_place(self):
        assert admitted(a_shedder(1, max_waiting=0), SHEDDABLE) == 1

    def test_all_are_critical_unless_they_say_otherwise(self):
        shedder = a_shedder(100, max_waiting=0)
        for _ in range(95):
            shedder.try_acquire()
        with pytest.raises(LoadShed):
            shedder.try_acquire()

    @pytest.mark.parametrize(("given", "counted"), [(7, "shed_critical_plus"), (-9, "shed_sheddable")])
    def test_a_function_tells_it_beyond_the_ends_too(self, given, counted):
        shedder = a_shedder(1, max_waiting=0, priority=lambda: given)
        shedder.try_acquire()
        with pytest.raises(LoadShed):
            shedder.try_acquire()
        assert shedder.counts()[counted] == 1

    def test_a_function_that_raises_admits_nothing(self):
        shedder = a_shedder(1, priority=lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            shedder.execute(int)
        assert shedder.gauges()["in_flight"] == 0

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("critical+", PLUS),
            ("CRITICAL_PLUS", PLUS),
            (" critical ", CRITICAL),
            ("sheddable-plus", SHEDDABLE_PLUS),
            ("Sheddable", SHEDDABLE),
            ("", None),
            ("1", None),
            ("critical++", None),
        ],
    )
    def test_texts(self, text, expected):
        assert Criticality.of_text(text) is expected


class TestRejection:
    def test_it_says_after_how_long_to_come_back(self):
        shedder = a_shedder(1, max_waiting=0, retry_after=4)
        shedder.try_acquire()
        with pytest.raises(LoadShed) as caught:
            shedder.try_acquire()
        assert caught.value.retry_after == 4
        with pytest.raises(LoadShed) as another:
            shedder.try_acquire()
        assert another.value is not caught.value

    def test_listeners_hear_of_it(self):
        shedder, heard = a_shedder(1, max_waiting=0), []
        shedder.on_event(heard.append)
        shedder.try_acquire()
        with priority(SHEDDABLE), pytest.raises(LoadShed):
            shedder.try_acquire()
        assert [(event.event, event.attributes) for event in heard] == [("not_permitted", {"criticality": "sheddable"})]


class TestLine:
    def line(self, size=10) -> Line:
        return Line(size=size, target=0.005, interval=0.1)

    def test_first_come_first_served_while_it_is_a_burst(self):
        line = self.line()
        waiters = [line.join(0, CRITICAL)[0] for _ in range(3)]
        assert [line.next(0.1, 7) for _ in range(3)] == waiters

    def test_last_come_first_served_once_it_has_not_been_empty_for_the_interval(self):
        line = self.line()
        waiters = [line.join(now, CRITICAL)[0] for now in (0, 0.1, 0.2)]
        assert [line.next(0.2, 7) for _ in range(3)] == waiters[::-1]

    def test_the_more_important_go_first(self):
        line = self.line()
        waiters = {each: line.join(0, each)[0] for each in (SHEDDABLE, PLUS, CRITICAL, SHEDDABLE_PLUS)}
        assert [line.next(0, 7) for _ in range(4)] == [waiters[each] for each in Criticality]

    def test_waits_are_short_once_it_has_not_been_empty_for_the_interval(self):
        line = self.line()
        old = line.join(0, CRITICAL)[0]
        assert line.expired(0.1) == []
        young = line.join(0.098, CRITICAL)[0]
        assert line.expired(0.102) == [old]
        assert line.expired(0.1025) == []
        assert line.expired(0.104) == [young]
        assert len(line) == 0

    def test_a_line_that_is_empty_because_all_were_turned_away_is_not_at_rest(self):
        line = self.line()
        line.join(0, CRITICAL)
        assert len(line.expired(0.11)) == 1
        older, newer = (line.join(now, CRITICAL)[0] for now in (1.0, 1.001))
        assert line.longest_wait(1.001) == 0.005
        assert [line.next(1.001, 7), line.next(1.001, 7)] == [newer, older]
        line.join(1.2, CRITICAL)
        assert line.longest_wait(1.2) == 0.1

    def test_an_empty_line_begins_anew(self):
        line = self.line()
        line.join(0, CRITICAL)
        line.next(5, 7)
        line.join(5, CRITICAL)
        assert not line.overloaded(5.1)

    def test_a_full_line_makes_room_for_the_more_important_only(self):
        line = self.line(2)
        first, second = (line.join(0, SHEDDABLE)[0] for _ in range(2))
        assert line.join(0, SHEDDABLE) == (None, None)
        waiter, evicted = line.join(0, CRITICAL)
        assert waiter is not None
        assert evicted is second
        assert line.join(0, PLUS)[1] is first
        assert line.join(0, CRITICAL) == (None, None)

    def test_a_line_for_nobody(self):
        assert self.line(0).join(0, PLUS) == (None, None)


class TestWaiting:
    async def test_a_burst_waits_and_is_served(self):
        shedder, done = a_shedder(2, interval=30), []

        async def work(number):
            await asyncio.sleep(0)
            done.append(number)

        await asyncio.gather(*(shedder.aexecute(work, number) for number in range(20)))
        assert done == list(range(20))
        assert shedder.counts()["successful"] == 20

    async def test_nobody_waits_longer_than_the_interval(self):
        shedder = a_shedder(1, interval=0.01, target=0.01)
        shedder.try_acquire()
        with pytest.raises(LoadShed):
            await shedder.aexecute(asyncio.sleep, 0)
        with pytest.raises(LoadShed):
            shedder.execute(int)
        assert shedder.gauges() == {"limit": 1, "in_flight": 1, "waiting": 0}
        assert shedder.counts()["shed_critical"] == 2

    async def test_a_waiter_that_is_displaced_hears_of_it(self):
        shedder = a_shedder(1, max_waiting=1, interval=30)
        token = shedder.try_acquire()
        with priority(SHEDDABLE):
            waiting = asyncio.create_task(shedder.aexecute(asyncio.sleep, 0))
        await asyncio.sleep(0)
        important = asyncio.create_task(shedder.aexecute(asyncio.sleep, 0))
        with pytest.raises(LoadShed):
            await waiting
        shedder.release(token, SUCCESS, 0)
        await important
        assert shedder.counts()["shed_sheddable"] == 1

    async def test_whoever_is_cancelled_in_the_line_takes_no_place_along(self):
        shedder = a_shedder(1, interval=30)
        token = shedder.try_acquire()
        waiting = [asyncio.create_task(shedder.aexecute(asyncio.sleep, 0)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        shedder.release(token, SUCCESS, 0)
        waiting[1].cancel()  # its place has been given to it already
        await asyncio.wait(waiting)
        assert [task.cancelled() for task in waiting] == [True, True, False]
        assert shedder.gauges() == {"limit": 1, "in_flight": 0, "waiting": 0}

    @pytest.mark.parametrize("max_waiting", [1, 2, 10])
    async def test_three_callers_may_be_cancelled_at_any_step(self, max_waiting):
        """Every pair of moments at which two of three callers are cancelled."""

        async def work():
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        steps = range(10)
        for first, second, victims in itertools.product(steps, steps, itertools.permutations(range(3), 2)):
            shedder = a_shedder(1, interval=60, target=60, max_waiting=max_waiting)
            tasks = [asyncio.create_task(shedder.aexecute(work)) for _ in range(3)]
            for step in steps:
                await asyncio.sleep(0)
                for moment, victim in zip((first, second), victims, strict=True):
                    if moment == step:
                        tasks[victim].cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, (NoneType, asyncio.CancelledError, LoadShed)) for each in results)
            assert shedder.gauges() == {"limit": 1, "in_flight": 0, "waiting": 0}
            assert (await asyncio.wait_for(shedder.aexecute(work), 20)) is None

    def test_threads_and_loops_wait_in_one_line(self):
        shedder = a_shedder(2, interval=60, target=60, max_waiting=1000)
        inside, most, lock = [0], [0], threading.Lock()

        def work():
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            with lock:
                inside[0] -= 1

        async def awork():
            work()
            await asyncio.sleep(0)

        def in_a_thread():
            for _ in range(100):
                shedder.execute(work)

        def in_a_loop():
            async def many():
                await asyncio.gather(*(shedder.aexecute(awork) for _ in range(100)))

            asyncio.run(many())

        threads = [threading.Thread(target=target) for target in (in_a_thread, in_a_loop) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert most[0] <= 2
        assert shedder.counts()["successful"] == 600
        assert shedder.gauges() == {"limit": 2, "in_flight": 0, "waiting": 0}

    def test_whose_time_is_over_in_the_moment_of_its_admission_is_let_in(self, monkeypatch):
        shedder, loop = a_shedder(1, interval=1e-3, target=1e-3, clock=FakeClock()), asyncio.new_event_loop()
        token = shedder.try_acquire()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        waiting = asyncio.run_coroutine_threadsafe(shedder.aacquire(), loop)

        def take(line, queue, place, original=Line._take):
            waiter = original(line, queue, place)
            waiting.exception(10)  # its timer has come before this goes on
            return waiter

        while not shedder.gauges()["waiting"]:
            os.sched_yield()
        monkeypatch.setattr(Line, "_take", take)
        shedder.release(token, SUCCESS, 0)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()
        shedder.release(waiting.result(), SUCCESS, 0)
        assert shedder.gauges() == {"limit": 1, "in_flight": 0, "waiting": 0}

    def test_who_is_interrupted_while_it_joins_takes_no_place_along(self):
        def interrupted():
            raise KeyboardInterrupt

        shedder = a_shedder(1, max_waiting=1, interval=60, target=60)
        token = shedder.try_acquire()
        with priority(SHEDDABLE):
            shedder._join(interrupted)
        with pytest.raises(KeyboardInterrupt):
            shedder.acquire()  # it tells who was displaced for it
        shedder.release(token, SUCCESS, 0)
        assert shedder.gauges() == {"limit": 1, "in_flight": 0, "waiting": 0}

    def test_the_place_of_who_waited_in_a_loop_that_is_closed_goes_to_the_next(self):
        shedder = a_shedder(1, interval=60, target=60)
        token = shedder.try_acquire()
        loop = asyncio.new_event_loop()
        waiting = loop.create_task(shedder.aexecute(asyncio.sleep, 0))
        loop.run_until_complete(asyncio.sleep(0))
        waiting._log_destroy_pending = False
        loop.close()
        shedder.release(token, SUCCESS, 0)
        assert shedder.gauges() == {"limit": 1, "in_flight": 0, "waiting": 0}
        waiting.get_coro().close()
        assert shedder.gauges()["in_flight"] == 0

    async def test_a_place_that_is_free_goes_to_who_comes_while_a_less_important_one_waits(self):
        shedder = a_shedder(10, interval=30)
        with priority(SHEDDABLE):
            tokens = [shedder.try_acquire() for _ in range(6)]
            waiting = asyncio.create_task(shedder.aexecute(asyncio.sleep, 0))
        await asyncio.sleep(0)
        assert shedder.gauges()["waiting"] == 1
        assert shedder.try_acquire() is not None
        for token in tokens:
            shedder.release(token, SUCCESS, 0)
        await waiting


def test_an_algorithm_decides_the_limit():
    clock = FakeClock()
    shedder = a_shedder(Aimd(target=1), clock=clock)
    for outcome, seconds in ((SUCCESS, 2), (IGNORED, 2), (FAILURE, 5)):
        clock.advance(10)
        shedder.release(shedder.try_acquire(), outcome, seconds)
    assert shedder.gauges()["limit"] == 16
    assert shedder.counts()["failed"] == 1


def test_a_fork_begins_with_nothing_in_flight():
    shedder = a_shedder(1, max_waiting=0)
    token = shedder.try_acquire()
    child = os.fork()
    if child == 0:
        try:
            shedder.release(token, SUCCESS, 0)
            os._exit(0 if shedder.execute(int) == 0 and shedder.gauges()["in_flight"] == 0 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_it_describes_itself():
    described = str(a_shedder(10, name="api").describe())
    assert described.startswith("load_shedder 'api': algorithm=fixed, limit=10, max_waiting=100, target=0.005")
    assert described.endswith("critical_plus=1.0, critical=0.95, sheddable_plus=0.8, sheddable=0.6")


@pytest.mark.parametrize(
    "settings",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": True},
        {"limit": "10"},
        {"max_waiting": -1},
        {"max_waiting": 1.5},
        {"target": 0},
        {"target": 0.2},
        {"interval": 0},
        {"interval": float("inf")},
        {"retry_after": 0},
        {"shares": {}},
        {"shares": dict.fromkeys(Criticality, 0)},
        {"shares": dict.fromkeys(Criticality, 1.5)},
    ],
)
def test_bad_settings(settings):
    with pytest.raises(InvalidValue):
        LoadShedder(registry=Registry(), **settings)


def test_an_algorithm_that_raises_keeps_no_place() -> None:
    class Broken:
        limit = 2

        def update(self, *_: object) -> None:
            raise ZeroDivisionError

        def describe(self) -> dict[str, float]:
            return {}

    part = LoadShedder(Broken(), registry=Registry())
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            part.execute(int)
    assert part.gauges()["in_flight"] == 0


def test_a_priority_that_is_no_number_is_refused() -> None:
    part = LoadShedder(1, priority=lambda: "high", registry=Registry())  # type: ignore[arg-type,return-value]
    with pytest.raises(InvalidValue, match=r"Criticality.*'high'"):
        part.execute(int)
