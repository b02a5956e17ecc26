"""The pytest plugin: `perfloop_slo` says whether an application is as fast as promised, in a test.

pytest imports this in every session of an environment that has perfloop, so everything else is imported by the tests
that use the fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .slo import Slo

__all__ = ["perfloop_slo", "pytest_addoption"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's options."""
    parser.getgroup("perfloop").addoption(
        "--perfloop-update-baseline",
        action="store_true",
        help="write the baselines that perfloop_slo compares with, instead of comparing",
    )


@pytest.fixture
def perfloop_slo(request: pytest.FixtureRequest, tmp_path: Path) -> Slo:
    """Loads an application or a URL and fails the test when a goal is missed: see `Slo.__call__`."""
    from .slo import Slo

    return Slo(
        tmp_path,
        root=request.config.rootpath,
        update_baseline=bool(request.config.getoption("--perfloop-update-baseline")),
    )
