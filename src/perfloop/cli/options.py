"""Options that several commands share, each defined once."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "ArrivalOption",
    "DataOption",
    "ExpectStatusOption",
    "FailIfOption",
    "HeaderOption",
    "HtmlOption",
    "InsecureOption",
    "JsonOption",
    "LiveWebOption",
    "MethodOption",
    "NoLiveOption",
    "OtlpOption",
    "OutputOption",
    "PrometheusOption",
    "ReadyOption",
    "ReportOption",
    "RequestOption",
    "ScenarioOption",
    "SeedOption",
    "StartupTimeoutOption",
    "TimeoutOption",
    "UrlArgument",
    "WarmUpOption",
]

_RESULT = "Result"
_DURING = "During the run"

UrlArgument = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="http://, https:// or http+unix://%2Frun%2Fapp.sock/path; http is assumed where there is no scheme.",
    ),
]
ArrivalOption = Annotated[
    str,
    typer.Option(
        "--arrival",
        metavar="KIND",
        help="How requests of an open model are spaced: constant or poisson.",
        rich_help_panel="Load",
    ),
]
TimeoutOption = Annotated[
    str,
    typer.Option(
        "--timeout",
        metavar="TIME",
        help="How long to wait for a connection, and for a response, before the request has failed.",
        rich_help_panel="Load",
    ),
]
MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        "-X",
        metavar="METHOD",
        help="The request's method. [default: GET, or POST with --data]",
        rich_help_panel="Request",
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        metavar="BODY",
        help="The request's body: the text itself, @FILE for a file's bytes, @- for stdin's.",
        rich_help_panel="Request",
    ),
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Accept any TLS certificate.", rich_help_panel="Request")
]
ExpectStatusOption = Annotated[
    str | None,
    typer.Option(
        "--expect-status",
        metavar="STATUSES",
        help="The statuses that are no error: 200, 200,404 or 2xx. [default: all below 400]",
        rich_help_panel="Judgement",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the record as JSON on stdout, and nothing else.", rich_help_panel=_RESULT)
]
OutputOption = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write the record to FILE.", rich_help_panel=_RESULT),
]
HtmlOption = Annotated[
    str | None,
    typer.Option(
        "--html",
        metavar="FILE",
        help="Write the report to FILE: one page that works offline.",
        rich_help_panel=_RESULT,
    ),
]
ReportOption = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write the result to FILE in the form that its name ends in: .csv (one row a second), .summary.csv (one "
        "row), .parts.csv (one row an endpoint, group or phase), .xml (JUnit, for CI), .hlog (HdrHistogram log), .md, "
        ".html or .json. Repeatable.",
        rich_help_panel=_RESULT,
    ),
]
PrometheusOption = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        metavar="[HOST:]PORT",
        help="Serve metrics of the run at http://HOST:PORT/metrics while it lasts, for Prometheus to scrape. "
        "HOST is 127.0.0.1 unless given.",
        rich_help_panel=_DURING,
    ),
]
OtlpOption = Annotated[
    str | None,
    typer.Option(
        "--otlp",
        metavar="URL",
        help="Export metrics of the run to an OpenTelemetry collector while it lasts: http://localhost:4318 (OTLP over "
        "HTTP). Needs perfloop[opentelemetry]; headers come from OTEL_EXPORTER_OTLP_HEADERS.",
        rich_help_panel=_DURING,
    ),
]
LiveWebOption = Annotated[
    str | None,
    typer.Option(
        "--live-web",
        metavar="[HOST:]PORT",
        help="Show the run while it lasts as a page at http://HOST:PORT/, with charts. HOST is 127.0.0.1 unless given; "
        "port 0 takes a free one. Other addresses than loopback ask for a token: that of the variable "
        "PERFLOOP_MONITOR_TOKEN, or one that is made up and printed.",
        rich_help_panel=_DURING,
    ),
]
NoLiveOption = Annotated[bool, typer.Option("--no-live", help="Show no progress on stderr.", rich_help_panel=_RESULT)]
SeedOption = Annotated[
    str,
    typer.Option("--seed", metavar="N", help="Seed of random arrivals and of the order of requests."),
]
RequestOption = Annotated[
    list[str] | None,
    typer.Option(
        "--request",
        metavar="REQUEST",
        help='A request to send: "GET /orders?page=1". Repeat it for a mix, with a weight where it is not 1: '
        '"2x GET /orders". A body follows the path, as text or @FILE: "POST /cart @cart.json".',
        rich_help_panel="Load",
    ),
]
ScenarioOption = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        metavar="FILE[:NAME]",
        help="What users do, in place of one request: weighted requests and journeys in a .toml file, or coroutine "
        "functions of a .py file. The URL is then the service's. --rate counts journeys.",
        rich_help_panel="Request",
    ),
]
HeaderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        "-H",
        metavar="'NAME: VALUE'",
        help="A header of every request. Repeatable. Values are never printed or recorded.",
        rich_help_panel="Request",
    ),
]
ReadyOption = Annotated[
    str | None,
    typer.Option(
        "--ready",
        metavar="URL",
        help="The service is up when this URL answers, and is loaded there. [default: the port it listens on]",
        rich_help_panel="Service",
    ),
]
StartupTimeoutOption = Annotated[
    str,
    typer.Option(
        "--startup-timeout", metavar="TIME", help="How long the service may take to start.", rich_help_panel="Service"
    ),
]

WarmUpOption = Annotated[
    str,
    typer.Option(
        "--warm-up",
        metavar="TIME",
        help="What to leave out at the start, but for errors: 2s; auto, which finds out how long a steady run is "
        "clearly slower at first than later, from 3 s on; or none.",
        rich_help_panel="Load",
    ),
]

FailIfOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-if",
        metavar="CONDITION",
        help='Exit with status 1 when the result meets the condition: "p99>500ms", "errors>0.1%", "rate<450". '
        "Repeatable. Metrics: mean p50 p95 p99 p999 max (of latency; any percentile is understood), the same with "
        "service_time_, queue_ or send_lag_ before them, errors (a count, or a share with %), requests, rate, "
        "bytes_per_second. Operators: > >= < <=.",
        rich_help_panel="Judgement",
    ),
]
