"""Responses kept as HTTP says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from perfloop.caching.adapters.asgi import ResponseCacheMiddleware
from perfloop.caching.adapters.http_rules import directives, entity_tag, lifetime_of, matches, vary_of

if TYPE_CHECKING:
    from starlette.requests import Request


class Shop:
    """An application whose response the test says, and how often it was asked."""

    def __init__(self, **middleware: Any) -> None:
        self.calls = 0
        self.status = 200
        self.headers: dict[str, str] = {"cache-control": "max-age=60"}
        self.go: asyncio.Event | None = None
        self.background: BackgroundTask | None = None
        self.chunks: list[bytes] | None = None
        methods = ["GET", "POST", "DELETE"]
        self.app = ResponseCacheMiddleware(
            Starlette(routes=[Route("/{name}", self.answer, methods=methods)]), **middleware
        )

    async def answer(self, request: Request) -> Response:
        self.calls += 1
        made = f"{request.headers.get('accept-language', '')} {self.calls}"
        if self.go is not None:
            await self.go.wait()
        if self.chunks is not None:
            return StreamingResponse(iter(self.chunks), headers=self.headers)
        return Response(made, self.status, self.headers, background=self.background)

    async def ask(
        self, path: str = "/a", method: str = "GET", over: dict[str, Any] | None = None, **headers: str | list[str]
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask for a path; `over` the scope goes what it has, and a header comes as often as there are values."""
        named = [
            (name.replace("_", "-").encode(), value.encode())
            for name, values in headers.items()
            for value in ([values] if isinstance(values, str) else values)
        ]
        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": named, **(over or {})}
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], head, b"".join(each["body"] for each in sent[1:])


async def test_a_response_that_allows_it_is_given_again() -> None:
    shop = Shop()
    first, second = await shop.ask(), await shop.ask()
    assert (first[2], second[2], shop.calls) == (b" 1", b" 1", 1)
    assert second[1]["etag"] == first[1]["etag"]
    assert (await shop.ask(if_none_match=first[1]["etag"]))[::2] == (304, b"")
    assert (await shop.ask(method="HEAD"))[::2] == (200, b"")
    assert (await shop.ask("/b"))[2] == b" 2"


@pytest.mark.parametrize(
    ("headers", "request_headers"),
    [
        ({}, {}),
        ({"cache-control": "no-store, max-age=60"}, {}),
        ({"cache-control": "private, max-age=60"}, {}),
        ({"cache-control": "no-cache, max-age=60"}, {}),
        ({"cache-control": "max-age=0"}, {}),
        ({"cache-control": "max-age=soon"}, {}),
        ({"cache-control": "max-age=60", "set-cookie": "a=b"}, {}),
        ({"cache-control": "max-age=60", "vary": "*"}, {}),
        ({"cache-control": "max-age=60"}, {"authorization": "Bearer x"}),
        ({"cache-control": "max-age=60"}, {"cookie": "session=1"}),
        ({"cache-control": "max-age=60"}, {"cache_control": "no-store"}),
        ({"cache-control": "max-age=60"}, {"range": "bytes=0-1"}),
        ({"cache-control": "max-age=60"}, {"content_length": "5"}),
        ({"cache-control": "max-age=60"}, {"transfer_encoding": "chunked"}),
        ({"cache-control": "max-age=60", "content-type": "text/event-stream"}, {}),
        ({"cache-control": "max-age=60", "content-type": "Text/Event-Stream; charset=utf-8"}, {}),
        ({"cache-control": "max-age=60", "age": "60"}, {}),
        ({"cache-control": "max-age=0, max-age=60"}, {}),
    ],
)
async def test_what_is_not_for_others_is_not_kept(headers: dict[str, str], request_headers: dict[str, str]) -> None:
    shop = Shop()
    shop.headers = headers
    assert [(await shop.ask(**request_headers))[2] for _ in range(3)] == [b" 1", b" 2", b" 3"]


async def test_an_error_is_not_kept() -> None:
    shop = Shop(default_ttl=60)
    shop.headers, shop.status = {}, 500
    assert [(await shop.ask())[0] for _ in range(2)] == [500, 500]
    shop.status = 200
    assert [(await shop.ask())[2] for _ in range(2)] == [b" 3", b" 3"]


async def test_a_response_for_all_although_the_request_was_somebodys() -> None:
    shop = Shop()
    shop.headers = {"cache-control": "public, s-maxage=60, max-age=0"}
    assert [(await shop.ask(authorization="x"))[2] for _ in range(2)] == [b" 1", b" 1"]


async def test_a_kept_response_tells_its_age_even_if_that_is_nothing_and_a_new_one_does_not() -> None:
    shop = Shop()
    first, again, head = await shop.ask(), await shop.ask(), await shop.ask(method="HEAD")
    assert "age" not in first[1]
    assert again[1]["age"].isdecimal()
    assert head[1]["age"].isdecimal()
    assert "age" not in (await shop.ask(cache_control="no-cache"))[1]


