from __future__ import annotations

import logging

import pytest

from perfloop.telemetry import Registry
from perfloop.testing import Fault, Faults
from perfloop.testing.faults.permission import refusal


@pytest.mark.parametrize(
    ("allow", "environ", "reason"),
    [
        (None, {}, "nothing says that this is no production"),
        (None, {"APP_ENV": "production"}, "APP_ENV is 'production'"),
        (None, {"APP_ENV": "prod-eu-1"}, "APP_ENV is 'prod-eu-1'"),
        (None, {"APP_ENV": "staging"}, "APP_ENV is 'staging'"),
        (None, {"APP_ENV": "test", "ENVIRONMENT": "live"}, "ENVIRONMENT is 'live'"),
        (None, {"PYTEST_CURRENT_TEST": "x", "STAGE": "prod"}, "STAGE is 'prod'"),
        (None, {"PERFLOOP_ALLOW_FAULTS": "0", "APP_ENV": "test"}, "PERFLOOP_ALLOW_FAULTS is '0'"),
        (None, {"PERFLOOP_ALLOW_FAULTS": "maybe"}, "PERFLOOP_ALLOW_FAULTS is 'maybe'"),
        (None, {"PERFLOOP_ALLOW_FAULTS": ""}, "PERFLOOP_ALLOW_FAULTS is ''"),
        (False, {"PERFLOOP_ALLOW_FAULTS": "1", "APP_ENV": "test"}, "allow=False"),
        (True, {"APP_ENV": "production"}, None),
        (None, {"PERFLOOP_ALLOW_FAULTS": " True ", "APP_ENV": "production"}, None),
        (None, {"APP_ENV": "Test"}, None),
        (None, {"ENVIRONMENT": "development", "APP_ENV": ""}, None),
        (None, {"PYTEST_CURRENT_TEST": "tests/test_shop.py::test (call)"}, None),
        (None, {"PYTEST_VERSION": "8.4.2"}, None),
        (None, {"PYTEST_VERSION": "8.4.2", "STAGE": "prod"}, "STAGE is 'prod'"),
    ],
)
def test_who_does_not_know_says_no(allow, environ, reason) -> None:
    assert refusal(allow, environ) == reason


def test_what_is_blocked_does_nothing_and_is_logged_once(caplog) -> None:
    with caplog.at_level(logging.WARNING, "perfloop.testing"):
        faults = Faults({"*": Fault(error=OSError)}, by_header=True, environ={}, registry=Registry())
    assert "not injected: nothing says that this is no production" in caplog.text
    assert "PERFLOOP_ALLOW_FAULTS=1" in caplog.text
    assert faults.execute(str.upper, "a") == "A"
    assert faults.choose("/", "not even read") is None
    assert set(faults.counts().values()) == {0}
    assert len(caplog.records) == 1
