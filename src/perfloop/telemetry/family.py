"""One metric with labels: an instrument for each combination of label values, and a bound on how many."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..exceptions import InvalidValue
from .counter import Counter
from .forks import renew_lock_in_forks
from .names import DROPPED_LABELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .multiprocess.store import Store
    from .snapshots import Kind, Merge

__all__ = ["OVERFLOW", "Family"]

OVERFLOW = "_overflow"
"""The value of every label of the series that stands for all label values beyond the bound."""

Instrument = TypeVar("Instrument")


class Family(Generic[Instrument]):
    """The instruments of one metric, one for each combination of label values.

    Keep what `labels` returns where the values are known beforehand: then recording costs no look-up.
    """

    __slots__ = (
        "__weakref__",
        "_children",
        "_lock",
        "_make",
        "_overflow",
        "_refused",
        "_store",
        "description",
        "kind",
        "label_names",
        "max_series",
        "merge",
        "name",
        "unit",
    )

    def __init__(
        self,
        name: str,
        kind: Kind,
        description: str,
        unit: str,
        label_names: tuple[str, ...],
        make: Callable[[], Instrument],
        max_series: int,
        *,
        merge: Merge = "sum",
        store: Store | None = None,
    ) -> None:
        self.name = name
        self.kind: Kind = kind
        self.description = description
        self.unit = unit
        self.label_names = label_names
        self.max_series = max_series
        self.merge: Merge = merge
        self._make = make
        self._children: dict[tuple[str, ...], Instrument] = {}
        self._overflow: Instrument | None = None
        self._store = store
        self._refused = Counter() if store is None else store.own_counter(DROPPED_LABELS, name)
        # Reentrant: a finaliser that runs while a child is made may record too.
        self._lock = RLock()
        renew_lock_in_forks(self)

    def labels(self, *values: object, **named: object) -> Instrument:
        """The instrument for these label values, given in the order of `label_names` or by name.

        Beyond `max_series` combinations, new ones share one instrument whose labels all read `_overflow`; `dropped`
        counts how often that happened.

        Raises:
            InvalidValue: a value missing, or one too many.
        """
        if named:
            values = self._ordered(values, named)
        try:
            return self._children[values]  # type: ignore[index]
        except (KeyError, TypeError):
            return self._child(values)

    def _ordered(self, values: tuple[object, ...], named: dict[str, object]) -> tuple[object, ...]:
        try:
            if not values and len(named) == len(self.label_names):
                return tuple([named[name] for name in self.label_names])
        except KeyError:
            pass
        raise self._wrong((*values, *named))

    def _wrong(self, got: tuple[object, ...]) -> InvalidValue:
        return InvalidValue(
            f"Expected a value for each of the labels {', '.join(self.label_names) or '(none)'}",
            got=got,
            where=f"labels of {self.name}",
        )

    def _child(self, values: tuple[object, ...]) -> Instrument:
        if len(values) != len(self.label_names):
            raise self._wrong(values)
        texts = tuple([str(value) for value in values])
        with self._lock:
            child = self._children.get(texts)
            if child is not None:
                return child
            if len(self._children) < self.max_series:
                return self._children.setdefault(texts, self._new(texts))
            if self._overflow is None:
                self._overflow = self._new((OVERFLOW,) * len(self.label_names))
        self._refused.inc()
        return self._overflow

    def _new(self, labels: tuple[str, ...]) -> Instrument:
        child = self._make()
        return child if self._store is None else self._store.shared(self, labels, child)

    def remove(self, *values: object) -> bool:
        """Forget the instrument of these label values, which frees its place; False where there is none."""
        with self._lock:
            child = self._children.pop(tuple([str(value) for value in values]), None)
        if child is not None and self._store is not None:
            self._store.forget(child)
        return child is not None

    @property
    def dropped(self) -> int:
        """How often `labels` was asked for a combination beyond `max_series`."""
        return int(self._refused.value)

    def children(self) -> list[tuple[tuple[str, ...], Instrument]]:
        """All instruments with their label values, the overflow one last."""
        with self._lock:
            children: list[tuple[tuple[str, ...], Any]] = list(self._children.items())
            if self._overflow is not None:
                children.append(((OVERFLOW,) * len(self.label_names), self._overflow))
        return children
