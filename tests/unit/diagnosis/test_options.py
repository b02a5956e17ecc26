from __future__ import annotations

import pytest

from perfloop.diagnosis import ComparisonOptions, DiagnosisOptions
from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.loadtest import Request

COMMAND = ("uvicorn", "shop:app")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (DiagnosisOptions(command=()), ConfigurationError),
        (DiagnosisOptions(command=COMMAND, duration=0), InvalidValue),
        (DiagnosisOptions(command=COMMAND, step_duration=-1), InvalidValue),
        (DiagnosisOptions(command=COMMAND, timeout=float("inf")), InvalidValue),
        (DiagnosisOptions(command=COMMAND, startup_timeout=float("nan")), InvalidValue),
        (DiagnosisOptions(command=COMMAND, requests=(Request(target="a b"),)), InvalidValue),
        (ComparisonOptions(a=COMMAND, b=()), ConfigurationError),
        (ComparisonOptions(a=COMMAND, b=COMMAND, runs=0), InvalidValue),
        (ComparisonOptions(a=COMMAND, b=COMMAND, confidence=1.0), InvalidValue),
        (ComparisonOptions(a=COMMAND, b=COMMAND, duration=0), InvalidValue),
        (ComparisonOptions(a=COMMAND, b=COMMAND, requests=(Request(method=""),)), InvalidValue),
    ],
)
def test_what_cannot_be_used_is_refused(options, error) -> None:
    with pytest.raises(error):
        options.validate()


def test_what_can_is_not() -> None:
    DiagnosisOptions(command=COMMAND).validate()
    ComparisonOptions(a=COMMAND, b=COMMAND).validate()


def test_options_do_not_share_their_environment() -> None:
    DiagnosisOptions(command=COMMAND).env["X"] = "1"
    assert DiagnosisOptions(command=COMMAND).env == {}
