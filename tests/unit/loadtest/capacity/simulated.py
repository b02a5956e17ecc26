"""Services of known capacity, simulated: what a probe of them would have measured."""

from __future__ import annotations

import math
import random

from perfloop.loadtest.capacity.decision import Conclusion, NextProbe, Settings, decide
from perfloop.records import CapacityProbe, Figures

SETTINGS = Settings(precision=0.1, confidence=0.95, budget=600.0, probe=4.0, samples=300, most_connections=512)


class Service:
    """k slots of a fixed service time, whose verdicts near the capacity are blurred, and sometimes wrong.

    Args:
        capacity: k ÷ service seconds.
        blur: of the step, in log rate.
        fails: the share of probes below the capacity that miss the goals all the same.
        generator: the rate the generator can do; above it probes are untrustworthy.
        target: the rate from which on latency misses the goals; None: the capacity.
    """

    def __init__(
        self,
        capacity: float,
        *,
        slots: int = 4,
        blur: float = 0.0,
        fails: float = 0.0,
        generator: float = math.inf,
        target: float | None = None,
        seed: int = 0,
    ) -> None:
        self.capacity, self.slots, self.blur, self.fails, self.generator = capacity, slots, blur, fails, generator
        self.limit = capacity if target is None else target
        self.seconds = slots / capacity
        self._random = random.Random(seed)

    def probe(self, wanted: NextProbe) -> CapacityProbe:
        if wanted.rate is None:
            throughput = min(wanted.connections, self.slots) / self.seconds
            latency = wanted.connections / throughput
            return probe(
                rate=None,
                connections=wanted.connections,
                seconds=wanted.seconds,
                throughput=min(throughput, self.generator),
                p50_ms=1000 * latency,
                verdict="untrustworthy" if throughput > self.generator else "measured",
            )
        chance = float(wanted.rate <= self.limit)
        if self.blur:
            chance = 1 / (1 + math.exp(max(-50, min(50, math.log(wanted.rate / self.limit) / self.blur))))
        met = self._random.random() < chance * (1 - self.fails)
        verdict = "met" if met else "missed"
        if 0.8 * wanted.rate * wanted.seconds < SETTINGS.samples and met:
            verdict = "too few samples"
        if wanted.rate > self.generator:
            verdict = "untrustworthy"
        return probe(
            rate=wanted.rate,
            connections=wanted.connections,
            seconds=wanted.seconds,
            throughput=min(wanted.rate, self.capacity, self.generator),
            p50_ms=1000 * self.seconds,
            verdict=verdict,
        )


def probe(
    *,
    rate: float | None = 100.0,
    connections: int = 16,
    seconds: float = 4.0,
    throughput: float = 100.0,
    p50_ms: float = 10.0,
    verdict: str = "met",
    waited: float = 0.0,
    recovery_seconds: float = 0.0,
) -> CapacityProbe:
    return CapacityProbe(
        model="closed" if rate is None else "open",
        rate=rate,
        connections=connections,
        seconds=seconds,
        requests=round(throughput * seconds),
        errors=0,
        throughput=throughput,
        latency_ms=Figures(mean=p50_ms, p50=p50_ms, p95=p50_ms, p99=p50_ms, p999=p50_ms, max=p50_ms),
        waited=waited,
        verdict=verdict,
        reasons=[] if verdict in ("met", "measured") else ["simulated"],
        recovery_seconds=recovery_seconds,
    )


def search(service: Service, settings: Settings = SETTINGS) -> tuple[Conclusion, list[CapacityProbe]]:
    """The answer, and the probes it took."""
    history: list[CapacityProbe] = []
    for _ in range(500):
        decided = decide(settings, history)
        if isinstance(decided, Conclusion):
            return decided, history
        history.append(service.probe(decided))
    raise AssertionError("the search does not end")
