from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.resilience import Bulkhead, Policy, RateLimiter, Timeout, register_limit, register_pool
from perfloop.resilience.rate_limiter.redis import RedisStore

from .rules import found

RULE = "limits-times-workers"


def test_pools_of_all_processes_are_more_than_the_server_takes() -> None:
    pool = register_pool("orders", size=20)
    limit = register_limit("PostgreSQL", most=100, of=[pool])
    assert found(RULE, workers=5) == []
    (finding,) = found(RULE, workers=8)
    assert finding.numbers == {"together": 160, "most": 100, "workers": 8}
    assert finding.where == limit.made_at
    assert "at most 12 a process" in finding.fix


def test_bulkheads_and_policies_count_by_what_they_admit() -> None:
    register_limit("partner", most=30, of=[Bulkhead(5), Policy(Bulkhead(8), Bulkhead(6), Timeout(1))])
    assert found(RULE, workers=2) == []
    assert found(RULE, workers=3)[0].numbers["together"] == 33


def test_rates_of_all_processes_are_above_what_an_interface_allows() -> None:
    register_limit("partner", most=100, of=[Policy(RateLimiter(120, 2), Timeout(1))])
    assert found(RULE) == []
    assert found(RULE, workers=2)[0].numbers["together"] == 120


def test_a_limiter_that_all_processes_share_counts_once() -> None:
    shared = RateLimiter(60, store=RedisStore("redis://127.0.0.1:1/0"))  # connects when first asked
    register_limit("partner", most=60, of=[shared])
    assert found(RULE, workers=8) == []


@pytest.mark.parametrize("wrong", [{"most": 0, "of": [Bulkhead(1)]}, {"most": 5, "of": []}, {"most": 5, "of": ["x"]}])
def test_what_is_no_limit_is_refused(wrong: dict) -> None:
    with pytest.raises(InvalidValue):
        register_limit("partner", **wrong)
