"""Permits are neither lost nor made, whoever is cancelled, late or displaced, and whenever."""

from __future__ import annotations

import itertools
from collections import deque

import pytest

from perfloop.coordination import Permits, Waiter, WaitState

WAITING, GRANTED, EXPIRED, DISPLACED, LEFT = WaitState


def waiter(priority: int = 0, deadline: float = 10.0) -> Waiter:
    return Waiter(lambda: None, priority=priority, deadline=deadline)


def line(permits: Permits, *waiters: Waiter) -> None:
    for each in waiters:
        assert permits.join(each, 0.0) == []


def test_no_more_are_out_than_the_limit() -> None:
    permits = Permits(2, 0)
    tokens = [permits.try_take(), permits.try_take()]
    assert None not in tokens
    assert (permits.try_take(), permits.used) == (None, 2)
    assert permits.give_back(tokens[0]) is False
    assert permits.try_take() is not None


def test_a_permit_goes_to_who_waits_and_not_to_a_newcomer() -> None:
    permits = Permits(1, 2)
    token = permits.try_take()
    first, second = waiter(), waiter()
    line(permits, first, second)
    assert permits.give_back(token) is True
    assert permits.try_take() is None  # between the return and the grant
    assert permits.settle(1.0) == [first]
    assert (first.state, second.state, permits.used) == (GRANTED, WAITING, 1)
    assert permits.try_take() is None


def test_nothing_is_granted_after_the_deadline() -> None:
    permits = Permits(1, 3)
    token = permits.try_take()
    late, later, in_time = waiter(deadline=1.0), waiter(deadline=2.0), waiter(deadline=2.1)
    line(permits, late, later, in_time)
    permits.give_back(token)
    assert permits.settle(2.0) == [late, later, in_time]
    assert [each.state for each in (late, later, in_time)] == [EXPIRED, EXPIRED, GRANTED]


@pytest.mark.parametrize("granted", [False, True])
def test_who_leaves_passes_on_what_it_was_granted(granted: bool) -> None:
    permits = Permits(1, 2)
    token = permits.try_take()
    first, second = waiter(), waiter()
    line(permits, first, second)
    if granted:
        permits.give_back(token)
        permits.settle(1.0)
        assert permits.leave(first, 1.0) == [second]
    else:
        assert permits.leave(first, 1.0) == []
        permits.give_back(token)
        assert permits.settle(1.0) == [second]
    assert (first.state, second.state, permits.used) == (LEFT, GRANTED, 1)
    assert permits.leave(first, 1.0) == []
    assert permits.used == 1
    permits.give_back(second.token)
    assert (permits.used, permits.crowded) == (0, False)


def test_a_full_queue_turns_away_who_is_no_more_important() -> None:
    permits = Permits(1, 1)
    permits.try_take()
    waits, newcomer, low = waiter(), waiter(), waiter(-1)
    line(permits, waits, newcomer, low)
    assert [each.state for each in (waits, newcomer, low)] == [WAITING, DISPLACED, DISPLACED]


def test_somebody_more_important_takes_the_place_of_the_last() -> None:
    permits = Permits(1, 2)
    token = permits.try_take()
    first, last, high = waiter(), waiter(), waiter(1)
    line(permits, first, last)
    assert permits.join(high, 0.0) == [last]
    assert (last.state, list(permits.queue)) == (DISPLACED, [high, first])
    permits.give_back(token)
    assert permits.settle(0.0) == [high]


def test_the_late_hold_no_place_in_a_full_queue() -> None:
    permits = Permits(1, 1)
    permits.try_take()
    late, newcomer = waiter(deadline=1.0), waiter()
    line(permits, late)
    assert permits.join(newcomer, 1.0) == [late]
    assert (late.state, newcomer.state) == (EXPIRED, WAITING)


def test_a_permit_that_became_free_while_somebody_was_on_the_way_into_the_queue_is_taken() -> None:
    permits = Permits(1, 1)
    token = permits.try_take()
    assert permits.try_take() is None
    assert permits.give_back(token) is False
    late = waiter()
    assert permits.join(late, 0.0) == []  # the caller sees its own state
    assert (late.state, permits.crowded) == (GRANTED, False)


