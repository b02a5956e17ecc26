"""Where a slow request's time went, as far as the agent's hooks say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from perfloop.agent.hooks import HOOKS
from perfloop.monitoring.requests.breakdown import LIGHT_HOOKS

from . import breakdown_cases

CASES = (
    "statements_of_a_request_on_the_loop",
    "statements_and_processor_time_of_a_request_on_a_thread",
    "what_runs_on_after_a_request_is_not_its_own",
    "no_thread_is_left_at_work_for_a_request",
)


def test_the_light_hooks_are_hooks_of_the_agent() -> None:
    assert set(LIGHT_HOOKS) <= set(HOOKS)


@pytest.mark.parametrize("case", CASES)
def test_in_an_interpreter_of_its_own(case: str) -> None:
    program = f"from {breakdown_cases.__name__} import {case}; {case}()"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_without_it_nothing_is_hooked() -> None:
    program = (
        "import sqlite3, sys; before = sqlite3.connect, list(sys.meta_path)\n"
        "from perfloop.monitoring import PerformanceMiddleware\n"
        "PerformanceMiddleware(lambda *_: None, breakdown=False)\n"
        "assert (sqlite3.connect, list(sys.meta_path)) == before\n"
        "PerformanceMiddleware(lambda *_: None)\n"
        "assert sqlite3.connect is not before[0]\n"
        "finders = list(sys.meta_path)\n"
        "PerformanceMiddleware(lambda *_: None)\n"
        "assert list(sys.meta_path) == finders, 'hooked twice'\n"
        "loaded = set(sys.modules) & {'numpy', 'httpx', 'aiohttp', 'sqlalchemy', 'starlette', 'django', 'flask'}\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
