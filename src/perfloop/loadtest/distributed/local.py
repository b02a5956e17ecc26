"""Workers on this machine: a process each, reached by pipes. They share its monotonic clock."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING

from ...exceptions import PerfloopError, WorkerLost
from .messages import Frames, decode_from_worker, frame

if TYPE_CHECKING:
    from .messages import FromWorker, ToWorker

__all__ = ["COMMAND", "LAST_WORDS", "LocalChannel", "how_it_ended"]

COMMAND = (sys.executable, "-P", "-m", "perfloop.loadtest.distributed.worker")
_CHUNK = 1 << 16
_GRACE = 5.0
LAST_WORDS = 0.5
"""Seconds after its end in which what a worker has said may still arrive."""


class LocalChannel:
    """A worker that is a child of this process.

    Args:
        number: of the worker, from 1.
    """

    clock_offset = 0.0
    clock_error = 0.0

    def __init__(self, number: int) -> None:
        self.name = f"worker {number}"
        self._process: asyncio.subprocess.Process | None = None
        self._frames = Frames()
        self._payloads: list[bytes] = []

    async def start(self, plan: bytes) -> None:
        # A session of its own: Ctrl-C is the coordinator's to handle.
        try:
            self._process = await asyncio.create_subprocess_exec(
                *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            raise PerfloopError(f"Expected to start a worker: {error.strerror}", where=self.name) from error
        self.name += f" (process {self._process.pid})"
        self._write(frame(plan))
        # A process that the scenario forked may keep its output open.
        exited, stdout = asyncio.ensure_future(self._process.wait()), self._process.stdout
        assert stdout is not None
        loop = asyncio.get_running_loop()
        exited.add_done_callback(lambda _: loop.call_later(LAST_WORDS, stdout.feed_eof))
        self._exited = exited

    async def receive(self) -> FromWorker:
        assert self._process is not None
        assert self._process.stdout is not None
        while not self._payloads:
            data = await self._process.stdout.read(_CHUNK)
            if not data:
                raise WorkerLost(how_it_ended(await self._process.wait()), where=self.name)
            self._payloads += self._frames.feed(data)
        return decode_from_worker(self._payloads.pop(0))

    def send(self, message: ToWorker) -> None:
        self._write(frame(message))

    def _write(self, data: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, RuntimeError):  # it has ended: receive() tells
            self._process.stdin.write(data)

    async def close(self) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()  # which ends it
        assert process.stdout is not None
        draining = asyncio.ensure_future(process.stdout.read())
        try:
            async with asyncio.timeout(_GRACE):
                await process.wait()
        except (TimeoutError, asyncio.CancelledError):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        finally:
            draining.cancel()


def how_it_ended(status: int) -> str:
    """What the exit status of a worker says."""
    if status >= 0:
        return f"it ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"it was ended by {name}"
