"""The verdict of each record in one sentence."""

from __future__ import annotations

from io import StringIO

import msgspec
import pytest
from rich.console import Console

from perfloop.records import AnyRecord, MetricComparison
from perfloop.reporting import render_html, render_markdown, render_terminal, summary_line
from perfloop.reporting.verdict import (
    before,
    finding_title,
    gain_in_words,
    leading_gain,
    verdict,
    waiting_outside,
)

from .sample_diagnoses import blocking_diagnosis, diagnosis, healthy_diagnosis, waiting_diagnosis
from .sample_loads import failing_load, load
from .sample_records import SAMPLES

LINES = {
    "load": "200 requests/s, p99 83.5 ms, no errors",
    "load-failing": "Failed p99>500ms, errors>0.1%: 120 requests/s, p99 1.2 s, 72 errors (2 %)",
    "load-untrustworthy": "Untrustworthy: the generator sent late: "
    "send lag p99 71.3 ms, more than 10 % of the latency p99",
    "load-empty": "No request finished before the run was interrupted",
    "load-all-errors": "Every request failed: 1 request/s, p99 10 s, 10 errors (100 %)",
    "diagnosis": "N+1 queries on GET /orders: fixing it takes p99 from 412 ms to about 70 ms, and 2 further findings",
    "diagnosis-healthy": "No bottleneck found: capacity 1,812 requests/s, p99 5.41 ms",
    "diagnosis-untrustworthy": "Untrustworthy: the agent sent nothing: no request could be taken apart",
    "comparison": "B is faster than A: latency p99 5.9 times lower, 412 ms → 69.8 ms (5.2–6.6 times)",
    "comparison-slower": "B is slower than A: latency p99 12 % higher, 70 ms → 78.4 ms (8–17 %)",
    "comparison-undecided": "Not enough data to tell A and B apart",
    "comparison-empty": "Not enough data to tell A and B apart",
    "capacity": "Capacity 400 requests/s (379–414, 95 %) with p99<100ms, errors<=0.1%",
    "capacity-limited": "Capacity at least 401 requests/s, limited by the generator: "
    "at 402.1 requests/s: the generator sent late: p99 send lag 26.1 ms, allowed 5 ms",
    "capacity-hopeless": "The targets are missed at any rate: at 12.3 requests/s: p99<100ms: measured 494 ms",
    "capacity-interrupted": "Not enough data to tell the capacity, about 382 requests/s (335–462, 95 %): "
    "interrupted before the answer was as precise as asked (interrupted)",
    "advice": "Build an index on orders (customer_id, placed_at DESC) including total where status <> 'done'::text: "
    "81 % of the workload's cost, and 2 more",
    "advice-none": "Nothing found that is worth doing for this workload (interrupted)",
    "advice-workload": "Load Order.items at once: N+1 on GET /orders: 49 statements less a request",
    "plan": "Sort: 25.5 MB did not fit in work_mem and went through temporary files, and 2 further problems",
    "plan-planned": "Nothing in this plan is out of the ordinary; most goes to Index Scan on orders by "
    "orders_customer_id_idx",
    "replay": "Of 3 settings, max_failures=5 reset_timeout=2.5s, with the fewest calls on the wrong side",
    "replay-quiet": "Not enough data to choose among 2 settings: the record has no outage",
    "plan-sqlite": "SCAN o: every row of o is read",
}
TONES = {
    "load": "good",
    "load-failing": "bad",
    "load-untrustworthy": "warning",
    "load-empty": "bad",
    "load-all-errors": "bad",
    "diagnosis": "bad",
    "diagnosis-healthy": "good",
    "diagnosis-untrustworthy": "warning",
    "comparison": "good",
    "comparison-slower": "bad",
    "comparison-undecided": "warning",
    "capacity": "good",
    "capacity-limited": "warning",
    "capacity-hopeless": "bad",
    "capacity-interrupted": "warning",
    "advice": "warning",
    "advice-none": "good",
    "advice-workload": "warning",
    "replay": "good",
    "replay-quiet": "warning",
    "plan": "warning",
    "plan-planned": "good",
}


