from __future__ import annotations

import math

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.resilience import settings

CASES = [
    (settings.positive, (), [1, 0.5], [0, -1, math.nan, math.inf, True, "1", None]),
    (settings.at_least, (0,), [0, 0.5], [-1, math.nan, math.inf, False, "1", None]),
    (settings.count, (), [1, 7], [0, -1, 1.0, True, "1", None]),
    (settings.share, (), [0.5, 1], [0, 1.1, -0.5, math.nan, True, "1", None]),
]


@pytest.mark.parametrize(("check", "least", "fine", "wrong"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_what_is_out_of_range_is_refused_by_its_name(check, least, fine, wrong) -> None:
    for value in fine:
        assert check(value, *least, "reset_timeout") == value
    for value in wrong:
        with pytest.raises(InvalidValue, match="reset_timeout"):
            check(value, *least, "reset_timeout")
