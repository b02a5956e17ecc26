from __future__ import annotations

import numpy as np
import pytest

from perfloop.cli import importing
from perfloop.loadtest import LoadOptions, Request
from perfloop.loadtest.arrivals import Replay
from perfloop.loadtest.importers import Imported
from perfloop.loadtest.outcome import LoadOutcome
from perfloop.loadtest.recording import Samples
from perfloop.records import ErrorKind

from ..reporting.sample_runs import run

REQUESTS = (Request(target="/a", weight=3), Request(target="/b"))
IMPORTED = Imported(format="har", source="shop.har", requests=REQUESTS)


def outcome(requests: int, *, abandoned: int = 0, never_sent: int = 0, samples: Samples | None = None) -> LoadOutcome:
    from msgspec import structs

    summary, results = run(seconds=1, rate=requests, typical_ms=10)
    kinds = [ErrorKind(kind="never sent", count=never_sent, example="")] if never_sent else []
    nothing: dict[str, None] = dict.fromkeys(("plan", "latency", "service_time", "queue", "send_lag"))
    return LoadOutcome(
        summary=structs.replace(summary, requests=requests),
        results=structs.replace(results, error_kinds=kinds),
        partial=False,
        abandoned=abandoned,
        samples=samples,
        **nothing,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("requests", "abandoned", "never_sent", "sent", "distance"),
    [(8, 0, 0, 8, 0), (7, 1, 0, 8, 0), (9, 0, 1, 8, 0), (1, 0, 0, 1, 0.25), (0, 0, 0, 0, None)],
)
def test_the_mix_that_was_sent_follows_from_the_order(requests, abandoned, never_sent, sent, distance) -> None:
    options = LoadOptions(url="http://a", requests=REQUESTS)
    found = importing.fidelity_of(IMPORTED, options, outcome(requests, abandoned=abandoned, never_sent=never_sent))
    assert (found.sent, found.mix_distance, found.speed) == (sent, distance, None)


def test_a_replay_is_judged_by_what_was_written() -> None:
    times = np.array([0.0, 1.0, 2.0, 3.0])
    samples = Samples(
        number=np.arange(1, 5),
        request_index=np.array([0, 0, 0, 1], dtype=np.int32),
        due=times,
        free=times,
        written=np.array([0.001, 1.001, 2.001, np.nan]),
        first_byte=times,
        done=times,
        status=np.zeros(4, dtype=np.int32),
        received_bytes=np.zeros(4, dtype=np.int64),
    )
    order = np.array([0, 0, 0, 1], dtype=np.int32)
    options = LoadOptions(url="http://a", requests=REQUESTS, order=order, profile=Replay(times, 2.0))
    found = importing.fidelity_of(IMPORTED, options, outcome(4, samples=samples))
    assert (found.sent, found.mix_distance, found.speed) == (3, 0.25, 2.0)
    assert found.arrival_error_p99_ms == pytest.approx(1)


def test_a_long_file_says_now_and_then_how_far_it_is(monkeypatch, capsys) -> None:
    now = [100.0]
    monkeypatch.setattr(importing.time, "monotonic", lambda: now[0])
    reading = importing._Reading("access.log")
    for lines, at in ((4096, 101.0), (8192, 102.5), (12_288, 103.0), (1_000_000, 105.0)):
        now[0] = at
        reading(lines)
    assert capsys.readouterr().err.splitlines() == [
        "reading access.log: 8,192 lines",
        "reading access.log: 1,000,000 lines",
    ]
