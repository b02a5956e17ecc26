from __future__ import annotations

import asyncio
import os
import threading
import traceback

import pytest

from perfloop.exceptions import AsyncMisuse, DeadlineExceeded, InvalidValue
from perfloop.resilience import Policy, Timeout
from perfloop.resilience.collapsing import Collapse
from perfloop.resilience.deadline import check_deadline, deadline, remaining
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from .virtual_time import run


def made(key=lambda word: word) -> Collapse:
    return Collapse(key, name="shop", registry=Registry())


class Work:
    """Takes a second, and counts."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.begun, self.ended, self.cancelled, self.error = 0, 0, 0, error

    async def __call__(self, word: str, *_: object) -> str:
        self.begun += 1
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            self.cancelled += 1
            await asyncio.sleep(0.5)
            raise
        finally:
            self.ended += 1
        if self.error is not None:
            raise self.error
        return word.upper()


class TestEventLoop:
    @pytest.mark.parametrize("in_policy", [False, True])
    @pytest.mark.parametrize("decorated", [False, True])
    def test_equal_calls_at_the_same_time_are_one(self, in_policy, decorated) -> None:
        part, work = made(), Work()
        whole = Policy(part, Timeout(60, registry=Registry()), registry=Registry()) if in_policy else part
        call = whole(work) if decorated else lambda *args: whole.aexecute(work, *args)

        async def main() -> None:
            assert await asyncio.gather(call("a"), call("b"), call("a"), call("a")) == ["A", "B", "A", "A"]
            assert work.begun == 2
            assert await call("a") == "A"

        run(main(), FakeClock())
        assert work.begun == 3
        assert part.counts() == {"executed": 3, "shared": 2}
        assert part.gauges() == {"in_flight": 0}

    def test_calls_of_different_functions_are_not_equal(self) -> None:
        part, first, second = made(), Work(), Work()

        async def main() -> None:
            await asyncio.gather(
                part(first)("a"), part(second)("a"), part.aexecute(first, "a"), part.aexecute(second, "a")
            )

        run(main(), FakeClock())
        assert first.begun == second.begun == 1

    def test_an_error_is_raised_in_each_caller(self) -> None:
        error = OSError("no")
        part, work = made(), Work(error)

        async def main() -> None:
            assert (
                await asyncio.gather(*(part.aexecute(work, "a") for _ in range(100)), return_exceptions=True)
                == [error] * 100
            )

        run(main(), FakeClock())
        assert work.begun == 1
        assert len(traceback.extract_tb(error.__traceback__)) < 10

    @pytest.mark.parametrize("leaving", [0, 1, 2])
    def test_who_is_cancelled_leaves_the_others_be(self, leaving) -> None:
        part, work = made(), Work()

        async def main() -> None:
            calls = [asyncio.ensure_future(part.aexecute(work, "a")) for _ in range(3)]
            await asyncio.sleep(0.5)
            calls.pop(leaving).cancel()
            assert await asyncio.gather(*calls) == ["A", "A"]

        run(main(), FakeClock())
        assert (work.begun, work.cancelled) == (1, 0)

    def test_the_last_to_leave_ends_the_work_and_waits_for_its_end(self) -> None:
        part, work, clock = made(), Work(), FakeClock()

        async def main() -> None:
            calls = [asyncio.ensure_future(part.aexecute(work, "a")) for _ in range(3)]
            await asyncio.sleep(0.25)
            for call in calls:
                call.cancel()
            await asyncio.sleep(0.1)
            calls[-1].cancel()  # does not hurry it
            # Who comes while the work is being cancelled does not get its end.
            assert await part.aexecute(work, "a") == "A"
            await asyncio.wait(calls)
            assert all(call.cancelled() for call in calls)
            assert len(asyncio.all_tasks()) == 1

        run(main(), clock)
        assert (work.begun, work.ended, work.cancelled) == (2, 2, 1)
        assert part.gauges() == {"in_flight": 0}

    @pytest.mark.parametrize("steps", range(7))
    @pytest.mark.parametrize("callers", [1, 2])
    def test_nothing_is_left_behind_wherever_it_is_cancelled(self, steps, callers) -> None:
        part = made()

        async def short(word: str) -> str:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return word

        async def main() -> None:
            calls = [asyncio.ensure_future(part.aexecute(short, "a")) for _ in range(callers)]
            for _ in range(steps):
                await asyncio.sleep(0)
            calls[0].cancel()
            await asyncio.wait(calls)
            assert [call.result() for call in calls[1:]] == ["a"] * (callers - 1)
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) == 1
            assert part.gauges() == {"in_flight": 0}

        asyncio.run(main())

    def test_the_work_has_no_deadline_but_its_callers(self) -> None:
        part, clock = made(lambda: 0), FakeClock()
        hurried, patient = Timeout(0.5, clock=clock, registry=Registry()), Timeout(5, clock=clock, registry=Registry())

        async def works() -> float | None:
            await asyncio.sleep(1)
            return remaining()

        async def main() -> None:
            first = asyncio.ensure_future(hurried.aexecute(part.aexecute, works))
            await asyncio.sleep(0)
            assert await patient.aexecute(part.aexecute, works) is None
            assert isinstance(first.exception(), TimeoutError)

        run(main(), clock)
        assert part.counts() == {"executed": 1, "shared": 1}

    def test_a_call_from_inside_does_not_wait_for_itself(self) -> None:
        async def again(word: str, depth: int = 2) -> str:
            return await part.aexecute(again, word, depth - 1) if depth else word

        part = Collapse(lambda word, *_: word, registry=Registry())
        assert asyncio.run(part.aexecute(again, "a")) == "a"
        assert part.counts() == {"executed": 3, "shared": 0}

    def test_a_work_that_cancels_itself_is_a_cancellation_for_all(self) -> None:
        part, work = made(), Work(asyncio.CancelledError())

        async def main() -> None:
            calls = [asyncio.ensure_future(part.aexecute(work, "a")) for _ in range(2)]
            await asyncio.wait(calls)
            assert all(call.cancelled() for call in calls)

        run(main(), FakeClock())

    def test_loops_do_not_share(self) -> None:
        part, barrier, begun = made(), threading.Barrier(2), []

        async def work(word: str) -> None:
            begun.append(word)
            await asyncio.to_thread(barrier.wait, 10)

        threads = [threading.Thread(target=lambda: asyncio.run(part.aexecute(work, "a"))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(begun) == 2


class TestThreads:
    def together(self, call, number: int = 5) -> list[object]:
        """What calls in so many threads give, once all of them have begun."""
        results: list[object] = []

        def one() -> None:
            try:
                results.append(call())
            except Exception as error:
                results.append(error)

        threads = [threading.Thread(target=one) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return results

    def waiting_for(self, part: Collapse, callers: int) -> None:
        """Returns when so many wait for the one flight there is."""
        (flight,) = part._flights.values()
        condition = flight.ended._cond
        while len(condition._waiters) < callers:
            threading.Event().wait(0.001)

    @pytest.mark.parametrize("error", [None, OSError("no")])
    def test_equal_calls_at_the_same_time_are_one(self, error) -> None:
        part, begun = made(), []

        def work(word: str) -> str:
            begun.append(word)
            self.waiting_for(part, 4)
            if error is not None:
                raise error
            return word.upper()

        expected = "A" if error is None else error
        assert self.together(lambda: part.execute(work, "a")) == [expected] * 5
        assert begun == ["a"]
        assert part.counts() == {"executed": 1, "shared": 4}
        assert part.gauges() == {"in_flight": 0}

    @pytest.mark.parametrize("kind", [SystemExit, DeadlineExceeded])
    def test_if_the_first_one_gives_up_another_begins_anew(self, kind) -> None:
        part, begun = made(), []

        def work(word: str) -> str:
            begun.append(word)
            if len(begun) == 1:
                self.waiting_for(part, 4)
                raise kind("only mine")
            return word.upper()

        def call() -> str:
            try:
                return part.execute(work, "a")
            except kind:
                return "gave up"

        assert sorted(self.together(call)) == ["A"] * 4 + ["gave up"]
        assert len(begun) >= 2

    def test_who_waits_for_another_waits_until_its_own_deadline(self) -> None:
        part, begun, over = made(), threading.Event(), threading.Event()

        def work(word: str) -> str:
            begun.set()
            over.wait(30)
            return word

        first = threading.Thread(target=lambda: part.execute(work, "a"))
        first.start()
        begun.wait(30)
        with deadline(0.01), pytest.raises(DeadlineExceeded):
            part.execute(work, "a")
        over.set()
        first.join()
        assert part.counts() == {"executed": 1, "shared": 0}

    def test_the_first_one_has_its_own_deadline(self) -> None:
        clock = FakeClock()
        with deadline(1, clock=clock), pytest.raises(DeadlineExceeded):
            made().execute(lambda word: (clock.advance(2), check_deadline()), "a")

    def test_a_call_from_inside_does_not_wait_for_itself(self) -> None:
        part = made()

        def again(word: str) -> str:
            return part.execute(again, word) if part.counts()["executed"] < 3 else word

        assert part.execute(again, "a") == "a"

    def test_a_fork_does_not_wait_for_threads_it_does_not_have(self) -> None:
        part, begun, over = made(), threading.Event(), threading.Event()

        def work(word: str) -> str:
            begun.set()
            over.wait(30)
            return word

        first = threading.Thread(target=lambda: part.execute(work, "a"))
        first.start()
        begun.wait(30)
        child = os.fork()
        if not child:
            over.set()
            os._exit(0 if part.execute(work, "a") == "a" else 1)
        over.set()
        first.join()
        assert os.waitpid(child, 0)[1] == 0

    def test_a_coroutine_is_refused(self) -> None:
        async def work(word: str) -> None: ...

        with pytest.raises(AsyncMisuse):
            made().execute(work, "a")


def test_a_key_that_cannot_be_one_is_refused() -> None:
    part = made(lambda word: [word])
    with pytest.raises(InvalidValue, match="hashed"):
        part.execute(str.upper, "a")
    with pytest.raises(InvalidValue, match="function"):
        Collapse("word")


def test_a_key_function_that_raises_is_heard() -> None:
    part = made(lambda word: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        part.execute(str.upper, "a")
    assert part.counts() == {"executed": 0, "shared": 0}


def test_it_says_what_it_is() -> None:
    assert str(Collapse(len, name="shop", registry=Registry()).describe()) == "collapsing 'shop': key=len"


def test_interrupted_before_it_began_it_keeps_nobody_waiting(monkeypatch) -> None:
    part = made()
    calls = part(str.upper)

    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(part, "_count", interrupt)
        with pytest.raises(KeyboardInterrupt):
            calls("a")
    assert part.gauges() == {"in_flight": 0}
    with deadline(1):
        assert calls("a") == "A"


def test_a_deadline_beyond_what_threads_can_wait_for_is_none() -> None:
    part, begun, go = made(lambda: 1), threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        go.wait(10)
        return "done"

    first = threading.Thread(target=part.execute, args=(work,))
    first.start()
    begun.wait(10)
    threading.Timer(0.05, go.set).start()
    with deadline(1e300):
        assert part.execute(work) == "done"
    first.join()
