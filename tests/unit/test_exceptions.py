from __future__ import annotations

import pickle

import pytest

from perfloop import exceptions
from perfloop.exceptions import InvalidValue, MissingExtra, PerfloopError


def tree(root: type[PerfloopError] = PerfloopError) -> list[type[PerfloopError]]:
    """Every error class of perfloop, those of other modules too."""
    found = [root]
    for child in root.__subclasses__():
        found += tree(child)
    return list(dict.fromkeys(found))


# Class: slug, exit status.
ERRORS = {
    "AsyncMisuse": ("async-misuse", 2),
    "BulkheadFull": ("bulkhead-full", 2),
    "BulkheadTimedOut": ("bulkhead-timed-out", 2),
    "CallRejected": ("call-rejected", 2),
    "CallThrottled": ("call-throttled", 2),
    "CallTimedOut": ("call-timed-out", 2),
    "CircuitOpen": ("circuit-open", 2),
    "DeadlineExceeded": ("deadline-exceeded", 2),
    "LoadShed": ("load-shed", 2),
    "RateLimited": ("rate-limited", 2),
    "ConfigurationError": ("configuration", 2),
    "DatabaseFailed": ("database-failed", 2),
    "LevelFailed": ("level-failed", 2),
    "LoadTimedOut": ("load-timed-out", 2),
    "ReentrantLoad": ("reentrant-load", 2),
    "DatabaseLocked": ("database-locked", 2),
    "DatabaseUnreachable": ("database-unreachable", 2),
    "InternalError": ("internal", 4),
    "InvalidValue": ("invalid-value", 2),
    "MissingExtra": ("missing-extra", 2),
    "NoPrivilege": ("no-privilege", 2),
    "NoServer": ("no-server", 2),
    "PerfloopError": ("error", 2),
    "PortInUse": ("port-in-use", 2),
    "RecordTooNew": ("record-too-new", 2),
    "ServiceDied": ("service-died", 2),
    "ServiceLost": ("service-lost", 3),
    "ServiceNotReady": ("service-not-ready", 2),
    "StatementTimedOut": ("statement-timed-out", 2),
    "UnreachableTarget": ("unreachable-target", 2),
    "UnreadableRecord": ("unreadable-record", 2),
    "UnreadableStatement": ("unreadable-statement", 2),
    "UntrustworthyMeasurement": ("untrustworthy", 3),
    "WorkerLost": ("worker-lost", 3),
}


def test_every_error_is_listed_with_its_slug_and_exit_status() -> None:
    own = [error for error in tree() if error.__module__ == "perfloop.exceptions"]
    assert {error.__name__: (error.slug, error.exit_status) for error in own} == ERRORS
    assert sorted(ERRORS) == exceptions.__all__


def test_slugs_are_distinct() -> None:
    slugs = [slug for slug, _ in ERRORS.values()]
    assert len(set(slugs)) == len(slugs)


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_every_error_shows_what_was_expected_got_and_where(name: str) -> None:
    error = getattr(exceptions, name)(
        "Expected a duration", got="5 parsecs", where="--timeout", hint="write 5s", output="last line"
    )
    assert str(error) == "Expected a duration, got '5 parsecs' (--timeout)"
    assert (error.hint, error.output) == ("write 5s", "last line")
    assert isinstance(error, PerfloopError)
    assert error.__notes__ == ["hint: write 5s"]  # a traceback shows it
    assert error.__doc__
    twin = pickle.loads(pickle.dumps(error))
    assert (str(twin), twin.hint, twin.output) == (str(error), error.hint, error.output)


@pytest.mark.parametrize(
    ("details", "text"),
    [
        ({}, "Expected a number"),
        ({"got": 0}, "Expected a number, got 0"),
        ({"got": ""}, "Expected a number, got ''"),
        ({"where": "key"}, "Expected a number (key)"),
    ],
)
def test_a_message_holds_only_what_is_known(details: dict[str, object], text: str) -> None:
    assert str(PerfloopError("Expected a number", **details)) == text  # type: ignore[arg-type]


def test_errors_are_what_python_calls_them_too() -> None:
    assert issubclass(InvalidValue, ValueError)
    assert issubclass(MissingExtra, ImportError)
