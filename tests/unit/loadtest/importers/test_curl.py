from __future__ import annotations

import subprocess

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.importers import ImportOptions
from perfloop.loadtest.importers.curl import parse_curl, recognises_curl
from perfloop.loadtest.importers.curl_options import CurlOptions
from perfloop.loadtest.request import Request

OPTIONS = ImportOptions(url="http://shop.test:8000")
URL = "http://shop.test:8000"
FORM = ("Content-Type", "application/x-www-form-urlencoded")

CHROME = r"""curl 'http://shop.test:8000/api/items?page=2&q=caf%C3%A9' \
  -H 'accept: application/json' \
  -H 'accept-language: de-DE,de;q=0.9' \
  -b 'session=abc; theme=dark' \
  -H 'user-agent: Mozilla/5.0 (X11; Linux x86_64)' \
  --data-raw $'{"name":"O\'Neill","note":"a\\nb \u00e9"}' \
  --compressed \
  --insecure ;
curl 'http://shop.test:8000/static/app.js' -X 'GET' -H 'Accept: */*' --compressed &
"""


def requests(text: str, **options: object) -> tuple[Request, ...]:
    return parse_curl(text, "calls.txt", ImportOptions(url=URL, **options)).requests


def one(arguments: str) -> Request:
    (request,) = requests(f"curl {URL}/ {arguments}")
    return request


def test_what_a_browser_copies_is_understood() -> None:
    imported = parse_curl(CHROME, "calls.txt", OPTIONS)
    first, second = imported.requests
    assert (first.method, first.target) == ("POST", "/api/items?page=2&q=caf%C3%A9")
    assert first.body == '{"name":"O\'Neill","note":"a\\nb é"}'.encode()
    assert dict(first.headers) == {
        "accept": "application/json",
        "accept-language": "de-DE,de;q=0.9",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64)",
        "Cookie": "session=abc; theme=dark",
        "Accept-Encoding": "deflate, gzip, br, zstd",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert (second.method, second.target) == ("GET", "/static/app.js")
    assert "--insecure" in imported.notes[0]
    first.validate()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", Request()),
        ("-I", Request(method="HEAD")),
        ("-X PURGE", Request(method="PURGE")),
        ("-XDELETE", Request(method="DELETE")),
        ("-sSL", Request()),
        ("-d a=1 -d b=2", Request(method="POST", headers=(FORM,), body=b"a=1&b=2")),
        ("-da=1", Request(method="POST", headers=(FORM,), body=b"a=1")),
        ("-G -d a=1 --data-urlencode 'q=x y&z'", Request(target="/?a=1&q=x+y%26z")),
        ("--data-urlencode '=a b'", Request(method="POST", headers=(FORM,), body=b"a+b")),
        ("--data-urlencode name@body.txt", Request(method="POST", headers=(FORM,), body=b"name=line%0Aend%0A")),
        ("-d @body.txt", Request(method="POST", headers=(FORM,), body=b"lineend")),
        ("--data-binary @body.txt", Request(method="POST", headers=(FORM,), body=b"line\nend\n")),
        ("--data-raw @body.txt", Request(method="POST", headers=(FORM,), body=b"@body.txt")),
        (
            "--json '{\"a\":' --json 1}",
            Request(
                method="POST",
                headers=(("Content-Type", "application/json"), ("Accept", "application/json")),
                body=b'{"a":1}',
            ),
        ),
        ("-u me:secret", Request(headers=(("Authorization", "Basic bWU6c2VjcmV0"),))),
        ("--oauth2-bearer T", Request(headers=(("Authorization", "Bearer T"),))),
        ("-b a=1 -b b=2", Request(headers=(("Cookie", "a=1; b=2"),))),
        ("-A me -e http://x/", Request(headers=(("User-Agent", "me"), ("Referer", "http://x/")))),
        ("-H 'X-Empty;' -H 'X: a'", Request(headers=(("X-Empty", ""), ("X", "a")))),
        ("-A me -H 'User-Agent:'", Request()),
        ("-H 'Host: other' -H 'Content-Length: 99' -H 'Connection: close'", Request()),
        ("-r 0-99", Request(headers=(("Range", "bytes=0-99"),))),
        ("-o /dev/null -w '%{http_code}' -m 3 --http1.1", Request()),
        (r"-d $'\x41\101\u00e9\t\'\q\cA'", Request(method="POST", headers=(FORM,), body=b"AA\xc3\xa9\t'\\q\x01")),
        (r"-d $'\xff'", Request(method="POST", headers=(FORM,), body=b"\xff")),
        (r'-d "a\"b\\c\n$ d"', Request(method="POST", headers=(FORM,), body=b'a"b\\c\\n$ d')),
        (r"-d a\ b'c'\"d", Request(method="POST", headers=(FORM,), body=b'a bc"d')),
        ("-d 5$", Request(method="POST", headers=(FORM,), body=b"5$")),
        ("-H 'X: 日本'", Request(headers=(("X", "日本".encode().decode("latin-1")),))),
    ],
)
def test_an_option_does_what_it_does_for_curl(arguments, expected, tmp_path, monkeypatch) -> None:
    (tmp_path / "body.txt").write_text("line\nend\n")
    monkeypatch.chdir(tmp_path)
    assert one(arguments) == expected


