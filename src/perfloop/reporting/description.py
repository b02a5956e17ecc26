"""What a load test was asked to do, and its slowest requests, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfloop.units import format_duration

from . import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfloop.records import LoadPlan, LoadSummary, ServerCount, SlowRequest, TargetResult

__all__ = [
    "defaults_in_words",
    "plan_in_words",
    "server_count_in_words",
    "slow_request_in_words",
    "warm_up_in_words",
    "warm_up_note",
]


def plan_in_words(plan: LoadPlan) -> list[str]:
    """What the load test was asked to do, a few words each."""
    words = [
        _model(plan),
        _connections(plan),
    ]
    if plan.duration_seconds is not None:
        words.append(format_duration(plan.duration_seconds))
    if plan.request_limit is not None:
        words.append(f"at most {figures.plural(plan.request_limit, 'request')}")
    return words


def warm_up_in_words(summary: LoadSummary) -> str:
    """What is left out at the start; empty where nothing is."""
    if not summary.warm_up_seconds:
        return ""
    errors = f", {figures.plural(summary.warm_up_errors, 'error')} counted" if summary.warm_up_errors else ""
    requests = figures.plural(summary.warm_up_requests, "request")
    return f"first {format_duration(summary.warm_up_seconds)} ({requests}) excluded{errors}"


def warm_up_note(summary: LoadSummary) -> list[str]:
    """The same to be put behind the plan."""
    return [f"warm-up: {words}"] if (words := warm_up_in_words(summary)) else []


def server_count_in_words(count: ServerCount) -> str:
    """What the server counted beside what perfloop did."""
    if count.counted is None:
        return figures.clean(count.reason or "")
    counted = f"counted {figures.count(count.counted)} of {figures.plural(count.answered, 'answered request')}"
    return f"{counted}, {'which agrees' if count.reason is None else 'which disagrees'}"


def _connections(plan: LoadPlan) -> str:
    connections = figures.plural(plan.connections, "connection")
    if not plan.keep_alive:
        return f"{connections}, not kept alive"
    return connections if plan.streams is None else f"HTTP/2, {connections} of {figures.plural(plan.streams, 'stream')}"


def defaults_in_words(targets: Sequence[TargetResult]) -> str:
    """What became of targets that nobody set, in one quiet sentence."""
    names: dict[str, list[str]] = {"met": [], "missed": [], "not measured": []}
    for target in targets:
        names[target.outcome].append(figures.spaced(target.name).replace(" per second", "/s"))
    told = {"met": "met", "missed": "not reached", "not measured": "not measured"}
    parts = [f"{told[outcome]}: {', '.join(members)}" for outcome, members in names.items() if members]
    return f"none are set; of the guide's, {'; '.join(parts)}"


def slow_request_in_words(request: SlowRequest) -> list[str]:
    """What the request was, then what became of it, a few words each; the last is its span id."""
    words = [
        figures.clean(request.request),
        "given up" if request.status is None else f"status {request.status}",
        f"due at {format_duration(round(request.due_seconds, 3))}",
    ]
    if request.parts_ms and request.latency_ms > 0:
        part, largest = max(request.parts_ms.items(), key=lambda item: item[1])
        words.append(f"{figures.part_name(part)} {figures.share(min(largest / request.latency_ms, 1.0))}")
    elif request.queue_ms:
        words.append(f"queue {figures.milliseconds(request.queue_ms)}")
    return [*words, f"span {figures.clean(request.span_id)}"]


def _model(plan: LoadPlan) -> str:
    if plan.model == "open" and plan.profile is not None:
        return f"open model, {figures.clean(plan.profile)}"
    if plan.model == "open" and plan.rate is not None:
        return f"open model, {figures.per_second(plan.rate)} {plan.arrival or 'constant'}"
    if plan.think_time is not None:
        return f"{plan.model} model, think time {figures.clean(plan.think_time)}"
    if plan.pacing_seconds is not None:
        return f"{plan.model} model, a request every {format_duration(plan.pacing_seconds)} a connection"
    return f"{plan.model} model"
