"""Records how each call ended, in production: what `perfloop resilience replay` tries other settings on."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import secrets
import sys
import threading
import time
import weakref
from pathlib import Path
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import msgspec

from ...clock import MONOTONIC
from ...exceptions import CallRejected
from ...records import OutcomesRecord, current_environment
from ...telemetry import DEFAULT_REGISTRY
from ..gate import EVERY_EXCEPTION, Gate
from ..outcome import IGNORED, SUCCESS
from ..part import Description, refuse_coroutine
from ..settings import count, positive
from .outcome_file import REJECTED, SUFFIX, append_calls, write_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from typing import BinaryIO

    from ...clock import Clock
    from ...telemetry import Registry
    from ..outcome import Classification, Outcome
    from .outcome_file import Call

__all__ = ["OutcomeRecorder"]

P = ParamSpec("P")
R = TypeVar("R")
_LOG = logging.getLogger("perfloop.resilience")
_BLOCK = 8192
"""Calls a block: packing so many holds the interpreter for some milliseconds."""
_PIECES = 4
"""A process keeps so many files, the newest, so that its bound costs the oldest calls and not the newest."""


class OutcomeRecorder(Gate[float]):
    """A gate that lets every call in, and writes down when it began, how long it took, and how it ended.

    A Policy feeds it, or it is put inside a breaker as any other part: what a breaker outside it rejects has no
    outcome. Of the call itself nothing is kept: no argument, no result, no message.

        recorder = OutcomeRecorder("/var/lib/shop/outcomes", name="payments")
        policy.on_outcome(recorder.record)
        call = breaker(recorder(charge))

    A call appends to a list; a thread writes twice a second. When it cannot keep up, or the disk is full, calls are
    dropped and counted. Each process, forked ones too, writes files of its own; of one that is killed the last half
    second is missing. A recorder that nothing refers to any more writes what it has and ends its thread.
    """

    kind = "outcome_recorder"
    results = ("recorded", "dropped")

    def __init__(
        self,
        directory: str | os.PathLike[str],
        name: str = "",
        *,
        every: float = 0.5,
        max_pending: int = 100_000,
        max_bytes: int = 256_000_000,
        classification: Classification = EVERY_EXCEPTION,
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
    ) -> None:
        """A recorder. Other arguments as in `Gate`.

        Args:
            directory: where its files go; made if it is not there.
            every: seconds between two writings.
            max_pending: calls that wait to be written, some 130 bytes each; further ones are dropped.
            max_bytes: of this process' files together; the oldest quarter goes first. A call takes some 7 bytes.
        """
        super().__init__(name, classification=classification, clock=clock, registry=registry)
        self._directory = Path(directory)
        self._every = positive(every, "every")
        self._max_pending = count(max_pending, "max_pending")
        self._max_bytes = count(max_bytes, "max_bytes", least=_PIECES * 1024)
        self._pending: list[Call] = []
        self._dropped = 0
        self._begin()
        _recorders.add(self)

    def _begin(self) -> None:
        """In a new process: with files and a thread of its own."""
        self._pending.clear()
        self._recorded = self._lost = self._told_lost = 0
        self._dropped = 0
        self._file: BinaryIO | None = None
        self._size = 0
        self._paths: list[Path] = []
        self._process = secrets.token_hex(8)
        self._failing = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=_write_on, args=(weakref.ref(self), self._ended, self._every), daemon=True
        )
        self._thread.name = f"perfloop-outcomes-{self.name}"
        self._thread.start()

    def try_acquire(self) -> float:
        """Let the call in."""
        return self._now()

    def record(self, started: float, seconds: float, outcome: Outcome) -> None:
        """Write down a call that was judged elsewhere: `policy.on_outcome(recorder.record)`.

        Args:
            started: seconds of the recorder's clock.
            seconds: it took.
            outcome: SUCCESS, FAILURE or IGNORED.
        """
        if len(self._pending) < self._max_pending:
            self._pending.append((started, seconds, outcome))
        else:
            self._dropped += 1

    def release(self, token: float, outcome: Outcome, seconds: float) -> None:
        """Write the call down."""
        self.record(token, seconds, outcome)

    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        """The function, recorded. A call that a part inside rejects is told from ignored ones."""
        now, most, pending = self._now, self._max_pending, self._pending
        classification, drop, append = self.classification, self._drop, pending.append
        of_result, of_error, judges = classification.of_result, classification.of_error, classification.judges_results

        def recorded(*args: P.args, **kwargs: P.kwargs) -> R:
            outcome: int = IGNORED
            started = now()
            try:
                result = function(*args, **kwargs)
                if type(result) is CoroutineType:
                    refuse_coroutine(result)
            except BaseException as error:
                outcome = REJECTED if isinstance(error, CallRejected) else of_error(error)
                raise
            else:
                outcome = of_result(result) if judges else SUCCESS
                return result
            finally:
                ended = now()
                append((started, ended - started, outcome)) if len(pending) < most else drop()

        return recorded

    def awrap(self, function: Callable[P, Awaitable[R]], /) -> Callable[P, Coroutine[Any, Any, R]]:
        """As `wrap`, for an event loop."""
        now, most, pending = self._now, self._max_pending, self._pending
        classification, drop, append = self.classification, self._drop, pending.append
        of_result, of_error, judges = classification.of_result, classification.of_error, classification.judges_results

        async def recorded(*args: P.args, **kwargs: P.kwargs) -> R:
            outcome: int = IGNORED
            started = now()
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                outcome = REJECTED if isinstance(error, CallRejected) else of_error(error)
                raise
            else:
                outcome = of_result(result) if judges else SUCCESS
                return result
            finally:
                ended = now()
                append((started, ended - started, outcome)) if len(pending) < most else drop()

        return recorded

    def _drop(self) -> None:
        self._dropped += 1

    def describe(self) -> Description:
        settings = {"directory": str(self._directory), "every": self._every, "max_pending": self._max_pending}
        return Description(self.kind, self.name, {**settings, "max_bytes": self._max_bytes})

    def counts(self) -> Mapping[str, int]:
        return {"recorded": self._recorded, "dropped": self._dropped + self._lost}

    @property
    def paths(self) -> list[Path]:
        """This process' files, the newest last."""
        return list(self._paths)

    def flush(self) -> None:
        """Write what was recorded until now. Does not raise: what cannot be written is dropped and counted."""
        with self._lock:
            while self._pending:
                calls = self._pending[:_BLOCK]
                del self._pending[: len(calls)]
                self._write(calls)

    def close(self) -> None:
        """Write the rest and end the thread; calls that come later are kept up to `max_pending`, unwritten."""
        self._ended.set()
        self.flush()
        with self._lock:
            self._shut()

    def __del__(self) -> None:
        # Not where it was refused, nor at the interpreter's end, when `_flush_all` has written the rest.
        if "_ended" in self.__dict__ and not sys.is_finalizing():
            self.close()

    def _write(self, calls: list[Call]) -> None:
        lost = self._dropped + self._lost
        try:
            if self._file is None:
                self._open()
            assert self._file is not None
            append_calls(self._file, calls, lost - self._told_lost)
            self._size = self._file.tell()
        except Exception as error:  # the disk, or a name, a clock or an outcome that is none: never the thread's end
            # What is half written is damage that a reader stops at: go on in a new file, once there is room.
            self._lost += len(calls)
            with contextlib.suppress(OSError):
                self._shut()
            if not self._failing:
                _LOG.warning("outcomes of %r are lost: %s", self.name, error)
            self._failing = True
            return
        self._failing = False
        self._recorded += len(calls)
        self._told_lost = lost
        if self._size > self._max_bytes // _PIECES:
            self._shut()

    def _open(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        head = OutcomesRecord(
            environment=current_environment(),
            name=self.name,
            process=self._process,
            pid=os.getpid(),
            epoch=time.time() - self._now(),
        )
        path = self._directory / f"{_file_name(self.name)}-{os.getpid()}-{time.time_ns() // 1000}{SUFFIX}"
        file = path.open("xb", buffering=0)
        try:
            write_all(file, msgspec.json.encode(head) + b"\n")
        except BaseException:
            file.close()
            path.unlink()
            raise
        self._file = file
        self._paths.append(path)
        while len(self._paths) > _PIECES:  # not before the new one is there: a full disk must not cost them all
            self._paths.pop(0).unlink(missing_ok=True)

    def _shut(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _file_name(name: str) -> str:
    return "".join(each if each.isalnum() and each.isascii() else "_" for each in name)[:60]


def _write_on(reference: weakref.ref[OutcomeRecorder], ended: threading.Event, every: float) -> None:
    """Write until the recorder is closed or gone."""
    while not ended.wait(every):
        recorder = reference()
        if recorder is None:
            return
        recorder.flush()
        del recorder


_recorders: weakref.WeakSet[OutcomeRecorder] = weakref.WeakSet()


def _flush_all() -> None:
    for recorder in list(_recorders):
        recorder.flush()


def _after_fork() -> None:
    for recorder in list(_recorders):
        recorder._begin()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_after_fork)
