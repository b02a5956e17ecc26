"""Queueing laws: what load, service time and servers say about waiting, before anybody tries.

Sources, cited by function: Little, A Proof for the Queuing Formula L = λW, Operations Research 9(3), 1961; Erlang, as
in Gross, Shortle, Thompson and Harris, Fundamentals of Queueing Theory, 4th edition, 2008, section 2.3; Gunther,
Guerrilla Capacity Planning, 2007, chapters 4 to 6.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from msgspec import Struct

from ..exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Scalability", "erlang_c", "little", "mean_wait", "usl_fit", "utilisation", "wait_percentile"]

_BOOTSTRAPS = 300

N = TypeVar("N", float, "NDArray[np.float64]")


def little(*, rate: float | None = None, seconds: float | None = None, in_flight: float | None = None) -> float:
    """The third of Little's law's quantities, L = λW (Little 1961), from the other two.

    Args:
        rate: λ, arrivals or completions a second.
        seconds: W, mean time in the system.
        in_flight: L, mean number in the system.

    Returns:
        The one that was left out.

    Raises:
        InvalidValue: not exactly two of them, one that is negative or not finite, or a division by zero.
    """
    given = {"rate": rate, "seconds": seconds, "in_flight": in_flight}
    known = {name: value for name, value in given.items() if value is not None}
    if len(known) != 2:
        raise InvalidValue("Expected two of rate, seconds and in_flight", got=sorted(known))
    for name, value in known.items():
        _check(value, name)
    if rate is not None and seconds is not None:
        return rate * seconds
    assert in_flight is not None
    divisor = rate if rate is not None else seconds
    if not divisor:
        raise InvalidValue(f"Expected a {'rate' if rate is not None else 'time in seconds'} above 0", got=divisor)
    return in_flight / divisor


def utilisation(rate: float, service_seconds: float, servers: int = 1) -> float:
    """ρ = λS/c: the share of the time a server is busy; 1 and above means the queue grows without end.

    Args:
        rate: arrivals a second.
        service_seconds: mean time a server works on one.
        servers: how many serve in parallel.

    Raises:
        InvalidValue: a negative rate or time, or fewer than one server.
    """
    _check(rate, "rate")
    _check(service_seconds, "service_seconds")
    _check_servers(servers)
    return rate * service_seconds / servers


def erlang_c(servers: int, offered: float) -> float:
    """The probability that an arrival waits in M/M/c (Gross et al. 2008, 2.3).

    By the recursion of Erlang B, B(c) = aB(c-1) / (c + aB(c-1)), which neither overflows nor cancels: no factorial.

    Args:
        servers: c.
        offered: a = λS, the offered load in busy servers (erlangs).

    Returns:
        0 to 1; 1 from `offered` = `servers` on, where everybody waits.

    Raises:
        InvalidValue: fewer than one server or a negative load.
    """
    _check_servers(servers)
    _check(offered, "offered")
    if offered >= servers:
        return 1.0
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = offered * blocked / (busy + offered * blocked)
    share = offered / servers
    return blocked / (1 - share * (1 - blocked))


def mean_wait(rate: float, service_seconds: float, servers: int = 1) -> float:
    """Mean seconds in the queue of M/M/c, C(c, a) S / (c - a) (Gross et al. 2008, 2.3); infinite when saturated.

    Arguments and errors as in `utilisation`.
    """
    share = utilisation(rate, service_seconds, servers)
    if share >= 1:
        return math.inf
    offered = rate * service_seconds
    return erlang_c(servers, offered) * service_seconds / (servers - offered)


def wait_percentile(q: float, rate: float, service_seconds: float, servers: int = 1) -> float:
    """Seconds in the queue of M/M/c that `q` percent of arrivals do not exceed; 0 if so many do not wait at all.

    Inverts P(W > t) = C(c, a) exp(-(c - a) t / S) (Gross et al. 2008, 2.3). First come, first served, exponential
    service times: real tails are often heavier, so read it as a floor.

    Args:
        q: percentile, 0 to below 100.
        rate: arrivals a second.
        service_seconds: mean time a server works on one.
        servers: how many serve in parallel.

    Raises:
        InvalidValue: a percentile outside 0 … 100 (100 itself has no finite answer), or as in `utilisation`.
    """
    if not 0 <= q < 100:
        raise InvalidValue("Expected a percentile from 0 to below 100", got=q)
    if utilisation(rate, service_seconds, servers) >= 1:
        return math.inf
    offered = rate * service_seconds
    waits = erlang_c(servers, offered)
    beyond = 1 - q / 100
    if waits <= beyond:
        return 0.0
    return math.log(waits / beyond) * service_seconds / (servers - offered)


class Scalability(Struct, frozen=True, kw_only=True):
    """A fit of the Universal Scalability Law, X(N) = λN / (1 + σ(N - 1) + κN(N - 1)) (Gunther 2007)."""

    rate_of_one: float
    """λ: the throughput with one in flight."""
    contention: float
    """σ: the part that cannot run in parallel."""
    coherency: float
    """κ: the price each pair in flight pays for agreeing."""
    peak: float
    """N with the highest throughput, √((1 - σ)/κ); infinite without coherency cost."""
    peak_interval: tuple[float, float]
    """Where the peak lies at 90 % confidence, by the bootstrap over the measured points."""
    peak_rate: float
    """Throughput at the peak; the limit λ/σ where the peak is infinite."""
    peak_rate_interval: tuple[float, float]
    """Where that throughput lies, at 90 % confidence by the same bootstrap."""
    r_squared: float
    """Share of the variance of the throughput that the fit explains."""

    def rate(self, in_flight: float) -> float:
        """Throughput with so many in flight."""
        return _throughput(in_flight, self.rate_of_one, self.contention, self.coherency)


def usl_fit(in_flight: Sequence[float], rate: Sequence[float], *, seed: int = 0) -> Scalability | None:
    """The Universal Scalability Law through measured points (Gunther 2007, chapter 5).

    Least squares on N/X(N) = (1 + σ(N - 1) + κN(N - 1))/λ, which is linear in 1/λ, σ/λ and κ/λ, weighted so that the
    relative error of the throughput counts; none of the three may be negative.

    Args:
        in_flight: N of each point, 1 or more.
        rate: X(N) of each point, in the unit of the result, above 0. Several points may share an N.
        seed: of the bootstrap.

    Returns:
        None when the data cannot tell: fewer than four different N, or they never approach the knee, that is at the
        largest N throughput still follows the straight line within 10 % of it.

    Raises:
        InvalidValue: points that are not numbers in range, or of different length.
    """
    n = np.asarray(in_flight, dtype=np.float64)
    x = np.asarray(rate, dtype=np.float64)
    if n.shape != x.shape or n.ndim != 1:
        raise InvalidValue("Expected as many rates as numbers in flight", got=(n.size, x.size))
    for values, least, name in ((n, 1.0, "in_flight"), (x, np.nextafter(0, 1), "rate")):
        wrong = values[~(np.isfinite(values) & (values >= least))]
        if wrong.size:
            raise InvalidValue(
                "Expected 1 or more in flight" if name == "in_flight" else "Expected a rate above 0",
                got=float(wrong[0]),
                where=name,
            )
    if np.unique(n).size < 4:
        return None
    rate_of_one, contention, coherency = _usl(n, x)
    largest = float(n.max())
    if 1 / (1 + contention * (largest - 1) + coherency * largest * (largest - 1)) > 0.9:
        return None
    generator = np.random.default_rng(seed)
    peaks: list[float] = []
    peak_rates: list[float] = []
    while len(peaks) < _BOOTSTRAPS:
        drawn = generator.integers(0, n.size, n.size)
        if np.unique(n[drawn]).size >= 3:
            parameters = _usl(n[drawn], x[drawn])
            peaks.append(_peak(*parameters[1:]))
            peak_rates.append(_peak_rate(*parameters))
    peak, peak_rate = _peak(contention, coherency), _peak_rate(rate_of_one, contention, coherency)
    fitted = _throughput(n, rate_of_one, contention, coherency)
    spread = float(((x - x.mean()) ** 2).sum())
    return Scalability(
        rate_of_one=rate_of_one,
        contention=contention,
        coherency=coherency,
        peak=peak,
        peak_interval=_middle_90(peaks, peak),
        peak_rate=peak_rate,
        peak_rate_interval=_middle_90(peak_rates, peak_rate),
        r_squared=1 - float(((x - fitted) ** 2).sum()) / spread if spread else 0.0,
    )


def _middle_90(drawn: list[float], estimate: float) -> tuple[float, float]:
    low, high = np.quantile(np.array(drawn), (0.05, 0.95), method="nearest")
    return min(float(low), estimate), max(float(high), estimate)


def _peak(contention: float, coherency: float) -> float:
    if contention >= 1:
        return 1.0
    # Below this the peak lies beyond a million in flight: that is rounding, not coherency.
    if coherency < 1e-12:
        return math.inf
    return max(math.sqrt((1 - contention) / coherency), 1.0)


def _peak_rate(rate_of_one: float, contention: float, coherency: float) -> float:
    """Throughput at the peak, or its limit; infinite for a sample in which it never bends."""
    peak = _peak(contention, coherency)
    if math.isfinite(peak):
        return _throughput(peak, rate_of_one, contention, coherency)
    return rate_of_one / contention if contention else math.inf


def _throughput(n: N, rate_of_one: float, contention: float, coherency: float) -> N:
    return rate_of_one * n / (1 + contention * (n - 1) + coherency * n * (n - 1))


def _usl(n: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[float, float, float]:
    """λ, σ and κ by weighted least squares, the last two held at 0 where they came out negative."""
    columns = np.stack((np.ones_like(n), n - 1, n * (n - 1)), axis=1)
    y = n / x
    weighted, target = columns / y[:, None], np.ones_like(y)
    best: tuple[float, NDArray[np.float64]] | None = None
    # All choices of which of the two is held at 0: with three unknowns that is non-negative least squares.
    for kept in ((0, 1, 2), (0, 1), (0, 2), (0,)):
        solution = np.zeros(3)
        solution[list(kept)] = np.linalg.lstsq(weighted[:, kept], target, rcond=None)[0]
        if solution[0] <= 0 or (solution < 0).any():
            continue
        error = float(((weighted @ solution - target) ** 2).sum())
        if best is None or error < best[0]:
            best = error, solution
    assert best is not None, "the constant alone is always a solution"
    slope, contention, coherency = best[1].tolist()
    return 1 / slope, contention / slope, coherency / slope


def _check(value: float, name: str) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise InvalidValue("Expected a finite number of 0 or more", got=value, where=name)


def _check_servers(servers: int) -> None:
    if servers < 1:
        raise InvalidValue("Expected one server or more", got=servers)
