from __future__ import annotations

import sys
import urllib.request

import pytest
from msgspec.structs import replace

from perfloop.cli.telemetry import MetricsFeed, parse_address
from perfloop.exceptions import InvalidValue
from perfloop.loadtest import LoadOptions, metrics

OPTIONS = LoadOptions(url="http://shop.example/")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9100", ("127.0.0.1", 9100)),
        (":9100", ("127.0.0.1", 9100)),
        ("0.0.0.0:9100", ("0.0.0.0", 9100)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:9100", ("::1", 9100)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, where="--prometheus") == address


@pytest.mark.parametrize("text", ["", "http", "localhost", "1:2:3", "70000", "::1:9100", "http://localhost:9100"])
def test_no_addresses(text: str) -> None:
    with pytest.raises(InvalidValue, match="Expected a port") as caught:
        parse_address(text, where="--prometheus")
    assert (caught.value.got, caught.value.where) == (text, "--prometheus")


def test_a_scrape_shows_the_latest_progress(capsys: pytest.CaptureFixture[str]) -> None:
    interval = sys.getswitchinterval()
    with MetricsFeed(OPTIONS, "0", None) as feed:
        url = capsys.readouterr().err.split()[1]

        def scraped() -> str:
            with urllib.request.urlopen(url, timeout=10) as response:
                text: str = response.read().decode()
            return text

        assert "\nperfloop_load_requests_total" in scraped()
        feed.update(replace(metrics.before_start(OPTIONS), requests=42))
        assert 'http_request_method="GET"} 42\n' in scraped()
    assert sys.getswitchinterval() == interval


def test_nothing_asked_for_costs_nothing() -> None:
    with MetricsFeed(OPTIONS, None, None) as feed:
        feed.update(metrics.before_start(OPTIONS))
    assert not hasattr(feed, "_progress")


def test_a_bad_port_leaves_nothing_behind() -> None:
    interval = sys.getswitchinterval()
    with pytest.raises(InvalidValue):
        MetricsFeed(OPTIONS, "nine", "http://127.0.0.1:9")
    assert sys.getswitchinterval() == interval
