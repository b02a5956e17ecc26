"""What a declared type says of its values: whether they can be changed, and whether all of them is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cannot_change", "leaves_open"]


def cannot_change(kind: Any) -> bool:
    """Whether no value of the type can be changed by who is given it.

    Raises:
        InvalidValue: msgspec does not know the type.
    """
    return _frozen(_about(kind))


def _about(kind: Any) -> msgspec.inspect.Type:
    try:
        return msgspec.inspect.type_info(kind)
    except TypeError as error:
        raise InvalidValue(
            f"Expected values of a type that msgspec knows: {error}",
            got=kind,
            hint="of models of pydantic only one may be in a union, with None; a RootModel[One | Other] holds either",
        ) from error


def _frozen(kind: msgspec.inspect.Type) -> bool:
    about = msgspec.inspect
    if isinstance(kind, about.UnionType):
        return all(map(_frozen, kind.types))
    if isinstance(kind, about.TupleType):
        return all(map(_frozen, kind.item_types))
    if isinstance(kind, (about.VarTupleType, about.FrozenSetType)):
        return _frozen(kind.item_type)
    if isinstance(kind, about.StructType):
        return kind.cls.__struct_config__.frozen and all(_frozen(field.type) for field in kind.fields)
    if isinstance(kind, about.NamedTupleType):
        return all(_frozen(field.type) for field in kind.fields)
    return isinstance(kind, _ATOMS)


_ATOMS = (
    msgspec.inspect.NoneType,
    msgspec.inspect.BoolType,
    msgspec.inspect.IntType,
    msgspec.inspect.FloatType,
    msgspec.inspect.StrType,
    msgspec.inspect.BytesType,
    msgspec.inspect.DateTimeType,
    msgspec.inspect.TimeType,
    msgspec.inspect.DateType,
    msgspec.inspect.TimeDeltaType,
    msgspec.inspect.UUIDType,
    msgspec.inspect.DecimalType,
    msgspec.inspect.EnumType,
    msgspec.inspect.LiteralType,
)


def leaves_open(kind: Any) -> bool:
    """Whether a part of the type is `Any`, as of `dict[str, Any]` or a bare `list`: a date would come back as text."""
    if kind is object:
        return True
    seen: set[int] = set()
    waiting: list[msgspec.inspect.Type] = [_about(kind)]
    while waiting:
        each = waiting.pop()
        if isinstance(each, msgspec.inspect.AnyType):
            return True
        if id(each) not in seen:  # a type may have itself as a part
            seen.add(id(each))
            waiting += _parts(each)
    return False


def _parts(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    for name in ("type", "item_type", "key_type", "value_type"):
        if isinstance(part := getattr(kind, name, None), msgspec.inspect.Type):
            yield part
    yield from getattr(kind, "types", ())
    yield from getattr(kind, "item_types", ())
    yield from (field.type for field in getattr(kind, "fields", ()))
