"""Programs in a thread and in an event loop: the same answers, errors and cancellations."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.caching.effects import Call, Load, Program, Sleep, run, run_async

if TYPE_CHECKING:
    from collections.abc import Callable

SHELLS = [run, lambda program: asyncio.run(run_async(program))]


class Echo:
    """Answers with what it is sent, and fails at what is an error."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, request: Any) -> Any:
        self.sent.append(request)
        if isinstance(request, BaseException):
            raise request
        return request

    async def send_async(self, request: Any) -> Any:
        return self.send(request)


@pytest.mark.parametrize("shell", SHELLS)
def test_answers_and_errors_come_back_where_the_program_waits(shell: Callable[[Program[Any]], Any]) -> None:
    echo = Echo()

    def program() -> Program[list[Any]]:
        first = yield Call(echo, 1)
        try:
            yield Call(echo, KeyError("gone"))
        except KeyError as error:
            second = error.args[0]
        yield Sleep(0)
        return [first, second]

    assert shell(program()) == [1, "gone"]
    assert echo.sent[0] == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_an_error_the_program_does_not_take_reaches_the_caller(shell: Callable[[Program[Any]], Any]) -> None:
    def program() -> Program[None]:
        yield Call(Echo(), ValueError("no"))

    with pytest.raises(ValueError, match="no"):
        shell(program())


@pytest.mark.parametrize("shell", SHELLS)
def test_a_plain_loader(shell: Callable[[Program[Any]], Any]) -> None:
    def program() -> Program[Any]:
        return (yield Load(lambda a, b: a + b, (1, 2)))

    assert shell(program()) == 3


def test_an_event_loop_takes_coroutines_and_keeps_plain_loaders_out_of_its_thread() -> None:
    async def load() -> str:
        return "awaited"

    def program() -> Program[Any]:
        return (yield Load(load)), (yield Load(lambda: load())), (yield Load(threading.get_ident))

    awaited, made, thread = asyncio.run(run_async(program()))
    assert (awaited, made) == ("awaited", "awaited")
    assert thread != threading.get_ident()


def test_a_thread_refuses_a_coroutine_and_leaves_none_behind() -> None:
    async def load() -> None: ...

    with pytest.raises(TypeError, match="got an awaitable"):
        run(loads(load))


def loads(loader: Callable[..., Any]) -> Program[Any]:
    return (yield Load(loader))


def test_a_cancelled_task_lets_its_program_clean_up() -> None:
    echo = Echo()

    def program() -> Program[None]:
        try:
            yield Sleep(60)
        finally:
            yield Call(echo, "cleaned")

    async def main() -> None:
        task = asyncio.create_task(run_async(program()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert echo.sent == ["cleaned"]
