from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.telemetry import OVERFLOW, Counter, Family, Registry


def family(max_series: int = 100) -> Family[Counter]:
    return Registry().counter("requests", "Requests.", labels=["method", "status"], max_series=max_series)


def test_one_instrument_for_each_combination() -> None:
    requests = family()
    requests.labels("GET", "200").inc()
    requests.labels(status="200", method="GET").inc()
    requests.labels("GET", 200).inc()
    requests.labels("POST", "200").inc()
    assert requests.labels("GET", "200") is requests.labels(method="GET", status=200)
    assert {labels: child.value for labels, child in requests.children()} == {("GET", "200"): 3, ("POST", "200"): 1}


def test_values_that_are_equal_but_read_otherwise_stay_apart() -> None:
    requests = family()
    assert requests.labels("a", 1) is not requests.labels("a", True)
    assert {labels[1] for labels, _ in requests.children()} == {"1", "True"}


def test_values_that_cannot_be_hashed() -> None:
    requests = family()
    assert requests.labels("a", [1]) is requests.labels("a", "[1]")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((), {}),
        (("GET",), {}),
        (("GET", "200", "x"), {}),
        ((), {"method": "GET"}),
        ((), {"method": "GET", "code": "200"}),
        ((), {"method": "GET", "status": "200", "x": 1}),
        (("GET",), {"status": "200"}),
    ],
)
def test_labels_must_fit(values: tuple[str, ...], named: dict[str, object]) -> None:
    with pytest.raises(InvalidValue, match="each of the labels method, status"):
        family().labels(*values, **named)


def test_beyond_the_bound_one_series_takes_all_and_says_how_often() -> None:
    requests = family(max_series=2)
    for path in ("a", "b", "c", "d", "c"):
        requests.labels(path, 200).inc()
    values = {labels: child.value for labels, child in requests.children()}
    assert values == {("a", "200"): 1, ("b", "200"): 1, (OVERFLOW, OVERFLOW): 3}
    assert requests.dropped == 3
    requests.labels("a", 200).inc()
    assert requests.dropped == 3


def test_removing_frees_a_place() -> None:
    requests = family(max_series=1)
    requests.labels("a", 1).inc()
    assert requests.remove("a", 1)
    assert not requests.remove("a", 1)
    requests.labels("b", 1).inc()
    assert [labels for labels, _ in requests.children()] == [("b", "1")]
    assert requests.dropped == 0
