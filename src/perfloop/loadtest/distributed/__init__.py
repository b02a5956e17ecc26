"""One load test made by several generators: processes on this machine, or on the machines of a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...exceptions import InvalidValue
from .coordinator import run_on

if TYPE_CHECKING:
    import asyncio

    from ..options import LoadOptions
    from ..outcome import LoadOutcome, OnProgress

__all__ = ["MOST_WORKERS", "run_distributed"]

MOST_WORKERS = 1024


async def run_distributed(
    options: LoadOptions,
    *,
    workers: int | None = None,
    dask: str | None = None,
    on_progress: OnProgress | None = None,
    stop: asyncio.Event | None = None,
) -> LoadOutcome:
    """Run a load test as `run` does, made by several generators.

    Args:
        workers: how many; None with a cluster: one for each of its workers.
        dask: the address of a Dask scheduler, `tcp://10.0.0.5:8786`; None: processes on this machine.
        on_progress: called about four times a second.
        stop: set it to end the test at once; the outcome is then partial.

    Raises:
        InvalidValue: an option is out of range, or there is not a connection for each worker.
        MissingExtra: Dask is not installed.
        PerfloopError: a worker cannot be started, or what stopped it before the run began.
    """
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise InvalidValue(f"Expected from 1 to {MOST_WORKERS} workers", got=workers, where="workers")
    if dask is not None:
        from .cluster import run_on_cluster

        return await run_on_cluster(dask, options, workers=workers, on_progress=on_progress, stop=stop)
    if workers is None:
        raise InvalidValue("Expected a number of workers, or the address of a cluster", where="workers")
    from .local import LocalChannel

    channels = [LocalChannel(number) for number in range(1, workers + 1)]
    return await run_on(channels, options, on_progress=on_progress, stop=stop)
