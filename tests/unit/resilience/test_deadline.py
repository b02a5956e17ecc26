from __future__ import annotations

import asyncio

import pytest

from perfloop.exceptions import DeadlineExceeded, InvalidValue
from perfloop.resilience.deadline import check_deadline, deadline, from_header, remaining, to_header
from perfloop.testing import FakeClock


def test_the_time_left_is_known_inside_and_the_earlier_of_two_deadlines_holds() -> None:
    clock = FakeClock()
    assert remaining() is None
    check_deadline()
    with deadline(2, clock=clock):
        clock.advance(0.5)
        assert remaining() == 1.5
        with deadline(10, clock=clock):
            assert remaining() == 1.5
        with deadline(1, clock=clock):
            assert remaining() == 1
            clock.advance(1.25)
            assert remaining() == 0
            with pytest.raises(DeadlineExceeded, match="within 1 s"):
                check_deadline()
        assert remaining() == 0.25
        check_deadline()
    assert remaining() is None


def test_work_that_nobody_waits_for_has_no_deadline() -> None:
    with deadline(0), deadline(None):
        assert remaining() is None
        check_deadline()


def test_a_deadline_ends_with_its_block_whatever_is_raised() -> None:
    with pytest.raises(KeyboardInterrupt), deadline(1):
        raise KeyboardInterrupt
    assert remaining() is None


async def test_tasks_and_threads_begun_inside_have_the_deadline_and_others_do_not() -> None:
    async def ask() -> float | None:
        return remaining()

    clock = FakeClock()
    with deadline(3, clock=clock):
        assert await asyncio.create_task(ask()) == 3
        assert await asyncio.to_thread(remaining) == 3
        assert await asyncio.get_running_loop().run_in_executor(None, remaining) is None
    assert await asyncio.create_task(ask()) is None


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "2", True])
def test_no_deadline_of_a_bad_time(seconds) -> None:
    with pytest.raises(InvalidValue, match="deadline"), deadline(seconds):
        pass


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1500", 1.5),
        (b" 20 ", 0.02),
        ("0", None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("1e3", None),
        ("٣٠", None),
        ("9" * 11, None),
        ("15, 20", None),
        (b"\xff", None),
    ],
)
def test_headers_are_read_and_bad_ones_ignored(text, seconds) -> None:
    assert from_header(text) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(1.5, "1500"), (0.0209, "20"), (0.0001, "1"), (0, "1"), (-2, "1")])
def test_a_header_never_promises_more_than_there_is_nor_no_timeout_at_all(seconds, text) -> None:
    assert to_header(seconds) == text
