"""Responses of an ASGI application kept as HTTP says (RFC 9111): FastAPI, Starlette, Litestar, or no framework."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from ..multilevel import MultiLevelCache
from ..options import EntryOptions
from .http_rules import (
    NOT_SHARED,
    CachedResponse,
    age_of,
    by_name,
    directives,
    entity_tag,
    lifetime_of,
    matches,
    varied,
    vary_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    Message = MutableMapping[str, Any]
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["Cacheable", "ResponseCacheMiddleware"]

_SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
_LONGEST_KEY = 2000
# How many requests run at one time is for the server to say: some wait long for an answer that nobody keeps.
_MOST_RUNS = 1_000_000
_MOST_BYTES = 64 << 20


class Cacheable(msgspec.Struct, frozen=True):
    """What is kept under a URL, and under each further variant of it."""

    vary: tuple[str, ...]
    """The request headers that it depends on."""
    variant: str
    """The key of the variant that the response is."""
    response: CachedResponse


class _NotKept(Exception):
    """The response may not be given to others; whoever asked has it already."""


class ResponseCacheMiddleware:
    """Answers GET and HEAD out of a cache where the response allows it.

    Kept is what says so by `Cache-Control: max-age` or `s-maxage`, or, with `default_ttl`, what says nothing. Never
    what is `private`, `no-store` or `no-cache`, sets a cookie, varies by `*`, is longer than `max_body`, or answers a
    request with `Authorization` or `Cookie` without saying that it is for all, or one with a body. What cannot be kept
    passes as it comes. A request that changes something (POST, PUT, PATCH, DELETE) and succeeds removes its URL.
    Responses get an `ETag`; `If-None-Match` is answered with 304.
    """

    def __init__(
        self,
        app: App,
        cache: MultiLevelCache[str, Cacheable] | None = None,
        *,
        default_ttl: float | None = None,
        max_body: int = 1_000_000,
        key: Callable[[Scope], str] | None = None,
        tags: Callable[[Scope], Iterable[str]] | None = None,
    ) -> None:
        """Round an application.

        Args:
            cache: where responses are kept: `MultiLevelCache(Cacheable, …)`; by default one of 64 MiB in this process.
            default_ttl: seconds, for responses that say nothing of caching.
            max_body: bytes.
            key: what the response depends on besides the URL and what its `Vary` names, such as the tenant.
            tags: by which the responses to a request can be removed: `cache.remove_tags`.
        """
        self.app = app
        self.cache: MultiLevelCache[str, Cacheable] = cache or MultiLevelCache(
            Cacheable, name="responses", max_weight=_MOST_BYTES, max_loads=_MOST_RUNS
        )
        self._default_ttl = default_ttl
        self._max_body = max_body
        self._key = key
        self._tags = tags

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] not in _SAFE:
            await self._changing(scope, receive, send)
            return
        request = by_name(scope["headers"])
        wishes = directives(scope["headers"])
        # A body may matter to the answer, and nobody else's request has it.
        has_body = request.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in request
        if scope["method"] not in ("GET", "HEAD") or "no-store" in wishes or b"range" in request or has_body:
            await self.app(scope, receive, send)
            return
        key, began = self.key(scope), time.time()
        if "no-cache" in wishes or wishes.get("max-age") == "0":
            known = await self.cache.aget(key)
            await self.cache.aexpire(*{key, varied(key, known.vary if known else (), request)})
        if "only-if-cached" in wishes or scope["method"] == "HEAD":
            await self._kept_or_not(scope, receive, send, key, request, began)
            return
        found = await self._shared(scope, receive, send, key, key)
        if found is None:
            return
        variant = varied(key, found.vary, request)
        if variant != found.variant:
            found = await self._shared(scope, receive, send, key, variant)
        if found is not None:
            await _answer(found.response, scope, send, began)

    async def _kept_or_not(
        self, scope: Scope, receive: Receive, send: Send, key: str, request: dict[bytes, bytes], began: float
    ) -> None:
        """Answer with what is kept; else 504 who wants nothing else, and a HEAD by the application."""
        found = await self.cache.aget(key)
        if found is not None and (variant := varied(key, found.vary, request)) != found.variant:
            found = await self.cache.aget(variant)
        if found is not None:
            await _answer(found.response, scope, send, began)
        elif scope["method"] == "HEAD":
            await self.app(scope, receive, send)
        else:
            await _answer(CachedResponse(504, (), b"", 0, began), scope, send, began)

    def key(self, scope: Scope) -> str:
        """The key of a request's URL: to delete it by."""
        return self._named(scope, (scope.get("raw_path") or _quoted(scope["path"]).encode()).decode("latin-1"))

    def _tag(self, scope: Scope) -> str:
        """What all variants of a URL have in common, however its path is written: `/%61` is `/a` to the application."""
        return f"url {self._named(scope, _quoted(scope['path']))}"

    def _named(self, scope: Scope, path: str) -> str:
        # Quoted, so that no host, path or key of one's own can be taken for a piece of another's URL.
        host = quote(next((value for name, value in scope["headers"] if name == b"host"), b""), safe=":[]")
        query = scope.get("query_string", b"").decode("latin-1")
        url = f"{scope.get('scheme', 'http')}://{host}{path}?{query}".replace(" ", "%20")
        key = f"{quote(self._key(scope), safe='')} {url}" if self._key is not None else url
        return key if len(key) <= _LONGEST_KEY else hashlib.blake2b(key.encode(), digest_size=32).hexdigest()

    async def _changing(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request that may change what the URL's responses are made of."""
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status < 400:  # before the client hears that it is done
                    await self.cache.aremove_tags(self._tag(scope))
            await send(message)

        await self.app(scope, receive, watch)

    async def _shared(self, scope: Scope, receive: Receive, send: Send, key: str, variant: str) -> Cacheable | None:
        """What is kept, or one run of the application for all who ask for it now; None when that has answered.

        Args:
            key: of the URL.
            variant: what is to be filled: the key itself, as long as it is not known what the URL depends on.
        """
        mine: list[asyncio.Task[None]] = []

        async def load() -> Cacheable:
            answered: asyncio.Future[Cacheable | None] = asyncio.get_running_loop().create_future()
            mine.append(asyncio.create_task(self._run(scope, receive, send, key, answered)))
            try:
                await asyncio.wait({mine[0], answered}, return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
            except asyncio.CancelledError:
                mine[0].cancel()
                raise
            made = answered.result() if answered.done() else None
            if made is None:
                raise _NotKept
            if made.variant != variant and variant != key:  # it depends on something else than it did
                await self.cache.adelete(key)
                raise _NotKept
            return made

        options = EntryOptions(ttl=_seconds, jitter=0, tags=(self._tag(scope), *self._tags_of(scope)))
        try:
            found = await self.cache.aget_or_load(variant, load, options)
        except _NotKept:
            found = None
            if not mine:
                await self.app(scope, receive, send)
        if mine:
            await mine[0]  # what it does in the background after its response, or what it raised
            return None
        return found

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, key: str, answered: asyncio.Future[Cacheable | None]
    ) -> None:
        """Run the application and answer; `answered` is told what, or None as soon as that may not be kept."""

        def lifetime(capture: _Capture) -> float | None:
            return lifetime_of(scope["headers"], capture.status, capture.headers, self._default_ttl)

        def passes() -> None:
            if not answered.done():  # who waits for it is gone
                answered.set_result(None)

        async def complete(capture: _Capture, fresh_for: float) -> None:
            headers = tuple(pair for pair in capture.headers if pair[0] not in NOT_SHARED)
            now = time.time()
            made_at = now - age_of(capture.headers)
            response = CachedResponse(capture.status, headers, capture.body(), fresh_for, made_at)
            vary = vary_of(headers)
            answered.set_result(Cacheable(vary, varied(key, vary, by_name(scope["headers"])), response))
            await _answer(response, scope, send, now)

        await self.app(scope, receive, _Capture(send, self._max_body, lifetime, complete, passes).take)

    def _tags_of(self, scope: Scope) -> tuple[str, ...]:
        return tuple(self._tags(scope)) if self._tags is not None else ()


class _Capture:
    """Holds a response back until it is whole, or turns out not to be one that can be kept."""

    def __init__(
        self,
        send: Send,
        most: int,
        lifetime: Callable[[_Capture], float | None],
        complete: Callable[[_Capture, float], Awaitable[None]],
        passes: Callable[[], None],
    ) -> None:
        self._send = send
        self._most = most
        self._lifetime = lifetime
        self._complete = complete
        self._passes = passes
        self._fresh_for: float | None = None
        self._held: list[Message] = []
        self._size = 0
        self._through = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []

    async def take(self, message: Message) -> None:
        """What the application sends."""
        if self._through:
            await self._send(message)
            return
        self._held.append(message)
        if message["type"] == "http.response.start" and not message.get("trailers"):
            self.status = message["status"]
            self.headers = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
            self._fresh_for = self._lifetime(self)
            if self._fresh_for is None:
                await self.let_go()
        elif message["type"] == "http.response.body" and self._fresh_for is not None:
            self._size += len(message.get("body", b""))
            if self._size > self._most:
                await self.let_go()
            elif not message.get("more_body", False):
                self._through = True
                await self._complete(self, self._fresh_for)
        else:
            await self.let_go()

    async def let_go(self) -> None:
        """Send what was held back, and from now on everything at once."""
        self._through = True
        self._passes()
        for message in self._held:
            await self._send(message)
        self._held.clear()

    def body(self) -> bytes:
        """All of the body that was held back."""
        return b"".join(message.get("body", b"") for message in self._held[1:])


async def _answer(response: CachedResponse, scope: Scope, send: Send, began: float) -> None:
    tag = entity_tag(response.headers, response.body)
    condition = next((value for name, value in scope["headers"] if name == b"if-none-match"), None)
    unchanged = condition is not None and response.status == 200 and matches(condition, tag)
    headers = [(name, value) for name, value in response.headers if not (unchanged and name == b"content-length")]
    if response.status == 200 and all(name != b"etag" for name, _ in headers):
        headers.append((b"etag", tag))
    if response.at < began:  # not made for this request: RFC 9111, 4 wants an Age, if it is 0, and 5.1 none otherwise
        headers.append((b"age", b"%d" % max(time.time() - response.at, 0)))
    body = b"" if unchanged or scope["method"] == "HEAD" else response.body
    await send({"type": "http.response.start", "status": 304 if unchanged else response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _quoted(path: str) -> str:
    return quote(path, errors="surrogatepass")


def _seconds(value: Any) -> float:
    fresh: float = value.response.fresh_for
    return fresh
