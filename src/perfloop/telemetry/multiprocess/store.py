"""The file of this process in a service of several: made when something is first recorded, anew after a fork."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...exceptions import ConfigurationError
from ..counter import Counter
from ..event import Event
from ..gauge import Gauge, ObservableGauge
from ..histogram import Histogram
from ..names import OWN_METRICS
from .cells import NOWHERE, CellWriter, Definition
from .directory import create, living, prepare, read_processes, take_lead, tidy
from .instruments import SharedCounter, SharedEvent, SharedGauge, SharedHistogram, SharedObservableGauge
from .notes import Notes, read_notes, remove_old

if TYPE_CHECKING:
    from ..family import Family
    from ..snapshots import FamilySnapshot
    from .instruments import StoredSeries

__all__ = ["Store"]

_LOGGER = logging.getLogger("perfloop.telemetry")
_PUBLISHING_SECONDS = 5.0
_ALONE_BYTES = 4 << 20
"""Memory of a process that has no file: little, since that may have been the reason."""
_SHARED: dict[type, Any] = {
    Counter: SharedCounter,
    Gauge: SharedGauge,
    Histogram: SharedHistogram,
    ObservableGauge: SharedObservableGauge,
}


class _Restartable(Protocol):
    def start_over(self) -> None: ...


class _Publishing(Protocol):
    def publish(self) -> None: ...


class Store:
    """Gives instruments their cells.

    A directory that cannot be used, or a full disk, costs the service nothing but the sum: the process then counts for
    itself alone or, once its file cannot grow, leaves out the series that are new; a warning says so once.

    Args:
        directory: shared by all processes of the service, and by no other.
    """

    values: memoryview[float]
    """All values by their place. Take it after the place: making the first place makes it."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = Path(directory)
        self._instruments: weakref.WeakSet[_Restartable] = weakref.WeakSet()
        self._observables: weakref.WeakSet[_Publishing] = weakref.WeakSet()
        self._begin()
        _stores.add(self)

    def _begin(self) -> None:
        # Reentrant: a finaliser that runs while a cell is made may record too.
        self._lock = threading.RLock()
        self._writer: CellWriter | None = None
        self._close: weakref.finalize[..., Store] | None = None
        self._name = ""
        self._full = False
        self._leave_lead: weakref.finalize[..., Store] | None = None
        self._notes: Notes | None = None
        self._close_notes: weakref.finalize[..., Store] | None = None
        self._speechless = False
        self._publisher: threading.Thread | None = None

    def shared(self, family: Family[Any], labels: tuple[str, ...], instrument: Any) -> Any:
        """The instrument that is here what `instrument`, new and unused, is to a process alone."""
        buckets = instrument.buckets if isinstance(instrument, Histogram) else ()
        definition = Definition(
            name=family.name,
            kind=family.kind,
            description=family.description,
            unit=family.unit,
            label_names=family.label_names,
            merge=family.merge,
            labels=labels,
            buckets=buckets,
        )
        if isinstance(instrument, Event):
            return SharedEvent(self, definition, capacity=instrument.capacity, clock=instrument.clock)
        return _SHARED[type(instrument)](self, definition)

    def own_counter(self, name: str, metric: str) -> SharedCounter:
        """A registry's own count of what went wrong with a metric."""
        return SharedCounter(
            self,
            Definition(
                name=name,
                kind="counter",
                description=OWN_METRICS[name],
                unit="",
                label_names=("metric",),
                merge="sum",
                labels=(metric,),
            ),
        )

    def add(self, instrument: _Restartable) -> None:
        """Have `instrument` start over in every child process."""
        self._instruments.add(instrument)

    def place(self, series: StoredSeries, index: int) -> int:
        """The place of a new cell of `series`."""
        with self._lock:
            writer = self._writer or self._open()
            try:
                if not series.number:
                    series.number = writer.define(series.definition)
                return writer.cell(series.number, index)
            except OSError as error:
                if not self._full:
                    self._full = True
                    _LOGGER.warning("metrics that are new are not counted: no room in %s: %s", self._directory, error)
                return NOWHERE

    def _open(self) -> CellWriter:
        try:
            prepare(self._directory)
            descriptor, path = create(self._directory)
            self._close = weakref.finalize(self, os.close, descriptor)
            # Not at the end of the process, whose last moments count too.
            self._close.atexit = False
            self._name = path.name
            self._writer = CellWriter(descriptor)
            self._warn_of_strangers()
        except (OSError, ConfigurationError) as error:
            _LOGGER.warning("this process is left out of its service's metrics: %s", error)
            self._writer = CellWriter(-1, largest=_ALONE_BYTES)
        self.values = self._writer.values
        if self._observables:
            self.start_publishing()
        return self._writer

    def forget(self, instrument: Any) -> None:
        """Read the cells of `instrument` no more; it may go on."""
        with self._lock:
            for place in instrument.leave():
                if self._writer is not None:
                    self._writer.forget(place)

    def publish(self, observable: _Publishing) -> None:
        """Have `observable` leave its answer for other processes now and then."""
        self._observables.add(observable)

    def start_publishing(self) -> None:
        """Ask the observables every few seconds from now on, in a thread."""
        with self._lock:
            if self._publisher is None:
                self._publisher = threading.Thread(
                    target=_publish_for_ever, args=(weakref.ref(self),), name="perfloop-metrics", daemon=True
                )
                self._publisher.start()

    def publish_now(self) -> None:
        """Ask the observables."""
        for observable in list(self._observables):
            observable.publish()

    def leads(self) -> bool:
        """Whether this is the one process that does what one should do; it stays so until it ends."""
        with self._lock:
            if self._leave_lead is None:
                try:
                    prepare(self._directory)
                    descriptor = take_lead(self._directory)
                except (OSError, ConfigurationError):
                    return True  # alone, as `_open` says
                if descriptor is not None:
                    self._leave_lead = weakref.finalize(self, os.close, descriptor)
                    self._leave_lead.atexit = False
            return self._leave_lead is not None

    def others(self) -> list[list[FamilySnapshot]]:
        """What all other processes counted, the ended ones too; the latest to start is the first."""
        try:
            prepare(self._directory)
            with contextlib.suppress(OSError):
                remove_old(self._directory)
                tidy(self._directory)
            return [process.families for process in read_processes(self._directory, without=self._name)]
        except ConfigurationError as error:
            _LOGGER.warning("the other processes are left out of the service's metrics: %s", error)
            return []

    def leave_note(self, note: bytes) -> None:
        """Write it where the others find it; where that fails, a warning says so once."""
        with self._lock:
            try:
                if self._notes is None:
                    prepare(self._directory)
                    self._notes = Notes(self._directory)
                    self._close_notes = weakref.finalize(self, os.close, self._notes.descriptor)
                    self._close_notes.atexit = False
                self._notes.leave(note)
            except (OSError, ConfigurationError) as error:
                if not self._speechless:
                    self._speechless = True
                    _LOGGER.warning("the service's other processes do not hear of slow requests here: %s", error)

    def notes(self) -> list[bytes]:
        """What the others left."""
        return read_notes(self._directory, without="" if self._notes is None else self._notes.name)

    def _warn_of_strangers(self) -> None:
        """Say that another service seems to count in the directory: the workers of one have one working directory."""
        for process in self.processes():
            with contextlib.suppress(OSError):  # not Linux, ended meanwhile, or not ours to look at
                if (at := Path(f"/proc/{process}/cwd").readlink()) != Path.cwd():
                    _LOGGER.warning(
                        "process %d, which works in %s, counts in %s too: what two services count there adds up; "
                        "give each a directory of its own (PERFLOOP_METRICS_DIR)",
                        process,
                        at,
                        self._directory,
                    )
                    return

    def processes(self) -> list[int]:
        """The others that live and have a file."""
        return living(self._directory, without=self._name)

    def after_fork(self) -> None:
        """Leave the file to the parent: this child has counted nothing yet."""
        if self._writer is not None:
            with contextlib.suppress(BufferError):
                self._writer.close()
        # The locks are the parent's, and would outlive it in whoever keeps the files open.
        for close in (self._close, self._leave_lead, self._close_notes):
            if close is not None:
                close()
        self._begin()
        for instrument in list(self._instruments):
            instrument.start_over()


def _publish_for_ever(of: weakref.ref[Store]) -> None:
    while (store := of()) is not None:
        store.publish_now()
        del store
        time.sleep(_PUBLISHING_SECONDS)


_stores: weakref.WeakSet[Store] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_stores):
        store.after_fork()


os.register_at_fork(after_in_child=_after_fork)
