"""`--server-count`: the server's own count of requests beside perfloop's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from .command import where

if TYPE_CHECKING:
    from ..loadtest.server_count import CounterReader

__all__ = ["ServerCountOption", "counter_reader"]

ServerCountOption = Annotated[
    str | None,
    typer.Option(
        "--server-count",
        metavar="URL",
        help="A page on which the server says how many requests it has had, read before and after the run: a number on "
        "its own, nginx's stub_status, or Prometheus metrics with #metric behind the URL, as in "
        "http://127.0.0.1:8000/metrics#http_requests_total. A count that cannot be true makes the run untrustworthy.",
        rich_help_panel="Judgement",
    ),
]


def counter_reader(context: typer.Context, text: str | None, *, insecure: bool) -> CounterReader | None:
    """The counter as it stands before the run; None without the option.

    Raises:
        ConfigurationError: it cannot be read.
        InvalidValue: no such URL, or no count on its page.
    """
    if text is None:
        return None
    from ..loadtest.server_count import CounterReader, parse_counter, read_page
    from .values import with_scheme

    place = where(context, "server_count")
    counter = parse_counter(with_scheme(text), where=place)
    return CounterReader(counter, partial(read_page, insecure=insecure), where=place)
