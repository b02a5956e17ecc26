from __future__ import annotations

import pytest

from perfloop.resilience.rate_limiter.outage import Outage


def test_one_call_in_a_while_asks_a_store_that_is_gone() -> None:
    outage = Outage(1.0)
    assert (outage.may_ask(0.0), outage.lasts, outage.left(0.0)) == (True, False, 0.0)
    assert outage.failed(0.0) is True
    assert outage.failed(0.1) is False  # another call that had asked before
    assert (outage.lasts, outage.left(0.6)) == (True, pytest.approx(0.5))
    assert [outage.may_ask(now) for now in (0.5, 1.1, 1.1, 2.0)] == [False, True, False, False]
    assert outage.failed(1.2) is False
    assert [outage.may_ask(now) for now in (2.1, 2.2)] == [False, True]
    assert outage.answered() is True
    assert outage.answered() is False
    assert (outage.may_ask(2.3), outage.lasts) == (True, False)
