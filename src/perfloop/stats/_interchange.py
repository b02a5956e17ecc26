"""HdrHistogram's V2 compressed format, by way of the `hdrhistogram` package."""

from __future__ import annotations

import binascii
import zlib
from ctypes import addressof, memmove
from typing import TYPE_CHECKING, Any

import numpy as np
from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram

from ..exceptions import InvalidValue

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["decode", "encode"]

_HIGHEST_US = 3_600_000_000


def encode(counts: NDArray[np.int64], used: int) -> str:
    """The first `used` counters as base64 text."""
    histogram = HdrHistogram(1, _HIGHEST_US, 3)
    if used:
        memmove(addressof(histogram.counts), counts.ctypes.data, used * 8)
        histogram.total_count = int(counts.sum())
        histogram.max_value = histogram.get_value_from_index(used - 1)
    text: bytes = histogram.encode()
    return text.decode("ascii")


def decode(text: str | bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The highest value and the count of each counter in use.

    Raises:
        InvalidValue: not a V2 compressed histogram, or a damaged one.
    """
    try:
        histogram: Any = HdrHistogram.decode(text)
    except (
        binascii.Error,
        zlib.error,
        HdrCookieException,
        HdrLengthException,
        HdrHistogramSettingsException,
        ValueError,
        IndexError,
        TypeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise InvalidValue(
            "Expected an HdrHistogram in V2 compressed format, base64",
            got=text[:40],
            hint=f"{type(error).__name__}: {error}" if str(error) else type(error).__name__,
        ) from error
    counts = np.frombuffer(histogram.counts, dtype=np.int64)
    used = np.flatnonzero(counts)
    values = [histogram.get_highest_equivalent_value(histogram.get_value_from_index(index)) for index in used.tolist()]
    return np.array(values, dtype=np.int64), counts[used].copy()
