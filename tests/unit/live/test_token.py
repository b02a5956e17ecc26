from __future__ import annotations

import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.http_access import AddressAccess, TokenAccess
from perfloop.live.token import access_to, checked_token


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


def test_who_may_read_a_page_is_decided_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERFLOOP_MONITOR_TOKEN", raising=False)
    for host in ("127.0.0.1", "::1", "localhost"):
        access, query = access_to(host)
        assert (type(access), query) == (AddressAccess, "")
    access, query = access_to("0.0.0.0")
    assert isinstance(access, TokenAccess)
    assert len(query) >= len("?token=") + 16
    monkeypatch.setenv("PERFLOOP_MONITOR_TOKEN", "a-token-of-the-user")
    assert access_to("192.0.2.1")[1] == "?token=a-token-of-the-user"
    monkeypatch.setenv("PERFLOOP_MONITOR_TOKEN", "short")
    with pytest.raises(InvalidValue):
        access_to("192.0.2.1")
