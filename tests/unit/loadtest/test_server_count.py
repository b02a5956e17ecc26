"""What a server says it counted, and whether that can be true."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.loadtest import server_count
from perfloop.loadtest.server_count import Counter, CounterReader, judge_count, parse_counter
from perfloop.records import ErrorKind

METRICS = """\
# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{path="/",method="GET"} 120
http_requests_total{path="/a}b \\"c\\"",method="GET"} 1.3e+01 1700000000
http_requests_total{path="/", method="POST"} 7 # {trace_id="abc"} 1.0
# TYPE http_requests_created gauge
http_requests_created 1.7e9
# TYPE never_total counter
# TYPE took summary
took_count 5
"""
STUB_STATUS = (
    "Active connections: 1 \nserver accepts handled requests\n 16 16 310 \nReading: 0 Writing: 1 Waiting: 0 \n"
)
URL = "http://localhost:8000/metrics"


@pytest.mark.parametrize(
    ("text", "counter"),
    [
        (URL, Counter(URL)),
        (f"{URL}#http_requests_total", Counter(URL, "http_requests_total")),
        (f'{URL}?a=1#x:y{{path="/a,b",code="2\\"0"}}', Counter(f"{URL}?a=1", "x:y", {"path": "/a,b", "code": '2"0'})),
        (f"{URL}#x{{}}", Counter(URL, "x")),
    ],
)
def test_counters(text: str, counter: Counter) -> None:
    assert parse_counter(text, where="--server-count") == counter


@pytest.mark.parametrize(
    "text", ["", "ftp://localhost/", URL + "#", URL + "#1st", URL + '#x{path="/"', URL + "#x{path=/}", URL + "#x y"]
)
def test_what_is_no_counter(text: str) -> None:
    with pytest.raises(InvalidValue, match="Expected a URL") as caught:
        parse_counter(text, where="--server-count")
    assert caught.value.where == "--server-count"


def test_a_password_is_neither_sent_nor_shown() -> None:
    with pytest.raises(InvalidValue, match="without user and password") as caught:
        parse_counter("http://me:s3cret@localhost/metrics#x", where="--server-count")
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in str(Counter("http://localhost/?token=s3cret", "x"))


@pytest.mark.parametrize(
    ("counter", "page", "count"),
    [
        (Counter(URL), "1234\n", 1234),
        (Counter(URL), STUB_STATUS, 310),
        (Counter(URL, "http_requests_total"), METRICS, 140),
        (Counter(URL, "http_requests_total", {"path": "/"}), METRICS, 127),
        (Counter(URL, "http_requests_total", {"path": '/a}b "c"'}), METRICS, 13),
        (Counter(URL, "http_requests_total", {"path": "/later"}), METRICS, 0),
        (Counter(URL, "never_total"), METRICS, 0),
        (Counter(URL, "took_count"), METRICS, 5),
    ],
)
def test_what_a_page_says(counter: Counter, page: str, count: int) -> None:
    assert counter.count(page) == count


@pytest.mark.parametrize(
    ("counter", "page", "says"),
    [
        (Counter(URL), "<html>hello</html>", "number on its own"),
        (Counter(URL), "-5", "number on its own"),
        (Counter(URL), METRICS, "which metric of it"),
        (Counter(URL, "http_request_total"), METRICS, "Expected a metric"),
        (Counter(URL, "http_requests_total"), "http_requests_total 12abc", "Expected a number of requests"),
        (Counter(URL, "http_requests_total"), "hello", "Expected a metric"),
    ],
)
def test_what_a_page_does_not_say(counter: Counter, page: str, says: str) -> None:
    with pytest.raises(InvalidValue, match=says) as caught:
        counter.count(page)
    assert URL in str(caught.value)


def test_the_nearest_metric_is_suggested() -> None:
    with pytest.raises(InvalidValue) as caught:
        Counter(URL, "http_request_total").count(METRICS)
    assert caught.value.hint == "did you mean http_requests_total?"


def outcome(*, answered: int = 100, requests: int = 105, never: int = 0, **further: Any) -> Any:
    kinds = [ErrorKind(kind="never sent", count=never, example="")] if never else []
    return SimpleNamespace(
        summary=SimpleNamespace(all_requests=requests),
        results=SimpleNamespace(statuses={"200": answered - 1, "503": 1}, error_kinds=kinds),
        **{"abandoned": 0, "unmeasured": 0, "events": {}, **further},
    )


@pytest.mark.parametrize(
    ("run", "counted", "said"),
    [
        (outcome(), 100, None),
        (outcome(), 105, None),
        (outcome(), 99, "counted 99 requests, but 100 were answered"),
        (outcome(), 106, "counted 106 requests, but only 105 were sent"),
        (outcome(), 200, "counted 200 requests, but only 105 were sent"),
        (outcome(), 0, "counted 0 requests, but 100 were answered"),
        (outcome(never=5), 101, "counted 101 requests, but only 100 were sent"),
        (outcome(abandoned=2, unmeasured=3, events={"retried": 4, "reconnected": 9}), 114, None),
        (outcome(abandoned=2, unmeasured=3, events={"retried": 4, "reconnected": 9}), 115, "only 114 were sent"),
        (outcome(), "it is gone", "it is gone"),
    ],
)
def test_a_count_lies_between_what_was_answered_and_what_was_sent(
    run: Any, counted: int | str, said: str | None
) -> None:
    found = judge_count(run, counted, URL)
    assert found.reason is None if said is None else said in (found.reason or "")
    assert found.counted == (None if isinstance(counted, str) else counted)


def test_reads_of_the_counter_may_be_counted_too() -> None:
    assert judge_count(outcome(), 107, URL, reads=2).reason is None
    assert judge_count(outcome(), 108, URL, reads=2).reason is not None


class Pages:
    """Gives one page after the other, and the last again and again; an error is raised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *pages: str | OSError) -> None:
        self.pages = list(pages)
        self.now = 0.0
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep)
        monkeypatch.setattr(server_count, "time", clock)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def read(self, _url: str) -> str:
        page = self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]
        if isinstance(page, OSError):
            raise page
        return page


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        (["50", "150"], None),
        (["50", "120", "140", "150"], None),  # it was behind the answers
        (["50", "140"], "counted 90 requests"),
        (["50", OSError("refused")], "could not be read after the run: refused"),
        (["50", "oops"], "could not be read after the run: Expected a page"),
        (["50", "0"], "fell by 50 in the run"),
    ],
)
def test_the_counter_has_a_second_to_settle(
    monkeypatch: pytest.MonkeyPatch, pages: list[str | OSError], said: str | None
) -> None:
    given = Pages(monkeypatch, *pages)
    found = CounterReader(Counter(URL), given.read, where="--server-count").after(outcome())
    assert found.reason is None if said is None else said in (found.reason or "")
    assert given.now < 1.2
    assert (given.now > 0.9) == (found.reason is not None and found.counted is not None)


def test_a_counter_that_cannot_be_read_before_the_run_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Pages(monkeypatch, OSError("connection refused"))
    with pytest.raises(ConfigurationError, match="cannot be read: connection refused") as caught:
        CounterReader(Counter(URL, "x"), given.read, where="--server-count")
    assert caught.value.got == f"{URL}#x"
    assert caught.value.hint