async def test_variants_are_told_apart() -> None:
    shop = Shop()
    shop.headers = {"cache-control": "max-age=60", "vary": "Accept-Language"}
    said = [(await shop.ask(accept_language=language))[2] for language in ("en", "de", "en", "de", "fr")]
    assert said == [b"en 1", b"de 2", b"en 1", b"de 2", b"fr 3"]
    shop.headers = {"cache-control": "max-age=60", "vary": "Accept-Language, Accept"}
    said = [(await shop.ask(accept_language="it", accept=kind))[2] for kind in ("a", "b", "a", "a", "b")]
    assert said == [b"it 4", b"it 5", b"it 6", b"it 6", b"it 5"]  # the first only told that there is more to it


async def test_a_header_that_comes_several_times_is_told_apart_by_all_its_values() -> None:
    shop = Shop()
    shop.headers = {"cache-control": "max-age=60", "vary": "Accept-Language, Cookie"}
    asked: list[dict[str, Any]] = [
        {"accept_language": ["other", "en"]},
        {"accept_language": "en"},
        {"cookie": ["session=1", "theme=dark"]},  # as HTTP/2 sends them
        {"cookie": ["session=2", "theme=dark"]},
    ]
    assert [(await shop.ask(**headers))[2] for headers in asked] == [b"other 1", b"en 2", b" 3", b" 4"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"host": "shop/a", "path": "/b"}, {"host": "shop", "path": "/a/b"}),
        ({"host": "shop", "tenant": "a b"}, {"host": "b%20shop", "tenant": "a"}),
        ({"host": "b shop", "tenant": "a"}, {"host": "shop", "tenant": "a b"}),
        ({"over": {"path": "/a?b"}}, {"over": {"path": "/a", "query_string": b"b?"}}),
        ({"over": {"path": "/a?b", "query_string": b"c"}}, {"over": {"query_string": b"b?c"}}),
        ({"over": {"path": "/a%20"}}, {"over": {"path": "/a "}}),
        ({"over": {"scheme": "http"}}, {"over": {"scheme": "https"}}),
        ({"over": {"query_string": b"a" * 20_000}}, {"over": {"query_string": b"a" * 20_000 + b"b"}}),
    ],
)
async def test_no_url_is_taken_for_another(one: dict[str, Any], other: dict[str, Any]) -> None:
    shop = Shop(key=lambda scope: dict(scope["headers"]).get(b"tenant", b"").decode())
    keys = set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        keys.add(shop.app.key(scope))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=60")]})
        await send({"type": "http.response.body", "body": b"%d" % len(keys)})

    shop.app.app = app
    assert [(await shop.ask(**each))[2] for each in (one, other, one)] == [b"1", b"2", b"1"]


async def test_many_urls_are_bounded_by_their_bytes() -> None:
    shop = Shop()
    shop.chunks = [b"x" * 900_000]  # which could be compressed well, and is not kept so
    for number in range(100):
        await shop.ask(over={"query_string": b"%d" % number})
    assert 50 < len(shop.app.cache) < 75


async def test_tenants_are_told_apart_by_a_key_of_your_own() -> None:
    shop = Shop(key=lambda scope: dict(scope["headers"])[b"tenant"].decode())
    assert [(await shop.ask(tenant=tenant))[2] for tenant in ("a", "b", "a")] == [b" 1", b" 2", b" 1"]


async def test_a_change_removes_its_url_and_tags_remove_many() -> None:
    shop = Shop(tags=lambda scope: ["all"])
    await shop.ask()
    await shop.ask(method="POST")
    assert (await shop.ask())[2] == b" 3"
    shop.status = 404
    await shop.ask(method="DELETE")
    assert (await shop.ask())[2] == b" 3"
    await shop.app.cache.aremove_tags("all")
    shop.status = 200
    assert (await shop.ask())[2] == b" 5"


async def test_a_change_removes_its_url_however_the_path_is_written() -> None:
    shop = Shop()
    written: list[dict[str, Any]] = [{"raw_path": path} for path in (b"/a@b", b"/a%40b", b"/%61@b")]
    for over in written:
        await shop.ask("/a@b", over=over)
    await shop.ask("/a@b", "POST", over=written[0])
    for over in written:
        await shop.ask("/a@b", over=over)
    assert shop.calls == 7


async def test_what_comes_from_another_cache_is_as_old_as_it_says() -> None:
    shop = Shop()
    shop.headers = {"cache-control": "max-age=60", "age": "50"}
    ages = [int((await shop.ask())[1]["age"]) for _ in range(2)]
    assert (min(ages) >= 50, shop.calls) == (True, 1)
    assert lifetime_of([], 200, [(b"cache-control", b"max-age=60"), (b"age", b"50")], None) == 10.0


