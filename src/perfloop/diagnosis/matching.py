"""Joins what the load generator measured with what the agent saw, request by request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..loadtest import Samples
    from ..monitoring.observations import Observations, RequestTrace
    from ..records import SlowRequest

__all__ = ["CLIENT_PARTS", "Match", "MatchedRequest", "match", "with_parts"]

CLIENT_PARTS = (
    "queue",
    "send_lag",
    "event_loop_wait",
    "worker_wait",
    "cpu",
    "database",
    "pool_wait",
    "upstream",
    "blocking",
    "sleep",
    "interpreter_wait",
    "gc",
    "network",
    "unaccounted",
)
"""The parts of a client's latency, in the order a request meets them.

Besides the agent's PARTS: queue (waiting for a connection: the service's fault), send_lag (the generator's own fault)
and network (from the response's last byte handed to the server to its arrival). What passes between the request
written and the application called is waiting for the server: event_loop_wait, or worker_wait where no loop runs.
"""

# The two clocks are one, but the stamps are taken beside the events they stand for.
_CLOCK_SLACK = 0.005


@dataclass(frozen=True, slots=True)
class MatchedRequest:
    """One request from both sides. `parts` are seconds and sum to `latency`."""

    number: int
    due: float
    latency: float
    status: int
    trace: RequestTrace
    parts: Mapping[str, float]

    @property
    def route(self) -> str:
        """Method and route template: `GET /orders/{id}`."""
        return f"{self.trace.method} {self.trace.route}"

    @property
    def in_service(self) -> float:
        """Seconds between the application called and the response's last byte handed over."""
        return self.trace.ended - self.trace.started


@dataclass(frozen=True, slots=True)
class Match:
    """The requests both sides know, by due time, and how many only one side knows."""

    requests: tuple[MatchedRequest, ...]
    unseen_by_agent: int
    """Finished at the generator with a status, but never reported by the agent."""
    transport_errors: int
    """Failed before a response: the agent may have seen them, their latency is not a response's."""
    unknown_to_generator: int
    """Reported with a span the generator has no finished request for (still in flight at the end)."""

    def notes(self) -> list[str]:
        """What the reader must know, in words; empty when every request matched."""
        total = len(self.requests) + self.unseen_by_agent
        notes = []
        if self.unseen_by_agent:
            notes.append(
                f"{self.unseen_by_agent} of {total} answered requests were not reported by the agent; "
                "the breakdown covers the others"
            )
        if self.transport_errors:
            notes.append(f"{self.transport_errors} requests failed without a response and are not in the breakdown")
        return notes


def loop_processes(observations: Observations) -> frozenset[int]:
    """The processes that run an event loop."""
    found = {sample.pid for sample in observations.resources if sample.loop_lag is not None}
    found.update(trace.pid for trace in observations.requests if trace.is_async or trace.parts.get("event_loop_wait"))
    return frozenset(found)


def match(observations: Observations, samples: Samples) -> Match:
    """Join generator samples and agent traces by request number.

    Args:
        observations: those of the judged run; traces without a span are other people's and are left out.
        samples: the generator's arrays of the same run.
    """
    traces = {trace.span: trace for trace in observations.requests if trace.span is not None}
    looping = loop_processes(observations)
    matched: list[MatchedRequest] = []
    unseen = failed = 0
    columns = zip(
        samples.number.tolist(),
        samples.due.tolist(),
        samples.free.tolist(),
        samples.written.tolist(),
        samples.done.tolist(),
        samples.status.tolist(),
        strict=True,
    )
    for number, due, free, written, done, status in columns:
        trace = traces.pop(number, None)
        if status == 0:
            failed += 1
        elif trace is None or not (written - _CLOCK_SLACK <= trace.started <= done + _CLOCK_SLACK):
            unseen += 1
        else:
            parts = _parts(trace, due, free, written, done, has_loop=trace.pid in looping)
            matched.append(MatchedRequest(number, due, max(done - due, 0.0), status, trace, parts))
    matched.sort(key=lambda request: request.due)
    return Match(tuple(matched), unseen, failed, len(traces))


def with_parts(slowest: Sequence[SlowRequest], requests: Sequence[MatchedRequest]) -> list[SlowRequest]:
    """The slowest requests with where their time went, as far as the agent saw them."""
    by_number = {request.number: request for request in requests}
    found = [(request, by_number.get(int(request.span_id, 16))) for request in slowest]
    return [
        request
        if seen is None
        else msgspec.structs.replace(
            request,
            parts_ms={part: round(seconds * 1e3, 6) for part, seconds in seen.parts.items() if seconds > 0},
        )
        for request, seen in found
    ]


def _parts(
    trace: RequestTrace, due: float, free: float, written: float, done: float, *, has_loop: bool
) -> dict[str, float]:
    """Divide done − due into parts that sum to it exactly."""
    latency = max(done - due, 0.0)
    parts = dict.fromkeys(CLIENT_PARTS, 0.0)
    for name, seconds in trace.parts.items():
        parts[name] = parts.get(name, 0.0) + max(seconds, 0.0)
    in_service = max(trace.ended - trace.started, 0.0)
    inside = sum(parts.values())
    if inside < in_service:
        parts["unaccounted"] += in_service - inside
    queue = max(free - due, 0.0)
    parts["queue"] += queue
    parts["send_lag"] += max(written - max(due, free), 0.0)
    parts["event_loop_wait" if has_loop else "worker_wait"] += max(trace.started - written, 0.0)
    parts["network"] += max(done - trace.ended, 0.0)
    # The stamps may overlap by microseconds; the sum must not depend on it.
    total = sum(parts.values())
    excess = total - latency
    if excess > 0:
        for name in ("network", "unaccounted", "cpu"):
            taken = min(parts[name], excess)
            parts[name] -= taken
            excess -= taken
        if excess > 0 and total > 0:
            scale = latency / (sum(parts.values()) or 1.0)
            parts = {name: seconds * scale for name, seconds in parts.items()}
    elif excess < 0:
        parts["network"] -= excess
    return parts
