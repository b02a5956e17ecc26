"""The circuit as a state machine: no lock, no clock and no I/O. Whoever drives it gives the time and keeps order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..outcome import FAILURE, IGNORED, Outcome
from .state import CircuitState
from .windows import Rates

if TYPE_CHECKING:
    from .circuit_settings import CircuitSettings
    from .windows import Window

__all__ = ["RESULTS", "CircuitCore", "Happening"]

Happening = tuple[str, dict[str, str | float | bool]]

RESULTS = ("successful", "failed", "slow_successful", "slow_failed", "ignored", "not_permitted")
_ADMITTING = (CircuitState.CLOSED, CircuitState.FORCED_CLOSED, CircuitState.DISABLED)
_MEASURING = (CircuitState.CLOSED, CircuitState.FORCED_CLOSED, CircuitState.RECOVERING)
_FIRST_SHARE = 0.1
_NO_TIME = (math.inf, -math.inf)


class CircuitCore:
    """One circuit.

    Each call that is let in has a token: the number of the period it began in, or one of its own as a probe. A token
    of a period that is over, or of a probe that was given up, changes nothing any more.

    While `admitting` is not 0 a call needs no `admit`: it is the token of every call. When such a call succeeds and
    `admitting` still is its token, and it took less than `slow_after`, and `tick` has not come, then `calls += 1` is
    all that `end` would do. From the test to the addition Python changes threads nowhere, as nothing in between is a
    call or a jump back: so a success needs no lock where there is a global interpreter lock. The rest of this class
    does: one caller at a time.
    """

    __slots__ = (
        "_credit",
        "_elsewhere",
        "_failed",
        "_ignored",
        "_in_window",
        "_number",
        "_open_for",
        "_open_next_for",
        "_probe_failures",
        "_probe_slow",
        "_probes",
        "_probes_ended",
        "_recovering_since",
        "_settings",
        "_slow_failed",
        "_slow_successful",
        "_watched",
        "_window",
        "admitting",
        "calls",
        "gated_until",
        "generation",
        "happened",
        "lease_until",
        "not_permitted",
        "open_until",
        "opened_at",
        "reason",
        "slow_after",
        "state",
        "tick",
        "wants_lease",
    )

    def __init__(self, settings: CircuitSettings, now: float, *, watched: bool = False) -> None:
        """A closed circuit.

        Args:
            settings: when it opens, and for how long.
            now: seconds of the clock that all other methods are given, too.
            watched: whether each success has to be told to `end`.
        """
        self._settings = settings
        self._watched = watched
        self._number = 0
        self.calls = 0
        """Calls that have ended in the periods they began in, probes apart."""
        self._in_window = 0  # those of them that were more than a quick success
        self._elsewhere = 0  # quick successes of probes, and late ones
        self._failed = self._slow_failed = self._slow_successful = self._ignored = 0
        self.not_permitted = 0
        self.slow_after = math.inf if settings.slow_call_duration is None else settings.slow_call_duration
        self.happened: list[Happening] = []
        """What is to be told; taken by `take_happened`."""
        self.reason = ""
        """Why it opened last."""
        self.gated_until = self.lease_until = -math.inf
        self.wants_lease = False
        """Whether calls wait for the right to be probes: `grant` gives it."""
        self._open_for = 0.0
        self._open_next_for = settings.reset_timeout
        self._probes: dict[int, float] = {}
        self._recovering_since = now
        self._credit = 0.0
        self._window: Window | None = None
        self.state = CircuitState.CLOSED
        self.generation = self.admitting = 0
        self.opened_at = self.open_until = self.tick = 0.0
        self._begin(CircuitState.CLOSED, now)

    def admit(self, now: float) -> int:
        """The token of a call that begins now; 0: not permitted."""
        if not self.admitting:
            if self.state is CircuitState.HALF_OPEN:
                self._give_up_hung_probes(now)  # which may have been the last ones to decide
            if self.state is CircuitState.OPEN:
                if now < self.opened_at:  # the clock has gone back: never longer than it was to be
                    self.opened_at, self.open_until = now, now + self._open_for
                if now >= self.open_until and self._may_probe(now):
                    self._move(CircuitState.HALF_OPEN, now)
            if self.state is CircuitState.HALF_OPEN:
                return self._admit_probe(now)
            if self.state is CircuitState.RECOVERING and self._is_recovered(now):
                self._open_next_for = self._settings.reset_timeout
                self._move(CircuitState.CLOSED, now, same_period=True)
            if self.state is CircuitState.RECOVERING:
                return self._admit_share(now)
        if not self.admitting:
            self.not_permitted += 1
        return self.admitting

    def end(self, token: int, outcome: Outcome, now: float, seconds: float) -> None:
        """A call that was let in has ended.

        Args:
            token: what `admit` gave.
            outcome: how.
            now: the clock.
            seconds: how long it took.
        """
        slow = outcome != IGNORED and seconds >= self.slow_after
        current = token == self.generation
        if outcome == FAILURE:
            if slow:
                self._slow_failed += 1
            else:
                self._failed += 1
        elif outcome == IGNORED:
            self._ignored += 1
        elif slow:
            self._slow_successful += 1
        elif not current:
            self._elsewhere += 1
        if outcome == IGNORED:
            self._probes.pop(token, None)  # the place is free for another one
        elif current:
            self._count(now, failed=outcome == FAILURE, slow=slow)
        elif token in self._probes:
            del self._probes[token]
            self._count_probe(now, failed=outcome == FAILURE, slow=slow)

    def force_open(self, now: float) -> None:
        """Let nobody in until `reset`, or another order."""
        self.reason = "forced"
        self._move(CircuitState.FORCED_OPEN, now)

    def force_closed(self, now: float) -> None:
        """Let everybody in and count, until `reset` or another order."""
        self._move(CircuitState.FORCED_CLOSED, now)

    def disable(self, now: float) -> None:
        """Let everybody in without a look, until `reset` or another order."""
        self._move(CircuitState.DISABLED, now)

    def reset(self, now: float) -> None:
        """As new: closed, with nothing in the window. Calls under way count no more."""
        self._open_next_for = self._settings.reset_timeout
        self._move(CircuitState.CLOSED, now)
        self.happened.append(("reset", {}))

    def open_until_told(self, now: float, until: float, reason: str) -> None:
        """Somebody else found that it has to open: another process."""
        self._open(now, reason, until - now)

    def close_as_told(self, now: float) -> None:
        """Somebody else's probes have succeeded."""
        if self.state in (CircuitState.OPEN, CircuitState.HALF_OPEN):
            self._close(now)

    def heed_leases(self, until: float) -> None:
        """Until then other processes have a say in who may probe: let none through without a lease."""
        self.gated_until = until

    def grant(self, until: float) -> None:
        """Until then this process may probe."""
        self.lease_until = until
        self.wants_lease = False

    def watch(self, watched: bool) -> None:
        """Whether each success has to be told to `end` from now on."""
        self._watched = watched
        self._set_tick()

    def retry_after(self, now: float) -> float | None:
        """Seconds until calls may go through again; None: not known."""
        until = self.open_until
        return None if until in _NO_TIME else until - now if until > now else 0.0

    def rates(self, now: float) -> Rates:
        """What is in the window; nothing while the circuit is not closed."""
        if self._window is None:
            return Rates(0, 0, 0)
        self._turn(now)
        return self._window.rates(self.calls)

    def counts(self) -> dict[str, int]:
        """Calls by how they ended, each under one name."""
        return dict(zip(RESULTS, self.tallies(), strict=True))

    def tallies(self) -> tuple[int, ...]:
        """The counts, in the order of `RESULTS`."""
        return (
            self.calls - self._in_window + self._elsewhere,
            self._failed,
            self._slow_successful,
            self._slow_failed,
            self._ignored,
            self.not_permitted,
        )

    @property
    def probes_in_flight(self) -> int:
        """Probes that have neither ended nor been given up."""
        return len(self._probes)

    def is_spotless(self, now: float) -> bool:
        """Whether a new circuit would do the same, or better: it is closed, and nothing bad is in its window."""
        return self.state is CircuitState.CLOSED and not any(self.rates(now)[1:])

    def take_happened(self) -> list[Happening]:
        """What has happened since it was last asked, oldest first."""
        happened, self.happened = self.happened, []
        return happened

    def _count(self, now: float, *, failed: bool, slow: bool) -> None:
        self._turn(now)
        self.calls = calls = self.calls + 1
        if not (failed or slow):
            return
        self._in_window += 1
        if self._window is None:
            return
        breach = self._window.record(calls, failed=failed, slow=slow)
        if breach is not None and self.state is not CircuitState.FORCED_CLOSED:
            self.happened.append((breach.event, {"reason": breach.reason}))
            self._open(now, breach.reason)

    def _turn(self, now: float) -> None:
        if self._window is not None:
            self._window.turn(self.calls, now)
            self._set_tick()

    def _set_tick(self) -> None:
        self.tick = -math.inf if self._watched else math.inf if self._window is None else self._window.tick

    def _admit_probe(self, now: float) -> int:
        if self._is_full() or not self._may_probe(now):
            self.not_permitted += 1
            return 0
        token = self._next()
        self._probes[token] = now
        return token

    def _may_probe(self, now: float) -> bool:
        if now >= self.gated_until or now < self.lease_until:
            return True
        self.wants_lease = True
        return False

    def _is_full(self) -> bool:
        return len(self._probes) + self._probes_ended >= self._settings.probes

    def _give_up_hung_probes(self, now: float) -> None:
        for token, began in list(self._probes.items()):
            if token not in self._probes:  # the one before it was the last straw
                return
            if now < began:  # the clock has gone back
                self._probes[token] = now
            elif now - began >= self._settings.probe_timeout:
                del self._probes[token]
                self.happened.append(("probe_timed_out", {"seconds": now - began}))
                self._count_probe(began + self._settings.probe_timeout, failed=True, slow=False)

    def _count_probe(self, now: float, *, failed: bool, slow: bool) -> None:
        self._probes_ended += 1
        self._probe_failures += failed
        self._probe_slow += slow
        probes = self._settings.probes
        if self._settings.window.fails(probes, self._probe_failures, self._probe_slow):
            self._open(
                now, f"{self._probe_failures} of {probes} probes failed and {self._probe_slow} were slow when half-open"
            )
        elif self._probes_ended == probes:
            self._close(now)

    def _is_recovered(self, now: float) -> bool:
        if now < self._recovering_since:  # the clock has gone back
            self._recovering_since = now
        return now - self._recovering_since >= self._settings.recovery_time

    def _admit_share(self, now: float) -> int:
        elapsed = (now - self._recovering_since) / self._settings.recovery_time
        self._credit += _FIRST_SHARE + (1 - _FIRST_SHARE) * elapsed
        if self._credit < 1:
            self.not_permitted += 1
            return 0
        self._credit -= 1
        return self.generation

    def _close(self, now: float) -> None:
        if self._settings.recovery_time:
            self._recovering_since, self._credit = now, 1.0
            self._move(CircuitState.RECOVERING, now)
        else:
            self._open_next_for = self._settings.reset_timeout
            self._move(CircuitState.CLOSED, now)

    def _open(self, now: float, reason: str, seconds: float | None = None) -> None:
        settings = self._settings
        if seconds is None:
            seconds = self._open_next_for
            self._open_next_for = min(seconds * settings.reset_backoff, settings.max_reset_timeout)
        self._open_for = seconds
        self.reason = reason
        self._move(CircuitState.OPEN, now)
        self.opened_at, self.open_until = now, now + seconds

    def _move(self, state: CircuitState, now: float, *, same_period: bool = False) -> None:
        before = self.state
        if before is not state:
            moved: dict[str, str | float | bool] = {"from_state": before.name, "to_state": state.name}
            if state is CircuitState.OPEN:
                moved["reason"] = self.reason
            self.happened.append(("state_transition", moved))
        if same_period:
            self.state = state
            self.admitting = self.generation
        else:
            self._begin(state, now)

    def _begin(self, state: CircuitState, now: float) -> None:
        """A period, in which nothing counts that began before."""
        # First and last: calls in other threads look at it, and must not meet half of this.
        self.admitting = 0
        self.state = state
        self.generation = self._next()
        self._probes.clear()
        self._probes_ended = self._probe_failures = self._probe_slow = 0
        # In both other states nothing that `retry_after` would say of a time holds.
        self.opened_at = -math.inf if state is CircuitState.FORCED_OPEN else math.inf
        self.open_until = math.inf if state is CircuitState.FORCED_OPEN else -math.inf
        self._window = self._settings.window.start(self.calls, now) if state in _MEASURING else None
        self._set_tick()
        self.admitting = self.generation if state in _ADMITTING else 0

    def _next(self) -> int:
        self._number += 1
        return self._number
