from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest
import uvloop

from perfloop.exceptions import AsyncMisuse, CallTimedOut, DeadlineExceeded, InvalidValue
from perfloop.resilience import Description, Gate, Policy
from perfloop.resilience.deadline import check_deadline, deadline, remaining
from perfloop.resilience.expiry import Expiries, TimedCall, expiries_of
from perfloop.resilience.timeout import Deadline, Timeout
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from .naive.timeout_round_queue import limited as naively_limited
from .virtual_time import run


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def made(seconds: float, clock: FakeClock, kind: type[Timeout] = Timeout) -> Timeout:
    return kind(seconds, name="shop", clock=clock, registry=Registry())


async def sleeps(seconds: float, result: str = "result") -> str:
    await asyncio.sleep(seconds)
    return result


class TestEventLoop:
    def test_what_ends_in_time_is_not_touched_and_what_does_not_is_cancelled(self, clock) -> None:
        timeout = made(1, clock)
        limited = timeout(sleeps)
        ended = []

        async def cleans_up() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(remaining())

        async def main() -> None:
            assert await limited(0.9) == "result"
            with pytest.raises(CallTimedOut, match=r"within 1 s \(timeout 'shop'\)") as raised:
                await limited(1.1)
            assert not isinstance(raised.value, DeadlineExceeded)
            assert clock.now() == 1001.9
            with pytest.raises(CallTimedOut):
                await timeout.aexecute(cleans_up)
            assert asyncio.current_task().cancelling() == 0

        run(main(), clock)
        assert ended == [0]
        assert remaining() is None
        assert timeout.counts() == {"successful": 1, "failed": 0, "late": 0, "timeout": 2}

    def test_each_of_many_expires_at_its_own_time(self, clock) -> None:
        timeout = made(1, clock)
        expired = {}

        async def one(number: int) -> None:
            await asyncio.sleep(number / 10)
            if number % 3 == 0:
                assert await timeout.aexecute(sleeps, 0.5) == "result"
                return
            with pytest.raises(CallTimedOut):
                await timeout.aexecute(sleeps, 5)
            expired[number] = clock.now() - 1000

        async def main() -> None:
            await asyncio.gather(*(one(number) for number in range(40)))
            assert not expiries_of(asyncio.get_running_loop(), clock.now, 1).running

        run(main(), clock)
        assert expired == {number: pytest.approx(1 + number / 10) for number in range(40) if number % 3}

    def test_equal_timeouts_share_one_timer(self, clock) -> None:
        first, second = made(1, clock), made(1, clock)

        async def main() -> None:
            loop = asyncio.get_running_loop()
            before = len(loop._scheduled)
            calls = [asyncio.ensure_future(part.aexecute(asyncio.Event().wait)) for part in (first, second) * 20]
            await asyncio.sleep(0)
            assert len(loop._scheduled) - before == 1
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

        run(main(), clock)

    def test_nested_timeouts_each_take_their_own(self, clock) -> None:
        inner, outer = made(1, clock), made(2, clock)

        async def survives() -> str:
            with pytest.raises(CallTimedOut, match="within 1 s"):
                await inner.aexecute(sleeps, 10)
            return await sleeps(10)

        async def main() -> None:
            with pytest.raises(CallTimedOut, match="within 2 s"):
                await outer.aexecute(survives)
            with pytest.raises(CallTimedOut, match="within 1 s"):
                await inner.aexecute(outer.aexecute, sleeps, 10)
            assert asyncio.current_task().cancelling() == 0

        run(main(), clock)
        assert (inner.counts()["timeout"], outer.counts()["timeout"]) == (2, 1)

    @pytest.mark.parametrize("when", [0.5, 1, "same step"])
    def test_a_cancellation_from_outside_stays_one(self, clock, when) -> None:
        timeout = made(1, clock)

        async def main() -> None:
            task = asyncio.ensure_future(timeout.aexecute(sleeps, 10))
            if when == "same step":
                await asyncio.sleep(0)
                attempt, _ = expiries_of(asyncio.get_running_loop(), clock.now, 1).running.popitem()
                attempt.expire()
            else:
                await asyncio.sleep(when)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()

        run(main(), clock)
        assert timeout.counts()["failed"] == 0

    def test_a_task_that_is_being_cancelled_may_still_time_out(self, clock) -> None:
        timeout = made(1, clock)

        async def cleans_up() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                with pytest.raises(CallTimedOut):
                    await timeout.aexecute(sleeps, 10)
                raise

        async def main() -> None:
            task = asyncio.ensure_future(cleans_up())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        run(main(), clock)

    def test_who_swallows_the_cancellation_gives_its_result_and_owes_nothing(self, clock) -> None:
        async def stubborn() -> str:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                return "all the same"
            return "never"

        async def main() -> None:
            assert await made(1, clock).aexecute(stubborn) == "all the same"
            assert asyncio.current_task().cancelling() == 0
            await asyncio.sleep(0)

        run(main(), clock)

    @pytest.mark.parametrize("error", [ValueError, SystemExit])
    def test_what_is_raised_while_it_is_cancelled_passes(self, clock, error) -> None:
        async def breaks() -> None:
            try:
                await asyncio.sleep(10)
            finally:
                raise error

        async def main() -> None:
            with pytest.raises(error):
                await made(1, clock).aexecute(breaks)
            assert asyncio.current_task().cancelling() == 0

        async def guarded() -> None:
            # A SystemExit that leaves a task stops the loop.
            await main()

        run(guarded(), clock)

    def test_a_nearer_deadline_bounds_the_call(self, clock) -> None:
        timeout = made(5, clock)

        async def main() -> None:
            with deadline(1, clock=clock):
                assert await timeout.aexecute(sleeps, 0.5) == "result"
                with pytest.raises(DeadlineExceeded):
                    await timeout.aexecute(sleeps, 10)
                assert clock.now() == 1001
                with pytest.raises(DeadlineExceeded):
                    await timeout.aexecute(pytest.fail, "called")
            assert asyncio.current_task().cancelling() == 0

        run(main(), clock)
        assert timeout.counts() == {"successful": 1, "failed": 0, "late": 0, "timeout": 2}

    def test_a_deadline_bounds_all_attempts(self, clock) -> None:
        whole, attempt = made(2.5, clock, Deadline), made(1, clock)

        async def attempts() -> None:
            for _ in range(5):
                with pytest.raises(CallTimedOut) as raised:
                    await attempt.aexecute(sleeps, 10)
                assert not isinstance(raised.value, DeadlineExceeded)

        async def main() -> None:
            with pytest.raises(DeadlineExceeded, match=r"within 2\.5 s \(deadline 'shop'\)"):
                await whole.aexecute(attempts)

        run(main(), clock)
        assert clock.now() == 1002.5

    def test_what_cleans_up_after_a_timeout_has_its_own_time(self, clock) -> None:
        timeout, rollback = made(1, clock), made(3, clock)
        cleaned = []

        async def transaction() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                cleaned.append(await rollback.aexecute(sleeps, 2, "rolled back"))

        async def main() -> None:
            with pytest.raises(CallTimedOut):
                await timeout.aexecute(transaction)

        run(main(), clock)
        assert cleaned == ["rolled back"]

    @pytest.mark.parametrize("steps", range(8))
    def test_cancelled_at_whichever_await_it_owes_nothing(self, steps) -> None:
        inner, outer = (Timeout(60, registry=Registry()) for _ in range(2))

        async def work() -> str:
            for _ in range(3):
                await asyncio.sleep(0)
            return "result"

        async def main() -> None:
            task = asyncio.ensure_future(outer.aexecute(inner.aexecute, work))
            for _ in range(steps):
                await asyncio.sleep(0)
            ended = task.done()
            task.cancel()
            await asyncio.wait([task])
            assert task.result() == "result" if ended else task.cancelled()
            assert not expiries_of(asyncio.get_running_loop(), inner._now, 60).running

        asyncio.run(main())

    def test_a_task_begun_inside_is_bounded_though_nobody_cancels_it(self, clock) -> None:
        left = []

        async def leaves_work_behind() -> None:
            left.append(asyncio.create_task(made(60, clock).aexecute(sleeps, 10)))
            await asyncio.sleep(0)

        async def main() -> None:
            await made(1, clock).aexecute(leaves_work_behind)
            with pytest.raises(CallTimedOut):
                await left[0]

        run(main(), clock)
        assert clock.now() == 1001

    def test_in_several_loops_at_once(self) -> None:
        timeout = Timeout(0.01, registry=Registry())
        results = []

        def in_loop(factory) -> None:
            async def main() -> None:
                for _ in range(3):
                    with pytest.raises(CallTimedOut):
                        await timeout.aexecute(asyncio.Event().wait)
                    results.append(await timeout.aexecute(sleeps, 0))

            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(main())

        threads = [
            threading.Thread(target=in_loop, args=[each]) for each in (asyncio.new_event_loop, uvloop.new_event_loop)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == ["result"] * 6

    def test_a_loop_that_was_closed_in_the_middle_is_let_go(self, clock) -> None:
        timeout = made(1, clock)
        loop = asyncio.new_event_loop()
        task = loop.create_task(timeout.aexecute(asyncio.Event().wait))
        task._log_destroy_pending = False
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        gone = weakref.ref(loop)
        del loop, task
        for _ in range(2):
            assert asyncio.run(timeout.aexecute(sleeps, 0)) == "result"
        gc.collect()
        assert gone() is None

    def test_a_coroutine_driven_by_hand_is_refused(self, clock) -> None:
        refused = []

        def by_hand() -> None:
            with pytest.raises(AsyncMisuse, match="in a task") as raised:
                made(1, clock).awrap(sleeps)(0).send(None)
            refused.append(raised.value)

        async def main() -> None:
            asyncio.get_running_loop().call_soon(by_hand)
            await asyncio.sleep(0)

        run(main(), clock)
        assert refused

    def test_a_clock_that_jumps_ends_all_that_is_over_and_nothing_else(self, clock) -> None:
        timeout, ended = made(5, clock), []

        async def one(number: int) -> None:
            await asyncio.sleep(number)
            try:
                await timeout.aexecute(sleeps, 60)
            except CallTimedOut:
                ended.append((number, clock.now() - 1000))

        async def main() -> None:
            calls = [asyncio.ensure_future(one(number)) for number in range(4)]
            await asyncio.sleep(3.5)
            clock.advance(3)  # the machine slept until 6.5: the first two should have ended at 5 and 6
            await asyncio.wait(calls)

        run(main(), clock)
        assert ended == [(0, 6.5), (1, 6.5), (2, 7), (3, 8)]

    def test_a_timer_that_rings_early_is_set_again(self, clock) -> None:
        # As in uvloop, whose clock stands still while a step computes, and counts whole milliseconds.
        async def main() -> None:
            loop = asyncio.get_running_loop()
            expiries = Expiries(clock.now, 1)
            expiries.running[TimedCall(clock.now, 1, "here", asyncio.current_task())] = None
            expiries.arm(loop)
            expiries._ring(loop)
            assert len(expiries.running) == 1
            assert [handle.when() for handle in loop._scheduled] == [1001, 1001]
            expiries.running.clear()

        run(main(), clock)


class TestThreads:
    def test_the_callee_is_told_its_time_and_gives_up_by_itself(self, clock) -> None:
        timeout = made(1, clock)

        def works(steps: int) -> float | None:
            for _ in range(steps):
                check_deadline()
                clock.advance(0.4)
            return remaining()

        assert timeout.execute(works, 2) == pytest.approx(0.2)
        with pytest.raises(CallTimedOut, match="within 1 s") as raised:
            timeout.execute(works, 10)
        assert not isinstance(raised.value, DeadlineExceeded)
        assert remaining() is None
        assert timeout.counts() == {"successful": 1, "failed": 0, "late": 0, "timeout": 1}

    def test_what_comes_too_late_is_given_and_counted(self, clock) -> None:
        timeout = made(1, clock)
        events = []
        timeout.on_event(lambda event: events.append((event.event, dict(event.attributes))))
        assert timeout(lambda: clock.advance(1.5) or "late")() == "late"
        assert timeout.counts() == {"successful": 0, "failed": 0, "late": 1, "timeout": 0}
        assert events == [("late", {"seconds": 1.5})]

    def test_a_nearer_deadline_counts(self, clock) -> None:
        whole, timeout = made(2, clock, Deadline), made(5, clock)

        def body() -> None:
            assert timeout.execute(remaining) == 2
            clock.advance(2)
            with pytest.raises(DeadlineExceeded):
                timeout.execute(pytest.fail, "called")
            with pytest.raises(DeadlineExceeded):
                check_deadline()
            raise OSError

        with pytest.raises(OSError):
            whole.execute(body)
        assert whole.counts()["failed"] == 1
        assert timeout.counts()["timeout"] == 1

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
    def test_what_is_no_error_of_the_callee_is_not_counted(self, clock, error) -> None:
        def body() -> None:
            raise error

        timeout = made(1, clock)
        with pytest.raises(error):
            timeout.execute(body)
        assert set(timeout.counts().values()) == {0}

    def test_a_coroutine_is_refused(self, clock) -> None:
        with pytest.raises(AsyncMisuse, match="sleeps"):
            made(1, clock)(lambda: sleeps(1))()


class OneAtATime(Gate[bool]):
    kind = "bulkhead"

    def __init__(self, clock: FakeClock) -> None:
        self.permits = asyncio.Semaphore(1)
        super().__init__(clock=clock, registry=Registry())

    def try_acquire(self) -> None:
        return None

    async def aacquire(self) -> bool:
        return await self.permits.acquire()

    def release(self, token, outcome, seconds) -> None:
        self.permits.release()

    def describe(self) -> Description:
        return Description(self.kind, self.name, {})


class TestTrap11:
    """A timeout of an attempt must not count the time the call waits in a queue for its turn."""

    def succeeded(self, call, clock) -> int:
        async def main() -> int:
            calls = [call(lambda: sleeps(0.8)) for _ in range(5)]
            return (await asyncio.gather(*calls, return_exceptions=True)).count("result")

        return run(main(), clock)

    def test_in_a_policy_it_begins_with_the_work(self, clock) -> None:
        policy = Policy(made(1, clock), OneAtATime(clock), registry=Registry())
        assert self.succeeded(policy.aexecute, clock) == 5

    def test_the_naive_one_gives_up_on_work_that_has_not_begun(self, clock) -> None:
        permits = asyncio.Semaphore(1)
        assert self.succeeded(lambda function: naively_limited(function, permits, 1), clock) == 1


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "1", None, True])
def test_settings_are_checked(seconds) -> None:
    with pytest.raises(InvalidValue, match="above 0"):
        Timeout(seconds)


def test_it_says_what_it_is() -> None:
    assert str(Timeout(0.5, registry=Registry()).describe()) == "timeout 'timeout': seconds=0.5"
    assert str(Deadline(2, name="whole", registry=Registry()).describe()) == "deadline 'whole': seconds=2"
