from __future__ import annotations

import pytest

from perfloop.records import redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8000/orders?page=1", "http://127.0.0.1:8000/orders?page=1"),
        ("http://user:pw@host/p#part", "http://***@host/p"),
        ("http://user@host/", "http://***@host/"),
        ("http://h/?token=abc&page=2", "http://h/?token=***&page=2"),
        ("http://h/?API_Key=abc&sessionid=9", "http://h/?API_Key=***&sessionid=***"),
        ("http://h/?password=", "http://h/?password=***"),
        ("http://h/?auth=a%26b&q=x%20y", "http://h/?auth=***&q=x%20y"),
        ("http://[::1]:80/?x=1", "http://[::1]:80/?x=1"),
        ("http+unix://%2Ftmp%2Fx.sock/path", "http+unix://%2Ftmp%2Fx.sock/path"),
        ("http://h/?q=tokens", "http://h/?q=tokens"),
    ],
)
def test_redaction(url: str, shown: str) -> None:
    assert redact_url(url) == shown
