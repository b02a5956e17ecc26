"""Where instruments are found by name, and read all at once."""

from __future__ import annotations

import os
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..clock import MONOTONIC, Clock
from ..exceptions import ConfigurationError, InvalidValue
from .counter import Counter
from .event import Event
from .family import Family
from .forks import renew_lock_in_forks
from .gauge import Gauge, ObservableGauge
from .histogram import DEFAULT_BUCKETS, Histogram
from .names import CALLBACK_ERRORS, DROPPED_LABELS, OWN_METRICS, check_label_names, check_name, sample_names
from .snapshots import Distribution, FamilySnapshot, Kind, Merge, Occurrences, Series

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .multiprocess.store import Store

__all__ = ["DEFAULT_REGISTRY", "MAX_SERIES", "Registry"]

MAX_SERIES = 1000
"""Combinations of label values a family holds unless it says otherwise."""


Instrument = TypeVar("Instrument")


class Registry:
    """A set of instruments with distinct names.

    Asking again for a name gives the instrument that is there: parts of one program share it. Asking for the name as
    something else is an error, and so is a name that an exposition would write like one that is there.
    """

    def __init__(
        self,
        *,
        clock: Clock = MONOTONIC,
        max_series: int = MAX_SERIES,
        directory: str | os.PathLike[str] | None = None,
    ) -> None:
        """An empty registry.

        Args:
            clock: stamps events.
            max_series: the most combinations of label values a family holds, 1 or more.
            directory: where this process and the others of one service keep their counts, so that each can tell those
                of all. None: this process is alone.

        Raises:
            InvalidValue: a `max_series` below 1.
        """
        self._clock = clock
        self._max_series = _checked_max_series(max_series)
        self._families: dict[str, tuple[Family[Any], object]] = {}
        self._written: dict[str, str] = {
            name: own for own in (DROPPED_LABELS, CALLBACK_ERRORS) for name in _own_names(own)
        }
        self._callback_errors: dict[str, Counter] = {}
        self._store: Store | None = None
        if directory is not None:
            from .multiprocess.store import Store

            self._store = Store(directory)
        self._lock = RLock()
        renew_lock_in_forks(self)

    @overload
    def counter(self, name: str, description: str, *, unit: str = "") -> Counter: ...
    @overload
    def counter(
        self, name: str, description: str, *, labels: Sequence[str], unit: str = "", max_series: int | None = None
    ) -> Family[Counter]: ...
    def counter(
        self, name: str, description: str, *, labels: Sequence[str] = (), unit: str = "", max_series: int | None = None
    ) -> Counter | Family[Counter]:
        """The counter of that name; with `labels`, the family of counters.

        Args:
            name: OpenTelemetry's or Prometheus' style: `http.server.requests` or `http_requests_total`.
            description: one sentence for the reader of a dashboard.
            labels: names of the labels.
            unit: UCUM, as in OpenTelemetry: `s`, `By`, `{request}`; the exposition writes it out.
            max_series: the most combinations of label values, the registry's unless given.

        Raises:
            InvalidValue: a bad name, label name or bound.
            ConfigurationError: the name is taken by something else.
        """
        counter: Counter | Family[Counter] = self._get(
            name, "counter", description, unit, labels, Counter, max_series, None
        )
        return counter

    @overload
    def gauge(self, name: str, description: str, *, unit: str = "", merge: Merge = "sum") -> Gauge: ...
    @overload
    def gauge(
        self,
        name: str,
        description: str,
        *,
        labels: Sequence[str],
        unit: str = "",
        max_series: int | None = None,
        merge: Merge = "sum",
    ) -> Family[Gauge]: ...
    def gauge(
        self,
        name: str,
        description: str,
        *,
        labels: Sequence[str] = (),
        unit: str = "",
        max_series: int | None = None,
        merge: Merge = "sum",
    ) -> Gauge | Family[Gauge]:
        """The gauge of that name; with `labels`, the family of gauges. Other arguments and errors as in `counter`.

        Args:
            merge: what the gauges of several processes make together, their sum or the largest.
        """
        gauge: Gauge | Family[Gauge] = self._get(
            name, "gauge", description, unit, labels, Gauge, max_series, None, merge
        )
        return gauge

    @overload
    def observable_gauge(
        self,
        name: str,
        description: str,
        *,
        callback: Callable[[], float] | None = None,
        unit: str = "",
        merge: Merge = "sum",
    ) -> ObservableGauge: ...
    @overload
    def observable_gauge(
        self,
        name: str,
        description: str,
        *,
        labels: Sequence[str],
        unit: str = "",
        max_series: int | None = None,
        merge: Merge = "sum",
    ) -> Family[ObservableGauge]: ...
    def observable_gauge(
        self,
        name: str,
        description: str,
        *,
        callback: Callable[[], float] | None = None,
        labels: Sequence[str] = (),
        unit: str = "",
        max_series: int | None = None,
        merge: Merge = "sum",
    ) -> ObservableGauge | Family[ObservableGauge]:
        """A gauge that asks `callback` when it is read; with `labels`, give each child its own with `observe`.

        A callback that raises leaves its series out of that reading and counts in
        `perfloop.telemetry.callback_errors`. Of several processes, the one that is read asks now; the others left
        their answers within the last 5 s. Arguments and errors otherwise as in `gauge`.
        """
        gauge: Any = self._get(name, "gauge", description, unit, labels, ObservableGauge, max_series, None, merge)
        if callback is not None:
            if labels:
                raise ConfigurationError("Expected no callback beside labels: give one to each child", where=name)
            gauge.observe(callback)
        return gauge  # type: ignore[no-any-return]

    @overload
    def histogram(
        self, name: str, description: str, *, unit: str = "s", buckets: Sequence[float] = DEFAULT_BUCKETS
    ) -> Histogram: ...
    @overload
    def histogram(
        self,
        name: str,
        description: str,
        *,
        labels: Sequence[str],
        unit: str = "s",
        buckets: Sequence[float] = DEFAULT_BUCKETS,
        max_series: int | None = None,
    ) -> Family[Histogram]: ...
    def histogram(
        self,
        name: str,
        description: str,
        *,
        labels: Sequence[str] = (),
        unit: str = "s",
        buckets: Sequence[float] = DEFAULT_BUCKETS,
        max_series: int | None = None,
    ) -> Histogram | Family[Histogram]:
        """The histogram of that name; with `labels`, the family. `buckets` are the bounds of its exposition, in `unit`.

        Other arguments and errors as in `counter`; the same name with other buckets is an error too.
        """
        bounds = Histogram(buckets).buckets
        make = lambda: Histogram(bounds)  # noqa: E731
        histogram: Histogram | Family[Histogram] = self._get(
            name, "histogram", description, unit, labels, make, max_series, bounds
        )
        return histogram

    def event(self, name: str, description: str, *, capacity: int = 1000) -> Event:
        """The event of that name. An exposition shows how often it happened.

        Args:
            name: as in `counter`.
            description: one sentence.
            capacity: how many occurrences are kept.

        Raises:
            InvalidValue: a bad name or capacity.
            ConfigurationError: the name is taken by something else.
        """
        Event(capacity=capacity)  # refuses a bad capacity before the name is taken
        make = lambda: Event(capacity=capacity, clock=self._clock)  # noqa: E731
        event: Event = self._get(name, "event", description, "", (), make, None, capacity)
        return event

    def _get(
        self,
        name: str,
        kind: Kind,
        description: str,
        unit: str,
        labels: Sequence[str],
        make: Callable[[], Instrument],
        max_series: int | None,
        setting: object,
        merge: Merge = "sum",
    ) -> Any:
        if isinstance(labels, str):
            raise InvalidValue("Expected a sequence of label names", got=labels, where=f"labels of {name}")
        label_names = tuple(labels)
        shape = (kind, unit, label_names, setting, make if isinstance(make, type) else None, merge)
        with self._lock:
            held = self._families.get(name)
            if held is None:
                check_name(name)
                check_label_names(label_names, name)
                bound = self._max_series if max_series is None else _checked_max_series(max_series)
                samples = sample_names(name, unit, kind)
                for sample in samples:
                    if sample in self._written:
                        raise ConfigurationError(
                            f"Expected a metric name that an exposition can tell from {self._written[sample]!r}: "
                            f"both hold {sample}",
                            got=name,
                        )
                family = Family(name, kind, description, unit, label_names, make, bound, merge=merge, store=self._store)
                held = self._families[name] = (family, shape)
                self._written.update(dict.fromkeys(samples, name))
            elif held[1] != shape:
                family = held[0]
                raise ConfigurationError(
                    f"Expected {name} as it is registered: a {family.kind} in {family.unit or 'no unit'} with "
                    f"labels {family.label_names} and the same settings",
                    got=(kind, unit, label_names, *(() if setting is None else (setting,))),
                )
        return held[0] if label_names else held[0].labels()

    def unregister(self, name: str) -> bool:
        """Forget the metric of that name; False where there is none. Its instruments go on counting, unread."""
        with self._lock:
            held = self._families.pop(name, None)
            if held is None:
                return False
            self._written = {sample: owner for sample, owner in self._written.items() if owner != name}
        if self._store is not None:
            for _, child in held[0].children():
                self._store.forget(child)
        return True

    def collect_all(self) -> list[FamilySnapshot]:
        """As `collect`, with the counts of all processes that share the registry's directory; alone, the same.

        Counts of processes that have ended stay, their gauges go. Events are counted; those kept are this process' own.
        """
        if self._store is None:
            return self.collect()
        from .multiprocess.merging import merge

        return merge([self.collect(), *self._store.others()])

    def leads(self) -> bool:
        """Whether this process is the one, of all that share the registry's directory, to do what one should do.

        It stays so until it ends; then the next one that asks is. Alone, it is.
        """
        return self._store is None or self._store.leads()

    @property
    def shared(self) -> bool:
        """Other processes may share its directory."""
        return self._store is not None

    def leave_note(self, note: bytes) -> None:
        """Leave a few bytes for the other processes that share the registry's directory; alone, nothing.

        The last ones of each process are kept; one above 2,040 bytes is left out.
        """
        if self._store is not None:
            self._store.leave_note(note)

    def notes(self) -> list[bytes]:
        """What the other processes left, in no order; none alone. Anybody of the same user could have written it."""
        return [] if self._store is None else self._store.notes()

    def processes(self) -> list[int]:
        """The other processes that share the registry's directory and have counted something, those that live."""
        return [] if self._store is None else self._store.processes()

    def read(self, name: str) -> FamilySnapshot | None:
        """The family of that name as it is now in this process; None where there is none."""
        with self._lock:
            held = self._families.get(name)
        return None if held is None else self._read(held[0])

    def collect(self) -> list[FamilySnapshot]:
        """All families as they are now, by name; at the end perfloop's own counts of what was refused or failed.

        Of this process alone.
        """
        with self._lock:
            families = [family for family, _ in self._families.values()]
        snapshots = [self._read(family) for family in sorted(families, key=lambda family: family.name)]
        dropped = [(family.name, family.dropped) for family in families if family.dropped]
        failed = [(name, int(errors.value)) for name, errors in list(self._callback_errors.items())]
        for name, counts in ((DROPPED_LABELS, dropped), (CALLBACK_ERRORS, failed)):
            if counts:
                snapshots.append(
                    FamilySnapshot(
                        name=name,
                        kind="counter",
                        description=OWN_METRICS[name],
                        unit="",
                        label_names=("metric",),
                        series=[Series(labels=(metric,), value=count) for metric, count in sorted(counts)],
                    )
                )
        return snapshots

    def _read(self, family: Family[Any]) -> FamilySnapshot:
        series: list[Series] = []
        for labels, instrument in family.children():
            value: float | Distribution | Occurrences | None
            if isinstance(instrument, ObservableGauge):
                # The user's code: no lock is held here, and what it raises must not cost the other metrics.
                try:
                    value = instrument.value
                    value = None if value is None else float(value)
                except Exception:
                    value = None
                    with self._lock:
                        errors = self._callback_errors.get(family.name)
                        if errors is None:
                            store = self._store
                            errors = Counter() if store is None else store.own_counter(CALLBACK_ERRORS, family.name)
                            self._callback_errors[family.name] = errors
                    errors.inc()
            elif isinstance(instrument, Histogram | Event):
                value = instrument.snapshot()
            else:
                value = instrument.value
            if value is not None:
                series.append(Series(labels=labels, value=value))
        return FamilySnapshot(
            name=family.name,
            kind=family.kind,
            description=family.description,
            unit=family.unit,
            label_names=family.label_names,
            series=series,
            merge=family.merge,
        )


def _own_names(name: str) -> frozenset[str]:
    return sample_names(name, "", "counter")


def _checked_max_series(max_series: int) -> int:
    if max_series < 1:
        raise InvalidValue("Expected a bound of 1 or more series", got=max_series)
    return max_series


DEFAULT_REGISTRY = Registry(directory=os.environ.get("PERFLOOP_METRICS_DIR") or None)
"""The registry every part of perfloop publishes to unless it is given another.

Of a service with several processes, the environment names the directory they share.
"""
