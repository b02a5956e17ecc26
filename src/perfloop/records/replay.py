"""The record of a replay: what other settings would have done to recorded calls."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from .kinds import Record

__all__ = ["ReplayCourse", "ReplayOutage", "ReplayRecord", "ReplayResult", "SettingValue"]

SettingValue = str | int | float | bool | None


class ReplayOutage(Struct, frozen=True, kw_only=True):
    """A time in which calls failed. Seconds count from the first recorded call."""

    start_seconds: float
    """When the first call began that failed in it."""
    end_seconds: float
    """When the last call ended that failed in it."""
    calls: int
    failures: int
    given: bool
    """By the user, not found in the record."""


class ReplayCourse(Struct, frozen=True, kw_only=True):
    """The recorded calls over time, in steps of equal length, by when they ended."""

    step_seconds: float
    calls: list[int]
    failures: list[int]


class ReplayResult(Struct, frozen=True, kw_only=True):
    """What one setting would have done."""

    settings: dict[str, SettingValue]
    """Those that were tried; the others are the part's defaults."""
    rejected: int
    """Calls that it would not have let begin."""
    false_rejected: int
    """Of those, such as had succeeded."""
    let_through: int
    """Calls that failed during an outage all the same: it was not open yet, or probed."""
    opens: int
    """From closed or half-open to open, over all processes."""
    false_opens: int
    """Of those, outside every outage."""
    outages: int
    """Outages times the processes that had a failed call in them."""
    outages_missed: int
    """Of those, such as it was never open in."""
    outages_unseen: int = 0
    """Outages of the record in which it was open in no process at all."""
    time_to_open_s: float | None
    """Median over the outages it opened in, from the outage's start; None: there was none."""
    time_to_open_max_s: float | None
    time_to_close_s: float | None
    """Median from an outage's end until it was closed, where it was not at the end; None: there was none."""
    never_closed: int
    """Outages after which it was not closed until the next one or the record's end."""
    open_seconds: float
    """Not closed, over all processes."""
    best: bool
    """No other setting tried has both fewer false rejections and fewer failures let through, or as few."""
    open_share: list[float]
    """Share of the processes' breakers that are not closed, by the steps of the course."""


class ReplayRecord(Record, frozen=True, kw_only=True, tag="replay"):
    """The record of `perfloop resilience replay`."""

    name: str
    """Of the recorder."""
    part: str
    """The kind of part that was tried."""
    started: float
    """Of the first call, seconds since 1970."""
    seconds: float
    """Until the last call's end."""
    calls: int
    successes: int
    failures: int
    ignored: int
    unknown: int
    """Rejected while they were recorded: left out."""
    lost: int
    """Dropped by the recorders."""
    processes: int
    slow_seconds: float | None = None
    """A success that took longer counted as a failure of an outage."""
    outages: list[ReplayOutage]
    course: ReplayCourse
    results: list[ReplayResult]
    """In the order of the grid."""
    chosen: int | None
    """Which of the results; None: the record does not tell, or none of them opened in any outage."""
    verdict: Literal["chosen", "none opened", "not enough data"]
    reason: str
    caveats: list[str] = field(default_factory=list)
    """What a replay cannot know, and what this record lacks."""
