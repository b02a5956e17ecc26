"""Whether the server counted as many requests as perfloop says it sent: two witnesses of one run.

The counter is a page that is read before the run and after it: a number on its own, nginx's stub_status, or the metrics
of Prometheus' text format, of which one is summed up over its labels.
"""

from __future__ import annotations

import difflib
import http.client
import re
import ssl
import time
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from ..exceptions import ConfigurationError, InvalidValue
from ..records import ServerCount
from ..redaction import redact_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from .outcome import LoadOutcome

__all__ = ["Counter", "CounterReader", "judge_count", "parse_counter", "read_page"]

_TIMEOUT = 5.0
_SETTLING, _PAUSE = 1.0, 0.1
_LARGEST_PAGE = 10_000_000
_METRIC = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?")
_LABEL = re.compile(r'\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s*(\d[-+.\w]*)(?:\s|$)')
_STUB_STATUS = re.compile(r"server accepts handled requests\s+\d+\s+\d+\s+(\d+)")
_EXAMPLE = 'for example http://127.0.0.1:8000/metrics#http_requests_total{path="/"}'


class Counter(Struct, frozen=True):
    """Where a server says how many requests it has answered."""

    url: str
    metric: str | None = None
    """Of a page in Prometheus' text format; None: the page says only how many."""
    labels: dict[str, str] = {}
    """Only samples with these labels count."""

    def __str__(self) -> str:
        labels = ",".join(f'{name}="{value}"' for name, value in self.labels.items())
        return redact_url(self.url) + (f"#{self.metric}" if self.metric else "") + (f"{{{labels}}}" if labels else "")

    def count(self, page: str) -> int:
        """What the page says.

        Raises:
            InvalidValue: it does not.
        """
        if self.metric is not None:
            return self._sum(page)
        if match := _STUB_STATUS.search(page):
            return int(match[1])
        if not re.fullmatch(r"\d{1,18}", page.strip()):
            raise InvalidValue(
                "Expected a page with a number on its own, or which metric of it counts requests",
                got=page.strip()[:60],
                where=str(self),
                hint=_EXAMPLE,
            )
        return int(page)

    def _sum(self, page: str) -> int:
        assert self.metric is not None
        found, names = 0.0, set()
        for line in page.splitlines():
            if line.startswith("#"):
                names.update(line.split()[2:3])
            elif match := _SAMPLE.match(line):
                names.add(match[1])
                if match[1] == self.metric and self.labels.items() <= _labels(match[2] or "").items():
                    found += _number(line, match[3], str(self))
        # A metric with labels has no sample before the first request, but may have its head.
        if self.metric not in names and self.metric.removesuffix("_total").removesuffix("_count") not in names:
            near = difflib.get_close_matches(self.metric, names, 1)
            hint = f"did you mean {near[0]}?" if near else None if names else "no metric is on that page"
            raise InvalidValue("Expected a metric of the page", got=self.metric, where=str(self), hint=hint)
        return round(found)


def _number(line: str, text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidValue("Expected a number of requests", got=line[:100], where=where) from None


def _labels(text: str) -> dict[str, str]:
    return {match[1]: re.sub(r"\\(.)", _escaped, match[2]) for match in _LABEL.finditer(text)}


def _escaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def parse_counter(text: str, *, where: str) -> Counter:
    """The counter in `URL`, `URL#metric` or `URL#metric{label="value"}`.

    Raises:
        InvalidValue: anything else.
    """
    url, hash_sign, fragment = text.partition("#")
    match = _METRIC.fullmatch(fragment.strip())
    labels = match[2] or "" if match else ""
    if "@" in urlsplit(url).netloc:
        raise InvalidValue("Expected a URL without user and password", got=redact_url(url), where=where)
    if not url.startswith(("http://", "https://")) or (hash_sign and match is None) or _LABEL.sub("", labels).strip():
        raise InvalidValue(
            "Expected a URL of http:// or https://, and a metric behind # where the page has several",
            got=redact_url(text),
            where=where,
            hint=_EXAMPLE,
        )
    return Counter(url, match[1] if match and hash_sign else None, _labels(labels))


def read_page(url: str, *, insecure: bool = False) -> str:
    """The text of a page, got without a proxy.

    Raises:
        OSError: it cannot be read within 5 s.
    """
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=_TIMEOUT) as response:
            page: bytes = response.read(_LARGEST_PAGE)
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(str(error) or type(error).__name__) from error
    return page.decode("utf-8", "replace")


class CounterReader:
    """Reads a counter before a run, when it is made, and after it.

    Raises:
        ConfigurationError: it cannot be read.
    """

    def __init__(self, counter: Counter, read: Callable[[str], str], *, where: str) -> None:
        self.counter = counter
        self._read = read
        self._reads = 0
        try:
            self._before = self._count()
        except OSError as error:
            raise ConfigurationError(
                f"Expected a page with the server's count of requests, which cannot be read: {error}",
                got=str(counter),
                where=where,
                hint="is the server up, and is it the right path? The page must answer before the run",
            ) from error

    def _count(self) -> int:
        self._reads += 1
        return self.counter.count(self._read(self.counter.url))

    def after(self, outcome: LoadOutcome) -> ServerCount:
        """The judgement on a run, at once or within a second: the counter may be behind the answers."""
        deadline = time.monotonic() + _SETTLING
        while True:
            found = judge_count(outcome, self._after(), str(self.counter), reads=self._reads)
            if found.reason is None or found.counted is None or time.monotonic() >= deadline:
                return found
            time.sleep(_PAUSE)

    def _after(self) -> int | str:
        """How many were counted since; why that is not known."""
        try:
            counted = self._count() - self._before
        except (OSError, InvalidValue) as error:
            return f"the server's count could not be read after the run: {error}"
        if counted < 0:
            return f"the server's count fell by {-counted:,} in the run: it was started anew, or one of several answers"
        return counted


def judge_count(outcome: LoadOutcome, counted: int | str, source: str, *, reads: int = 0) -> ServerCount:
    """Whether a count can be true: no fewer than perfloop got answers, no more than it sent and read the counter.

    Args:
        counted: requests in the run; or why that is not known.
        reads: how often the counter itself was read, which it may count.
    """
    never = sum(kind.count for kind in outcome.results.error_kinds if kind.kind == "never sent")
    answered = sum(outcome.results.statuses.values())
    sent = outcome.summary.all_requests - never + outcome.abandoned + outcome.unmeasured
    sent += outcome.events.get("retried", 0)
    reason = None
    if isinstance(counted, str):
        reason = counted
    elif counted < answered:
        reason = (
            f"the server counted {counted:,} requests, but {answered:,} were answered: something in front of it "
            "answered, or it is one of several"
        )
    elif counted > sent + reads:
        reason = (
            f"the server counted {counted:,} requests, but only {sent:,} were sent: others sent some too, or it counts "
            "them twice"
        )
    return ServerCount(
        source=source,
        counted=None if isinstance(counted, str) else counted,
        answered=answered,
        sent=sent,
        reason=reason,
    )
