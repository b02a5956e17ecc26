"""Continuing a search from its record: the same question, so that the old probes are still answers to it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...exceptions import ConfigurationError
from ...records import CapacityRecord, LoadPlan, redact_url

if TYPE_CHECKING:
    from ...records import AnyRecord, CapacityProbe
    from .options import CapacityOptions

__all__ = ["common_plan", "earlier_probes"]


def common_plan(options: CapacityOptions) -> LoadPlan:
    """What all probes of a search have in common."""
    load = options.sending(options.most_connections)
    plan = msgspec.structs.replace(load, rate=1.0, profile=None).plan()
    return msgspec.structs.replace(plan, rate=None, duration_seconds=None, request_limit=None)


def earlier_probes(record: AnyRecord, options: CapacityOptions) -> list[CapacityProbe]:
    """The probes of a search that `options` continue.

    Raises:
        ConfigurationError: the record is of another command, or of a search that asked for something else.
    """
    if not isinstance(record, CapacityRecord):
        kind = type(record).__struct_config__.tag
        raise ConfigurationError("Expected the record of a capacity search to resume", got=kind, where="resume")
    plan = common_plan(options)
    asked = (
        ("target", record.target, redact_url(options.load.url)),
        ("targets", record.goals, goal_texts(options)),
        ("requests", record.plan.requests, plan.requests),
        ("arrival", record.plan.arrival, plan.arrival),
        ("keep-alive", record.plan.keep_alive, plan.keep_alive),
        ("streams", record.plan.streams, plan.streams),
        ("timeout", record.plan.timeout_seconds, plan.timeout_seconds),
    )
    for name, before, now in asked:
        if before != now:
            raise ConfigurationError(
                f"Expected the {name} of the search to resume, {_words(before)}",
                got=_words(now),
                where=name,
                hint="probes of another question do not answer this one: give the same options, or begin a new search",
            )
    return list(record.probes)


def goal_texts(options: CapacityOptions) -> list[str]:
    """The goals as a record states them, the one on errors among them."""
    from .goals import parse_goals

    return [goal.expression for goal in parse_goals(options.targets)]


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
