"""What a diagnosis and a comparison are asked to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from ..exceptions import ConfigurationError, InvalidValue
from ..fields import NUMBER, TEXT, WHOLE, WORDS, FieldType, check_fields
from ..loadtest import Request
from ..targets import Targets

if TYPE_CHECKING:
    import os

__all__ = ["ComparisonOptions", "DiagnosisOptions"]


_COMMON = {
    "requests": FieldType((tuple, list), "Request objects", FieldType((Request,), "a Request"), secret=True),
    "ready_url": FieldType((str,), "a URL as text", secret=True),
    "startup_timeout": NUMBER,
    "duration": NUMBER,
    "step_duration": NUMBER,
    "timeout": NUMBER,
    "seed": WHOLE,
}


class DiagnosisOptions(Struct, frozen=True, kw_only=True):
    """One diagnosis.

    Args:
        command: program and arguments that start the service; run without a shell.
        cwd: its working directory; by default this process'. Places in the record are relative to it.
        env: variables added to its environment.
        requests: what to send; default the parameterless GETs of its OpenAPI page, else `GET /`.
        ready_url: ask this URL whether the service is up.
        startup_timeout: seconds until it must have answered.
        duration: seconds of the judged run; a slow service is given up to a quarter as long again.
        step_duration: seconds of each step of the load curve.
        arrival: how the judged run's requests are spaced.
        timeout: seconds until a request fails.
        targets: what the service should achieve; by default the guide's, which reports mention but do not press.
        seed: of arrivals and of the predictions' bootstrap.
        dsn: the database that the service asks, as `open_database` takes it: indexes for its statements are tried on a
            clone.
    """

    command: tuple[str, ...]
    cwd: str | os.PathLike[str] | None = None
    env: dict[str, str] = {}
    requests: tuple[Request, ...] = ()
    ready_url: str | None = None
    startup_timeout: float = 30.0
    duration: float = 8.0
    step_duration: float = 1.0
    arrival: Literal["constant", "poisson"] = "constant"
    timeout: float = 10.0
    targets: Targets | None = None
    seed: int = 0
    dsn: str | None = None

    def validate(self) -> None:
        """Check what can be checked before anything is started.

        Raises:
            ConfigurationError: no command.
            InvalidValue: a duration that is not above 0, or a request that cannot be sent.
        """
        check_fields(
            self,
            {"command": WORDS, **_COMMON, "arrival": TEXT, "targets": FieldType((Targets,), "Targets")}
            | {"dsn": FieldType((str,), "a URL as text", secret=True)},
            optional=("ready_url", "targets", "dsn"),
        )
        if not self.command:
            raise ConfigurationError("Expected the service's command", hint="perfloop diagnose -- uvicorn shop:app")
        _positive(
            duration=self.duration,
            step_duration=self.step_duration,
            startup_timeout=self.startup_timeout,
            timeout=self.timeout,
        )
        for request in self.requests:
            request.validate()


class ComparisonOptions(Struct, frozen=True, kw_only=True):
    """Two commands to compare.

    Args:
        a, b: program and arguments of each arm; run without a shell. B is judged against A.
        env_a, env_b: variables added to the arm's environment.
        cwd: working directory of both.
        requests: what to send to both; default as for a diagnosis, found at A.
        runs: how often each is started and measured; fewer than 5 decide nothing.
        duration: seconds each open run lasts.
        step_duration: seconds the capacity of each run is measured, after half as long for warming up.
        ready_url, startup_timeout, timeout: as for a diagnosis.
        confidence: of the intervals.
        seed: of the bootstrap.
    """

    a: tuple[str, ...]
    b: tuple[str, ...]
    env_a: dict[str, str] = {}
    env_b: dict[str, str] = {}
    cwd: str | os.PathLike[str] | None = None
    requests: tuple[Request, ...] = ()
    runs: int = 5
    duration: float = 3.0
    step_duration: float = 1.0
    ready_url: str | None = None
    startup_timeout: float = 30.0
    timeout: float = 10.0
    confidence: float = 0.95
    seed: int = 0

    def validate(self) -> None:
        """Check what can be checked before anything is started.

        Raises:
            ConfigurationError: an arm without a command.
            InvalidValue: a number out of range.
        """
        fields = {"a": WORDS, "b": WORDS, **_COMMON, "runs": WHOLE, "confidence": NUMBER}
        check_fields(self, fields, optional=("ready_url",))
        if not (self.a and self.b):
            raise ConfigurationError("Expected two commands to compare")
        if self.runs < 1:
            raise InvalidValue("Expected at least one run", got=self.runs, where="runs")
        if not 0 < self.confidence < 1:
            raise InvalidValue("Expected a confidence between 0 and 1", got=self.confidence, where="confidence")
        _positive(
            duration=self.duration,
            step_duration=self.step_duration,
            startup_timeout=self.startup_timeout,
            timeout=self.timeout,
        )
        for request in self.requests:
            request.validate()


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise InvalidValue("Expected a number of seconds above 0", got=value, where=name)
