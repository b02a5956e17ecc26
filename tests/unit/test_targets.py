from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.records import Figures, LoadPlan, LoadSummary
from perfloop.targets import Measured, Targets, evaluate, load_targets

if TYPE_CHECKING:
    from pathlib import Path

ALL = (
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "requests_per_second",
    "transactions_per_second",
    "bytes_per_second",
    "cpu",
    "memory",
    "disk",
)


def outcome(targets: Targets, measured: Measured, name: str) -> str:
    return next(result.outcome for result in evaluate(targets, measured) if result.name == name)


def test_the_guides_targets_are_the_defaults() -> None:
    results = {result.name: (result.target, result.unit) for result in evaluate(Targets(), Measured())}
    assert results == {
        "latency_p50": (100, "ms"),
        "latency_p95": (500, "ms"),
        "latency_p99": (1000, "ms"),
        "requests_per_second": (10_000, "requests/s"),
        "transactions_per_second": (5_000, "commits/s"),
        "bytes_per_second": (50, "MB/s"),
        "cpu": (70, "%"),
        "memory": (60, "%"),
        "disk": (40, "%"),
    }
    assert tuple(results) == ALL


def test_nothing_measured_is_nothing_met_and_says_why() -> None:
    for result in evaluate(Targets(), Measured()):
        assert result.outcome == "not measured"
        assert result.measured is None
        assert result.why is not None
        assert result.why.endswith("not measured in this run")


@pytest.mark.parametrize("name", ["latency_p50", "latency_p95", "latency_p99", "cpu", "memory", "disk"])
def test_limits_are_met_at_the_limit(name: str) -> None:
    targets = Targets(**{name: 0.3})
    for measured, expected in ((0.0, "met"), (0.3, "met"), (0.1 + 0.2, "met"), (0.3001, "missed")):
        assert outcome(targets, Measured(**{name: measured}), name) == expected


@pytest.mark.parametrize("name", ["requests_per_second", "transactions_per_second", "bytes_per_second"])
@pytest.mark.parametrize(
    ("rate", "saturating", "expected"),
    [
        (1000.0, False, "met"),
        (1000.0, True, "met"),
        (2000.0, False, "met"),
        (999.0, False, "not measured"),
        (999.0, True, "missed"),
        (0.0, False, "not measured"),
        (0.0, True, "missed"),
    ],
)
def test_rates_are_judged_on_what_the_service_can_do(name: str, rate: float, saturating: bool, expected: str) -> None:
    assert outcome(Targets(**{name: 1000}), Measured(**{name: rate}, saturating=saturating), name) == expected


def test_a_rate_below_target_in_an_open_run_shows_its_figure_and_the_way_out() -> None:
    result = next(
        each for each in evaluate(Targets(), Measured(requests_per_second=150)) if each.name == "requests_per_second"
    )
    assert result.measured == 150
    assert result.why is not None
    assert "capacity search" in result.why


def test_a_target_that_was_taken_away_is_not_judged() -> None:
    names = [result.name for result in evaluate(Targets(disk=None, cpu=None), Measured(cpu=0.9))]
    assert names == [name for name in ALL if name not in ("disk", "cpu")]


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_a_measurement_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(InvalidValue, match="finite measurement") as caught:
        evaluate(Targets(), Measured(latency_p99=value))
    assert caught.value.where == "latency_p99"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_targets_out_of_range(name: str, value: float) -> None:
    with pytest.raises(InvalidValue) as caught:
        Targets(**{name: value})
    assert caught.value.where == name


def test_a_share_is_no_more_than_all() -> None:
    assert Targets(cpu=1.0).cpu == 1.0
    with pytest.raises(InvalidValue, match=r"70% or 0\.7"):
        Targets(cpu=70)


def test_targets_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Targets().cpu = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("latency_p50", "200ms", 0.2),
        ("latency_p95", "1.5s", 1.5),
        ("latency_p99", 2, 2.0),
        ("requests_per_second", 300, 300.0),
        ("requests_per_second", "12,000/s", 12_000.0),
        ("transactions_per_second", "2500", 2500.0),
        ("bytes_per_second", "50MB", 5e7),
        ("bytes_per_second", "64KiB/s", 65536.0),
        ("cpu", "80%", 0.8),
        ("memory", 0.5, 0.5),
        ("disk", "0.25", 0.25),
        ("disk", False, None),
    ],
)
def test_mapping_takes_units(name: str, written: Any, value: float | None) -> None:
    targets = Targets.from_mapping({name: written})
    assert getattr(targets, name) == value
    assert msgspec.structs.replace(targets, **{name: getattr(Targets(), name)}) == Targets()


