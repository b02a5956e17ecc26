"""JUnit XML: the rules of Jenkins' junit-10 schema, and what CI makes of the cases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import msgspec
import pytest

from perfloop.records import Threshold
from perfloop.reporting import render_junit

from .sample_capacities import capacity, hopeless_capacity, interrupted_capacity
from .sample_comparisons import comparison, slower_comparison, undecided_comparison
from .sample_diagnoses import diagnosis, healthy_diagnosis
from .sample_loads import failing_load, load, untrustworthy_load
from .sample_records import SAMPLES

if TYPE_CHECKING:
    from perfloop.records import AnyRecord

# Element: its children, its attributes, those of them that it must have.
GRAMMAR: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"testsuite"}, {"name", "time", "tests", "failures", "errors"}, set()),
    "testsuite": (
        {"properties", "testcase"},
        {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id"},
        {"name", "tests", "failures", "errors"},
    ),
    "properties": ({"property"}, set(), set()),
    "property": (set(), {"name", "value"}, {"name", "value"}),
    "testcase": ({"skipped", "error", "failure"}, {"name", "time", "classname"}, {"name", "classname"}),
    "failure": (set(), {"type", "message"}, {"message"}),
    "error": (set(), {"type", "message"}, {"message"}),
    "skipped": (set(), {"type", "message"}, {"message"}),
}


def cases(record: AnyRecord) -> dict[str, ElementTree.Element | None]:
    """What became of each case, by name; None: it passed."""
    suite = ElementTree.fromstring(render_junit(record))[0]
    return {case.attrib["name"]: next(iter(case), None) for case in suite.iter("testcase")}


def outcomes(record: AnyRecord) -> dict[str, str]:
    return {name: "passed" if found is None else found.tag for name, found in cases(record).items()}


@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_it_is_valid(record: AnyRecord) -> None:
    document = render_junit(record)
    assert document.startswith(b"<?xml version='1.0' encoding='utf-8'?>\n<testsuites ")
    root = ElementTree.fromstring(document)
    for element in root.iter():
        children, attributes, needed = GRAMMAR[element.tag]
        assert {child.tag for child in element} <= children
        assert needed <= set(element.attrib) <= attributes
        assert re.fullmatch(r"\d+\.\d{3}", element.get("time", "0.000"))
    (suite,) = root
    found = list(suite.iter("testcase"))
    assert int(suite.attrib["tests"]) == len(found) >= 1
    for outcome, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.attrib[count]) == len(list(suite.iter(outcome)))
    assert len({case.attrib["name"] for case in found}) == len(found)


def test_each_limit_and_target_is_a_case() -> None:
    record = failing_load()
    found = outcomes(record)
    assert found["the measurement is trustworthy"] == "passed"
    for threshold in record.thresholds:
        assert found[f"fail if {threshold.expression}"] == ("failure" if threshold.failed else "passed")
    assert any(threshold.failed for threshold in record.thresholds)
    failed = next(case for case in cases(record).values() if case is not None)
    assert failed.attrib["message"].startswith("measured ")
    met = outcomes(load())
    assert set(met.values()) <= {"passed", "skipped"}
    assert len(met) == 1 + len(load().thresholds) + len(load().targets)


def test_an_untrustworthy_measurement_is_an_error_and_decides_nothing() -> None:
    record = msgspec.structs.replace(
        untrustworthy_load(),
        thresholds=[Threshold(expression="p99>1ms", measured=9.0, unit="ms", failed=True)],
    )
    found = outcomes(record)
    assert found.pop("the measurement is trustworthy") == "error"
    assert set(found.values()) == {"skipped"}


def test_findings_are_failures_with_their_place() -> None:
    record = diagnosis()
    case = next(case for name, case in cases(record).items() if case is not None and case.tag == "failure")
    place = record.findings[0].place
    assert f"{place.file}:{place.line}" in case.attrib["message"]
    assert case.text is not None
    assert case.text.startswith("fix: ")
    assert outcomes(healthy_diagnosis())["no bottleneck was found"] == "passed"


def test_a_slower_b_is_a_failure() -> None:
    verdict = "B is not slower than A"
    assert outcomes(slower_comparison())[verdict] == "failure"
    assert outcomes(comparison())[verdict] == "passed"
    assert set(outcomes(undecided_comparison()).values()) == {"skipped"}


def test_a_capacity_that_was_not_found_is_told() -> None:
    name = "the capacity was found"
    found = {"found": capacity(), "never": hopeless_capacity(), "unknown": interrupted_capacity()}
    assert {key: outcomes(record)[name] for key, record in found.items()} == {
        "found": "passed",
        "never": "failure",
        "unknown": "error",
    }


def test_hostile_text_stays_text() -> None:
    nasty = '</testcase><failure/>&amp;]]> "quoted" \x00\x1b[31m\x0b \ud800 \ufffe\uffff \u202e <!--'
    record = msgspec.structs.replace(
        load(), thresholds=[Threshold(expression=nasty, measured=None, unit=nasty, failed=True)], target=nasty
    )
    document = render_junit(record).decode()
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", document)
    (name,) = [name for name in cases(record) if name.startswith("fail if </testcase><failure/>&amp;]]>")]
    assert '"quoted"' in name
