"""A record as JUnit XML: each limit, each target and the verdict on the measurement as a test case that CI shows.

Only what Ant, Jenkins (its junit-10 schema), GitLab and GitHub's readers have in common is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple
from xml.etree import ElementTree

from perfloop.records import (
    AdviceRecord,
    CapacityRecord,
    ComparisonRecord,
    LoadRecord,
    PlanRecord,
    ReplayRecord,
    WorkloadRecord,
)

from . import figures
from .advice import advice_entries
from .description import server_count_in_words, warm_up_in_words
from .plan import node_title
from .verdict import finding_title, gain_in_words, summary_line
from .workload import repeated_in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from perfloop.records import AnyRecord, DiagnosisRecord, LoadSummary, TargetResult

__all__ = ["render_junit"]

_LONGEST_TEXT = 2_000
_NOT_XML = str.maketrans(dict.fromkeys("\ufffe\uffff", "\ufffd"))


class Case(NamedTuple):
    """One test case. `outcome` None: it passed."""

    group: str
    name: str
    outcome: Literal["failure", "error", "skipped"] | None = None
    message: str = ""
    detail: str = ""


def render_junit(record: AnyRecord) -> bytes:
    """The record as one test suite, UTF-8.

    A limit that was broken, a target that was missed, a finding and a slower B are failures; a measurement that is not
    trustworthy is an error, and what it would have decided is skipped.
    """
    if isinstance(record, ComparisonRecord):
        cases = list(_comparison(record))
    elif isinstance(record, CapacityRecord):
        cases = [_capacity(record)]
    elif isinstance(record, AdviceRecord):
        cases = list(_advice(record))
    elif isinstance(record, PlanRecord):
        cases = list(_plan(record))
    elif isinstance(record, ReplayRecord):
        cases = [Case("replay", summary_line(record), None if record.chosen is not None else "skipped", record.reason)]
    elif isinstance(record, WorkloadRecord):
        cases = list(_workload(record))
    else:
        cases = [_trust(record.summary), *(_load(record) if isinstance(record, LoadRecord) else _diagnosis(record))]
        if not record.summary.trustworthy:
            cases[1:] = [
                Case(case.group, case.name, "skipped", "the measurement is not trustworthy") for case in cases[1:]
            ]
    kind = str(record.__struct_config__.tag)
    seconds = _seconds(record)
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.outcome == "failure" for case in cases)),
        "errors": str(sum(case.outcome == "error" for case in cases)),
    }
    root = ElementTree.Element("testsuites", {"name": "perfloop", **counts})
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "name": f"perfloop {kind}",
            **counts,
            "skipped": str(sum(case.outcome == "skipped" for case in cases)),
            "time": f"{seconds:.3f}",
            "timestamp": _text(record.created)[:19],  # the schema has no place for the zone, which is UTC
        },
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(record):
        ElementTree.SubElement(properties, "property", {"name": name, "value": _text(value)})
    for case in cases:
        _add(suite, f"perfloop.{kind}.{case.group}", case)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _add(suite: ElementTree.Element, classname: str, case: Case) -> None:
    element = ElementTree.SubElement(
        suite, "testcase", {"classname": classname, "name": _text(case.name), "time": "0.000"}
    )
    if case.outcome is not None:
        told = ElementTree.SubElement(element, case.outcome, {"message": _text(case.message), "type": case.group})
        told.text = _text(case.detail) or None


def _properties(record: AnyRecord) -> Iterator[tuple[str, str]]:
    yield "verdict", summary_line(record)
    yield "perfloop", record.perfloop
    yield "python", f"{record.environment.implementation} {record.environment.python}"
    if isinstance(record, ComparisonRecord):
        yield from (("a", record.a), ("b", record.b))
        return
    if isinstance(record, AdviceRecord):
        yield from (("database", record.database), ("clone", record.clone))
        return
    if isinstance(record, PlanRecord):
        yield from (("database", record.database), ("statement", record.sql))
        return
    if isinstance(record, ReplayRecord):
        yield from (("recorder", record.name), ("calls", str(record.calls)), ("settings", str(len(record.results))))
        return
    if isinstance(record, WorkloadRecord):
        yield from (("source", record.source), ("statements", str(len(record.statements))))
        return
    if isinstance(record, CapacityRecord):
        yield "target", record.target
        if record.capacity_rps is not None:
            yield from zip(
                ("capacity_low", "capacity", "capacity_high"), map("{:.6g}".format, record.capacity_rps), strict=True
            )
        return
    yield "target", record.target if isinstance(record, LoadRecord) else record.service.url
    summary = record.summary
    if isinstance(record, LoadRecord) and record.server_count is not None:
        yield "server_count", server_count_in_words(record.server_count)
    yield "requests", str(summary.requests)
    yield "errors", str(summary.errors)
    if summary.warm_up_seconds:
        yield "warm_up", warm_up_in_words(summary)
    yield "rate", f"{summary.rate:.6g}"
    for name in ("p50", "p95", "p99", "p999", "max"):
        yield f"latency_{name}_ms", f"{getattr(summary.latency_ms, name):.6g}"


def _seconds(record: AnyRecord) -> float:
    if isinstance(record, ComparisonRecord | AdviceRecord):
        return 0.0
    if isinstance(record, PlanRecord):
        return ((record.planning_ms or 0.0) + (record.execution_ms or 0.0)) / 1e3
    if isinstance(record, ReplayRecord):
        return record.seconds
    if isinstance(record, WorkloadRecord):
        return record.seconds or 0.0
    if isinstance(record, CapacityRecord):
        return sum(probe.seconds + probe.recovery_seconds for probe in record.probes)
    return record.summary.run_seconds


def _capacity(record: CapacityRecord) -> Case:
    outcome: dict[str, Literal["failure", "error"]] = {"never met": "failure", "not enough data": "error"}
    return Case(
        "capacity",
        "the capacity was found",
        outcome.get(record.verdict),
        summary_line(record),
        "; ".join(record.reasons),
    )


def _advice(record: AdviceRecord) -> Iterator[Case]:
    entries = advice_entries(record)
    if not entries:
        yield Case("advice", "nothing is worth doing")
    for entry in entries:
        yield Case("advice", entry.title, "failure", entry.gain or entry.why, "; ".join([*entry.proof, *entry.do]))


def _workload(record: WorkloadRecord) -> Iterator[Case]:
    if not record.n_plus_one:
        yield Case("workload", "no statement is repeated for each of many rows")
    for found in record.n_plus_one:
        words = repeated_in_words(found)
        detail = "\n".join(f"{label}: {text}" for label, text in words)
        yield Case("workload", f"N+1 on {found.route or 'a request'}", "failure", words[0][1], detail)


def _plan(record: PlanRecord) -> Iterator[Case]:
    if not record.problems:
        yield Case("plan", "nothing is out of the ordinary")
    nodes = record.nodes
    for problem in record.problems:
        title = "the statement" if problem.node is None else node_title(nodes[problem.node])
        yield Case("plan", f"{problem.kind}: {title}", "failure", problem.words, problem.advice)


def _trust(summary: LoadSummary) -> Case:
    name = "the measurement is trustworthy"
    if summary.trustworthy:
        return Case("trust", name)
    return Case("trust", name, "error", f"untrustworthy: {'; '.join(summary.reasons)}")


def _load(record: LoadRecord) -> Iterator[Case]:
    for threshold in record.thresholds:
        measured = figures.with_unit(threshold.measured, threshold.unit)
        name = f"fail if {threshold.expression}"
        yield Case("threshold", name, "failure" if threshold.failed else None, f"measured {measured}")
    yield from _targets(record.targets)


def _targets(targets: Iterable[TargetResult]) -> Iterator[Case]:
    for target in targets:
        if not target.configured:
            continue
        name = f"{figures.spaced(target.name)} {figures.with_unit(target.target, target.unit)}"
        if target.outcome == "not measured":
            yield Case("target", name, "skipped", f"not measured: {target.why or 'no reason was recorded'}")
        else:
            measured = f"measured {figures.with_unit(target.measured, target.unit)}"
            yield Case("target", name, "failure" if target.outcome == "missed" else None, measured, target.why or "")


def _diagnosis(record: DiagnosisRecord) -> Iterator[Case]:
    for finding in record.findings:
        place = f"{finding.place.file}:{finding.place.line}"
        message = f"{place} in {finding.place.function}: {finding.evidence}"
        yield Case("finding", finding_title(finding), "failure", message, f"fix: {finding.fix}; cost: {finding.cost}")
    if not record.findings and record.summary.requests:
        yield Case("finding", "no bottleneck was found")
    yield from _targets(record.targets)


def _comparison(record: ComparisonRecord) -> Iterator[Case]:
    reasons = "; ".join(record.reasons)
    yield _compared("verdict", "B is not slower than A", record.verdict, "", reasons)
    for metric in record.metrics:
        # What must not be compared as a whole says nothing by parts.
        verdict = record.verdict if record.verdict == "not enough data" else metric.verdict
        yield _compared("metric", figures.spaced(metric.metric), verdict, gain_in_words(metric), reasons)


def _compared(group: str, name: str, verdict: str, gain: str, reasons: str) -> Case:
    if verdict == "slower":
        return Case(group, name, "failure", f"B is slower than A{f': {gain}' if gain else ''}", reasons)
    if verdict == "not enough data":
        return Case(group, name, "skipped", "not enough data", reasons)
    return Case(group, name)


def _text(text: str) -> str:
    """One line that XML can hold: control characters, lone surrogates and U+FFFE made visible."""
    return figures.shorten(figures.clean(text), _LONGEST_TEXT).translate(_NOT_XML)
