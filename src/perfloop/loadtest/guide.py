"""`LoadTest` and `LoadTestResult`, as chapter 8 of the guide names them.

The guide's version counts failures as successes, measures from the late send, and so closes over its own slowness; its
rate is divided among workers that wait for their answers. This one is the engine with the guide's names.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from ..exceptions import InvalidValue
from .options import LoadOptions
from .running import run, run_sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from .outcome import LoadOutcome, Progress

__all__ = ["LoadTest", "LoadTestResult"]


class LoadTestResult(Struct, frozen=True, kw_only=True, eq=False):
    """The result of a load test. Durations are float seconds, sizes bytes."""

    total_requests: int
    """All finished requests."""
    successful_requests: int
    failed_requests: int
    """Transport failures, and statuses of 400 and above unless `expect_status` says otherwise."""
    average_latency: float
    """From the moment a request was due to the end of its response."""
    p50_latency: float
    p95_latency: float
    p99_latency: float
    p999_latency: float
    max_latency: float
    rps: float
    """Finished requests a second."""
    duration: float
    bytes_received: int
    errors: dict[str, int]
    """How many requests failed in which way."""
    statuses: dict[int, int]
    trustworthy: bool
    reasons: list[str]
    """Why the measurement is not trustworthy; empty when it is."""
    outcome: LoadOutcome
    """Everything: summary, series, histograms."""


class LoadTest:
    """A load test of one URL.

        result = LoadTest("http://localhost:8080/api/data", concurrency=10, duration=30, rate=100).run()
        print(result.total_requests, result.p99_latency)

    Args:
        url: what to request.
        concurrency: connections, the most requests in flight.
        duration: seconds.
        rate: requests a second in all, due on time whatever the service does; None: as fast as the answers come.
        options: further fields of `LoadOptions`, such as `timeout`, `headers` or `requests`.

    Raises:
        InvalidValue: an option is of the wrong type or out of range, or there is none of that name.
    """

    def __init__(
        self,
        url: str,
        concurrency: int = 10,
        duration: float = 10.0,
        rate: float | None = None,
        **options: Any,
    ) -> None:
        for name in options:
            if name not in LoadOptions.__struct_fields__:
                near = difflib.get_close_matches(name, LoadOptions.__struct_fields__, 1)
                raise InvalidValue(
                    "Expected a field of LoadOptions", got=name, hint=f"did you mean {near[0]}?" if near else None
                )
        self.options = replace(LoadOptions(url=url, connections=concurrency, duration=duration, rate=rate), **options)
        self.options.validate()

    def run(self, *, on_progress: Callable[[Progress], None] | None = None) -> LoadTestResult:
        """Run the test in this thread, on an event loop of its own. In a notebook, which has one already, use `arun`.

        Raises:
            ConfigurationError: an event loop runs in this thread.
            UnreachableTarget: a connection cannot be opened before the clock starts.
        """
        return _result(run_sync(self.options, on_progress=on_progress))

    async def arun(self, *, on_progress: Callable[[Progress], None] | None = None) -> LoadTestResult:
        """Run the test on the running event loop.

        Raises:
            UnreachableTarget: a connection cannot be opened before the clock starts.
        """
        return _result(await run(self.options, on_progress=on_progress))


def _result(outcome: LoadOutcome) -> LoadTestResult:
    summary = outcome.summary
    latency = summary.latency_ms
    return LoadTestResult(
        total_requests=summary.requests,
        successful_requests=summary.succeeded,
        failed_requests=summary.errors,
        average_latency=latency.mean / 1000,
        p50_latency=latency.p50 / 1000,
        p95_latency=latency.p95 / 1000,
        p99_latency=latency.p99 / 1000,
        p999_latency=latency.p999 / 1000,
        max_latency=latency.max / 1000,
        rps=summary.rate,
        duration=summary.elapsed_seconds,
        bytes_received=summary.bytes_received,
        errors={kind.kind: kind.count for kind in outcome.results.error_kinds},
        statuses={int(status): count for status, count in outcome.results.statuses.items()},
        trustworthy=summary.trustworthy,
        reasons=summary.reasons,
        outcome=outcome,
    )