@pytest.mark.parametrize("name", LINES)
def test_the_line(name: str) -> None:
    assert summary_line(SAMPLES[name]) == LINES[name]


@pytest.mark.parametrize("name", TONES)
def test_the_tone(name: str) -> None:
    assert verdict(SAMPLES[name]).tone == TONES[name]


@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_a_line_is_one_short_line_for_any_record(record: AnyRecord) -> None:
    line = summary_line(record)
    assert line
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    assert len(line) < 400


def test_errors_without_a_threshold_warn() -> None:
    record = msgspec.structs.replace(failing_load(), thresholds=[])
    assert verdict(record).tone == "warning"
    assert summary_line(record) == "120 requests/s, p99 1.2 s, 72 errors (2 %)"


def test_an_interrupted_run_says_so() -> None:
    assert summary_line(msgspec.structs.replace(load(), partial=True)).endswith("no errors (interrupted)")
    assert "(interrupted)" in summary_line(msgspec.structs.replace(diagnosis(), partial=True))


def test_what_holds_the_loop_is_headlined_by_what_it_costs_the_others() -> None:
    record = blocking_diagnosis()
    (finding,) = record.findings
    gain = leading_gain(record, finding)
    assert (gain.share, gain.of, gain.name, gain.before, gain.after[1]) == (
        0.95,
        "of the service's time",
        "capacity",
        38.0,
        412.0,
    )
    assert "fixing it takes capacity from 38 requests/s to about 412 requests/s" in summary_line(record)
    predicted = msgspec.structs.replace(finding.predicted, capacity_rps=(38.0, 38.5, 40.0))
    gain = leading_gain(record, msgspec.structs.replace(finding, predicted=predicted))
    assert (gain.name, gain.before, gain.after[1]) == ("p99 of GET /orders", 412.3, 250.0)
    assert leading_gain(diagnosis(), diagnosis().findings[0]).name == "p99"


def test_no_page_leads_with_a_gain_of_nothing() -> None:
    record = blocking_diagnosis()
    console = Console(file=StringIO(), width=80)
    render_terminal(record, console)
    for page in (render_html(record), render_markdown(record), console.file.getvalue()):
        assert "0 % of p99" not in page
        assert "95 %" in page
        assert "GET /orders" in page


def test_a_service_that_lets_everybody_wait_is_not_healthy() -> None:
    record = waiting_diagnosis()
    assert waiting_outside(record) == (pytest.approx(165 / 180), "queue")
    assert "92 % of the latency is waiting before it runs, mostly queue" in summary_line(record)
    assert verdict(record).tone == "warning"
    assert ">Healthy<" not in render_html(record)
    assert waiting_outside(healthy_diagnosis()) == (0.0, "")


def test_a_title_names_its_route_once() -> None:
    n_plus_one, index, _ = diagnosis().findings
    assert finding_title(n_plus_one) == "N+1 queries on GET /orders"
    assert finding_title(index) == "Missing index on item(order_id) · GET /orders"


def test_a_prediction_starts_from_its_own_route() -> None:
    record = diagnosis()
    assert before(record, record.findings[2]).p99_ms == 77.0
    assert before(record, record.findings[0]).p99_ms == 412.3
    assert before(record, record.findings[0]).capacity_rps == 38.0
    unseen = msgspec.structs.replace(record.findings[0], route="GET /elsewhere")
    assert before(record, unseen).p99_ms == record.summary.latency_ms.p99


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        ((0.151, 0.169, 0.191), "5.9 times lower (5.2–6.6 times)"),
        ((5.2, 5.51, 5.83), "5.5 times higher (5.2–5.8 times)"),
        ((1.08, 1.12, 1.17), "12 % higher (8–17 %)"),
        ((0.83, 0.88, 0.92), "12 % lower (8–17 %)"),
        ((0.93, 0.97, 1.02), ""),
        ((0.0, 0.5, 0.9), ""),
        (None, ""),
    ],
)
def test_a_gain_in_words(ratio: tuple[float, float, float] | None, words: str) -> None:
    metric = MetricComparison(metric="p99", unit="ms", a=1.0, b=1.0, ratio=ratio, verdict="no difference")
    assert gain_in_words(metric) == words
