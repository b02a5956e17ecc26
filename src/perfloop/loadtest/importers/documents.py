"""Whole JSON documents, with errors that name the line or the key. Pure."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from ...exceptions import InvalidValue

__all__ = ["decode_json"]

T = TypeVar("T")

_BYTE = re.compile(r" ?\(byte (\d+)\)")
_BOM = b"\xef\xbb\xbf"


def decode_json(data: bytes, kind: type[T], source: str, *, expected: str) -> T:
    """A JSON document of that type.

    Args:
        expected: what it should be, for messages: `a HAR`.

    Raises:
        InvalidValue: not JSON (names the line), or not of that type (names the key).
    """
    view = memoryview(data)
    if bytes(view[:3]) == _BOM:
        view = view[3:]
    try:
        return msgspec.json.decode(view, type=kind)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        raise InvalidValue(
            f"Expected {expected}: {message.strip()}", where=f"{source}: {place.strip(' `')}" if place else source
        ) from error
    except msgspec.DecodeError as error:
        message = str(error)
        found = _BYTE.search(message)
        end = int(found[1]) if found else len(view)  # without a place, it ends too soon
        where = f"{source}:{_line(view, end)}"
        raise InvalidValue(f"Expected {expected}: {_BYTE.sub('', message)}", where=where) from error
    except RecursionError as error:
        raise InvalidValue(f"Expected {expected}, this one is nested too deeply", where=source) from error
    except UnicodeDecodeError as error:
        raise InvalidValue(f"Expected {expected} in UTF-8", where=f"{source}:{_line(view, error.start)}") from error


def _line(view: memoryview, offset: int) -> int:
    return bytes(view[:offset]).count(b"\n") + 1
