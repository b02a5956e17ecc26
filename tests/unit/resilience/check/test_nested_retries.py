from __future__ import annotations

from perfloop.resilience import Policy, Retry, Timeout

from .rules import found

RULE = "nested-retries"


def retrying(attempts: int, name: str = "", **settings: object) -> Policy:
    return Policy(Retry(attempts, idempotent=True), Timeout(1), name=name, **settings)


def test_retries_of_policies_that_call_each_other_multiply() -> None:
    database = retrying(3, "database")
    orders = retrying(3, "orders", calls=[database])
    gateway = retrying(2, "gateway", calls=[orders])
    (finding,) = found(RULE, gateway, orders, database)
    assert finding.numbers == {"attempts": 18, "policies": 3}
    assert finding.what == "one call may become 18 attempts: gateway (2) → orders (3) → database (3)"
    assert finding.where == gateway.made_at
    assert __file__ in finding.where


def test_so_do_those_seen_at_run_time() -> None:
    inner, outer = retrying(3), retrying(4)
    assert found(RULE, inner, outer) == []
    outer.execute(inner.execute, int)
    assert found(RULE, outer)[0].numbers["attempts"] == 12


def test_so_do_policies_inside_policies() -> None:
    inner = retrying(2, "inner")
    assert found(RULE, Policy(inner, Retry(5, idempotent=True), name="outer"))[0].numbers["attempts"] == 10


def test_each_way_is_a_finding_and_a_loop_ends() -> None:
    leaf, other = retrying(2, "leaf"), retrying(3, "other")
    root = retrying(2, "root", calls=[leaf, other])
    assert sorted(finding.numbers["attempts"] for finding in found(RULE, root)) == [4, 6]
    again = retrying(2, "again")
    again.execute(again.execute, int)
    (finding,) = found(RULE, again)
    assert finding.what == "one call may become 4 attempts: again (2) → again (2)"


def test_one_that_retries_and_others_that_do_not_are_fine() -> None:
    never = Policy(Retry(3), Timeout(1))  # not said to be idempotent: it makes one attempt
    assert found(RULE, retrying(3, calls=[never, retrying(1), Policy(Timeout(1))])) == []
