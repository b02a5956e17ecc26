from __future__ import annotations

import pytest

from perfloop.http_access import AddressAccess, TokenAccess, is_loopback, page_headers
from perfloop.http_server import Request, Response

TOKEN = "abcdefghijklmnop"


def request(path: str = "/", query: str = "", **headers: str) -> Request:
    return Request("GET", path, headers, query)


def status(refusal: Response | None) -> int | None:
    return None if refusal is None else refusal.status


@pytest.mark.parametrize(
    ("host", "is_it"),
    [(host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST")]
    + [(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", "")],
)
def test_loopback(host: str, is_it: bool) -> None:
    assert is_loopback(host) is is_it


@pytest.mark.parametrize("host", ["127.0.0.1:80", "[::1]:80", "localhost", "10.0.0.7", "MyName:80"])
def test_addresses_and_our_own_names_are_let_in(host: str) -> None:
    assert AddressAccess("myname").refusal(request(host=host)) is None


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "[x", "", "a@b"])
def test_names_of_others_are_not(host: str) -> None:
    assert status(AddressAccess("myname").refusal(request(host=host))) == 421


def test_the_token_lets_in_as_a_bearer_or_in_a_cookie() -> None:
    access = TokenAccess(TOKEN)
    assert status(access.refusal(request())) == 401
    assert access.refusal(request(authorization=f"Bearer {TOKEN}")) is None
    assert access.refusal(request(authorization=f"bearer  {TOKEN} ")) is None
    welcome = access.refusal(request(query=f"token={TOKEN}"))
    assert welcome is not None
    fields = dict(welcome.headers)
    assert (welcome.status, fields["Location"]) == (303, "./")
    cookie, *properties = fields["Set-Cookie"].split("; ")
    assert set(properties) >= {"HttpOnly", "SameSite=Lax"}
    assert access.refusal(request(cookie=f"other=1; {cookie}")) is None
    assert status(TokenAccess("another-token-of-it").refusal(request(cookie=cookie))) == 401


def test_a_path_is_gone_on_to_without_the_token() -> None:
    welcome = TokenAccess(TOKEN).refusal(request("/a/events", f"x=1&token={TOKEN}"))
    assert welcome is not None
    assert dict(welcome.headers)["Location"] == "events"


@pytest.mark.parametrize("given", ["", "x", TOKEN[:-1], TOKEN + "x", "é", "%00", "*"])
def test_nothing_else_lets_in(given: str) -> None:
    access = TokenAccess(TOKEN)
    refusals = [
        access.refusal(request(query=f"token={given}")),
        access.refusal(request(authorization=f"Bearer {given}")),
        access.refusal(request(authorization=given)),
        access.refusal(request(cookie=f"perfloop={given}")),
        access.refusal(request(cookie=given)),
    ]
    assert [status(refusal) for refusal in refusals] == [401] * 5
    assert all(TOKEN.encode() not in refusal.body for refusal in refusals if refusal is not None)


def test_pages_are_shown_to_nobody_elsewhere() -> None:
    fields = dict(page_headers("default-src 'none'"))
    assert fields["Content-Security-Policy"] == "default-src 'none'"
    assert fields["Cross-Origin-Resource-Policy"] == "same-origin"
    assert fields["Cache-Control"] == "no-store"
