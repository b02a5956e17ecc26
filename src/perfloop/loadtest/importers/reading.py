"""Importing a file: opens it, tells its format, and gives its requests."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import sys
import urllib.request
import zlib
from functools import partial
from typing import TYPE_CHECKING

from ...exceptions import InvalidValue
from ...records import redact_url
from .access_log import parse_access_log
from .curl import parse_curl
from .har import parse_har
from .imported import OTHER_HOST, ImportOptions, check_methods
from .log_line import LONGEST_LINE
from .openapi import parse_openapi
from .registry import IMPORTERS, recognised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .imported import Imported
    from .registry import Importer

__all__ = ["import_requests"]

_BUFFER = 64 << 10
_GZIP = b"\x1f\x8b"
_FETCH_SECONDS = 10.0


def import_requests(
    path: str | os.PathLike[str],
    *,
    url: str,
    format: str | None = None,  # noqa: A002
    host: str | None = None,
    log_fields: Mapping[str, str] | None = None,
    seed: int = 0,
    unsafe_methods: bool = False,
    on_line: Callable[[int], None] | None = None,
) -> Imported:
    """The requests of a file: curl command lines, a HAR, an OpenAPI 3 document or an access log.

    Args:
        path: the file, plain or gzip; `-` is stdin; `http://…/openapi.json` is fetched.
        url: the service the requests are for; its path, if any, is put before theirs.
        format: `curl`, `har`, `openapi` or `access-log`; None: told by how the file begins.
        host: the recorded host that is meant, where it is not the url's; HAR and curl only.
        log_fields: the keys of a JSON access log: see `ImportOptions`.
        seed: of made-up values.
        unsafe_methods: take methods other than GET and HEAD too, which may change data.
        on_line: called with the number of lines read, now and then, for access logs.

    Raises:
        ConfigurationError: other methods than GET and HEAD, without `unsafe_methods`.
        InvalidValue: a file that cannot be read or is of no such format, with the line or key.
        MissingExtra: OpenAPI needs `perfloop[openapi]`.
    """
    options = ImportOptions(url=url, host=host, log_fields=log_fields or {}, seed=seed)
    options.target()
    names = [importer.name for importer in IMPORTERS]
    if format is not None and format not in names:
        raise InvalidValue(f"Expected a format: {', '.join(names)}", got=format, where="format")
    source = "stdin" if str(path) == "-" else redact_url(str(path)) if _is_url(path) else str(path)
    try:
        with _opened(path) as file:
            imported = _read(file, source, format, options, on_line)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidValue(f"Expected a whole gzip file: {error}", where=source) from error
    except OSError as error:
        raise InvalidValue(f"Expected a readable file: {error.strerror or error}", where=source) from error
    if not imported.requests:
        raise _nothing(imported, options)
    if not unsafe_methods:
        check_methods(imported.requests, source)
    return imported


def _is_url(path: str | os.PathLike[str]) -> bool:
    return str(path).startswith(("http://", "https://"))


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[io.BufferedReader]:
    """The file's bytes, unpacked if it is gzip."""
    with contextlib.ExitStack() as stack:
        file: io.BufferedReader
        if str(path) == "-":
            file = stack.enter_context(io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False), _BUFFER))
        elif _is_url(path):
            response = stack.enter_context(urllib.request.urlopen(str(path), timeout=_FETCH_SECONDS))  # noqa: S310
            file = io.BufferedReader(response, _BUFFER)
        else:
            file = stack.enter_context(io.BufferedReader(io.FileIO(path), _BUFFER))
        if file.peek(2)[:2] == _GZIP:
            unpacked = stack.enter_context(gzip.GzipFile(fileobj=file))
            yield io.BufferedReader(unpacked, _BUFFER)
        else:
            yield file


def _read(
    file: io.BufferedReader,
    source: str,
    name: str | None,
    options: ImportOptions,
    on_line: Callable[[int], None] | None,
) -> Imported:
    head = file.peek(_BUFFER)
    if not head.strip():
        raise InvalidValue("Expected requests, got an empty file", where=source)
    importer = next((each for each in IMPORTERS if each.name == name), None) or recognised(head)
    if importer is None:
        raise InvalidValue(
            "Expected curl command lines, a HAR, an OpenAPI 3 document or an access log",
            got=head.strip()[:60].decode("utf-8", "replace").splitlines()[0],
            where=source,
            hint="where the beginning does not tell, --import-format does: "
            + ", ".join(each.name for each in IMPORTERS),
        )
    if importer.largest is None:
        lines = iter(partial(file.readline, LONGEST_LINE + 1), b"")
        return parse_access_log(lines, source, options, on_line=on_line)
    data = _whole(file, importer, importer.largest, source)
    if importer.name == "har":
        return parse_har(data, source, options)
    if importer.name == "openapi":
        return parse_openapi(data, source, options)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidValue("Expected UTF-8 text", where=f"{source}:{line}") from error
    return parse_curl(text, source, options)


def _whole(file: io.BufferedReader, importer: Importer, largest: int, source: str) -> bytes:
    if isinstance(file.raw, io.FileIO) and os.fstat(file.fileno()).st_size > largest:
        raise _too_large(importer, largest, source)
    data = file.read(largest + 1)
    if len(data) > largest:
        raise _too_large(importer, largest, source)
    return data


def _too_large(importer: Importer, largest: int, source: str) -> InvalidValue:
    return InvalidValue(
        f"Expected {importer.holds} of at most {largest >> 20} MiB: it is read as a whole",
        where=source,
        hint="access logs may have any size",
    )


def _nothing(imported: Imported, options: ImportOptions) -> InvalidValue:
    left_out = "; ".join(f"{each.count} × {each.reason} ({each.first})" for each in imported.skipped)
    hosts = any(each.reason == OTHER_HOST for each in imported.skipped)
    return InvalidValue(
        "Expected at least one request that can be sent",
        got=left_out or "none",
        where=imported.source,
        hint=f"requests to {options.host or options.target().host_header} are meant; --import-host names another host "
        "that was recorded"
        if hosts
        else None,
    )
