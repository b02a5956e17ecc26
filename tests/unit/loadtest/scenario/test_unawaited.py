"""Which requests of a scenario's code are never awaited."""

from __future__ import annotations

import pytest

from perfloop.exceptions import ConfigurationError
from perfloop.loadtest.scenario.programming import read_python
from perfloop.loadtest.scenario.unawaited import unawaited


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("async def f(user):\n    await user.get('/')\n    user.post('/')\n    user.get('/')", 3),
        ("async def f(u: User):\n    with u.group('a'):\n        u.get('/')", 3),
        ("async def f(u: loadtest.User):\n    u.request('PUT', '/')", 2),
        ("async def f(*, u: 'User'):\n    u.get('/')", 2),
        ("async def f(user):\n    user.websocket('/')", 2),
        ("async def f(user):\n    events = await user.events('/')", 2),
        ("async def f(user):\n    async def g():\n        user.head('/')\n    await g()", 3),
    ],
)
def test_a_request_that_is_never_awaited(source: str, line: int) -> None:
    found = unawaited(source)
    assert found is not None
    assert found.line == line


@pytest.mark.parametrize(
    "body",
    [
        "await user.get('/')",
        "response = await user.get('/')",
        "call = user.get('/')\n    await call",
        "user.check(True, 'yes')",
        "user.cookies.clear()",
        "session.get('/')",
        "async with user.websocket('/') as ws: ...",
        "async for event in user.events('/'): ...",
    ],
)
def test_what_is_none(body: str) -> None:
    assert unawaited(f"async def f(user, session):\n    {body}") is None
    assert unawaited(f"async def f(session: dict[str, str], user):\n    {body}") is None


def test_the_scenario_is_refused_with_its_line(tmp_path) -> None:
    file = tmp_path / "shop.py"
    file.write_text("async def browse(user):\n    user.get('/products')\n")
    with pytest.raises(ConfigurationError) as caught:
        read_python(str(file))
    assert f"{file}:2" in str(caught.value)
    assert caught.value.hint == "write await user.get(…)"


def test_a_session_is_entered(tmp_path) -> None:
    file = tmp_path / "chat.py"
    file.write_text("async def chat(user):\n    ws = await user.websocket('/ws')\n")
    with pytest.raises(ConfigurationError, match="Expected `async with` before") as caught:
        read_python(str(file))
    assert caught.value.hint == "write async with user.websocket(…) as …:"
