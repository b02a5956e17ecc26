"""A middleware for aiohttp's client that sends each request in a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...exceptions import MissingExtra
from .http import FailedResponse, HostPolicies, Responses, deadline_header, is_failure, may_repeat

try:
    import aiohttp
except ImportError as error:
    raise MissingExtra(
        "Expected aiohttp to be installed", where=__name__, hint="pip install 'perfloop[http]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..policy import Policy

__all__ = ["PolicyMiddleware"]


class PolicyMiddleware:
    """`aiohttp.ClientSession(middlewares=[PolicyMiddleware(policy)])`: each request is a call in the policy.

    What the policy sees, what is repeated and what the service is told is as in `httpx2.PolicyTransport`. aiohttp's own
    timeouts (five minutes a request by default) are round the policy with all its attempts.
    """

    def __init__(self, policy: Policy | Callable[[str], Policy], *, max_hosts: int = 1000) -> None:
        """A middleware.

        Args:
            policy: one for all hosts, or a function that makes that of a host and port: `api.example.org:443`.
            max_hosts: how many policies are kept; of hosts asked least recently they are made anew. One whose breaker
                still has to be open is kept.

        Raises:
            InvalidValue: neither a policy nor a function.
        """
        self._policies = HostPolicies(policy, max_hosts=max_hosts)

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send it in the policy of its host."""
        host = f"{request.url.host}:{request.url.port}"
        replayable = isinstance(request.body, bytes | aiohttp.payload.BytesPayload)
        policy = self._policies.of(host, repeat=may_repeat(request.method, request.headers, replayable))
        if policy is None:
            _tell(request)
            return await handler(request)
        responses: Responses[aiohttp.ClientResponse] = Responses(policy)

        async def attempt() -> aiohttp.ClientResponse:
            for left in responses.left_behind():
                left.close()
            _tell(request)
            response = await handler(request)
            if not responses.brought(response):
                response.close()
            if is_failure(response.status):
                raise FailedResponse(response, response.status, response.headers)
            return response

        given: aiohttp.ClientResponse | None = None
        try:
            given = await policy.aexecute(attempt)
        except FailedResponse as failed:
            given = failed.response
        finally:
            for other in responses.others(given):
                other.close()
        assert given is not None
        return given


def _tell(request: aiohttp.ClientRequest) -> None:
    header = deadline_header()
    if header is not None:
        request.headers[header[0]] = header[1]
