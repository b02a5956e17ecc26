"""Where a slow request's time went, as far as the agent's hooks say."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import time
from typing import Any

import pytest

import perfloop.agent
from perfloop.agent import active, originals, state
from perfloop.agent.events import STATEMENT, STEP
from perfloop.agent.hooks import HOOKS
from perfloop.monitoring.requests.breakdown import LIGHT_HOOKS, LoopTrace, begin_thread_trace, begin_trace

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


@pytest.fixture
def injected(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a service that perfloop started: the agent is there under its own name."""
    monkeypatch.setitem(sys.modules, "_perfloop_agent", perfloop.agent)
    for module in (active, originals, state):
        monkeypatch.setitem(sys.modules, f"_perfloop_agent.{module.__name__.rpartition('.')[2]}", module)


def begun() -> Any:
    trace = LoopTrace()
    begin_trace()(trace)
    return trace


@pytest.mark.usefixtures("injected")
@pytest.mark.parametrize("on_thread", [False, True])
def test_an_injected_agent_is_asked_for_its_request(on_thread: bool) -> None:
    def serve() -> None:
        request = state.Request("GET", None)
        state.CURRENT.set(request)
        segment = state.open_segment(request, STEP)
        assert segment is not None
        started = time.monotonic()
        trace = begin_thread_trace()() if on_thread else begun()
        request.add(STATEMENT, time.monotonic_ns() - 1000, 1000)
        ended = time.monotonic()
        running, statements = trace.breakdown(started, ended)
        if on_thread:
            trace.live = True
            trace.leave()
            trace.resume()
        # The agent's own request goes on as it was.
        assert active.ACTIVE[originals.get_ident()] is segment
        state.close_segment(segment)
        over, _ = trace.breakdown(started, ended)
        for parts in (running, over):
            assert sum(parts.values()) == pytest.approx(ended - started, abs=1e-6)
            assert parts["database"] > 0
        assert statements == 1
        assert active.ACTIVE == {}

    contextvars.copy_context().run(serve)


@pytest.mark.usefixtures("injected")
def test_an_injected_agent_that_knows_of_no_request() -> None:
    assert contextvars.Context().run(begun).breakdown(1.0, 2.0) == ({}, 0)


@pytest.mark.usefixtures("injected")
def test_beside_an_injected_agent_nothing_more_is_hooked(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[None] = []
    monkeypatch.setattr("perfloop.monitoring.requests.breakdown._apply_hooks", lambda: applied.append(None))
    begin_trace()
    begin_thread_trace()
    assert not applied
