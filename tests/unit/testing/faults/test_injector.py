from __future__ import annotations

import asyncio

import pytest

from perfloop.exceptions import AsyncMisuse, InvalidValue
from perfloop.resilience import Policy, Retry
from perfloop.telemetry import Registry
from perfloop.testing import Fault, Faults


def made(routes=None, **settings) -> Faults:
    return Faults(routes, name="shop", allow=True, registry=Registry(), **settings)


def price(article: int = 1) -> int:
    return article * 100


async def aprice(article: int = 1) -> int:
    return article * 100


def test_the_first_route_that_matches_counts() -> None:
    slow, broken = Fault(latency=1), Fault(status=503)
    faults = made({"/orders/*": slow, "*": broken})
    assert faults.choose("/orders/7") is slow
    assert faults.choose("/orders") is broken
    assert made({"/orders": slow}).choose("/Orders") is None


def test_a_fault_happens_with_its_probability() -> None:
    drawn = iter([0.0, 0.29, 0.3, 0.99])
    faults = made({"*": Fault(status=500, probability=0.3)}, random=lambda: next(drawn))
    assert [faults.choose("/") is not None for _ in range(4)] == [True, True, False, False]
    assert faults.counts() == {"none": 2, "latency": 0, "status": 2, "error": 0, "reset": 0, "partial": 0}


def test_a_header_is_heard_only_if_it_may_be() -> None:
    assert made(by_header=True).choose("/", "status=503") == Fault(status=503)
    assert made({"*": Fault(reset=True)}, by_header=True).choose("/", "status=503") == Fault(status=503)
    assert made({"*": Fault(reset=True)}, by_header=True).choose("/").reset
    assert made().choose("/", "status=503") is None
    with pytest.raises(InvalidValue, match="X-Perfloop-Fault"):
        made(by_header=True).choose("/", "boom")


def test_functions_are_slow_and_fail() -> None:
    slept = []
    faults = made({"price": Fault(latency=2, error=TimeoutError), "*lambda*": Fault(latency=1)}, sleep=slept.append)
    for call in (lambda: faults.execute(price), lambda: faults(price)()):
        with pytest.raises(TimeoutError) as raised:
            call()
        assert raised.value.__notes__ == ["injected by fault 'shop'"]
    assert faults.execute(lambda: 7) == 7
    assert slept == [2, 2, 1]


async def test_coroutine_functions_fail() -> None:
    faults = made({"aprice": Fault(reset=True)})
    for call in (faults.aexecute, faults(aprice)):
        with pytest.raises(ConnectionResetError):
            await (call(aprice) if call == faults.aexecute else call())
    assert await faults.aexecute(asyncio.sleep, 0, "through") == "through"
    assert faults.counts()["reset"] == 2


def test_in_a_policy_faults_stand_for_those_of_the_call() -> None:
    drawn = iter([0.0, 0.9])
    faults = made({"price": Fault(error=TimeoutError, probability=0.5)}, random=lambda: next(drawn))
    retry = Retry(2, idempotent=True, registry=Registry(), sleep=lambda _: None)
    assert Policy(faults, retry, registry=Registry()).execute(price, 3) == 300
    assert faults.counts()["error"] == 1
    assert retry.counts()["successful_with_retry"] == 1


def test_what_a_function_cannot_do_is_refused() -> None:
    for fault in (Fault(status=503), Fault(partial=3)):
        with pytest.raises(InvalidValue, match="for a function"):
            made({"*": fault}).execute(price)


def test_a_coroutine_is_refused() -> None:
    with pytest.raises(AsyncMisuse):
        made()(lambda: aprice())()


@pytest.mark.parametrize("routes", [{"*": 503}, {7: Fault()}])
def test_settings_are_checked(routes) -> None:
    with pytest.raises(InvalidValue):
        made(routes)


def test_it_says_what_it_is() -> None:
    assert str(made({}).describe()) == "fault 'shop': routes={}, by_header=False, allowed=True"
