"""What every importer takes and gives: the requests found, when and in which order they came, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field, structs

from ...exceptions import ConfigurationError, InvalidValue
from ..target import Target
from .labels import templated_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..request import Request

__all__ = [
    "MOST_REQUESTS",
    "OTHER_HOST",
    "SAFE_METHODS",
    "ImportOptions",
    "Imported",
    "RequestTable",
    "Skipped",
    "SkippedTally",
    "check_methods",
]

SAFE_METHODS = frozenset({"GET", "HEAD"})
"""What is sent without being asked for: everything else may change data."""

MOST_REQUESTS = 100_000
"""Distinct requests of one import; each is held as the bytes that go over the wire."""

OTHER_HOST = "of another host"

_SHOWN = 120


class ImportOptions(Struct, frozen=True, kw_only=True):
    """What the importers must know besides the file.

    Args:
        url: the service the requests go to. Its path, if any, is put before each imported one; for OpenAPI it stands in
            place of the path of `servers`.
        host: the recorded host whose requests are meant, `shop.example.com` or `shop.example.com:8443`, where it is
            not the url's.
        log_fields: the keys of a JSON access log, where they are none of the usual ones: any of `time`, `method`,
            `target`, `request` (the whole request line), `client` and `agent`; dots lead into objects: `request.uri`.
        seed: of the values that are made up for an OpenAPI schema.
    """

    url: str
    host: str | None = None
    log_fields: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    def target(self) -> Target:
        """The parsed `url`.

        Raises:
            InvalidValue: not a URL perfloop can load, or one with a query.
        """
        target = Target.parse(self.url)
        if "?" in target.path:
            raise InvalidValue("Expected a URL without a query: the imported requests have their own", got=self.url)
        return target

    @property
    def prefix(self) -> str:
        """What is put before each path; empty when the url has none."""
        return self.target().path.rstrip("/")

    def wants(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether a request recorded at this host is meant."""
        port = port or (443 if scheme == "https" else 80)
        if self.host is None:
            target = self.target()
            return (host, port) == (target.host.lower(), target.port)
        name, _, number = self.host.lower().rpartition(":") if ":" in self.host else (self.host.lower(), "", "")
        return host == name and (not number or number == str(port))


class Skipped(Struct, frozen=True):
    """Recorded requests that are not sent, and why."""

    reason: str
    count: int
    first: str
    """The first of them: its place and its text, shortened, without query strings."""


class Imported(Struct, frozen=True, kw_only=True, eq=False):
    """The requests of a file.

    `requests` are distinct, their weights are how often each came. The arrays, where the format has them, hold one
    element a recorded request, in the order of arrival.
    """

    format: str
    source: str
    requests: tuple[Request, ...]
    order: NDArray[np.int32] | None = None
    """Which of `requests` it was."""
    arrivals: NDArray[np.float64] | None = None
    """When it came: seconds from the first one, rising."""
    sessions: NDArray[np.int32] | None = None
    """Whose it was: numbers of client address and user agent."""
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    """What the user must know or do."""

    @property
    def recorded(self) -> int:
        """How many requests the file holds, those that are not sent too."""
        return round(sum(request.weight for request in self.requests)) + sum(each.count for each in self.skipped)

    def with_headers(self, headers: Sequence[tuple[str, str]]) -> Imported:
        """The same with these headers on each request, in place of recorded ones of their name."""
        names = {name.lower() for name, _ in headers}
        return structs.replace(
            self,
            requests=tuple(
                structs.replace(
                    request,
                    headers=(*(each for each in request.headers if each[0].lower() not in names), *headers),
                )
                for request in self.requests
            ),
        )


class SkippedTally:
    """Counts what is left out, by reason, with the first example of each."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, reason: str, place: str, text: str = "") -> None:
        """Count one.

        Args:
            place: `line 3`, `entry 12`.
            text: what stands there; query strings are taken out, for they hold secrets.
        """
        if reason not in self._counts:
            self._counts[reason] = 0
            shown = _without_queries(text)
            self._first[reason] = f"{place}: {shown}" if shown else place
        self._counts[reason] += 1

    def __bool__(self) -> bool:
        return bool(self._counts)

    def all(self) -> tuple[Skipped, ...]:
        """Every reason, the most frequent first."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(Skipped(reason, count, self._first[reason]) for reason, count in ranked)

    def describe(self) -> str:
        """All in one line, for an error."""
        return "; ".join(f"{each.count} × {each.reason} ({each.first})" for each in self.all())


class RequestTable:
    """Distinct requests in order of first appearance, counted.

    Args:
        skipped: counts those that are one too many.
    """

    def __init__(self, skipped: SkippedTally) -> None:
        self._skipped = skipped
        self._indices: dict[Request, int] = {}
        self._counts: list[int] = []

    def add(self, request: Request, place: str) -> int | None:
        """The index of this request; None, and counted as skipped, when it would be one more than MOST_REQUESTS."""
        index = self._indices.get(request)
        if index is None:
            index = len(self._counts)
            if index >= MOST_REQUESTS:
                self._skipped.add(f"more than {MOST_REQUESTS:,} distinct requests", place, request.target)
                return None
            self._indices[request] = index
            self._counts.append(0)
        self._counts[index] += 1
        return index

    def count(self, index: int) -> None:
        """Count the request of that index once more."""
        self._counts[index] += 1

    def __len__(self) -> int:
        return len(self._counts)

    def requests(self, *, templated: bool) -> tuple[Request, ...]:
        """The distinct requests, weighted by how often each came.

        Args:
            templated: give each the label of its endpoint, `GET /items/{id}`, so that there are few.
        """
        found = list(self._indices)
        if not templated:
            return tuple(map(_weighted, found, self._counts))
        labels = templated_labels([(each.method, each.target) for each in found], self._counts)
        return tuple(map(_weighted, found, self._counts, labels))


def _weighted(request: Request, weight: int, label: str | None = None) -> Request:
    return structs.replace(request, weight=weight, label=label or request.label)


def check_methods(requests: Iterable[Request], source: str) -> None:
    """See that nothing but GET and HEAD would be sent.

    Raises:
        ConfigurationError: other methods; lists how many of which.
    """
    counts: dict[str, float] = {}
    for request in requests:
        if request.method not in SAFE_METHODS:
            counts[request.method] = counts.get(request.method, 0) + request.weight
    if counts:
        listed = ", ".join(f"{count:g} × {method}" for method, count in sorted(counts.items()))
        raise ConfigurationError(
            "Expected only GET and HEAD: other requests may change data, and a load test sends them many times",
            got=listed,
            where=source,
            hint="--unsafe-methods (in Python unsafe_methods=True) sends them all; to leave them out, take them out of "
            "the file",
        )


def _without_queries(text: str) -> str:
    shown = []
    for word in text[: 4 * _SHOWN].split(" "):
        path, mark, _ = word.partition("?")
        shown.append(f"{path}?***" if mark else path)
    line = " ".join(shown)
    line = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
