"""A breaker that is easy to see through: it keeps every call, and looks at all of them each time."""

from __future__ import annotations

from dataclasses import dataclass, field

from perfloop.resilience import FAILURE, IGNORED, CircuitState

__all__ = ["ModelBreaker"]


@dataclass
class Call:
    period: int
    began: float


@dataclass
class ModelBreaker:
    """Rates over the last `size` calls, or, where that is None, failures in a row."""

    max_failures: int
    size: int | None
    minimum_calls: int
    rate: float
    reset_timeout: float
    probes: int
    probe_timeout: float
    slow_after: float
    state: CircuitState = CircuitState.CLOSED
    period: int = 0
    until: float = 0.0
    calls: list[tuple[bool, bool]] = field(default_factory=list)  # of this period: failed, slow
    under_way: list[Call] = field(default_factory=list)  # probes of this period
    probed: list[tuple[bool, bool]] = field(default_factory=list)

    def admit(self, now: float) -> Call | None:
        if self.state is CircuitState.HALF_OPEN:
            for probe in sorted(self.under_way, key=lambda probe: probe.began):
                if probe in self.under_way and now - probe.began >= self.probe_timeout:
                    self._probe_ended(probe, probe.began + self.probe_timeout, (True, False))
        if self.state is CircuitState.OPEN and now >= self.until:
            self._begin(CircuitState.HALF_OPEN)
        if self.state in (CircuitState.OPEN, CircuitState.FORCED_OPEN):
            return None
        call = Call(self.period, now)
        if self.state is CircuitState.HALF_OPEN:
            if len(self.under_way) + len(self.probed) == self.probes:
                return None
            self.under_way.append(call)
        return call

    def end(self, call: Call, outcome: int, now: float, seconds: float) -> None:
        if call.period != self.period:
            return
        if self.state is CircuitState.HALF_OPEN:
            if not any(call is probe for probe in self.under_way):
                return
            if outcome == IGNORED:
                self._forget(call)
            else:
                self._probe_ended(call, now, (outcome == FAILURE, seconds >= self.slow_after))
        elif outcome != IGNORED and self.state is not CircuitState.DISABLED:
            self.calls.append((outcome == FAILURE, seconds >= self.slow_after))
            if any(self.calls[-1]) and self.state is CircuitState.CLOSED and self._is_bad():
                self._open(now)

    def move(self, state: CircuitState) -> None:
        self._begin(state)

    def in_window(self) -> list[tuple[bool, bool]]:
        if self.state not in (CircuitState.CLOSED, CircuitState.FORCED_CLOSED):
            return []
        if self.size is not None:
            return self.calls[-self.size :]
        row = 0
        for call in reversed(self.calls):
            if not any(call):
                break
            row += 1
        return [(True, False)] * row

    def _is_bad(self) -> bool:
        window = self.in_window()
        if self.size is None:
            return len(window) >= self.max_failures
        if len(window) < self.minimum_calls:
            return False
        return any(sum(each) / len(window) >= self.rate for each in zip(*window, strict=True))

    def _probe_ended(self, probe: Call, now: float, result: tuple[bool, bool]) -> None:
        self._forget(probe)
        self.probed.append(result)
        failed, slow = (sum(each) for each in zip(*self.probed, strict=True))
        bad = failed + slow > 0 if self.size is None else max(failed, slow) / self.probes >= self.rate
        if bad:
            self._open(now)
        elif len(self.probed) == self.probes:
            self._begin(CircuitState.CLOSED)

    def _forget(self, probe: Call) -> None:
        self.under_way = [each for each in self.under_way if each is not probe]

    def _open(self, now: float) -> None:
        self._begin(CircuitState.OPEN)
        self.until = now + self.reset_timeout

    def _begin(self, state: CircuitState) -> None:
        self.state = state
        self.period += 1
        self.calls, self.under_way, self.probed = [], [], []
