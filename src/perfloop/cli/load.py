"""`perfloop load`: load test a URL."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .command import naming_options, where
from .connections import (  # typer reads them
    ConnectionsOption,
    Http2Option,
    KeepAliveOption,
    StreamsOption,
    TlsResumeOption,
    over_connections,
)
from .counting import ServerCountOption, counter_reader
from .help import Example
from .importing import (  # noqa: TC001  # typer reads them
    ImportFormatOption,
    ImportHostOption,
    ImportOption,
    LogFieldOption,
    SpeedOption,
    UnsafeMethodsOption,
)
from .options import (  # noqa: TC001  # typer reads them
    ArrivalOption,
    DataOption,
    ExpectStatusOption,
    FailIfOption,
    HeaderOption,
    HtmlOption,
    InsecureOption,
    JsonOption,
    LiveWebOption,
    MethodOption,
    NoLiveOption,
    OtlpOption,
    OutputOption,
    PrometheusOption,
    ReportOption,
    ScenarioOption,
    SeedOption,
    TimeoutOption,
    UrlArgument,
    WarmUpOption,
)
from .output import Outputs, deliver
from .scenarios import check_sent, with_scenario
from .streams import note
from .workers import DaskOption, Generators, WorkersOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..loadtest import LoadOptions, LoadOutcome, Progress
    from ..loadtest.importers import Imported
    from ..records import LoadRecord, ServerCount, Threshold
    from ..stats import Histogram
    from ..targets import Targets
    from ..thresholds import Condition, Distribution
    from .live import Plan

__all__ = ["EXAMPLES", "load"]

EXAMPLES = (
    Example("ten connections, each sending its next request when the last is answered", "perfloop load localhost:8000"),
    Example(
        "500 requests a second, whatever the service does: as users come",
        "perfloop load http://127.0.0.1:8000/orders --rate 500 --duration 5s",
    ),
    Example(
        "a rate that rises, holds and jumps",
        'perfloop load http://127.0.0.1:8000/ --profile "ramp 10..200 2s, constant 200 2s, spike 200..500 500ms"',
    ),
    Example(
        "in CI: exit status 1 when a limit is broken",
        'perfloop load http://127.0.0.1:8000/ --rate 200 --duration 3s --fail-if "p99>500ms" --fail-if "errors>0.1%"',
    ),
    Example(
        "a body, a header, and the record as JSON",
        "perfloop load http://127.0.0.1:8000/cart -d '{\"item\": 3}' -H 'Content-Type: application/json' "
        "--requests 100 --json",
    ),
    Example(
        "keep the record and a page to show",
        "perfloop load http://127.0.0.1:8000/ --duration 2s --output before.json --html before.html",
    ),
    Example(
        "the requests of an access log, in their order, twice as fast as they came",
        "perfloop load http://127.0.0.1:8000 --import access.log --speed 2",
    ),
    Example(
        "the mix of a browser's recording of another host, at a rate",
        "perfloop load http://127.0.0.1:8000 --import shop.har --import-host shop.example.com --rate 50 --duration 2s",
    ),
    Example(
        "every operation of an OpenAPI document, also those that change data",
        "perfloop load http://127.0.0.1:8000 --import openapi.json --unsafe-methods --duration 2s",
    ),
    Example(
        "what users do, in proportion: weighted requests and journeys in TOML, or functions in Python",
        "perfloop load http://127.0.0.1:8000 --scenario shop.toml --users 5 --duration 2s",
    ),
    Example(
        "more than one processor can make: three generators",
        "perfloop load http://127.0.0.1:8000/ --workers 3 --connections 30 --rate 300 --duration 2s",
    ),
    Example(
        "results that CI and a spreadsheet read",
        "perfloop load http://127.0.0.1:8000/ --duration 2s --report junit.xml --report seconds.csv",
    ),
)


def load(
    context: typer.Context,
    url: UrlArgument,
    rate: Annotated[
        str | None,
        typer.Option(
            "--rate",
            metavar="RATE",
            help="Requests a second, sent at their time whatever the service does (open model): 500, or 3000/min. "
            "Without it, each connection sends its next request when the last is answered (closed model).",
            rich_help_panel="Load",
        ),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="PROFILE",
            help='A rate that varies, in place of --rate: "ramp 10..500 30s, constant 500 1m". Pieces: constant, ramp, '
            "steps, spike, sine, replay FILE, pause, each with its duration; poisson before one makes it random. "
            "Repeatable: one after the other.",
            rich_help_panel="Load",
        ),
    ] = None,
    arrival: ArrivalOption = "constant",
    precise: Annotated[
        bool,
        typer.Option(
            "--precise",
            help="Send each request within microseconds of its time, by never sleeping: takes a whole core.",
            rich_help_panel="Load",
        ),
    ] = False,
    think_time: Annotated[
        str | None,
        typer.Option(
            "--think-time",
            metavar="TIME",
            help='Closed model: how long each connection pauses between an answer and its next request: 1s, "0.5s..2s" '
            '(evenly between the two) or "exponential 1s" (random, with that mean).',
            rich_help_panel="Load",
        ),
    ] = None,
    pacing: Annotated[
        str | None,
        typer.Option(
            "--pacing",
            metavar="TIME",
            help="Closed model: each connection starts a request every so often, later where the answer took longer.",
            rich_help_panel="Load",
        ),
    ] = None,
    connections: ConnectionsOption = "10",
    keep_alive: KeepAliveOption = True,
    tls_resume: TlsResumeOption = False,
    http2: Http2Option = False,
    streams: StreamsOption = "10",
    workers: WorkersOption = None,
    dask: DaskOption = None,
    duration: Annotated[
        str | None,
        typer.Option(
            "--duration",
            metavar="TIME",
            help="How long to send requests: 500ms, 30s, 5m. [default: 10s, or until --requests]",
            rich_help_panel="Load",
        ),
    ] = None,
    warm_up: WarmUpOption = "auto",
    requests: Annotated[
        str | None,
        typer.Option(
            "--requests", "-n", metavar="N", help="How many requests to send: 1000, 10k.", rich_help_panel="Load"
        ),
    ] = None,
    timeout: TimeoutOption = "10s",
    method: MethodOption = None,
    header: HeaderOption = None,
    data: DataOption = None,
    scenario: ScenarioOption = None,
    insecure: InsecureOption = False,
    import_file: ImportOption = None,
    import_format: ImportFormatOption = None,
    import_host: ImportHostOption = None,
    log_field: LogFieldOption = None,
    speed: SpeedOption = None,
    unsafe_methods: UnsafeMethodsOption = False,
    expect_status: ExpectStatusOption = None,
    fail_if: FailIfOption = None,
    server_count: ServerCountOption = None,
    trace: Annotated[
        bool,
        typer.Option(
            "--trace",
            help="Send a W3C traceparent header, each request its own span, and record the slowest requests with "
            "theirs: where the service is traced, they can be looked up.",
            rich_help_panel="Request",
        ),
    ] = False,
    seed: SeedOption = "0",
    json: JsonOption = False,
    output: OutputOption = None,
    html: HtmlOption = None,
    reports: ReportOption = None,
    prometheus: PrometheusOption = None,
    otlp: OtlpOption = None,
    live_web: LiveWebOption = None,
    no_live: NoLiveOption = False,
) -> int:
    """Load test a URL and say how long it lets its users wait.

    Latency counts from the moment a request was due: with --rate, a service that stalls is charged for every request
    that would have come meanwhile. The generator watches itself; when it could not keep its schedule the result is
    called untrustworthy and the exit status is 3, which outranks a broken limit (1), since a limit judged by wrong
    figures says nothing. A run in which not one request succeeded has failed too (1), unless a --fail-if about errors
    judges that. Ctrl-C ends the run early with what was measured until then (130).
    """
    from ..thresholds import parse_limit
    from .configuration import configured_targets
    from .importing import Importing
    from .live_page import LivePage
    from .telemetry import MetricsFeed

    conditions = [parse_limit(text, where=where(context, "fail_if")) for text in fail_if or ()]
    outputs = Outputs.of(json, output, html, reports)
    outputs.check("load")
    options = _options(
        context,
        url=url,
        rate=rate,
        profile=profile or [],
        arrival=arrival,
        precise=precise,
        think_time=think_time,
        pacing=pacing,
        duration=duration,
        warm_up=warm_up,
        requests=requests,
        timeout=timeout,
        method=method,
        header=header or [],
        data=data,
        insecure=insecure,
        expect_status=expect_status,
        seed=seed,
        trace=trace,
    )
    options = over_connections(context, options, connections, keep_alive, tls_resume, http2, streams)
    options = with_scenario(context, options, scenario)
    with naming_options(context):
        options.validate()
    importing = Importing(import_file, import_format, import_host, log_field or [], speed, unsafe_methods)
    options, imported = importing.into(context, options)
    targets = configured_targets()
    generators = Generators.of(context, workers, dask)
    counter = counter_reader(context, server_count, insecure=insecure)
    plan = _plan(options)
    with MetricsFeed(options, prometheus, otlp) as feed, LivePage(plan, live_web) as page, naming_options(context):
        outcome, interrupted = _measure(options, generators, plan, (feed.update, page.update), live=not no_live)
        page.conclude(outcome.summary, partial=outcome.partial or interrupted)
    counted = None if counter is None else counter.after(outcome)
    record = _record(options, outcome, conditions, targets, imported, interrupted, counted)
    deliver(record, outputs)
    check_sent(record)
    _check_answered(record)
    return _status(record, interrupted=interrupted, explain=json)


def _options(
    context: typer.Context,
    *,
    url: str,
    rate: str | None,
    profile: list[str],
    arrival: str,
    precise: bool,
    think_time: str | None,
    pacing: str | None,
    duration: str | None,
    warm_up: str,
    requests: str | None,
    timeout: str,
    method: str | None,
    header: list[str],
    data: str | None,
    insecure: bool,
    expect_status: str | None,
    seed: str,
    trace: bool,
) -> LoadOptions:
    import msgspec

    from ..loadtest import parse_think_time
    from . import values
    from .profiles import shape_of
    from .requests import request_options

    limit = None if requests is None else values.parse_count(requests, where=where(context, "requests"))
    shape = shape_of(context, profile=profile, rate=rate, duration=duration)
    seconds = (
        values.parse_positive_duration(shape.duration, where=where(context, "duration"))
        if shape.duration is not None
        else (10.0 if limit is None else None)
    )
    return msgspec.structs.replace(
        request_options(
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
        ),
        rate=None if shape.rate is None else values.parse_rate(shape.rate, where=where(context, "rate")),
        profile=shape.profile,
        precise=precise,
        think_time=None if think_time is None else parse_think_time(think_time, where=where(context, "think_time")),
        pacing=None if pacing is None else values.parse_positive_duration(pacing, where=where(context, "pacing")),
        duration=seconds,
        request_limit=limit,
        warm_up=values.parse_warm_up(warm_up, where=where(context, "warm_up")),
        trace=trace,
    )


def _plan(options: LoadOptions) -> Plan:
    """What those who watch are told of the run itself."""
    from ..redaction import redact_url
    from .live import Plan

    what = options.method if options.scenario is None else options.scenario.name
    return Plan(
        f"{what} {redact_url(options.url)}",
        options.lasts,
        options.request_limit,
        not options.closed and options.profile is not None,
    )


def _measure(
    options: LoadOptions,
    generators: Generators,
    plan: Plan,
    watchers: tuple[Callable[[Progress], None], ...],
    *,
    live: bool,
) -> tuple[LoadOutcome, bool]:
    import asyncio

    from .. import loadtest
    from .live import LiveView
    from .running import run_until_stopped

    with LiveView(plan, enabled=live) as view, loadtest.quiet_collector():

        def on_progress(progress: Progress) -> None:
            view.update(progress)
            for update in watchers:
                update(progress)

        async def measure(stop: asyncio.Event) -> LoadOutcome:
            running = asyncio.ensure_future(generators.run(options, on_progress, stop))
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if not view.started:  # still connecting, which may take until --timeout
                running.cancel()
            return await running

        return run_until_stopped(measure)


def _record(
    options: LoadOptions,
    outcome: LoadOutcome,
    conditions: list[Condition],
    targets: Targets | None,
    imported: Imported | None,
    interrupted: bool,
    counted: ServerCount | None,
) -> LoadRecord:
    from msgspec import structs

    from ..records import LoadRecord, current_environment
    from ..redaction import redact_url
    from ..targets import Measured, evaluate
    from ..thresholds import judge, too_few
    from .importing import fidelity_of
    from .redaction import redact_command

    def percentile(distribution: Distribution, quantile: float) -> float:
        histogram: Histogram = getattr(outcome, distribution)
        return histogram.percentile(quantile) / 1000

    def count(distribution: Distribution) -> int:
        histogram: Histogram = getattr(outcome, distribution)
        return histogram.count

    summary = outcome.summary
    doubts = [reason for condition in conditions if (reason := too_few(condition, count, percentile)) is not None]
    if counted is not None and counted.reason is not None:
        doubts.append(counted.reason)
    if doubts:
        summary = structs.replace(summary, trustworthy=False, reasons=[*summary.reasons, *doubts])
    return LoadRecord(
        environment=current_environment(),
        command=redact_command(["perfloop", *sys.argv[1:]]),
        partial=outcome.partial or interrupted,
        target=redact_url(options.url),
        plan=outcome.plan,
        summary=summary,
        results=outcome.results,
        thresholds=[judge(condition, outcome.summary, percentile) for condition in conditions],
        targets=[] if targets is None else evaluate(targets, Measured.of_load(outcome.plan, outcome.summary)),
        fidelity=None if imported is None else fidelity_of(imported, options, outcome),
        server_count=counted,
    )


def _check_answered(record: LoadRecord) -> None:
    """See that the target answered at all: a run in which it never did measured nothing.

    Raises:
        UnreachableTarget: requests were sent, and not one was answered.
    """
    if record.partial or record.results.statuses or not record.summary.all_requests:
        return
    from ..exceptions import UnreachableTarget

    kinds = record.results.error_kinds
    worst = max(kinds, key=lambda kind: kind.count) if kinds else None
    raise UnreachableTarget(
        f"The target took connections but answered none of {record.summary.all_requests} requests",
        got=f"{worst.count} × {worst.kind}: {worst.example}" if worst else None,
        where=record.target,
        hint=f"is it an HTTP server? Each request may take {record.plan.timeout_seconds:g} s (--timeout)",
    )


def _status(record: LoadRecord, *, interrupted: bool, explain: bool) -> int:
    """The exit status a record deserves; what the terminal report does not show goes to stderr."""
    failed = [threshold for threshold in record.thresholds if threshold.failed]
    hopeless = _hopeless(record)
    if hopeless:
        note(f"failed: not one of {record.summary.all_requests:,} requests succeeded")
    if explain:
        for threshold in failed:
            note(f"failed: {threshold.expression} ({_measured(threshold)})")
        if not record.summary.trustworthy:
            note(f"untrustworthy: {'; '.join(record.summary.reasons)}")
    if interrupted:
        note("interrupted: the figures cover what was measured until then")
        return 130
    if not record.summary.trustworthy:
        return 3
    return 1 if failed or hopeless else 0


def _hopeless(record: LoadRecord) -> bool:
    """Whether no request succeeded, and no --fail-if says how many may fail: a slip in a URL must not pass."""
    judged = any(threshold.expression.strip().startswith("errors") for threshold in record.thresholds)
    return 0 < record.summary.all_requests == record.summary.errors and not judged and not record.partial


def _measured(threshold: Threshold) -> str:
    if threshold.measured is None:
        return "nothing was measured"
    return f"measured {threshold.measured:.4g} {threshold.unit}".rstrip()
