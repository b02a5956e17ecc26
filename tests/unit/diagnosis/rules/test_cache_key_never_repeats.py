from __future__ import annotations

import pytest

from perfloop.diagnosis.rules import cache_key_never_repeats
from perfloop.telemetry.caches import KeyPart

from ..caches import cached_run, sample

PARTS = [KeyPart("region", 8, 256), KeyPart("request_id", 256, 8)]


def test_names_the_part_and_what_is_left_without_it() -> None:
    run = cached_run(sample(2000, misses=2000, parts=PARTS, sampled=256), loading=1.0)
    (finding,) = cache_key_never_repeats.RULE.find(run.evidence())
    assert finding.fix.startswith("leave request_id out of the key, if the result does not depend on it")
    assert "request_id is different in 256, and without it they are 8" in finding.evidence
    assert finding.predicted.p50_ms[1] < 5


@pytest.mark.parametrize(
    ("hits", "parts"),
    [
        (400, PARTS),  # keys do repeat
        (0, []),
        (0, [KeyPart("region", 8, 256), KeyPart("user_id", 130, 200)]),  # no part alone keeps them apart
        (0, [KeyPart("tenant", 200, 256), KeyPart("user_id", 256, 200)]),  # without it they would be nearly as many
    ],
)
def test_keys_that_may_repeat_are_no_finding(hits: float, parts: list[KeyPart]) -> None:
    run = cached_run(sample(2000, hits=hits, misses=2000, parts=parts, sampled=256), loading=1.0)
    assert cache_key_never_repeats.RULE.find(run.evidence()) == []
