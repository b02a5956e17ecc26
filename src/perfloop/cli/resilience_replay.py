"""`perfloop resilience replay`: what other settings of a breaker would have done to recorded calls."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..exceptions import ConfigurationError, InvalidValue
from .command import where
from .help import Example
from .options import HtmlOption, JsonOption, NoLiveOption, OutputOption, ReportOption  # noqa: TC001
from .output import Outputs, deliver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import SettingValue
    from ..resilience.replay import Outage, Outcomes

__all__ = ["EXAMPLES", "resilience_replay"]

EXAMPLES = (
    Example(
        "how many failures in a row, and how long to stay open",
        "perfloop resilience replay outcomes/ --set max_failures=3,5,10 --set reset_timeout=5s,30s",
    ),
    Example(
        "a rate over a window, with a page to show",
        "perfloop resilience replay outcomes/ --set size=50,100 --set failure_rate=30%,50% --html replay.html",
    ),
    Example(
        "for an outage that somebody knows of",
        "perfloop resilience replay outcomes/ --set max_failures=3,5 --outage 2026-03-01T10:15..2026-03-01T10:21",
    ),
)
_PANEL = "What counts"


def resilience_replay(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="RECORD...", help="Files that an OutcomeRecorder wrote, or directories of them."),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUES",
            help="Values to try of a setting, with commas between: every combination is tried. window=consecutive, "
            "count or time compares windows. Repeatable. [default: the breaker's defaults]",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Which recorder's calls, where there are several.")
    ] = None,
    outages: Annotated[
        list[str] | None,
        typer.Option(
            "--outage",
            metavar="FROM..UNTIL",
            help="When the service was down: local times such as 2026-03-01T10:15, or after the first call such as "
            "90s..2m. Repeatable. [default: where at least half of the calls failed]",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    slow: Annotated[
        str | None,
        typer.Option(
            "--slow",
            metavar="TIME",
            help="A success that took longer is as bad as a failure.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    shared: Annotated[
        bool,
        typer.Option(
            "--shared",
            help="One breaker for all processes, as with shared state. [default: each has its own]",
            rich_help_panel=_PANEL,
        ),
    ] = False,
    json: JsonOption = False,
    output: OutputOption = None,
    html: HtmlOption = None,
    reports: ReportOption = None,
    no_live: NoLiveOption = False,
) -> int:
    """Try other settings of a circuit breaker on calls recorded in production, on a clock that the record moves: how
    many calls each would have rejected in vain, how soon it opened after an outage began, and how soon it closed.
    """
    outputs = Outputs.of(json, output, html, reports)
    outputs.check("replay")
    import msgspec

    from ..resilience.replay import read_outcomes, replay
    from . import values
    from .redaction import redact_command
    from .steps import Steps

    grid = _grid(settings or (), where(context, "settings"))
    slow_seconds = None if slow is None else values.parse_positive_duration(slow, where=where(context, "slow"))
    with Steps(enabled=not no_live) as steps:
        outcomes = read_outcomes(paths, name)
        steps.done(f"{len(outcomes):,} calls of {outcomes.name}")
        for damage in outcomes.damage:
            steps.done(damage, mark="!")
        given = [_outage(text, outcomes, slow_seconds, where(context, "outages")) for text in outages or ()]
        record = replay(
            outcomes,
            grid,
            outages=given or None,
            slow_seconds=slow_seconds,
            shared=shared,
            progress=lambda done, of: steps.done(f"{of} settings tried") if done == of else None,
        )
    record = msgspec.structs.replace(record, command=redact_command(["perfloop", *sys.argv[1:]]))
    deliver(record, outputs)
    return 0


def _grid(settings: Sequence[str], place: str) -> dict[str, list[SettingValue]]:
    grid: dict[str, list[SettingValue]] = {}
    for text in settings:
        name, equals, listed = text.partition("=")
        if not equals or not listed:
            raise InvalidValue("Expected NAME=VALUE,VALUE", got=text, where=place)
        if name in grid:
            raise InvalidValue("Expected each setting once, with all its values", got=name, where=place)
        grid[name] = [_value(name, each.strip(), f"{place} {name}") for each in listed.split(",")]
    return grid


def _value(name: str, text: str, place: str) -> SettingValue:
    from ..resilience.replay import BREAKER_SETTINGS
    from ..units import parse_duration, parse_fraction
    from .values import parse_count

    kind = BREAKER_SETTINGS.get(name)
    if kind is None:
        raise ConfigurationError(
            "Expected a setting of a circuit breaker",
            got=name,
            where=place,
            hint=f"there are {', '.join(BREAKER_SETTINGS)}",
        )
    if kind == "window":
        return text
    if kind == "count":
        return parse_count(text, where=place)
    if kind == "seconds":
        return parse_duration(text, where=place)
    if kind == "share":
        return parse_fraction(text, where=place)
    try:
        return float(text)
    except ValueError:
        raise InvalidValue(f"Expected a number for {name}", got=text, where=place) from None


def _outage(text: str, outcomes: Outcomes, slow_seconds: float | None, place: str) -> Outage:
    from ..resilience.replay import given_outage

    start, dots, end = text.partition("..")
    if not dots:
        raise InvalidValue("Expected FROM..UNTIL", got=text, where=place)
    first = float(outcomes.started[0]) if len(outcomes) else 0.0
    started, ended = _moment(start, first, place), _moment(end, first, place)
    if not started < ended:
        raise InvalidValue("Expected an outage that ends after it began", got=text, where=place)
    return given_outage(outcomes, started, ended, slow_seconds)


def _moment(text: str, first: float, place: str) -> float:
    from datetime import datetime

    from ..units import parse_duration

    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        try:
            return first + parse_duration(text)
        except InvalidValue as error:
            raise InvalidValue(
                "Expected a time such as 2026-03-01T10:15:00, or one after the first call such as 90s",
                got=text,
                where=place,
            ) from error
