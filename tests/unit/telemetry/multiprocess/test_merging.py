from __future__ import annotations

import math
from typing import Any

import pytest

from perfloop.telemetry import Distribution, FamilySnapshot, Histogram, Occurrences, Series
from perfloop.telemetry.multiprocess import merge
from perfloop.telemetry.multiprocess.cells import Definition
from perfloop.telemetry.multiprocess.merging import families_of


def family(name: str, kind: Any, values: dict[tuple[str, ...], Any], **more: Any) -> FamilySnapshot:
    return FamilySnapshot(
        name=name,
        kind=kind,
        description="Some.",
        unit=more.pop("unit", ""),
        label_names=more.pop("label_names", tuple("ab"[: len(next(iter(values), ()))])),
        series=[Series(labels=labels, value=value) for labels, value in values.items()],
        **more,
    )


def values(families: list[FamilySnapshot]) -> dict[str, dict[tuple[str, ...], Any]]:
    return {each.name: {series.labels: series.value for series in each.series} for each in families}


def observed(*seconds: float, buckets: tuple[float, ...] = (0.1, 1.0)) -> Distribution:
    histogram = Histogram(buckets)
    for each in seconds:
        histogram.observe(each)
    return histogram.snapshot()


def test_counters_and_gauges_are_added_by_their_labels() -> None:
    one = [family("c", "counter", {("x",): 2, ("y",): 1}), family("g", "gauge", {(): 1.5})]
    other = [family("c", "counter", {("x",): 3, ("z",): 4}), family("g", "gauge", {(): 2})]
    assert values(merge([one, other])) == {"c": {("x",): 5, ("y",): 1, ("z",): 4}, "g": {(): 3.5}}


def test_a_gauge_may_be_the_largest() -> None:
    processes = [[family("lag", "gauge", {(): value}, merge="max")] for value in (1, 7, 3)]
    assert values(merge(processes)) == {"lag": {(): 7}}


@pytest.mark.parametrize("order", [1, -1])
def test_nan_counts_for_nothing(order: int) -> None:
    processes = [[family("g", "gauge", {(): value})] for value in (math.nan, 2.0)][::order]
    assert values(merge(processes)) == {"g": {(): 2.0}}


def test_histograms_are_what_one_that_saw_all_would_be() -> None:
    one, other = (0.05, 0.5, 30.0), (0.01, 0.5, 0.7)
    found = merge([[family("h", "histogram", {(): observed(*each)})] for each in (one, other)])
    together = found[0].series[0].value
    expected = observed(*one, *other)
    assert isinstance(together, Distribution)
    assert (together.cells, together.count, together.cumulative()) == (expected.cells, 6, expected.cumulative())
    assert list(together.cells) == sorted(together.cells)
    assert together.sum == pytest.approx(expected.sum)


def test_events_are_counted_together() -> None:
    processes = [[family("e", "event", {(): Occurrences(count=n, dropped=1, kept=[])})] for n in (2, 3)]
    assert values(merge(processes)) == {"e": {(): Occurrences(count=5, dropped=2, kept=[])}}


@pytest.mark.parametrize(
    "older",
    [
        family("m", "gauge", {(): 5}),
        family("m", "counter", {(): 5}, unit="s"),
        family("m", "counter", {("x",): 5}),
    ],
    ids=["kind", "unit", "labels"],
)
def test_where_processes_disagree_the_latest_counts(older: FamilySnapshot) -> None:
    assert values(merge([[family("m", "counter", {(): 1})], [older]])) == {"m": {(): 1}}


def test_a_histogram_with_other_buckets_is_left_out() -> None:
    latest, older = observed(0.05), observed(0.05, 0.06, buckets=(0.2, 2.0))
    found = merge([[family("h", "histogram", {(): latest})], [family("h", "histogram", {(): older})]])
    assert values(found) == {"h": {(): latest}}


def test_families_come_by_name_and_without_processes_there_are_none() -> None:
    assert [each.name for each in merge([[family("b", "gauge", {(): 1})], [family("a", "gauge", {(): 1})]])] == [
        "a",
        "b",
    ]
    assert merge([]) == []


def test_the_gauges_of_those_who_ended_are_gone() -> None:
    kinds = ("counter", "gauge", "event")
    series = [
        (
            Definition(
                name=kind,
                kind=kind,
                description="",
                unit="",
                label_names=(),
                merge="sum",
                labels=(),  # type: ignore[arg-type]
            ),
            {0: 3.0},
        )
        for kind in kinds
    ]
    assert {each.name for each in families_of(series, alive=True)} == {"counter", "gauge", "event"}
    assert {each.name for each in families_of(series, alive=False)} == {"counter", "event"}
