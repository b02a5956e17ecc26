"""What a service should achieve, and whether it did: met, missed, or not measured and why."""

from __future__ import annotations

import difflib
import math
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from msgspec import Struct, structs

from .exceptions import ConfigurationError, InvalidValue
from .files import read_within
from .records import LoadPlan, LoadSummary, TargetResult
from .units import parse_bytes, parse_duration, parse_fraction

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

__all__ = ["Measured", "Targets", "evaluate", "load_targets"]

_LARGEST = 10_000_000


class Targets(Struct, frozen=True, kw_only=True):
    """The targets of one service. None: there is no such target.

    Raises:
        InvalidValue: a target that is not above 0, or a share above 1.
    """

    latency_p50: float | None = 0.1
    """Seconds that half the requests may take at most."""
    latency_p95: float | None = 0.5
    latency_p99: float | None = 1.0
    requests_per_second: float | None = 10_000
    """Capacity: requests it can answer."""
    transactions_per_second: float | None = 5_000
    """Capacity: database commits it can make."""
    bytes_per_second: float | None = 50_000_000
    """Capacity: response bytes it can send."""
    cpu: float | None = 0.70
    """Share of the processors' time in use at most, 0 to 1."""
    memory: float | None = 0.60
    """Share of the memory in use at most."""
    disk: float | None = 0.40
    """Share of the time the disk may be busy at most."""

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and 0 < value <= kind.most):
                raise InvalidValue(f"Expected {kind.expected}", got=value, where=name)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, where: str = "targets") -> Targets:
        """The targets of a configuration table; what it leaves out keeps its default.

        Args:
            mapping: numbers in the unit of the field, or text with a unit: `{"latency_p99": "200ms", "cpu": "80%",
                "bytes_per_second": "10MB"}`. False takes a target away.
            where: what to call the table in an error.

        Raises:
            ConfigurationError: an unknown key.
            InvalidValue: a value that does not parse or is out of range; says key, value and what was expected.
        """
        values: dict[str, float | None] = {}
        for name, value in mapping.items():
            if name not in _KINDS:
                near = difflib.get_close_matches(name, _KINDS, 1)
                raise ConfigurationError(
                    f"Expected one of the targets {', '.join(_KINDS)}",
                    got=name,
                    where=where,
                    hint=f"did you mean {near[0]}?" if near else None,
                )
            values[name] = _KINDS[name].parse(value, f"{where}.{name}")
        return cls(**values)


def load_targets(path: str | os.PathLike[str]) -> Targets:
    """The targets in a TOML file: table `[targets]`, in a pyproject.toml `[tool.perfloop.targets]`; else the defaults.

    Raises:
        ConfigurationError: the file cannot be read, is no TOML, or names an unknown target.
        InvalidValue: a value that cannot be used.
    """
    file = Path(path)
    try:
        table: Any = tomllib.loads(read_within(file, _LARGEST).decode())
    except OSError as error:
        raise ConfigurationError(f"Expected a TOML file: {error.strerror}", where=str(file)) from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError among them
        raise ConfigurationError(f"Expected a TOML file: {error}", where=str(file)) from error
    where = f"{file}: targets"
    for key in ("tool", "perfloop", "targets") if file.name == "pyproject.toml" else ("targets",):
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise ConfigurationError(f"Expected a table [{key}]", got=table, where=str(file))
    return Targets.from_mapping(table, where=where)


class Measured(Struct, frozen=True, kw_only=True):
    """What was measured, in the units of `Targets`. None: it was not, and neither is a figure without samples."""

    latency_p50: float | None = None
    latency_p95: float | None = None
    latency_p99: float | None = None
    requests_per_second: float | None = None
    """Requests answered without error."""
    transactions_per_second: float | None = None
    bytes_per_second: float | None = None
    cpu: float | None = None
    memory: float | None = None
    disk: float | None = None
    saturating: bool = False
    """Whether the rates are what the service can do: from the closed model or a capacity search, with a generator that
    was not the limit. An open run only shows what the service was asked for."""

    @classmethod
    def of_load(cls, plan: LoadPlan, summary: LoadSummary) -> Measured:
        """What one load test measured. It cannot see commits and resources: `msgspec.structs.replace` adds them."""
        if not summary.requests or summary.elapsed_seconds <= 0:
            return cls()
        return cls(
            latency_p50=summary.latency_ms.p50 / 1000,
            latency_p95=summary.latency_ms.p95 / 1000,
            latency_p99=summary.latency_ms.p99 / 1000,
            requests_per_second=summary.succeeded / summary.elapsed_seconds,
            bytes_per_second=summary.bytes_per_second,
            saturating=plan.model == "closed" and summary.trustworthy,
        )


