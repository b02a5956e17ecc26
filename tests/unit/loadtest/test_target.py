from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest import Target


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "host_header", "address"),
    [
        ("http://localhost", "localhost", 80, "/", "localhost", "localhost:80"),
        ("http://localhost:8000/a?b=c#d", "localhost", 8000, "/a?b=c", "localhost:8000", "localhost:8000"),
        ("https://example.com/x", "example.com", 443, "/x", "example.com", "example.com:443"),
        ("https://example.com:80/", "example.com", 80, "/", "example.com:80", "example.com:80"),
        ("HTTP://LocalHost/", "localhost", 80, "/", "localhost", "localhost:80"),
        ("http://[::1]:8080/", "::1", 8080, "/", "[::1]:8080", "[::1]:8080"),
        ("http://[::1]/", "::1", 80, "/", "[::1]", "[::1]:80"),
        ("http://localhost?q=1", "localhost", 80, "/?q=1", "localhost", "localhost:80"),
        ("http://localhost/a b/ü?q=ä%20", "localhost", 80, "/a%20b/%C3%BC?q=%C3%A4%20", "localhost", "localhost:80"),
        ("http://localhost/a;b=1,2/'(x)'", "localhost", 80, "/a;b=1,2/'(x)'", "localhost", "localhost:80"),
        (
            "http://bücher.example/",
            "xn--bcher-kva.example",
            80,
            "/",
            "xn--bcher-kva.example",
            "xn--bcher-kva.example:80",
        ),
    ],
)
def test_a_url_is_taken_apart(url, host, port, path, host_header, address) -> None:
    target = Target.parse(url)
    assert (target.host, target.port, target.path) == (host, port, path)
    assert (target.host_header, target.address) == (host_header, address)
    assert target.unix_path is None
    assert target.authorization is None
    assert target.tls is url.startswith("https")


def test_a_unix_socket_is_its_percent_encoded_path() -> None:
    target = Target.parse("http+unix://%2Frun%2Fmy%20app.sock/orders?page=1")
    assert target.unix_path == "/run/my app.sock"
    assert target.path == "/orders?page=1"
    assert target.host_header == "localhost"
    assert target.address == "/run/my app.sock"
    assert not target.tls


def test_user_and_password_become_a_header_and_nothing_else() -> None:
    target = Target.parse("http://us%40er:p%3Aw@localhost/")
    assert target.authorization == "Basic dXNAZXI6cDp3"
    assert target.host_header == "localhost:80" or target.host_header == "localhost"
    assert "p:w" not in target.address


def test_certificates_are_verified_unless_told_otherwise() -> None:
    assert Target.parse("https://localhost").verify_tls
    assert not Target.parse("https://localhost", insecure=True).verify_tls


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://localhost/",
        "ws://localhost/",
        "http:/localhost",
        "http://",
        "http:///path",
        "http://localhost:port/",
        "http://localhost:70000/",
        "http://localhost:0/",
        "http://[::1/",
        "http+unix://relative.sock/",
        "http+unix:///run/app.sock/",
        "http://localhost/a\r\nX: y",
        "http://local\x00host/",
        "http://" + "ü" * 70 + "/",
    ],
)
def test_what_is_no_url_is_refused(url) -> None:
    with pytest.raises(InvalidValue) as caught:
        Target.parse(url)
    assert str(caught.value).startswith("Expected ")
