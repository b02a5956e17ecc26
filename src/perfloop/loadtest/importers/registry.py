"""Every format that can be imported: one line here, one file beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .access_log import recognises_access_log
from .curl import recognises_curl
from .har import recognises_har
from .openapi import recognises_openapi

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["IMPORTERS", "Importer", "recognised"]


class Importer(NamedTuple):
    """One format: its name, how a file's first bytes tell it, and what it is in words."""

    name: str
    recognises: Callable[[bytes], bool]
    holds: str
    largest: int | None
    """Bytes that a file may have; None for those read a line at a time."""


IMPORTERS: tuple[Importer, ...] = (
    Importer("curl", recognises_curl, "curl command lines", 64 << 20),
    Importer("har", recognises_har, "a HAR", 512 << 20),
    Importer("openapi", recognises_openapi, "an OpenAPI 3 document", 64 << 20),
    Importer("access-log", recognises_access_log, "an access log", None),
)
"""In the order in which a file is asked what it is."""


def recognised(head: bytes) -> Importer | None:
    """The format of a file that begins so; None when it is none of them."""
    return next((importer for importer in IMPORTERS if importer.recognises(head)), None)
