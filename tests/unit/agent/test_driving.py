"""A driven coroutine behaves as it would alone: values, exceptions, cancellation, context."""

from __future__ import annotations

import asyncio
import gc
import inspect
import warnings
from contextvars import ContextVar
from typing import Any

import pytest

from perfloop.agent import events as ev
from perfloop.agent.active import ACTIVE
from perfloop.agent.asgi import call_application
from perfloop.agent.channel import CHANNEL
from perfloop.agent.driving import DrivenRequest, DrivenTask
from perfloop.agent.state import CURRENT, Request


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bytes]]:
    """What would go to the parent."""
    sent: list[tuple[int, bytes]] = []
    monkeypatch.setattr(CHANNEL, "open", True)
    monkeypatch.setattr(CHANNEL, "put", lambda kind, payload: sent.append((kind, payload)))
    return sent


def steps(request: Request) -> int:
    return sum(1 for at in range(0, len(request.events), ev.WIDTH) if request.events[at] == ev.STEP)


async def test_values_steps_and_nested_tasks(recorded: list[tuple[int, bytes]]) -> None:
    request = Request("GET", None)

    async def work() -> int:
        await asyncio.sleep(0)
        return await asyncio.create_task(DrivenTask(request, child())) + 1  # type: ignore[arg-type]

    async def child() -> int:
        assert CURRENT.get() is request
        await asyncio.sleep(0)
        return 41

    assert await DrivenRequest(request, work()) == 42
    assert steps(request) == 5
    assert CURRENT.get() is None
    assert ACTIVE == {}
    assert len(recorded) == 1


async def test_exceptions_pass_with_their_cause_and_traceback(recorded: list[tuple[int, bytes]]) -> None:
    async def fails() -> None:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise LookupError("second") from error

    request = Request("GET", None)
    with pytest.raises(LookupError, match="second") as caught:
        await DrivenRequest(request, fails())
    assert isinstance(caught.value.__cause__, KeyError)
    assert [entry.name for entry in caught.traceback][-1] == "fails"
    assert request.error == "LookupError"
    assert ACTIVE == {}


async def test_an_exception_outside_is_no_context_of_one_inside(recorded: list[tuple[int, bytes]]) -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def waits() -> None:
        await ready

    task = asyncio.ensure_future(DrivenRequest(Request("GET", None), waits()))
    await asyncio.sleep(0)
    ready.set_exception(ValueError("from the future"))
    with pytest.raises(ValueError, match="from the future") as caught:
        await task
    assert caught.value.__context__ is None


@pytest.mark.parametrize("suppressing", [False, True])
async def test_cancellation(recorded: list[tuple[int, bytes]], suppressing: bool) -> None:
    seen: list[str] = []

    async def waits() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            if not suppressing:
                raise
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            return "stayed"
        return "slept"

    task = asyncio.ensure_future(DrivenRequest(Request("GET", None), waits()))
    await asyncio.sleep(0)
    task.cancel("why")
    if suppressing:
        assert await task == "stayed"
    else:
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
    assert seen == ["cancelled"]


async def test_cancelled_before_the_first_step_leaves_no_warning(recorded: list[tuple[int, bytes]]) -> None:
    async def never() -> None: ...

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task = asyncio.ensure_future(DrivenTask(Request("GET", None), never()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        gc.collect()


def test_closing_runs_finally() -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            await _once()
        finally:
            seen.append("closed")

    driven = DrivenTask(Request("GET", None), work())
    driven.send(None)
    driven.close()
    assert seen == ["closed"]


class _once:
    def __await__(self) -> Any:
        yield


def test_it_looks_like_the_coroutine() -> None:
    async def named() -> None: ...

    coroutine = named()
    driven = DrivenTask(Request("GET", None), coroutine)
    assert driven.__name__ == "named"
    assert driven.cr_code is coroutine.cr_code
    assert asyncio.iscoroutine(driven)
    assert inspect.isawaitable(driven)
    driven.close()


async def test_the_context_of_the_task_is_the_applications(recorded: list[tuple[int, bytes]]) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")

    async def work() -> None:
        variable.set("by the application")

    await DrivenRequest(Request("GET", None), work())
    assert variable.get() == "by the application"


async def test_asgi_messages_status_and_the_work_after_the_last_byte(recorded: list[tuple[int, bytes]]) -> None:
    sent: list[Any] = []
    after: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})
        assert len(recorded) == 1
        await asyncio.sleep(0)
        after.append("work")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "headers": [(b"traceparent", b"00-" + b"a" * 32 + b"-00000000000000ff-01")],
    }
    await call_application(application, (), scope, None, send)
    assert [message.get("body") for message in sent] == [None, b"a", b"b"]
    assert after == ["work"]
    assert len(recorded) == 1


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_other_scopes_are_handed_through(recorded: list[tuple[int, bytes]], kind: str) -> None:
    def application(*arguments: Any) -> Any:
        return arguments

    arguments = ({"type": kind}, object(), object())
    assert call_application(application, (), *arguments) == arguments
