from __future__ import annotations

import msgspec
import pytest

from perfloop.exceptions import ConfigurationError
from perfloop.loadtest import CapacityOptions, LoadOptions
from perfloop.loadtest.capacity.resuming import common_plan, earlier_probes, goal_texts
from perfloop.records import CapacityRecord, ComparisonRecord, current_environment

from .simulated import probe

OPTIONS = CapacityOptions(load=LoadOptions(url="http://user:secret@127.0.0.1:1/a?token=x"), targets=("p99<1s",))


def record() -> CapacityRecord:
    return CapacityRecord(
        environment=current_environment(),
        partial=True,
        target="http://***@127.0.0.1:1/a?token=***",
        plan=common_plan(OPTIONS),
        goals=goal_texts(OPTIONS),
        precision=0.1,
        confidence=0.95,
        verdict="not enough data",
        capacity_rps=None,
        highest_met_rps=None,
        limited_by="interruption",
        reasons=[],
        probes=[probe(), probe(rate=200.0, verdict="missed")],
        curve=[],
    )


def test_the_probes_of_the_same_question_count() -> None:
    assert earlier_probes(record(), OPTIONS) == record().probes
    # How long and how precisely may change: the probes are answers all the same.
    other = msgspec.structs.replace(OPTIONS, budget=1.0, precision=0.05, most_connections=64)
    assert earlier_probes(record(), other) == record().probes


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"targets": ("p99<2s",)}, "targets"),
        ({"load": LoadOptions(url="http://127.0.0.1:1/b")}, "target"),
        ({"load": msgspec.structs.replace(OPTIONS.load, arrival="poisson")}, "arrival"),
        ({"load": msgspec.structs.replace(OPTIONS.load, method="POST")}, "requests"),
        ({"load": msgspec.structs.replace(OPTIONS.load, timeout=1.0)}, "timeout"),
        ({"load": msgspec.structs.replace(OPTIONS.load, keep_alive=False)}, "keep-alive"),
        ({"load": msgspec.structs.replace(OPTIONS.load, http2=True)}, "streams"),
    ],
)
def test_another_question_is_refused(changed, where: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        earlier_probes(record(), msgspec.structs.replace(OPTIONS, **changed))
    assert error.value.where == where
    assert "secret" not in str(error.value)


def test_another_kind_of_record_is_refused() -> None:
    comparison = ComparisonRecord(
        environment=current_environment(),
        a="a",
        b="b",
        runs=1,
        confidence=0.95,
        metrics=[],
        verdict="not enough data",
    )
    with pytest.raises(ConfigurationError, match="capacity search"):
        earlier_probes(comparison, OPTIONS)
