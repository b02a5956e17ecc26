"""Parameters of some executions of each statement, for a parent that asks: type and size, the value only on demand.

No code of the service runs for it: what is no plain value of the standard library has its type alone.
"""

from __future__ import annotations

import sys

from . import PARAMETERS
from .channel import CHANNEL
from .fingerprint import TOKEN
from .protocol import PARAMETERS as KIND
from .protocol import encode_json

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .keys import Keys

__all__ = ["sample"]

_MOST_OF_A_STATEMENT = 50
"""Of one fingerprint: it may have many texts."""
_LARGEST = 100_000
_PLAIN = (str, int, float, bool, type(None))
_BASES = ((int, int.__int__), (float, float.__float__), (str, str.__str__))
_SIZED = (str, bytes, bytearray, list, tuple)
# By name: importing them is the service's business.
_TOLD = {"datetime": ("date", "datetime", "time", "timedelta"), "decimal": ("Decimal",), "uuid": ("UUID",)}

_TAKEN: dict[int, int] = {}


def sample(number: int, sql: str, keys: Keys, parameters: Any) -> None:
    """Tell the parent the parameters of one execution; where it asks for values, also a text that has them itself.

    Args:
        number: the statement's.
        sql: its text.
        keys: of that text; counts what is still wanted.
        parameters: by position or by name; of many executions at once those of the first.
    """
    keys.samples -= 1
    taken = _TAKEN.get(number, 0)
    rows = _in_order(sql, parameters)
    values = PARAMETERS == "values"
    if not number or not (rows or values) or taken >= _MOST_OF_A_STATEMENT:
        return
    _TAKEN[number] = taken + 1
    told: dict[str, Any] = {"statement": number, "parameters": [_described(each, values=values) for each in rows]}
    if values:
        told["sql"] = sql
    payload = encode_json(KIND, told)
    if len(payload) > _LARGEST:
        told = {"statement": number, "parameters": [_described(each, values=False) for each in rows]}
    CHANNEL.put_json(KIND, told)


def _in_order(sql: str, parameters: Any) -> list[Any]:
    """The values in the order of the text's placeholders; named ones in that of their first places."""
    if isinstance(parameters, (list, tuple)):
        first = parameters[0] if parameters else None
        if isinstance(first, (tuple, dict)) or (isinstance(first, list) and first and isinstance(first[0], tuple)):
            # Of many executions.
            return _in_order(sql, first)
        return list(parameters)
    if isinstance(parameters, dict):
        found = (match.group().partition("::")[0] for match in TOKEN.finditer(sql) if match.lastgroup == "parameter")
        names = dict.fromkeys(each[2:-2] if each.startswith("%(") else each[1:] for each in found)
        return [parameters[name] for name in names if name in parameters]
    return []


def _described(value: Any, *, values: bool) -> list[Any]:
    """[type, size or None], with `values` also the value, None where it cannot be told."""
    for base, plain in _BASES:
        if type(value) is not bool and issubclass(type(value), base):
            # As psycopg's Int4, Django's SafeString, or an enumeration's member.
            value = plain(value)
            break
    size = len(value) if type(value) in _SIZED else None
    described: list[Any] = [type(value).__name__, size]
    if values:
        described.append(_told(value))
    return described


def _told(value: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    kind = type(value)
    known = kind.__name__ in _TOLD.get(kind.__module__, ())
    return str(value) if known and getattr(sys.modules.get(kind.__module__), kind.__name__, None) is kind else None
