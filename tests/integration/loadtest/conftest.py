"""The engine on both event loops."""

from __future__ import annotations

import pytest

from .serving import load_here, load_in_thread


@pytest.fixture(params=[load_here, load_in_thread], ids=["asyncio", "uvloop"])
def load(request):
    return request.param
