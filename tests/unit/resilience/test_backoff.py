from __future__ import annotations

from types import SimpleNamespace

import pytest

from perfloop.exceptions import CircuitOpen, InvalidValue
from perfloop.resilience.backoff import ConstantBackoff, DecorrelatedBackoff, ExponentialBackoff, retry_after


def waits(backoff, number: int, random: float = 0.5) -> list[float]:
    found, before = [], 0.0
    for failed in range(1, number + 1):
        before = backoff.seconds(failed, before, lambda: random)
        found.append(before)
    return found


@pytest.mark.parametrize(
    ("backoff", "random", "expected"),
    [
        (ExponentialBackoff(0.1, 1.0), 0.5, [0.05, 0.1, 0.2, 0.4, 0.5, 0.5]),
        (ExponentialBackoff(0.1, 1.0), 0.0, [0, 0, 0]),
        (ExponentialBackoff(1, 5, factor=3, jittered=False), 0.5, [1, 3, 5, 5]),
        (ExponentialBackoff(1, 5, factor=1), 0.5, [0.5, 0.5]),
        (DecorrelatedBackoff(0.1, 2.0), 0.5, [0.1, 0.2, 0.35, 0.575, 0.9125, 1.41875, 2.0]),
        (DecorrelatedBackoff(0.1, 2.0), 0.0, [0.1, 0.1]),
        (ConstantBackoff(2), 0.0, [1, 1]),
        (ConstantBackoff(2), 0.75, [2.5]),
        (ConstantBackoff(2, jittered=False), 0.75, [2, 2]),
        (ConstantBackoff(0), 0.75, [0]),
    ],
)
def test_waits(backoff, random, expected) -> None:
    assert waits(backoff, len(expected), random) == pytest.approx(expected)


def test_no_number_of_attempts_is_too_large() -> None:
    assert ExponentialBackoff(0.1, 7, jittered=False).seconds(10**6, 7, lambda: 0.5) == 7


@pytest.mark.parametrize(
    "make",
    [
        lambda: ExponentialBackoff(0),
        lambda: ExponentialBackoff(2, 1),
        lambda: ExponentialBackoff(factor=0.5),
        lambda: ExponentialBackoff(most=float("inf")),
        lambda: DecorrelatedBackoff(-1),
        lambda: DecorrelatedBackoff(2, 1),
        lambda: ConstantBackoff(-1),
        lambda: ConstantBackoff(float("nan")),
    ],
)
def test_settings_are_checked(make) -> None:
    with pytest.raises(InvalidValue):
        make()


def rejected(seconds) -> CircuitOpen:
    error = CircuitOpen("open")
    error.retry_after = seconds
    return error


def answer(**headers: object) -> SimpleNamespace:
    return SimpleNamespace(headers={key.replace("_", "-"): value for key, value in headers.items()})


@pytest.mark.parametrize(
    ("what", "seconds"),
    [
        (rejected(1.5), 1.5),
        (rejected(-1), 0),
        (rejected(None), None),
        (rejected(float("nan")), None),
        (rejected(True), None),
        (answer(Retry_After="120"), 120),
        (answer(retry_after=" 7 "), 7),
        (answer(retry_after="0"), 0),
        (answer(retry_after="9" * 5000), float("9" * 18)),
        (answer(retry_after="-3"), None),
        (answer(retry_after="1.5"), None),
        (answer(retry_after="soon"), None),
        (answer(retry_after="٣"), None),
        (answer(retry_after=""), None),
        (answer(retry_after=3), None),
        (answer(retry_after="Thu, 01 Jan 1970 00:17:10 GMT"), 30),
        (answer(retry_after="Thu, 01 Jan 1970 00:00:10 GMT"), 0),
        (answer(retry_after="Thu, 99 Jan 1970 00:00:10 GMT"), None),
        (SimpleNamespace(response=answer(retry_after="4")), 4),
        (SimpleNamespace(response=None, headers=None), None),
        (ValueError("plain"), None),
        ("a result", None),
        (None, None),
    ],
)
def test_the_service_may_say_when_to_come_back(what, seconds) -> None:
    assert retry_after(what, lambda: 1000.0) == seconds