@pytest.mark.parametrize("joins", [True, False], ids=["of joining", "of a lower limit"])
def test_a_permit_given_back_by_another_thread_in_the_moment_is_seen(joins: bool) -> None:
    permits = Permits(1, 1) if joins else Permits(2, 0)
    token = permits.try_take()
    permits.try_take()

    class Racing(deque[object]):
        """The other thread gives back just after this one has found nothing."""

        def pop(self) -> object:
            nonlocal token
            try:
                return super().pop()
            finally:
                if token is not None:
                    mine, token = token, None
                    if permits.give_back(mine):
                        permits.settle(0.0)

    permits.free = Racing()
    if joins:
        joining = waiter()
        permits.join(joining, 0.0)
        assert joining.state is GRANTED
    else:
        permits.resize(1, 0.0)
        assert (len(permits.free), permits.used) == (0, 1)


def test_a_higher_limit_serves_who_waits_and_a_lower_one_holds_when_calls_have_ended() -> None:
    permits = Permits(1, 3)
    tokens = [permits.try_take()]
    waiters = [waiter(), waiter(), waiter()]
    line(permits, *waiters)
    assert permits.resize(3, 0.0) == waiters[:2]
    tokens += [each.token for each in waiters[:2]]
    assert permits.resize(1, 0.0) == []
    assert (permits.used, permits.limit) == (3, 1)
    for token, used in zip(tokens, (2, 1, 1), strict=True):
        assert permits.give_back(token) is True
        permits.settle(0.0)
        assert permits.used == used
    assert waiters[2].state is GRANTED
    permits.give_back(waiters[2].token)
    assert (permits.used, permits.crowded) == (0, False)
    assert permits.try_take() is not None
    assert permits.try_take() is None


def test_a_lower_and_then_a_higher_limit_make_no_permit() -> None:
    permits = Permits(3, 0)
    tokens = [permits.try_take() for _ in range(3)]
    permits.resize(1, 0.0)
    permits.resize(2, 0.0)
    for token in tokens:
        if permits.give_back(token):
            permits.settle(0.0)
    assert [permits.try_take() is not None for _ in range(3)] == [True, True, False]


def test_what_was_out_before_a_new_beginning_does_not_come_back() -> None:
    permits = Permits(2, 1)
    token, _, waits = permits.try_take(), permits.try_take(), waiter()
    line(permits, waits)
    permits.begin_anew()
    assert permits.give_back(token) is False
    assert (permits.used, len(permits.queue), len(permits.free)) == (0, 0, 2)


STEPS = ("arrive", "arrive", "arrive", "end", "end", "leave", "leave", "expire")


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("seed", range(8))
def test_in_every_order_of_steps_nothing_is_lost(limit: int, seed: int) -> None:
    """Three callers that arrive, end, leave and run out of time, in all orders that begin with this step."""
    rest = STEPS[:seed] + STEPS[seed + 1 :]
    for order in set(itertools.permutations(rest)):
        run((STEPS[seed], *order), limit)


def run(order: tuple[str, ...], limit: int) -> None:
    permits, now = Permits(limit, 1), 0.0
    running: list[object] = []
    waiting: list[Waiter] = []
    for step in order:
        if step == "arrive":
            token = permits.try_take()
            if token is None:
                newcomer = waiter(deadline=now + 1.5)
                permits.join(newcomer, now)
                waiting.append(newcomer)
            else:
                running.append(token)
        elif step == "end" and running:
            if permits.give_back(running.pop(0)):
                permits.settle(now)
        elif step == "leave" and waiting:
            permits.leave(waiting.pop(0), now)
        else:
            now += 1.0
        assert len(running) + sum(each.state is GRANTED for each in waiting) == permits.used <= limit
        assert len(permits.queue) <= permits.max_queue
        assert permits.crowded is bool(permits.queue)
        assert not (permits.queue and permits.free)
    for each in waiting:
        permits.leave(each, now)
    for token in running:
        if permits.give_back(token):
            permits.settle(now)
    assert (permits.used, len(permits.free), permits.crowded) == (0, limit, False)
