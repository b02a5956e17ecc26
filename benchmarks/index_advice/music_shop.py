"""The music shop's rows: few artists have most albums, few customers most invoices, few tracks most sales."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["TABLES", "rows_of"]

# Rows by table, in an order in which references come after what they refer to.
TABLES = {
    "genre": 25,
    "media_type": 5,
    "artist": 6_000,
    "album": 12_000,
    "track": 60_000,
    "employee": 20,
    "customer": 20_000,
    "invoice": 80_000,
    "invoice_line": 240_000,
    "playlist": 4_000,
    "playlist_track": 80_000,
    "review": 40_000,
}

_START = datetime(2022, 1, 1)
_DAYS = 4 * 365
_WORDS = ("Silent", "Blue", "Golden", "Broken", "Distant", "Electric", "Hollow", "Little", "Midnight", "Open")
_NOUNS = ("Harbour", "Rivers", "Mountain", "Letters", "Stations", "Garden", "Machine", "Winter", "Mirror", "Road")
_NAMES = ("Anna", "Ben", "Clara", "David", "Eva", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Rosa")
_FAMILIES = ("Meyer", "Silva", "Novak", "Rossi", "Hansen", "Dubois", "Kowalski", "Smith", "Jensen", "Garcia")
_COUNTRIES = ("USA", "Brazil", "Germany", "France", "Canada", "India", "Norway", "Portugal", "Chile", "Austria")
_STATES = ("paid", "open", "refunded", "failed")


def rows_of(table: str) -> Iterator[tuple[object, ...]]:
    """A table's rows, the same each time, with times as text that both databases take."""
    draw = np.random.default_rng([7, list(TABLES).index(table)])
    count = TABLES[table]
    numbers = range(1, count + 1)
    if table in ("genre", "media_type", "employee"):
        return ((number, f"{table} {number}") for number in numbers)
    if table == "artist":
        return ((number, f"The {_name(number)} {number % 500}") for number in numbers)
    if table == "album":
        return zip(
            numbers, (f"{_name(number * 7)} {number}" for number in numbers), _skewed(draw, "artist", count),
            (each[:10] for each in _times(draw, count)), strict=False,
        )  # fmt: skip
    if table == "track":
        return zip(
            numbers, (f"{_name(number * 3)} {number % 7919}" for number in numbers),
            draw.integers(1, TABLES["album"] + 1, count).tolist(), _media(draw, count),
            _skewed(draw, "genre", count, 1.2),
            (f"{_FAMILIES[number % 10]}, {_FAMILIES[number % 7]}" if number % 3 else None for number in numbers),
            draw.lognormal(12.3, 0.45, count).astype(int).tolist(), draw.integers(10**6, 10**7, count).tolist(),
            draw.choice([99, 129, 199], count, p=[0.8, 0.15, 0.05]).tolist(), strict=False,
        )  # fmt: skip
    if table == "customer":
        return _customers(draw, count)
    if table == "invoice":
        return zip(
            numbers, _skewed(draw, "customer", count), sorted(_times(draw, count)), _places(draw, count),
            draw.choice(_STATES, count, p=[0.96, 0.025, 0.01, 0.005]).tolist(), draw.integers(99, 3000, count).tolist(),
            strict=False,
        )  # fmt: skip
    if table == "invoice_line":
        return zip(
            numbers, np.sort(draw.integers(1, TABLES["invoice"] + 1, count)).tolist(), _skewed(draw, "track", count),
            draw.choice([99, 129, 199], count).tolist(), draw.choice([1, 2, 3], count, p=[0.9, 0.08, 0.02]).tolist(),
            strict=False,
        )  # fmt: skip
    if table == "playlist":
        names = (f"{_name(number)} mix" for number in numbers)
        return zip(numbers, names, _skewed(draw, "customer", count), (draw.random(count) < 0.3).tolist(), strict=False)
    if table == "playlist_track":
        return (
            (1 + number // 20, 1 + number % 20, track) for number, track in enumerate(_skewed(draw, "track", count))
        )
    return zip(
        numbers, _skewed(draw, "track", count), _skewed(draw, "customer", count), draw.integers(1, 6, count).tolist(),
        (f"{_name(number)}: " + "worth every cent " * (number % 12) for number in numbers), sorted(_times(draw, count)),
        strict=False,
    )  # fmt: skip


def _customers(draw: np.random.Generator, count: int) -> Iterator[tuple[object, ...]]:
    countries, cities = _places(draw, count), draw.integers(1, 400, count)
    created = sorted(_times(draw, count))
    closed = draw.random(count) < 0.02
    for number in range(1, count + 1):
        first, family = _NAMES[number % 11], _FAMILIES[number % 10]
        yield (
            number,
            first,
            f"{family}-{number}",
            f"{first}.{family}.{number}@example.com".lower(),
            f"City {cities[number - 1]}",
            countries[number - 1],
            1 + number % 20,
            created[number - 1],
            created[number - 1] if closed[number - 1] else None,
        )


def _media(draw: np.random.Generator, count: int) -> list[int]:
    return draw.choice([1, 2, 3, 4, 5], count, p=[0.8, 0.1, 0.05, 0.03, 0.02]).tolist()  # type: ignore[no-any-return]


def _name(number: int) -> str:
    return f"{_WORDS[number % 10]} {_NOUNS[number // 10 % 10]}"


def _places(draw: np.random.Generator, count: int) -> list[str]:
    share = 1 / np.arange(1, 11)
    return [_COUNTRIES[each] for each in draw.choice(10, count, p=share / share.sum())]


def _skewed(draw: np.random.Generator, table: str, count: int, exponent: float = 0.8) -> list[int]:
    """References to a table's rows by Zipf's law, the much referred to spread over all of it."""
    total = TABLES[table]
    share = 1 / np.arange(1, total + 1) ** exponent
    ranks: NDArray[np.int64] = draw.choice(total, count, p=share / share.sum())
    places = np.random.default_rng(total).permutation(total)
    return (places[ranks] + 1).tolist()  # type: ignore[no-any-return]


def _times(draw: np.random.Generator, count: int) -> list[str]:
    seconds = draw.integers(0, _DAYS * 86_400, count).tolist()
    return [str(_START + timedelta(seconds=each)) for each in seconds]
