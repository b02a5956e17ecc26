"""The setting with the fewest calls on the wrong side is chosen, and why is said."""

from __future__ import annotations

from types import SimpleNamespace

from perfloop.resilience.replay.choice import best_of, choose


def result(
    false_rejected: int, let_through: int, opens: int = 1, outages: int = 1, missed: int = 0, unseen: int = 0
) -> SimpleNamespace:
    return SimpleNamespace(
        false_rejected=false_rejected,
        let_through=let_through,
        opens=opens,
        outages=outages,
        outages_missed=missed,
        outages_unseen=unseen,
    )


def test_the_best_are_those_that_no_other_beats() -> None:
    assert best_of([result(1, 9), result(5, 5), result(9, 1), result(6, 6), result(5, 5), result(1, 10)]) == {
        0,
        1,
        2,
        4,
    }


def test_the_fewest_on_the_wrong_side_win() -> None:
    at, verdict, why = choose([result(1, 9), result(3, 4), result(9, 1)])
    assert (at, verdict) == (1, "chosen")
    assert why == (
        "The fewest calls on the wrong side, 7: 3 rejected that had succeeded, and 4 let through in an outage that "
        "failed."
    )


def test_of_equal_ones_the_quietest_wins() -> None:
    at, _, why = choose([result(3, 4, opens=5), result(4, 3, opens=2, missed=1, outages=2)])
    assert at == 1
    assert "1 other setting has as few" in why
    assert "It missed 1 of 2 outages" in why


def test_one_that_opens_comes_before_one_that_is_wrong_about_fewer_calls() -> None:
    at, _, why = choose([result(0, 12, opens=0, missed=1, unseen=1), result(30, 9), result(40, 9)])
    assert at == 1
    assert why.startswith("The fewest calls on the wrong side of those that opened in the most outages, 39: ")
    assert why.endswith(". Another has 12, but missed 1 of 1 outages.")


def test_where_none_opens_in_every_outage_it_says_what_to_try() -> None:
    at, verdict, why = choose(
        [result(0, 9, outages=2, missed=2, unseen=2), result(5, 9, outages=2, missed=1, unseen=1)]
    )
    assert (at, verdict) == (1, "chosen")
    assert "It missed 1 of 2 outages. Try a lower max_failures" in why


def test_nothing_that_never_opens_is_chosen() -> None:
    at, verdict, why = choose([result(0, 9, opens=0, missed=1, unseen=1), result(0, 10, missed=1, unseen=1)])
    assert (at, verdict) == (None, "none opened")
    assert "Try a lower max_failures, failure_rate or minimum_calls" in why


def test_without_an_outage_there_is_no_choice() -> None:
    at, verdict, why = choose([result(0, 0, opens=0, outages=0), result(5, 0, opens=1, outages=0)])
    assert (at, verdict) == (None, "not enough data")
    assert "1 of 2 settings would have stayed closed" in why
