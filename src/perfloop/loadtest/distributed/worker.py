"""A worker: `python -m perfloop.loadtest.distributed.worker` makes one part of a run.

It gets its plan on standard input, and later when to begin; it reports on standard output. It ends when its input does:
none outlives its coordinator.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..._version import __version__
from ...exceptions import InternalError, PerfloopError
from ..running import engine_for, new_event_loop, quiet_collector
from .following import Follower
from .messages import Begin, Ended, Failed, Frames, Ready, Stop, decode_to_worker, frame, read_frame
from .plan import decode_plan

if TYPE_CHECKING:
    from ..lifecycle import Lifecycle
    from ..outcome import LoadOutcome, Progress
    from ..recording import Samples
    from .messages import FromWorker

__all__ = ["main"]

_SILENCE = 60.0
"""Seconds after which a worker that hears nothing ends: its coordinator beats each second."""


class _Link(asyncio.Protocol):
    """What the coordinator says."""

    def __init__(self) -> None:
        self.begin_at: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.stop = asyncio.Event()
        self.gone = asyncio.Event()
        self.heard = time.monotonic()
        self.frames = Frames()

    def data_received(self, data: bytes) -> None:
        self.heard = time.monotonic()
        for payload in self.frames.feed(data):
            message = decode_to_worker(payload)
            if isinstance(message, Begin) and not self.begin_at.done():
                self.begin_at.set_result(message.at)
            elif isinstance(message, Stop):
                self.stop.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.gone.set()


class _Output:
    """Where the worker's messages go: written by the event loop, so that a slow reader never holds up the engine."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, self._pipe)
        transport.set_write_buffer_limits(0)
        self._writer = asyncio.StreamWriter(transport, protocol, None, loop)

    def send(self, message: FromWorker) -> None:
        self._writer.write(frame(message))

    async def flush(self) -> None:
        await self._writer.drain()


async def _run(plan: bytes, directory: Path, link: _Link, output: _Output) -> None:
    options = decode_plan(plan, directory)
    last: list[Progress] = []

    def on_progress(progress: Progress) -> None:
        if followers:
            output.send(followers[0].report(progress))
            last[:] = [progress]

    followers: list[Follower] = []
    engine = engine_for(options, on_progress)

    async def barrier() -> float:
        followers.append(Follower(engine))
        output.send(Ready(perfloop=__version__))
        begin_at = await link.begin_at
        await asyncio.sleep(begin_at - time.monotonic())
        return begin_at

    engine.barrier = barrier
    with quiet_collector():
        outcome = await engine.run(link.stop)
    output.send(followers[0].report(last[0]))
    samples = None if outcome.samples is None else _columns(outcome.samples, followers[0].recorder.start)
    output.send(_ended(outcome, engine, samples))


def _ended(outcome: LoadOutcome, engine: Lifecycle, samples: dict[str, bytes] | None) -> Ended:
    return Ended(
        summary=outcome.summary,
        partial=outcome.partial,
        abandoned=outcome.abandoned,
        unmeasured=outcome.unmeasured,
        slowest=outcome.results.slowest,
        teardown=engine.teardown_failures.kinds(),
        samples=samples,
    )


def _columns(samples: Samples, start: float) -> dict[str, bytes]:
    columns = {}
    for name in samples.__struct_fields__:
        column = getattr(samples, name)
        columns[name] = (column - start if column.dtype.kind == "f" else column).tobytes()
    return columns


async def _watch(link: _Link, running: asyncio.Task[None], lease: bool) -> None:
    """End the run when nobody waits for it any more.

    Args:
        lease: its coordinator beats, and is gone when it does not.
    """
    while not link.gone.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await link.gone.wait()
        if lease and time.monotonic() - link.heard > _SILENCE:
            break
    running.cancel()


async def _main(plan: bytes, pipe: BinaryIO, directory: Path, *, lease: bool) -> None:
    loop = asyncio.get_running_loop()
    output = _Output(pipe)
    await output.open()
    link = _Link()
    await loop.connect_read_pipe(lambda: link, sys.stdin)
    running = asyncio.ensure_future(_run(plan, directory, link, output))
    watching = asyncio.ensure_future(_watch(link, running, lease=lease))
    try:
        await running
    except asyncio.CancelledError:
        if link.gone.is_set():
            return
    except PerfloopError as error:
        got = None if error.got is None else str(error.got)
        output.send(
            Failed(error=type(error).__name__, message=error.message, got=got, where=error.where, hint=error.hint)
        )
    except Exception:
        output.send(Failed(error=InternalError.__name__, message=f"A worker failed:\n{traceback.format_exc()}"))
    finally:
        watching.cancel()
    await output.flush()


def main() -> None:
    """Make one part of a run, as standard input says; with the argument `lease`, as long as it beats."""
    # What a scenario prints must not get between the messages.
    pipe = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    plan = read_frame(0)
    if plan is None:
        return
    lease = "lease" in sys.argv[1:]
    with (
        tempfile.TemporaryDirectory(prefix="perfloop-") as directory,
        asyncio.Runner(loop_factory=new_event_loop) as run,
    ):
        if lease:
            os.chdir(directory)  # errors name the scenario's lines as its author does: live.py:19
        run.run(_main(plan, pipe, Path(directory), lease=lease))


if __name__ == "__main__":
    main()
