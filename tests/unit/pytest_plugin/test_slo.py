"""When a test fails, what it then says, and what is repeated. Running it is for the integration tests."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.pytest_plugin.goals import GoalOutcome
from perfloop.pytest_plugin.slo import Measured, Slo, SloWarning, _give_up, breach, until_trustworthy

from ..reporting.sample_comparisons import slower_comparison, undecided_comparison
from ..reporting.sample_loads import failing_load, load, untrustworthy_load
from ..test_public_names import loaded_by

MET = GoalOutcome("errors<0.1%", 0.0, "%", True)
MISSED = GoalOutcome("p99<50ms", 81.25, "ms", False)


def measured(record=None) -> Measured:
    return Measured(record or load(), Path("slo-1.json"), Path("slo-1.html"))


def test_the_plugin_costs_a_test_run_nothing() -> None:
    loaded = loaded_by("import pytest; before = set(sys.modules); import perfloop.pytest_plugin")
    assert loaded == {"perfloop", "perfloop._version", "perfloop.pytest_plugin"}


def test_goals_that_are_met_say_nothing() -> None:
    assert breach("app", measured(), [MET], None) is None
    assert breach("app", measured(), [MET], undecided_comparison()) is None


def test_a_breach_says_what_was_measured_and_where_to_read_more() -> None:
    assert breach("shop.app", measured(failing_load()), [MISSED, MET], None) == (
        "SLO not met: shop.app, GET /orders?page=1, 2x GET /items/7, POST /carts, at 120 requests/s for 30 s\n"
        "  ✗ p99<50ms     measured 81.2 ms\n"
        "  ✓ errors<0.1%  measured 0 %\n"
        + "".join(
            f"    {kind.count} × {kind.kind}: {kind.example}\n" for kind in failing_load().results.error_kinds[:3]
        )
        + "  record  slo-1.json\n  report  slo-1.html"
    )


def test_slower_than_the_baseline_is_a_breach() -> None:
    said = breach("app", measured(), [MET], slower_comparison())
    assert said is not None
    assert "✗ slower than" in said


@pytest.mark.parametrize(("trusted", "runs"), [([True], 1), ([False, True], 2), ([False] * 3, 3)])
def test_what_cannot_be_trusted_is_repeated(trusted: list[bool], runs: int) -> None:
    records = iter([load() if each else untrustworthy_load() for each in trusted])
    last, attempts = until_trustworthy(lambda: measured(next(records)), retries=2)
    assert (attempts, last.record.summary.trustworthy) == (runs, trusted[-1])


def test_no_retries_is_one_run() -> None:
    assert until_trustworthy(lambda: measured(untrustworthy_load()), retries=0)[1] == 1


def test_what_could_not_be_trusted_is_no_failure_but_is_told() -> None:
    with (
        pytest.warns(SloWarning, match="not judged, 3 runs could not be trusted: the generator sent late"),
        pytest.raises(pytest.xfail.Exception, match="not judged"),
    ):
        _give_up(untrustworthy_load().summary, 3)


def test_nothing_to_judge_by_is_told(tmp_path: Path) -> None:
    slo = Slo(tmp_path, root=tmp_path)
    with pytest.raises(ConfigurationError, match="Expected a goal or a baseline"):
        slo("http://127.0.0.1:1/", rate=10)
    with pytest.raises(ConfigurationError, match="Expected a rate") as unsaid:
        slo("http://127.0.0.1:1/", "p99<50ms")
    assert unsaid.value.__notes__[0].startswith("hint: rate=100 sends 100 requests a second")
    with pytest.raises(InvalidValue) as caught:
        slo("http://127.0.0.1:1/", "p99<fast", rate=10)
    assert caught.value.__notes__[0].startswith("hint: ")


@pytest.mark.parametrize(
    ("target", "path", "message"),
    [("http://127.0.0.1:1/", "/x", "no path beside a URL"), (object(), "orders", "a path that starts with /")],
)
def test_a_path_that_cannot_be_is_told(target: object, path: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        Slo(tmp_path, root=tmp_path)(target, "p99<1s", rate=10, path=path)
    assert caught.value.got == path


def test_a_run_too_short_for_a_goal_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="at least 299 requests") as caught:
        Slo(tmp_path, root=tmp_path)("http://127.0.0.1:1/", "p99<1s", rate=50)
    assert caught.value.__notes__[0].startswith("hint: duration=6")


def test_a_missing_baseline_says_how_to_write_it(tmp_path: Path) -> None:
    slo = Slo(tmp_path, root=tmp_path)
    with pytest.raises(ConfigurationError, match="Expected a baseline") as caught:
        slo("http://127.0.0.1:1/", rate=10, baseline="base/line.json")
    assert caught.value.got == str(tmp_path / "base/line.json")
    assert "--perfloop-update-baseline" in (caught.value.hint or "")


def test_a_record_without_requests_breaks_its_goals() -> None:
    summary = msgspec.structs.replace(load().summary, requests=0)
    record = msgspec.structs.replace(load(), summary=summary)
    said = breach("app", measured(record), [GoalOutcome("p99<50ms", None, "ms", False)], None)
    assert said is not None
    assert "measured –" in said
