"""Transports for httpx2 that send each request in a policy, for threads and event loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ...exceptions import AsyncMisuse, MissingExtra
from ..deadline import check_deadline, remaining
from .http import FailedResponse, HostPolicies, Responses, deadline_header, is_failure, may_repeat

try:
    import httpx2
except ImportError as error:
    raise MissingExtra(
        "Expected httpx2 to be installed", where=__name__, hint="pip install 'perfloop[http]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..policy import Policy

__all__ = ["AsyncPolicyTransport", "PolicyTransport"]


class PolicyTransport(httpx2.BaseTransport):
    """`httpx2.Client(transport=PolicyTransport(policy))`: each request, and each redirection, is a call in the policy.

    5xx and 429 are failures to the parts of the policy; the client gets the response of the last attempt, as ever.
    Requests that are not idempotent are sent once. Each attempt tells the service how long it is waited for
    (`x-envoy-expected-rq-timeout-ms`), and no wait of httpx2's own is longer. An attempt ends with the response's
    headers: its body is read by the client, outside the policy.
    """

    def __init__(
        self,
        policy: Policy | Callable[[str], Policy],
        transport: httpx2.BaseTransport | None = None,
        *,
        max_hosts: int = 1000,
    ) -> None:
        """A transport.

        Args:
            policy: one for all hosts, or a function that makes that of a host and port: `api.example.org:443`.
            transport: what sends; an `httpx2.HTTPTransport()` by default.
            max_hosts: how many policies are kept; of hosts asked least recently they are made anew. One whose breaker
                still has to be open is kept.

        Raises:
            InvalidValue: neither a policy nor a function.
            AsyncMisuse: the transport that sends is one for event loops.
        """
        self._policies = HostPolicies(policy, max_hosts=max_hosts)
        self._transport = httpx2.HTTPTransport() if transport is None else transport
        if not hasattr(self._transport, "handle_request"):
            raise AsyncMisuse(
                "Expected a transport for threads", got=type(transport).__name__, hint="use AsyncPolicyTransport"
            )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it in the policy of its host."""
        policy = self._policies.of(_host(request), repeat=_may_repeat(request))
        if policy is None:
            return self._send(request)
        responses: Responses[httpx2.Response] = Responses(policy)

        def attempt() -> httpx2.Response:
            for left in responses.left_behind():
                left.close()
            response = self._send(request)
            if not responses.brought(response):
                response.close()
            return _judged(response)

        given: httpx2.Response | None = None
        try:
            given = policy.execute(attempt)
        except FailedResponse as failed:
            given = failed.response
        finally:
            for other in responses.others(given):
                other.close()
        assert given is not None
        return given

    def _send(self, request: httpx2.Request) -> httpx2.Response:
        _tell(request)
        try:
            return self._transport.handle_request(request)
        except httpx2.TimeoutException:
            check_deadline()  # ours was the shorter one
            raise

    def close(self) -> None:
        """Close the transport that sends."""
        self._transport.close()

    async def _refuse(self, *_: object) -> NoReturn:
        raise AsyncMisuse(
            "Expected a transport for event loops, as this is an AsyncClient",
            got=type(self).__name__,
            hint="write  httpx2.AsyncClient(transport=AsyncPolicyTransport(policy))",
        )

    # What an AsyncClient asks of its transport.
    handle_async_request = aclose = __aenter__ = __aexit__ = _refuse


class AsyncPolicyTransport(httpx2.AsyncBaseTransport):
    """`PolicyTransport` for `httpx2.AsyncClient`; hedging needs this one."""

    def __init__(
        self,
        policy: Policy | Callable[[str], Policy],
        transport: httpx2.AsyncBaseTransport | None = None,
        *,
        max_hosts: int = 1000,
    ) -> None:
        """As `PolicyTransport`; what sends is an `httpx2.AsyncHTTPTransport()` by default."""
        self._policies = HostPolicies(policy, max_hosts=max_hosts)
        self._transport = httpx2.AsyncHTTPTransport() if transport is None else transport
        if not hasattr(self._transport, "handle_async_request"):
            raise AsyncMisuse(
                "Expected a transport for event loops", got=type(transport).__name__, hint="use PolicyTransport"
            )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it in the policy of its host."""
        policy = self._policies.of(_host(request), repeat=_may_repeat(request))
        if policy is None:
            _tell(request)
            return await self._transport.handle_async_request(request)
        responses: Responses[httpx2.Response] = Responses(policy)

        async def attempt() -> httpx2.Response:
            for left in responses.left_behind():
                await left.aclose()
            _tell(request)
            response = await self._transport.handle_async_request(request)
            if not responses.brought(response):
                await response.aclose()
            return _judged(response)

        given: httpx2.Response | None = None
        try:
            given = await policy.aexecute(attempt)
        except FailedResponse as failed:
            given = failed.response
        finally:
            for other in responses.others(given):
                await other.aclose()
        assert given is not None
        return given

    async def aclose(self) -> None:
        """Close the transport that sends."""
        await self._transport.aclose()

    def _refuse(self, *_: object) -> NoReturn:
        raise AsyncMisuse(
            "Expected a transport for threads, as this is a Client",
            got=type(self).__name__,
            hint="write  httpx2.Client(transport=PolicyTransport(policy))",
        )

    # What a Client asks of its transport.
    handle_request = close = __enter__ = __exit__ = _refuse


def _host(request: httpx2.Request) -> str:
    url = request.url
    return f"{url.host}:{url.port or {'http': 80, 'https': 443}.get(url.scheme, 0)}"


def _may_repeat(request: httpx2.Request) -> bool:
    return may_repeat(request.method, request.headers, isinstance(request.stream, httpx2.ByteStream))


def _judged(response: httpx2.Response) -> httpx2.Response:
    if is_failure(response.status_code):
        raise FailedResponse(response, response.status_code, response.headers)
    return response


def _tell(request: httpx2.Request) -> None:
    """Give the service, and httpx2, the time that is left."""
    header = deadline_header()
    left = remaining()
    if header is None or left is None:
        return
    request.headers[header[0]] = header[1]
    waits: dict[str, Any] = request.extensions.get("timeout", {})
    names = ("connect", "read", "write", "pool")
    shorter = {name: left if (own := waits.get(name)) is None else min(own, left) for name in names}
    request.extensions = {**request.extensions, "timeout": shorter}
