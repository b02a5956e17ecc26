"""A service's caches as the live page and the terminal show them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..units import format_bytes, format_duration
from . import figures

if TYPE_CHECKING:
    from ..monitoring.live import CacheState
    from ..telemetry.caches import CacheFigures, LevelFigures

__all__ = ["cache_rows", "size_words", "trouble_words"]

_DASH = "–"
_VERDICTS = {"pays": ("pays", "good"), "loses": ("loses", "bad"), "not enough data": ("too early to say", "")}
_SIZES = {0.5: "half the size", 2: "twice the size", 4: "four times the size"}
_NO_LESS = 0.005
_MOST_KEYS = 3


def cache_rows(state: CacheState) -> list[dict[str, Any]]:
    """A cache as rows of a table: itself, and each of its levels where it has several."""
    rows = [_cache(state)]
    if len(state.whole.levels) > 1:
        rows += [
            _level(late, whole, state.seconds)
            for late, whole in zip(state.late.levels, state.whole.levels, strict=True)
        ]
    return rows


def size_words(cache: CacheFigures) -> str:
    """What another size or policy would find: `twice the size: 71 % → 84 %`; empty where nobody watches that."""
    if not cache.ghosts:
        return ""
    own, better = cache.present, cache.better
    if own is None:
        return "other sizes: too early to say"
    if better is not None:
        what = _SIZES.get(better.size) or f"policy {better.policy}"
        return f"{what}: {figures.share(own.hit_ratio)} → {figures.share(better.hit_ratio)}"
    half = next((each for each in cache.ghosts if each.size < 1), None)
    if half is not None and half.hit_ratio >= own.hit_ratio - _NO_LESS:
        return f"half the size would do: {figures.share(own.hit_ratio)} → {figures.share(half.hit_ratio)}"
    return "its size is right"


def trouble_words(cache: CacheFigures) -> list[str]:
    """Levels that fail or have not been told of all changes."""
    return [f"{figures.clean(level.name)}: {words}" for level in cache.levels for words in _trouble(level)]


def _cache(state: CacheState) -> dict[str, Any]:
    late, whole, window = state.late, state.whole, state.seconds
    verdict, tone = _VERDICTS[whole.verdict]
    notes = [size_words(whole)]
    if late.stale:
        notes.append(f"{figures.number(late.stale)} stale values given")
    if whole.verdict == "loses" and not whole.hit_ratio:
        notes.append("nothing was ever found: is a part of the key different in every call?")
    elif whole.unread > whole.loads / 2 and whole.loads >= 100:
        notes.append(f"{figures.share(min(whole.unread / whole.loads, 1))} of what was loaded never found again")
    per_mb = whole.saved_seconds_per_mb
    return {
        "level": False,
        "name": figures.clean(whole.name),
        "keys": _keys(whole),
        "found": _ratio(late.hit_ratio),
        "found_note": _in_all(late.hit_ratio, whole.hit_ratio),
        "lookups": _rate(late.lookups, window),
        "lookups_note": f"{figures.number(whole.lookups)} in all",
        "loads": _rate(late.loads, window),
        "loads_note": _loads(late, whole),
        "kept": figures.number(whole.entries),
        "kept_note": _bounds(whole),
        "saved": _saved(late.saved_seconds, window),
        "saved_note": "" if per_mb is None else f"{format_duration(per_mb)} per MB in all",
        "verdict": verdict,
        "tone": tone,
        "notes": [note for note in notes if note],
    }


def _level(late: LevelFigures, whole: LevelFigures, seconds: float) -> dict[str, Any]:
    verdict, tone = _VERDICTS[whole.verdict]
    each = (
        f"{format_duration(whole.lookup_seconds / whole.lookups)} each"
        if whole.lookups and whole.lookup_seconds
        else ""
    )
    spent = f"{format_duration(whole.lookup_seconds)} to look up, {format_duration(whole.saved_seconds)} saved in all"
    failed = [f"{figures.number(late.failures)} failures"] if late.failures else []
    trouble = _trouble(whole)
    return {
        "level": True,
        "name": figures.clean(whole.name),
        "keys": "",
        "found": _ratio(late.hit_ratio),
        "found_note": _in_all(late.hit_ratio, whole.hit_ratio),
        "lookups": _rate(late.lookups, seconds),
        "lookups_note": each,
        "loads": "",
        "loads_note": "",
        "kept": "",
        "kept_note": "",
        "saved": _saved(late.saved_seconds, seconds),
        "saved_note": "",
        "verdict": "fails" if whole.failing else verdict,
        "tone": "bad" if whole.failing else tone,
        "notes": [*trouble, *failed, *([spent] if whole.lookup_seconds else [])],
    }


def _trouble(level: LevelFigures) -> list[str]:
    words = ["left alone for a while"] if level.failing else []
    if level.missed_changes:
        words.append(f"{figures.plural(int(level.missed_changes), 'change')} it has missed, to be told first")
    return words


def _keys(cache: CacheFigures) -> str:
    """What its keys look like, and how dear the dearest are; the keys themselves only where it was made to tell."""
    about = cache.about
    shapes = ", ".join(figures.shorten(figures.clean(each), 60) for each in about.keys[:_MOST_KEYS])
    dearest = [
        f"{figures.shorten(figures.clean(key), 60)} {format_duration(seconds)}"
        for key, seconds in about.dearest[:_MOST_KEYS]
    ]
    share = f"the ten dearest took {figures.share(about.dearest_share)} of loading" if about.sampled > 10 else ""
    return " · ".join(filter(None, [shapes, share, *dearest]))


def _loads(late: CacheFigures, whole: CacheFigures) -> str:
    if not whole.loads:
        return ""
    words = f"{format_duration(late.mean_load_seconds or whole.mean_load_seconds)} each"
    return f"{words}, {figures.number(late.load_failures)} failed" if late.load_failures else words


def _bounds(cache: CacheFigures) -> str:
    words = [] if cache.max_entries is None else [f"of {figures.number(cache.max_entries)}"]
    if cache.bytes is not None:
        most = "" if cache.max_bytes is None else f" of {format_bytes(cache.max_bytes)}"
        words.append(f"{format_bytes(cache.bytes)}{most}")
    return ", ".join(words)


def _ratio(ratio: float | None) -> str:
    return _DASH if ratio is None else figures.share(ratio)


def _in_all(late: float | None, whole: float | None) -> str:
    return "" if _ratio(late) == _ratio(whole) else f"{_ratio(whole)} in all"


def _rate(count: float, window: float) -> str:
    return f"{figures.number(count / window)}/s"


def _saved(seconds: float, window: float) -> str:
    return f"{format_duration(seconds / window)}/s" if seconds else _DASH
