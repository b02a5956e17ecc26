"""`perfloop monitor`: run a service and watch it, on a live page and in the terminal."""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from .command import where
from .help import Example
from .options import ReadyOption, StartupTimeoutOption  # noqa: TC001  # typer reads them
from .streams import note

if TYPE_CHECKING:
    from ..monitoring.live import LiveState

__all__ = ["EXAMPLES", "SETTINGS", "monitor"]

# Everything after the first word that is no option of ours belongs to the service's command.
SETTINGS = {"allow_interspersed_args": False}

EXAMPLES = (
    Example("watch a service at http://127.0.0.1:8790/", "perfloop monitor -- uvicorn shop:app"),
    Example(
        "from other machines too: the address that is printed has a token",
        "perfloop monitor --live-web 0.0.0.0:8790 -- gunicorn shop:app --workers 4",
    ),
    Example(
        "tell a chat when a target's error budget burns",
        "perfloop monitor --alert-webhook https://chat.example/hooks/1234 -- uvicorn shop:app",
    ),
    Example("a line of JSON a second, for ten minutes", "perfloop monitor --json --duration 10m -- uvicorn shop:app"),
)


def monitor(
    context: typer.Context,
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="-- COMMAND...", help="The service's command, unchanged; it is started without a shell."
        ),
    ],
    live_web: Annotated[
        str,
        typer.Option(
            "--live-web",
            metavar="ADDRESS",
            help="Where the live page is served: 8790 (on 127.0.0.1) or 0.0.0.0:8790; port 0 takes a free one. Other "
            "addresses than loopback ask for a token: that of the variable PERFLOOP_MONITOR_TOKEN, or one that is made "
            "up and printed. [default: 127.0.0.1:8790, or a free port where that is taken]",
            rich_help_panel="View",
        ),
    ] = "",
    no_web: Annotated[bool, typer.Option("--no-web", help="Serve no live page.", rich_help_panel="View")] = False,
    no_live: Annotated[
        bool,
        typer.Option(
            "--no-live",
            help="Show no figures in the terminal; the service's output is passed on instead, as it is where stderr is "
            "no terminal.",
            rich_help_panel="View",
        ),
    ] = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print the figures as a line of JSON a second on stdout; the service's own output is not passed on.",
            rich_help_panel="View",
        ),
    ] = False,
    alert_webhook: Annotated[
        str | None,
        typer.Option(
            "--alert-webhook",
            metavar="URL",
            help="Post each alert on a target as JSON to this URL. Where the URL is a secret, set the variable "
            "PERFLOOP_ALERT_WEBHOOK instead.",
            rich_help_panel="Alerts",
        ),
    ] = None,
    alert_log: Annotated[
        str | None,
        typer.Option(
            "--alert-log", metavar="FILE", help="Append a line for each alert to this file.", rich_help_panel="Alerts"
        ),
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option(
            "--duration",
            metavar="TIME",
            help="End so long after the service has first answered. [default: when it is interrupted, or the service "
            "ends]",
            rich_help_panel="Service",
        ),
    ] = None,
    ready: ReadyOption = None,
    startup_timeout: StartupTimeoutOption = "30s",
) -> int:
    """Run a service unmodified and watch it: throughput, percentiles a route, where the time goes, errors, resources.

    The service runs with a small agent that sees every request. A live page shows the figures of the last minute
    against the targets of the configuration file, and the slowest requests of the last five minutes, each with where
    its time went; so does the terminal. Workers that end and come back are followed. A target whose error budget is
    used up too fast gives an alert: on the page, in the terminal or as a line, in a file, at a webhook. The service is
    stopped at the end, on Ctrl-C for example (exit status 0); when it ends by itself, so does the monitor (exit
    status 3).
    """
    from ..live.watching import recorder_of_this_machine, watch
    from ..monitoring import Service
    from . import values
    from .configuration import configured_targets
    from .monitor_alerts import MonitorAlerts
    from .monitor_page import MonitorPage
    from .monitor_view import MonitorView
    from .redaction import redact_words
    from .running import run_until_stopped

    seconds = None if duration is None else values.parse_positive_duration(duration, where=where(context, "duration"))
    timeout = values.parse_positive_duration(startup_timeout, where=where(context, "startup_timeout"))
    recorder = recorder_of_this_machine(shlex.join(redact_words(command)), configured_targets())
    view = MonitorView(json=json, enabled=not no_live)
    alerts = MonitorAlerts(alert_webhook, alert_log, aloud=not view.redraws)
    page = None if no_web else MonitorPage(live_web, find=recorder.find, where=where(context, "live_web"))
    service = Service(command, light=True, ready_url=ready, startup_timeout=timeout, echo=not (view.redraws or json))

    def publish(state: LiveState) -> None:
        view.show(state)
        if page is not None:
            page.show(state)

    def started() -> None:
        if page is not None:
            note(f"live     {page.url}")
        note(f"service  {service.url}")

    with alerts, page or contextlib.nullcontext(), view, contextlib.suppress(KeyboardInterrupt):
        run_until_stopped(
            lambda stop: watch(
                service,
                recorder,
                stop=stop,
                publish=publish,
                started=started,
                judged=alerts.update,
                notes=alerts.notes,
                seconds=seconds,
            )
        )
    return 0
