"""`perfloop capacity`: the highest rate at which a service meets its targets."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .command import naming_options, where
from .connections import (
    Http2Option,
    KeepAliveOption,
    StreamsOption,
    TlsResumeOption,
    over_connections,
)
from .help import Example
from .options import (  # noqa: TC001  # typer reads them
    ArrivalOption,
    DataOption,
    ExpectStatusOption,
    HeaderOption,
    HtmlOption,
    InsecureOption,
    JsonOption,
    MethodOption,
    NoLiveOption,
    OutputOption,
    ReportOption,
    SeedOption,
    TimeoutOption,
    UrlArgument,
)
from .output import Outputs, deliver
from .streams import note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..loadtest import CapacityOptions, LoadOptions
    from ..records import AnyRecord, CapacityProbe, CapacityRecord
    from .steps import Mark

__all__ = ["EXAMPLES", "capacity", "probe_line"]

_MARKS: dict[str, Mark] = {"missed": "✗", "untrustworthy": "!", "too few samples": "!"}

EXAMPLES = (
    Example(
        "how many requests a second with p99 below 200 ms and hardly an error?",
        'perfloop capacity http://127.0.0.1:8000/products --target "p99<200ms" --target "errors<0.1%"',
    ),
    Example(
        "as users come, at random moments; keep the record, and a page to show",
        'perfloop capacity http://127.0.0.1:8000/ --arrival poisson --target "p95<100ms" '
        "--output capacity.json --html capacity.html",
    ),
    Example(
        "in CI: exit status 1 when it is below 50 requests/s",
        "perfloop capacity http://127.0.0.1:8000/products --fail-below 50 --json",
    ),
)


def capacity(
    context: typer.Context,
    url: UrlArgument,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="CONDITION",
            help='What the service must meet for a rate to count: "p99<200ms", "errors<0.1%". Repeatable. Metrics: '
            "mean, max and any percentile of latency, and the share of errors. [default: the latency targets of the "
            "configuration, or p50<=100ms, p95<=500ms and p99<=1000ms; always with errors<=0.1% unless given]",
            rich_help_panel="Judgement",
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="SHARE",
            help="How wide the 95 % interval may be, as a share of the capacity.",
            rich_help_panel="Search",
        ),
    ] = "10%",
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="TIME",
            help="How long to search at most; then the answer is what is known. [default: 30 probes: 2m, or 5m with "
            "poisson arrivals]",
            rich_help_panel="Search",
        ),
    ] = None,
    probe: Annotated[
        str | None,
        typer.Option(
            "--probe",
            metavar="TIME",
            help="How long to try each rate: up to four times as long where a percentile needs more requests. "
            "[default: 4s, or 10s with poisson arrivals]",
            rich_help_panel="Search",
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="FILE",
            help="Continue the search of this record (--output of an earlier one), with the same URL and options.",
            rich_help_panel="Search",
        ),
    ] = None,
    arrival: ArrivalOption = "constant",
    connections: Annotated[
        str,
        typer.Option(
            "--connections",
            "-c",
            metavar="N",
            help="The most requests in flight, over HTTP/1.1 each on a connection of its own; it opens as many as the "
            "throughput needs.",
            rich_help_panel="Load",
        ),
    ] = "512",
    keep_alive: KeepAliveOption = True,
    tls_resume: TlsResumeOption = False,
    http2: Http2Option = False,
    streams: StreamsOption = "10",
    timeout: TimeoutOption = "10s",
    method: MethodOption = None,
    header: HeaderOption = None,
    data: DataOption = None,
    insecure: InsecureOption = False,
    expect_status: ExpectStatusOption = None,
    fail_below: Annotated[
        str | None,
        typer.Option(
            "--fail-below",
            metavar="RATE",
            help="Exit with status 1 when the capacity found is lower: 500, or 3000/min.",
            rich_help_panel="Judgement",
        ),
    ] = None,
    seed: SeedOption = "0",
    json: JsonOption = False,
    output: OutputOption = None,
    html: HtmlOption = None,
    reports: ReportOption = None,
    no_live: NoLiveOption = False,
) -> int:
    """Find the highest rate at which a service meets its targets, with a 95 % interval.

    It tries rates until it knows: first some with so many requests in flight, to see where the throughput ends, then
    open ones, each repeated around the limit until the interval is narrow enough. A rate at which latency grows for as
    long as the load lasts has missed its targets, however long that takes. The service is overloaded now and then, for
    seconds: do not do this to one that others use.

    Exit status 1 when no rate meets the targets or the capacity is below --fail-below, 3 when the answer is not to be
    had: not enough data, or the generator or the connections were the limit. Ctrl-C ends the search with what is known
    (130); --resume continues it.
    """
    from . import values

    outputs = Outputs.of(json, output, html, reports)
    outputs.check("capacity")
    load = _load_options(context, url, arrival, timeout, method, header or (), data, insecure, expect_status, seed)
    options = _options(
        context,
        over_connections(context, load, connections, keep_alive, tls_resume, http2, streams),
        target or (),
        precision,
        budget,
        probe,
    )
    with naming_options(context):
        options.validate()
    least = None if fail_below is None else values.parse_rate(fail_below, where=where(context, "fail_below"))
    record = _measure(options, _resumed(resume), live=not no_live)
    deliver(record, outputs)
    return _status(record, least, resumable=output is not None, explain=json)


def _load_options(
    context: typer.Context,
    url: str,
    arrival: str,
    timeout: str,
    method: str | None,
    header: Sequence[str],
    data: str | None,
    insecure: bool,
    expect_status: str | None,
    seed: str,
) -> LoadOptions:
    from .requests import request_options

    return request_options(
        context,
        url=url,
        arrival=arrival,
        timeout=timeout,
        method=method,
        header=header,
        data=data,
        insecure=insecure,
        expect_status=expect_status,
        seed=seed,
    )


def _options(
    context: typer.Context,
    load: LoadOptions,
    target: Sequence[str],
    precision: str,
    budget: str | None,
    probe: str | None,
) -> CapacityOptions:
    from ..loadtest import CapacityOptions
    from ..loadtest.capacity import goals_of, parse_goals
    from ..targets import Targets
    from ..units import parse_fraction
    from . import values
    from .configuration import configured_targets

    goals = tuple(target) or goals_of(configured_targets() or Targets())
    parse_goals(goals, where=where(context, "target"))
    return CapacityOptions(
        load=load,
        targets=goals,
        most_connections=load.connections,
        precision=parse_fraction(precision, where=where(context, "precision")),
        budget=None if budget is None else values.parse_positive_duration(budget, where=where(context, "budget")),
        probe=None if probe is None else values.parse_positive_duration(probe, where=where(context, "probe")),
    )


def _resumed(path: str | None) -> AnyRecord | None:
    from ..records import load_record

    return None if path is None else load_record(path)


def _measure(options: CapacityOptions, resumed: AnyRecord | None, *, live: bool) -> CapacityRecord:
    import msgspec

    from .. import loadtest
    from .redaction import redact_command
    from .running import run_until_stopped
    from .steps import Steps

    with Steps(enabled=live) as steps:

        def tell(probe: CapacityProbe) -> None:
            steps.done(probe_line(probe), mark=_MARKS.get(probe.verdict, "✓"))

        record, _ = run_until_stopped(
            lambda stop: loadtest.find_capacity(options, on_probe=tell, stop=stop, resume=resumed)
        )
    return msgspec.structs.replace(record, command=redact_command(["perfloop", *sys.argv[1:]]))


def probe_line(probe: CapacityProbe) -> str:
    """One probe in a line of progress. Pure."""
    from ..units import format_duration

    p99 = f"p99 {format_duration(probe.latency_ms.p99 / 1000)}"
    if probe.rate is None:
        return f"{probe.connections} in flight: {probe.throughput:,.4g} requests/s, {p99}"
    why = f": {probe.reasons[0]}" if probe.reasons else ""
    return f"{probe.rate:,.4g} requests/s for {format_duration(probe.seconds)}: {p99}, {probe.verdict}{why}"


def _status(record: CapacityRecord, least: float | None, *, resumable: bool, explain: bool) -> int:
    """The exit status a search deserves; what the terminal report does not show goes to stderr."""
    if record.partial:
        how = "continue with --resume" if resumable else "with --output FILE, --resume FILE could continue"
        note(f"interrupted: the answer rests on the probes done until then; {how}")
        return 130
    if explain and record.verdict != "found":
        note(f"{record.verdict}: {'; '.join(record.reasons)}")
    if record.verdict == "never met":
        return 1
    if record.verdict != "found" or record.capacity_rps is None:
        return 3
    if least is not None and record.capacity_rps[1] < least:
        note(f"failed: --fail-below {least:g}, the capacity is {record.capacity_rps[1]:.4g} requests/s")
        return 1
    return 0
