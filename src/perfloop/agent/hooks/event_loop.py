"""asyncio and uvloop: tasks and executor jobs a request starts belong to it; asyncio.sleep is a wait of its own."""

from __future__ import annotations

import asyncio
import sys
from time import monotonic_ns
from typing import Any

from ..driving import DrivenTask
from ..events import WAIT_SLEEP
from ..state import CURRENT
from ..workers import Job

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Hook the loop's class of asyncio, or of uvloop."""
    if module.__name__ == "uvloop":
        _hook_loop(module.Loop)
        return
    _hook_loop(asyncio.base_events.BaseEventLoop)
    _hook_sleep(module)


def _hook_loop(loop_class: Any) -> None:
    create_task = loop_class.create_task
    run_in_executor = loop_class.run_in_executor

    def traced_create_task(self: Any, coro: Any, **options: Any) -> Any:
        request = CURRENT.get()
        if request is not None and request.live and asyncio.iscoroutine(coro):
            coro = DrivenTask(request, coro)
        return create_task(self, coro, **options)

    def traced_run_in_executor(self: Any, executor: Any, func: Any, *args: Any) -> Any:
        request = CURRENT.get()
        if request is not None and request.live and callable(func) and _has_threads(executor):
            func = Job(request, func)
        return run_in_executor(self, executor, func, *args)

    traced_create_task.__doc__ = create_task.__doc__
    traced_run_in_executor.__doc__ = run_in_executor.__doc__
    loop_class.create_task = traced_create_task
    loop_class.run_in_executor = traced_run_in_executor


def _has_threads(executor: Any) -> bool:
    """An executor of processes would have to pickle the job: only threads get one."""
    if executor is None:
        return True
    module = sys.modules.get("concurrent.futures.thread")
    return module is not None and isinstance(executor, module.ThreadPoolExecutor)


def _mark_coroutine_function(function: Any) -> None:
    """Let a plain function that returns a coroutine pass for a coroutine function, as far as Python can say so."""
    mark = getattr(sys.modules.get("inspect"), "markcoroutinefunction", None)
    if mark is not None:
        mark(function)
    elif hasattr(asyncio.coroutines, "_is_coroutine"):
        function._is_coroutine = asyncio.coroutines._is_coroutine


def _hook_sleep(module: Any) -> None:
    sleep = module.sleep

    def traced_sleep(delay: Any, *args: Any, **options: Any) -> Any:
        request = CURRENT.get()
        if request is not None and request.live and isinstance(delay, (int, float)) and 0 < delay < 1e6:
            request.add(WAIT_SLEEP, monotonic_ns(), int(delay * 1e9))
        return sleep(delay, *args, **options)

    _mark_coroutine_function(traced_sleep)
    traced_sleep.__doc__ = sleep.__doc__
    traced_sleep.__wrapped__ = sleep  # type: ignore[attr-defined]
    module.sleep = traced_sleep
    module.tasks.sleep = traced_sleep
