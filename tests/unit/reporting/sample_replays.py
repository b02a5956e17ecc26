"""Records of replays."""

from __future__ import annotations

from typing import Any

from perfloop.records import ReplayCourse, ReplayOutage, ReplayRecord, ReplayResult

from .sample_runs import ENVIRONMENT

STEPS = 40
NOT_KNOWN = "Every call keeps the outcome it had."


def _result(settings: dict[str, Any], **more: Any) -> ReplayResult:
    known: dict[str, Any] = {
        "settings": settings,
        "rejected": 400,
        "false_rejected": 12,
        "let_through": 30,
        "opens": 8,
        "false_opens": 1,
        "outages": 4,
        "outages_missed": 0,
        "time_to_open_s": 1.2,
        "time_to_open_max_s": 2.5,
        "time_to_close_s": 0.4,
        "never_closed": 0,
        "open_seconds": 88.0,
        "best": True,
        "open_share": [0.0] * 10 + [0.5] + [1.0] * 7 + [0.0] * (STEPS - 18),
    }
    return ReplayResult(**{**known, **more})


def _replay(**more: Any) -> ReplayRecord:
    known: dict[str, Any] = {
        "environment": ENVIRONMENT,
        "perfloop": "0.1.0",
        "created": "2026-11-24T10:00:00+00:00",
        "command": ["perfloop", "resilience", "replay", "outcomes/", "--set", "max_failures=5,20"],
        "name": "payments",
        "part": "circuit_breaker",
        "started": 1_764_000_000.0,
        "seconds": 600.0,
        "calls": 60_000,
        "successes": 55_000,
        "failures": 4_900,
        "ignored": 40,
        "unknown": 60,
        "lost": 0,
        "processes": 2,
        "outages": [
            ReplayOutage(start_seconds=150.0, end_seconds=262.0, calls=5_000, failures=4_700, given=False),
            ReplayOutage(start_seconds=450.0, end_seconds=456.0, calls=300, failures=200, given=True),
        ],
        "course": ReplayCourse(
            step_seconds=15.0, calls=[1_500] * STEPS, failures=[5] * 10 + [588] * 8 + [5] * (STEPS - 18)
        ),
        "results": [
            _result({"max_failures": 5, "reset_timeout": 2.5}),
            _result(
                {"max_failures": 20, "reset_timeout": 30.0},
                false_rejected=5_210,
                let_through=28,
                opens=3,
                false_opens=0,
                outages_missed=2,
                time_to_close_s=None,
                never_closed=1,
            ),
            _result(
                {"max_failures": 50, "reset_timeout": 2.5}, let_through=4_900, best=False, open_share=[0.0] * STEPS
            ),
        ],
        "chosen": 0,
        "verdict": "chosen",
        "reason": "The fewest calls on the wrong side, 42: 12 rejected that had succeeded, and 30 let through.",
        "caveats": [NOT_KNOWN, "60 calls were rejected while they were recorded."],
    }
    return ReplayRecord(**{**known, **more})


def replayed() -> ReplayRecord:
    """Two outages, three settings, one choice."""
    return _replay()


def quiet_replay() -> ReplayRecord:
    """Nothing to choose by, and different windows, so that their settings differ."""
    return _replay(
        outages=[],
        results=[
            _result({"window": "count", "size": 50, "failure_rate": 0.5}, outages=0, time_to_open_s=None),
            _result({"window": "consecutive", "max_failures": 5}, outages=0, time_to_open_s=None),
        ],
        chosen=None,
        verdict="not enough data",
        reason="The record has no outage.",
    )
