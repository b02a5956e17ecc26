from __future__ import annotations

import pytest

from perfloop.redaction import is_secret_name, redact_malformed_url, redact_text, redact_url


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
        ("http://h/?to%6ben=abc", "http://h/?to%6ben=***"),
        ("http://h/?next=http://u:pw@i/&q=a+b", "http://h/?next=***&q=a+b"),
        ("http://h/a;jsessionid=abc/b;v=1?q=1", "http://h/a;jsessionid=***/b;v=1?q=1"),
        ("http://[::1]:80/?x=1", "http://[::1]:80/?x=1"),
        ("http://h/?email=a@b.c", "http://h/?email=a@b.c"),
        ("http+unix://%2Ftmp%2Fx.sock/path", "http+unix://%2Ftmp%2Fx.sock/path"),
        ("http://h/?q=tokens", "http://h/?q=tokens"),
        ("2x POST /items/a@b?token=abc", "2x POST /items/a@b?token=***"),
        ("u:PW@h/?token=abc", "***@h/?token=***"),
    ],
)
def test_redaction(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "ftp://user:SECRET/PW@h/",
        "http://user:SECRET?PW@h/",
        "http://user:SECRET#PW@h/",
        "http://user:SECRET PW@127.0.0.1:abc/",
        "http://user:SECRET[PW@h/x?token=SECRET",
        "http://user:SECRET@PW@h/",
        "u:SECRET@h/?token=SECRET",
        "u:SECRET/PW@h/?next=http://i/",
    ],
)
def test_a_url_that_does_not_parse_loses_its_password_too(url: str) -> None:
    shown = redact_malformed_url(url)
    assert "SECRET" not in shown
    assert "PW" not in shown
    assert "h/" in shown or "127.0.0.1" in shown


NAMES = """sid jwt pwd access_key sig code key KEY otp connect.sid PHPSESSID X-Amz-Signature db_pass accessKey
    private-key user[password] X-API-Key id%5Ftoken --key"""


@pytest.mark.parametrize("name", NAMES.split())
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["page", "sort_key", "zip_code", "keyword", "side", "design", "q", "codec", "pinned"])
def test_names_that_only_look_like_it(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot reach http://u:SECRET@h:1/x now", "cannot reach http://***@h:1/x now"),
        ("POST /x?token=SECRET was answered", "POST /x?token=*** was answered"),
        ("/bin/x --password=SECRET -v", "/bin/x --password=*** -v"),
        ("/bin/x --password SECRET -v", "/bin/x --password *** -v"),
        ("Authorization: SECRET", "Authorization: ***"),
        ('{"password": "SECRET"}', '{"password": "***"}'),
        ("the token expired, the session too", "the token expired, the session too"),
        ("--token -v", "--token -v"),
        ("uvicorn shop:app, git@h:a/b", "uvicorn shop:app, git@h:a/b"),
    ],
)
def test_secrets_within_a_message(text: str, shown: str) -> None:
    assert redact_text(text) == shown
    assert "SECRET" not in redact_text("bad http://u:SECRET@[::1/")
