"""Every rule, one file each."""

from __future__ import annotations

from typing import Final

from ..finding import Rule
from . import (
    amplified_failures,
    bulkhead_larger_than_pool,
    hidden_failures,
    limits_times_workers,
    missing_jitter,
    nested_retries,
    no_timeout,
    timeouts_that_cannot_fit,
)

__all__ = ["RULES"]

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "amplified-failures",
        "A retry outside a breaker makes several failures of one: a single bad call opens it for all.",
        amplified_failures.find,
    ),
    Rule(
        "hidden-failures",
        "A retry inside a breaker hides failures: the breaker opens after several times as many.",
        hidden_failures.find,
    ),
    Rule(
        "nested-retries",
        "Retries inside retries multiply: three layers of three attempts are 27 calls of a service that is down.",
        nested_retries.find,
    ),
    Rule(
        "bulkhead-larger-than-pool",
        "A bulkhead admits more calls than the pool behind it has connections: they wait there, unseen and unbounded.",
        bulkhead_larger_than_pool.find,
    ),
    Rule(
        "timeouts-that-cannot-fit",
        "Attempts, waits and back-off together take longer than whoever waits for them does.",
        timeouts_that_cannot_fit.find,
    ),
    Rule(
        "limits-times-workers",
        "Limits of one process, times the processes, are above what all may have together.",
        limits_times_workers.find,
    ),
    Rule(
        "missing-jitter",
        "Retries without jitter come back all at once, and again at each attempt.",
        missing_jitter.find,
    ),
    Rule("no-timeout", "Nothing ends a call that hangs, or nothing that its breaker hears of.", no_timeout.find),
)
