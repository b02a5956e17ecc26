"""Choosing a set: greedy with exchanges, on made-up costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from perfloop.database.indexes.selection import borne_out, select_borne_out, select_indexes

if TYPE_CHECKING:
    from collections.abc import Sequence

Workload = list[dict[str, float]]


def cost_of(statements: Workload, upkeep: dict[str, float]) -> object:
    """Each statement takes the cheapest of its ways; each index costs its upkeep."""

    def cost(chosen: frozenset[str]) -> float:
        reads = sum(min(way for name, way in ways.items() if not name or name in chosen) for ways in statements)
        return reads + sum(upkeep.get(each, 0.0) for each in chosen)

    return cost


def chosen(statements: Workload, **options: object) -> tuple[str, ...]:
    upkeep = options.pop("upkeep", {})
    names = sorted({name for ways in statements for name in ways if name})
    cost = cost_of(statements, upkeep)  # type: ignore[arg-type]
    return select_indexes(names, cost, lambda _: 1, **options).chosen  # type: ignore[arg-type]


def test_takes_what_saves_and_nothing_else() -> None:
    assert chosen([{"": 100, "a": 10}, {"": 50, "b": 50}]) == ("a",)
    assert chosen([{"": 100}]) == ()


def test_leaves_what_costs_writers_more_than_it_saves() -> None:
    assert chosen([{"": 100, "a": 10}], upkeep={"a": 95.0}) == ()
    assert chosen([{"": 100, "a": 10}], upkeep={"a": 20.0}) == ("a",)


def test_keeps_to_the_budget() -> None:
    statements: Workload = [{"": 100, "a": 10}, {"": 100, "b": 20}, {"": 100, "c": 30}]
    assert chosen(statements, budget=2) == ("a", "b")
    assert chosen(statements, budget=0) == ()


def test_two_for_one_are_exchanged_for_the_one_that_serves_both() -> None:
    # `a` is best for the first alone; `ab` is nearly as good for both and leaves one index to write.
    statements: Workload = [{"": 100, "a": 5, "ab": 9}, {"": 60, "b": 5, "ab": 6}]
    assert chosen(statements, upkeep={"a": 20.0, "b": 20.0, "ab": 20.0}) == ("ab",)


def test_each_index_has_to_save_its_share() -> None:
    assert chosen([{"": 1000, "a": 10}, {"": 10, "b": 9}], minimum_gain=0.1) == ("a",)


def test_without_time_it_gives_what_it_has() -> None:
    found = select_indexes(
        ["a"], cost_of([{"": 100, "a": 1}], {}), lambda _: 1, out_of_time=lambda: True  # type: ignore[arg-type]
    )  # fmt: skip
    assert not found.complete
    assert found.cost == found.cost_before == 100


NAMES = [f"i{number}" for number in range(8)]
SINGLES = NAMES[:4]
PRICES = st.floats(min_value=1, max_value=1_000)
STATEMENT = st.dictionaries(st.sampled_from(NAMES), PRICES, max_size=5).map(lambda ways: {"": 1_000.0, **ways})


@settings(max_examples=300, deadline=None)
@given(
    st.lists(STATEMENT, min_size=1, max_size=8),
    st.dictionaries(st.sampled_from(NAMES), st.floats(min_value=0, max_value=300)),
    st.dictionaries(st.sampled_from(NAMES), st.integers(min_value=1, max_value=5)),
    st.none() | st.integers(min_value=0, max_value=12),
)
def test_never_worse_than_nothing_nor_than_greedy_over_single_columns(
    statements: Workload, upkeep: dict[str, float], sizes: dict[str, int], budget: int | None
) -> None:
    cost = cost_of(statements, upkeep)

    def size(name: str) -> int:
        return sizes.get(name, 1)

    found = select_indexes(NAMES, cost, size, singles=SINGLES, budget=budget, minimum_gain=0.0)  # type: ignore[arg-type]
    assert found.cost <= found.cost_before
    assert budget is None or sum(map(size, found.chosen)) <= budget
    # The simple way, written out: again and again the single column that saves most and still fits.
    simple: frozenset[str] = frozenset()
    while True:
        fitting = [
            simple | {name}
            for name in SINGLES
            if name not in simple and (budget is None or sum(map(size, simple | {name})) <= budget)
        ]
        best = min(fitting, key=cost, default=simple)  # type: ignore[arg-type]
        if cost(best) >= cost(simple):  # type: ignore[operator]
            break
        simple = best
    assert found.cost <= cost(simple) + 1e-6  # type: ignore[operator]


def test_what_measures_no_better_goes_worst_first_and_the_others_are_measured_again() -> None:
    # `a` and `b` are each other's substitute: one of them alone pays.
    def saved(each: str, everything: frozenset[str]) -> float:
        return {"a": 0.0, "b": 0.01, "c": -0.1}[each] + 0.2 * (not {"a", "b"} <= everything)

    assert borne_out("abc", saved, 0.05) == (["b"], ["c", "a"])
    assert borne_out("", saved, 0.05) == ([], [])


def test_the_choice_is_made_again_without_what_measured_no_better() -> None:
    asked = []

    def select(left: Sequence[str]) -> Sequence[str]:
        asked.append("".join(left))
        return left[:2]

    def prove(chosen: Sequence[str]) -> tuple[list[str], list[str]]:
        return [each for each in chosen if each != "a"], [each for each in chosen if each == "a"]

    def price(lasting: frozenset[str]) -> float:
        return -len(lasting)

    assert select_borne_out("abc", select, prove, price) == ["b", "c"]
    assert asked == ["abc", "bc"]
    assert select_borne_out("abc", select, prove, price, out_of_time=lambda: True) == ["b"]


def test_what_stood_in_anothers_way_is_taken_back_once_the_other_is_gone() -> None:
    # Beside `a`, `b` measures nothing; without `b` the choice falls on `c`, with which `a` measures nothing.
    def select(left: Sequence[str]) -> Sequence[str]:
        return [each for each in ("ab" if "b" in left else "ac") if each in left]

    def prove(chosen: Sequence[str]) -> tuple[list[str], list[str]]:
        useless = "b" if "a" in chosen else ""
        useless = "a" if "c" in chosen else useless
        return [each for each in chosen if each != useless], [each for each in chosen if each == useless]

    def price(lasting: frozenset[str]) -> float:
        return 100 - sum({"a": 10, "b": 20, "c": 30}[each] for each in lasting)

    assert select_borne_out("abc", select, prove, price) == ["c", "b"]
    assert select_borne_out("abc", select, prove, price, minimum_gain=0.5) == ["c"]
    assert select_borne_out("abc", select, prove, price, fits=lambda chosen: len(chosen) < 2) == ["c"]
