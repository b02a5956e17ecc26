"""Whom `perfloop monitor` tells of alerts: whoever reads its lines, a file, a webhook."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from ..exceptions import ConfigurationError
from ..monitoring.alerts import Alerts, LogChannel, WebhookChannel
from ..telemetry import Registry
from .streams import note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from ..monitoring import Objective

__all__ = ["WEBHOOK_VARIABLE", "MonitorAlerts"]

WEBHOOK_VARIABLE = "PERFLOOP_ALERT_WEBHOOK"


class MonitorAlerts:
    """Tells of alerts from entering to leaving.

    Args:
        webhook: URL that each is posted to; by default that of the environment variable, empty for none.
        log: file that a line of each is appended to.
        aloud: a line on standard error too.

    Raises:
        InvalidValue: no URL of a webhook.
        ConfigurationError: the file cannot be written.
    """

    def __init__(self, webhook: str | None, log: str | None, *, aloud: bool) -> None:
        # A logger of its own, of which others' handlers know nothing.
        self._logger = logging.Logger("perfloop.alerts", logging.INFO)
        self._logger.addHandler(logging.NullHandler())
        self._stack = ExitStack()
        self._file: _Lines | None = None
        url = webhook or os.environ.get(WEBHOOK_VARIABLE)
        self._webhook = WebhookChannel(url, logger=self._logger) if url else None
        self._alerts = Alerts(
            [LogChannel(self._logger), *([self._webhook] if self._webhook is not None else [])], registry=Registry()
        )
        if aloud:
            self._logger.addHandler(_Lines(lambda line: note(f"alert    {line}")))
        if log is not None:
            self._file = _Lines(self._written_to(log))
            self._file.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
            self._logger.addHandler(self._file)

    def update(self, objectives: Sequence[Objective]) -> None:
        """Tell what is new about the targets."""
        self._alerts.update(objectives)

    def notes(self) -> list[str]:
        """What went wrong, in words."""
        lost = 0 if self._webhook is None else self._webhook.deliveries.lost
        problem = None if self._file is None else self._file.problem
        return [
            *([f"Alerts that did not reach the webhook: {lost}"] if lost else []),
            *([f"Alerts are not in their file: {problem}"] if problem else []),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._alerts.close()
        self._stack.close()

    def _written_to(self, path: str) -> Callable[[str], object]:
        try:
            file = self._stack.enter_context(open(path, "ab", buffering=0))  # noqa: PTH123, SIM115
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"Expected a file that can be written: {getattr(error, 'strerror', error)}",
                got=path,
                where="--alert-log",
            ) from error

        return lambda line: file.write(f"{line}\n".encode())


class _Lines(logging.Handler):
    """Gives each line to a function; one that fails must not end the watch."""

    def __init__(self, write: Callable[[str], object]) -> None:
        super().__init__()
        self._write = write
        self.problem: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write it."""
        try:
            self._write(self.format(record))
        except OSError as error:
            self.problem = error.strerror or type(error).__name__
