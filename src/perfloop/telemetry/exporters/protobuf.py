"""A registry in Prometheus' protobuf exposition, the one that carries native histograms.

A stream of `io.prometheus.client.MetricFamily` messages, each after its length. Source: prometheus/client_model,
io/prometheus/client/metrics.proto, and the specification of native histograms on prometheus.io/docs/specs.
Only the few message fields that are needed are written, by hand: no library.
"""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ..histogram import CELLS_PER_DOUBLING
from ..names import exposition_label, exposition_name
from ..snapshots import Distribution, Occurrences

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..snapshots import FamilySnapshot

__all__ = ["CONTENT_TYPE", "Native", "native", "render_families"]

CONTENT_TYPE = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

_SCHEMA = 5
assert 2**_SCHEMA == CELLS_PER_DOUBLING
_COUNTER, _GAUGE, _HISTOGRAM = 0, 1, 4
_VARINT, _DOUBLE, _BYTES = 0, 1, 2


class Native(NamedTuple):
    """A distribution as a native histogram of schema 5."""

    zero_threshold: float
    zero_count: int
    """Values up to the threshold."""
    buckets: dict[int, int]
    """Count by index, rising; bucket i holds values above 2^((i − 1)/32) up to 2^(i/32)."""


def native(value: Distribution) -> Native | None:
    """The native histogram of a distribution: its cells are whole buckets of it, but for two.

    The lowest cell, which has all below, is the zero bucket; what lies above the highest bound goes into the next
    bucket. None for a distribution with buckets at or below 0, which a latency or a size does not have.
    """
    bounds = value.bounds
    if bounds[0] <= 0:
        return None
    buckets: defaultdict[int, int] = defaultdict(int)
    zero_count = 0
    for cell, count in value.cells.items():
        if cell == 0:
            zero_count = count
        else:
            # The middle of the cell: where it ends or begins at a classic bucket's bound, it is a part of one of ours.
            low = bounds[cell - 1]
            high = bounds[cell] if cell < len(bounds) else low * 2 ** (2 / CELLS_PER_DOUBLING)
            middle = math.sqrt(low) * math.sqrt(high)
            buckets[math.ceil(math.log2(middle) * CELLS_PER_DOUBLING)] += count
    return Native(bounds[0], zero_count, dict(sorted(buckets.items())))


def render_families(families: Iterable[FamilySnapshot]) -> bytes:
    """The exposition of what was collected: histograms as native ones, with their classic buckets beside them."""
    return b"".join(_delimited(_family(family)) for family in families)


def _family(family: FamilySnapshot) -> bytes:
    name = exposition_name(family.name, family.unit, family.kind)
    kind = {"gauge": _GAUGE, "histogram": _HISTOGRAM}.get(family.kind, _COUNTER)
    if kind == _COUNTER:
        name += "_total"
    labels = [exposition_label(label) for label in family.label_names]
    parts = [_text(1, name), _text(2, family.description), _integer(3, kind)]
    for series in family.series:
        pairs = [
            _message(1, _text(1, label) + _text(2, value)) for label, value in zip(labels, series.labels, strict=True)
        ]
        value = series.value
        if isinstance(value, Distribution):
            data = _message(7, _histogram(value))
        else:
            number = value.count if isinstance(value, Occurrences) else value
            data = _message(2 if kind == _GAUGE else 3, _double(1, number))
        parts.append(_message(4, b"".join(pairs) + data))
    return b"".join(parts)


def _histogram(value: Distribution) -> bytes:
    parts = [_integer(1, value.count), _double(2, value.sum)]
    parts += [
        _message(3, _integer(1, count) + _double(2, bound))
        for bound, count in zip((*value.buckets, math.inf), (*value.cumulative(), value.count), strict=True)
    ]
    found = native(value)
    if found is not None:
        parts += [_integer(5, _zigzag(_SCHEMA)), _double(6, found.zero_threshold), _integer(7, found.zero_count)]
        parts += _buckets(found.buckets)
    return b"".join(parts)


def _buckets(buckets: dict[int, int]) -> list[bytes]:
    """Spans of buckets that follow one another, and the difference of each count to the one before."""
    spans: list[list[int]] = []
    deltas: list[int] = []
    following, before = 0, 0
    for index, count in buckets.items():
        if spans and index == following:
            spans[-1][1] += 1
        else:
            spans.append([index - following, 1])
        deltas.append(count - before)
        following, before = index + 1, count
    if not spans:
        # A span without buckets tells a native histogram without observations from a classic one.
        spans.append([0, 0])
    parts = [_message(12, _integer(1, _zigzag(offset)) + _integer(2, length)) for offset, length in spans]
    packed = b"".join(_varint(_zigzag(delta)) for delta in deltas)
    return [*parts, _message(13, packed)] if packed else parts


def _delimited(message: bytes) -> bytes:
    return _varint(len(message)) + message


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def _zigzag(number: int) -> int:
    return number * 2 if number >= 0 else -number * 2 - 1


def _integer(field: int, number: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(number)


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | _DOUBLE) + struct.pack("<d", number)


def _message(field: int, message: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _delimited(message)


def _text(field: int, text: str) -> bytes:
    # replace: a lone surrogate in one label value must not cost the whole scrape.
    return _message(field, text.encode(errors="replace"))
