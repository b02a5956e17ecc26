"""`--live-web` in a real browser, and with clients that mean no good."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Literal

import pytest

from .conftest import PERFLOOP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from .conftest import Perfloop

pytestmark = pytest.mark.services


@contextmanager
def run(
    service: str, *words: str, option: str = "--live-web", address: str = "0"
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A run under way, and the address it printed."""
    command = subprocess.Popen(
        [PERFLOOP, "load", service, "--no-live", "--json", option, address, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert command.stderr is not None
        match = re.fullmatch(
            r"(?:live  |metrics)\s+(http://[\d.]+:\d+/(?:metrics)?(?:\?token=\S+)?)\n", command.stderr.readline()
        )
        assert match is not None
        yield command, match[1]
    finally:
        command.kill()
        command.communicate()


@contextmanager
def window(browser: Browser, *, width: int = 1280, scheme: Literal["light", "dark"] = "light") -> Iterator[Page]:
    """An empty page; fails when what is opened there complains or asks for anything elsewhere.

    It is there before the run, which does not wait for a browser.
    """
    context = browser.new_context(viewport={"width": width, "height": 812}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    assert complaints == []
    assert [url for url in asked if not url.startswith((page.url, "data:"))] == []
    context.close()


def said(page: Page, name: str) -> str:
    return page.locator(f"#{name}").inner_text()


def test_a_run_is_seen_from_its_beginning_to_its_end(browser: Browser, service: str) -> None:
    words = ("--profile", "ramp 20..100 1500ms, constant 100 6s", "--fail-if", "errors>100%")
    with window(browser) as page, run(f"{service}/broken?token=s3cret", *words) as (command, url):
        page.goto(url)
        page.locator("#chart-errors path.line").first.wait_for(state="attached")
        assert said(page, "state") == "RUNNING"
        assert said(page, "title") == f"GET {service}/broken?token=***"
        assert "constant 100 6s · 100/s planned" in said(page, "phase") or "ramp 20..100 1500ms" in said(page, "phase")
        assert re.fullmatch(r"\d s left", said(page, "left"))
        assert 0 < float(page.locator("#progress").get_attribute("aria-valuenow") or 0) < 100
        assert "status 500 × " in said(page, "errors")
        assert page.locator("#chart-rate .line").count() == 2
        assert page.locator("#chart-latency .line").count() == 2
        # Shown only where requests had to wait, as they may have on a busy machine.
        waiting = page.locator("#chart-waiting")
        assert waiting.is_hidden() or waiting.locator("path").count() > 0
        page.locator("#chart-rate svg").hover(position={"x": 80, "y": 50})
        assert re.match(r"at [123] s · ", page.locator("#chart-rate .values").inner_text())

        page.get_by_role("status").get_by_text("Run over", exact=True).wait_for()
        output, _ = command.communicate(timeout=60)
        summary = json.loads(output)["summary"]
        assert f"{summary['requests']:,} requests in all" in said(page, "rate")
        assert f"\n{summary['errors']:,}\n" in said(page, "errors")
        assert "s3cret" not in page.content()
        # The server has gone; what it said stays.
        with pytest.raises(OSError):
            urllib.request.urlopen(url, timeout=10)
        page.wait_for_timeout(1500)
        assert said(page, "state") == "RUN OVER"
        assert page.title().startswith("Run over: GET ")


def test_a_run_that_was_killed_is_over_too(browser: Browser, service: str) -> None:
    with (
        window(browser) as page,
        run(f"{service}/products", "--rate", "50", "--duration", "60s") as (command, url),
    ):
        page.goto(url)
        page.locator("#chart-rate path.line").first.wait_for(state="attached")
        command.kill()
        page.get_by_role("status").get_by_text("Connection lost", exact=True).wait_for()
        page.get_by_role("status").get_by_text("Run over", exact=True).wait_for()
        assert said(page, "note") == "perfloop does not answer any more: these are the last figures it sent."
        assert page.locator("#chart-rate .line").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(
    browser: Browser, service: str, scheme: Literal["light", "dark"]
) -> None:
    with (
        window(browser, width=375, scheme=scheme) as page,
        run(f"{service}/products", "--connections", "4", "--duration", "60s") as (_, url),
    ):
        page.goto(url)
        page.locator("#chart-latency path.line").first.wait_for(state="attached")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)"
        assert dark == (scheme == "dark")
        page.locator("#theme").click()
        assert (page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)") != dark


def test_other_hosts_other_methods_and_other_paths(service: str) -> None:
    with run(f"{service}/products?token=s3cret", "--rate", "20", "--duration", "60s") as (_, url):

        def status(path: str = "", host: str | None = None, method: str = "GET") -> int:
            request = urllib.request.Request(url + path, headers={"Host": host} if host else {}, method=method)
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    assert "Access-Control-Allow-Origin" not in response.headers
                    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
                    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
                    code: int = response.status
            except urllib.error.HTTPError as error:
                code = error.code
            return code

        assert [status(host=host) for host in (None, "localhost:1", "127.0.0.1", "[::1]:80")] == [200] * 4
        assert [status(host=host) for host in ("evil.example", "127.0.0.1.evil.example:80", "[x")] == [421] * 3
        assert [status(method=method) for method in ("HEAD", "POST", "PUT", "OPTIONS")] == [405] * 4
        assert status("metrics") == 404
        with urllib.request.urlopen(url + "events", timeout=10) as events:
            lines = [events.readline() for _ in range(4)]
        assert b"token=***" in lines[1]
        assert b"s3cret" not in b"".join(lines)


def test_who_has_no_token_sees_nothing_from_elsewhere(service: str) -> None:
    with run(f"{service}/products", "--rate", "20", "--duration", "60s", address="0.0.0.0:0") as (_, url):
        page, _, token = url.replace("0.0.0.0", "127.0.0.1").partition("?token=")
        assert len(token) >= 16

        def status(path: str, **headers: str) -> int:
            try:
                with urllib.request.urlopen(urllib.request.Request(page + path, headers=headers), timeout=10) as got:
                    return int(got.status)
            except urllib.error.HTTPError as error:
                return error.code

        assert [status(path) for path in ("", "events", "other", "?token=wrong")] == [401] * 4
        assert status("", Authorization=f"Bearer {token}") == 200
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(f"{page}?token={token}", timeout=10) as response:
            assert (response.status, response.url) == (200, page)


def pester(url: str, ended: threading.Event) -> None:
    """What a client should not do, all at once, until it is told to stop."""
    host, port = url.split("/")[2].split(":")
    with ExitStack() as stack:
        clients = []
        with suppress(OSError):
            for index in range(200):
                client = stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
                client.setblocking(False)
                clients.append(client)
                head = (
                    b"GET / HT",
                    b"",
                    b"\x00\xff\r\n\r\n",
                    b"POST / HTTP/1.1\r\n\r\n",
                    b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n",
                )
                client.send(head[index % 5])
        while not ended.wait(0.2):
            for client in clients:
                with suppress(OSError):
                    client.send(b"x")  # never a whole line


@pytest.mark.parametrize("option", ["--live-web", "--prometheus"])
def test_a_run_ends_on_time_whoever_connects(service: str, option: str) -> None:
    ended = threading.Event()
    with run(f"{service}/products", "--rate", "50", "--duration", "2s", option=option) as (command, url):
        hostile = threading.Thread(target=pester, args=(url, ended))
        hostile.start()
        began = time.monotonic()
        try:
            output, _ = command.communicate(timeout=60)
        finally:
            ended.set()
            hostile.join()
        assert time.monotonic() - began < 20
        assert command.returncode in (0, 3)
        assert json.loads(output)["summary"]["requests"] == 100


def test_a_port_in_use_is_told_before_anything_is_sent(perfloop: Perfloop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = perfloop("load", "127.0.0.1:1", "--live-web", str(other.getsockname()[1]))
    assert done.returncode == 2
    assert "error: Expected an address that the live page can be served on: Address already in use" in done.stderr
    assert "where  --live-web" in done.stderr
