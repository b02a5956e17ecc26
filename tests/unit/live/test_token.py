from __future__ import annotations

import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.live.token import checked_token


def test_a_long_one_is_taken() -> None:
    assert checked_token("abcdefghijklmn-_") == "abcdefghijklmn-_"


@pytest.mark.parametrize("token", ["short", "fifteen-letters", "spaces are not fine", "é" * 16, "x" * 20 + ";"])
def test_others_are_refused_and_not_shown(token: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        checked_token(token)
    assert token not in str(caught.value)


@pytest.mark.parametrize("token", ["", None])
def test_none_is_an_error(token: str | None) -> None:
    with pytest.raises(ConfigurationError, match="PERFLOOP_MONITOR_TOKEN"):
        checked_token(token)
