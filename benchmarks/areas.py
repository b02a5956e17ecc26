"""Every benchmark area, with what it answers. One file an area, exposing `run(full) -> {"figures": …, "peers": …}`."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["AREAS", "Area"]


class Area(NamedTuple):
    """One area: the module `benchmarks.NAME`."""

    name: str
    question: str
    limits: dict[str, tuple[str, float]]
    """What the figures are held to: name → ("<=", 1.25). Shown, never enforced here."""


AREAS = (
    Area(
        "loadgen",
        "what does a request cost the load generator, beside wrk, ab, h2load, hey and locust?",
        {
            "cpu_per_request_vs_wrk": ("<=", 1.15),
            "cpu_per_request_vs_locust": ("<=", 0.10),
            "open_cpu_per_request_vs_wrk": ("<=", 3.2),
            "open_send_lag_p99_ms": ("<=", 0.3),
            "precise_send_lag_p99_ms": ("<=", 0.05),
            "open_max_rate_vs_wrk": (">=", 0.6),
            "server_count_mismatch": ("<=", 0),
            "rss_mb_growth_per_million": ("<=", 1),
            "scenario_cpu_vs_wrk": ("<=", 1.6),
            "python_scenario_cpu_vs_locust": ("<=", 0.15),
            "rss_growth_mb": ("<=", 10),
            "h2_ok": (">=", 1),
            "h2_cpu_per_request_vs_h2load": ("<=", 1.5),
        },
    ),
    Area(
        "accuracy",
        "is what perfloop says true: pauses, delays, arrivals, Little's law, and whether it could measure at all?",
        {
            "pause_p99_relative_error": ("<=", 0.02),
            "ks_constant": ("<=", 0.03),
            "ks_bimodal": ("<=", 0.03),
            "ks_pareto": ("<=", 0.03),
            "littles_law_error": ("<=", 0.02),
            "schedule_ks": ("<=", 0.02),
            "starved_generator_flagged": (">=", 1),
            "healthy_generator_flagged": ("<=", 0),
            "send_lag_p99_ms": ("<=", 0.3),
        },
    ),
    Area(
        "capacity",
        "is the capacity it finds the one the service has, and inside the interval?",
        {"worst_relative_error": ("<=", 0.05), "truth_inside": (">=", 3), "interval_width": ("<=", 0.10)},
    ),
    Area(
        "stampede",
        "does a cache that misses, or has lost a level, take the database behind it along?",
        {
            "loads": ("<=", 1),
            "loader_limit_exceeded": ("<=", 0),
            "p99_during_outage_over_before": ("<=", 3),
            "recovered": (">=", 1),
        },
    ),
    Area(
        "shop",
        "does the diagnosis predict what the fix gains, account for the time, and leave the service its speed?",
        {
            "prediction_error": ("<=", 0.5),
            "unaccounted_p95": ("<=", 0.20),
            "agent_throughput_vs_bare": (">=", 0.85),
        },
    ),
    Area(
        "nplus1",
        "are N+1 found, and nothing that only looks like one, and what does capturing statements cost?",
        {"recall": (">=", 1.0), "false_positives": ("<=", 0), "capture_vs_opentelemetry": ("<=", 0.12)},
    ),
    Area(
        "leaks",
        "does the leak detector tell leaks from growth that ends, and name the lines?",
        {"correct": (">=", 10), "lines_named": (">=", 3), "false_alarms": ("<=", 0)},
    ),
    Area(
        "live",
        "how soon does the live page show a slow request, and what does watching cost the service?",
        {"shown_seconds_max": ("<=", 2.0)},
    ),
    Area(
        "rewrites",
        "does the proof of rewrites let a wrong one pass, does it let right ones pass, and what of the guide's?",
        {
            "queries": (">=", 500),
            "wrong_rewrites_accepted": ("<=", 0),
            "wrong_offered": (">=", 200),
            "rewrites_accepted": (">=", 50),
            "rules_accepted": (">=", 50),
            "counterexamples_unconfirmed": ("<=", 0),
            "like_rejected": (">=", 1),
            "in_to_distinct_join_not_faster": (">=", 1),
            "not_in_nulls_caught": (">=", 1),
        },
    ),
    Area(
        "index_advice",
        "are the indexes advised as good as an expert's, does each of them pay, and is what writers pay for it true?",
        {
            "workload_cost_vs_expert": ("<=", 1.05),
            "worse_than_single_column_greedy": ("<=", 0),
            "indexes_advised": (">=", 10),
            "false_advice": ("<=", 0),
            "write_bill_error": ("<=", 0.20),
            "sqlite_cost_vs_expert": ("<=", 1.05),
        },
    ),
    Area(
        "caching",
        "what does a hit cost, and what does the cache in the process keep, beside the caches people use?",
        {
            "l1_sync_hit_vs_cachetools": ("<=", 0.7),
            "l1_async_hit_vs_cashews": ("<=", 0.10),
            "decorator_hit_vs_cashews": ("<=", 0.03),
            "get_or_load_hit_vs_dogpile": ("<=", 0.08),
            "l2_hit_vs_redis_py": ("<=", 1.25),
            "hit_ratio_vs_theine": (">=", 0.98),
            "access_vs_theine": ("<=", 0.35),
        },
    ),
    Area(
        "invalidation",
        "is any invalidation lost, whatever comes between, and would a loss be seen?",
        {
            "interleavings": (">=", 200_000),
            "lost_invalidations": ("<=", 0),
            "naive_lost": (">=", 1),
            "twins_caught": (">=", 20),
            "stale_reads_beyond_bound": ("<=", 0),
            "naive_stale_reads": (">=", 1),
        },
    ),
    Area(
        "resilience",
        "what does a part of a policy add to a call, beside the libraries people use for it?",
        {
            "breaker_vs_circuitbreaker": ("<=", 0.8),
            "breaker_vs_pybreaker": ("<=", 0.35),
            "async_breaker_vs_hyx": ("<=", 0.55),
            "bulkhead_vs_hyx": ("<=", 0.2),
            "retry_vs_stamina": ("<=", 0.03),
            "timeout_vs_asyncio_timeout": ("<=", 0.35),
            "policy_of_five_vs_nopanic": ("<=", 0.4),
            "open_rejection_vs_pybreaker": ("<=", 0.4),
            "threads_8_vs_1": ("<=", 1.3),
        },
    ),
    Area(
        "overload",
        "does a service keep its capacity under three times the load, and the rest of it when a dependency turns slow?",
        {
            "goodput_vs_capacity": (">=", 0.9),
            "accepted_p99_vs_80pct_load": ("<=", 2),
            "recovery_s": ("<=", 5),
            "naive_goodput_vs_capacity": ("<=", 0.5),
            "unrelated_p99_vs_before": ("<=", 1.1),
        },
    ),
    Area(
        "resilience_model",
        "do breaker, bulkhead, limiter, retry budget and single flight keep their word, whatever the order of events?",
        {"schedules": (">=", 100_000), "violations": ("<=", 0)},
    ),
    Area(
        "startup",
        "how long does it take to be there?",
        {"help_vs_bare": ("<=", 15), "import_vs_bare": ("<=", 4)},
    ),
    Area(
        "middleware",
        "what does monitoring add to a request, beside prometheus_client, OpenTelemetry and uvicorn's access log?",
        {
            "added_vs_plain_prometheus": ("<=", 1.3),
            "added_vs_instrumentator": ("<=", 0.12),
            "added_vs_opentelemetry": ("<=", 0.06),
            "record_vs_prometheus_observe": ("<=", 0.45),
            "label_memory_mb": ("<=", 5),
            "access_log_vs_uvicorn": ("<=", 1.0),
        },
    ),
    Area(
        "telemetry",
        "what does recording cost, beside prometheus_client?",
        {
            "counter_vs_prometheus": ("<=", 1.0),
            "gauge_vs_prometheus": ("<=", 1.0),
            "histogram_vs_prometheus": ("<=", 1.0),
        },
    ),
)
