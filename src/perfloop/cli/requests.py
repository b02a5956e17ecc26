"""The requests of `--request` and `--header`, as the engine takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exceptions import ConfigurationError
from . import values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..loadtest import Request

__all__ = ["requests_of"]


def requests_of(
    lines: Sequence[str], headers: Sequence[str], *, where_request: str, where_header: str
) -> tuple[Request, ...]:
    """One engine request for each `--request`, each with every `--header`.

    Args:
        lines: as the user wrote them: `2x GET /orders?page=1`.
        headers: `Name: value`.
        where_request: where the lines came from, for messages.
        where_header: where the headers came from.

    Raises:
        ConfigurationError: headers without a request to add them to.
        InvalidValue: a line or header that does not parse.
    """
    from ..loadtest import Request

    if headers and not lines:
        raise ConfigurationError(
            "Expected --request beside --header: requests that perfloop finds itself are sent without headers",
            where=where_header,
        )
    pairs = tuple(values.parse_header(text, where=where_header) for text in headers)
    requests = []
    for text in lines:
        line = values.parse_request(text, where=where_request)
        request = Request(method=line.method, target=line.target, headers=pairs, body=line.body, weight=line.weight)
        request.validate(where=where_request)
        requests.append(request)
    return tuple(requests)
