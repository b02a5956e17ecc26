"""The engine that a scenario needs: the plain one for independent requests, the one with users for all else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine import Engine
from .compiling import compile_scenario
from .document import Scenario
from .endpoint import Endpoints
from .engine import Behaviour, Script, UserEngine
from .independent import prepare_independent
from .journeys import journey_function
from .programming import load_python

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..lifecycle import Lifecycle
    from ..options import LoadOptions
    from ..outcome import Progress
    from .document import PythonScenario

__all__ = ["engine_for"]


def engine_for(options: LoadOptions, on_progress: Callable[[Progress], None] | None = None) -> Lifecycle:
    """The engine for options that have a scenario.

    Raises:
        ConfigurationError: something in the scenario cannot be used.
    """
    scenario = options.scenario
    assert scenario is not None
    endpoints = Endpoints(options.target(), options.common_headers)
    if not isinstance(scenario, Scenario):
        return UserEngine(options, endpoints, _python(scenario), on_progress)
    compiled = compile_scenario(scenario, headers=options.common_headers, seed=options.own_seed, part=options.part)
    if compiled.independent:
        return Engine(options, on_progress, lambda trace_id: prepare_independent(compiled, options.target(), trace_id))

    behaviours = [
        Behaviour(
            journey.name,
            journey.weight,
            journey_function(journey, endpoints, cookies=compiled.cookies, seed=options.own_seed),
        )
        for journey in compiled.journeys
    ]
    return UserEngine(options, endpoints, Script(tuple(behaviours), cookies=compiled.cookies), on_progress)


def _python(scenario: PythonScenario) -> Script:
    loaded = load_python(scenario)
    return Script(
        tuple(Behaviour(name, weight, function) for name, weight, function in loaded.functions),
        setup=loaded.setup,
        teardown=loaded.teardown,
    )
