"""How a load goes over connections: options of `perfloop load` and `perfloop capacity`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..exceptions import InvalidValue
from .command import where

if TYPE_CHECKING:
    from ..loadtest import LoadOptions

__all__ = [
    "ConnectionsOption",
    "Http2Option",
    "KeepAliveOption",
    "StreamsOption",
    "TlsResumeOption",
    "over_connections",
]

ConnectionsOption = Annotated[
    str,
    typer.Option(
        "--connections",
        "-c",
        "--users",
        metavar="N",
        help="The most requests in flight; of a scenario, its users.",
        rich_help_panel="Load",
    ),
]
KeepAliveOption = Annotated[
    bool,
    typer.Option(
        "--keep-alive/--no-keep-alive",
        help="Use connections again, or open one for each request: opening it is then part of its latency.",
        rich_help_panel="Load",
    ),
]
TlsResumeOption = Annotated[
    bool,
    typer.Option(
        "--tls-resume",
        help="Begin each TLS connection with the session of an earlier one, as clients do that come back.",
        rich_help_panel="Load",
    ),
]
Http2Option = Annotated[
    bool,
    typer.Option(
        "--http2",
        help="Speak HTTP/2: by ALPN over https://, without asking first over http://.",
        rich_help_panel="Load",
    ),
]
StreamsOption = Annotated[
    str,
    typer.Option(
        "--streams",
        metavar="N",
        help="With --http2: the most requests in flight on one connection.",
        rich_help_panel="Load",
    ),
]


def over_connections(
    context: Any,
    options: LoadOptions,
    connections: str,
    keep_alive: bool,
    tls_resume: bool,
    http2: bool,
    streams: str,
) -> LoadOptions:
    """The options with what these say.

    Raises:
        InvalidValue: one does not parse; says which.
    """
    from msgspec import structs

    from . import values

    if not http2 and context.get_parameter_source("streams").name == "COMMANDLINE":
        raise InvalidValue(
            "Expected --http2: over HTTP/1.1 a connection has one request in flight", got=streams, where="--streams"
        )
    return structs.replace(
        options,
        connections=values.parse_count(connections, where=where(context, "connections")),
        keep_alive=keep_alive,
        tls_resume=tls_resume,
        http2=http2,
        streams=values.parse_count(streams, where=where(context, "streams")),
    )