def test_ansi_c_quotes_are_those_of_bash() -> None:
    word = r"$'\a\b\e\f\n\r\t\v\\\'\"\?\x41\x4g\101\u00e9\U0001F600\cZ\q'"
    bash = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, env={"LC_ALL": "C.UTF-8"}).stdout
    assert one(f"--data-raw {word}").body == bash


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("curl http://shop.test:8000/ --frobnicate", 1, "'--frobnicate'"),
        ("curl http://shop.test:8000/ \\\n  -Z", 2, "'-Z'"),
        ("curl http://shop.test:8000/\n\ncurl -F a=b http://shop.test:8000/", 3, "'-F'"),
        ("curl http://shop.test:8000/ -H", 1, "a value after the option"),
        ("curl -s", 1, "Expected a URL"),
        ("curl ftp://shop.test/x", 1, "scheme http or https"),
        ("curl file:///etc/passwd", 1, "scheme http or https"),
        ("curl 'http://shop.test:99999/'", 1, "Expected a URL"),
        ("curl 'http://shop.test:8000/", 1, "quotation to end"),
        ('curl http://shop.test:8000/ -d "$TOKEN"', 1, "no shell is used"),
        ('curl http://shop.test:8000/ -d "`id`"', 1, "no shell is used"),
        ("curl http://shop.test:8000/$(id)", 1, "no shell is used"),
        ("curl http://shop.test:8000/ | jq .", 1, "piped or redirected"),
        ("curl http://shop.test:8000/ > out", 1, "piped or redirected"),
        ("curl http://shop.test:8000/?a=1&b=2", 1, "Expected a curl command"),
        ("wget http://shop.test:8000/", 1, "Expected a curl command"),
        ('curl http://shop.test:8000/ -H "X: a\nEvil: b"', 1, "line breaks"),
        ("curl http://shop.test:8000/ -H $'X: a\\r\\nEvil: b'", 1, "line breaks"),
        ("curl http://shop.test:8000/ -X 'GET / HTTP/1.1'", 1, "HTTP method"),
        ("curl http://shop.test:8000/ -b jar.txt", 1, "cookies as name=value"),
        ("curl http://shop.test:8000/ -d @missing.txt", 1, "readable file"),
        ("curl http://shop.test:8000/ \\", 1, "after the backslash"),
        ("curl 'http://shop.test:8000/item[1-9]'", 1, "a pattern"),
        ("curl 'http://shop.test:8000/?q={a,b}'", 1, "a pattern"),
        ('curl ^"http://shop.test:8000/^"', None, "Windows"),
    ],
)
def test_what_is_not_understood_is_named_with_its_line(text, line, says) -> None:
    with pytest.raises(InvalidValue) as caught:
        requests(text)
    assert says in str(caught.value)
    assert caught.value.where == ("calls.txt" if line is None else f"calls.txt:{line}")


def test_a_secret_is_in_no_message() -> None:
    for arguments in ("-u secret", "-H secret"):
        with pytest.raises(InvalidValue) as caught:
            one(arguments)
        assert "secret" not in str(caught.value)


def test_requests_of_another_host_are_counted() -> None:
    text = f"curl {URL}/a\ncurl http://cdn.test/b\ncurl http://shop.test/c"
    imported = parse_curl(text, "calls.txt", OPTIONS)
    assert [request.target for request in imported.requests] == ["/a"]
    assert [(each.reason, each.count) for each in imported.skipped] == [("of another host", 2)]
    assert [r.target for r in requests(text, host="cdn.test")] == ["/b"]
    assert [r.target for r in requests(text, host="SHOP.test")] == ["/a", "/c"]
    assert [r.target for r in requests(text, host="shop.test:80")] == ["/c"]


def test_brackets_and_braces_are_sent_where_curl_would_too() -> None:
    text = f"curl -g '{URL}/x[1-9]?q={{a,b}}'\ncurl '{URL}/?filter[name]=x&j={{}}'\ncurl 'http://[::1]:8000/'"
    assert [r.target for r in requests(text)] == ["/x[1-9]?q={a,b}", "/?filter[name]=x&j={}"]


def test_dots_in_a_path_are_resolved_as_curl_does() -> None:
    text = f"curl {URL}/../a/./b/..\ncurl --path-as-is {URL}/a/../b\ncurl {URL}/.well-known/x"
    assert [r.target for r in requests(text)] == ["/a/", "/a/../b", "/.well-known/x"]


def test_the_same_command_again_weighs_more() -> None:
    (request,) = requests(f"# twice\ncurl {URL}/a # the first\n$ curl {URL}/a\n")
    assert request.weight == 2


def test_the_path_of_the_target_comes_first() -> None:
    (request,) = parse_curl(f"curl {URL}/a?b=c", "-", ImportOptions(url=f"{URL}/v1/")).requests
    assert request.target == "/v1/a?b=c"


@pytest.mark.parametrize(
    ("head", "known"),
    [
        (b"curl http://x", True),
        (b"# calls\n\n  $ curl \\\n http://x", True),
        (b"curl \\", True),
        (b"curling http://x", False),
        (b"\x00\xff", False),
        (b"", False),
    ],
)
def test_recognition(head, known) -> None:
    assert recognises_curl(head) is known


def test_a_hostile_text_is_split_in_linear_time() -> None:
    for text in ("curl " + "\\\n" * 200_000, 'curl "' + '\\\\"' * 100_000, "curl $'" + "\\" * 200_001, "a" * 1_000_000):
        with pytest.raises(InvalidValue):
            requests(text)
    assert CurlOptions(["curl", "x"], [1, 1], "-").options == [("url", "x", "-:1")]
