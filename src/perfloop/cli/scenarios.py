"""The scenario of `--scenario`, in the options of a load test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exceptions import ConfigurationError
from .command import where

if TYPE_CHECKING:
    import typer

    from ..loadtest import LoadOptions
    from ..records import LoadRecord

__all__ = ["check_sent", "with_scenario"]


def with_scenario(context: typer.Context, options: LoadOptions, text: str | None) -> LoadOptions:
    """The options with the scenario of `FILE[:NAME]`; as they are without one.

    Raises:
        ConfigurationError: the scenario cannot be used, or the request is given as well.
    """
    if text is None:
        return options
    from msgspec.structs import replace

    from ..loadtest import read_scenario

    if options.body or options.method != "GET":
        raise ConfigurationError(
            "Expected no --method or --data beside a scenario: it says what is sent", where=where(context, "scenario")
        )
    if options.target().path != "/":
        raise ConfigurationError(
            "Expected a URL without a path beside a scenario, whose requests have paths of their own",
            got=options.target().path,
            where=where(context, "url"),
        )
    return replace(options, scenario=read_scenario(text))


def check_sent(record: LoadRecord) -> None:
    """See that a scenario sent anything.

    Raises:
        ConfigurationError: it did not; shows what went wrong most often.
    """
    kinds = record.results.error_kinds
    if record.summary.all_requests or record.partial or not kinds:
        return
    worst = max(kinds, key=lambda kind: kind.count)
    raise ConfigurationError(
        "The scenario sent no request", got=f"{worst.count} × {worst.kind}: {worst.example}", where=record.plan.scenario
    )
