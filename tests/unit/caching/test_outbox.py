"""What is said to the other processes again: changes of which a level knows nothing yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfloop.caching.backplane import Invalidation
from perfloop.caching.effects import run
from perfloop.caching.outbox import Outbox

from .test_policies import Time

if TYPE_CHECKING:
    from perfloop.caching.effects import Program


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def said() -> list[Invalidation]:
    return []


@pytest.fixture
def box(clock: Time, said: list[Invalidation]) -> Outbox:
    def publish(message: Invalidation) -> Program[None]:
        said.append(message)
        return
        yield

    return Outbox(publish, clock)


def test_it_is_said_once_a_second_for_ten_as_one_message(box: Outbox, clock: Time, said: list[Invalidation]) -> None:
    box.owe(Invalidation(("a",), missed=("lower", "upper")))
    run(box.say_again({"upper"}))
    assert not said  # it has just been said
    clock.seconds += 1
    box.owe(Invalidation(expired=("b",), tags=("t",), missed=("upper",)))
    for _ in range(2):
        run(box.say_again({"upper"}))
    assert said == [Invalidation(("a", "b"), ("t",), missed=("upper",))]
    clock.seconds += 9.5
    run(box.say_again({"upper"}))
    assert said[1:] == [Invalidation(("b",), ("t",), missed=("upper",))]
    clock.seconds += 9.5
    run(box.say_again({"upper"}))
    assert len(said) == 2


def test_what_the_level_knows_by_now_is_not_said_again(box: Outbox, clock: Time, said: list[Invalidation]) -> None:
    box.owe(Invalidation(("a",), missed=("upper",)))
    for behind in (set[str](), {"lower"}, {"upper"}):
        clock.seconds += 1
        run(box.say_again(behind))
    assert not said


def test_everything_stays_everything(box: Outbox, clock: Time, said: list[Invalidation]) -> None:
    box.owe(Invalidation(all=True, missed=("upper",)))
    clock.seconds += 1
    run(box.say_again({"upper"}))
    assert said == [Invalidation(all=True, missed=("upper",))]


def test_a_child_says_nothing_for_its_parent(box: Outbox, clock: Time, said: list[Invalidation]) -> None:
    box.owe(Invalidation(("a",), missed=("upper",)))
    box.add(Invalidation(("b",)))
    box.begin_in_fork()
    clock.seconds += 1
    run(box.say())
    run(box.say_again({"upper"}))
    assert not said
    assert not box
