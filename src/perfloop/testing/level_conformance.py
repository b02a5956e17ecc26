"""Whether a cache level of somebody's own keeps the rules of `perfloop.caching.Level`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ..caching.effects import Effect, Program, Sleep, run
from .level_checks import CHECKS
from .level_checks.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..caching import Level

__all__ = ["LevelConformance"]


class LevelConformance:
    """Each rule as a check with a name.

        suite = LevelConformance(lambda namespace: MyLevel(namespace))

        @pytest.mark.parametrize("check", suite.names)
        def test_my_level(check):
            suite.check(check)

    Args:
        make_level: gives a level on a namespace. Those of one check are on one store, where nothing else is; names of
            namespaces are random, so that checks can share a store.
        passing: the effect that lets so many seconds pass; waits by default, or moves the clock of a level that takes
            its time from a fake one.
    """

    names: tuple[str, ...] = tuple(CHECKS)

    def __init__(self, make_level: Callable[[str], Level], *, passing: Callable[[float], Effect] = Sleep) -> None:
        self._make_level = make_level
        self._passing = passing

    def program(self, name: str) -> Program[None]:
        """A check, to be run as the level is to be used: `run(…)` in a thread, `await run_async(…)` in a task.

        Raises:
            AssertionError: when it runs, what rule is broken, what was expected and got.
        """
        return CHECKS[name](Scene(self._make_level, self._passing, f"conformance-{secrets.token_hex(8)}:"))

    def check(self, name: str) -> None:
        """Run a check in this thread; raises as `program` does."""
        run(self.program(name))
