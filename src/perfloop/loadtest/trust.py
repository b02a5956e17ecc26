"""Whether a measurement can be believed: pure judgements on how the generator itself fared.

Only the generator's own faults count here (a warm-up without an end: see `warm_up`). A slow, paused or failing service
shows in the latencies and errors; it does not make a measurement untrustworthy. Nor does a short run: with few samples
a high percentile is simply the maximum.
"""

from __future__ import annotations

from msgspec import Struct

from ..units import format_duration

__all__ = ["LOWEST_LAG", "GeneratorFacts", "allowed_lag", "untrustworthy_reasons"]

LOWEST_LAG = 1e-3
"""Seconds of send lag that never matter, about what other tools' timers allow themselves."""
LAG_SHARE = 0.05
"""The share of the median latency that send lag may reach."""
SATURATED = 0.95
"""The share of the run in which the generator's thread ran, or waited for the processor, from which on it is full."""
STARVED = 0.25
"""The share of the run that the generator's thread may wait for a processor."""
HELD_UP_SHARE = 0.01
"""The share of the run for which the generator may be held up: as many requests as a p99 leaves out."""
LONGEST_STALL = 0.1
"""Seconds the generator may be held up at a time."""


class GeneratorFacts(Struct, frozen=True, kw_only=True):
    """How the generator fared. Times are seconds."""

    open_model: bool
    elapsed: float
    send_lag_p99: float
    latency_p50: float
    cpu: float
    """The generator's thread ran for so long."""
    waited_for_cpu: float | None = None
    """The thread could have run, but another had the processor. None where the system does not tell."""
    held_up: float = 0.0
    """For so long in all the generator was not woken though it had asked for it, counting only what exceeds the send
    lag allowed."""
    longest_stall: float = 0.0
    """The longest time in which the generator was not woken though it had asked for it."""
    longest_stall_at: float = 0.0
    """When that was over, from the start."""
    spinning: bool = False
    """It never sleeps, by intention: that its thread is busy says nothing."""
    clock_jump: float = 0.0
    """How far the wall clock moved against the monotonic clock."""


def allowed_lag(latency_p50: float) -> float:
    """Seconds of send lag that do not distort latencies with this median."""
    return max(LOWEST_LAG, LAG_SHARE * latency_p50)


def untrustworthy_reasons(facts: GeneratorFacts) -> list[str]:
    """Why the measurement cannot be trusted; empty when it can.

    - Send lag: in the open model its p99 exceeds both 1 ms and 5 % of the median latency, so the requests did not come
      as planned. (Connections that
      neither think nor keep a pace have no plan: their next request simply waits for the generator, see below.)
    - Held up: its wake-ups came later than that for more than 1 % of the run. This says the same of the time as send
      lag says of the requests, and sees it also when all connections were busy, so that no request could be late.
    - Saturation: the generator's thread had no idle time (95 %). In the open model it cannot keep a schedule any more;
      in the closed model answers that have arrived wait until the generator gets round to them, so the latencies
      contain that wait and the rate is the generator's, not the service's. Either way the figures describe perfloop.
    - Starvation: it waited for a processor in a quarter of the run or more, whatever that did to the figures.
    - Stall: it was not woken for more than 0.1 s at a time, as when it is stopped, starved or suspended; the
      answers that arrived meanwhile look late.
    - Clock: the wall clock moved against the monotonic one: the machine was suspended, or its clock was set.
    """
    reasons = []
    allowed = allowed_lag(facts.latency_p50)
    if facts.open_model and facts.send_lag_p99 > allowed:
        reasons.append(
            f"the generator sent late: p99 send lag {format_duration(facts.send_lag_p99)}, "
            f"allowed {format_duration(allowed)}"
        )
    elif facts.open_model and facts.held_up > HELD_UP_SHARE * facts.elapsed:
        reasons.append(
            f"the generator was held up for {facts.held_up / facts.elapsed:.1%} of the run: another program had the "
            "processor, or other work ran on its event loop"
        )
    if facts.elapsed > 0:
        waited = facts.waited_for_cpu or 0.0
        busy = (facts.cpu + waited) / facts.elapsed
        if busy >= SATURATED and not facts.spinning:
            split = f", {waited / facts.elapsed:.0%} of it waiting for a processor" if waited > 0.1 * facts.cpu else ""
            reasons.append(
                f"limited by the generator: its thread was busy {min(busy, 1):.0%} of the run{split}; "
                "answers waited for it, so the latencies are upper bounds and the rate a lower bound"
            )
        elif waited >= STARVED * facts.elapsed:
            reasons.append(
                f"the generator was starved: for {waited / facts.elapsed:.0%} of the run it waited for a processor "
                "that others had"
            )
    if facts.longest_stall > LONGEST_STALL:
        reasons.append(
            f"the generator was stopped or starved for {format_duration(facts.longest_stall)}, "
            f"{format_duration(facts.longest_stall_at)} into the run"
        )
    if abs(facts.clock_jump) > LONGEST_STALL:
        reasons.append(
            f"the system clock moved {format_duration(facts.clock_jump)} against the monotonic clock during the run: "
            "the machine was suspended or its clock was set"
        )
    return reasons
