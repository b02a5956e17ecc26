"""`perfloop load --import`: requests out of a file, in place of the one of the URL."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from .command import in_file, where
from .output import note

if TYPE_CHECKING:
    from ..loadtest import LoadOptions, LoadOutcome
    from ..loadtest.importers import Imported
    from ..records import RecordingFidelity

__all__ = [
    "ImportFormatOption",
    "ImportHostOption",
    "ImportOption",
    "Importing",
    "LogFieldOption",
    "SpeedOption",
    "UnsafeMethodsOption",
    "fidelity_of",
]

_PANEL = "Import"
_SILENT_SECONDS = 2.0
_SHOWN = 3
_CHUNK = 1 << 20

ImportOption = Annotated[
    str | None,
    typer.Option(
        "--import",
        metavar="FILE",
        help="Send the requests of FILE: curl command lines, a HAR, an OpenAPI 3 document (also at a URL), or an "
        "access log (common, combined or JSON lines); gzip is unpacked, - is stdin. They go to the host of the URL, "
        "whose path comes before theirs, in the mix of the file.",
        rich_help_panel=_PANEL,
    ),
]
ImportFormatOption = Annotated[
    str | None,
    typer.Option(
        "--import-format",
        metavar="FORMAT",
        help="What FILE is, where its beginning does not tell: curl, har, openapi or access-log.",
        rich_help_panel=_PANEL,
    ),
]
ImportHostOption = Annotated[
    str | None,
    typer.Option(
        "--import-host",
        metavar="HOST",
        help="The host whose requests are meant in curl commands and a HAR. [default: that of the URL]",
        rich_help_panel=_PANEL,
    ),
]
LogFieldOption = Annotated[
    list[str] | None,
    typer.Option(
        "--log-field",
        metavar="FIELD=KEY",
        help="The key of a field in a JSON access log, where it is none of the usual: target=http.uri. Fields: time, "
        "method, target, query, request, client, agent. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
SpeedOption = Annotated[
    str | None,
    typer.Option(
        "--speed",
        metavar="N",
        help="Send the imported requests in their order at the times they came, N times as fast: 1, 2, 0.5. Without it "
        "only their mix is taken.",
        rich_help_panel=_PANEL,
    ),
]
UnsafeMethodsOption = Annotated[
    bool,
    typer.Option(
        "--unsafe-methods",
        help="Send imported requests with methods other than GET and HEAD too: they may change data.",
        rich_help_panel=_PANEL,
    ),
]


class Importing(NamedTuple):
    """What the options say about importing."""

    file: str | None
    format: str | None
    host: str | None
    log_fields: list[str]
    speed: str | None
    unsafe_methods: bool

    def into(self, context: typer.Context, options: LoadOptions) -> tuple[LoadOptions, Imported | None]:
        """The options with the requests of the file, and what was imported; None without --import.

        Raises:
            ConfigurationError: options that exclude each other, or methods that need --unsafe-methods.
            InvalidValue: a file that is none of those that can be imported.
        """
        from ..exceptions import ConfigurationError

        if self.file is None:
            self._check_nothing_to_import(context)
            return options, None
        import msgspec

        from ..loadtest.importers import import_requests

        for name in ("method", "data"):
            if context.params.get(name) is not None:
                raise ConfigurationError(
                    "Expected no request beside --import: the file holds them", where=where(context, name)
                )
        speed = self._speed(context)
        imported = import_requests(
            self.file,
            url=options.url,
            format=self.format,
            host=self.host,
            log_fields=self._keys(context),
            seed=options.seed,
            unsafe_methods=self.unsafe_methods,
            on_line=_Reading(self.file),
        ).with_headers(options.headers)
        options = msgspec.structs.replace(options, requests=imported.requests, headers=())
        if speed is not None:
            options = _replay(context, options, imported, speed)
        _tell(imported)
        return options, imported

    def _check_nothing_to_import(self, context: typer.Context) -> None:
        from ..exceptions import ConfigurationError

        given = {
            "import_format": self.format,
            "import_host": self.host,
            "log_field": self.log_fields,
            "speed": self.speed,
            "unsafe_methods": self.unsafe_methods,
        }
        for name, value in given.items():
            if value and not in_file(context, name):
                raise ConfigurationError("Expected --import FILE beside this option", where=where(context, name))

    def _keys(self, context: typer.Context) -> dict[str, str]:
        from ..exceptions import InvalidValue
        from ..loadtest.importers import LOG_FIELDS

        fields = {}
        for text in self.log_fields:
            name, mark, key = text.partition("=")
            if not mark or not key or name not in LOG_FIELDS:
                raise InvalidValue(
                    f"Expected FIELD=KEY with one of the fields {', '.join(LOG_FIELDS)}",
                    got=text,
                    where=where(context, "log_field"),
                )
            fields[name] = key
        return fields

    def _speed(self, context: typer.Context) -> float | None:
        from ..exceptions import ConfigurationError, InvalidValue

        if self.speed is None:
            return None
        place = where(context, "speed")
        try:
            speed = float(self.speed.strip().removesuffix("x"))
        except ValueError:
            speed = 0.0
        if not 0 < speed < 1e6:
            raise InvalidValue("Expected a speed above zero, such as 2 for twice as fast", got=self.speed, where=place)
        if _given(context, "rate") or _given(context, "profile"):
            raise ConfigurationError("Expected the recorded times or a rate, not both", got=self.speed, where=place)
        return speed


def _given(context: typer.Context, name: str) -> str | None:
    """The value of an option beside --speed. What is given on the command line wins over the file."""
    yields = in_file(context, name) and not in_file(context, "speed")
    return None if yields else context.params.get(name)


def _replay(context: typer.Context, options: LoadOptions, imported: Imported, speed: float) -> LoadOptions:
    import msgspec

    from ..exceptions import ConfigurationError
    from ..loadtest.arrivals import Replay
    from .values import parse_positive_duration

    if imported.arrivals is None:
        raise ConfigurationError(
            "Expected a file that says when its requests came: a HAR or an access log",
            got=imported.format,
            where=where(context, "speed"),
            hint="without --speed the mix is sent, at a --rate or as fast as it is answered",
        )
    duration = _given(context, "duration")
    seconds = None if duration is None else parse_positive_duration(duration, where=where(context, "duration"))
    return msgspec.structs.replace(
        options,
        order=imported.order,
        rate=None,
        profile=Replay(imported.arrivals, speed, seconds, imported.source),
        keep_samples=True,
    )


class _Reading:
    """Says on stderr how far a long file has been read."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._next = time.monotonic() + _SILENT_SECONDS

    def __call__(self, lines: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _SILENT_SECONDS
            note(f"reading {self._file}: {lines:,} lines")


def _tell(imported: Imported) -> None:
    """What was found and what was left out, on stderr, before the load begins."""
    skipped = sum(each.count for each in imported.skipped)
    note(
        f"imported {imported.recorded - skipped:,} of {imported.recorded:,} requests from {imported.source} "
        f"({imported.format}), {len(imported.requests):,} of them distinct"
    )
    for each in imported.skipped[:_SHOWN]:
        note(f"  not sent: {each.count:,} × {each.reason} (first: {each.first})")
    for text in imported.notes:
        note(f"  {text}")


def fidelity_of(imported: Imported, options: LoadOptions, outcome: LoadOutcome) -> RecordingFidelity:
    """How far what was sent is from what was imported.

    The engine sends in the order of the options, so how many of each were sent follows from how many in all.
    """
    import numpy as np

    from ..loadtest.importers import fidelity

    counts = np.zeros(len(imported.requests), dtype=np.int64)
    speed = getattr(options.profile, "speed", None) if options.order is not None else None
    if speed is not None and outcome.samples is not None:
        samples = outcome.samples
        written = ~np.isnan(samples.written)
        counts += np.bincount(samples.request_index[written], minlength=len(counts))
        return fidelity(imported, counts, speed=speed, planned=samples.due[written], written=samples.written[written])
    never = sum(kind.count for kind in outcome.results.error_kinds if kind.kind == "never sent")
    left = outcome.summary.all_requests + outcome.abandoned - never
    order = options.sending_order(options.effective_requests())
    while left > 0:
        number = min(left, _CHUNK)
        counts += np.bincount(
            np.fromiter(itertools.islice(order, number), dtype=np.int32, count=number), minlength=len(counts)
        )
        left -= number
    return fidelity(imported, counts)
