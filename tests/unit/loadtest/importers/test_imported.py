from __future__ import annotations

import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.loadtest import Request
from perfloop.loadtest.importers import Imported, ImportOptions
from perfloop.loadtest.importers.imported import SkippedTally, check_methods


def test_only_get_and_head_are_sent_without_being_asked_for() -> None:
    check_methods([Request(), Request(method="HEAD", weight=7)], "access.log")
    requests = [
        Request(),
        Request(method="POST", weight=40),
        Request(method="POST", target="/b"),
        Request(method="DELETE"),
    ]
    with pytest.raises(ConfigurationError) as caught:
        check_methods(requests, "access.log")
    assert caught.value.got == "1 × DELETE, 41 × POST"
    assert caught.value.where == "access.log"
    assert "--unsafe-methods" in caught.value.hint


def test_headers_of_the_user_replace_recorded_ones() -> None:
    recorded = Request(headers=(("authorization", "Bearer old"), ("accept", "a"), ("Authorization", "again")))
    imported = Imported(format="har", source="x", requests=(recorded, Request()))
    first, second = imported.with_headers((("Authorization", "Bearer new"), ("X", "1"))).requests
    assert first.headers == (("accept", "a"), ("Authorization", "Bearer new"), ("X", "1"))
    assert second.headers == (("Authorization", "Bearer new"), ("X", "1"))
    assert imported.requests[0] is recorded


@pytest.mark.parametrize(
    ("url", "prefix"),
    [("http://a", ""), ("http://a/", ""), ("http://a/v1/", "/v1"), ("http+unix://%2Ftmp%2Fs/x", "/x")],
)
def test_the_prefix_is_the_path_of_the_url(url, prefix) -> None:
    assert ImportOptions(url=url).prefix == prefix


def test_a_query_in_the_url_is_refused() -> None:
    with pytest.raises(InvalidValue, match="without a query"):
        ImportOptions(url="http://a/?b=1").target()


@pytest.mark.parametrize(
    ("url", "host", "wanted"),
    [
        ("http://Shop.test", None, [True, True, False, False]),
        ("https://shop.test", None, [False, False, True, False]),
        ("http://other", "shop.test", [True, True, True, False]),
        ("http://other", "Shop.Test:443", [False, False, True, False]),
    ],
)
def test_whose_requests_are_meant(url, host, wanted) -> None:
    options = ImportOptions(url=url, host=host)
    recorded = [
        ("http", "shop.test", None),
        ("http", "shop.test", 80),
        ("https", "shop.test", None),
        ("http", "x", None),
    ]
    assert [options.wants(*each) for each in recorded] == wanted


def test_what_is_shown_of_a_skipped_line_holds_no_query_and_no_control_character() -> None:
    tally = SkippedTally()
    assert not tally
    tally.add("bad", "line 3", 'GET /a?token=secret HTTP/1.1" \x1b[31m' + "x" * 500)
    tally.add("bad", "line 4", "other")
    tally.add("worse", "line 5")
    bad, worse = tally.all()
    assert (bad.count, worse.count, worse.first) == (2, 1, "line 5")
    assert bad.first.startswith("line 3: GET /a?*** HTTP")
    assert "secret" not in bad.first
    assert "\x1b" not in bad.first
    assert len(bad.first) < 150
    assert "2 × bad" in tally.describe()
