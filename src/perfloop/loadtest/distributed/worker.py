"""A worker: `python -m perfloop.loadtest.distributed.worker` makes one part of a run.

It gets its plan on standard input, and later when to begin; it reports on standard output. It ends when its input does:
none outlives its coordinator.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
import tempfile
import threading
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
    from ..options import LoadOptions
    from ..outcome import LoadOutcome, Progress
    from ..recording import Samples
    from .messages import FromWorker

__all__ = ["main"]

_SILENCE = 60
"""Seconds after which a worker that hears nothing ends: its coordinator beats more than once a second."""
_GRACE = 10.0
"""Seconds that a worker has to end once its coordinator is gone."""


class _Link(asyncio.Protocol):
    """What the coordinator says."""

    def __init__(self) -> None:
        self.begin_at: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.stop = asyncio.Event()
        self.gone = asyncio.Event()
        self.silence = 0
        """Seconds in which we looked and nothing had come: not those in which something else held us up."""
        self.frames = Frames()

    def data_received(self, data: bytes) -> None:
        self.silence = 0
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


async def _run(plan: bytes, link: _Link, output: _Output) -> None:
    with contextlib.ExitStack() as stack:

        def directory() -> Path:
            made = tempfile.TemporaryDirectory(prefix="perfloop-", ignore_cleanup_errors=True)
            os.chdir(made.name)  # errors name the scenario's lines as its author does: live.py:19
            return Path(stack.enter_context(made))

        await _run_here(decode_plan(plan, directory), link, output)


async def _run_here(options: LoadOptions, link: _Link, output: _Output) -> None:
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
        link.silence += 1
        if lease and link.silence > _SILENCE:
            break
    running.cancel()


async def _main(plan: bytes, heard: BinaryIO, said: BinaryIO, *, lease: bool) -> None:
    loop = asyncio.get_running_loop()
    output = _Output(said)
    await output.open()
    link = _Link()
    await loop.connect_read_pipe(lambda: link, heard)
    running = asyncio.ensure_future(_run(plan, link, output))
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
    # The messages are ours alone: a scenario may print, read, and start programs.
    heard, said = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    plan = read_frame(heard.fileno())
    if plan is None:
        return
    threading.Thread(target=_end_with, args=[heard.fileno()], name="perfloop-coordinator", daemon=True).start()
    with asyncio.Runner(loop_factory=new_event_loop) as run:
        run.run(_main(plan, heard, said, lease="lease" in sys.argv[1:]))


def _end_with(descriptor: int) -> None:
    """End this process some time after its coordinator, also where a scenario keeps the event loop to itself."""
    poll = select.poll()
    poll.register(descriptor, 0)
    poll.poll()
    time.sleep(_GRACE)
    os._exit(1)


if __name__ == "__main__":
    main()
