from __future__ import annotations

import socket
import urllib.error
import urllib.request

import pytest

from perfloop.exceptions import ConfigurationError
from perfloop.telemetry import FamilySnapshot, Registry
from perfloop.telemetry.exporters.scrape import ScrapeServer


def get(url: str, accept: str = "*/*", method: str = "GET") -> tuple[str, str]:
    request = urllib.request.Request(url, headers={"Accept": accept}, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.headers["Content-Type"], response.read().decode()


def test_each_scrape_shows_what_there_is_then() -> None:
    registry = Registry()
    counter = registry.counter("shop.requests", "Requests.")
    with ScrapeServer("127.0.0.1", 0, registry.collect) as server:
        assert "shop_requests_total 0\n" in get(server.url)[1]
        counter.inc(3)
        kind, text = get(server.url)
        assert kind.startswith("text/plain; version=0.0.4")
        assert "shop_requests_total 3\n" in text
        kind, text = get(server.url, accept="application/openmetrics-text; version=1.0.0")
        assert kind.startswith("application/openmetrics-text")
        assert text.endswith("# EOF\n")
        assert get(server.url, method="HEAD")[1] == ""
    with pytest.raises(OSError):
        get(server.url)


def test_the_same_families_are_written_once() -> None:
    class Counted(list[FamilySnapshot]):
        written = 0

        def __iter__(self):
            Counted.written += 1
            return super().__iter__()

    families = Counted(Registry().collect())
    with ScrapeServer("127.0.0.1", 0, lambda: families) as server:
        assert get(server.url) == get(server.url)
    assert Counted.written == 1


def test_elsewhere_there_is_nothing_but_a_pointer() -> None:
    with ScrapeServer("127.0.0.1", 0, list) as server:
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(server.url.replace("/metrics", "/"))
        assert caught.value.code == 404
        assert caught.value.read() == b"metrics are at /metrics\n"


def test_a_scraper_that_hangs_up_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    with ScrapeServer("127.0.0.1", 0, list) as server:
        host, port = server.url.removeprefix("http://").removesuffix("/metrics").split(":")
        with socket.create_connection((host, int(port))) as nobody:
            nobody.sendall(b"\x00\xffgarbage\r\n\r\n")
        assert get(server.url)[1] == ""
    assert capfd.readouterr().err == ""


def test_ipv6() -> None:
    with ScrapeServer("::1", 0, list) as server:
        assert server.url.startswith("http://[::1]:")
        assert get(server.url)[1] == ""


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match="metrics can be served on: Address already in use") as caught:
            ScrapeServer("127.0.0.1", port, list, where="--prometheus")
    assert (caught.value.got, caught.value.where) == (f"127.0.0.1:{port}", "--prometheus")


def test_an_address_that_is_not_here_is_told() -> None:
    with pytest.raises(ConfigurationError, match="Cannot assign requested address"):
        ScrapeServer("192.0.2.1", 0, list)
