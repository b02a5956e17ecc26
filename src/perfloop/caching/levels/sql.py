"""A shared level on tables of a database: its programs, the same for every database that reads our statements."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ...exceptions import InvalidValue
from ..effects import Call, Program, Transport
from .protocol import WRITE_SECONDS, Lease, LeaseState, Stored
from .statements import Dialect, Statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["SQLLevel", "Statement", "Transaction"]

Statement: TypeAlias = tuple[str, tuple[Any, ...]]

_NAME = re.compile(r"(?:[a-z_][a-z0-9_]{0,39}\.)?[a-z_][a-z0-9_]{0,39}")
FORGET_EVERY = 128
"""Entries written between two looks for what may be forgotten; twice as many and some more are forgotten at a look."""


class Transaction(msgspec.Struct, frozen=True):
    """Statements that are done together or not at all. The answer is a list of rows for each."""

    statements: tuple[Statement, ...]
    reads: bool = False
    """Changes nothing, and is one statement."""


class SQLLevel:
    """See `Level`. Each method is one transaction, and now and then another one before it that tidies up.

    Args:
        transport: the way to the database.
        dialect: its kind.
        texts: turns a list of texts into a parameter.
        table: the name of the table of entries, and how those of the other tables begin: lower case, digits and `_`.
        namespace: what keeps users of the same tables apart.
        name: in messages and telemetry.
    """

    def __init__(
        self,
        transport: Transport[Transaction],
        dialect: Dialect,
        texts: Callable[[list[str]], Any],
        *,
        table: str,
        namespace: str,
        name: str,
    ) -> None:
        self.name = name
        self._transport = transport
        self._sql = Statements(dialect, table)
        self._texts = texts
        encoded = _encode(namespace)
        self._key_hash = hashlib.blake2b(b"key\0%d\0%s\0" % (len(encoded), encoded), digest_size=16)
        self._tag_hash = hashlib.blake2b(b"tag\0%d\0%s\0" % (len(encoded), encoded), digest_size=16)
        self._namespace = self._key_id("")
        self._namespace_name = encoded
        lock = hashlib.blake2b(b"%s\0%s" % (table.encode(), encoded), digest_size=8).digest()
        self._lock = int.from_bytes(lock, signed=True)
        self._longest = dict.fromkeys(self._sql.longest, 0.0)
        self._written = 0
        self._is_due = True  # so that a process that lives for a moment tidies up, too

    def read(self, keys: Sequence[str]) -> Program[list[Stored | None]]:
        if not keys:
            return []
        ids = self._texts([self._key_id(key) for key in keys])
        [rows] = yield from self._ask((self._sql.read, (ids,)), reads=True)
        found = {bytes(key): _stored(*row) for key, *row in rows}
        return [found.get(_encode(key)) for key in keys]

    def lease(
        self, keys: Sequence[str], token: str, seconds: float, *, even_if_fresh: bool = False
    ) -> Program[list[Lease]]:
        if not keys:
            return []
        ids = self._sorted(keys)
        yield from self._remember(leased=seconds)
        asked = [
            (
                self._sql.lease,
                (id_, _encode(key), token, seconds, seconds, self._namespace, self._texts([id_]), int(even_if_fresh)),
            )
            for id_, key in ids.items()
        ]
        listed = self._texts(list(ids))
        *_, rows, held_rows = yield from self._change(
            *asked, (self._sql.leased, (listed,)), (self._sql.held, (listed, self._namespace))
        )
        found = {bytes(key): row for key, *row in rows}
        held = {target for (target,) in held_rows}
        leases = []
        for key in keys:
            *value, holder = found.get(_encode(key), (None, None, None, None, None))
            stored = None if value[0] is None else _stored(*value)
            if stored is not None and stored.fresh > 0 and not even_if_fresh:
                state = LeaseState.FRESH
            elif "*" in held or self._key_id(key) in held:
                state = LeaseState.HELD
            else:
                state = LeaseState.GRANTED if holder == token else LeaseState.BUSY
            leases.append(Lease(state, stored))
        return leases

    def fill(self, entries: Mapping[str, Stored], token: str) -> Program[list[bool]]:
        if not entries:
            return []
        yield from self._make_room(entries)
        statements: list[Statement] = []
        for id_, key in self._sorted(entries).items():
            stored = entries[key]
            tags = self._tag_ids(stored.tags)
            values = (
                *self._values(stored, tags),
                id_,
                _encode(key),
                token,
                self._texts([id_, *tags]),
                self._texts(tags),
            )
            statements += [(self._sql.fill, values), (self._sql.abandon, (id_, token))]
        answers = yield from self._change(*statements)
        filled = {id_ for rows in answers for (id_,) in rows}
        return [self._key_id(key) in filled for key in entries]

    def abandon(self, keys: Sequence[str], token: str) -> Program[None]:
        yield from self._ask(*((self._sql.abandon, (id_, token)) for id_ in self._sorted(keys)))

    def write(self, entries: Mapping[str, Stored]) -> Program[None]:
        if not entries:
            return
        yield from self._remember(leased=WRITE_SECONDS)
        token = secrets.token_hex(12)
        claim = (token, WRITE_SECONDS, WRITE_SECONDS, self._namespace)
        ids = self._sorted(entries)
        yield from self._change(*((self._sql.claim, (id_, _encode(key), *claim)) for id_, key in ids.items()))
        yield from self.fill(entries, token)

    def delete(self, keys: Sequence[str]) -> Program[None]:
        yield from self._ask(*self._deleting(keys))

    def expire(self, keys: Sequence[str]) -> Program[None]:
        yield from self._ask(*((self._sql.expire, (id_,)) for id_ in self._sorted(keys)))

    def remove_tags(self, tags: Sequence[str]) -> Program[None]:
        if tags:
            yield from self._tidy(len(tags))
            yield from self._change(*self._removing(tags), alone=True)

    def clear(self) -> Program[None]:
        yield from self._change((self._sql.clear, (self._namespace,)), alone=True)

    def hold(self, keys: Sequence[str], tags: Sequence[str], token: str, seconds: float) -> Program[None]:
        if not keys and not tags:
            return
        yield from self._tidy(len(keys) + len(tags))
        yield from self._remember(held=seconds)
        holding = [(self._sql.hold, (target, token, seconds, seconds)) for target in self._targets(keys, tags)]
        yield from self._change(*holding, *self._deleting(keys), *self._removing(tags), alone=True)

    def release(self, keys: Sequence[str], tags: Sequence[str], token: str) -> Program[None]:
        if not keys and not tags:
            return
        releasing = [(self._sql.release, (target, token)) for target in self._targets(keys, tags)]
        yield from self._change(*self._deleting(keys), *self._removing(tags), *releasing, alone=True)

    def _ask(self, *statements: Statement, reads: bool = False) -> Program[list[list[Any]]]:
        if not statements:
            return []
        answers: list[list[Any]] = yield Call(self._transport, Transaction(statements, reads))
        return answers

    def _change(self, *statements: Statement, alone: bool = False) -> Program[list[list[Any]]]:
        """Do it where the namespace has its row, beside other changes of single keys or alone; the answers to it."""
        begin = self._sql.begin_exclusive if alone else self._sql.begin_shared
        before: list[Statement] = [] if begin is None else [(begin, (self._lock,))]
        before += [
            (self._sql.touch, (self._namespace, self._namespace)),
            (self._sql.know, (self._namespace, self._namespace_name, *self._longest.values())),
        ]
        answers = yield from self._ask(*before, *statements)
        return answers[len(before) :]

    def _deleting(self, keys: Iterable[str]) -> list[Statement]:
        return [(self._sql.delete, (id_,)) for id_ in self._sorted(keys)]

    def _removing(self, tags: Sequence[str]) -> list[Statement]:
        if not tags:
            return []
        removing = [(self._sql.remove_tag, (tag, self._namespace)) for tag in self._tag_ids(tags)]
        return [(self._sql.change, (self._namespace,)), *removing]

    def _make_room(self, entries: Mapping[str, Stored]) -> Program[None]:
        yield from self._tidy(len(entries))
        yield from self._remember(kept=max(stored.kept for stored in entries.values()))

    def _remember(self, **seconds: float) -> Program[None]:
        """Have the tables know the longest that anything of the kind lasted, before anything lasts longer."""
        for kind, longest in seconds.items():
            if longest > self._longest[kind]:
                yield from self._change((self._sql.longest[kind], (longest, self._namespace, longest)))
                self._longest[kind] = longest

    def _tidy(self, written: int) -> Program[None]:
        """Forget, now and then, what has ended. Before a change: where it fails, the change is not done either."""
        self._written += written
        if self._written < FORGET_EVERY and not self._is_due:
            return
        many, self._written, self._is_due = 2 * self._written + 16, 0, False
        yield from self._ask(*self._forgetting(many))

    def _forgetting(self, many: int) -> list[Statement]:
        return [
            (self._sql.forget_entries, (many,)),
            (self._sql.forget_tags, (self._namespace, self._namespace, many)),
            (self._sql.forget_holds, ()),
            (self._sql.shorten_holds, ()),
        ]

    def _values(self, stored: Stored, tags: list[str]) -> tuple[Any, ...]:
        names = msgspec.msgpack.encode([_encode(tag) for tag in stored.tags])
        return stored.data, names, self._texts(tags), stored.fresh, stored.kept, stored.kept

    def _key_id(self, key: str) -> str:
        return _identify(self._key_hash, key)

    def _tag_ids(self, tags: Iterable[str]) -> list[str]:
        return sorted({_identify(self._tag_hash, tag) for tag in tags})

    def _sorted(self, keys: Iterable[str]) -> dict[str, str]:
        """Each key by its id, in one order for all: whoever changes several rows waits for nobody who waits for him."""
        return dict(sorted((self._key_id(key), key) for key in keys))

    def _targets(self, keys: Iterable[str], tags: Iterable[str]) -> list[str]:
        return [*self._sorted(keys), *self._tag_ids(tags)]


def check_table(table: str) -> str:
    """The name of a table, if it is one that needs no quotes anywhere.

    Raises:
        InvalidValue: it is not.
    """
    if not _NAME.fullmatch(table):
        raise InvalidValue("Expected a table's name of at most 40 lower-case letters, digits and _", got=table)
    return table


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _identify(begun: hashlib.blake2b, text: str) -> str:
    digest = begun.copy()
    digest.update(_encode(text))
    return digest.hexdigest()


def _stored(data: Any, fresh: float, kept: float, tags: Any) -> Stored:
    try:
        names = msgspec.msgpack.decode(tags, type=list[bytes])
        told = tuple(name.decode("utf-8", "surrogatepass") for name in names)
        return Stored(data if type(data) is bytes else bytes(memoryview(data)), fresh, kept, told)
    except (TypeError, msgspec.DecodeError, UnicodeDecodeError):
        return Stored(b"", fresh, kept)  # damaged: no value, as the cache will find
