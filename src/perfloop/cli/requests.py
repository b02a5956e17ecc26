"""What options say about the requests to send, as the engine takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exceptions import ConfigurationError, InvalidValue
from . import values
from .command import where

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..loadtest import LoadOptions, Request

__all__ = ["request_options", "requests_of"]


def request_options(
    context: Any,
    *,
    url: str,
    arrival: str,
    timeout: str,
    method: str | None,
    header: Sequence[str],
    data: str | None,
    insecure: bool,
    expect_status: str | None,
    seed: str,
) -> LoadOptions:
    """The options of a load test that say what is sent and what is an error, not how much.

    Raises:
        InvalidValue: an option does not parse; says which.
    """
    from ..loadtest import LoadOptions

    if arrival not in ("constant", "poisson"):
        raise InvalidValue("Expected constant or poisson", got=arrival, where=where(context, "arrival"))
    return LoadOptions(
        url=values.with_scheme(url),
        method=(
            ("GET" if data is None else "POST")
            if method is None
            else values.parse_method(method, where=where(context, "method"))
        ),
        headers=tuple(values.parse_header(text, where=where(context, "header")) for text in header),
        body=b"" if data is None else values.parse_body(data, where=where(context, "data")),
        arrival="poisson" if arrival == "poisson" else "constant",
        timeout=values.parse_positive_duration(timeout, where=where(context, "timeout")),
        insecure=insecure,
        expect_status=(
            None
            if expect_status is None
            else values.parse_statuses(expect_status, where=where(context, "expect_status"))
        ),
        seed=values.parse_count(seed, where=where(context, "seed"), least=0),
    )


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
