"""Records as files, and their schema."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from .._version import __version__
from ..exceptions import RecordTooNew, UnreadableRecord
from ..files import read_within, write_whole
from .advice import AdviceRecord
from .capacity import CapacityRecord
from .kinds import SCHEMA_VERSION, ComparisonRecord, DiagnosisRecord, LoadRecord, Record
from .outcomes import OutcomesRecord
from .plan import PlanRecord
from .replay import ReplayRecord
from .workload import WorkloadRecord

if TYPE_CHECKING:
    import os

__all__ = ["AnyRecord", "json_schema", "load_record", "save_record"]

_LARGEST = 256_000_000
"""Bytes of a record that is read; a day's load test has some 20 million."""

AnyRecord = (
    LoadRecord
    | DiagnosisRecord
    | ComparisonRecord
    | CapacityRecord
    | PlanRecord
    | AdviceRecord
    | WorkloadRecord
    | ReplayRecord
)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of every record, as published in docs/record.schema.json; and of the heads of outcome files."""
    schema = msgspec.json.schema(AnyRecord | OutcomesRecord)
    for part in schema["$defs"].values():  # docstrings, whose indentation some versions of msgspec keep
        if "description" in part:
            part["description"] = inspect.cleandoc(part["description"])
    return schema


def save_record(record: Record, path: str | os.PathLike[str]) -> None:
    """Write a record as indented JSON, whole or not at all; a device or a pipe is written to.

    Raises:
        OSError: the file cannot be written; an older record at `path` is left as it was.
    """
    write_whole(path, msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def load_record(path: str | os.PathLike[str]) -> AnyRecord:
    """Read a record.

    Raises:
        UnreadableRecord: no such file, not JSON, or not a record; says where in the file.
        RecordTooNew: written by a newer perfloop.
    """
    try:
        data = read_within(path, _LARGEST)
    except OSError as error:
        raise UnreadableRecord(
            f"Expected a perfloop record, but the file cannot be read: {error.strerror}", where=str(path)
        ) from error
    hint = "records are the JSON files that `perfloop load --output FILE` and `perfloop diagnose --output FILE` write"
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableRecord(f"Expected a perfloop record: {error}", where=str(path), hint=hint) from error
    if head.schema_version > SCHEMA_VERSION:
        raise RecordTooNew(
            f"Expected a record of schema version {SCHEMA_VERSION} or older",
            got=head.schema_version,
            where=str(path),
            hint=f"it was written by perfloop {head.perfloop}; upgrade this one ({__version__})",
        )
    try:
        record: AnyRecord = msgspec.json.decode(data, type=AnyRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableRecord(f"Expected a perfloop record: {error}", where=str(path), hint=hint) from error
    return record


class _Head(Struct, frozen=True):
    schema_version: int
    perfloop: str = "unknown"
