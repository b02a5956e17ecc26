from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .http_service import HTTPService, http_service

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def service() -> Iterator[HTTPService]:
    with http_service() as running:
        yield running
