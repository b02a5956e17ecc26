"""A record as JSON, the way `--json` prints it and `--output` writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from perfloop.records import AnyRecord

__all__ = ["render_json"]


def render_json(record: AnyRecord) -> bytes:
    """The record as indented UTF-8 JSON with a final newline, valid against docs/record.schema.json."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
