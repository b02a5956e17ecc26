"""Whether faults may be injected here. Who does not know that this is no production says no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ALLOW_VARIABLE", "refusal"]

ALLOW_VARIABLE: Final = "PERFLOOP_ALLOW_FAULTS"
_YES: Final = {"1", "true", "yes", "on"}
_ENVIRONMENT_VARIABLES: Final = (
    "ENVIRONMENT",
    "ENV",
    "APP_ENV",
    "APP_ENVIRONMENT",
    "DEPLOYMENT_ENVIRONMENT",
    "DJANGO_ENV",
    "FASTAPI_ENV",
    "FLASK_ENV",
    "PYTHON_ENV",
    "STAGE",
)
_PYTEST_RUNS: Final = ("PYTEST_VERSION", "PYTEST_CURRENT_TEST")
"""The first is there for the whole session, also while test modules are imported."""
_NO_PRODUCTION: Final = {"test", "tests", "testing", "ci", "dev", "develop", "development", "local"}


def refusal(allow: bool | None, environ: Mapping[str, str]) -> str | None:
    """Why not; None: they may be.

    Args:
        allow: decides if it is not None.
        environ: the process' environment. PERFLOOP_ALLOW_FAULTS decides if it is set. Else every variable that names
            the environment (`APP_ENV`, `ENVIRONMENT` …) has to name one for tests or development, and there has to be
            one, or pytest has to run.
    """
    if allow is not None:
        return None if allow else "allow=False"
    said = environ.get(ALLOW_VARIABLE)
    if said is not None:
        return None if said.strip().lower() in _YES else f"{ALLOW_VARIABLE} is {said!r}"
    named = {name: environ[name] for name in _ENVIRONMENT_VARIABLES if environ.get(name)}
    for name, value in named.items():
        if value.strip().lower() not in _NO_PRODUCTION:
            return f"{name} is {value!r}"
    if named or any(name in environ for name in _PYTEST_RUNS):
        return None
    return "nothing says that this is no production"
