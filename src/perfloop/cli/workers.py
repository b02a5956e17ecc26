"""`perfloop load --workers` and `--dask`: one load test made by several generators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from .command import where

if TYPE_CHECKING:
    import asyncio

    from ..loadtest import LoadOptions, LoadOutcome, OnProgress

__all__ = ["DaskOption", "Generators", "WorkersOption"]

_PANEL = "Workers"

WorkersOption = Annotated[
    str | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="Make the load with N processes: one generator has one processor. They share connections and rate, "
        "begin at one moment, and their histograms are added up.",
        rich_help_panel=_PANEL,
    ),
]
DaskOption = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="ADDRESS",
        help="Make the load with the workers of the Dask cluster whose scheduler is at ADDRESS (tcp://10.0.0.5:8786), "
        "or with N of them. Needs perfloop[distributed] here and there.",
        rich_help_panel=_PANEL,
    ),
]


class Generators(NamedTuple):
    """Where the load is made."""

    workers: int | None
    dask: str | None

    @classmethod
    def of(cls, context: typer.Context, workers: str | None, dask: str | None) -> Generators:
        """What the options say.

        Raises:
            InvalidValue: not a number of workers.
        """
        from .values import parse_count

        return cls(None if workers is None else parse_count(workers, where=where(context, "workers")), dask)

    async def run(self, options: LoadOptions, on_progress: OnProgress, stop: asyncio.Event) -> LoadOutcome:
        """Make the load, in this process where nothing else is said."""
        from .. import loadtest

        if self.workers is None and self.dask is None:
            return await loadtest.run(options, on_progress=on_progress, stop=stop)
        return await loadtest.run_distributed(
            options, workers=self.workers, dask=self.dask, on_progress=on_progress, stop=stop
        )
