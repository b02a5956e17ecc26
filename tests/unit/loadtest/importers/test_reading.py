from __future__ import annotations

import functools
import gzip
import http.server
import io
import json
import os
import threading

import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.loadtest.importers import IMPORTERS, import_requests, registry

URL = "http://shop.test"
LOG = b'10.0.0.1 - - [25/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 1\n'
HAR = json.dumps({"log": {"entries": [{"request": {"method": "GET", "url": f"{URL}/a"}}]}}).encode()
OPENAPI = b'{"openapi": "3.1.0", "paths": {"/a": {"get": {}}}}'
CURL = b"curl http://shop.test/a\n"
FILES = {"curl": CURL, "har": HAR, "openapi": OPENAPI, "access-log": LOG}


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(data: bytes) -> str:
        (tmp_path / "requests.txt").write_bytes(data)
        return "requests.txt"

    return write


def test_every_format_has_an_example_here() -> None:
    assert [importer.name for importer in IMPORTERS] == list(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_told_by_how_it_begins(name, packed, file) -> None:
    data = gzip.compress(FILES[name], mtime=0) if packed else FILES[name]
    for format_ in (None, name):
        imported = import_requests(file(data), url=URL, format=format_)
        assert imported.format == name
        assert imported.source == "requests.txt"
        assert [request.target for request in imported.requests] == ["/a"]


def test_stdin_is_a_file_too(monkeypatch) -> None:
    reader, writer = os.pipe()
    os.write(writer, LOG * 3)
    os.close(writer)
    with os.fdopen(reader, "rb") as stdin:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stdin))
        imported = import_requests("-", url=URL)
    assert (imported.source, imported.requests[0].weight) == ("stdin", 3)


def test_a_document_is_fetched(tmp_path) -> None:
    (tmp_path / "openapi.json").write_bytes(OPENAPI)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        imported = import_requests(f"{url}/openapi.json?token=secret", url=url)
        with pytest.raises(InvalidValue, match="404"):
            import_requests(f"{url}/missing", url=url)
        server.shutdown()
    assert imported.format == "openapi"
    assert "secret" not in imported.source


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"\x00\x01\x02\xff" * 100, "curl command lines, a HAR"),
        (b"hello\n", "curl command lines, a HAR"),
        (b"<html>", "curl command lines, a HAR"),
        (gzip.compress(LOG * 1000, mtime=0)[:40], "gzip"),
        (b"\x1f\x8bnot gzip", "gzip"),
        (gzip.compress(b"", mtime=0), "empty"),
        (b"curl 'http://shop.test/\xff\xfe'\n", "UTF-8"),
        (b'{"log": {"entries": []}}', "at least one request"),
        (b"curl http://other.test/", "of another host"),
    ],
)
def test_what_is_no_such_file_is_refused(data, says, file) -> None:
    with pytest.raises(InvalidValue, match=says) as caught:
        import_requests(file(data), url=URL)
    assert "requests.txt" in caught.value.where


@pytest.mark.parametrize("name", ["missing.txt", ".", "/nowhere/at/all"])
def test_a_file_that_cannot_be_read_is_named(name, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidValue, match="readable file") as caught:
        import_requests(name, url=URL)
    assert caught.value.where == name


def test_another_host_is_hinted_at(file) -> None:
    with pytest.raises(InvalidValue) as caught:
        import_requests(file(b"curl http://other.test/"), url=URL)
    assert "--import-host" in caught.value.hint


def test_a_file_that_is_read_whole_may_not_be_too_large(file, monkeypatch) -> None:
    small = tuple(each._replace(largest=each.largest and 40) for each in IMPORTERS)
    monkeypatch.setattr("perfloop.loadtest.importers.reading.IMPORTERS", small)
    monkeypatch.setattr(registry, "IMPORTERS", small)
    for data in (CURL * 100, gzip.compress(CURL * 100, mtime=0)):
        with pytest.raises(InvalidValue, match="at most"):
            import_requests(file(data), url=URL)
    assert import_requests(file(LOG * 100), url=URL).requests[0].weight == 100


def test_a_huge_sparse_file_is_refused_by_its_size_alone(tmp_path) -> None:
    path = tmp_path / "large.har"
    with path.open("wb") as large:
        large.write(b'{"log": {')
        large.truncate(1 << 30)
    with pytest.raises(InvalidValue, match="512 MiB"):
        import_requests(path, url=URL)


def test_other_methods_need_leave(file) -> None:
    path = file(b"curl -X DELETE http://shop.test/a")
    with pytest.raises(ConfigurationError, match="GET and HEAD"):
        import_requests(path, url=URL)
    assert import_requests(path, url=URL, unsafe_methods=True).requests[0].method == "DELETE"


def test_an_unknown_format_is_refused(file) -> None:
    with pytest.raises(InvalidValue, match="curl, har, openapi, access-log"):
        import_requests(file(CURL), url=URL, format="postman")
