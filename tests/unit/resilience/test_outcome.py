from __future__ import annotations

import asyncio

import pytest

from perfloop.exceptions import AsyncMisuse, BulkheadFull, CallTimedOut, InvalidValue
from perfloop.resilience import FAILURE, IGNORED, SUCCESS, Classification


@pytest.mark.parametrize(
    ("settings", "error", "outcome"),
    [
        ({}, ValueError(), FAILURE),
        ({}, CallTimedOut("late"), FAILURE),
        ({}, BulkheadFull("full"), IGNORED),
        ({"failure": (BulkheadFull, ValueError)}, BulkheadFull("full"), IGNORED),
        ({}, AsyncMisuse("a coroutine"), IGNORED),
        ({"failure": OSError}, ValueError(), IGNORED),
        ({"failure": OSError}, ConnectionError(), FAILURE),
        ({"ignored": LookupError}, KeyError(), IGNORED),
        ({"success": LookupError}, KeyError(), SUCCESS),
        ({"success": LookupError, "ignored": KeyError}, KeyError(), IGNORED),
        ({"failure": lambda error: "503" in str(error)}, OSError("503"), FAILURE),
        ({"failure": lambda error: "503" in str(error)}, OSError("404"), IGNORED),
        *[({}, kind(), IGNORED) for kind in (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)],
        ({"failure": lambda error: True}, asyncio.CancelledError(), IGNORED),
    ],
)
def test_the_outcome_of_an_error(settings, error, outcome) -> None:
    assert Classification(**settings).of_error(error) == outcome


def test_the_outcome_of_a_result() -> None:
    assert Classification().of_result(None) == SUCCESS
    judging = Classification(failed_result=lambda status: status >= 500)
    assert judging.judges_results
    assert (judging.of_result(503), judging.of_result(200)) == (FAILURE, SUCCESS)


def test_what_a_predicate_raised_says_nothing_of_the_service() -> None:
    broken = Classification(failure=lambda error: error.no_such_attribute)
    with pytest.raises(AttributeError) as raised:
        broken.of_error(OSError())
    assert broken.of_error(raised.value) == Classification().of_error(raised.value) == IGNORED
    assert Classification().of_error(AttributeError()) == FAILURE


@pytest.mark.parametrize("where", ["failure", "ignored", "success", "failed_result"])
@pytest.mark.parametrize("test", [3, "ValueError", (ValueError, 3)])
def test_what_is_no_test_is_refused(where, test) -> None:
    with pytest.raises(InvalidValue, match=where):
        Classification(**{where: test})
