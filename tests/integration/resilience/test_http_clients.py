"""Policies round the requests of httpx2, in threads and event loops, and of aiohttp, against a real server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx2
import pytest

from perfloop.exceptions import AsyncMisuse, CallTimedOut, CircuitOpen, InvalidValue
from perfloop.resilience import (
    TIMEOUT_HEADER,
    CircuitBreaker,
    CircuitState,
    Classification,
    ConstantBackoff,
    Deadline,
    Policy,
    Retry,
    Timeout,
)
from perfloop.resilience.integrations.aiohttp import PolicyMiddleware
from perfloop.resilience.integrations.http import HostPolicies
from perfloop.resilience.integrations.httpx2 import AsyncPolicyTransport, PolicyTransport

if TYPE_CHECKING:
    from .http_service import HTTPService


@dataclass
class Answer:
    status: int
    text: str


def threads(policy: Any, method: str, url: str, **request: Any) -> Answer:
    with httpx2.Client(transport=PolicyTransport(policy)) as client:
        response = client.request(method, url, **request)
        return Answer(response.status_code, response.text)


def event_loop(policy: Any, method: str, url: str, **request: Any) -> Answer:
    async def main() -> Answer:
        async with httpx2.AsyncClient(transport=AsyncPolicyTransport(policy)) as client:
            response = await client.request(method, url, **request)
            return Answer(response.status_code, response.text)

    return asyncio.run(main())


def by_aiohttp(policy: Any, method: str, url: str, content: Any = None, **request: Any) -> Answer:
    async def main() -> Answer:
        async with (
            aiohttp.ClientSession(middlewares=[PolicyMiddleware(policy)]) as session,
            session.request(method, url, data=content, **request) as response,
        ):
            return Answer(response.status, await response.text())

    return asyncio.run(main())


@pytest.fixture(params=[threads, event_loop, by_aiohttp], ids=["httpx2", "httpx2 async", "aiohttp"])
def send(request: pytest.FixtureRequest) -> Any:
    return request.param


def retry(attempts: int = 3) -> Retry:
    return Retry(attempts, idempotent=True, backoff=ConstantBackoff(0))


def test_a_failure_is_repeated_and_the_answer_is_the_clients(send: Any, service: HTTPService) -> None:
    service.say(503, 500, 200)
    assert send(Policy(retry()), "GET", service.url) == Answer(200, "answer 3")
    assert service.methods == ["GET"] * 3


def test_the_last_failure_is_the_answer_and_can_be_read(send: Any, service: HTTPService) -> None:
    service.say(503)
    assert send(Policy(retry()), "GET", service.url) == Answer(503, "answer 3")
    assert len(service.requests) == 3


@pytest.mark.parametrize("status", [200, 304, 400, 404, 409])
def test_other_statuses_are_answers(send: Any, service: HTTPService, status: int) -> None:
    service.say(status)
    breaker = CircuitBreaker(1)
    assert send(Policy(retry(), breaker), "GET", service.url).status == status
    assert len(service.requests) == 1
    assert breaker.counts()["successful"] == 1


def test_failures_open_the_breaker_which_rejects(send: Any, service: HTTPService) -> None:
    service.say(500)
    policy = Policy(retry(2), CircuitBreaker(2))
    assert send(policy, "GET", service.url).status == 500
    with pytest.raises(CircuitOpen):
        send(policy, "GET", service.url)
    assert len(service.requests) == 2


@pytest.mark.parametrize("nested", [False, True])
def test_429_waits_as_it_says_and_is_no_failure(send: Any, service: HTTPService, nested: bool) -> None:
    service.say((429, {"retry-after": "0"}, 0), (429, {"retry-after": "7"}, 0))
    breaker = CircuitBreaker(1)
    patient = Retry(5, idempotent=True, backoff=ConstantBackoff(0), max_retry_after=6)
    events = []
    patient.on_event(events.append)
    policy = Policy(patient, breaker)
    assert send(Policy(policy) if nested else policy, "GET", service.url) == Answer(429, "answer 2")
    assert [event.event for event in events] == ["retry", "gave_up"]
    assert "7 s" in events[1].attributes["reason"]
    assert breaker.counts()["ignored"] == 2
    assert breaker.state is CircuitState.CLOSED


@pytest.mark.parametrize(
    ("method", "headers", "content", "times"),
    [
        ("POST", {}, b"body", 1),
        ("PUT", {}, b"body", 3),
        ("POST", {"Idempotency-Key": "k1"}, b"body", 3),
    ],
)
def test_only_what_may_be_done_twice_is(
    send: Any, service: HTTPService, method: str, headers: dict[str, str], content: bytes, times: int
) -> None:
    service.say(500)
    breaker = CircuitBreaker(9)
    assert send(Policy(retry(), breaker), method, service.url, headers=headers, content=content).status == 500
    assert [body for _, _, body in service.requests] == [content] * times
    assert breaker.counts()["failed"] == times


def test_a_body_that_is_gone_is_not_sent_twice(send: Any, service: HTTPService) -> None:
    async def later() -> Any:
        yield b"body"

    service.say(500)
    content = iter([b"body"]) if send is threads else later()
    headers = {"content-length": "4"}
    assert send(Policy(retry()), "PUT", service.url, content=content, headers=headers).status == 500
    assert len(service.requests) == 1


def test_a_policy_of_nothing_but_retries_sends_once_what_must_not_be_repeated(send: Any, service: HTTPService) -> None:
    service.say(500)
    assert send(Policy(retry()), "POST", service.url).status == 500
    assert len(service.requests) == 1


def test_the_service_is_told_how_long_it_is_waited_for(send: Any, service: HTTPService) -> None:
    send(Policy(Deadline(30), Timeout(5)), "GET", service.url)
    send(Policy(retry()), "GET", service.url)
    first, second = (headers.get(TIMEOUT_HEADER) for _, headers, _ in service.requests)
    assert first is not None
    assert 0 < int(first) <= 5000
    assert second is None


def test_an_attempt_that_takes_too_long_is_given_up(send: Any, service: HTTPService) -> None:
    service.say((200, {}, 1), 200)
    policy = Policy(retry(2), Timeout(0.2))
    assert send(policy, "GET", service.url).status == 200
    service.say((200, {}, 1))
    with pytest.raises(CallTimedOut):
        send(Policy(Timeout(0.2)), "GET", service.url)


def test_errors_of_connections_are_failures(send: Any, service: HTTPService) -> None:
    breaker = CircuitBreaker(9)
    with pytest.raises((httpx2.ConnectError, aiohttp.ClientConnectorError)):
        send(Policy(retry(2), breaker), "GET", "http://127.0.0.1:1/")
    assert breaker.counts()["failed"] == 2


def test_each_host_has_its_own_policy(send: Any, service: HTTPService) -> None:
    made: list[str] = []

    def policy(host: str) -> Policy:
        made.append(host)
        return Policy(Timeout(5), name=host)

    send(policy, "GET", service.url)
    assert made == [service.url.removeprefix("http://")]


def test_a_classification_of_ones_own_decides(send: Any, service: HTTPService) -> None:
    service.say(500)
    breaker = CircuitBreaker(9, classification=Classification(success=Exception))
    send(Policy(retry(), breaker), "GET", service.url)
    assert breaker.counts()["successful"] == len(service.requests) == 1


def test_bodies_of_discarded_responses_are_closed_in_threads(service: HTTPService) -> None:
    service.say(500, 502, 200)
    seen: list[httpx2.Response] = []

    class Seeing(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            seen.append(super().handle_request(request))
            return seen[-1]

    transport = PolicyTransport(Policy(retry()), Seeing())
    with httpx2.Client(transport=transport) as client, client.stream("GET", service.url) as given:
        assert [response.is_closed for response in seen] == [True, True, False]
        assert given.read() == b"answer 3"


async def test_and_in_event_loops(service: HTTPService) -> None:
    service.say(500, 502, 200)
    seen: list[httpx2.Response] = []

    class Seeing(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            seen.append(await super().handle_async_request(request))
            return seen[-1]

    transport = AsyncPolicyTransport(Policy(retry()), Seeing())
    async with httpx2.AsyncClient(transport=transport) as client, client.stream("GET", service.url) as given:
        assert [response.is_closed for response in seen] == [True, True, False]
        assert await given.aread() == b"answer 3"


async def test_and_by_aiohttp(service: HTTPService) -> None:
    service.say(500, 502, 200)
    seen: list[aiohttp.ClientResponse] = []

    async def seeing(request: Any, handler: Any) -> Any:
        seen.append(await handler(request))
        return seen[-1]

    middlewares = [PolicyMiddleware(Policy(retry())), seeing]
    async with aiohttp.ClientSession(middlewares=middlewares) as session, session.get(service.url) as given:
        assert [response.closed for response in seen[:2]] == [True, True]
        assert await given.text() == "answer 3"


def test_a_transport_of_the_other_kind_says_which_to_use() -> None:
    policy = Policy(Timeout(1))

    async def entered() -> None:
        async with httpx2.AsyncClient(transport=PolicyTransport(policy)):  # type: ignore[arg-type]
            pytest.fail("entered")

    async def asked() -> None:
        client = httpx2.AsyncClient(transport=PolicyTransport(policy))  # type: ignore[arg-type]
        try:
            await client.get("http://127.0.0.1:9/")
        finally:
            await client.aclose()

    for use in (entered, asked):
        with pytest.raises(AsyncMisuse, match=r"httpx2\.AsyncClient\(transport=AsyncPolicyTransport\(policy\)\)"):
            asyncio.run(use())
    for call in (lambda client: client.get("http://127.0.0.1:9/"), httpx2.Client.__enter__, httpx2.Client.close):
        client = httpx2.Client(transport=AsyncPolicyTransport(policy))  # type: ignore[arg-type]
        with pytest.raises(AsyncMisuse, match=r"httpx2\.Client\(transport=PolicyTransport\(policy\)\)"):
            call(client)


def test_what_sends_has_to_be_of_the_same_kind() -> None:
    policy = Policy(Timeout(1))
    with pytest.raises(AsyncMisuse, match="use AsyncPolicyTransport"):
        PolicyTransport(policy, httpx2.AsyncHTTPTransport())  # type: ignore[arg-type]
    with pytest.raises(AsyncMisuse, match="use PolicyTransport"):
        AsyncPolicyTransport(policy, httpx2.HTTPTransport())  # type: ignore[arg-type]
    both = httpx2.MockTransport(lambda request: httpx2.Response(200))
    assert httpx2.Client(transport=PolicyTransport(policy, both)).get("http://shop/").status_code == 200


def test_waits_of_httpx2_are_no_longer_than_the_deadline(service: HTTPService) -> None:
    service.say((200, {}, 1))
    transport = PolicyTransport(Policy(Deadline(0.2)))
    with httpx2.Client(transport=transport, timeout=30) as client, pytest.raises(CallTimedOut):
        client.get(service.url)


@pytest.mark.parametrize("policy", [7, None])
def test_what_is_no_policy_is_refused(policy: Any) -> None:
    with pytest.raises(InvalidValue, match="a Policy, or a function"):
        HostPolicies(policy)


def test_so_is_a_retry_that_would_never_repeat_and_a_function_that_makes_no_policy() -> None:
    with pytest.raises(InvalidValue, match="idempotent=True"):
        HostPolicies(Policy(Retry()))
    with pytest.raises(InvalidValue, match="makes a Policy"):
        HostPolicies(str).of("host", repeat=True)


def test_of_many_hosts_those_asked_least_recently_go_but_none_whose_breaker_is_open() -> None:
    breakers: dict[str, CircuitBreaker] = {}

    def policy(host: str) -> Policy:
        breakers[host] = CircuitBreaker(name=host)
        return Policy(breakers[host])

    policies = HostPolicies(policy, max_hosts=2)
    first, second = policies.of("a", repeat=True), policies.of("b", repeat=True)
    breakers["a"].force_open()
    policies.of("c", repeat=True)
    assert policies.of("a", repeat=True) is first
    assert policies.of("b", repeat=True) is not second
