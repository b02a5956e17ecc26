"""Threads that run one at a time, and change where CPython may change threads: a schedule chooses where.

With a global interpreter lock a thread goes on until it begins a function, ends a call or jumps back; in between it
cannot be interrupted (`CHECK_EVAL_BREAKER` in CPython's ceval.c, 3.11 to 3.13). So these places are where turns change,
in the code under test alone: all else is one step.
"""

from __future__ import annotations

import dis
import sys
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType, FrameType, TracebackType

    from .choices import Choices

__all__ = ["Stuck", "TurnLock", "TurnSignal", "Turns"]

_WITHIN = 60
"""Places at which the running thread may be stopped are drawn from the next so many."""
_LONGEST = 10.0


class Stuck(Exception):
    """Every thread waits for another one."""


class Turns:
    """Runs some functions in a thread each, one of them at a time."""

    def __init__(self, choices: Choices, code_under_test: Iterable[str]) -> None:
        """`code_under_test`: parts of file names."""
        self._choices = choices
        self._watched = tuple(code_under_test)
        self._controller = threading.Semaphore(0)
        self._turns: list[threading.Semaphore] = []
        self._blocked: dict[int, Callable[[], bool]] = {}
        self._left = 0
        self._current = -1
        self._errors: list[BaseException] = []

    def run(self, functions: list[Callable[[], object]]) -> None:
        """Run all to their ends.

        Raises:
            Stuck: they wait for each other.
        """
        threads = []
        self._turns = [threading.Semaphore(0) for _ in functions]
        alive = set(range(len(functions)))

        def body(number: int, function: Callable[[], object]) -> None:
            self._turns[number].acquire()
            sys.settrace(self._trace)
            try:
                function()
            except BaseException as error:
                self._errors.append(error)
            finally:
                sys.settrace(None)
                alive.discard(number)
                self._controller.release()

        for number, function in enumerate(functions):
            threads.append(threading.Thread(target=body, args=(number, function), daemon=True))
            threads[-1].start()
        while alive:
            ready = [number for number in sorted(alive) if number not in self._blocked or self._blocked[number]()]
            if not ready:
                raise Stuck
            self._current = self._choices.choose(ready)
            self._blocked.pop(self._current, None)
            self._left = self._choices.choose(range(1, _WITHIN))
            self._turns[self._current].release()
            if not self._controller.acquire(timeout=_LONGEST):
                raise Stuck
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def wait_until(self, is_free: Callable[[], bool]) -> None:
        """The running thread waits; it gets no turn before `is_free` says so."""
        number = self._current
        self._blocked[number] = is_free
        self._change(number)

    def _change(self, number: int) -> None:
        self._controller.release()
        self._turns[number].acquire()

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if not any(part in frame.f_code.co_filename for part in self._watched):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        calls, others = _places(frame.f_code)
        after_call = False

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal after_call
            if event == "opcode":
                if after_call or frame.f_lasti in others:
                    self._left -= 1
                    if self._left <= 0:
                        self._change(self._current)
                after_call = frame.f_lasti in calls
            return trace

        return trace


@cache
def _places(code: CodeType) -> tuple[frozenset[int], frozenset[int]]:
    """Offsets of the instructions after which threads may change, and of those before which."""
    instructions = list(dis.get_instructions(code))
    calls = frozenset(each.offset for each in instructions if each.opname.startswith("CALL"))
    others = frozenset(each.offset for each in instructions if each.opname in ("RESUME", "JUMP_BACKWARD"))
    return calls, others


class TurnLock:
    """A reentrant lock among threads that take turns."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._owner: int | None = None
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As `threading.RLock`; nobody waits with a timeout here."""
        me = threading.get_ident()
        while self._owner not in (None, me):
            if not blocking:
                return False
            self._turns.wait_until(lambda: self._owner is None)
        self._owner = me
        self._depth += 1
        return True

    def release(self) -> None:
        """As `threading.RLock`."""
        self._depth -= 1
        if not self._depth:
            self._owner = None

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


class TurnSignal:
    """A plain lock that another thread may release: what a thread waits on for its turn in a queue."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._taken = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As `threading.Lock`; no time passes here, so no wait ends by itself."""
        while self._taken:
            if not blocking:
                return False
            self._turns.wait_until(lambda: not self._taken)
        self._taken = True
        return True

    def release(self) -> None:
        """As `threading.Lock`."""
        self._taken = False