async def test_a_change_removes_all_variants_and_what_is_just_being_made() -> None:
    shop = Shop()
    shop.headers = {"cache-control": "max-age=60", "vary": "accept-language"}
    for language in ("en", "de"):
        await shop.ask(accept_language=language)
    await shop.ask(method="POST")
    assert [(await shop.ask(accept_language=language))[2] for language in ("de", "en")] == [b"de 4", b"en 5"]
    await shop.ask(method="POST")
    shop.go = asyncio.Event()
    old = asyncio.create_task(shop.ask())
    while shop.calls < 7:
        await asyncio.sleep(0)
    held, shop.go = shop.go, None
    await shop.ask(method="POST")
    held.set()
    assert (await old)[2] == b" 7"
    assert (await shop.ask())[2] == b" 9"


async def test_who_wants_it_anew_gets_it_anew_and_who_wants_only_a_kept_one_is_told() -> None:
    shop = Shop()
    assert (await shop.ask(cache_control="only-if-cached"))[0] == 504
    await shop.ask()
    assert (await shop.ask(cache_control="no-cache"))[2] == b" 2"
    assert (await shop.ask(cache_control="only-if-cached"))[2] == b" 2"


async def test_one_run_for_all_who_wait() -> None:
    shop = Shop()
    shop.headers = {"cache-control": "max-age=60", "vary": "accept-language"}
    await shop.ask(accept_language="en")
    shop.go = asyncio.Event()
    asking = [asyncio.create_task(shop.ask(accept_language="de")) for _ in range(5)]
    while shop.calls < 2:
        await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    shop.go.set()
    assert {(await each)[2] for each in asking[1:]} == {b"de 2"}
    shop.headers = {"cache-control": "no-store"}
    shop.go = asyncio.Event()
    asking = [asyncio.create_task(shop.ask(accept_language="fr")) for _ in range(3)]
    while shop.calls < 3:
        await asyncio.sleep(0)
    shop.go.set()
    assert sorted([(await each)[2] for each in asking]) == [b"fr 3", b"fr 4", b"fr 5"]


async def test_who_waits_does_not_wait_for_work_after_the_response() -> None:
    shop, ended = Shop(), asyncio.Event()
    shop.headers = {"cache-control": "max-age=60", "vary": "accept-language"}
    await shop.ask(accept_language="en")
    shop.go = asyncio.Event()
    shop.background = BackgroundTask(ended.wait)
    first, second = (asyncio.create_task(shop.ask(accept_language="de")) for _ in range(2))
    while shop.calls < 2:
        await asyncio.sleep(0)
    shop.go.set()
    done, _ = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == 1
    ended.set()
    assert (await first)[2] == (await second)[2] == b"de 2"


async def test_what_is_too_long_passes_as_it_comes() -> None:
    shop = Shop(max_body=10)
    shop.chunks = [b"12345", b"67890", b"1"]
    assert [(await shop.ask())[2] for _ in range(2)] == [b"12345678901"] * 2
    assert shop.calls == 2
    shop.chunks = [b"12345"]
    assert [(await shop.ask())[2] for _ in range(2)] == [b"12345"] * 2
    assert shop.calls == 3


async def test_a_stream_that_is_not_kept_passes_as_it_comes_and_nobody_waits_for_its_end() -> None:
    shop, go, begun = Shop(), asyncio.Event(), asyncio.Queue[bytes]()

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"no-store")]})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await go.wait()
        await send({"type": "http.response.body", "body": b"last"})

    async def send(message: Any) -> None:
        if "body" in message:
            begun.put_nowait(message["body"])

    scope = {"type": "http", "method": "GET", "path": "/a", "query_string": b"", "headers": []}
    shop.app.app = stream
    asking = [asyncio.create_task(shop.app(scope, lambda: asyncio.sleep(60), send)) for _ in range(3)]
    async with asyncio.timeout(30):
        assert [await begun.get() for _ in asking] == [b"first"] * 3
        go.set()
        await asyncio.gather(*asking)


async def test_an_exception_reaches_the_server() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("no")

    shop = Shop()
    await shop.ask()
    shop.app.app = broken
    with pytest.raises(ValueError, match="no"):
        await shop.ask("/other")


def test_rules() -> None:
    assert directives([(b"cache-control", b'Max-Age="5", public'), (b"x", b"y")]) == {"max-age": "5", "public": ""}
    assert vary_of([(b"vary", b"B, a"), (b"vary", b"c")]) == ("a", "b", "c")
    assert entity_tag([(b"etag", b'W/"1"')], b"") == b'W/"1"'
    assert matches(b'"2", W/"1"', b'"1"')
    assert matches(b"*", b'"1"')
    assert not matches(b'"11"', b'"1"')
    assert lifetime_of([], 200, [], 5.0) == 5.0
    assert lifetime_of([(b"cookie", b"a")], 200, [(b"vary", b"cookie")], 5.0) == 5.0
    assert lifetime_of([], 206, [], 5.0) is None
    assert lifetime_of([], 200, [(b"expires", b"0")], 5.0) is None
    assert lifetime_of([], 200, [(b"cache-control", b"max-age=" + b"9" * 5000)], None) == 2.0**31
    assert lifetime_of([], 200, [(b"expires", b"0"), (b"cache-control", b"max-age=7")], 5.0) == 7.0
