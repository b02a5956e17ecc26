"""A registry as Prometheus scrapes it, in the format the scraper likes best."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ..registry import DEFAULT_REGISTRY, Registry
from . import protobuf, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..snapshots import FamilySnapshot

__all__ = ["FORMATS", "Format", "chosen", "render"]


class Format(NamedTuple):
    """One way to write metrics."""

    media_type: str
    parameters: tuple[tuple[str, str], ...]
    """Those of an Accept header that ask for something else if they differ."""
    content_type: str
    render: Callable[[Sequence[FamilySnapshot]], bytes]


def _text(families: Sequence[FamilySnapshot]) -> bytes:
    # replace: a lone surrogate in one label value must not cost the whole scrape.
    return text.render_families(families).encode(errors="replace")


def _openmetrics(families: Sequence[FamilySnapshot]) -> bytes:
    return text.render_families(families, openmetrics=True).encode(errors="replace")


FORMATS = (
    Format("text/plain", (("version", "0.0.4"),), text.TEXT_CONTENT_TYPE, _text),
    Format("application/openmetrics-text", (("version", "1.0.0"),), text.OPENMETRICS_CONTENT_TYPE, _openmetrics),
    Format(
        "application/vnd.google.protobuf",
        (("proto", "io.prometheus.client.MetricFamily"), ("encoding", "delimited")),
        protobuf.CONTENT_TYPE,
        protobuf.render_families,
    ),
)
"""The first is given to whoever says nothing, or asks for what there is not."""


def render(registry: Registry = DEFAULT_REGISTRY, *, accept: str = "") -> tuple[bytes, str]:
    """All metrics of a registry, of all processes that share it, and their content type.

    Args:
        registry: the one to read.
        accept: the scraper's Accept header; OpenMetrics or protobuf if it prefers that, else the text format.
    """
    format = chosen(accept)  # noqa: A001
    return format.render(registry.collect_all()), format.content_type


def chosen(accept: str) -> Format:
    """The format that an Accept header (RFC 9110, 12.5.1) gives the highest quality, the first of several."""
    best, best_quality = FORMATS[0], 0.0
    for wanted in accept.split(","):
        media_type, *rest = (part.strip() for part in wanted.split(";"))
        parameters = {
            name.strip().lower(): value.strip().strip('"') for name, _, value in (p.partition("=") for p in rest)
        }
        quality = _quality(parameters.get("q", "1"))
        if quality <= best_quality:
            continue
        for format in FORMATS:  # noqa: A001
            if media_type.lower() == format.media_type and all(
                parameters.get(name, value) == value for name, value in format.parameters
            ):
                best, best_quality = format, quality
        if media_type in ("*/*", "text/*"):
            best, best_quality = FORMATS[0], quality
    return best


def _quality(words: str) -> float:
    return float(words) if re.fullmatch(r"[01](\.\d{0,3})?", words) else 0.0
