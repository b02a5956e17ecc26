from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.resilience import Bulkhead, Policy, Timeout, register_pool

from .rules import found

RULE = "bulkhead-larger-than-pool"


def test_a_bulkhead_that_admits_more_than_the_pool_has() -> None:
    bulkhead = Bulkhead(20, name="reports")
    register_pool("orders", size=10, guards=[Policy(bulkhead, Timeout(1))])
    (finding,) = found(RULE)
    assert finding.numbers == {"permits": 20, "pool": 10}
    assert finding.where == bulkhead.made_at
    assert "10 calls at most" in finding.fix


def test_bulkheads_of_the_pools_name_count_together() -> None:
    halves = [Bulkhead(6, name="orders"), Bulkhead(6, name="orders")]
    register_pool("orders", size=10)
    assert found(RULE, *halves)[0].numbers["permits"] == 12
    assert found(RULE, halves[0]) == []


def test_a_bulkhead_that_fits_and_one_of_another_name() -> None:
    register_pool("orders", size=10, guards=[Bulkhead(10)])
    assert found(RULE, Bulkhead(100, name="other")) == []


def test_of_one_name_the_last_pool_counts() -> None:
    guard = Bulkhead(10)
    register_pool("orders", size=5, guards=[guard])
    register_pool("orders", size=10, guards=[guard])
    assert found(RULE) == []


@pytest.mark.parametrize("wrong", [{"size": 0}, {"size": 5, "guards": [7]}])
def test_what_is_no_pool_is_refused(wrong: dict) -> None:
    with pytest.raises(InvalidValue):
        register_pool("orders", **wrong)
