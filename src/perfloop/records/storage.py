"""Records as files, and their schema."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from .._version import __version__
from ..exceptions import RecordTooNew, UnreadableRecord
from .kinds import SCHEMA_VERSION, ComparisonRecord, DiagnosisRecord, LoadRecord, Record

__all__ = ["AnyRecord", "json_schema", "load_record", "save_record"]

AnyRecord = LoadRecord | DiagnosisRecord | ComparisonRecord


def json_schema() -> dict[str, Any]:
    """The JSON Schema of every record, as published in docs/record.schema.json."""
    return msgspec.json.schema(AnyRecord)


def save_record(record: Record, path: str | os.PathLike[str]) -> None:
    """Write a record as indented JSON, whole or not at all.

    Raises:
        OSError: the file cannot be written; an older record at `path` is left as it was.
    """
    target = Path(path)
    data = msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_record(path: str | os.PathLike[str]) -> AnyRecord:
    """Read a record.

    Raises:
        UnreadableRecord: no such file, not JSON, or not a record; says where in the file.
        RecordTooNew: written by a newer perfloop.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableRecord(
            f"Expected a perfloop record, but the file cannot be read: {error.strerror}", where=str(path)
        ) from error
    hint = "records are the JSON files that `perfloop load --output FILE` and `perfloop diagnose --output FILE` write"
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
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
    except msgspec.MsgspecError as error:
        raise UnreadableRecord(f"Expected a perfloop record: {error}", where=str(path), hint=hint) from error
    return record


class _Head(Struct, frozen=True):
    schema_version: int
    perfloop: str = "unknown"
