"""Ten services whose memory grows, or does not, each for one known reason: a coroutine for the work of one request.

A line that allocates what a Python leak keeps ends in `leaks in` and the name of the service.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import random
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from perfloop.monitoring.memory import LeakClass

__all__ = ["SERVICES", "Planted", "planted_lines"]

STEADY = "constant 250 26s"
BURSTS = "constant 150 3s, constant 700 1s, " * 6 + "constant 150 2s"


class Planted(NamedTuple):
    """One service."""

    work: Callable[[int], Awaitable[None]]
    """Does the work of one request, given its number."""
    accepted: frozenset[LeakClass]
    """The classes that are true of it."""
    profile: str = STEADY
    """The load it gets."""


class _Line:
    def __init__(self, number: int) -> None:
        self.number = number
        self.texts = [f"line {number}", f"order {number}"]  # leaks in objects_in_a_list


_ORDERS: list[_Line] = []
_LATEST: OrderedDict[int, dict[str, object]] = OrderedDict()


async def objects_in_a_list(number: int) -> None:
    """Appends to a module's list for ever; beside it, a bounded cache replaces an entry with each request."""
    _LATEST[number] = {"number": number, "name": f"customer {number}", "tags": [str(number)] * 3}
    if len(_LATEST) > 500:
        _LATEST.popitem(last=False)
    for _ in range(5):
        _ORDERS.append(_Line(number))  # leaks in objects_in_a_list


class _Sessions:
    def __init__(self) -> None:
        self.by_token: dict[str, Any] = {}

    def open(self, number: int) -> None:
        text = f'{{"user": {number + 1_000_000}, "roles": ["reader", "writer"], "seen": [1.5, 2.5, 3.5]}}'
        self.by_token[f"token-{number}"] = json.loads(text)  # leaks in parsed_in_a_dictionary


_SESSIONS = _Sessions()


async def parsed_in_a_dictionary(number: int) -> None:
    """Keeps what a library allocates: sessions out of JSON, never ended."""
    for part in range(4):
        _SESSIONS.open(4 * number + part)


_UPLOADS: list[bytearray] = []


async def large_buffers(number: int) -> None:
    """Keeps one large buffer now and then: too few objects to be seen in a count of blocks."""
    if number % 10 == 0:
        _UPLOADS.append(bytearray(b"x" * 40_000))  # leaks in large_buffers


_LIBC = ctypes.CDLL(None)
_LIBC.malloc.restype = ctypes.c_void_p
_LIBC.malloc.argtypes = [ctypes.c_size_t]
_LIBC.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


async def native(_: int) -> None:
    """Allocates in C and never frees, as a faulty extension does."""
    _LIBC.memset(_LIBC.malloc(4_000), 1, 4_000)


async def steady(_: int) -> None:
    """Keeps nothing."""
    json.dumps([{"number": number} for number in range(50)])


_TEMPLATES: dict[int, list[str]] = {}


async def warm_up(number: int) -> None:
    """Compiles 1,200 templates when they are first used, and has them then."""
    _template(number % 1_200)


def _template(number: int) -> list[str]:
    if number not in _TEMPLATES:
        _TEMPLATES[number] = [f"part {part} of template {number}" for part in range(100)]
    return _TEMPLATES[number]


_CACHE: OrderedDict[int, list[str]] = OrderedDict()
_CUSTOMERS = random.Random(1)


async def cache(_: int) -> None:
    """A cache of 2,500 entries, asked for some customers often and for many seldom; nothing in it tells its bound."""
    key = int(_CUSTOMERS.expovariate(1 / 1_000))
    if key in _CACHE:
        _CACHE.move_to_end(key)
        return
    _CACHE[key] = [f"row {row} of customer {key}" for row in range(60)]
    if len(_CACHE) > 2_500:
        _CACHE.popitem(last=False)


_DOCUMENTS: list[bytes] = []
_EVICTED = random.Random(2)
_held = 0


async def fragmentation(number: int) -> None:
    """Replaces random documents by ever larger ones: the bytes held stay the same, the holes do not fit."""
    global _held
    while _held < 30_000_000:
        _keep(800)
    for _ in range(12):
        _keep(800 + number // 2)
    while _held > 30_000_000:
        place = _EVICTED.randrange(len(_DOCUMENTS))
        _DOCUMENTS[place], _DOCUMENTS[-1] = _DOCUMENTS[-1], _DOCUMENTS[place]
        _held -= len(_DOCUMENTS.pop())


def _keep(size: int) -> None:
    global _held
    _DOCUMENTS.append(b"x" * size)
    _held += size


async def bursts(number: int) -> None:
    """Every request takes 200 kB and a thousand objects while it lasts, and now and then five times as many come."""
    kept = [bytearray(200_000), [str(number + each) for each in range(1_000)]]
    await asyncio.sleep(0.06)
    del kept


_DATA: dict[int, list[str]] = {}


async def one_time_load(number: int) -> None:
    """Reads a large file of prices when it is first asked for one, and keeps it: 30 MB at once."""
    if number > 3_000 and not _DATA:
        _DATA.update((each, [f"price {each}", f"currency {each}"]) for each in range(120_000))
    json.dumps(_DATA.get(number))


SERVICES: dict[str, Planted] = {
    "objects_in_a_list": Planted(objects_in_a_list, frozenset({"python leak"})),
    "parsed_in_a_dictionary": Planted(parsed_in_a_dictionary, frozenset({"python leak"})),
    "large_buffers": Planted(large_buffers, frozenset({"python leak"})),
    "native": Planted(native, frozenset({"native leak"})),
    "steady": Planted(steady, frozenset({"none"})),
    "warm_up": Planted(warm_up, frozenset({"none", "cache fill"})),
    "cache": Planted(cache, frozenset({"cache fill", "none"})),
    "fragmentation": Planted(fragmentation, frozenset({"fragmentation"})),
    "bursts": Planted(bursts, frozenset({"none"}), BURSTS),
    "one_time_load": Planted(one_time_load, frozenset({"none"})),
}


def planted_lines(name: str) -> frozenset[str]:
    """The lines, as `file:line`, that allocate what a service keeps; none where it leaks no Python memory."""
    lines = enumerate(Path(__file__).read_text().splitlines(), start=1)
    return frozenset(f"{__file__}:{number}" for number, line in lines if line.endswith(f"# leaks in {name}"))
