"""The event loop that a load test has of its own."""

from __future__ import annotations

import asyncio

import pytest

from perfloop.loadtest.running import run_interruptibly


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"), False),
        (RuntimeError("something else"), True),
        (ValueError("the handler is closed"), True),
    ],
)
def test_nothing_is_told_of_a_handshake_whose_connection_ended(
    caplog: pytest.LogCaptureFixture, error: Exception, told: bool
) -> None:
    async def measure(_stop: asyncio.Event) -> None:
        context = {"message": "Fatal error on SSL protocol", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)

    run_interruptibly(measure, stop_on_interrupt=False)
    assert ("Fatal error" in caplog.text) is told
