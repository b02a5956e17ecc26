from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from perfloop.cli import values
from perfloop.exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "expected"), [("500", 500.0), ("0.5", 0.5), ("500/s", 500.0), ("3000/min", 50.0), ("36/h", 0.01)]
)
def test_rates(text: str, expected: float) -> None:
    assert values.parse_rate(text, where="--rate") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["0", "-5", "fast", "", "nan", "inf", "5/fortnight", "5 parsecs"])
def test_bad_rates(text: str) -> None:
    with pytest.raises(InvalidValue, match="Expected a rate above zero") as caught:
        values.parse_rate(text, where="--rate")
    assert (caught.value.got, caught.value.where) == (text, "--rate")


@pytest.mark.parametrize("text", ["50rps", "50 req/s", "50qps"])
def test_a_rate_with_a_unit_of_its_own_is_told_that_it_needs_none(text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        values.parse_rate(text, where="--rate")
    assert caught.value.hint == "requests a second need no unit: 50; others: 50/min, 50/h"


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("10k", 10_000), ("2M", 2_000_000), ("1_000", 1000)])
def test_counts(text: str, expected: int) -> None:
    assert values.parse_count(text, where="--requests") == expected


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "ten", "", "1K k"])
def test_bad_counts(text: str) -> None:
    with pytest.raises(InvalidValue, match="Expected a whole number of 1 or more"):
        values.parse_count(text, where="--requests")


def test_durations_are_above_zero() -> None:
    assert values.parse_positive_duration("250ms", where="--duration") == 0.25
    with pytest.raises(InvalidValue, match="above zero"):
        values.parse_positive_duration("0s", where="--duration")


def test_headers() -> None:
    assert values.parse_header("Accept: text/html; q=0.5", where="-H") == ("Accept", "text/html; q=0.5")
    assert values.parse_header("X-Empty:", where="-H") == ("X-Empty", "")
    assert values.parse_header("X-Time: 12:30", where="-H") == ("X-Time", "12:30")


@pytest.mark.parametrize(
    "text", ["s3cret", "Auth orization: s3cret", ": s3cret", "X: s3cret\r\nHost: evil", "X: s3cret→"]
)
def test_bad_headers_never_show_the_value(text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        values.parse_header(text, where="--header")
    assert "s3cret" not in f"{caught.value} {caught.value.hint} {caught.value.got}"


@pytest.mark.parametrize(("text", "expected"), [("auto", "auto"), (" None ", "none"), ("2s", 2.0), ("500ms", 0.5)])
def test_warm_ups(text: str, expected: str | float) -> None:
    assert values.parse_warm_up(text, where="--warm-up") == expected


@pytest.mark.parametrize("text", ["", "always", "0s", "-1s", "2 parsecs"])
def test_bad_warm_ups(text: str) -> None:
    with pytest.raises(InvalidValue, match="Expected auto, none or a time above zero"):
        values.parse_warm_up(text, where="--warm-up")


def test_methods() -> None:
    assert values.parse_method("patch", where="-X") == "PATCH"
    with pytest.raises(InvalidValue, match="Expected a method"):
        values.parse_method("GET /", where="-X")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200", {200}),
        ("200, 404", {200, 404}),
        ("2xx", set(range(200, 300))),
        ("200-202,5XX", {200, 201, 202, *range(500, 600)}),
    ],
)
def test_statuses(text: str, expected: set[int]) -> None:
    assert values.parse_statuses(text, where="--expect-status") == expected


@pytest.mark.parametrize("text", ["", "OK", "20", "700", "2xx,", "100", "200;404"])
def test_bad_statuses(text: str) -> None:
    with pytest.raises(InvalidValue, match="Expected statuses"):
        values.parse_statuses(text, where="--expect-status")


def test_bodies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "body.bin"
    file.write_bytes(b"\x00\xff")
    assert values.parse_body("a=ö", where="-d") == "a=ö".encode()
    assert values.parse_body(f"@{file}", where="-d") == b"\x00\xff"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"from stdin")))
    assert values.parse_body("@-", where="-d") == b"from stdin"
    with pytest.raises(InvalidValue, match="No such file") as caught:
        values.parse_body("@missing.json", where="--data")
    assert caught.value.got == "missing.json"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/orders", (1.0, "GET", "/orders", b"")),
        ("GET /orders?page=1", (1.0, "GET", "/orders?page=1", b"")),
        ("2x GET /orders", (2.0, "GET", "/orders", b"")),
        ("0.5x /orders", (0.5, "GET", "/orders", b"")),
        ('post /cart {"item": 3}', (1.0, "POST", "/cart", b'{"item": 3}')),
        ("  3x   HEAD   /  ", (3.0, "HEAD", "/", b"")),
    ],
)
def test_requests(text: str, expected: tuple[float, str, str, bytes]) -> None:
    assert values.parse_request(text, where="--request") == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Expected a request"),
        ("orders", "Expected a request"),
        ("GET orders", "Expected a request"),
        ("http://127.0.0.1/x", "Expected a request"),
        ("FETCH /orders", "Expected a method"),
        ("0x GET /", "Expected a weight"),
        ("manyx GET /", "Expected a weight"),
        ("GET / @missing.json", "No such file"),
    ],
)
def test_bad_requests(text: str, says: str) -> None:
    with pytest.raises(InvalidValue, match=says):
        values.parse_request(text, where="--request")


def test_commands_are_split_without_a_shell() -> None:
    command = values.parse_command("SHOP_FIX=n_plus_one,index LOG='a b' uvicorn shop:app --port=8000", where="--cmd")
    assert command.environment == {"SHOP_FIX": "n_plus_one,index", "LOG": "a b"}
    assert command.words == ("uvicorn", "shop:app", "--port=8000")
    assert values.parse_command("echo $HOME | cat", where="--cmd").words == ("echo", "$HOME", "|", "cat")


@pytest.mark.parametrize("text", ["", "A=1", "uvicorn 'shop", "  "])
def test_bad_commands(text: str) -> None:
    with pytest.raises(InvalidValue, match="Expected a command"):
        values.parse_command(text, where="--cmd")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("localhost:8000/x", "http://localhost:8000/x"), ("https://h/", "https://h/"), ("ftp://h/", "ftp://h/")],
)
def test_http_is_assumed(text: str, expected: str) -> None:
    assert values.with_scheme(text) == expected


def test_a_path_alone_is_no_url() -> None:
    with pytest.raises(InvalidValue) as caught:
        values.with_scheme("/products")
    assert caught.value.got == "/products"
    assert "http://127.0.0.1:8000/products" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "parse",
    [
        values.parse_rate,
        values.parse_count,
        values.parse_positive_duration,
        values.parse_header,
        values.parse_statuses,
        values.parse_warm_up,
        values.parse_request,
        values.parse_command,
    ],
)
def test_every_message_says_where_the_value_came_from(parse: Callable[..., object]) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse("", where="--option")
    assert caught.value.where == "--option"