def evaluate(targets: Targets, measured: Measured, *, configured: bool = True) -> list[TargetResult]:
    """Each target with what was measured, in the order of `Targets`.

    Latency and utilisation meet their target at or below it. A rate meets it at or above; below, it is missed only if
    the run was saturating, else not measured: a service that kept up with little load may be able to do more.

    Args:
        targets: what should be achieved.
        measured: what was.
        configured: somebody set these targets; False for defaults, which reports only mention.

    Raises:
        InvalidValue: a measured value that is negative, infinite or NaN.
    """
    results: list[TargetResult] = []
    for name, kind in _KINDS.items():
        target, value = getattr(targets, name), getattr(measured, name)
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise InvalidValue("Expected a finite measurement of 0 or more", got=value, where=name)
        if target is None:
            continue
        outcome, why = _judge(kind, target, value, measured.saturating)
        results.append(
            TargetResult(
                name=name,
                target=kind.shown(target),
                measured=None if value is None else kind.shown(value),
                unit=kind.unit,
                outcome=outcome,
                why=why,
                configured=configured,
            )
        )
    return results


def _judge(
    kind: _Kind, target: float, value: float | None, saturating: bool
) -> tuple[Literal["met", "missed", "not measured"], str | None]:
    if value is None:
        return "not measured", f"{kind.source} not measured in this run"
    # As shown: 0.07 s and 70 ms / 1000 may differ in the last bit, and are equal to the reader.
    shown, limit = kind.shown(value), kind.shown(target)
    if not kind.rate:
        return ("met", None) if shown <= limit else ("missed", None)
    if shown >= limit:
        return "met", None
    if saturating:
        return "missed", None
    return "not measured", (
        "the service was asked for no more and may be able to do more; "
        "the closed model or a capacity search finds what it can do"
    )


class _Kind(NamedTuple):
    """One kind of target: how it is written, judged and shown."""

    expected: str
    most: float
    unit: str
    scale: float
    rate: bool
    source: str
    from_text: Callable[[str, str], float]

    def shown(self, value: float) -> float:
        # Rounded to twelve digits: 0.07 × 100 is 7.000000000000001.
        return float(f"{value * self.scale:.12g}")

    def parse(self, value: object, where: str) -> float | None:
        if value is False:
            return None
        if isinstance(value, str):
            try:
                number = self.from_text(value, where)
            except InvalidValue as error:
                raise InvalidValue(f"Expected {self.expected}", got=value, where=where) from error
        elif isinstance(value, int | float) and not isinstance(value, bool):
            number = _float(value)
        else:
            raise InvalidValue(f"Expected {self.expected}", got=value, where=where)
        if not (math.isfinite(number) and 0 < number <= self.most):
            raise InvalidValue(f"Expected {self.expected}", got=value, where=where)
        return number


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf


def _duration(text: str, where: str) -> float:
    return parse_duration(text, where=where)


def _rate(text: str, where: str) -> float:
    try:
        return float(text.strip().removesuffix("/s").replace("_", "").replace(",", ""))
    except ValueError:
        raise InvalidValue("Expected a rate", got=text, where=where) from None


def _bytes(text: str, where: str) -> float:
    return parse_bytes(text.strip().removesuffix("/s"), where=where)


def _share(text: str, where: str) -> float:
    return parse_fraction(text, where=where)


def _latency(percentile: str) -> _Kind:
    expected = "a duration above 0 such as 200ms or 1.5s"
    return _Kind(expected, math.inf, "ms", 1000, False, f"the {percentile} latency was", _duration)


def _utilisation(source: str) -> _Kind:
    return _Kind("a share above 0 such as 70% or 0.7", 1, "%", 100, False, source, _share)


_REQUESTS = "a number of requests a second above 0 such as 10000"
_COMMITS = "a number of commits a second above 0 such as 5000"
_BYTES = "a size a second above 0 such as 50MB"
_KINDS: dict[str, _Kind] = {
    "latency_p50": _latency("median"),
    "latency_p95": _latency("p95"),
    "latency_p99": _latency("p99"),
    "requests_per_second": _Kind(_REQUESTS, math.inf, "requests/s", 1, True, "answered requests were", _rate),
    "transactions_per_second": _Kind(_COMMITS, math.inf, "commits/s", 1, True, "database commits were", _rate),
    "bytes_per_second": _Kind(_BYTES, math.inf, "MB/s", 1e-6, True, "response bytes were", _bytes),
    "cpu": _utilisation("processor use was"),
    "memory": _utilisation("memory use was"),
    "disk": _utilisation("disk use was"),
}
assert tuple(_KINDS) == tuple(field.name for field in structs.fields(Targets)), "one kind for each target"