@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [
        ("latency_p50", "fast", "a duration above 0"),
        ("latency_p50", "5 parsecs", "a duration above 0"),
        ("latency_p95", 0, "a duration above 0"),
        ("latency_p99", True, "a duration above 0"),
        ("latency_p99", [1], "a duration above 0"),
        ("latency_p99", None, "a duration above 0"),
        ("requests_per_second", "many", "requests a second"),
        ("requests_per_second", "nan", "requests a second"),
        ("transactions_per_second", -5, "commits a second"),
        ("bytes_per_second", "50 parsecs", "a size a second"),
        ("cpu", 70, "70% or 0.7"),
        ("cpu", "170%", "70% or 0.7"),
        ("disk", "0%", "70% or 0.7"),
    ],
)
def test_mapping_errors_name_key_value_and_what_was_expected(name: str, written: Any, expected: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        Targets.from_mapping({name: written}, where="perfloop.toml: targets")
    assert expected in caught.value.message
    assert caught.value.got == written
    assert caught.value.where == f"perfloop.toml: targets.{name}"


def test_an_unknown_target_and_what_was_meant() -> None:
    with pytest.raises(ConfigurationError, match="Expected one of the targets") as caught:
        Targets.from_mapping({"latency_p9": 1})
    assert caught.value.hint == "did you mean latency_p99?" or caught.value.hint == "did you mean latency_p95?"
    with pytest.raises(ConfigurationError) as caught:
        Targets.from_mapping({"zzz": 1})
    assert caught.value.hint is None


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("perfloop.toml", '[targets]\nlatency_p99 = "200ms"\n'),
        ("pyproject.toml", '[tool.perfloop.targets]\nlatency_p99 = "200ms"\n'),
    ],
)
def test_targets_from_a_file(tmp_path: Path, file: str, text: str) -> None:
    path = tmp_path / file
    path.write_text(text)
    assert load_targets(path) == Targets(latency_p99=0.2)


def test_a_file_without_the_table_gives_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\nname = 'x'\n")
    assert load_targets(path) == Targets()


@pytest.mark.parametrize(
    "text",
    ["targets = 3\n", "[targets]\ncpu = 70\n", "[targets\n", "[targets]\nwrong = 1\n", b"\xff\xfe".decode("latin-1")],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "perfloop.toml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError) as caught:
        load_targets(path)
    assert str(path) in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        load_targets(tmp_path / "none.toml")


def plan(model: Any) -> LoadPlan:
    return LoadPlan(model=model, connections=4, requests=["GET /"], rate=None if model == "closed" else 10.0)


def summary(*, requests: int = 100, errors: int = 20, trustworthy: bool = True) -> LoadSummary:
    return LoadSummary(
        requests=requests,
        errors=errors,
        rate=requests / 10,
        elapsed_seconds=10.0,
        bytes_received=5000,
        bytes_per_second=500.0,
        latency_ms=Figures(p50=1, p95=2, p99=3),
        service_time_ms=Figures(),
        queue_ms=Figures(),
        send_lag_ms=Figures(),
        generator_cpu_seconds=0.1,
        trustworthy=trustworthy,
    )


def test_what_a_load_test_measured() -> None:
    measured = Measured.of_load(plan("closed"), summary())
    assert (measured.latency_p50, measured.latency_p95, measured.latency_p99) == (0.001, 0.002, 0.003)
    assert measured.requests_per_second == 8, "only answers without error count"
    assert measured.bytes_per_second == 500
    assert measured.saturating
    assert measured.cpu is measured.transactions_per_second is None


def test_an_open_run_or_a_generator_at_its_limit_does_not_saturate() -> None:
    assert not Measured.of_load(plan("open"), summary()).saturating
    assert not Measured.of_load(plan("closed"), summary(trustworthy=False)).saturating


def test_a_load_test_without_an_answer_measured_nothing() -> None:
    assert Measured.of_load(plan("closed"), summary(requests=0, errors=0)) == Measured()
