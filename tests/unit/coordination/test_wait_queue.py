from __future__ import annotations

from perfloop.coordination import Waiter, WaitQueue


def waiter(priority: int = 0, deadline: float = 10.0) -> Waiter:
    return Waiter(lambda: None, priority=priority, deadline=deadline)


def test_first_come_first_served_and_higher_priorities_first() -> None:
    queue = WaitQueue()
    low, first, second, high = waiter(-1), waiter(), waiter(), waiter(5)
    for each in (low, first, second, high):
        queue.join(each)
    assert list(queue) == [high, first, second, low]
    assert (queue.first(), queue.last(), len(queue)) == (high, low, 4)
    assert [queue.ahead_of(priority) for priority in (-2, -1, 0, 1, 5, 6)] == [4, 4, 3, 1, 1, 0]


def test_who_leaves_is_nowhere_in_the_line() -> None:
    queue = WaitQueue()
    waiters = [waiter(number % 2) for number in range(6)]
    for each in waiters:
        queue.join(each)
    queue.remove(waiters[3])
    queue.remove(waiters[0])
    assert list(queue) == [waiters[1], waiters[5], waiters[2], waiters[4]]
    for each in list(queue):
        queue.remove(each)
    assert (len(queue), queue.first(), queue.last(), queue.ahead_of(-9)) == (0, None, None, 0)


def test_the_expired_are_at_the_head_of_each_line() -> None:
    queue = WaitQueue()
    waiters = [waiter(deadline=1.0), waiter(deadline=2.0), waiter(deadline=3.0), waiter(1, deadline=1.5)]
    for each in waiters:
        queue.join(each)
    assert queue.expired(0.5) == []
    assert queue.expired(2.0) == [waiters[0], waiters[1], waiters[3]]
