"""Is this a leak? A pure judgement of a series of memory samples.

A leak grows with the requests and does not stop. So three things must come together: a trend that the scatter of the
samples does not explain (Theil–Sen and Mann–Kendall, `perfloop.stats.fit_trend`), in most quarters of the series, the
last one among them, and hardly slower at the end than at the beginning. A cache that fills slows down; a large load
happens once; bursts come back to where they started.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from ...exceptions import InvalidValue
from ...stats import MINIMUM_POINTS, Trend, fit_trend, theil_sen
from ...units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .samples import MemorySample

__all__ = ["Course", "LeakClass", "LeakRule", "LeakVerdict", "Shape", "at_equal_load", "course_of", "judge"]

LeakClass = Literal["python leak", "native leak", "fragmentation", "cache fill", "none", "not enough data"]
Shape = Literal["flat", "once", "slowing", "steady"]

# A quarter of the series takes part in the growth when it rises by this share of an even one.
_RISING = 0.3
# The second half of steady growth has at least this share of the slope of the first. A cache that fills by
# 1 - exp(-n/N) falls below it when it has been watched for 0.45 N requests; leaks lose nothing but a sample or two.
_STEADY = 0.8
# Python takes blocks up to this size from its own pools, larger ones from malloc, where their bytes are seen.
_LARGEST_POOLED = 512
# A sample that is kept takes 8 blocks itself.
_BLOCKS_A_SAMPLE = 12


class LeakRule(Struct, frozen=True, kw_only=True):
    """When growth counts as a leak.

    Raises:
        InvalidValue: a number out of range.
    """

    samples: int = 32
    """Fewer decide nothing; `MINIMUM_POINTS` × 2 or more."""
    significance: float = 0.01
    """The largest p-value of a trend that is believed."""
    growth_bytes: float = 2_000_000
    """Growth over the whole series below this is not worth a name: connections that open take as much."""
    confidence: float = 0.95
    """Of the interval of the slope."""

    def __post_init__(self) -> None:
        if self.samples < 2 * MINIMUM_POINTS:
            raise InvalidValue(f"Expected {2 * MINIMUM_POINTS} samples or more", got=self.samples)
        if not 0 < self.significance < 0.5:
            raise InvalidValue("Expected a significance between 0 and 0.5", got=self.significance)
        if not self.growth_bytes > 0:
            raise InvalidValue("Expected a growth above 0 bytes", got=self.growth_bytes)
        if not 0 < self.confidence < 1:
            raise InvalidValue("Expected a confidence between 0 and 1", got=self.confidence)


class Course(Struct, frozen=True, kw_only=True):
    """How one figure went over the series."""

    shape: Shape
    """`steady` is how a leak grows, `slowing` how a cache fills, `once` a step or a warm-up."""
    growth: float
    """From the first eighth to the last, medians of both."""
    trend: Trend | None
    """None without enough samples."""
    rising_quarters: int
    """Of the four quarters of the series, those that take part in the growth."""


class LeakVerdict(Struct, frozen=True, kw_only=True):
    """What a series of samples says."""

    kind: LeakClass
    reason: str
    """The verdict in words."""
    per: Literal["request", "second"]
    """What growth is counted by: time, where nobody counts requests or none came."""
    bytes_each: tuple[float, float, float] | None
    """Bytes it grows by a request (or second): low, estimate, high; None without growth."""
    p_value: float | None
    """Of the trend that decided; None where none did."""
    samples: int
    """How many were judged, those at another load left out."""
    rss: Course | None = None
    blocks: Course | None = None
    malloc: Course | None = None

    @property
    def leaking(self) -> bool:
        """It is a leak, of Python or native memory."""
        return self.kind in ("python leak", "native leak")


def judge(
    samples: Sequence[MemorySample], rule: LeakRule | None = None, *, traced_each: float | None = None
) -> LeakVerdict:
    """Classify how memory went.

    | blocks | malloc in use | resident | verdict |
    |---|---|---|---|
    | steady growth | any | grows | Python leak |
    | else | steady growth | grows | native leak, unless a trace shows that Python allocates it |
    | slowing, or | slowing | grows | cache fill |
    | flat | flat | grows | fragmentation; a native leak where malloc's figures are missing |

    Args:
        samples: in the order they were taken, each after a full collection.
        rule: when growth counts.
        traced_each: bytes a request (or second) that Python allocated and kept, from a window of tracing: decides
            between native memory and a few large Python objects, which the count of blocks does not show.
    """
    rule = rule or LeakRule()
    kept = at_equal_load(samples)
    per, x = _axis(kept)
    if len(kept) < rule.samples:
        reason = f"{len(kept)} samples at equal load, {rule.samples} are needed"
        return LeakVerdict(
            kind="not enough data", reason=reason, per=per, bytes_each=None, p_value=None, samples=len(kept)
        )
    rss = course_of(x, _without_load(kept, [sample.rss for sample in kept]), rule, least=rule.growth_bytes)
    least_blocks = rule.growth_bytes / _LARGEST_POOLED + _BLOCKS_A_SAMPLE * len(kept)
    blocks = course_of(x, _without_load(kept, [sample.blocks for sample in kept]), rule, least=least_blocks)
    in_use = [sample.malloc_in_use for sample in kept if sample.malloc_in_use is not None]
    malloc = None
    if len(in_use) == len(kept):
        malloc = course_of(x, _without_load(kept, in_use), rule, least=rule.growth_bytes)
    kind, decided, counted = _classify(rss, blocks, malloc, rule, traced_each)
    trend = decided.trend if decided is not None else None
    size = counted.trend if counted is not None else None
    each = None if size is None or kind == "none" else (size.low, size.slope, size.high)
    return LeakVerdict(
        kind=kind,
        reason=_reason(kind, per, each, rss, malloc),
        per=per,
        bytes_each=each,
        p_value=None if trend is None or kind == "none" else trend.p_value,
        samples=len(kept),
        rss=rss,
        blocks=blocks,
        malloc=malloc,
    )


def at_equal_load(samples: Sequence[MemorySample]) -> list[MemorySample]:
    """Those taken at about the usual number of requests in flight: a quarter more or less, or one.

    All of them where that number is not known.
    """
    levels = [sample.in_flight for sample in samples if sample.in_flight is not None]
    if len(levels) < len(samples) or not levels:
        return list(samples)
    usual = median(levels)
    margin = max(usual / 4, 1)
    return [sample for sample, level in zip(samples, levels, strict=True) if abs(level - usual) <= margin]


def _without_load(samples: Sequence[MemorySample], values: Sequence[float]) -> list[float]:
    """The values without what the requests in flight take: what one takes is told by how successive samples differ."""
    levels = [sample.in_flight or 0.0 for sample in samples]
    steps = [
        (after - before) / (level - earlier)
        for before, after, earlier, level in zip(values, values[1:], levels, levels[1:], strict=False)
        if level != earlier
    ]
    each = max(median(steps), 0.0) if len(steps) >= MINIMUM_POINTS else 0.0
    return [value - each * level for value, level in zip(values, levels, strict=True)]


def course_of(x: Sequence[float], y: Sequence[float], rule: LeakRule, *, least: float) -> Course:
    """The shape of one figure's growth.

    Args:
        x: requests or seconds, rising or equal.
        y: the figure, as often; `MINIMUM_POINTS` × 2 or more for any other answer than flat.
        rule: what is believed.
        least: growth below this is flat.
    """
    eighth = max(len(y) // 8, 1)
    growth = float(median(y[-eighth:]) - median(y[:eighth]))
    trend = fit_trend(x, y, confidence=rule.confidence)
    if trend is None or growth < least:
        return Course(shape="flat", growth=growth, trend=trend, rising_quarters=0)
    bounds = [round(len(y) * part / 4) for part in range(5)]
    rises = [_rise(x[start:end], y[start:end]) for start, end in pairwise(bounds)]
    # Growth in a step is no slope, and a slope beside a large step is a small part of the growth.
    even = max(trend.slope * (x[-1] - x[0]) / 4, growth / 8)
    rising = [rise > _RISING * even for rise in rises]
    shape: Shape = "once"
    if trend.p_value <= rule.significance and trend.low > 0:
        if sum(rising) >= 3 and rising[3] and _keeps_on(x, y, rule):
            shape = "steady"
        elif sum(rise > _RISING * growth / 4 for rise in rises) >= 2:
            shape = "slowing"
    return Course(shape=shape, growth=growth, trend=trend, rising_quarters=sum(rising))


def _rise(x: Sequence[float], y: Sequence[float]) -> float:
    slope = theil_sen(x, y)
    return 0.0 if slope is None else slope * (x[-1] - x[0])


def _keeps_on(x: Sequence[float], y: Sequence[float], rule: LeakRule) -> bool:
    """The second half grows by itself, and hardly slower than the first."""
    half = len(y) // 2
    first = theil_sen(x[:half], y[:half])
    second = fit_trend(x[half:], y[half:], confidence=rule.confidence)
    if first is None or second is None:
        return False
    return second.p_value <= 5 * rule.significance and second.slope > 0 and second.slope >= _STEADY * first


def _axis(samples: Sequence[MemorySample]) -> tuple[Literal["request", "second"], list[float]]:
    counts = [sample.requests for sample in samples if sample.requests is not None]
    if counts and len(counts) == len(samples) and counts == sorted(counts) and counts[-1] - counts[0] >= len(counts):
        return "request", counts
    return "second", [sample.at for sample in samples]


def _classify(
    rss: Course, blocks: Course, malloc: Course | None, rule: LeakRule, traced_each: float | None
) -> tuple[LeakClass, Course | None, Course | None]:
    """The class, the course that decided it, and the one that tells the bytes."""
    if rss.growth < rule.growth_bytes:
        return "none", None, None
    if malloc is not None and malloc.trend is not None and malloc.shape == "steady":
        # A trace decides. Without one, blocks that grow say that it is Python.
        python = blocks.shape == "steady" if traced_each is None else traced_each >= malloc.trend.slope / 2
        return ("python leak", malloc, rss) if python else ("native leak", malloc, malloc)
    if blocks.shape == "steady":
        return "python leak", blocks, rss
    for course, held in ((blocks, blocks.growth * _LARGEST_POOLED), (malloc, malloc.growth if malloc else 0.0)):
        # A cache holds what it grew by. After a burst memory may be larger for good, and hardly anything more in it.
        if course is not None and course.shape == "slowing" and (malloc is None or held >= rss.growth / 2):
            return "cache fill", course, rss
    if blocks.shape == "flat" and (malloc is None or malloc.shape == "flat"):
        if malloc is None and rss.shape == "steady":
            return "native leak", rss, rss
        if malloc is not None and rss.shape in ("steady", "slowing"):
            return "fragmentation", rss, rss
    return "none", None, None


def _reason(
    kind: LeakClass, per: str, each: tuple[float, float, float] | None, rss: Course, malloc: Course | None
) -> str:
    grew = f"resident memory grew by {format_bytes(rss.growth)}"
    if each is None:
        return f"{grew}, and not steadily" if rss.growth > 0 else "resident memory did not grow"
    low, estimate, high = (format_bytes(value) for value in each)
    rate = f"{estimate} a {per} ({low} to {high})"
    if kind == "python leak":
        return f"Python objects are allocated and kept: {rate}"
    if kind == "native leak" and malloc is None:
        return f"{grew} steadily, {rate}, while Python's objects did not; fragmentation cannot be ruled out here"
    if kind == "native leak":
        return f"memory from the C library is allocated and not freed, and not by Python's objects: {rate}"
    if kind == "cache fill":
        return f"growth slows down, as of a cache that fills: {grew}"
    return f"{grew}, {rate}, while no more of it is in use: the allocators keep what is freed"
